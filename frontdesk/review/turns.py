"""How each message of a visitor went, for finding conversations and counting. Nothing here commits."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from frontdesk.chat.models import Message, Sender
from frontdesk.db import Database
from frontdesk.lookup import Lookup, lookup_of
from frontdesk.review.models import Outcome, Turn, TurnTopic

# Below it a topic was answered, but not surely: one in five of such answers is about something else.
LOW_CONFIDENCE = 0.65
AT_ONCE = 500
_BEYOND = "beyond/"
_NOT_UNDERSTOOD = frozenset({"nlu_fallback", "out_of_scope"})


def topic_key(lookup: Lookup, topic: str) -> str:
    """Return what stands for a topic in the database."""
    return lookup.key("topic", topic)


def level_key(lookup: Lookup, level: str) -> str:
    """Return what stands for a level of danger in the database."""
    return lookup.key("level", level)


def topics_of(understood: Mapping[str, Any] | None) -> list[str]:
    """Return what a message was understood as: its topics, or small talk; nothing when it was not."""
    known = understood or {}
    topics = [str(topic) for topic in known.get("topics") or []]
    intent = known.get("intent")
    return topics or ([str(intent)] if intent and intent not in _NOT_UNDERSTOOD else [])


def outcome_of(replies: Sequence[Mapping[str, Any]], understood: Mapping[str, Any] | None) -> Outcome:
    """Return what became of a message with these replies."""
    kinds = {reply["kind"] for reply in replies}
    if "answer" in kinds:
        return Outcome.ANSWERED
    if "safety" in kinds:
        return Outcome.SAFETY
    if any(topic.startswith(_BEYOND) for topic in (understood or {}).get("topics") or []):
        return Outcome.BEYOND
    if kinds & {"question", "confirmation"}:
        return Outcome.REQUEST
    if "fallback" in kinds:
        offered = any(button.get("topic") for reply in replies for button in reply.get("buttons") or [])
        return Outcome.ASKED_BACK if offered else Outcome.NOT_UNDERSTOOD
    return Outcome.TALK


def note(session: Session, message: Message, replies: Sequence[Mapping[str, Any]]) -> None:
    """Note how a visitor's message went; twice is once."""
    if session.get(Turn, message.id) is not None:
        return
    lookup = lookup_of(session)
    understood = message.understood or {}
    # Of what is noticed by its answer ("that is for the care team") only the answer knows the level.
    levels = [(understood.get("safety") or {}).get("level"), *(reply.get("level") for reply in replies)]
    level = next(filter(None, levels), None)
    # A button is certain: there is nothing to learn from it.
    is_button = "payload" in (message.content or {})
    confidence = None if is_button else understood.get("confidence")
    session.add(
        Turn(
            message_id=message.id,
            conversation_id=message.conversation_id,
            at=message.created_at,
            outcome=outcome_of(replies, understood).value,
            confidence=float(confidence) if confidence is not None else None,
            level_key=level_key(lookup, level) if level else None,
        )
    )
    session.flush()
    session.add_all(
        TurnTopic(message_id=message.id, topic_key=topic_key(lookup, topic))
        for topic in dict.fromkeys(topics_of(understood))
    )


def catch_up(database: Database) -> int:
    """Note the messages that were answered before turns were; return how many."""
    count = 0
    while True:
        with database.session() as session:
            missing = session.scalars(
                sa.select(Message)
                .outerjoin(Turn, Turn.message_id == Message.id)
                .where(Message.sender == Sender.VISITOR.value, Message.answered, Turn.message_id.is_(None))
                .limit(AT_ONCE)
            ).all()
            for message in missing:
                replies = session.scalars(
                    sa.select(Message).where(Message.reply_to == message.id).order_by(Message.position)
                )
                note(session, message, [reply.content or {"kind": "say"} for reply in replies])
        if not missing:
            return count
        count += len(missing)
