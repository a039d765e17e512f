"""Sign-ins: started, resumed, ended. Times are given by the caller; nothing here commits."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from frontdesk.console.models import Role, Staff, StaffSession

IDLE = timedelta(minutes=15)
LONGEST = timedelta(hours=12)


class SignedOut(Exception):
    """Nobody is signed in with this token. `expired` tells whether somebody was, too long ago."""

    def __init__(self, expired: bool = False) -> None:
        super().__init__()
        self.expired = expired


@dataclass(frozen=True)
class SignedIn:
    """Who makes a request."""

    staff_id: str
    email: str
    role: Role
    csrf_token: str


def start(session: Session, staff_id: str, now: datetime) -> str:
    """Sign somebody in and return the token for their browser. Everybody's sign-ins that are over go."""
    session.execute(sa.delete(StaffSession).where(is_over(now)))
    token = secrets.token_urlsafe(32)
    session.add(
        StaffSession(
            token_hash=_fingerprint(token),
            staff_id=staff_id,
            csrf_token=secrets.token_urlsafe(32),
            created_at=now,
            last_seen_at=now,
        )
    )
    return token


def resume(session: Session, token: str, now: datetime) -> SignedIn:
    """Return who has this token and count this as a sign of life; raise SignedOut."""
    this_one = StaffSession.token_hash == _fingerprint(token)
    alive = (this_one, StaffSession.last_seen_at > now - IDLE, StaffSession.created_at > now - LONGEST)
    seen = sa.update(StaffSession).where(*alive).values(last_seen_at=now)
    row = session.execute(seen.returning(StaffSession.staff_id, StaffSession.csrf_token)).one_or_none()
    if row is None:
        raise SignedOut(expired=session.scalar(sa.select(StaffSession.staff_id).where(this_one)) is not None)
    staff = session.get_one(Staff, row.staff_id)
    return SignedIn(staff.id, staff.email, staff.role, row.csrf_token)


def is_over(now: datetime) -> sa.ColumnElement[bool]:
    """Return the condition that a sign-in has run out."""
    return sa.or_(StaffSession.last_seen_at <= now - IDLE, StaffSession.created_at <= now - LONGEST)


def end(session: Session, token: str) -> None:
    """Sign out whoever has this token."""
    session.execute(sa.delete(StaffSession).where(StaffSession.token_hash == _fingerprint(token)))


def _fingerprint(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
