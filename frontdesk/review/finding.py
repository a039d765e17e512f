"""Finding conversations by what became of their messages. Nothing here commits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from frontdesk.chat.models import Conversation, Message, Sender
from frontdesk.lookup import lookup_of
from frontdesk.review.models import QUESTIONS, UNANSWERED, Outcome, Review, Turn, TurnTopic
from frontdesk.review.turns import LOW_CONFIDENCE, level_key, topic_key

# What a review can teach something about; small talk is only looked at where something else was wrong.
REVIEWABLE = tuple(outcome.value for outcome in (*QUESTIONS, Outcome.TALK))


@dataclass(frozen=True)
class Filters:
    """What to look for: one message of the conversation has to have all of it. None and False are no condition."""

    channel: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    topic: str | None = None
    level: str | None = None
    fallback: bool = False
    unsure: bool = False
    unreviewed: bool = False
    unhelpful: bool = False

    @property
    def any_of_a_message(self) -> bool:
        """Whether anything is asked of a message."""
        own = (self.since, self.until, self.topic, self.level)
        return any(own) or self.fallback or self.unsure or self.unreviewed or self.unhelpful


@dataclass(frozen=True)
class Found:
    """A conversation, what was asked first, and what there is to look at."""

    conversation: Conversation
    first: str
    questions: int
    unanswered: int
    unsure: int
    unhelpful: int
    to_review: int
    is_alarm: bool


def find(session: Session, filters: Filters, limit: int, offset: int = 0) -> list[Found]:
    """Return conversations, that with the newest message first."""
    query = sa.select(Conversation).order_by(Conversation.last_message_at.desc(), Conversation.id)
    if filters.channel:
        query = query.where(Conversation.channel == filters.channel)
    if filters.any_of_a_message:
        matching = sa.select(Turn.message_id).where(Turn.conversation_id == Conversation.id, *_of(session, filters))
        query = query.where(matching.exists())
    if filters.since:
        query = query.where(Conversation.last_message_at >= filters.since)
    conversations = session.scalars(query.limit(limit).offset(offset)).all()
    return _described(session, conversations)


def _of(session: Session, filters: Filters) -> list[sa.ColumnElement[bool]]:
    lookup = lookup_of(session)
    conditions: list[sa.ColumnElement[bool]] = []
    if filters.since:
        conditions.append(Turn.at >= filters.since)
    if filters.until:
        conditions.append(Turn.at < filters.until)
    if filters.topic:
        same = sa.select(TurnTopic.message_id).where(
            TurnTopic.message_id == Turn.message_id, TurnTopic.topic_key == topic_key(lookup, filters.topic)
        )
        conditions.append(same.exists())
    if filters.level:
        conditions.append(Turn.level_key == level_key(lookup, filters.level))
    if filters.fallback:
        conditions.append(is_unanswered())
    if filters.unsure:
        conditions.append(is_unsure())
    if filters.unreviewed:
        conditions.append(is_to_review())
    if filters.unhelpful:
        conditions.append(did_not_help())
    return conditions


def is_unanswered() -> sa.ColumnElement[bool]:
    """Return the condition that a message got no answer."""
    return Turn.outcome.in_([outcome.value for outcome in UNANSWERED])


def is_unsure() -> sa.ColumnElement[bool]:
    """Return the condition that a message was answered, but not surely."""
    return sa.and_(Turn.outcome == Outcome.ANSWERED.value, Turn.confidence < LOW_CONFIDENCE)


def is_to_review() -> sa.ColumnElement[bool]:
    """Return the condition that nobody has looked at a message from which something can be learned."""
    reviewed = sa.select(Review.message_id).where(Review.message_id == Turn.message_id)
    questions = [outcome.value for outcome in QUESTIONS]
    return sa.and_(Turn.outcome.in_(questions), Turn.confidence.is_not(None), ~reviewed.exists())


def did_not_help() -> sa.ColumnElement[bool]:
    """Return the condition that the visitor said of a reply to a message that it did not help."""
    reply = aliased(Message)
    return sa.select(reply.id).where(reply.reply_to == Turn.message_id, reply.helpful.is_(False)).exists()


def _described(session: Session, conversations: Sequence[Conversation]) -> list[Found]:
    ids = [conversation.id for conversation in conversations]
    counts = {
        row.conversation_id: row
        for row in session.execute(
            sa.select(
                Turn.conversation_id,
                _count(Turn.outcome.in_([outcome.value for outcome in QUESTIONS])).label("questions"),
                _count(is_unanswered()).label("unanswered"),
                _count(is_unsure()).label("unsure"),
                _count(did_not_help()).label("unhelpful"),
                _count(is_to_review()).label("to_review"),
            )
            .where(Turn.conversation_id.in_(ids))
            .group_by(Turn.conversation_id)
        )
    }
    firsts = sa.select(Message.conversation_id, sa.func.min(Message.position).label("position")).where(
        Message.conversation_id.in_(ids), Message.sender == Sender.VISITOR.value
    )
    first = firsts.group_by(Message.conversation_id).subquery()
    said = sa.select(Message).join(
        first, sa.and_(Message.conversation_id == first.c.conversation_id, Message.position == first.c.position)
    )
    texts = {message.conversation_id: message.text for message in session.scalars(said)}
    alarmed = set(
        session.scalars(sa.select(Message.conversation_id).where(Message.conversation_id.in_(ids), Message.is_alarm))
    )
    found = []
    for one in conversations:
        row = counts.get(one.id)
        found.append(
            Found(
                conversation=one,
                first=texts.get(one.id, ""),
                questions=row.questions if row else 0,
                unanswered=row.unanswered if row else 0,
                unsure=row.unsure if row else 0,
                unhelpful=row.unhelpful if row else 0,
                to_review=row.to_review if row else 0,
                is_alarm=one.id in alarmed,
            )
        )
    return found


def _count(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.sum(sa.case((condition, 1), else_=0))
