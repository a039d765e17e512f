"""What the clinic has to be told, and how far telling each destination has come."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from frontdesk.db import Base, new_id, utc_now


class EventKind(StrEnum):
    """What happened."""

    LEAD_RECEIVED = "lead.received"
    LEAD_JOINED = "lead.joined"
    ALARM_RAISED = "alarm.raised"
    SMS_SEND = "sms.send"  # not for the clinic: a text message to a patient, sent by Twilio


class OutboxEvent(Base):
    """Something the clinic has to be told; written in the transaction of what it tells of.

    `id` is what a receiver knows a repeat by. `subject` is the id of a lead, of a conversation for an alarm, or of a
    text message.
    """

    __tablename__ = "outbox_events"

    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True, default=new_id)
    kind: Mapped[EventKind] = mapped_column(
        sa.Enum(EventKind, native_enum=False, length=32, values_callable=lambda kinds: [kind.value for kind in kinds])
    )
    subject: Mapped[str] = mapped_column(sa.String(64), index=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    # When there was a delivery for every destination configured then; nothing is added later.
    spread_at: Mapped[datetime | None]

    deliveries: Mapped[list["OutboxDelivery"]] = relationship(
        back_populates="event", order_by="OutboxDelivery.destination", cascade="all, delete-orphan"
    )


class OutboxDelivery(Base):
    """One event on its way to one destination: `email:ADDRESS`, `webhook` or `sms`.

    It waits as long as `next_attempt_at` is set; then either `delivered_at` or `dead_at` is.
    """

    __tablename__ = "outbox_deliveries"
    __table_args__ = (sa.UniqueConstraint("event_id", "destination"),)

    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True, default=new_id)
    event_id: Mapped[str] = mapped_column(sa.ForeignKey("outbox_events.id", ondelete="CASCADE"))
    destination: Mapped[str] = mapped_column(sa.String(340))
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime | None]
    # Who sends it at the moment, and until when nobody else may.
    lease_until: Mapped[datetime | None]
    leased_by: Mapped[str | None] = mapped_column(sa.String(64))
    delivered_at: Mapped[datetime | None]
    dead_at: Mapped[datetime | None]
    # A kind of error such as `http_503`: never what a server said, which may hold anything.
    last_error: Mapped[str | None] = mapped_column(sa.String(64))

    event: Mapped[OutboxEvent] = relationship(back_populates="deliveries")


def _index_where(name: str, column: sa.orm.InstrumentedAttribute[Any], where: sa.ColumnElement[bool]) -> sa.Index:
    return sa.Index(name, column, sqlite_where=where, postgresql_where=where)


# Of a hundred thousand events a handful is looked for each second: only those are in an index.
_index_where("ix_outbox_events_unspread", OutboxEvent.created_at, OutboxEvent.spread_at.is_(None))
_index_where(
    "ix_outbox_deliveries_waiting", OutboxDelivery.next_attempt_at, OutboxDelivery.next_attempt_at.is_not(None)
)
_index_where("ix_outbox_deliveries_dead", OutboxDelivery.dead_at, OutboxDelivery.dead_at.is_not(None))
