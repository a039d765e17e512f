"""Validation of the appointment form: what answers the field that was asked for, and what is something else."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from rasa_sdk.events import ActionExecutionRejected, EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.forms import FormValidationAction
from rasa_sdk.interfaces import Tracker
from rasa_sdk.types import DomainDict

from actions.review import CONFIRMED, field_to_change
from frontdesk.fields.email import read_email
from frontdesk.fields.name import read_name
from frontdesk.fields.patient_type import read_patient_type
from frontdesk.fields.phone import read_phone
from frontdesk.fields.reading import (
    Accepted,
    NotAnAnswer,
    Reading,
    is_conditional,
    is_no,
    is_skip,
    is_undecided,
    is_yes,
    looks_like_question,
    words,
)
from frontdesk.fields.reason import read_reason
from frontdesk.fields.when import read_preferred_time

FORM = "appointment_form"
FIELDS = ("full_name", "phone", "email", "patient_type", "reason", "preferred_time", "consent", "review")
RUN_SLOTS = (*FIELDS, "request_id")

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
_FREE_TEXT = ("full_name", "reason")


def clear_run() -> list[EventType]:
    """Return the events that forget one run of the form."""
    return [SlotSet(slot, None) for slot in RUN_SLOTS]


class ValidateAppointmentForm(FormValidationAction):
    """Read the requested field from what the person wrote, or let what is no answer be answered."""

    def __init__(
        self,
        clinic_timezone: ZoneInfo,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._timezone = clinic_timezone
        self._now = now

    def name(self) -> str:
        """Name it as Rasa expects."""
        return f"validate_{FORM}"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        """Return the field's value, or nothing and a reason, or a rejection that lets a rule answer."""
        events: list[EventType] = []
        if tracker.get_slot("request_id") is None:
            events.append(SlotSet("request_id", uuid.uuid4().hex))
        field = tracker.get_slot("requested_slot")
        if field not in FIELDS or field not in tracker.slots_to_validate():
            return events
        text = (tracker.latest_message or {}).get("text") or ""
        intent = _intent(tracker)
        reading = self._read(field, text, intent)
        if intent in ALWAYS_FIRST or (
            intent in INTERRUPTIONS and self._is_interruption(field, text, intent, reading, tracker)
        ):
            return [*events, SlotSet(field, None), ActionExecutionRejected(FORM)]
        if isinstance(reading, Accepted):
            return [*events, *self._accept(field, reading.value)]
        # Somebody who asks for an appointment while giving one is simply asked again.
        if intent != "request_appointment" and reading.response:
            dispatcher.utter_message(response=reading.response)
        return [*events, SlotSet(field, None)]

    def _read(self, field: str, text: str, intent: str) -> Reading:
        if field == "full_name":
            return NotAnAnswer("utter_field_needed") if is_skip(text) or intent == "skip" else read_name(text)
        if field == "phone":
            reading = read_phone(text)
            if isinstance(reading, NotAnAnswer) and (is_skip(text) or intent == "skip"):
                return NotAnAnswer("utter_field_needed")
            return reading
        if field == "email":
            return Accepted("") if intent == "skip" and "@" not in text else read_email(text)
        if field == "patient_type":
            return Accepted("") if intent == "skip" else read_patient_type(text)
        if field == "reason":
            return Accepted("") if intent == "skip" else read_reason(text)
        if field == "preferred_time":
            return read_preferred_time(text, self._now().astimezone(self._timezone).date())
        if field == "consent":
            return self._read_consent(text, intent)
        return self._read_review(text, intent)

    def _read_consent(self, text: str, intent: str) -> Reading:
        at = self._now().isoformat()
        if _agrees(text, intent):
            return Accepted({"given": True, "at": at})
        if is_no(text) or (intent == "deny" and not is_undecided(text)):
            return Accepted({"given": False, "at": at})
        return NotAnAnswer("utter_invalid_consent")

    def _read_review(self, text: str, intent: str) -> Reading:
        changed = field_to_change(text)
        if changed is not None:
            return Accepted({"change": changed})
        if _agrees(text, intent):
            return Accepted(CONFIRMED)
        # `action_ask_review` asks what to change, or shows everything again.
        return NotAnAnswer("")

    def _is_interruption(self, field: str, text: str, intent: str, reading: Reading, tracker: Tracker) -> bool:
        if not isinstance(reading, Accepted):
            return not (field == "review" and field_to_change(text))
        confidence = float((tracker.latest_message or {}).get("intent", {}).get("confidence") or 0.0)
        if field == "preferred_time" and intent != "cancel_request":
            # "Next week is fine" is a time; a long text with a "week" in it that asks about results is not.
            vague = reading.value["date"] is None and reading.value["part_of_day"] is None
            return vague and confidence >= SURE and len(words(text)) >= LONG
        if field not in _FREE_TEXT:
            return intent == "cancel_request" and len(words(text)) <= 6 and field != "email"
        if intent == "cancel_request":
            return confidence >= SURE or len(words(text)) <= 3
        if field == "full_name":
            return confidence >= SURE and (len(words(text)) != 2 or intent not in ("out_of_scope",))
        if intent in TALK or _topic(tracker) == WANTS_A_PERSON:
            return confidence >= SURE and len(words(text)) <= LONG
        return looks_like_question(text)

    @staticmethod
    def _accept(field: str, value: Any) -> list[EventType]:
        if field == "consent" and not value["given"]:
            # No next field: the form ends, and `action_save_request` keeps nothing.
            return [SlotSet("consent", value), SlotSet("requested_slot", None)]
        if field == "review" and isinstance(value, dict):
            return [SlotSet(value["change"], None), SlotSet("review", None)]
        return [SlotSet(field, value)]


def _agrees(text: str, intent: str) -> bool:
    """Tell whether somebody agrees, and to all of it."""
    unreserved = not is_conditional(text) and not looks_like_question(text)
    return is_yes(text) or (intent == "affirm" and unreserved)


def _intent(tracker: Tracker) -> str:
    """Return the intent of the latest message; of a topic, its group."""
    return str(((tracker.latest_message or {}).get("intent") or {}).get("name") or "")


def _topic(tracker: Tracker) -> str:
    """Return the topic of the latest message, `group/name`; empty for talk."""
    return str(((tracker.latest_message or {}).get("intent") or {}).get("full_retrieval_intent_name") or "")
