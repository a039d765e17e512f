"""The one-time link by which whoever started the assistant on their own machine gets into the console."""

import secrets
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from frontdesk.console.models import Role, SignInLink, Staff
from frontdesk.console.sessions import fingerprint

VALID = timedelta(hours=1)
LOCAL_ADMIN = "admin@localhost"
# What no password hashes to.
_NO_PASSWORD = "no password"  # noqa: S105


def make(session: Session, now: datetime) -> str:
    """Return the token of a new link; earlier ones no longer count."""
    session.execute(sa.delete(SignInLink))
    token = secrets.token_urlsafe(32)
    session.add(SignInLink(token_hash=fingerprint(token), expires_at=now + VALID))
    return token


def use(session: Session, token: str, now: datetime) -> Staff | None:
    """Return the local admin, made if need be, for a link that was not used before; None for any other."""
    this_one = (SignInLink.token_hash == fingerprint(token), SignInLink.expires_at > now)
    if session.execute(sa.delete(SignInLink).where(*this_one).returning(SignInLink.token_hash)).first() is None:
        return None
    admin = session.scalar(sa.select(Staff).where(Staff.email == LOCAL_ADMIN))
    if admin is None:
        admin = Staff(email=LOCAL_ADMIN, role=Role.ADMIN, password_hash=_NO_PASSWORD)
        session.add(admin)
        session.flush()
    return None if admin.disabled_at is not None else admin
