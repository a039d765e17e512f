"""What the SMS channel keeps besides the conversation: replies by MessageSid, numbers, what was sent, who opted out."""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from frontdesk.columns import EncryptedText
from frontdesk.db import Base, new_id, utc_now


class SmsReceipt(Base):
    """The final reply to one text: the same webhook again gets it, and does nothing twice."""

    __tablename__ = "sms_receipts"

    message_sid: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    # Empty: nothing is said to a number that opted out.
    reply: Mapped[str] = mapped_column(EncryptedText)
    # None for STOP, START and HELP, which are no part of a conversation.
    conversation_id: Mapped[str | None] = mapped_column(
        sa.ForeignKey("conversations.id", ondelete="CASCADE"), index=True
    )
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    # The words of a text of which the answer is still to be sent: the reply said that it follows.
    owed: Mapped[str | None] = mapped_column(EncryptedText)
    # What of the answer did not fit, for whoever asks for more.
    rest: Mapped[str | None] = mapped_column(EncryptedText)
    # What became of the reply, as Twilio has it.
    delivery: Mapped[str | None] = mapped_column(sa.String(16))
    error_code: Mapped[int | None]


# Looked for every few seconds: only those are in an index.
sa.Index(
    "ix_sms_receipts_owed",
    SmsReceipt.created_at,
    sqlite_where=SmsReceipt.owed.is_not(None),
    postgresql_where=SmsReceipt.owed.is_not(None),
)


class OptOutSource(StrEnum):
    """How it became known that a number wants silence."""

    TEXT = "text"  # its owner wrote so
    CARRIER = "carrier"  # Twilio refused to send to it: error 21610
    TWILIO = "twilio"  # its owner wrote STOP, and Twilio has answered that


class SmsOptOut(Base):
    """A number that asked for silence, or did until it opted in again. Only the keyed hash of it is kept.

    Every way in which a text leaves asks this ledger first.
    """

    __tablename__ = "sms_opt_outs"

    number_key: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    opted_out_at: Mapped[datetime] = mapped_column(default=utc_now)
    source: Mapped[str] = mapped_column(sa.String(10), default=OptOutSource.TEXT, server_default="text")
    opted_in_at: Mapped[datetime | None]


class SmsNumber(Base):
    """Whose texts a conversation is, so that a reply can follow, and the clinic can call."""

    __tablename__ = "sms_numbers"

    conversation_id: Mapped[str] = mapped_column(
        sa.ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True
    )
    # As Twilio has it: `+15165550142`, or with a channel in front of it, `whatsapp:+15165550142`.
    address: Mapped[str] = mapped_column(EncryptedText)
    # The number or the Messaging Service that was texted: replies come from it.
    answers_from: Mapped[str | None] = mapped_column(sa.String(64))
    # When it was said who is speaking.
    introduced_at: Mapped[datetime | None]


class TextKind(StrEnum):
    """Why a text is sent that is not the answer to a webhook."""

    REPLY = "reply"  # to a text that was not answered at once; at any hour
    STAFF = "staff"  # written by staff; not at night


class TextStatus(StrEnum):
    """What became of a text before Twilio has it; from then on it is what Twilio says."""

    WAITING = "waiting"
    SENDING = "sending"
    OPTED_OUT = "opted_out"  # not sent, because the number wants silence
    EXPIRED = "expired"  # not sent, because it came too late to be of use
    FAILED = "failed"


class SmsOutbound(Base):
    """A text that is sent by Twilio's REST API, and what became of it. The outbox knows it by its id."""

    __tablename__ = "sms_outbound"

    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True, default=new_id)
    conversation_id: Mapped[str] = mapped_column(sa.ForeignKey("conversations.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(sa.String(10))
    # The text that it answers, once.
    in_reply_to: Mapped[str | None] = mapped_column(sa.String(64), unique=True)
    body: Mapped[str] = mapped_column(EncryptedText)
    written_by: Mapped[str | None] = mapped_column(sa.String(320))  # staff, by e-mail address
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    status: Mapped[str] = mapped_column(sa.String(16), default=TextStatus.WAITING)
    status_at: Mapped[datetime] = mapped_column(default=utc_now)
    error_code: Mapped[int | None]
    message_sid: Mapped[str | None] = mapped_column(sa.String(64), unique=True)
