"""What a visit is for, within a message."""

import re

from frontdesk.fields.message import Found, Message, Part
from frontdesk.fields.phrases import Phrases, several
from frontdesk.fields.reason import LONGEST_REASON

_CONDITION = (
    "depression|depressed|anxiety|ptsd|cptsd|ocd|bipolar|fibromyalgia|fibro|crps|rsd|neuropathy|neuralgia|"
    "migraine|migraines|insomnia|trauma|grief|addiction|alcoholism|adhd|mdd|trd|gad|pmdd|ppd|burnout|phobia|"
    "schizophrenia|bulimia|anorexia|sciatica|arthritis|lupus|endometriosis|tinnitus|dysthymia"
)
_PAIN = "back|nerve|chronic|joint|neck|knee|body|pelvic|phantom|leg|foot|cancer|shoulder|hip|head|facial|constant"
_KIND = several(
    "my her his their severe major bad chronic postpartum resistant treatment clinical really awful terrible",
    "social constant long term deep worsening debilitating some complex combat health general generalized",
    "lifelong -",
)
_DISORDER = "panic|mood|eating|bipolar|anxiety|depressive|stress|personality|seasonal|substance"
_NAMED = [
    f"{_CONDITION} disorder|disorders?",
    f"{_PAIN} pain",
    f"{_DISORDER} disorder|attacks|attack|issues",
    "suicidal thoughts|ideation",
    "cluster headache|headaches",
    "pain",
    "mental health",
]
_CONDITIONS = Phrases({"condition": _NAMED})
# "I have bipolar 1 is this something you do": the question is none of it.
_THEN_ASKS = re.compile(
    r"\s+(?:is|are|do|does|can|will|would|could) (?:this|it|you|u|that|there|i)\b.*$", re.IGNORECASE
)
_STATED = re.compile(
    r"\b(?:(?:i|he|she|they|we)(?:'?ve)?|i'?m|im|he'?s|she'?s)\s+(?:(?:also|really|just|still|currently|always|both)\s+)*"
    r"(?:have|has|had|got|suffer(?:s|ed|ing)?\s+(?:from|with)|deal(?:s|ing)?\s+with|struggl(?:e|es|ing)\s+with|"
    r"been\s+(?:dealing|struggling|living|fighting|battling|diagnosed|suffering)\s+(?:with|from)|"
    r"been\s+having|live\s+with|living\s+with|battling|fighting|diagnosed\s+with|was\s+diagnosed\s+with|have\s+been|"
    r"am|been|dealing\s+with|struggling\s+with|suffering\s+(?:from|with))?\s*(?:been\s+)?(?:(?:with|from)\s+)?$",
    re.IGNORECASE,
)
_AS_THE_REASON = re.compile(
    r"(?:\b(?:for|because\s+of|due\s+to|about|regarding|reason\s*(?:is|:|=)|it'?s|with|re|treat|treating)|^of|^|:)\s*$",
    re.IGNORECASE,
)
_EXPLICIT_REASON = re.compile(
    r"\b(?:(?:the|my|main)\s+)?reason(?:\s+for\s+(?:my|the|this)\s+visit)?\s*(?:is\b|:|=|-\s)\s*(?P<reason>[^.;!?\n]{3,})",
    re.IGNORECASE,
)
_DENIES = several("no not dont doesnt never havent without isnt didnt nor if")
_HELPED_BY = re.compile(
    r"\b(?:nothing|never|not|hasn'?t|haven'?t|doesn'?t|isn'?t|don'?t|no\s+(?:meds|medication))\b", re.I
)
_WISHES = several(
    "i id im need want would like appointment consultation consult visit session treatment treatments infusion",
    "infusions help come in get an a the for to looking book make schedule seen be please and hi hello my calling",
    "ketamine with you some hoping interested request writing because of due about its it is this us we could try",
    "am regarding something",
)


def find_reason(message: Message, taken: frozenset[int], for_other: bool, beside_a_fact: bool) -> Found | None:
    """Return the reason for a visit in the person's own words: stated as the reason, or as what they have.

    Args:
        message: the message.
        taken: tokens that belong to other facts; the reason ends there.
        for_other: whether the visit is for somebody else, so that "he has PTSD" tells what for.
        beside_a_fact: whether the message holds another fact, beside which "depression" alone is the reason.
    """
    explicit = _EXPLICIT_REASON.search(message.said)
    if explicit is not None:
        start, end = message.tokens_of(*explicit.span("reason"))
        end = next((index for index in range(start, end) if index in taken), end)
        if start < end:
            return Found(message.text(start, end).strip(" ,"), start, end)
    for start, end in _conditions(message):
        part = message.part_of(start)
        if part.asks or (part.sentence_asks and not _comes_as_a_wish(message, part, start)):
            continue
        found = _stated(message, part, start, end, taken, for_other, beside_a_fact)
        if found is not None and len(found.value) <= LONGEST_REASON:
            return found
    return None


