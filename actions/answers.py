"""Reading the answer to one question of the form."""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from actions.review import CONFIRMED, field_to_change
from actions.run import About
from frontdesk.fields.email import read_email
from frontdesk.fields.name import read_name
from frontdesk.fields.patient_type import read_patient_type
from frontdesk.fields.phone import read_phone
from frontdesk.fields.reading import (
    Accepted,
    Doubtful,
    NotAnAnswer,
    Reading,
    is_conditional,
    is_no,
    is_skip,
    is_undecided,
    is_yes,
    looks_like_question,
)
from frontdesk.fields.reason import read_reason
from frontdesk.fields.when import read_preferred_time

NEEDED = "utter_field_needed"
_THIS_NUMBER = re.compile(
    r"\W*(?:(?:please|yes|just|use|call|text|reach|on|at|it.?s|me|my)\W+)*"
    r"(?:this|that|same|here|cell|the one i.?m texting from)(?:\s+(?:one|number|phone|cell|line))?"
    r"(?:\s+(?:is|works|please|fine|good|ok|okay|best))*\W*",
    re.IGNORECASE,
)
_OTHER_NUMBER = re.compile(
    r"^\W*(?:please )?(?:use |call |i have |i want |i.?d prefer |at )?(?:an?|my|the)? ?"
    r"(?:other|another|different|new|home|work|landline|office|daughter|wife|husband|mother|son|mom)\b",
    re.IGNORECASE,
)
_READERS: dict[str, Callable[[str], Reading]] = {
    "full_name": read_name,
    "phone": read_phone,
    "email": read_email,
    "reason": read_reason,
}


def read_answer(field: str, text: str, intent: str, about: About, now: datetime) -> Reading:
    """Return what a text says to the question for `field`.

    Args:
        field: one of FIELDS.
        text: what the person wrote.
        intent: what the message was understood as.
        about: of the run; an address that was suggested is in it.
        now: in the clinic's time zone.
    """
    if field == "full_name":
        return NotAnAnswer(NEEDED) if is_skip(text) or intent == "skip" else read_name(text)
    if field == "phone":
        if about.texting_from and takes_number(text, intent):
            return Accepted(about.texting_from)
        reading = read_phone(text)
        if isinstance(reading, NotAnAnswer) and (is_skip(text) or intent == "skip"):
            return NotAnAnswer(NEEDED)
        return reading
    if field == "email":
        return _read_email(text, intent, about)
    if field == "patient_type":
        return Accepted("") if intent == "skip" else read_patient_type(text)
    if field == "reason":
        return Accepted("") if intent == "skip" else read_reason(text)
    if field == "preferred_time":
        return read_preferred_time(text, now.date())
    if field == "consent":
        return _read_consent(text, intent, now)
    return _read_review(text, intent)


def takes_number(text: str, intent: str) -> bool:
    """Tell whether somebody agrees to be called at the number they text from."""
    return _agrees(text, intent) or _THIS_NUMBER.fullmatch(text) is not None


def refuses_number(text: str, intent: str) -> bool:
    """Tell whether somebody wants to be called at another number than the one they text from."""
    return is_no(text) or _OTHER_NUMBER.match(text) is not None or (intent == "deny" and not is_undecided(text))


def read_again(field: str, text: str, slots: Mapping[str, Any], today: date) -> bool:
    """Tell whether a text says once more what a field holds already, as a second tab or an impatient click does."""
    known = slots.get(field)
    if not known:
        return False
    if field == "preferred_time":
        reading = read_preferred_time(text, today)
    elif field in _READERS:
        reading = _READERS[field](text)
    else:
        return False
    if not isinstance(reading, Accepted):
        return False
    if field == "full_name":
        return str(reading.value).casefold() == str(known).casefold()
    return bool(reading.value == known)


def _read_email(text: str, intent: str, about: About) -> Reading:
    if about.suggested_email:
        suggested, doubted = about.suggested_email, about.doubted_email
        if is_yes(text) or intent == "affirm":
            return Accepted(suggested)
        if is_no(text) or intent == "deny":
            return Accepted(doubted)
    if intent == "skip" and "@" not in text:
        return Accepted("")
    reading = read_email(text)
    # Somebody who writes it once more means it.
    if isinstance(reading, Doubtful) and reading.value == about.doubted_email:
        return Accepted(reading.value)
    return reading


def _read_consent(text: str, intent: str, now: datetime) -> Reading:
    if _agrees(text, intent):
        return Accepted({"given": True, "at": now.isoformat()})
    if is_no(text) or (intent == "deny" and not is_undecided(text)):
        return Accepted({"given": False, "at": now.isoformat()})
    return NotAnAnswer("utter_invalid_consent")


def _read_review(text: str, intent: str) -> Reading:
    changed = field_to_change(text)
    if changed is not None:
        return Accepted({"change": changed})
    if _agrees(text, intent):
        return Accepted(CONFIRMED)
    # `action_ask_review` asks what to change, or shows everything again.
    return NotAnAnswer("")


def _agrees(text: str, intent: str) -> bool:
    """Tell whether somebody agrees, and to all of it."""
    unreserved = not is_conditional(text) and not looks_like_question(text)
    return is_yes(text) or (intent == "affirm" and unreserved)
