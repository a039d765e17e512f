"""Saving, finding and moving appointment requests. Neither commits nor knows about HTTP."""

import datetime as dt
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, selectinload

from frontdesk.db import utc_now
from frontdesk.leads.models import Lead, LeadNote, LeadStatus, LeadStatusChange

# No 0/O, 1/I/L, U: read aloud on the phone without mistakes.
_REFERENCE_LETTERS = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
_REFERENCE_LENGTH = 7

# Who wrote a note that no member of staff wrote.
ASSISTANT = "assistant"

ALLOWED_STEPS: dict[LeadStatus, frozenset[LeadStatus]] = {
    LeadStatus.NEW: frozenset({LeadStatus.CONTACTED, LeadStatus.SCHEDULED, LeadStatus.CLOSED, LeadStatus.SPAM}),
    LeadStatus.CONTACTED: frozenset({LeadStatus.SCHEDULED, LeadStatus.CLOSED, LeadStatus.SPAM}),
    LeadStatus.SCHEDULED: frozenset({LeadStatus.CONTACTED, LeadStatus.CLOSED}),
    LeadStatus.CLOSED: frozenset({LeadStatus.CONTACTED}),
    LeadStatus.SPAM: frozenset({LeadStatus.NEW}),
}


class LeadNotFound(Exception):
    """No request has this id."""


class IllegalStatusChange(Exception):
    """A request cannot go from its status to the one asked for."""

    def __init__(self, current: LeadStatus, wanted: LeadStatus) -> None:
        super().__init__(f"A request that is {current.value} cannot become {wanted.value}.")
        self.current = current
        self.wanted = wanted


@dataclass(frozen=True)
class Consent:
    """What the person agreed to: the exact words, and when they were shown and accepted."""

    text: str
    at: datetime


@dataclass(frozen=True)
class PreferredTime:
    """The person's words about when it suits, and what was understood of them in the clinic's time zone."""

    text: str
    date: dt.date | None = None
    part_of_day: str | None = None


@dataclass(frozen=True)
class NewLead:
    """A confirmed request, about to be saved. `phone` is E.164."""

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
    # What staff should know that has no field of its own.
    note: str | None = None


def save_once(session: Session, new: NewLead) -> Lead:
    """Save a request and return it; return the saved one when this run of the form was saved before."""
    by_request = sa.select(Lead).where(Lead.request_id == new.request_id)
    known = session.scalar(by_request)
    if known is not None:
        return known
    preferred = new.preferred_time
    lead = Lead(
        reference="KL-" + "".join(secrets.choice(_REFERENCE_LETTERS) for _ in range(_REFERENCE_LENGTH)),
        request_id=new.request_id,
        conversation_id=new.conversation_id,
        channel=new.channel,
        status=LeadStatus.NEW,
        full_name=new.full_name,
        phone=new.phone,
        email=new.email,
        patient_type=new.patient_type,
        reason=new.reason,
        preferred_text=preferred.text if preferred else None,
        preferred_date=preferred.date if preferred else None,
        preferred_part_of_day=preferred.part_of_day if preferred else None,
        consent_given=True,
        consent_at=new.consent.at,
        consent_text=new.consent.text,
    )
    try:
        with session.begin_nested():
            session.add(lead)
            if new.note:
                lead.notes.append(LeadNote(author=ASSISTANT, text=new.note))
    except IntegrityError:
        # Another process saved the same run in between.
        return session.scalars(by_request).one()
    return lead


def find(session: Session, lead_id: str) -> Lead:
    """Return a request with its notes and history, or raise LeadNotFound."""
    lead = session.scalar(
        sa.select(Lead).where(Lead.id == lead_id).options(selectinload(Lead.notes), selectinload(Lead.status_changes))
    )
    if lead is None:
        raise LeadNotFound(lead_id)
    return lead


def newest(
    session: Session,
    status: LeadStatus | None = None,
    limit: int = 100,
    offset: int = 0,
) -> Sequence[Lead]:
    """Return requests with their notes, newest first."""
    query = sa.select(Lead).options(selectinload(Lead.notes)).order_by(Lead.created_at.desc(), Lead.id)
    if status is not None:
        query = query.where(Lead.status == status)
    return session.scalars(query.limit(limit).offset(offset)).all()


def oldest_first(session: Session) -> Iterator[Lead]:
    """Go through every request with its notes, oldest first, without holding them all in memory."""
    query = sa.select(Lead).options(selectinload(Lead.notes)).order_by(Lead.created_at, Lead.id)
    yield from session.scalars(query.execution_options(yield_per=500))


def count_by_status(session: Session) -> dict[LeadStatus, int]:
    """Return how many requests have each status; every status is there."""
    rows = session.execute(sa.select(Lead.status, sa.func.count()).group_by(Lead.status))
    return dict.fromkeys(LeadStatus, 0) | {status: count for status, count in rows}


def change_status(session: Session, lead_id: str, wanted: LeadStatus, changed_by: str) -> Lead:
    """Move a request; raise LeadNotFound or IllegalStatusChange. The same status again changes nothing."""
    lead = session.scalar(sa.select(Lead).where(Lead.id == lead_id).with_for_update())
    if lead is None:
        raise LeadNotFound(lead_id)
    if lead.status == wanted:
        return lead
    if wanted not in ALLOWED_STEPS[lead.status]:
        raise IllegalStatusChange(lead.status, wanted)
    session.add(
        LeadStatusChange(
            lead_id=lead.id,
            from_status=lead.status,
            to_status=wanted,
            changed_by=changed_by,
        )
    )
    lead.status = wanted
    lead.updated_at = utc_now()
    return lead


def add_note(session: Session, lead_id: str, text: str, author: str) -> LeadNote:
    """Attach a note; raise LeadNotFound."""
    if session.get(Lead, lead_id) is None:
        raise LeadNotFound(lead_id)
    note = LeadNote(lead_id=lead_id, author=author, text=text)
    session.add(note)
    return note


def as_record(lead: Lead) -> dict[str, Any]:
    """Return the request in the form that exports promise. Notes have to be loaded."""
    return {
        "reference": lead.reference,
        "created_at": _timestamp(lead.created_at),
        "channel": lead.channel,
        "status": lead.status.value,
        "full_name": lead.full_name,
        "phone": lead.phone,
        "email": lead.email,
        "patient_type": lead.patient_type,
        "reason": lead.reason,
        "preferred_time": {
            "text": lead.preferred_text,
            "date": lead.preferred_date.isoformat() if lead.preferred_date else None,
            "part_of_day": lead.preferred_part_of_day,
        },
        "consent": {
            "given": lead.consent_given,
            "at": _timestamp(lead.consent_at),
            "text": lead.consent_text,
        },
        "notes": [
            {
                "at": _timestamp(note.created_at),
                "author": note.author,
                "text": note.text,
            }
            for note in lead.notes
        ],
        "assigned_to": lead.assigned_to,
    }


def _timestamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
