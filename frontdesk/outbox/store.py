"""The outbox in the database: what waits, who sends it, what became of it. Nothing here commits.

Several front desks may work on one outbox. On PostgreSQL each skips the rows that another one holds; on SQLite every
transaction is the only one that writes.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from frontdesk.db import new_id
from frontdesk.outbox.models import EventKind, OutboxDelivery, OutboxEvent

# Events that are spread in one transaction.
SPREAD_AT_ONCE = 100
# A destination that is in nobody's settings is waited for this long: another front desk may be starting with new ones.
UNKNOWN_FOR = timedelta(hours=1)
NOT_CONFIGURED = "not_configured"
# The only destination of text messages, which gets nothing else.
SMS = "sms"
# Why a text message waits for the morning.
QUIET_HOURS = "quiet_hours"
# In `session.info`: the session has something for a worker to do.
ADDED = "outbox_event_added"


class DeliveryNotFound(Exception):
    """No delivery with this id has been given up."""


def add_event(session: Session, kind: EventKind, subject: str) -> OutboxEvent:
    """Note what the clinic has to be told, in the transaction of what it tells of.

    `subject` is the id of a lead, of a conversation for an alarm, or of a text message.
    """
    event = OutboxEvent(id=new_id(), kind=kind, subject=subject)
    session.add(event)
    session.info[ADDED] = True
    return event


def spread(session: Session, destinations: Collection[str], now: datetime) -> int:
    """Make a delivery to each destination of events that have none yet; return how many events that were.

    With no destinations the events count as spread all the same: what is configured later is not told of the past.
    """
    events = session.scalars(
        sa.select(OutboxEvent)
        .where(OutboxEvent.spread_at.is_(None))
        .order_by(OutboxEvent.created_at)
        .limit(SPREAD_AT_ONCE)
        .with_for_update(skip_locked=True)
    ).all()
    for event in events:
        session.add_all(
            OutboxDelivery(event_id=event.id, destination=destination, next_attempt_at=now)
            for destination in ([SMS] if event.kind is EventKind.SMS_SEND else destinations)
            if destination != SMS or event.kind is EventKind.SMS_SEND
        )
        event.spread_at = now
    session.flush()
    return len(events)


def due_destinations(session: Session, now: datetime) -> set[str]:
    """Return the destinations for which something can be sent now."""
    return set(session.scalars(sa.select(OutboxDelivery.destination).where(*_free(now)).distinct()))


def lease(session: Session, destination: str, owner: str, now: datetime, lease_for: timedelta) -> OutboxDelivery | None:
    """Take the next delivery to this destination for `lease_for`, alarms first; None when there is none.

    It counts as an attempt at once: a process that dies while it sends has made one.
    """
    alarms_first = sa.case((OutboxEvent.kind == EventKind.ALARM_RAISED, 0), else_=1)
    delivery = session.scalar(
        sa.select(OutboxDelivery)
        .join(OutboxDelivery.event)
        .where(OutboxDelivery.destination == destination, *_free(now))
        .order_by(alarms_first, OutboxEvent.created_at, OutboxDelivery.id)
        .limit(1)
        .options(selectinload(OutboxDelivery.event))
        .with_for_update(skip_locked=True, of=OutboxDelivery)
    )
    if delivery is None:
        return None
    delivery.attempts += 1
    delivery.leased_by = owner
    delivery.lease_until = now + lease_for
    session.flush()
    return delivery


def mark_delivered(session: Session, delivery_id: str, now: datetime) -> None:
    """Note that the destination has it, whoever holds the lease by now: it is true."""
    session.execute(
        sa.update(OutboxDelivery)
        .where(OutboxDelivery.id == delivery_id, OutboxDelivery.delivered_at.is_(None))
        .values(delivered_at=now, next_attempt_at=None, dead_at=None, last_error=None, lease_until=None, leased_by=None)
    )


def mark_failed(
    session: Session, delivery_id: str, owner: str, error: str, now: datetime, again_at: datetime | None
) -> None:
    """Note the kind of error, and when to try again, or never; nothing if the lease was taken over."""
    session.execute(
        sa.update(OutboxDelivery)
        .where(
            OutboxDelivery.id == delivery_id,
            OutboxDelivery.leased_by == owner,
            OutboxDelivery.delivered_at.is_(None),
        )
        .values(
            last_error=error,
            next_attempt_at=again_at,
            dead_at=None if again_at else now,
            lease_until=None,
            leased_by=None,
        )
    )


def postpone(session: Session, delivery_id: str, owner: str, reason: str, until: datetime) -> None:
    """Put a delivery off that its destination may not make now: that was no attempt. Nothing if the lease was lost."""
    session.execute(
        sa.update(OutboxDelivery)
        .where(OutboxDelivery.id == delivery_id, OutboxDelivery.leased_by == owner)
        .values(
            attempts=OutboxDelivery.attempts - 1,
            next_attempt_at=until,
            last_error=reason,
            lease_until=None,
            leased_by=None,
        )
    )


def drop(session: Session, delivery_id: str) -> None:
    """Delete a delivery of which there is nothing to tell any more."""
    session.execute(sa.delete(OutboxDelivery).where(OutboxDelivery.id == delivery_id))


def give_up_unknown(session: Session, destinations: Collection[str], now: datetime) -> int:
    """Give up what has waited for a destination that nobody has in their settings; return how much."""
    given_up = session.execute(
        sa.update(OutboxDelivery)
        .where(
            OutboxDelivery.destination.not_in(list(destinations)),
            OutboxDelivery.next_attempt_at <= now - UNKNOWN_FOR,
            sa.or_(OutboxDelivery.lease_until.is_(None), OutboxDelivery.lease_until <= now),
        )
        .values(dead_at=now, next_attempt_at=None, lease_until=None, leased_by=None, last_error=NOT_CONFIGURED)
        .returning(OutboxDelivery.id)
    )
    return len(given_up.all())


def retry(session: Session, delivery_id: str, now: datetime) -> None:
    """Try a delivery that was given up from the beginning; raise DeliveryNotFound when it is not one."""
    if not _revive(session, now, OutboxDelivery.id == delivery_id):
        raise DeliveryNotFound(delivery_id)


def retry_all(session: Session, now: datetime) -> int:
    """Try everything that was given up from the beginning; return how much that is."""
    return _revive(session, now)


def given_up(session: Session, limit: int = 100) -> Sequence[OutboxDelivery]:
    """Return the deliveries that were given up, with their events, the latest first."""
    return _deliveries(session, OutboxDelivery.dead_at.is_not(None), OutboxDelivery.dead_at.desc(), limit)


def waiting(session: Session, limit: int = 100) -> Sequence[OutboxDelivery]:
    """Return the deliveries that wait, with their events, those that are tried next first."""
    return _deliveries(
        session, OutboxDelivery.next_attempt_at.is_not(None), OutboxDelivery.next_attempt_at.asc(), limit
    )


def count_given_up(session: Session) -> int:
    """Return how many deliveries were given up."""
    return session.scalar(sa.select(sa.func.count()).where(OutboxDelivery.dead_at.is_not(None))) or 0


def count_waiting(session: Session) -> int:
    """Return how many deliveries wait."""
    return session.scalar(sa.select(sa.func.count()).where(OutboxDelivery.next_attempt_at.is_not(None))) or 0


def oldest_waiting(session: Session) -> datetime | None:
    """Return when the oldest event happened of which some destination has not been told yet."""
    unspread = session.scalar(sa.select(sa.func.min(OutboxEvent.created_at)).where(OutboxEvent.spread_at.is_(None)))
    unsent = session.scalar(
        sa.select(sa.func.min(OutboxEvent.created_at))
        .join(OutboxEvent.deliveries)
        .where(OutboxDelivery.next_attempt_at.is_not(None), OutboxDelivery.last_error.is_distinct_from(QUIET_HOURS))
    )
    return min((at for at in (unspread, unsent) if at is not None), default=None)


def events_about(session: Session, subject: str) -> Sequence[OutboxEvent]:
    """Return what the clinic had to be told of a lead or a conversation, with the deliveries, oldest first."""
    return session.scalars(
        sa.select(OutboxEvent)
        .where(OutboxEvent.subject == subject)
        .options(selectinload(OutboxEvent.deliveries))
        .order_by(OutboxEvent.created_at)
    ).all()


def forget(session: Session, subject: str) -> None:
    """Delete every event about a lead or a conversation that is deleted, with its deliveries."""
    events = sa.select(OutboxEvent.id).where(OutboxEvent.subject == subject)
    session.execute(sa.delete(OutboxDelivery).where(OutboxDelivery.event_id.in_(events)))
    session.execute(sa.delete(OutboxEvent).where(OutboxEvent.subject == subject))


def _free(now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    """What is due and that nobody is sending at the moment."""
    return (
        OutboxDelivery.next_attempt_at <= now,
        sa.or_(OutboxDelivery.lease_until.is_(None), OutboxDelivery.lease_until <= now),
    )


def _revive(session: Session, now: datetime, *which: sa.ColumnElement[bool]) -> int:
    revived = session.execute(
        sa.update(OutboxDelivery)
        .where(OutboxDelivery.dead_at.is_not(None), *which)
        .values(dead_at=None, attempts=0, next_attempt_at=now, last_error=None)
        .returning(OutboxDelivery.id)
    )
    session.info[ADDED] = True
    return len(revived.all())


def _deliveries(
    session: Session, which: sa.ColumnElement[bool], order: sa.ColumnElement[datetime | None], limit: int
) -> Sequence[OutboxDelivery]:
    return session.scalars(
        sa.select(OutboxDelivery)
        .where(which)
        .options(selectinload(OutboxDelivery.event))
        .order_by(order, OutboxDelivery.id)
        .limit(limit)
    ).all()
