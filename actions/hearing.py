"""What a message does to a run of the form: what it gives, corrects or refuses, and whether it is something else.

One message may do several of these: give two fields and correct a third, or answer and ask something. Nothing here
knows of Rasa's events; `actions.form` turns the outcome into them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rasa_sdk.interfaces import Tracker

from actions.answers import NEEDED, read_again, read_answer, refuses_number
from actions.review import field_to_change, readable, wants_change
from actions.run import FIELDS, REQUIRED, About
from frontdesk.fields.facts import Fact, find_facts, without
from frontdesk.fields.phone import whose_phone
from frontdesk.fields.reading import Accepted, Doubtful, NotAnAnswer, Reading, is_yes, looks_like_question, tidy, words
from frontdesk.fields.when import NO_PREFERENCE

# What a person may say in between; each has a rule of its own, after which the form asks again.
TOPIC_GROUPS = frozenset(
    {"after", "alternatives", "background", "before", "booking", "bot", "conditions", "cost", "eligibility"}
    | {"how_it_works", "logistics", "results", "safety", "session"}
)
INTERRUPTIONS = TOPIC_GROUPS | {
    *("beyond", "cancel_request", "goodbye", "greet", "help", "how_are_you", "insult", "joke"),
    *("not_what_i_meant", "other_language", "out_of_scope", "repeat", "thanks", "who_made_you"),
}
# Of these, what is said in few words is no reason for a visit.
TALK = frozenset({"goodbye", "greet", "help", "how_are_you", "joke", "repeat", "thanks", "who_made_you"})
WANTS_A_PERSON = "logistics/phone_contact"
ALWAYS_FIRST = frozenset({"crisis"})
SURE = 0.75
LONG = 6
# A text that holds a fact and nothing else to speak of; longer ones are a reason in the person's own words.
SHORT_CORRECTION = 12
# Answers to one question that cannot be taken: two are explained, the third is offered a way out, the fourth takes it.
OFFERS_A_WAY_OUT, TAKES_IT = 3, 4

_FREE_TEXT = ("full_name", "reason")
_PLAIN_ANSWERS = ("full_name", "phone", "email", "patient_type", "preferred_time")
# In an answer of many words, only what is unmistakable is taken for another field.
_UNMISTAKABLE = ("phone", "email")
_MUCH_IS_SAID = ("reason", "preferred_time", "consent")
_REFUSABLE = frozenset({"full_name", "phone"})
_WHOSE = {"self": "mine", "other": "theirs"}
_SKIPPED: dict[str, Any] = {"preferred_time": {"text": NO_PREFERENCE, "date": None, "part_of_day": None}}
# Of the phone or the name: somebody who will not give it has not given up the request.
_REFUSES = re.compile(
    r"\b(?:(?:don['’]?t|do not|won['’]?t|would not|wouldn['’]?t) (?:want|like|wish|feel|give|share|tell)|rather not|"
    r"prefer not|not (?:comfortable|giving|telling|sharing)|refuse|none of your)\b",
    re.IGNORECASE,
)
_IS_BACK = re.compile(
    r"^\W*(?:(?:hi|hello|hey|ok|okay|sorry)\W+)*(?:i['’]?m|im|i am) back(?: now| again)?\W*$", re.IGNORECASE
)
_GOES_ON = re.compile(
    r"\b(?:go on|going on|continue|resume|finish|pick up|carry on|proceed|back to)\b"
    r".*\b(?:request|appointment|appt|form|booking)\b",
    re.IGNORECASE,
)
# What is left of "my email is …" without the address is no name.
_ABOUT_CONTACT = re.compile(
    r"\b(?:e-?mail|mail|address|phone|number|cell|mobile|call|text|reach|contact|at)\b", re.IGNORECASE
)
_PIECES = re.compile(r"(?<=[.!?;])\s+|,\s+|\n+|\s+[-–]\s+|\s+(?:and|but|also)\s+(?=(?:how|what|when|where|who|why)\b)")


@dataclass(frozen=True)
class Heard:
    """A message as Rasa understood it."""

    text: str
    intent: str = ""
    topic: str = ""  # `group/name`; empty for talk
    confidence: float = 0.0

    @classmethod
    def of(cls, tracker: Tracker) -> "Heard":
        """Read a tracker's latest message."""
        message = tracker.latest_message or {}
        intent = message.get("intent") or {}
        return cls(
            text=tidy(message.get("text") or ""),
            intent=str(intent.get("name") or ""),
            topic=str(intent.get("full_retrieval_intent_name") or ""),
            confidence=float(intent.get("confidence") or 0.0),
        )


