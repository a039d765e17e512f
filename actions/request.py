"""Saving a confirmed request, and giving one up."""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from rasa_sdk.events import EventType
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.interfaces import Action, Tracker
from rasa_sdk.types import DomainDict
from starlette.concurrency import run_in_threadpool

from actions.review import CONFIRMED
from actions.run import REQUEST_ID, About, clear_run
from frontdesk.chat.models import Channel
from frontdesk.db import Database
from frontdesk.leads.drafts import drop_draft
from frontdesk.leads.saving import Consent, NewLead, Outcome, PreferredTime, Saved, record_refusal, save_once

log = structlog.get_logger(__name__)

CONSENT_QUESTION = "utter_ask_consent"


class ActionSaveRequest(Action):
    """Save the request the person confirmed, once, and tell its reference."""

    def __init__(self, database: Database, clinic_timezone: ZoneInfo) -> None:
        self._database = database
        self._timezone = clinic_timezone

    def name(self) -> str:
        """Name it as the domain does."""
        return "action_save_request"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        """Save and confirm; keep nothing but the "no" when the person did not agree to be contacted.

        A database that fails is an error of the turn: Rasa forgets the turn, and the person's "yes" can be sent again.
        """
        slots = tracker.current_slot_values()
        consent = slots.get("consent")
        if consent and not consent.get("given"):
            await run_in_threadpool(self._refuse, slots, tracker, domain)
            dispatcher.utter_message(response="utter_consent_refused")
            return clear_run()
        if not consent or slots.get("review") != CONFIRMED:
            return []  # left for now: what there is waits in the draft
        saved = await run_in_threadpool(self._save, new_lead(slots, tracker, domain))
        log.info("lead_saved", reference=saved.lead.reference, outcome=saved.outcome.value)
        joined = saved.outcome is Outcome.JOINED
        dispatcher.utter_message(
            response="utter_request_joined" if joined else "utter_request_saved", lead=saved.lead.reference
        )
        return clear_run()

    def _save(self, lead: NewLead) -> Saved:
        with self._database.session() as session:
            return save_once(session, lead, self._timezone)

    def _refuse(self, slots: dict[str, Any], tracker: Tracker, domain: DomainDict) -> None:
        channel = _channel(tracker)
        consent = Consent(_consent_words(domain, channel), datetime.fromisoformat(slots["consent"]["at"]))
        with self._database.session() as session:
            record_refusal(session, slots[REQUEST_ID], tracker.sender_id, channel, consent)


class ActionCancelRequest(Action):
    """Drop the request that is being filled in, and its draft."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def name(self) -> str:
        """Name it as the domain does."""
        return "action_cancel_request"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        """Say so and forget the run."""
        request_id = tracker.get_slot(REQUEST_ID)
        if request_id:
            await run_in_threadpool(self._drop, request_id)
        dispatcher.utter_message(response="utter_request_cancelled")
        return clear_run()

    def _drop(self, request_id: str) -> None:
        with self._database.session() as session:
            drop_draft(session, request_id)


def new_lead(slots: dict[str, Any], tracker: Tracker, domain: DomainDict) -> NewLead:
    """Return the form's slots as a lead; the consent's words are those of the domain, which were shown."""
    missing = [name for name in ("full_name", "phone", REQUEST_ID) if not slots.get(name)]
    if missing:
        raise ValueError(f"the request has no {', '.join(missing)}")
    preferred = slots.get("preferred_time") or {}
    phone, _, extension = slots["phone"].partition(";ext=")
    about = About.of(slots)
    channel = _channel(tracker)
    return NewLead(
        request_id=slots[REQUEST_ID],
        conversation_id=tracker.sender_id,
        channel=channel,
        full_name=slots["full_name"],
        phone=phone,
        phone_typed=about.phone_typed,
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
        notes=_notes(about, extension),
        consent=Consent(_consent_words(domain, channel), datetime.fromisoformat(slots["consent"]["at"])),
    )


def _notes(about: About, extension: str) -> tuple[str, ...]:
    """Return what staff should know that has no field of its own."""
    notes = [f"Phone extension: {extension}"] if extension else []
    if about.call_back:
        notes.append("Asked to be called back.")
    if about.for_other:
        whose = {"mine": "of the person who wrote", "theirs": "of the person the visit is for"}
        notes.append(
            f"Asked for on somebody else's behalf ({about.for_other}). Written by: {about.writer or 'not said'}. "
            f"The phone is {whose.get(about.phone_of or '', 'of one of them; it was not said whose')}."
        )
    return tuple(notes)


def _channel(tracker: Tracker) -> str:
    return Channel(tracker.get_latest_input_channel() or Channel.WIDGET).value


def _consent_words(domain: DomainDict, channel: str) -> str:
    """Return the words of the consent question as this channel shows them."""
    wordings = domain["responses"][CONSENT_QUESTION]
    own = [wording for wording in wordings if wording.get("channel") == channel]
    plain = [wording for wording in wordings if "channel" not in wording]
    words: str = (own or plain)[0]["text"]
    return words
