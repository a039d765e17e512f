"""Receipts, opt-outs, the conversation of a number and texts to it in the database. Nothing here commits."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from frontdesk.chat.messages import public
from frontdesk.chat.models import Channel, Conversation, Message, Sender
from frontdesk.chat.store import conversation_of_number, replies_to, start_conversation
from frontdesk.db import new_id, utc_now
from frontdesk.fields.phone import read_phone
from frontdesk.fields.reading import Accepted
from frontdesk.outbox.models import EventKind, OutboxDelivery, OutboxEvent
from frontdesk.outbox.store import add_event
from frontdesk.sms.models import OptOutSource, SmsNumber, SmsOptOut, SmsOutbound, SmsReceipt, TextKind, TextStatus

# How far a text has come: a callback that is late, or came twice, never takes it back.
_RANKS = {
    **dict.fromkeys((TextStatus.WAITING.value, ""), 0),
    TextStatus.SENDING.value: 1,
    **dict.fromkeys(("accepted", "scheduled", "queued"), 2),
    "sent": 3,
    **dict.fromkeys((TextStatus.FAILED.value, "undelivered", "canceled", "opted_out", "expired"), 4),
    "delivered": 5,
    "read": 6,
}
DELIVERED = frozenset({"delivered", "read"})
NOT_DELIVERED = frozenset({TextStatus.FAILED.value, "undelivered", "canceled", TextStatus.EXPIRED.value})


def phone_of(address: str) -> str:
    """Return the number in an address: `whatsapp:+15165550142` is `+15165550142`."""
    return address.rpartition(":")[2].strip()


def number_key(secret: str, number: str) -> str:
    """Return the keyed hash by which a number is known, whatever channel of Twilio it writes through."""
    return hmac.new(secret.encode(), phone_of(number).encode(), hashlib.sha256).hexdigest()


# --------------------------------------------------------------------------- receipts, and answers that are owed


def receipt_of(session: Session, message_sid: str) -> SmsReceipt | None:
    """Return what a text was answered with, or None when it was not yet."""
    return session.get(SmsReceipt, message_sid, with_for_update=True)


def kept_reply(session: Session, message_sid: str) -> str | None:
    """Return the reply this text got, or None when it was not finally answered yet."""
    return session.scalar(sa.select(SmsReceipt.reply).where(SmsReceipt.message_sid == message_sid))


def keep_reply(
    session: Session,
    message_sid: str,
    reply: str,
    conversation_id: str | None = None,
    *,
    rest: str | None = None,
    owed: str | None = None,
) -> str:
    """Store the final reply to a text; return the one that counts: another process may have been first.

    `owed` are the text's words when the reply only says that the answer follows.
    """
    receipt = SmsReceipt(
        message_sid=message_sid, reply=reply, conversation_id=conversation_id, rest=rest or None, owed=owed
    )
    try:
        with session.begin_nested():
            session.add(receipt)
    except IntegrityError:
        return session.get_one(SmsReceipt, message_sid).reply
    return reply


@dataclass(frozen=True)
class Debt:
    """A text that was promised an answer."""

    message_sid: str
    words: str
    since: datetime
    conversation_id: str
    number_key: str
    address: str
    answers_from: str | None


def debts(session: Session, before: datetime, conversation_id: str | None = None) -> list[Debt]:
    """Return the texts up to a time whose answer is owed, oldest first."""
    query = (
        sa.select(SmsReceipt, Conversation.sms_key, SmsNumber)
        .join(Conversation, Conversation.id == SmsReceipt.conversation_id)
        .join(SmsNumber, SmsNumber.conversation_id == SmsReceipt.conversation_id)
        .where(SmsReceipt.owed.is_not(None), SmsReceipt.created_at <= before)
        .order_by(SmsReceipt.created_at, SmsReceipt.message_sid)
        .limit(100)
    )
    if conversation_id is not None:
        query = query.where(SmsReceipt.conversation_id == conversation_id)
    return [
        Debt(
            receipt.message_sid,
            receipt.owed or "",
            receipt.created_at,
            receipt.conversation_id or "",
            key or "",
            number.address,
            number.answers_from,
        )
        for receipt, key, number in session.execute(query)
    ]


def was_asked_to_wait(session: Session, conversation_id: str, since: datetime) -> bool:
    """Tell whether an earlier text was answered with "a moment" since then, and still waits."""
    waiting = sa.select(SmsReceipt.message_sid).where(
        SmsReceipt.conversation_id == conversation_id, SmsReceipt.owed.is_not(None), SmsReceipt.created_at >= since
    )
    return session.scalar(waiting.limit(1)) is not None


def rest_of_last(session: Session, conversation_id: str) -> str | None:
    """Return what of the last answer did not fit, or None."""
    latest = session.scalar(
        sa.select(SmsReceipt)
        .where(SmsReceipt.conversation_id == conversation_id)
        .order_by(SmsReceipt.created_at.desc())
        .limit(1)
    )
    return latest.rest if latest else None


# --------------------------------------------------------------------------- opting out


def is_opted_out(session: Session, key: str) -> bool:
    """Tell whether a number asked for silence."""
    row = session.get(SmsOptOut, key)
    return row is not None and row.opted_in_at is None


def opt_out(session: Session, key: str, source: OptOutSource = OptOutSource.TEXT, now: datetime | None = None) -> bool:
    """Note that a number wants silence; False when it was noted before."""
    now = now or utc_now()
    known = session.get(SmsOptOut, key, with_for_update=True)
    if known is not None:
        if known.opted_in_at is None:
            return False
        known.opted_out_at, known.source, known.opted_in_at = now, source.value, None
        return True
    try:
        with session.begin_nested():
            session.add(SmsOptOut(number_key=key, opted_out_at=now, source=source.value))
    except IntegrityError:
        return False
    return True


def opt_in(session: Session, key: str, now: datetime | None = None) -> None:
    """Note that a number wants texts again; that it did not, and since when it does, stays known."""
    known = session.get(SmsOptOut, key, with_for_update=True)
    if known is not None and known.opted_in_at is None:
        known.opted_in_at = now or utc_now()


def opted_in_since(session: Session, key: str, at: datetime) -> bool:
    """Tell whether a number opted in again after a time."""
    known = session.get(SmsOptOut, key)
    return known is not None and known.opted_in_at is not None and known.opted_in_at > at


# --------------------------------------------------------------------------- the conversation of a number


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


def note_number(session: Session, conversation_id: str, address: str, answers_from: str | None) -> SmsNumber:
    """Keep whose texts a conversation is, and where they were sent to; return it."""
    known = session.get(SmsNumber, conversation_id)
    if known is None:
        try:
            with session.begin_nested():
                known = SmsNumber(conversation_id=conversation_id, address=address, answers_from=answers_from)
                session.add(known)
        except IntegrityError:
            return session.get_one(SmsNumber, conversation_id)
    elif (known.address, known.answers_from) != (address, answers_from or known.answers_from):
        known.address, known.answers_from = address, answers_from or known.answers_from
    return known


def address_of(session: Session, conversation_id: str) -> str | None:
    """Return the address whose texts a conversation is; None for one that is no text messages."""
    number = session.get(SmsNumber, conversation_id)
    return number.address if number else None


def callable_number(session: Session, conversation_id: str) -> str | None:
    """Return the number a conversation's texts come from, if the clinic can call it back."""
    address = address_of(session, conversation_id)
    reading = read_phone(phone_of(address)) if address else None
    return str(reading.value) if isinstance(reading, Accepted) else None