def _conditions(message: Message) -> list[tuple[int, int]]:
    """Return where conditions are named, with what says of which kind they are, by tokens."""
    places = []
    for phrase in _CONDITIONS.longest(message.doc):
        start = phrase.start
        while start and message.doc[start - 1].norm_ in _KIND:
            start -= 1
        while message.doc[start].text == "-":
            start += 1
        places.append((start, phrase.end))
    return places


def _comes_as_a_wish(message: Message, part: Part, start: int) -> bool:
    """Tell whether a condition is what somebody wants help for, though the sentence goes on with a question."""
    before = message.norms(part.start, start)
    return before[-1:] == ["for"] and bool(_WANTS.intersection(before))


def _stated(
    message: Message, part: Part, start: int, end: int, taken: frozenset[int], for_other: bool, beside_a_fact: bool
) -> Found | None:
    begin = max([index + 1 for index in range(part.start, start) if index in taken], default=part.start)
    words = message.norms(begin, start)
    if _DENIES.intersection(words):
        return None
    before = f"{message.text(begin, start)} "
    first_person = bool({"i", "im", "ive", "my", "we"}.intersection(message.norms(begin, end)))
    third_person = bool({"he", "she", "they", "hes", "shes", "theyve", "her", "his", "their"}.intersection(words))
    if third_person and not for_other:
        return None
    if end < len(message.doc) and message.doc[end].norm_ in _NOT_A_CONDITION:
        return None  # "my pain doctor", "anxiety about needles"
    stated = _STATED.search(before)
    if stated is not None and (first_person or third_person):
        lead = message.tokens_of(message.places[begin][0] + stated.start(), message.places[start][0])[0]
        if not all(word in _FILLERS for word in message.norms(begin, lead)):
            return None  # "a quiz told me I'm depressed"
        until = _until(message, part, end, taken)
        told = _THEN_ASKS.sub("", message.text(lead, until)).strip(" ,")
        return Found(told, lead, until, explicit=False)
    if message.doc[end - 1].norm_ == "depressed":
        return None  # "my depressed brain"
    if words == ["of"] and not _WANTS.intersection(message.norms(0, len(message.doc))):
        return None  # "a letter because of depression"
    before = before.strip()
    if not before:
        whole = _is_whole(part, start, end, taken)
        return Found(message.text(start, end), start, end, explicit=False) if whole and beside_a_fact else None
    if not _AS_THE_REASON.search(before) or not all(word in _WISHES for word in words):
        return None
    if {"ketamine", "infusions", "treatment"}.intersection(words) and not _WANTS.intersection(words):
        return None  # "ketamine for PTSD" asks about it
    return Found(message.text(start, end), start, end)


_NOT_A_CONDITION = several(
    "doctor doc guy specialist management meds medication medicine clinic pills quiz patient patients about over",
    "attorney nurse psychiatrist therapist med test group support awareness research treatment treatments",
)
_FILLERS = several("and so basically well ok okay hi hello hey because since but honestly also yes um uh like cause")
_WANTS = several("need want would like looking interested id appointment consultation consult visit book schedule try")


def _is_whole(part: Part, start: int, end: int, taken: frozenset[int]) -> bool:
    """Tell whether a condition is all that a part says: "depression, 516-555-0142"."""
    others = [index for index in range(part.start, part.end) if index not in taken and not start <= index < end]
    return not others


def _until(message: Message, part: Part, end: int, taken: frozenset[int]) -> int:
    """Return before which token a stated condition ends: with its part, and with what is said of it after "and"."""
    parts = message.parts
    number = parts.index(part)
    until = _before_taken(part, end, taken)
    while until == parts[number].end and number + 1 < len(parts):
        follows = parts[number + 1]
        joint = message.norms(parts[number].end, follows.start)
        goes_on = joint in (["and"], ["but"], ["so"], ["since"], ["cause"], [",", "and"], [",", "but"], [","])
        if (
            not goes_on
            or follows.sentence != part.sentence
            or any(i in taken for i in range(follows.start, follows.end))
        ):
            break
        if not _speaks_of_it(message, follows):
            break
        number, until = number + 1, follows.end
    return until


def _speaks_of_it(message: Message, part: Part) -> bool:
    """Tell whether a part goes on about a condition: what has not helped, or another condition."""
    text = message.text(part.start, part.end)
    doc = message.doc[part.start : part.end].as_doc()
    if any(
        {"appointment", "call", "name", "number", "book"}.intersection([token.norm_ for token in doc]) for _ in (0,)
    ):
        return False
    has_condition = any(part.start <= start < part.end for start, _end in _conditions(message))
    return has_condition or _HELPED_BY.search(text) is not None


_OTHER_SUBJECTS = several("appointment call name number book email phone insurance cost price")


def _before_taken(part: Part, start: int, taken: frozenset[int]) -> int:
    return next((index for index in range(start, part.end) if index in taken), part.end)
