"""Receipts, opt-outs and the conversation of a number in the database. Nothing here commits."""

import hashlib
import hmac
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from frontdesk.chat.messages import public
from frontdesk.chat.models import Channel, Conversation, Message, Sender
from frontdesk.chat.store import conversation_of_number, replies_to, start_conversation
from frontdesk.sms.models import SmsOptOut, SmsReceipt


def number_key(secret: str, number: str) -> str:
    """Return the keyed hash by which a number is known: the number itself is not stored."""
    return hmac.new(secret.encode(), number.encode(), hashlib.sha256).hexdigest()


def kept_reply(session: Session, message_sid: str) -> str | None:
    """Return the reply this text got, or None when it was not finally answered yet."""
    return session.scalar(sa.select(SmsReceipt.reply).where(SmsReceipt.message_sid == message_sid))


def keep_reply(session: Session, message_sid: str, reply: str, conversation_id: str | None = None) -> str:
    """Store the final reply to a text; return the one that counts: another process may have been first."""
    try:
        with session.begin_nested():
            session.add(SmsReceipt(message_sid=message_sid, reply=reply, conversation_id=conversation_id))
    except IntegrityError:
        return session.get_one(SmsReceipt, message_sid).reply
    return reply


def has_replies(session: Session, conversation_id: str) -> bool:
    """Tell whether anything was finally answered in this conversation."""
    query = sa.select(SmsReceipt.message_sid).where(SmsReceipt.conversation_id == conversation_id).limit(1)
    return session.scalar(query) is not None


def is_opted_out(session: Session, key: str) -> bool:
    """Tell whether a number asked for silence."""
    return session.get(SmsOptOut, key) is not None


def opt_out(session: Session, key: str) -> bool:
    """Note that a number wants silence; False when it was noted before."""
    try:
        with session.begin_nested():
            session.add(SmsOptOut(number_key=key))
    except IntegrityError:
        return False
    return True


def opt_in(session: Session, key: str) -> None:
    """Forget that a number wanted silence."""
    session.execute(sa.delete(SmsOptOut).where(SmsOptOut.number_key == key))


def conversation_for(session: Session, key: str) -> Conversation:
    """Return the conversation of a number, begun now if it is the first text."""
    known = conversation_of_number(session, key)
    if known is not None:
        return known
    try:
        with session.begin_nested():
            return start_conversation(session, Channel.SMS, key)
    except IntegrityError:
        # Another process began it in between.
        return session.scalars(sa.select(Conversation).where(Conversation.sms_key == key)).one()


def open_choices(session: Session, conversation_id: str) -> list[dict[str, Any]]:
    """Return the buttons of the last reply, `{"title", "payload"}` each, in the order they were numbered."""
    last = session.scalar(
        sa.select(Message)
        .where(Message.conversation_id == conversation_id, Message.sender == Sender.ASSISTANT.value)
        .order_by(Message.position.desc())
        .limit(1)
    )
    if last is None or last.reply_to is None:
        return []
    return [
        button
        for message in replies_to(session, last.reply_to)
        for button in public(message.content or {}, message.id)["buttons"]
    ]
