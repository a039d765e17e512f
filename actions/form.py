"""Validation of the appointment form: what a message means for it becomes Rasa's events, and a draft is kept."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from rasa_sdk.events import ActionExecutionRejected, EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.forms import FormValidationAction
from rasa_sdk.interfaces import Tracker
from rasa_sdk.types import DomainDict
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from actions.hearing import Heard, Outcome, hear, open_run
from actions.run import FIELDS, FORM, REQUEST_ID, About, new_request_id
from frontdesk.db import Database
from frontdesk.leads.drafts import keep_draft

log = structlog.get_logger(__name__)


class ValidateAppointmentForm(FormValidationAction):
    """Take from a message whatever belongs to the request, or let what is no answer be answered."""

    def __init__(
        self,
        database: Database,
        clinic_timezone: ZoneInfo,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._timezone = clinic_timezone
        self._now = now

    def name(self) -> str:
        """Name it as Rasa expects."""
        return f"validate_{FORM}"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        """Return the fields a message gives, or a rejection that lets a rule answer it."""
        slots = tracker.current_slot_values()
        asked = slots.get("requested_slot")
        now = self._now().astimezone(self._timezone)
        about = About.of(slots)
        begun = slots.get(REQUEST_ID) is not None
        slots[REQUEST_ID] = slots.get(REQUEST_ID) or new_request_id()
        if asked is None:
            # The form begins, with the message that asked for it.
            heard = Heard.of(tracker)
            outcome = open_run(heard.text, slots, about, now) if heard.intent == "request_appointment" else Outcome()
        elif asked in FIELDS and asked in tracker.slots_to_validate():
            # Rasa has put the whole message into the slot.
            outcome = hear(Heard.of(tracker), asked, {**slots, asked: None}, about, now)
        else:
            return []  # nothing was said: the form comes back after a question was answered
        events = [SlotSet(REQUEST_ID, slots[REQUEST_ID])] if not begun else []
        events += [SlotSet(name, value) for name, value in outcome.values.items()]
        if about != About.of(slots) or any(value is not None for value in outcome.values.values()):
            events.append(about.as_slot(now))
            await self._keep_draft(tracker.sender_id, {**slots, **outcome.values}, about)
        for response, arguments in outcome.said:
            dispatcher.utter_message(response=response, **arguments)
        if outcome.something_else:
            events.append(ActionExecutionRejected(FORM))
        elif outcome.stops:
            events.append(SlotSet("requested_slot", None))
        return events

    async def _keep_draft(self, conversation_id: str, slots: dict[str, Any], about: About) -> None:
        """Keep what is there so far for whoever comes back; the form goes on without it."""
        data = {name: slots[name] for name in FIELDS if slots.get(name)} | {"about": about.as_dict()}
        try:
            phone = (slots.get("phone") or "").partition(";ext=")[0] or None
            await run_in_threadpool(self._store_draft, slots[REQUEST_ID], conversation_id, data, phone)
        except SQLAlchemyError as error:
            log.error("draft_not_kept", error=type(error).__name__)

    def _store_draft(self, request_id: str, conversation_id: str, data: dict[str, Any], phone: str | None) -> None:
        with self._database.session() as session:
            keep_draft(session, request_id, conversation_id, data, phone)
