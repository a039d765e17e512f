"""Sign-ins: started, resumed, ended. Times are given by the caller; nothing here commits."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from frontdesk.console.models import Role, Staff, StaffSession, Stage

IDLE = timedelta(minutes=15)
LONGEST = timedelta(hours=12)
# Between the password and the code.
LONGEST_HALF = timedelta(minutes=10)
MOST_WRONG_CODES = 5
LONGEST_BROWSER = 60

_BROWSERS = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


class SignedOut(Exception):
    """Nobody is signed in with this token. `expired` tells whether somebody was, too long ago."""

    def __init__(self, expired: bool = False) -> None:
        super().__init__()
        self.expired = expired


@dataclass(frozen=True)
class SignedIn:
    """Who makes a request, and how far their sign-in has come."""

    staff_id: str
    email: str
    role: Role
    csrf_token: str
    session_id: str = ""
    stage: Stage = Stage.DONE


def start(session: Session, staff_id: str, now: datetime, stage: Stage = Stage.DONE, browser: str = "") -> str:
    """Sign somebody in, or half in, and return the token for their browser. Everybody's sign-ins that are over go."""
    session.execute(sa.delete(StaffSession).where(is_over(now)))
    token = secrets.token_urlsafe(32)
    session.add(
        StaffSession(
            token_hash=fingerprint(token),
            staff_id=staff_id,
            stage=stage,
            browser=browser_name(browser),
            csrf_token=secrets.token_urlsafe(32),
            created_at=now,
            last_seen_at=now,
        )
    )
    if stage is Stage.DONE:
        session.execute(sa.update(Staff).where(Staff.id == staff_id).values(last_sign_in_at=now))
    return token


def resume(session: Session, token: str, now: datetime, is_sign_of_life: bool = True) -> SignedIn:
    """Return who has this token, and count this as a sign of life unless told not to; raise SignedOut."""
    this_one = StaffSession.token_hash == fingerprint(token)
    alive = (this_one, ~is_over(now))
    seen = sa.update(StaffSession).where(*alive).values(last_seen_at=now).returning(StaffSession)
    found = session.scalar(seen if is_sign_of_life else sa.select(StaffSession).where(*alive))
    staff = session.get(Staff, found.staff_id) if found else None
    if found is None or staff is None or staff.disabled_at is not None:
        raise SignedOut(expired=session.scalar(sa.select(StaffSession.staff_id).where(this_one)) is not None)
    return SignedIn(staff.id, staff.email, staff.role, found.csrf_token, found.id, found.stage)


def time_left(session: Session, token: str, now: datetime) -> timedelta:
    """Return how long a sign-in lasts if nothing more is done; that is no sign of life. Zero when it is over."""
    this_one = session.get(StaffSession, fingerprint(token))
    if this_one is None:
        return timedelta(0)
    longest = LONGEST if this_one.stage is Stage.DONE else LONGEST_HALF
    return max(timedelta(0), min(this_one.last_seen_at + IDLE, this_one.created_at + longest) - now)


def is_over(now: datetime) -> sa.ColumnElement[bool]:
    """Return the condition that a sign-in has run out."""
    return sa.or_(
        StaffSession.last_seen_at <= now - IDLE,
        StaffSession.created_at <= now - LONGEST,
        sa.and_(StaffSession.stage != Stage.DONE, StaffSession.created_at <= now - LONGEST_HALF),
    )


def of(session: Session, staff_id: str, now: datetime) -> Sequence[StaffSession]:
    """Return an account's sign-ins, the latest first."""
    query = sa.select(StaffSession).where(
        StaffSession.staff_id == staff_id, StaffSession.stage == Stage.DONE, ~is_over(now)
    )
    return session.scalars(query.order_by(StaffSession.last_seen_at.desc())).all()


def end(session: Session, token: str) -> None:
    """Sign out whoever has this token."""
    session.execute(sa.delete(StaffSession).where(StaffSession.token_hash == fingerprint(token)))


def end_one(session: Session, staff_id: str, session_id: str) -> bool:
    """End one of an account's own sign-ins; return whether there was such a one."""
    own = (StaffSession.staff_id == staff_id, StaffSession.id == session_id)
    return session.execute(sa.delete(StaffSession).where(*own).returning(StaffSession.id)).first() is not None


def end_all(session: Session, staff_id: str, but: str | None = None) -> int:
    """End an account's sign-ins, all `but` the one with this id; return how many."""
    which = [StaffSession.staff_id == staff_id] + ([StaffSession.id != but] if but else [])
    return len(session.execute(sa.delete(StaffSession).where(*which).returning(StaffSession.id)).all())


def count_wrong_code(session: Session, session_id: str) -> int:
    """Count a wrong code; return how many more may be tried. At none the sign-in begins anew."""
    tried = session.scalar(
        sa.update(StaffSession)
        .where(StaffSession.id == session_id)
        .values(tries=StaffSession.tries + 1)
        .returning(StaffSession.tries)
    )
    left = MOST_WRONG_CODES - (tried or MOST_WRONG_CODES)
    if left <= 0:
        session.execute(sa.delete(StaffSession).where(StaffSession.id == session_id))
    return max(left, 0)


def browser_name(user_agent: str) -> str:
    """Return what a browser calls itself, as its owner knows it: `Firefox on Windows`."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "A browser")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), None)
    return f"{browser} on {system}" if system else browser


def fingerprint(token: str) -> str:
    """Return what is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()
