"""A copy of everything that is kept of a person, as JSON."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from frontdesk.chat.models import Conversation, Message
from frontdesk.db import Database, utc_now
from frontdesk.encryption import Keyring, Undecipherable
from frontdesk.leads.models import ConsentRecord, Draft, Lead
from frontdesk.leads.repository import as_record
from frontdesk.outbox.models import OutboxEvent
from frontdesk.outbox.store import events_about
from frontdesk.retention.person import Traces
from frontdesk.sms.models import SmsOutbound, SmsReceipt
from frontdesk.trackers import Trackers

FORMAT = "ketalink personal data 1"


def export(database: Database, trackers: Trackers, traces: Traces) -> dict[str, Any]:
    """Return everything that is kept of a person; times are UTC. docs/data.md names the parts."""
    conversations = sorted(traces.conversations)
    memories = trackers.tokens(conversations)
    with database.session() as session:
        return {
            "format": FORMAT,
            "made_at": _time(utc_now()),
            "phone": traces.number,
            "opted_out_of_text_messages_at": _time(traces.opted_out_at),
            "requests": [_request(session, lead) for lead in _leads(session, traces)],
            "drafts": [_draft(draft) for draft in _drafts(session, traces)],
            "consents": [_consent(consent) for consent in _consents(session, traces)],
            "conversations": [
                _conversation(session, conversation_id, traces)
                | {"assistant_memory": _memory(database.keyring, memories.get(conversation_id))}
                for conversation_id in conversations
            ],
        }


def _leads(session: Session, traces: Traces) -> Sequence[Lead]:
    query = sa.select(Lead).where(Lead.id.in_(list(traces.leads))).order_by(Lead.created_at, Lead.id)
    return session.scalars(query.options(selectinload(Lead.notes), selectinload(Lead.status_changes))).all()


def _drafts(session: Session, traces: Traces) -> Sequence[Draft]:
    own = sa.or_(Draft.request_id.in_(list(traces.drafts)), Draft.conversation_id.in_(list(traces.conversations)))
    return session.scalars(sa.select(Draft).where(own).order_by(Draft.updated_at)).all()


def _consents(session: Session, traces: Traces) -> Sequence[ConsentRecord]:
    own = sa.or_(
        ConsentRecord.lead_id.in_(list(traces.leads)), ConsentRecord.conversation_id.in_(list(traces.conversations))
    )
    return session.scalars(sa.select(ConsentRecord).where(own).order_by(ConsentRecord.at)).all()


def _request(session: Session, lead: Lead) -> dict[str, Any]:
    return as_record(lead) | {
        "phone_typed": lead.phone_typed,
        "updated_at": _time(lead.updated_at),
        "first_seen_at": _time(lead.seen_at),
        "conversation": lead.conversation_id,
        "history": [
            {
                "at": _time(change.changed_at),
                "from": change.from_status,
                "to": change.to_status,
                "by": change.changed_by,
            }
            for change in lead.status_changes
        ],
        "notifications": list(_notifications(events_about(session, lead.id))),
    }


def _notifications(events: Sequence[OutboxEvent]) -> Iterator[dict[str, Any]]:
    """Whom the clinic has told of it is nobody else's business; by which way, and when, is."""
    for event in events:
        yield {
            "event": event.kind.value,
            "at": _time(event.created_at),
            "deliveries": [
                {"by": delivery.destination.partition(":")[0], "delivered_at": _time(delivery.delivered_at)}
                for delivery in event.deliveries
            ],
        }


def _draft(draft: Draft) -> dict[str, Any]:
    return {
        "conversation": draft.conversation_id,
        "updated_at": _time(draft.updated_at),
        "expires_at": _time(draft.expires_at),
        "data": draft.data,
    }


def _consent(consent: ConsentRecord) -> dict[str, Any]:
    return {
        "at": _time(consent.at),
        "purpose": consent.purpose,
        "given": consent.given,
        "words": consent.words,
        "version": consent.version,
        "channel": consent.channel,
        "conversation": consent.conversation_id,
    }


def _conversation(session: Session, conversation_id: str, traces: Traces) -> dict[str, Any]:
    conversation = session.get(Conversation, conversation_id)
    messages = session.scalars(
        sa.select(Message).where(Message.conversation_id == conversation_id).order_by(Message.position)
    )
    receipts = session.scalars(
        sa.select(SmsReceipt).where(SmsReceipt.conversation_id == conversation_id).order_by(SmsReceipt.created_at)
    )
    sent = session.scalars(
        sa.select(SmsOutbound).where(SmsOutbound.conversation_id == conversation_id).order_by(SmsOutbound.created_at)
    )
    return {
        "id": conversation_id,
        "known_by": sorted(way.value for way in traces.conversations[conversation_id]),
        # Somebody has to look through these before they are handed out.
        "others_wrote_in_it": conversation_id in traces.shared,
        "channel": conversation.channel if conversation else None,
        "began_at": _time(conversation.created_at) if conversation else None,
        "messages": [_message(message) for message in messages],
        "text_messages_sent": [
            {"at": _time(receipt.created_at), "message_sid": receipt.message_sid, "text": receipt.reply}
            for receipt in receipts
        ]
        + [
            {"at": _time(text.created_at), "message_sid": text.message_sid, "text": text.body, "status": text.status}
            for text in sent
        ],
        "notifications": list(_notifications(events_about(session, conversation_id))),
    }


def _message(message: Message) -> dict[str, Any]:
    return {
        "at": _time(message.created_at),
        "from": message.sender,
        "text": message.text,
        "is_alarm": message.is_alarm,
        "understood": message.understood,
        "content": message.content,
        "helpful": message.helpful,
    }


def _memory(keyring: Keyring | None, token: str | None) -> Any:
    """Return what Rasa remembers, as it keeps it; None for nothing, and for what no key opens."""
    if token is None or keyring is None:
        return None
    try:
        return json.loads(keyring.decrypt(token))
    except (Undecipherable, ValueError):
        return None


def _time(at: datetime | None) -> str | None:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}" if at else None
