"""Deleting everything that is kept of a person."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from frontdesk.chat.models import Conversation, Message
from frontdesk.db import Database
from frontdesk.leads.models import ConsentRecord, Draft, Lead, LeadNote
from frontdesk.retention.deleting import delete_conversations, delete_leads
from frontdesk.retention.files import leave_nothing_behind
from frontdesk.retention.person import Traces
from frontdesk.sms.models import SmsReceipt
from frontdesk.trackers import Trackers, in_batches


@dataclass(frozen=True)
class Extent:
    """How many records of a person there are; the last two stay when the others are deleted."""

    leads: int
    notes: int
    conversations: int
    messages: int
    receipts: int
    drafts: int
    memories: int  # what Rasa remembers
    consents: int
    opt_outs: int


def extent(database: Database, trackers: Trackers, traces: Traces) -> Extent:
    """Count what is kept of a person."""
    conversations, leads = list(traces.conversations), list(traces.leads)
    with database.session() as session:
        refused_or_given = sa.or_(ConsentRecord.lead_id.in_(leads), ConsentRecord.conversation_id.in_(conversations))
        drafts = sa.or_(Draft.request_id.in_(list(traces.drafts)), Draft.conversation_id.in_(conversations))
        return Extent(
            leads=_count(session, Lead.id.in_(leads)),
            notes=_count(session, LeadNote.lead_id.in_(leads)),
            conversations=_count(session, Conversation.id.in_(conversations)),
            messages=_count(session, Message.conversation_id.in_(conversations)),
            receipts=_count(session, SmsReceipt.conversation_id.in_(conversations)),
            drafts=_count(session, drafts),
            memories=len(trackers.tokens(conversations)),
            consents=_count(session, refused_or_given),
            opt_outs=int(traces.opted_out_at is not None),
        )


def erase(database: Database, trackers: Trackers, traces: Traces) -> None:
    """Delete everything that is kept of a person, here and in Rasa, and clean the files; raise FilesNotCleaned.

    What stays names nobody: that somebody agreed to be contacted, or not, and that a number wants no text messages.
    It works while the assistant runs: a turn that is being answered at the moment finds nothing to go on with.
    """
    trackers.delete(traces.conversations)
    with database.session() as session:
        for some in in_batches(traces.leads):
            delete_leads(session, some)
        for some in in_batches(traces.drafts):
            session.execute(sa.delete(Draft).where(Draft.request_id.in_(some)))
        for some in in_batches(traces.conversations):
            delete_conversations(session, some)
    # A first turn that was being answered may have left its memory since; no later one begins.
    trackers.delete(traces.conversations)
    leave_nothing_behind(database)
    if trackers.exist():
        leave_nothing_behind(trackers.database)


def _count(session: Session, which: sa.ColumnElement[bool]) -> int:
    return session.scalar(sa.select(sa.func.count()).where(which)) or 0
