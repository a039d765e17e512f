"""Beginning a request, or going on with one that was left."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.interfaces import Action, Tracker
from rasa_sdk.types import DomainDict
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from actions.review import readable
from actions.run import ABOUT, FIELDS, REQUEST_ID, RUN_SLOTS, About, clear_run, has_answers, new_request_id
from frontdesk.chat.models import Channel
from frontdesk.db import Database
from frontdesk.leads.drafts import open_draft
from frontdesk.sms.store import callable_number

log = structlog.get_logger(__name__)

# To be called is all that is asked for: a name, a number and a time are enough.
_CALL_ME = re.compile(
    r"\b(?:call|phone|ring)(?:ing)?\s+(?:me|us|her|him|them)\b|\bcall[\s-]?backs?\b|"
    r"\b(?:get|give)\s+(?:me\s+|us\s+)?a\s+(?:call|ring|phone\s+call)\b",
    re.IGNORECASE,
)
_NOT_NEEDED = ("email", "patient_type", "reason")


def wants_a_call(text: str) -> bool:
    """Tell whether somebody asks to be called."""
    return _CALL_ME.search(text) is not None


class ActionBeginRequest(Action):
    """Say what a request is, and take up what the same person gave within the last day."""

    def __init__(self, database: Database, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database = database
        self._now = now

    def name(self) -> str:
        """Name it as the domain does."""
        return "action_begin_request"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        """Return the slots the form begins with."""
        now = self._now()
        slots = {name: tracker.get_slot(name) for name in RUN_SLOTS}
        events: list[EventType] = []
        if About.of(slots).is_stale(now):
            events = clear_run()
            slots = dict.fromkeys(RUN_SLOTS)
        if not has_answers(slots):
            slots |= await self._draft(tracker.sender_id, now)
        about = About.of(slots)
        if not slots["phone"] and tracker.get_latest_input_channel() == Channel.SMS:
            about.texting_from = await self._texting_from(tracker.sender_id)
        if has_answers(slots):
            known = ", ".join(readable(name, slots[name]) for name in FIELDS if name != "consent" and slots.get(name))
            dispatcher.utter_message(response="utter_request_resumed", known=known)
        elif wants_a_call((tracker.latest_message or {}).get("text") or ""):
            about.call_back = True
            slots |= dict.fromkeys(_NOT_NEEDED, "")
            dispatcher.utter_message(response="utter_request_call")
        else:
            dispatcher.utter_message(response="utter_request_appointment")
        slots[REQUEST_ID] = slots[REQUEST_ID] or new_request_id()
        events += [SlotSet(name, slots[name]) for name in (*FIELDS, REQUEST_ID)]
        return [*events, about.as_slot(now)]

    async def _texting_from(self, conversation_id: str) -> str | None:
        """Return the number that texts, if it can be called; None when the database cannot say."""
        try:
            return await run_in_threadpool(self._read_number, conversation_id)
        except SQLAlchemyError as error:
            log.error("number_not_read", error=type(error).__name__)
            return None

    def _read_number(self, conversation_id: str) -> str | None:
        with self._database.session() as session:
            return callable_number(session, conversation_id)

    async def _draft(self, conversation_id: str, now: datetime) -> dict[str, Any]:
        """Return the slots of the draft this conversation left; none when the database cannot say."""
        try:
            return await run_in_threadpool(self._read_draft, conversation_id, now)
        except SQLAlchemyError as error:
            log.error("draft_not_read", error=type(error).__name__)
            return {}

    def _read_draft(self, conversation_id: str, now: datetime) -> dict[str, Any]:
        with self._database.session() as session:
            draft = open_draft(session, conversation_id, now)
            if draft is None:
                return {}
            kept = {name: draft.data[name] for name in FIELDS if draft.data.get(name)}
            return kept | {REQUEST_ID: draft.request_id, ABOUT: draft.data.get("about")}