def last_reply(session: Session, conversation_id: str) -> list[dict[str, Any]]:
    """Return the messages of the assistant's last reply, as a client gets them."""
    last = session.scalar(
        sa.select(Message)
        .where(Message.conversation_id == conversation_id, Message.sender == Sender.ASSISTANT.value)
        .order_by(Message.position.desc())
        .limit(1)
    )
    if last is None or last.reply_to is None:
        return []
    return [public(message.content or {}, message.id) for message in replies_to(session, last.reply_to)]


def open_choices(session: Session, conversation_id: str) -> list[dict[str, Any]]:
    """Return the buttons of the last reply, `{"title", "payload"}` each, in the order they were numbered."""
    return [button for message in last_reply(session, conversation_id) for button in message["buttons"]]


# --------------------------------------------------------------------------- texts to a number


def add_text(
    session: Session,
    conversation_id: str,
    kind: TextKind,
    body: str,
    *,
    in_reply_to: str | None = None,
    written_by: str | None = None,
    now: datetime | None = None,
) -> SmsOutbound:
    """Have a text sent to whom a conversation is with: the only way in which one leaves but the answer to a webhook."""
    now = now or utc_now()
    text = SmsOutbound(
        id=new_id(),
        conversation_id=conversation_id,
        kind=kind.value,
        in_reply_to=in_reply_to,
        body=body,
        written_by=written_by,
        created_at=now,
        status_at=now,
        status=TextStatus.WAITING.value,
    )
    session.add(text)
    session.flush()
    add_event(session, EventKind.SMS_SEND, text.id)
    return text


