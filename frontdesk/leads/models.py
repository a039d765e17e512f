"""Appointment requests and what belongs to them: notes, history, search keys, consents, drafts.

Encrypted is what says who somebody is or what they want; what the clinic sorts and counts by is not.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from frontdesk import lookup
from frontdesk.columns import EncryptedJson, EncryptedText
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
    __table_args__ = (
        # The queue and its filters, oldest or newest first, however many requests there are.
        sa.Index("ix_leads_status_created", "status", "created_at"),
        sa.Index("ix_leads_assigned_created", "assigned_to", "created_at"),
        sa.Index(
            "ix_leads_call_back",
            "call_back_at",
            sqlite_where=sa.text("call_back_at IS NOT NULL"),
            postgresql_where=sa.text("call_back_at IS NOT NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True, default=new_id)
    reference: Mapped[str] = mapped_column(sa.String(16), unique=True)
    # The run of the form that made it; `runs` has all.
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
    full_name: Mapped[str] = mapped_column(EncryptedText)
    phone: Mapped[str] = mapped_column(EncryptedText)  # E.164
    phone_typed: Mapped[str | None] = mapped_column(EncryptedText)
    email: Mapped[str | None] = mapped_column(EncryptedText)
    patient_type: Mapped[str | None] = mapped_column(sa.String(10))
    reason: Mapped[str | None] = mapped_column(EncryptedText)
    preferred_text: Mapped[str | None] = mapped_column(EncryptedText)
    preferred_date: Mapped[date | None] = mapped_column(sa.Date)
    preferred_part_of_day: Mapped[str | None] = mapped_column(sa.String(10))
    consent_given: Mapped[bool]
    consent_at: Mapped[datetime]
    consent_text: Mapped[str] = mapped_column(sa.Text)
    assigned_to: Mapped[str | None] = mapped_column(sa.String(320))  # staff, by e-mail address
    assigned_at: Mapped[datetime | None]
    # When somebody is to call this person back.
    call_back_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now)
    # The first member of staff who opened it.
    seen_at: Mapped[datetime | None]
    seen_by: Mapped[str | None] = mapped_column(sa.String(320))

    notes: Mapped[list["LeadNote"]] = relationship(
        back_populates="lead",
        order_by="LeadNote.created_at",
        cascade="all, delete-orphan",
    )
    status_changes: Mapped[list["LeadStatusChange"]] = relationship(
        order_by="LeadStatusChange.changed_at", cascade="all, delete-orphan"
    )
    assignments: Mapped[list["LeadAssignment"]] = relationship(
        order_by="LeadAssignment.changed_at", cascade="all, delete-orphan"
    )
    runs: Mapped[list["LeadRun"]] = relationship(order_by="LeadRun.saved_at", cascade="all, delete-orphan")
    keys: Mapped[list["LeadKey"]] = relationship(cascade="all, delete-orphan")


class LeadNote(Base):
    """What a member of staff, or the assistant, wrote about a request."""

    __tablename__ = "lead_notes"

    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True, default=new_id)
    lead_id: Mapped[str] = mapped_column(sa.ForeignKey("leads.id", ondelete="CASCADE"), index=True)
    author: Mapped[str] = mapped_column(sa.String(320))
    text: Mapped[str] = mapped_column(EncryptedText)
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


class LeadAssignment(Base):
    """Who was given a request, or put it back, and by whom."""

    __tablename__ = "lead_assignments"

    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True, default=new_id)
    lead_id: Mapped[str] = mapped_column(sa.ForeignKey("leads.id", ondelete="CASCADE"), index=True)
    assigned_to: Mapped[str | None] = mapped_column(sa.String(320))
    changed_by: Mapped[str] = mapped_column(sa.String(320))
    changed_at: Mapped[datetime] = mapped_column(default=utc_now)


class LeadRun(Base):
    """A run of the form whose answers are in a request: the same run again is known by it, and saves nothing."""

    __tablename__ = "lead_runs"

    request_id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    lead_id: Mapped[str] = mapped_column(sa.ForeignKey("leads.id", ondelete="CASCADE"), index=True)
    saved_at: Mapped[datetime] = mapped_column(default=utc_now)


class KeyKind(StrEnum):
    """What a request can be found by."""

    PHONE = "phone"
    PHONE_END = "phone end"  # its last digits
    EMAIL = "email"
    NAME = "name"  # every word of the name, in no order
    NAME_WORD = "name word"  # one of them


class LeadKey(Base):
    """A keyed hash of something a request can be found by."""

    __tablename__ = "lead_keys"
    # The newest request with a key is the next one in the index, however many have the same.
    __table_args__ = (sa.Index("ix_lead_keys_key", "key", "created_at"),)

    lead_id: Mapped[str] = mapped_column(sa.ForeignKey("leads.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(sa.String(lookup.LENGTH), primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(10))
    created_at: Mapped[datetime]  # the request's


class ConsentRecord(Base):
    """What somebody answered to which words, and when. The database refuses to change a row.

    There is no foreign key: what was agreed to can be shown even after the request is gone. `lead_id` is None for a
    refusal, of which nothing else is kept.
    """

    __tablename__ = "consents"
    # A run that is saved again after a crash leaves one answer.
    __table_args__ = (sa.UniqueConstraint("request_id", "purpose", "given", name="uq_consents_request_id"),)

    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True, default=new_id)
    request_id: Mapped[str] = mapped_column(sa.String(64))
    lead_id: Mapped[str | None] = mapped_column(sa.String(32), index=True)
    conversation_id: Mapped[str | None] = mapped_column(sa.String(64), index=True)
    purpose: Mapped[str] = mapped_column(sa.String(16))
    given: Mapped[bool]
    words: Mapped[str] = mapped_column(sa.Text)
    version: Mapped[str] = mapped_column(sa.String(12))
    channel: Mapped[str] = mapped_column(sa.String(10))
    at: Mapped[datetime]


class Draft(Base):
    """A run of the form that is not finished: what was said so far, for whoever comes back in time."""

    __tablename__ = "drafts"

    request_id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    conversation_id: Mapped[str] = mapped_column(sa.String(64), index=True)
    data: Mapped[dict[str, Any]] = mapped_column(EncryptedJson)
    # So that what somebody asked to be deleted is found by their phone number.
    phone_key: Mapped[str | None] = mapped_column(sa.String(lookup.LENGTH), index=True)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime] = mapped_column(index=True)
