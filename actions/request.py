"""Saving a confirmed request, and giving one up."""

from datetime import date, datetime
from typing import Any

import structlog
from rasa_sdk.events import EventType
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.interfaces import Action, Tracker
from rasa_sdk.types import DomainDict
from starlette.concurrency import run_in_threadpool

from actions.form import clear_run
from actions.review import CONFIRMED
from frontdesk.chat.models import Channel
from frontdesk.db import Database
from frontdesk.leads.repository import Consent, NewLead, PreferredTime, save_once

log = structlog.get_logger(__name__)

CONSENT_QUESTION = "utter_ask_consent"


class ActionSaveRequest(Action):
    """Save the request the person confirmed, once, and tell its reference."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def name(self) -> str:
        """Name it as the domain does."""
        return "action_save_request"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        """Save and confirm; keep nothing when the person did not agree to be contacted.

        A database that fails is an error of the turn: Rasa forgets the turn, and the person's "yes" can be sent again.
        """
        consent = tracker.get_slot("consent") or {}
        if not consent.get("given"):
            dispatcher.utter_message(response="utter_consent_refused")
            return clear_run()
        if tracker.get_slot("review") != CONFIRMED:
            return []
        lead = new_lead(tracker.current_slot_values(), tracker, domain)
        reference = await run_in_threadpool(self._save, lead)
        log.info("lead_saved", reference=reference)
        dispatcher.utter_message(response="utter_request_saved", lead=reference)
        return clear_run()

    def _save(self, lead: NewLead) -> str:
        with self._database.session() as session:
            return save_once(session, lead).reference


class ActionCancelRequest(Action):
    """Drop the request that is being filled in."""

    def name(self) -> str:
        """Name it as the domain does."""
        return "action_cancel_request"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        """Say so and forget the run."""
        dispatcher.utter_message(response="utter_request_cancelled")
        return clear_run()


def new_lead(slots: dict[str, Any], tracker: Tracker, domain: DomainDict) -> NewLead:
    """Return the form's slots as a lead; the consent's words are those of the domain, which were shown."""
    preferred = slots.get("preferred_time") or {}
    phone, _, extension = slots["phone"].partition(";ext=")
    return NewLead(
        request_id=slots["request_id"],
        conversation_id=tracker.sender_id,
        channel=Channel(tracker.get_latest_input_channel() or Channel.WIDGET).value,
        full_name=slots["full_name"],
        phone=phone,
        email=slots.get("email") or None,
        patient_type=slots.get("patient_type") or None,
        reason=slots.get("reason") or None,
        preferred_time=PreferredTime(
            text=preferred["text"],
            date=date.fromisoformat(preferred["date"]) if preferred.get("date") else None,
            part_of_day=preferred.get("part_of_day"),
        )
        if preferred
        else None,
        note=f"Phone extension: {extension}" if extension else None,
        consent=Consent(
            text=_consent_words(domain),
            at=datetime.fromisoformat(slots["consent"]["at"]),
        ),
    )


def _consent_words(domain: DomainDict) -> str:
    words: str = domain["responses"][CONSENT_QUESTION][0]["text"]
    return words