def is_sent(session: Session, in_reply_to: str) -> bool:
    """Tell whether an answer to a text was put into the outbox."""
    query = sa.select(SmsOutbound.id).where(SmsOutbound.in_reply_to == in_reply_to)
    return session.scalar(query.limit(1)) is not None


def is_overtaking(session: Session, text: SmsOutbound) -> bool:
    """Tell whether an earlier text to the same number still waits in the outbox."""
    waiting = (
        sa.select(SmsOutbound.id)
        .join(OutboxEvent, OutboxEvent.subject == SmsOutbound.id)
        .outerjoin(OutboxDelivery, OutboxDelivery.event_id == OutboxEvent.id)
        .where(
            SmsOutbound.conversation_id == text.conversation_id,
            SmsOutbound.kind == text.kind,
            SmsOutbound.created_at < text.created_at,
            sa.or_(OutboxEvent.spread_at.is_(None), OutboxDelivery.next_attempt_at.is_not(None)),
        )
    )
    return session.scalar(waiting.limit(1)) is not None


def advance(text: SmsOutbound | SmsReceipt, status: str, error_code: int | None, now: datetime) -> bool:
    """Note what became of a text; False for what is known already, and for what would take it back."""
    before = (text.status if isinstance(text, SmsOutbound) else text.delivery) or ""
    if _RANKS.get(status, 0) <= _RANKS.get(before, 0):
        return False
    if isinstance(text, SmsOutbound):
        text.status, text.status_at = status, now
    else:
        text.delivery = status
    text.error_code = None if status in DELIVERED else error_code or text.error_code
    return True


@dataclass(frozen=True)
class SentText:
    """A text to a number, for staff to see: a reply, or what staff wrote, and what became of it."""

    conversation_id: str
    at: datetime
    body: str
    status: str
    error_code: int | None
    written_by: str | None = None

    @property
    def is_problem(self) -> bool:
        """Tell whether it did not arrive."""
        return self.status in NOT_DELIVERED


def not_delivered(session: Session, since: datetime, limit: int = 50) -> list[SentText]:
    """Return what did not arrive since then, the latest first."""
    sent = session.scalars(
        sa.select(SmsOutbound)
        .where(SmsOutbound.status.in_(NOT_DELIVERED), SmsOutbound.created_at >= since)
        .order_by(SmsOutbound.created_at.desc())
        .limit(limit)
    )
    replied = session.scalars(
        sa.select(SmsReceipt)
        .where(
            SmsReceipt.delivery.in_(NOT_DELIVERED),
            SmsReceipt.conversation_id.is_not(None),
            SmsReceipt.created_at >= since,
        )
        .order_by(SmsReceipt.created_at.desc())
        .limit(limit)
    )
    found = [*map(_sent, sent), *map(_replied, replied)]
    return sorted(found, key=lambda text: text.at, reverse=True)[:limit]


def texts_to_show(session: Session, conversation_ids: Sequence[str]) -> list[SentText]:
    """Return what staff should see of the texts of conversations: theirs, and replies that did not arrive."""
    sent = session.scalars(
        sa.select(SmsOutbound).where(
            SmsOutbound.conversation_id.in_(conversation_ids),
            sa.or_(SmsOutbound.kind == TextKind.STAFF.value, SmsOutbound.status.not_in(DELIVERED)),
        )
    )
    replied = session.scalars(
        sa.select(SmsReceipt).where(
            SmsReceipt.conversation_id.in_(conversation_ids), SmsReceipt.delivery.in_(NOT_DELIVERED)
        )
    )
    return sorted([*map(_sent, sent), *map(_replied, replied)], key=lambda text: text.at)


def recent(now: datetime) -> datetime:
    """Return since when a text that did not arrive is still worth knowing."""
    return now - timedelta(days=7)


def _sent(text: SmsOutbound) -> SentText:
    return SentText(text.conversation_id, text.created_at, text.body, text.status, text.error_code, text.written_by)


def _replied(receipt: SmsReceipt) -> SentText:
    status = receipt.delivery or ""
    return SentText(receipt.conversation_id or "", receipt.created_at, receipt.reply, status, receipt.error_code)
