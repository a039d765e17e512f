"""Deleting records with all that belongs to them. Nothing here commits."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from frontdesk.chat.models import Conversation, Message
from frontdesk.leads.models import Draft, Lead
from frontdesk.outbox.models import OutboxEvent
from frontdesk.sms.models import SmsNumber, SmsOutbound, SmsReceipt


def delete_conversations(session: Session, ids: Sequence[str]) -> None:
    """Delete conversations with their messages, drafts, the number of their texts and the replies to them.

    Requests made in them stay. So does an alarm that the clinic has yet to be told of: it holds an id alone.
    """
    session.execute(sa.delete(Draft).where(Draft.conversation_id.in_(ids)))
    for texts in (SmsReceipt, SmsOutbound, SmsNumber):
        session.execute(sa.delete(texts).where(texts.conversation_id.in_(ids)))
    session.execute(sa.delete(Message).where(Message.conversation_id.in_(ids)))
    session.execute(sa.delete(Conversation).where(Conversation.id.in_(ids)))


def delete_leads(session: Session, ids: Sequence[str]) -> None:
    """Delete requests with what the database deletes with them (notes, history, runs, search keys) and their events.

    What was agreed to stays: it names nobody.
    """
    session.execute(sa.delete(OutboxEvent).where(OutboxEvent.subject.in_(ids)))
    session.execute(sa.delete(Lead).where(Lead.id.in_(ids)))
