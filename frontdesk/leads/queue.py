"""Which requests wait for somebody, and the list of requests by status, channel, date and person."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from frontdesk.leads.models import Lead, LeadStatus
from frontdesk.outbox.models import OutboxDelivery, OutboxEvent

# Those of these are somebody's work.
_OPEN = (LeadStatus.NEW, LeadStatus.CONTACTED, LeadStatus.SCHEDULED)
NOBODY = "nobody"
_AT_ONCE = 500


@dataclass(frozen=True)
class Filters:
    """What a list is narrowed to; None takes all. Days are the clinic's, both ends included."""

    status: LeadStatus | None = None
    channel: str | None = None
    since: date | None = None
    until: date | None = None
    assigned_to: str | None = None  # an e-mail address, or NOBODY

    def conditions(self, zone: ZoneInfo) -> Iterator[sa.ColumnElement[bool]]:
        """Yield what a request has to fulfil."""
        if self.status is not None:
            yield Lead.status == self.status
        if self.channel is not None:
            yield Lead.channel == self.channel
        if self.since is not None:
            yield Lead.created_at >= datetime.combine(self.since, time(), zone)
        if self.until is not None:
            yield Lead.created_at < datetime.combine(self.until + timedelta(days=1), time(), zone)
        if self.assigned_to is not None:
            yield Lead.assigned_to.is_(None) if self.assigned_to == NOBODY else Lead.assigned_to == self.assigned_to


@dataclass(frozen=True)
class Waiting:
    """A request that waits for somebody, and why: words of `WHY`, the most urgent first."""

    lead: Lead
    why: tuple[str, ...]


def matching(session: Session, filters: Filters, zone: ZoneInfo, limit: int, offset: int = 0) -> Sequence[Lead]:
    """Return requests, newest first."""
    query = sa.select(Lead).where(*filters.conditions(zone)).order_by(Lead.created_at.desc(), Lead.id)
    return session.scalars(query.limit(limit).offset(offset)).all()


def count_matching(session: Session, filters: Filters, zone: ZoneInfo) -> int:
    """Return how many requests there are."""
    return session.scalar(sa.select(sa.func.count(Lead.id)).where(*filters.conditions(zone))) or 0


def all_matching(session: Session, filters: Filters, zone: ZoneInfo, after: Lead | None) -> Sequence[Lead]:
    """Return the next requests with their notes, oldest first, after the last one of those before."""
    query = sa.select(Lead).where(*filters.conditions(zone)).options(selectinload(Lead.notes))
    if after is not None:
        query = query.where(sa.tuple_(Lead.created_at, Lead.id) > sa.tuple_(after.created_at, after.id))
    return session.scalars(query.order_by(Lead.created_at, Lead.id).limit(_AT_ONCE)).all()


def waiting(session: Session, now: datetime, limit: int, offset: int = 0) -> Sequence[Waiting]:
    """Return the requests that wait for somebody, oldest first."""
    reasons = _reasons(now).subquery()
    ids = (
        sa.select(reasons.c.id)
        .group_by(reasons.c.id, reasons.c.created_at)
        .order_by(reasons.c.created_at, reasons.c.id)
        .limit(limit)
        .offset(offset)
    )
    wanted = list(session.scalars(ids))
    found = {lead.id: lead for lead in session.scalars(sa.select(Lead).where(Lead.id.in_(wanted)))}
    why: dict[str, list[str]] = {}
    for lead_id, reason in session.execute(sa.select(reasons.c.id, reasons.c.why).where(reasons.c.id.in_(wanted))):
        why.setdefault(lead_id, []).append(reason)
    order = ["undeliverable", "call back", "new"]
    return [Waiting(found[id], tuple(sorted(why[id], key=order.index))) for id in wanted if id in found]


def count_waiting(session: Session, now: datetime) -> int:
    """Return how many requests wait for somebody."""
    reasons = _reasons(now).subquery()
    return session.scalar(sa.select(sa.func.count(sa.distinct(reasons.c.id)))) or 0


def _reasons(now: datetime) -> sa.CompoundSelect[str, datetime, str]:
    undeliverable = (
        sa.select(OutboxEvent.subject).join(OutboxEvent.deliveries).where(OutboxDelivery.dead_at.is_not(None))
    )

    def of(why: str, *which: sa.ColumnElement[bool]) -> sa.Select[str, datetime, str]:
        return sa.select(Lead.id, Lead.created_at, sa.literal(why).label("why")).where(*which)

    return sa.union_all(
        of("new", Lead.status == LeadStatus.NEW),
        of("call back", Lead.call_back_at <= now, Lead.status.in_(_OPEN)),
        of("undeliverable", Lead.id.in_(undeliverable), Lead.status.in_(_OPEN)),
    )
