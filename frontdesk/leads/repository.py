"""Saving, finding and moving appointment requests. Neither commits nor knows about HTTP.

All that callers need; saving, searching and drafts have a module each.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from frontdesk.db import utc_now
from frontdesk.leads.drafts import drop_draft, keep_draft, open_draft
from frontdesk.leads.models import Lead, LeadKey, LeadNote, LeadStatus, LeadStatusChange
from frontdesk.leads.saving import (
    ASSISTANT,
    Consent,
    NewLead,
    Outcome,
    PreferredTime,
    Saved,
    add_keys,
    record_refusal,
    save_once,
)
from frontdesk.leads.search import likely_doubles, search
from frontdesk.lookup import lookup_of

__all__ = [
    "ALLOWED_STEPS",
    "ASSISTANT",
    "Consent",
    "IllegalStatusChange",
    "LeadNotFound",
    "NewLead",
    "Outcome",
    "PreferredTime",
    "Saved",
    "add_note",
    "as_record",
    "change_status",
    "count_by_status",
    "drop_draft",
    "find",
    "keep_draft",
    "likely_doubles",
    "newest",
    "note_seen",
    "oldest_first",
    "open_draft",
    "record_refusal",
    "reindex",
    "save_once",
    "search",
]

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


def find(session: Session, lead_id: str) -> Lead:
    """Return a request with its notes and history, or raise LeadNotFound."""
    lead = session.scalar(
        sa.select(Lead)
        .where(Lead.id == lead_id)
        .options(selectinload(Lead.notes), selectinload(Lead.status_changes), selectinload(Lead.assignments))
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


def note_seen(session: Session, lead_id: str, seen_by: str, now: datetime | None = None) -> None:
    """Note that a member of staff has opened a request; the first one stays."""
    session.execute(
        sa.update(Lead)
        .where(Lead.id == lead_id, Lead.seen_at.is_(None))
        .values(seen_at=now or utc_now(), seen_by=seen_by)
    )


def reindex(session: Session) -> int:
    """Make the keys by which requests are found anew, for a new lookup secret; return the number of requests."""
    session.execute(sa.delete(LeadKey))
    lookup = lookup_of(session)
    count = 0
    for lead in session.scalars(sa.select(Lead).execution_options(yield_per=500)):
        add_keys(lead, lookup)
        count += 1
    session.flush()
    return count


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
