"""Whether somebody is a new or an existing patient, within a message."""

import re

from frontdesk.fields.message import Found, Message, Part
from frontdesk.fields.people import RELATIVES
from frontdesk.fields.phrases import Phrases, several

_TREATED = "infusion|infusions|treatment|treatments|session|sessions|ketamine"
_HOW_MANY = "my|some|a|one|two|three|four|five|six|several|few|the|#"
_YEARS = "|".join(str(year) for year in range(2015, 2041))
_PATIENT = Phrases(
    {
        "new": [
            *(
                "new patient|client",
                "im|shes|hes|theyre new",
                "i am new",
                "she|he is new",
                "im brand new",
                "new here|there",
            ),
            *("first visit|timer|appointment", "first time patient", "first time", "its my first time|visit"),
            *("my|our|her|his first time|visit|appointment", "not a patient yet", "never been a patient"),
            *(
                "never been there|here|before",
                "never been to|at you",
                "never been to|at your|the clinic|office|practice",
            ),
            *(
                "havent|hasnt been there|here before?",
                "have|has not been there|here before?",
                "not been there|here before?",
            ),
            *(
                "never been seen|treated there|here",
                "never been seen|treated by|at you",
                "never visited there|you|before",
            ),
            *("never came|come there|here|before", f"never had|done|got {_TREATED} there|here"),
            f"never had|done|got {_TREATED} with you",
        ],
        "existing": [
            *("existing|current|returning|established|former|previous patient|client", "not a? new patient|client"),
            *(
                "already a? patient|client",
                "was a? patient there|here|of",
                "been a? patient there|here|of",
                "im not new",
            ),
            *("i am not new", "ive|have|has|shes|hes been there|here before|already", "been there|here before|already"),
            *(
                "been|was|were treated there|here",
                "been|was|were treated by|with you",
                "been|was|were treated at your",
                "been coming to you|your",
                "been seeing you",
            ),
            *("was|were treated in|last spring|summer|fall|winter", f"was|were treated in {_YEARS}"),
            *("was|were treated before", "was|were there before|last", "came there|here|in before", "been in before"),
            *("been going|coming there", "come|coming back to you|your", "she|he is a? patient there|here"),
            *(f"ive|have|had|did|got {_HOW_MANY} {_TREATED} there|here", f"ive|have|had|did|got {_TREATED} there|here"),
            *(
                f"ive|have|had|did|got {_HOW_MANY} {_TREATED} with|at you|your",
                f"had|did|got {_TREATED} with|at you|your",
            ),
        ],
    }
)
_ELSEWHERE = re.compile(
    r"\b(?:elsewhere|another|different|other|somewhere else|new (?:york|job|phone|number|cell|email|address|doctor))\b",
    re.IGNORECASE,
)
_NOT_BEFORE = several("not isnt never arent dont aint")
_UNSURE = several("if whether unsure sure unless or which")
_ONLY_A_SAYING = re.compile(r"\bbeen there,? done that", re.IGNORECASE)


def find_patient_type(message: Message, for_other: bool) -> Found | None:
    """Return "new" or "existing", where a message says one of them and not the other, of whom the visit is for."""
    found: list[Found] = []
    for phrase in _PATIENT.longest(message.doc):
        part = message.part_of(phrase.start)
        if part.asks or _ELSEWHERE.search(message.text(part.start, part.end)):
            continue
        if (
            message.norms(phrase.start, phrase.end) == ["first", "time"]
            and phrase.end - phrase.start != part.end - part.start
        ):
            continue  # "the first time I heard of it"
        before = message.norms(part.start, phrase.start)
        value = phrase.label
        if _UNSURE.intersection(before) or _ONLY_A_SAYING.search(message.said, message.places[phrase.start][0]):
            continue
        if _NOT_BEFORE.intersection(before[-3:]) and message.doc[phrase.start].norm_ != "not":
            value = _opposite(message, phrase.start, phrase.end, value)
        if not for_other and _THIRD_PERSON.intersection(before):
            continue
        if value and not _is_about_something_else(message, phrase.end, part):
            found.append(Found(value, phrase.start, phrase.end))
    return found[0] if len({one.value for one in found}) == 1 else None


def _opposite(message: Message, start: int, end: int, value: str) -> str:
    """Return what "not a new patient" says; of a longer phrase with a "not" in front, nothing."""
    if end - start > 2 or message.doc[end - 1].norm_ not in ("patient", "client", "new"):
        return ""
    return "existing" if value == "new" else "new"


_THIRD_PERSON = several("he she they his her their", *(word for word in RELATIVES if word.isalpha()))
_NOT_LATELY = several("not havent hasnt never")
_HERE = several("you clinic practice office place here there")


def _is_about_something_else(message: Message, end: int, part: Part) -> bool:
    """Tell whether "I'm new" goes on: "I'm new to this area"; or a treatment was for something, by anybody."""
    after = message.norms(end, part.end)
    if not after:
        return False
    last = message.doc[end - 1].norm_
    if after[0] in ("man", "person", "woman", "people") or (last == "new" and after[0] in ("to", "in", "at", "with")):
        return True
    if last == "time":
        return after[0] not in _AFTER_FIRST_TIME
    if after[0] in ("in", "since"):
        # "I haven't been there in years": somebody who has been there.
        return bool(_NOT_LATELY.intersection(message.norms(part.start, end)))
    return after[0] in ("to", "at", "for") and after[-1] not in _HERE


_AFTER_FIRST_TIME = several("there here coming visiting seeing with for patient")