@dataclass
class Outcome:
    """What follows from a message: slots, responses with their arguments, and how the form goes on."""

    values: dict[str, Any] = field(default_factory=dict)
    said: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    something_else: bool = False  # a rule answers it, and the form asks again
    stops: bool = False  # the form ends here; what it holds is kept, unless consent was refused

    def say(self, response: str, **arguments: Any) -> None:
        """Add a response."""
        self.said.append((response, arguments))


def open_run(text: str, slots: Mapping[str, Any], about: About, now: datetime) -> Outcome:
    """Take what was already said in the message that asks for an appointment."""
    outcome = Outcome()
    facts = find_facts(text, now.date(), slots)
    _note_whose(facts, text, slots, about, outcome)
    for fact in facts:
        if fact.field in FIELDS and not fact.suggestion and not _names_the_writer(fact, about):
            outcome.values[fact.field] = _value(fact, about)
    return outcome


def hear(heard: Heard, asked: str, slots: Mapping[str, Any], about: About, now: datetime) -> Outcome:
    """Return what a message does while the form asks for `asked`. `about` is brought up to date."""
    outcome = Outcome({asked: None})
    if heard.intent in ALWAYS_FIRST:
        outcome.something_else = True
        return outcome
    facts = find_facts(heard.text, now.date(), slots)
    moved = _note_whose(facts, heard.text, slots, about, outcome)
    told = _told(facts, asked, heard.text, slots, about)
    statement = _without_questions(heard.text)
    if not told and asked != "review" and _asks_for_a_change(heard, slots, outcome):
        return outcome
    if _wants_another_number(heard, asked, about) and not (told or moved or _gives(facts, "phone")):
        about.texting_from = None  # `action_ask_phone` asks for it
        return outcome
    answer = _answer(heard, statement, asked, facts, told, about, now)
    if _is_something_else(heard, asked, answer, bool(told) or moved):
        outcome.something_else = True
        # "516-555-0142, and what does it cost?" is both; a question alone is no answer, however it reads.
        if not (isinstance(answer, Accepted) and statement and statement != heard.text):
            answer = None
    _take_told(told, slots, outcome)
    if isinstance(answer, Accepted):
        _take(asked, answer.value, about, outcome)
    elif outcome.something_else or told or moved:
        pass
    elif isinstance(answer, Doubtful):
        # `action_ask_email` asks which of the two it is.
        about.doubted_email, about.suggested_email = answer.value, answer.suggestion
    elif asked != "review" or not wants_change(heard.text):  # `action_ask_review` asks what to change
        _could_not_take(heard, asked, answer, slots, about, now, outcome)
    return outcome


def _wants_another_number(heard: Heard, asked: str, about: About) -> bool:
    """Tell whether somebody was offered to be called at the number they text from, and wants another one."""
    return asked == "phone" and about.texting_from is not None and refuses_number(heard.text, heard.intent)


def _gives(facts: Sequence[Fact], name: str) -> bool:
    return any(fact.field == name for fact in facts)


def _note_whose(facts: Sequence[Fact], text: str, slots: Mapping[str, Any], about: About, outcome: Outcome) -> bool:
    """Note for whom the visit is, who writes, and whose phone it is; tell whether it turned out to be for another."""
    other = next((fact for fact in facts if fact.field == "for_other"), None)
    moved = other is not None and about.for_other is None
    if other is not None:
        about.for_other = str(other.value)
        if moved and slots.get("full_name"):
            # The name that was given is that of who writes.
            about.writer = slots["full_name"]
            outcome.values["full_name"] = None
    if about.for_other:
        said_of = next((_WHOSE.get(fact.whose) for fact in facts if fact.field == "phone"), None)
        about.phone_of = said_of or whose_phone(text) or about.phone_of
        about.writer = next((f.value for f in facts if _names_the_writer(f, about)), about.writer)
    return moved


