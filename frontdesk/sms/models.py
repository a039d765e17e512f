"""What the SMS channel keeps besides the conversation: replies by MessageSid, and who opted out."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from frontdesk.columns import EncryptedText
from frontdesk.db import Base, utc_now


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


class SmsOptOut(Base):
    """A number that asked for silence. Only the keyed hash of it is kept."""

    __tablename__ = "sms_opt_outs"

    number_key: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    opted_out_at: Mapped[datetime] = mapped_column(default=utc_now)
