"""Reading the request back, and asking what to change."""

import re
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

import phonenumbers
from rasa_sdk.events import EventType
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.interfaces import Action, Tracker
from rasa_sdk.types import DomainDict

from actions.run import About
from frontdesk.fields.reading import is_no, is_yes, looks_like_question, words

CONFIRMED = "confirmed"
MOST_WORDS_OF_A_CHANGE = 10

_CHANGE = re.compile(
    r"\b(change|correct(?=\s+(?:my|the|it|this|that|something)\b)|correction|fix|edit|update|wrong|different|"
    r"not right|isn'?t right|mistake|redo)\b",
    re.IGNORECASE,
)
_FIELDS = (
    ("email", re.compile(r"\be-?mail\b", re.IGNORECASE)),
    ("phone", re.compile(r"\b(phone|number|cell|mobile)\b", re.IGNORECASE)),
    ("full_name", re.compile(r"\b(name|spelling|spelled)\b", re.IGNORECASE)),
    (
        "patient_type",
        re.compile(r"\b(new or existing|new|existing|patient)\b", re.IGNORECASE),
    ),
    ("reason", re.compile(r"\breason\b", re.IGNORECASE)),
    ("preferred_time", re.compile(r"\b(time|day|date|when)\b", re.IGNORECASE)),
)
_PATIENT_TYPES = {"new": "new patient", "existing": "existing patient"}


def field_to_change(text: str) -> str | None:
    """Return the field somebody wants to change, when they name one."""
    if looks_like_question(text) or len(words(text)) > MOST_WORDS_OF_A_CHANGE:
        return None
    # "The phone" is enough, "yes, any time" is not.
    if not _CHANGE.search(text) and (len(words(text)) > 3 or is_yes(text)):
        return None
    return next((field for field, pattern in _FIELDS if pattern.search(text)), None)


def wants_change(text: str) -> bool:
    """Tell whether somebody wants something changed, named or not."""
    return not looks_like_question(text) and (is_no(text) or _CHANGE.search(text) is not None)


def readable(name: str, value: Any) -> str:
    """Return a field as somebody is told that it was understood: "phone (516) 555-0142"."""
    shown = {
        "full_name": lambda: f"name {value}",
        "phone": lambda: f"phone {readable_phone(value)}",
        "email": lambda: f"email {value}",
        "patient_type": lambda: _PATIENT_TYPES.get(value, ""),
        "reason": lambda: f"reason: {value}",
        "preferred_time": lambda: f"time: {_readable_time(value)}",
    }
    return plain(shown[name]()) if name in shown else ""


def plain(text: str) -> str:
    """Return a text without what Rasa's interpolation would take for a placeholder it has left over ("0[")."""
    return text.replace("[", "(").replace("]", ")")


@dataclass(frozen=True)
class Row:
    """One line of the read-back, and the words that change it."""

    label: str
    value: str
    field: str | None = None
    change: str | None = None

    def __str__(self) -> str:
        return f"{self.label}: {self.value}"


def rows(slots: dict[str, Any]) -> list[Row]:
    """Return the request line by line, as it will be sent."""
    about = About.of(slots)
    phone = readable_phone(slots["phone"])
    if about.for_other and about.phone_of:
        phone += " (yours)" if about.phone_of == "mine" else " (theirs)"
    patient = _PATIENT_TYPES.get(slots.get("patient_type") or "", "not given")
    lines = [
        *([Row("For", _whose(about.for_other))] if about.for_other else []),
        *([Row("Asked by", about.writer)] if about.for_other and about.writer else []),
        Row("Name", slots["full_name"], "full_name", "Change my name"),
        Row("Phone", phone, "phone", "Change my phone number"),
        Row("Email", slots.get("email") or "not given", "email", "Change my email"),
        Row("Patient", patient, "patient_type", "Change new or existing patient"),
        Row("Reason", slots.get("reason") or "not given", "reason", "Change the reason"),
        Row("When", _readable_time(slots.get("preferred_time") or {}), "preferred_time", "Change the time"),
    ]
    return [replace(line, value=plain(line.value)) for line in lines]


def _whose(other: str) -> str:
    return other if other in ("someone else", "somebody else") else f"your {other}"


def readable_phone(phone: str) -> str:
    """Return an E.164 number as people write it."""
    number = phonenumbers.parse(phone)
    national = phonenumbers.PhoneNumberFormat.NATIONAL
    international = phonenumbers.PhoneNumberFormat.INTERNATIONAL
    return phonenumbers.format_number(number, national if number.country_code == 1 else international)


def _readable_time(preferred: dict[str, Any]) -> str:
    said: str = preferred.get("text") or "not given"
    if preferred.get("understood"):
        understood_as: str = preferred["understood"]
        return said if _bare(understood_as) == _bare(said) else f"{said} ({understood_as})"
    understood = []
    if preferred.get("date"):
        day = date.fromisoformat(preferred["date"])
        understood.append(f"{day:%A, %B} {day.day}, {day.year}")
    if preferred.get("part_of_day") and preferred["part_of_day"] not in said.lower():
        understood.append(preferred["part_of_day"])
    return f"{said} ({', '.join(understood)})" if understood else said


def _bare(time: str) -> str:
    """Return what two ways of saying one time have in common: "mornings", "in the morning"."""
    return re.sub(r"^(?:in|on) (?:the )?|s$", "", time.lower())


class ActionAskReview(Action):
    """Read the request back, or ask what to change when the person said that it is not right."""

    def name(self) -> str:
        """Name it as Rasa expects for the slot `review`."""
        return "action_ask_review"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        """Ask one of the two questions."""
        asked_before = tracker.get_slot("requested_slot") == "review"
        if asked_before and wants_change((tracker.latest_message or {}).get("text") or ""):
            dispatcher.utter_message(response="utter_ask_what_to_change")
        else:
            lines = rows(tracker.current_slot_values())
            dispatcher.utter_message(
                response="utter_ask_review",
                summary="\n".join(map(str, lines)),
                json_message={"summary": [asdict(line) for line in lines]},
            )
        return []
