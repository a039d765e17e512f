"""Conversations and their messages, as the database keeps them."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from frontdesk.columns import EncryptedJson, EncryptedText
from frontdesk.db import Base, new_id, utc_now


class Channel(StrEnum):
    """How somebody reaches the assistant."""

    WIDGET = "widget"
    SMS = "sms"


class Sender(StrEnum):
    """Who wrote a message."""

    VISITOR = "visitor"
    ASSISTANT = "assistant"


class Conversation(Base):
    """One visitor's conversation. Its id is also Rasa's sender id."""

    __tablename__ = "conversations"

    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True, default=new_id)
    channel: Mapped[str] = mapped_column(sa.String(10))
    # SMS: keyed hash of the number, by which the next text finds its conversation.
    sms_key: Mapped[str | None] = mapped_column(sa.String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    last_message_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)


class Message(Base):
    """One message, in the order of `position` within its conversation."""

    __tablename__ = "messages"
    __table_args__ = (
        sa.UniqueConstraint("conversation_id", "client_id"),
        sa.UniqueConstraint("conversation_id", "position", name="uq_messages_position"),
        # Of a million messages a handful has no answer.
        sa.Index(
            "ix_messages_unanswered",
            "created_at",
            sqlite_where=sa.text("sender = 'visitor' AND NOT answered"),
            postgresql_where=sa.text("sender = 'visitor' AND NOT answered"),
        ),
    )

    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True, default=new_id)
    conversation_id: Mapped[str] = mapped_column(sa.ForeignKey("conversations.id", ondelete="CASCADE"))
    position: Mapped[int]
    sender: Mapped[str] = mapped_column(sa.String(10))
    text: Mapped[str] = mapped_column(EncryptedText)
    # Of the visitor's messages: the client's own id, whether it was answered, and what was understood.
    client_id: Mapped[str | None] = mapped_column(sa.String(100))
    answered: Mapped[bool] = mapped_column(default=False)
    understood: Mapped[dict[str, Any] | None] = mapped_column(EncryptedJson)
    # A crisis or an emergency was noticed in it.
    is_alarm: Mapped[bool] = mapped_column(default=False, server_default=sa.false(), index=True)
    alarm_seen_by: Mapped[str | None] = mapped_column(sa.String(320))  # staff, by e-mail address
    # Of the assistant's messages: which message it replies to, the message as the chat API gives it, and whether the
    # visitor said that it helped. Of a button's use: `content` is its payload.
    reply_to: Mapped[str | None] = mapped_column(sa.String(32), index=True)
    content: Mapped[dict[str, Any] | None] = mapped_column(EncryptedJson)
    helpful: Mapped[bool | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
