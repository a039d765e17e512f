"""Saving what the form gathered: a request once, or a refusal. Nothing here commits."""

import datetime as dt
import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from frontdesk.db import utc_now
from frontdesk.leads import keys
from frontdesk.leads.drafts import drop_draft
from frontdesk.leads.models import ConsentRecord, Lead, LeadKey, LeadNote, LeadRun, LeadStatus
from frontdesk.lookup import Lookup, lookup_of
from frontdesk.outbox.models import EventKind
from frontdesk.outbox.store import add_event

# No 0/O, 1/I/L, U: read aloud on the phone without mistakes.
_REFERENCE_LETTERS = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
_REFERENCE_LENGTH = 7

# Who wrote a note that no member of staff wrote.
ASSISTANT = "assistant"
# What somebody agrees to: that the clinic contacts them.
CONTACT = "contact"
_VERSION_LENGTH = 12


@dataclass(frozen=True)
class Consent:
    """What the person was asked: the exact words, and when they answered."""

    text: str
    at: datetime

    @property
    def version(self) -> str:
        """Return what tells these words from others."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:_VERSION_LENGTH]


@dataclass(frozen=True)
class PreferredTime:
    """The person's words about when it suits, and what was understood of them in the clinic's time zone."""

    text: str
    date: dt.date | None = None
    part_of_day: str | None = None


@dataclass(frozen=True)
class NewLead:
    """A confirmed request, about to be saved. `phone` is E.164, `phone_typed` as the person wrote it."""

    request_id: str
    conversation_id: str | None
    channel: str
    full_name: str
    phone: str
    email: str | None
    patient_type: str | None
    reason: str | None
    preferred_time: PreferredTime | None
    consent: Consent
    phone_typed: str | None = None
    # What staff should know that has no field of its own.
    notes: tuple[str, ...] = ()


class Outcome(StrEnum):
    """What saving a run of the form came to."""

    NEW = "new"
    KNOWN = "known"  # this run was saved before
    JOINED = "joined"  # the same person asked again the same day: their open request knows of it


@dataclass(frozen=True)
class Saved:
    """The request a run of the form is in."""

    lead: Lead
    outcome: Outcome


def save_once(session: Session, new: NewLead, zone: ZoneInfo, now: datetime | None = None) -> Saved:
    """Save a run of the form, its consent and the clinic's notification, and drop its draft: all or nothing.

    A person is the same by phone number and name, a day by the clinic's clock: `zone`. Only a request that nobody has
    taken up yet is joined.
    """
    now = now or utc_now()
    lookup = lookup_of(session)
    _one_at_a_time(session, lookup.key("run", new.request_id), keys.phone_key(lookup, new.phone))
    drop_draft(session, new.request_id)
    known = session.scalar(sa.select(Lead).join(Lead.runs).where(LeadRun.request_id == new.request_id))
    if known is not None:
        return Saved(known, Outcome.KNOWN)
    lead = _open_request(session, lookup, new, zone, now)
    if lead is None:
        outcome, event = Outcome.NEW, EventKind.LEAD_RECEIVED
        lead = _lead(new, now)
        session.add(lead)
    else:
        outcome, event = Outcome.JOINED, EventKind.LEAD_JOINED
        _join(lead, new, now)
    known_notes = {note.text for note in lead.notes}
    lead.notes.extend(
        LeadNote(author=ASSISTANT, text=note, created_at=now) for note in new.notes if note not in known_notes
    )
    lead.runs.append(LeadRun(request_id=new.request_id, saved_at=now))
    add_keys(lead, lookup)
    session.flush()
    session.add(_consent(new.request_id, new.conversation_id, new.channel, new.consent, lead_id=lead.id))
    add_event(session, event, lead.id)
    session.flush()
    return Saved(lead, outcome)


def record_refusal(
    session: Session, request_id: str, conversation_id: str | None, channel: str, consent: Consent
) -> None:
    """Keep that somebody did not agree, once, and nothing else of what they said: the draft is dropped."""
    _one_at_a_time(session, lookup_of(session).key("run", request_id))
    drop_draft(session, request_id)
    refused = sa.select(ConsentRecord.id).where(
        ConsentRecord.request_id == request_id, ConsentRecord.purpose == CONTACT, ConsentRecord.given.is_(False)
    )
    if session.scalar(refused) is None:
        session.add(_consent(request_id, conversation_id, channel, consent, lead_id=None))
        session.flush()


def add_keys(lead: Lead, lookup: Lookup) -> None:
    """Give a request the keys by which it is found and that it does not have yet."""
    known = {key.key for key in lead.keys}
    for key, kind in keys.keys_of(lookup, lead.full_name, lead.phone, lead.email).items():
        if key not in known:
            lead.keys.append(LeadKey(key=key, kind=kind.value, created_at=lead.created_at))


def _one_at_a_time(session: Session, *keys: str) -> None:
    """Wait for whoever saves under one of these keys, until the end of the transaction.

    On SQLite every transaction is the only one that writes anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        for key in keys:
            number = int.from_bytes(bytes.fromhex(key[:16]), signed=True)
            session.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))