def _names_the_writer(fact: Fact, about: About) -> bool:
    return bool(about.for_other) and fact.field == "full_name" and fact.whose == "self"


def _told(facts: Sequence[Fact], asked: str, text: str, slots: Mapping[str, Any], about: About) -> dict[str, Any]:
    """Return the fields, other than the one asked for, that a message gives or corrects."""
    told: dict[str, Any] = {}
    for fact in facts:
        if fact.field not in FIELDS or fact.field == asked or _names_the_writer(fact, about):
            continue
        if fact.suggestion:
            continue  # an address with a likely slip is asked for, and about
        known = slots.get(fact.field)
        value = _value(fact, about)
        sure = fact.correction or fact.explicit
        if asked == "review" and not fact.correction and (is_yes(text) or field_to_change(text) == fact.field):
            continue  # "yes, any time" agrees, and "the reason is wrong" is no reason
        if known is None or known == "":
            if asked not in _MUCH_IS_SAID or sure or fact.field in _UNMISTAKABLE:
                told[fact.field] = value
        elif _differs(fact.field, value, known) and (sure or asked == "review" or _is_asked_along(fact, asked)):
            told[fact.field] = value
    return told


def _is_asked_along(fact: Fact, asked: str) -> bool:
    """Tell whether the question for the name has asked for it as well: who gives both means both."""
    return asked == "full_name" and fact.field == "phone"


def _value(fact: Fact, about: About) -> Any:
    if fact.field == "phone":
        about.phone_typed = fact.typed
    return fact.value


def _differs(name: str, value: Any, known: Any) -> bool:
    if name == "preferred_time":
        keys = ("date", "part_of_day", "text")
        return [value.get(key) for key in keys] != [known.get(key) for key in keys]
    return bool(value != known)


def _answer(
    heard: Heard,
    statement: str,
    asked: str,
    facts: Sequence[Fact],
    told: Mapping[str, Any],
    about: About,
    now: datetime,
) -> Reading | None:
    """Return what the message says to the question; None when it speaks of other fields alone."""
    own = next((fact for fact in facts if fact.field == asked and not _names_the_writer(fact, about)), None)
    if own is not None and not own.suggestion and asked in _PLAIN_ANSWERS and (told or asked in ("full_name", "phone")):
        return Accepted(_value(own, about))
    if told and asked == "full_name" and not told.keys().isdisjoint(_UNMISTAKABLE):
        # "jo park 646 555 0104": what stands beside a number in answer to "name and number".
        left = without(heard.text, facts)
        beside = None if _ABOUT_CONTACT.search(left) else read_answer(asked, left, "", about, now)
        return beside if isinstance(beside, Accepted) else None
    if told and asked in ("full_name", "consent", "review"):
        return None
    corrects = any(fact.correction and fact.field != asked for fact in facts)
    if told and corrects and len(words(heard.text)) <= SHORT_CORRECTION:
        return None
    if asked in _REFUSABLE and _REFUSES.search(heard.text):
        return NotAnAnswer(NEEDED)
    if asked in _FREE_TEXT and (_IS_BACK.match(heard.text) or _GOES_ON.search(heard.text)):
        return NotAnAnswer("")
    reading = read_answer(asked, heard.text, heard.intent, about, now)
    if not isinstance(reading, Accepted) and statement and statement != heard.text:
        of_statement = read_answer(asked, statement, "", about, now)
        if isinstance(of_statement, Accepted):
            return of_statement
    return reading


