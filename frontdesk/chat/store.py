"""Conversations and transcripts in the database. Nothing here commits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from frontdesk.chat.models import Channel, Conversation, Message, Sender
from frontdesk.db import new_id, utc_now
from frontdesk.leads.models import Draft
from frontdesk.outbox.models import EventKind
from frontdesk.outbox.store import add_event
from frontdesk.review import turns

# "i want to" and, right after it, "die" are one sentence.
SAME_BREATH = timedelta(minutes=5)


class ConversationNotFound(Exception):
    """The conversation was forgotten, or never was."""


class UnknownPayload(Exception):
    """No button of this conversation has this payload."""


class UnknownMessage(Exception):
    """This conversation has no such reply."""


@dataclass(frozen=True)
class Button:
    """A button somebody used: what it says, the words it stands for, and its topic or field, if it has one."""

    title: str
    text: str
    topic: str | None = None
    field: str | None = None  # of the question it answers


def start_conversation(session: Session, channel: Channel, sms_key: str | None = None) -> Conversation:
    """Begin a conversation."""
    conversation = Conversation(id=new_id(), channel=channel.value, sms_key=sms_key)
    session.add(conversation)
    session.flush()
    return conversation


def begin_conversation(session: Session, conversation_id: str, channel: Channel) -> None:
    """Begin a conversation whose id is known beforehand, unless it has begun."""
    if session.get(Conversation, conversation_id) is None:
        session.add(Conversation(id=conversation_id, channel=channel.value))
        session.flush()


def conversation_of_number(session: Session, sms_key: str) -> Conversation | None:
    """Return the conversation of a phone number, by its keyed hash."""
    return session.scalar(sa.select(Conversation).where(Conversation.sms_key == sms_key))


def add_inbound(
    session: Session, conversation_id: str, text: str, client_id: str | None, payload: str | None = None
) -> Message:
    """Store a visitor's message, or return the stored one when `client_id` was seen before.

    `payload` is that of the button whose title `text` is.
    """
    conversation = session.scalar(sa.select(Conversation).where(Conversation.id == conversation_id).with_for_update())
    if conversation is None:
        raise ConversationNotFound(conversation_id)
    if client_id is not None:
        known = session.scalar(
            sa.select(Message).where(
                Message.conversation_id == conversation_id,
                Message.client_id == client_id,
            )
        )
        if known is not None:
            return known
    conversation.last_message_at = utc_now()
    return _append(
        session,
        conversation_id,
        sender=Sender.VISITOR.value,
        text=text,
        client_id=client_id,
        content={"payload": payload} if payload else None,
    )


def has_arrived(session: Session, conversation_id: str, client_id: str) -> bool:
    """Tell whether a visitor's message is in the transcript."""
    query = sa.select(Message.id).where(Message.conversation_id == conversation_id, Message.client_id == client_id)
    return session.scalar(query) is not None


def add_replies(
    session: Session,
    inbound: Message,
    replies: Sequence[dict[str, Any]],
    understood: dict[str, Any] | None,
) -> list[Message]:
    """Store the replies to a visitor's message and mark it answered, unless it is: then return those it has."""
    conversation = session.scalar(
        sa.select(Conversation).where(Conversation.id == inbound.conversation_id).with_for_update()
    )
    if conversation is None:
        raise ConversationNotFound(inbound.conversation_id)
    message = session.get_one(Message, inbound.id)
    if message.answered:
        return list(replies_to(session, message.id))  # by another front desk that had the turn before it was lost
    message.answered = True
    message.understood = understood
    is_alarm = (understood or {}).get("safety", {}).get("level") in ("crisis", "emergency")
    if is_alarm and not _is_told_of(session, message):
        add_event(session, EventKind.ALARM_RAISED, inbound.conversation_id)
    message.is_alarm = is_alarm
    turns.note(session, message, replies)
    return [
        _append(
            session,
            inbound.conversation_id,
            sender=Sender.ASSISTANT.value,
            text=reply["text"],
            reply_to=inbound.id,
            content=reply,
        )
        for reply in replies
    ]


def just_before(session: Session, message: Message) -> tuple[Message | None, Message | None]:
    """Return what the visitor wrote before this message, and what the assistant said last."""
    earlier = (
        sa.select(Message)
        .where(Message.conversation_id == message.conversation_id, Message.position < message.position)
        .order_by(Message.position.desc())
        .limit(1)
    )
    return (
        session.scalar(earlier.where(Message.sender == Sender.VISITOR.value)),
        session.scalar(earlier.where(Message.sender == Sender.ASSISTANT.value)),
    )


def last_reply(session: Session, message: Message | None) -> tuple[dict[str, Any], ...]:
    """Return the contents of all messages of the reply that `message` is part of, in order."""
    if message is None or message.reply_to is None:
        return ()
    return tuple(one.content or {"kind": "say", "text": one.text} for one in replies_to(session, message.reply_to))


def alarm_to_pause_for(session: Session, message: Message) -> str | None:
    """Return the id of the latest message with an alarm that Rasa has not been told of."""
    alarmed = session.scalar(
        sa.select(Message)
        .where(
            Message.conversation_id == message.conversation_id,
            Message.position < message.position,
            Message.is_alarm,
        )
        .order_by(Message.position.desc())
        .limit(1)
    )
    return alarmed.id if alarmed is not None and not (alarmed.understood or {}).get("paused", True) else None


@dataclass(frozen=True)
class OpenAlarm:
    """A conversation in which danger was noticed and that nobody of the staff has seen."""

    conversation_id: str
    channel: str
    level: str
    at: datetime


