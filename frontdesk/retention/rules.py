"""One rule for each kind of record: which of them nobody needs any more, and how they are deleted.

A rule deletes AT_ONCE records in a short transaction, so that visitors hardly wait, and looks once more whether they
may go: somebody may have written just now.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from frontdesk.chat.models import Conversation, Message
from frontdesk.console.models import StaffSession
from frontdesk.console.sessions import is_over
from frontdesk.db import Database
from frontdesk.leads.models import ConsentRecord, Draft, Lead, LeadNote, LeadStatus
from frontdesk.outbox.models import OutboxDelivery, OutboxEvent
from frontdesk.retention.deleting import delete_conversations, delete_leads
from frontdesk.retention.policy import Kind, Policy
from frontdesk.sms.models import SmsReceipt
from frontdesk.trackers import Trackers

AT_ONCE = 200
OPEN = (LeadStatus.NEW, LeadStatus.CONTACTED, LeadStatus.SCHEDULED)
FOREVER = "until somebody deletes it"

# Says of the rows of a table which may go, at this time.
MayGo = Callable[[datetime], sa.ColumnElement[bool]]
Delete = Callable[[Session, Sequence[str]], None]


class Rule(ABC):
    """What is deleted by age; `kept` says how long it is kept, in plain words."""

    kind: Kind
    kept: str

    @abstractmethod
    def count(self, now: datetime) -> int:
        """Return how many records may go."""

    @abstractmethod
    def delete(self, now: datetime) -> Iterator[int]:
        """Delete them, and yield after each transaction how many went in it."""


class Rows(Rule):
    """Rows of one table, with what belongs to them."""

    def __init__(
        self,
        database: Database,
        kind: Kind,
        kept: str,
        key: InstrumentedAttribute[str],
        may_go: MayGo,
        delete: Delete | None = None,
    ) -> None:
        self.kind = kind
        self.kept = kept
        self._database = database
        self._key = key
        self._may_go = may_go
        self._delete = delete or self._delete_rows

    def count(self, now: datetime) -> int:
        """Return how many rows may go."""
        query = sa.select(sa.func.count()).select_from(self._key.class_).where(self._may_go(now))
        with self._database.session() as session:
            return session.scalar(query) or 0

    def delete(self, now: datetime) -> Iterator[int]:
        """Delete them, and yield after each transaction how many went in it."""
        query = sa.select(self._key).where(self._may_go(now))
        while True:
            with self._database.session() as session:
                ids = session.scalars(query.limit(AT_ONCE)).all()
            if not ids:
                return
            self._prepare(ids)
            with self._database.session() as session:
                still = session.scalars(query.where(self._key.in_(ids)).with_for_update()).all()
                self._delete(session, still)
            yield len(still)

    def _prepare(self, ids: Sequence[str]) -> None:
        """Do what has to happen first, outside the transaction."""

    def _delete_rows(self, session: Session, ids: Sequence[str]) -> None:
        session.execute(sa.delete(self._key.class_).where(self._key.in_(ids)))


class Conversations(Rows):
    """Conversations, here and in Rasa."""

    def __init__(self, database: Database, trackers: Trackers, keep: timedelta | None) -> None:
        super().__init__(
            database,
            Kind.CONVERSATIONS,
            _in_words(keep, "after the last message, unless nobody has seen an alarm in it"),
            Conversation.id,
            _conversation_may_go(keep),
            delete_conversations,
        )
        self._trackers = trackers

    def _prepare(self, ids: Sequence[str]) -> None:
        # Rasa's copy first: nobody would find it by a conversation that is gone.
        self._trackers.delete(ids)


class Memories(Rule):
    """What Rasa remembers of conversations that are not in the database any more."""

    kind = Kind.MEMORIES

    def __init__(self, database: Database, trackers: Trackers, keep: timedelta | None) -> None:
        self.kept = _in_words(keep, "after their last change")
        self._database = database
        self._trackers = trackers
        self._keep = keep

    def count(self, now: datetime) -> int:
        """Return how many memories may go."""
        return sum(len(left) for left in self._left_behind(now))

    def delete(self, now: datetime) -> Iterator[int]:
        """Delete them, and yield after each transaction how many went in it."""
        for left in self._left_behind(now):
            yield self._trackers.delete(left)

    def _left_behind(self, now: datetime) -> Iterator[set[str]]:
        if self._keep is None:
            return
        for ids in self._trackers.untouched_since(now - self._keep):
            with self._database.session() as session:
                known = session.scalars(sa.select(Conversation.id).where(Conversation.id.in_(ids))).all()
            left = set(ids) - set(known)
            if left:
                yield left


def rules(database: Database, trackers: Trackers, policy: Policy) -> list[Rule]:
    """Return every rule, in an order in which what one leaves behind goes with a later one."""

    def rows(
        kind: Kind, kept: str, key: InstrumentedAttribute[str], may_go: MayGo, delete: Delete | None = None
    ) -> Rows:
        return Rows(database, kind, kept, key, may_go, delete)

    sent = _in_words(policy.notifications, "after it was sent")
    failed = _in_words(policy.failed_notifications, "after it was given up")
    return [
        Conversations(database, trackers, policy.conversations),
        Memories(database, trackers, policy.conversations),
        rows(Kind.DRAFTS, "24 hours after the last change", Draft.request_id, lambda now: Draft.expires_at <= now),
        rows(
            Kind.LEADS,
            _in_words(policy.closed_leads, "after the last change, once closed"),
            Lead.id,
            _lead_may_go(LeadStatus.CLOSED, policy.closed_leads),
            delete_leads,
        ),
        rows(
            Kind.SPAM,
            _in_words(policy.spam, "after the last change"),
            Lead.id,
            _lead_may_go(LeadStatus.SPAM, policy.spam),
            delete_leads,
        ),
        rows(
            Kind.CONSENTS,
            _in_words(policy.consents, "after the answer, and as long as the request"),
            ConsentRecord.id,
            _consent_may_go(policy.consents),
        ),
        rows(
            Kind.RECEIPTS,
            _in_words(policy.receipts, "after the message"),
            SmsReceipt.message_sid,
            _older(SmsReceipt.created_at, policy.receipts),
        ),
        rows(
            Kind.NOTIFICATIONS,
            f"{sent}, {failed}; as long as its request is open",
            OutboxEvent.id,
            _event_may_go(policy.notifications, policy.failed_notifications),
        ),
        rows(
            Kind.SIGN_INS, "15 minutes after the last sign of life, 12 hours at most", StaffSession.token_hash, is_over
        ),
    ]


def _in_words(keep: timedelta | None, since: str) -> str:
    return f"{keep.days} days {since}" if keep else FOREVER


def _older(
    column: InstrumentedAttribute[datetime] | InstrumentedAttribute[datetime | None], keep: timedelta | None
) -> MayGo:
    return lambda now: column <= now - keep if keep else sa.false()


def _conversation_may_go(keep: timedelta | None) -> MayGo:
    unseen = sa.exists().where(
        Message.conversation_id == Conversation.id, Message.is_alarm, Message.alarm_seen_by.is_(None)
    )
    old = _older(Conversation.last_message_at, keep)
    return lambda now: sa.and_(old(now), ~unseen)


def _lead_may_go(status: LeadStatus, keep: timedelta | None) -> MayGo:
    """A note counts as a change: somebody still works on it."""
    old = _older(Lead.updated_at, keep)
    old_notes = _older(LeadNote.created_at, keep)
    return lambda now: sa.and_(
        Lead.status == status,
        old(now),
        ~sa.exists().where(LeadNote.lead_id == Lead.id, ~old_notes(now)),
    )


def _consent_may_go(keep: timedelta | None) -> MayGo:
    old = _older(ConsentRecord.at, keep)
    request_is_kept = sa.exists().where(Lead.id == ConsentRecord.lead_id)
    return lambda now: sa.and_(old(now), ~request_is_kept)


def _event_may_go(keep: timedelta | None, keep_failed: timedelta | None) -> MayGo:
    """An event goes when every destination has it for long enough, or was given up for long enough."""
    spread = _older(OutboxEvent.spread_at, keep)
    sent, failed = _older(OutboxDelivery.delivered_at, keep), _older(OutboxDelivery.dead_at, keep_failed)
    is_open = sa.exists().where(Lead.id == OutboxEvent.subject, Lead.status.in_(OPEN))

    def may_go(now: datetime) -> sa.ColumnElement[bool]:
        done = sa.or_(
            sa.and_(OutboxDelivery.delivered_at.is_not(None), sent(now)),
            sa.and_(OutboxDelivery.dead_at.is_not(None), failed(now)),
        )
        return sa.and_(spread(now), ~sa.exists().where(OutboxDelivery.event_id == OutboxEvent.id, ~done), ~is_open)

    return may_go