def _open_request(session: Session, lookup: Lookup, new: NewLead, zone: ZoneInfo, now: datetime) -> Lead | None:
    """Return the newest request of the same person and clinic day that nobody has taken up."""
    today = now.astimezone(zone).date()
    midnight, next_midnight = (datetime.combine(day, time(), zone) for day in (today, today + timedelta(days=1)))
    candidates = session.scalars(
        sa.select(Lead)
        .join(Lead.keys)
        .where(
            LeadKey.key == keys.phone_key(lookup, new.phone),
            LeadKey.created_at >= midnight,
            LeadKey.created_at < next_midnight,
            Lead.status == LeadStatus.NEW,
        )
        .order_by(LeadKey.created_at.desc())
        .options(selectinload(Lead.notes))
        .with_for_update(of=Lead)
    )
    name = sorted(keys.name_words(new.full_name))
    return next((lead for lead in candidates if sorted(keys.name_words(lead.full_name)) == name), None)


def _lead(new: NewLead, now: datetime) -> Lead:
    preferred = new.preferred_time
    return Lead(
        reference="KL-" + "".join(secrets.choice(_REFERENCE_LETTERS) for _ in range(_REFERENCE_LENGTH)),
        request_id=new.request_id,
        conversation_id=new.conversation_id,
        channel=new.channel,
        status=LeadStatus.NEW,
        full_name=new.full_name,
        phone=new.phone,
        phone_typed=new.phone_typed,
        email=new.email,
        patient_type=new.patient_type,
        reason=new.reason,
        preferred_text=preferred.text if preferred else None,
        preferred_date=preferred.date if preferred else None,
        preferred_part_of_day=preferred.part_of_day if preferred else None,
        consent_given=True,
        consent_at=new.consent.at,
        consent_text=new.consent.text,
        created_at=now,
        updated_at=now,
    )


def _join(lead: Lead, new: NewLead, now: datetime) -> None:
    """Fill what the open request leaves empty; what the person says differently this time becomes a note."""
    differs = []
    if new.preferred_time is not None:
        time_now = (new.preferred_time.text, new.preferred_time.date, new.preferred_time.part_of_day)
        if not lead.preferred_text:
            lead.preferred_text, lead.preferred_date, lead.preferred_part_of_day = time_now
        elif time_now != (lead.preferred_text, lead.preferred_date, lead.preferred_part_of_day):
            differs.append(f"When it suits: {_in_words(new.preferred_time)}")
    for field, label in (("reason", "Reason"), ("email", "E-mail"), ("patient_type", "Patient")):
        value, kept = getattr(new, field), getattr(lead, field)
        if value and not kept:
            setattr(lead, field, value)
        elif value and value != kept:
            differs.append(f"{label}: {value}")
    lead.phone_typed = lead.phone_typed or new.phone_typed
    lead.updated_at = now
    if differs:
        text = "\n".join(["Asked again the same day. This time:", *differs])
        lead.notes.append(LeadNote(author=ASSISTANT, text=text, created_at=now))


def _in_words(preferred: PreferredTime) -> str:
    day = preferred.date and f"{preferred.date:%A, %B} {preferred.date.day}, {preferred.date.year}"
    understood = ", ".join(part for part in (day, preferred.part_of_day) if part)
    return f"{preferred.text} ({understood})" if understood else preferred.text


def _consent(
    request_id: str, conversation_id: str | None, channel: str, consent: Consent, lead_id: str | None
) -> ConsentRecord:
    return ConsentRecord(
        request_id=request_id,
        lead_id=lead_id,
        conversation_id=conversation_id,
        purpose=CONTACT,
        given=lead_id is not None,
        words=consent.text,
        version=consent.version,
        channel=channel,
        at=consent.at,
    )
