"""What a destination is told of an event. A notice holds ids, times and a channel: nothing of a patient."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from frontdesk.chat.models import Conversation
from frontdesk.db import new_id, utc_now
from frontdesk.leads.models import Lead
from frontdesk.outbox.models import EventKind, OutboxEvent
from frontdesk.sms.models import SmsOutbound

# Not an event: what `./ketalink notifications test` sends.
TEST = "test"


@dataclass(frozen=True)
class Notice:
    """One event as it is told: the same `id` and `at` however often it is sent.

    `created_at`, `channel`, `reference` and `status` are those of the lead; an alarm has the channel of its
    conversation alone. `page` is where the console shows it, as a path; None when it was deleted.
    """

    id: str
    kind: str
    at: datetime
    created_at: datetime
    channel: str | None = None
    reference: str | None = None
    status: str | None = None
    conversation: str | None = None
    page: str | None = None
    text: str | None = None


def describe(session: Session, event: OutboxEvent) -> Notice | None:
    """Return what to tell of an event; None when the lead or the text message it is about was deleted.

    An alarm is told even if the visitor has deleted the conversation: somebody was in danger.
    """
    if event.kind is EventKind.ALARM_RAISED:
        channel = session.scalar(sa.select(Conversation.channel).where(Conversation.id == event.subject))
        return Notice(
            id=event.id,
            kind=event.kind.value,
            at=event.created_at,
            created_at=event.created_at,
            channel=channel,
            conversation=event.subject,
            page=f"/staff/conversations/{event.subject}" if channel else None,
        )
    if event.kind is EventKind.SMS_SEND:
        if session.scalar(sa.select(SmsOutbound.id).where(SmsOutbound.id == event.subject)) is None:
            return None
        return Notice(
            id=event.id, kind=event.kind.value, at=event.created_at, created_at=event.created_at, text=event.subject
        )
    # Columns, not the lead: nothing of the patient is even read.
    row = session.execute(
        sa.select(Lead.reference, Lead.created_at, Lead.channel, Lead.status).where(Lead.id == event.subject)
    ).one_or_none()
    if row is None:
        return None
    return Notice(
        id=event.id,
        kind=event.kind.value,
        at=event.created_at,
        created_at=row.created_at,
        channel=row.channel,
        reference=row.reference,
        status=row.status.value,
        page=f"/staff/leads/{event.subject}",
    )


def trial() -> Notice:
    """Return a notice of nothing, to see whether it arrives."""
    now = utc_now()
    return Notice(id=new_id(), kind=TEST, at=now, created_at=now)
