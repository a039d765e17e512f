"""One run of the appointment form: its slots, and what it knows besides the fields."""

import copy
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from rasa_sdk.events import EventType, SlotSet

FORM = "appointment_form"
FIELDS = ("full_name", "phone", "email", "patient_type", "reason", "preferred_time", "consent", "review")
REQUIRED = frozenset({"full_name", "phone", "consent", "review"})
ABOUT, REQUEST_ID = "request_about", "request_id"
RUN_SLOTS = (*FIELDS, REQUEST_ID, ABOUT)
# How long a request that was begun waits for whoever comes back.
KEPT_FOR = timedelta(hours=24)


@dataclass
class About:
    """What a run knows besides its fields; the slot `request_about` holds it as a dict."""

    for_other: str | None = None  # "mother": the visit is for somebody else
    writer: str | None = None  # the name of who writes on somebody's behalf
    phone_of: str | None = None  # "mine" or "theirs", when the visit is for somebody else
    phone_typed: str | None = None
    texting_from: str | None = None  # by text: the number it comes from, offered instead of asking for one
    call_back: bool = False  # to be called is all that was asked for
    suggested_email: str | None = None  # what a misspelled address may have been; to be answered with yes or no
    doubted_email: str | None = None  # the address it was suggested for
    failures: dict[str, int] = field(default_factory=dict)  # answers in a row that could not be taken, by field
    changed_at: str | None = None  # ISO time

    @classmethod
    def of(cls, slots: Mapping[str, Any]) -> "About":
        """Read the slot; what an older version left there and is not known is dropped."""
        kept = copy.deepcopy(slots.get(ABOUT) or {})  # what is noted in it becomes the slot's by an event alone
        return cls(**{name: value for name, value in kept.items() if name in cls.__dataclass_fields__})

    def is_stale(self, now: datetime) -> bool:
        """Tell whether the run was left so long ago that it is not taken up again."""
        return self.changed_at is not None and now - datetime.fromisoformat(self.changed_at) > KEPT_FOR

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self)

    def as_slot(self, now: datetime) -> EventType:
        """Return the event that keeps it, changed now."""
        self.changed_at = now.astimezone(UTC).isoformat()
        return SlotSet(ABOUT, self.as_dict())


def new_request_id() -> str:
    """Return the id of one run of the form: saving it happens once, however often it is tried."""
    return uuid.uuid4().hex


def clear_run() -> list[EventType]:
    """Return the events that forget one run of the form."""
    return [SlotSet(slot, None) for slot in RUN_SLOTS]


def has_answers(slots: Mapping[str, Any]) -> bool:
    """Tell whether anything of a request was given."""
    return any(slots.get(name) for name in FIELDS)
