"""Who works on a request, and when they call back. Nothing here commits."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from frontdesk.leads.models import Lead, LeadAssignment, LeadStatus

_DONE = (LeadStatus.CLOSED, LeadStatus.SPAM)


class AlreadyClaimed(Exception):
    """Somebody else has the request: who, and since when."""

    def __init__(self, who: str, since: datetime | None) -> None:
        super().__init__(who)
        self.who = who
        self.since = since


class NotYours(Exception):
    """The request is somebody else's, or nobody's."""


class NothingToDo(Exception):
    """The request is closed: nobody has to call back."""


def claim(session: Session, lead_id: str, who: str, now: datetime) -> Lead | None:
    """Give a request that nobody has to somebody; None when there is no such request; raise AlreadyClaimed."""
    free = (Lead.id == lead_id, Lead.assigned_to.is_(None))
    taken = sa.update(Lead).where(*free).values(assigned_to=who, assigned_at=now, updated_at=now)
    lead: Lead | None = session.scalar(taken.returning(Lead))  # one statement: of fifty at once, one has it
    if lead is not None:
        session.add(LeadAssignment(lead_id=lead_id, assigned_to=who, changed_by=who, changed_at=now))
        return lead
    lead = session.get(Lead, lead_id)
    if lead is not None and lead.assigned_to is not None and lead.assigned_to != who:
        raise AlreadyClaimed(lead.assigned_to, lead.assigned_at)
    return lead


def release(session: Session, lead_id: str, who: str, now: datetime) -> None:
    """Put one's own request back, for somebody else to take; raise NotYours."""
    own = (Lead.id == lead_id, Lead.assigned_to == who)
    freed = sa.update(Lead).where(*own).values(assigned_to=None, assigned_at=None, updated_at=now)
    if session.execute(freed.returning(Lead.id)).first() is None:
        raise NotYours
    session.add(LeadAssignment(lead_id=lead_id, assigned_to=None, changed_by=who, changed_at=now))


def assign(session: Session, lead_id: str, to: str | None, by: str, now: datetime) -> Lead | None:
    """Give a request to somebody, whoever has it, or to nobody; None when there is no such request."""
    lead = session.scalar(sa.select(Lead).where(Lead.id == lead_id).with_for_update())
    if lead is not None and lead.assigned_to != to:
        lead.assigned_to, lead.assigned_at, lead.updated_at = to, now if to else None, now
        session.add(LeadAssignment(lead_id=lead_id, assigned_to=to, changed_by=by, changed_at=now))
    return lead


def set_call_back(session: Session, lead_id: str, at: datetime | None, now: datetime) -> Lead | None:
    """Note when to call back, or that nobody has to; None when there is no such request; raise NothingToDo."""
    lead = session.scalar(sa.select(Lead).where(Lead.id == lead_id).with_for_update())
    if lead is not None:
        if at is not None and lead.status in _DONE:
            raise NothingToDo
        lead.call_back_at, lead.updated_at = at, now
    return lead
