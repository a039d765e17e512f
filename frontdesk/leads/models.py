"""Appointment requests, their notes and the history of their status."""

from datetime import date, datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from frontdesk.db import Base, new_id, utc_now


class LeadStatus(StrEnum):
    """Where a request stands."""

    NEW = "new"
    CONTACTED = "contacted"
    SCHEDULED = "scheduled"
    CLOSED = "closed"
    SPAM = "spam"


class Lead(Base):
    """A request for an appointment that a person confirmed. Never a promised slot."""

    __tablename__ = "leads"

    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True, default=new_id)
    reference: Mapped[str] = mapped_column(sa.String(16), unique=True)
    # One run of the form has one request_id: saving it again finds the lead instead of making another.
    request_id: Mapped[str] = mapped_column(sa.String(64), unique=True)
    conversation_id: Mapped[str | None] = mapped_column(sa.String(64), index=True)
    channel: Mapped[str] = mapped_column(sa.String(10))
    status: Mapped[LeadStatus] = mapped_column(
        sa.Enum(
            LeadStatus,
            native_enum=False,
            length=16,
            values_callable=lambda kinds: [kind.value for kind in kinds],
        ),
        default=LeadStatus.NEW,
        index=True,
    )
    full_name: Mapped[str] = mapped_column(sa.Text)
    phone: Mapped[str] = mapped_column(sa.String(32))
    email: Mapped[str | None] = mapped_column(sa.String(320))
    patient_type: Mapped[str | None] = mapped_column(sa.String(10))
    reason: Mapped[str | None] = mapped_column(sa.Text)
    preferred_text: Mapped[str | None] = mapped_column(sa.Text)
    preferred_date: Mapped[date | None] = mapped_column(sa.Date)
    preferred_part_of_day: Mapped[str | None] = mapped_column(sa.String(10))
    consent_given: Mapped[bool]
    consent_at: Mapped[datetime]
    consent_text: Mapped[str] = mapped_column(sa.Text)
    assigned_to: Mapped[str | None] = mapped_column(sa.String(320))
    created_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now)

    notes: Mapped[list["LeadNote"]] = relationship(
        back_populates="lead",
        order_by="LeadNote.created_at",
        cascade="all, delete-orphan",
    )
    status_changes: Mapped[list["LeadStatusChange"]] = relationship(
        order_by="LeadStatusChange.changed_at", cascade="all, delete-orphan"
    )


class LeadNote(Base):
    """What a member of staff wrote about a request."""

    __tablename__ = "lead_notes"

    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True, default=new_id)
    lead_id: Mapped[str] = mapped_column(sa.ForeignKey("leads.id", ondelete="CASCADE"), index=True)
    author: Mapped[str] = mapped_column(sa.String(320))
    text: Mapped[str] = mapped_column(sa.Text)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)

    lead: Mapped[Lead] = relationship(back_populates="notes")


class LeadStatusChange(Base):
    """Who moved a request to which status, and when."""

    __tablename__ = "lead_status_changes"

    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True, default=new_id)
    lead_id: Mapped[str] = mapped_column(sa.ForeignKey("leads.id", ondelete="CASCADE"), index=True)
    from_status: Mapped[str] = mapped_column(sa.String(16))
    to_status: Mapped[str] = mapped_column(sa.String(16))
    changed_by: Mapped[str] = mapped_column(sa.String(320))
    changed_at: Mapped[datetime] = mapped_column(default=utc_now)