def open_alarms(session: Session) -> list[OpenAlarm]:
    """Return the conversations with danger that nobody has seen, each with its latest alarm, the newest first."""
    rows = session.execute(
        sa.select(Message, Conversation.channel)
        .join(Conversation, Conversation.id == Message.conversation_id)
        .where(Message.is_alarm, Message.alarm_seen_by.is_(None))
        .order_by(Message.created_at.desc())
    )
    found: dict[str, OpenAlarm] = {}
    for message, channel in rows:
        level = (message.understood or {}).get("safety", {}).get("level", "crisis")
        found.setdefault(
            message.conversation_id, OpenAlarm(message.conversation_id, channel, level, message.created_at)
        )
    return list(found.values())


@dataclass(frozen=True)
class Unanswered:
    """A conversation whose visitor got no answer: something was down, or is still under way."""

    conversation_id: str
    channel: str
    at: datetime


def unanswered(session: Session, since: datetime, until: datetime, limit: int = 50) -> list[Unanswered]:
    """Return the conversations with messages of this time that nobody answered, each with its first, oldest first.

    One whose visitor was answered later is none of them.
    """
    later = aliased(Message)
    answered_later = sa.exists().where(
        later.conversation_id == Message.conversation_id,
        later.position > Message.position,
        later.sender == Sender.ASSISTANT.value,
    )
    rows = session.execute(
        sa.select(Message.conversation_id, Conversation.channel, sa.func.min(Message.created_at).label("at"))
        .join(Conversation, Conversation.id == Message.conversation_id)
        .where(
            # As the index has it, word for word.
            sa.text("messages.sender = 'visitor' AND NOT messages.answered"),
            Message.created_at >= since,
            Message.created_at <= until,
            ~answered_later,
        )
        .group_by(Message.conversation_id, Conversation.channel)
        .order_by(sa.text("at"))
        .limit(limit)
    )
    return [Unanswered(id, channel, at) for id, channel, at in rows]


def has_alarm(session: Session, conversation_id: str) -> bool:
    """Tell whether danger was ever noticed in a conversation."""
    found = sa.select(Message.id).where(Message.conversation_id == conversation_id, Message.is_alarm)
    return session.scalar(found.limit(1)) is not None


def concerns_staff(session: Session, conversation_id: str) -> bool:
    """Tell whether danger was ever noticed in a conversation, or a message of it got no answer."""
    is_unanswered = sa.and_(Message.sender == Sender.VISITOR.value, ~Message.answered)
    found = sa.select(Message.id).where(Message.conversation_id == conversation_id, Message.is_alarm | is_unanswered)
    return session.scalar(found.limit(1)) is not None


def note_seen(session: Session, conversation_id: str, seen_by: str) -> None:
    """Note who has seen the alarms of a conversation so far."""
    session.execute(
        sa.update(Message)
        .where(Message.conversation_id == conversation_id, Message.is_alarm, Message.alarm_seen_by.is_(None))
        .values(alarm_seen_by=seen_by)
    )


def replies_to(session: Session, message_id: str) -> Sequence[Message]:
    """Return the replies to a visitor's message, in order."""
    return session.scalars(sa.select(Message).where(Message.reply_to == message_id).order_by(Message.position)).all()


def transcript(session: Session, conversation_id: str, after: int = -1) -> Sequence[Message]:
    """Return the conversation in order, from the place `after` on; raise ConversationNotFound."""
    if session.get(Conversation, conversation_id) is None:
        raise ConversationNotFound(conversation_id)
    return session.scalars(
        sa.select(Message)
        .where(Message.conversation_id == conversation_id, Message.position > after)
        .order_by(Message.position)
    ).all()


def note_helpful(session: Session, conversation_id: str, message_id: str, helpful: bool | None) -> None:
    """Keep what the visitor said of a reply, or take it back with None; raise UnknownMessage."""
    message = session.get(Message, message_id)
    if message is None or message.conversation_id != conversation_id or message.sender != Sender.ASSISTANT.value:
        raise UnknownMessage(message_id)
    message.helpful = helpful


def button_of(session: Session, conversation_id: str, payload: str) -> Button:
    """Return the button with this payload in this conversation; raise UnknownPayload."""
    message_id, _, number = payload.partition(".")
    message = session.get(Message, message_id)
    if message is None or message.conversation_id != conversation_id or not number.isdecimal():
        raise UnknownPayload
    buttons = (message.content or {}).get("buttons") or []
    if int(number) >= len(buttons):
        raise UnknownPayload
    button = buttons[int(number)]
    content = message.content or {}
    field = content.get("field") if content.get("kind") == "question" else None
    return Button(title=button["title"], text=button["payload"], topic=button.get("topic"), field=field)


def forget(session: Session, conversation_id: str) -> None:
    """Delete a conversation with all its messages and drafts. A request made in it stays with the clinic."""
    session.execute(sa.delete(Draft).where(Draft.conversation_id == conversation_id))
    session.execute(sa.delete(Message).where(Message.conversation_id == conversation_id))
    session.execute(sa.delete(Conversation).where(Conversation.id == conversation_id))


def _is_told_of(session: Session, message: Message) -> bool:
    """Tell whether staff were notified of the alarm in this message, or of an earlier one that nobody has seen yet."""
    alarms = sa.select(Message.id).where(
        Message.conversation_id == message.conversation_id,
        Message.is_alarm,
        sa.or_(Message.alarm_seen_by.is_(None), Message.id == message.id),
    )
    return session.scalar(alarms.limit(1)) is not None


def _append(session: Session, conversation_id: str, **values: Any) -> Message:
    last = session.scalar(sa.select(sa.func.max(Message.position)).where(Message.conversation_id == conversation_id))
    message = Message(id=new_id(), conversation_id=conversation_id, position=(last or 0) + 1, **values)
    session.add(message)
    session.flush()
    return message