def _is_something_else(heard: Heard, asked: str, answer: Reading | None, gave_facts: bool) -> bool:
    """Tell whether a message wants an answer of its own, before the form goes on."""
    if heard.intent not in INTERRUPTIONS:
        return False
    if asked in _REFUSABLE and _REFUSES.search(heard.text):
        return False
    if not isinstance(answer, Accepted):
        if gave_facts:
            return heard.intent in TOPIC_GROUPS and asks(heard.text)
        if heard.intent == "out_of_scope" and not asks(heard.text):
            return False  # an answer that could not be understood, rather than another subject
        return not (asked == "review" and field_to_change(heard.text))
    if heard.intent in TOPIC_GROUPS and asked not in ("preferred_time", "review") and heard.confidence >= SURE:
        statement = _without_questions(heard.text)
        if statement and statement != heard.text:
            return True
    count = len(words(heard.text))
    if asked == "preferred_time" and heard.intent != "cancel_request":
        # "Next week is fine" is a time; a long text with a "week" in it that asks about results is not.
        vague = answer.value["date"] is None and answer.value["part_of_day"] is None
        return vague and heard.confidence >= SURE and count >= LONG
    if asked not in _FREE_TEXT:
        return heard.intent == "cancel_request" and count <= 6 and asked != "email"
    if heard.intent == "cancel_request":
        return heard.confidence >= SURE or count <= 3
    if asked == "full_name":
        return heard.confidence >= SURE and (count != 2 or heard.intent != "out_of_scope")
    if heard.intent in TALK or heard.topic == WANTS_A_PERSON:
        return heard.confidence >= SURE and count <= LONG
    return looks_like_question(heard.text)


def asks(text: str) -> bool:
    """Tell whether any part of a text is a question."""
    return any(looks_like_question(piece) for piece in _pieces(text))


def _without_questions(text: str) -> str:
    """Return the parts of a text that are no questions."""
    return ", ".join(piece.strip(" .,;") for piece in _pieces(text) if not looks_like_question(piece)).strip()


def _pieces(text: str) -> list[str]:
    return [piece for piece in _PIECES.split(text) if piece and piece.strip()]


def _take_told(told: Mapping[str, Any], slots: Mapping[str, Any], outcome: Outcome) -> None:
    outcome.values |= told
    changed = [name for name in told if slots.get(name)]
    if changed:
        outcome.values["review"] = None
        outcome.say("utter_changed", changed=", ".join(readable(name, told[name]) for name in changed))


def _take(asked: str, value: Any, about: About, outcome: Outcome) -> None:
    about.failures.pop(asked, None)
    if asked == "phone":
        if about.for_other and value == about.texting_from:
            about.phone_of = "mine"
        about.texting_from = None
    if asked == "email":
        about.suggested_email = about.doubted_email = None
    if asked == "review" and isinstance(value, dict):
        outcome.values |= {value["change"]: None, "review": None}
        return
    outcome.values[asked] = value
    # No next field: the form ends, and `action_save_request` keeps nothing but the "no".
    outcome.stops = asked == "consent" and not value["given"]


def _asks_for_a_change(heard: Heard, slots: Mapping[str, Any], outcome: Outcome) -> bool:
    """Ask anew for a field somebody wants changed without saying to what: "change my phone number"."""
    changed = field_to_change(heard.text) if wants_change(heard.text) else None
    if changed is None or slots.get(changed) is None or len(words(heard.text)) > LONG:
        return False
    outcome.values[changed] = None
    return True


def _could_not_take(
    heard: Heard,
    asked: str,
    reading: Reading | None,
    slots: Mapping[str, Any],
    about: About,
    now: datetime,
    outcome: Outcome,
) -> None:
    """Say why an answer could not be taken; after some, offer a way out, and then take it."""
    if _IS_BACK.match(heard.text) or _GOES_ON.search(heard.text):
        return
    again = any(read_again(name, heard.text, slots, now.date()) for name in FIELDS if name != asked)
    failed = about.failures[asked] = about.failures.get(asked, 0) + 1
    if failed >= TAKES_IT:
        del about.failures[asked]
        if asked in REQUIRED:
            outcome.say("utter_request_paused")
            outcome.stops = True
        else:
            outcome.say("utter_left_out")
            outcome.values[asked] = _SKIPPED.get(asked, "")
        return
    response = getattr(reading, "response", "")
    if again and failed < OFFERS_A_WAY_OUT:
        outcome.say("utter_have_that")
        return
    if failed == 1 and heard.intent == "request_appointment":
        return  # somebody who asks for an appointment while giving one is simply asked again
    if failed == OFFERS_A_WAY_OUT:
        outcome.say("utter_stuck" if asked in REQUIRED else "utter_stuck_optional")
    elif failed == 1 or response == NEEDED:
        if response:
            outcome.say(response)
    else:
        outcome.say(f"utter_help_{asked}")
