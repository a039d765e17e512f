"""Writing the audit and checking it. Nothing here commits."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from frontdesk.audit.models import AuditEntry

log = structlog.get_logger(__name__)

NOTHING_BEFORE = "0" * 64
COMMAND_LINE = "command line"
# Any number, the same for all who write: PostgreSQL has them queue, as SQLite does anyway.
_QUEUE = 7_233_002
_AT_ONCE = 1_000


class Action(StrEnum):
    """What is written down. Whoever adds a page adds what is done on it here."""

    SIGNED_IN = "signed in"
    SIGN_IN_REFUSED = "sign-in refused"
    SIGNED_OUT = "signed out"
    SESSION_ENDED = "session ended"
    PASSWORD_CHANGED = "password changed"  # noqa: S105 # no password
    SECOND_FACTOR_SET = "second factor set up"
    SECOND_FACTOR_REMOVED = "second factor removed"
    CODES_MADE = "recovery codes made"
    CODE_USED = "recovery code used"

    ACCOUNT_ADDED = "account added"
    ROLE_CHANGED = "role changed"
    ACCOUNT_DISABLED = "account disabled"
    ACCOUNT_ENABLED = "account enabled"

    LEADS_LISTED = "requests listed"
    LEADS_SEARCHED = "requests searched"
    LEADS_EXPORTED = "requests exported"
    LEAD_VIEWED = "request viewed"
    LEAD_MOVED = "request moved"
    LEAD_CLAIMED = "request claimed"
    LEAD_RELEASED = "request released"
    LEAD_ASSIGNED = "request assigned"
    CALL_BACK_SET = "call-back set"
    NOTE_ADDED = "note added"
    TEXT_SENT = "text sent"

    CONVERSATIONS_LISTED = "conversations listed"
    CONVERSATION_VIEWED = "conversation viewed"
    CONVERSATION_REVIEWED = "conversation reviewed"
    MESSAGE_REVIEWED = "message reviewed"
    TEST_KEPT = "conversation kept as a test"
    REVIEWS_EXPORTED = "reviews exported"
    FACT_CHANGED = "clinic fact changed"
    WORDING_PROPOSED = "wording proposed"
    ALARM_SEEN = "alarm seen"
    DELIVERIES_RETRIED = "notifications retried"
    AUDIT_VIEWED = "audit viewed"


@dataclass(frozen=True)
class Broken:
    """The first row that is not what was written, and in what way."""

    seq: int
    why: str


@dataclass(frozen=True)
class Verified:
    """How many rows were checked, the last of them, and what is wrong, if anything is."""

    count: int
    last_seq: int
    last_hash: str
    broken: Broken | None


def record(
    session: Session,
    at: datetime,
    actor: str,
    action: Action,
    subject: str | None = None,
    **detail: str | int | bool | None,
) -> AuditEntry:
    """Write a row, in the transaction of what it tells of: the last thing in it, because others queue behind it."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.select(sa.func.pg_advisory_xact_lock(_QUEUE)))
    last = session.execute(
        sa.select(AuditEntry.seq, AuditEntry.hash).order_by(AuditEntry.seq.desc()).limit(1)
    ).one_or_none()
    seq, previous = (last.seq + 1, last.hash) if last else (1, NOTHING_BEFORE)
    entry = AuditEntry(
        seq=seq,
        at=at.astimezone(UTC),
        actor=actor,
        action=action.value,
        subject=subject,
        detail=json.dumps(detail, sort_keys=True),
        previous=previous,
        hash="",
    )
    entry.hash = hash_of(entry)
    session.add(entry)
    session.flush()
    # Where logs are kept elsewhere, each line is a place that the whole list so far is nailed to.
    log.info("audited", seq=seq, hash=entry.hash[:16])
    return entry


def hash_of(entry: AuditEntry) -> str:
    """Return the hash that a row with this content has."""
    parts = [
        entry.previous,
        entry.seq,
        entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        entry.actor,
        entry.action,
        entry.subject,
        entry.detail,
    ]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()


def verify(session: Session, expected: tuple[int, str] | None = None) -> Verified:
    """Check every row; `expected` is a row's number and the beginning of its hash as noted elsewhere."""
    count, seq, previous = 0, 0, NOTHING_BEFORE
    met = expected is None
    while True:
        query = sa.select(AuditEntry).where(AuditEntry.seq > seq).order_by(AuditEntry.seq).limit(_AT_ONCE)
        entries = session.scalars(query).all()
        if not entries:
            break
        for entry in entries:
            why = _wrong_with(entry, seq, previous)
            if why:
                return Verified(count, seq, previous, Broken(entry.seq, why))
            count, seq, previous = count + 1, entry.seq, entry.hash
            if expected and entry.seq == expected[0]:
                met = True
                if not entry.hash.startswith(expected[1]):
                    return Verified(count, seq, previous, Broken(seq, "it is not the row that was noted"))
        session.expunge_all()
    broken = None if met or expected is None else Broken(expected[0], "rows at the end are missing")
    return Verified(count, seq, previous, broken)


def page(
    session: Session,
    before: int | None = None,
    actor: str | None = None,
    action: str | None = None,
    subject: str | None = None,
    limit: int = 100,
) -> Sequence[AuditEntry]:
    """Return rows, newest first, from the one before `before` on."""
    query = sa.select(AuditEntry).order_by(AuditEntry.seq.desc()).limit(limit)
    if before is not None:
        query = query.where(AuditEntry.seq < before)
    if actor:
        query = query.where(AuditEntry.actor == actor)
    if action:
        query = query.where(AuditEntry.action == action)
    if subject:
        query = query.where(AuditEntry.subject == subject)
    return session.scalars(query).all()


def detail_of(entry: AuditEntry) -> dict[str, Any]:
    """Return a row's details; empty for what is no longer JSON."""
    try:
        found = json.loads(entry.detail)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _wrong_with(entry: AuditEntry, seq: int, previous: str) -> str | None:
    if entry.seq != seq + 1:
        return f"the rows before it are missing, from {seq + 1} on"
    if entry.previous != previous:
        return "it does not follow from the row before it"
    if entry.hash != hash_of(entry):
        return "it was changed after it was written"
    return None
