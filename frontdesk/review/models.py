"""Turns, reviews and saved conversation tests, as the database keeps them."""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from frontdesk import lookup
from frontdesk.columns import EncryptedText
from frontdesk.db import Base, new_id, utc_now


class Outcome(StrEnum):
    """What became of a visitor's message."""

    ANSWERED = "answered"
    ASKED_BACK = "asked back"  # "did you mean …?"
    NOT_UNDERSTOOD = "not understood"
    BEYOND = "beyond"  # near the subject, and answered with who can help
    SAFETY = "safety"
    REQUEST = "request"  # the form, or a call back
    TALK = "talk"


# What somebody asked the clinic, whether or not it got an answer.
QUESTIONS = (Outcome.ANSWERED, Outcome.ASKED_BACK, Outcome.NOT_UNDERSTOOD, Outcome.BEYOND)
UNANSWERED = (Outcome.ASKED_BACK, Outcome.NOT_UNDERSTOOD)


class Turn(Base):
    """What a conversation is found by: of each answered message of a visitor how it went, in no words of theirs.

    A level of danger, like a topic, is there as a keyed hash only: it says something about somebody's health.
    """

    __tablename__ = "turns"

    message_id: Mapped[str] = mapped_column(sa.ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True)
    conversation_id: Mapped[str] = mapped_column(sa.ForeignKey("conversations.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(index=True)
    outcome: Mapped[str] = mapped_column(sa.String(16))
    confidence: Mapped[float | None]  # of what the model made of words; a button, and what rules answer, has none
    level_key: Mapped[str | None] = mapped_column(sa.String(lookup.LENGTH))


class TurnTopic(Base):
    """A topic a message was understood as, as a keyed hash."""

    __tablename__ = "turn_topics"
    __table_args__ = (sa.Index("ix_turn_topics_topic_key", "topic_key"),)

    message_id: Mapped[str] = mapped_column(sa.ForeignKey("turns.message_id", ondelete="CASCADE"), primary_key=True)
    topic_key: Mapped[str] = mapped_column(sa.String(lookup.LENGTH), primary_key=True)


class Verdict(StrEnum):
    """What somebody of the staff made of a message."""

    EXAMPLE = "example"  # is to be learned, under the topic chosen
    RIGHT = "right"  # it was understood
    NOTHING = "nothing"  # of no use for learning


class Review(Base):
    """A visitor's message that staff have looked at. It goes with the conversation; what was exported stays in data/.

    `text` is the example, without anything personal; None when nothing is to be learned.
    """

    __tablename__ = "reviews"

    message_id: Mapped[str] = mapped_column(sa.ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True)
    verdict: Mapped[str] = mapped_column(sa.String(10))
    topic: Mapped[str | None] = mapped_column(EncryptedText)
    text: Mapped[str | None] = mapped_column(EncryptedText)
    reviewed_by: Mapped[str] = mapped_column(sa.String(320))
    reviewed_at: Mapped[datetime] = mapped_column(default=utc_now)
    exported_at: Mapped[datetime | None]


class SavedTest(Base):
    """A conversation as a conversation test, until it is exported. `story` is YAML, without anything personal."""

    __tablename__ = "saved_tests"

    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True, default=new_id)
    conversation_id: Mapped[str] = mapped_column(sa.ForeignKey("conversations.id", ondelete="CASCADE"), index=True)
    story: Mapped[str] = mapped_column(EncryptedText)
    saved_by: Mapped[str] = mapped_column(sa.String(320))
    saved_at: Mapped[datetime] = mapped_column(default=utc_now)
    exported_at: Mapped[datetime | None]
