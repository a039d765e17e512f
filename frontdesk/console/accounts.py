"""Staff accounts and their passwords. Only `authenticate` commits: it hashes between two transactions."""

import secrets
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from functools import cache

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from email_validator import EmailNotValidError, validate_email
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from frontdesk.console.models import Role, Staff, StaffSession
from frontdesk.db import Database

SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 1_000
LONGEST_EMAIL = 320

# No 0/o, 1/i/l: written down and typed once.
_READABLE_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
_GROUPS = 4
_GROUP_LENGTH = 5

_hasher = PasswordHasher()


class UnusableEmail(Exception):
    """This is not an e-mail address; the message says why."""


class UnusablePassword(Exception):
    """A password is too short, too long or cannot be typed; the message says so."""


class EmailTaken(Exception):
    """An account with this e-mail address exists."""


class AccountNotFound(Exception):
    """No account has this e-mail address."""


class NotAllowed(Exception):
    """An account may not be changed so, by this person or at all; the message says why."""


class WrongCredentials(Exception):
    """The e-mail address and the password do not belong together. Never says which of them is wrong."""


def create_account(session: Session, email: str, password: str, role: Role) -> Staff:
    """Make an account; raise UnusableEmail, UnusablePassword or EmailTaken."""
    try:
        name = account_name(validate_email(email, check_deliverability=False).normalized)
    except EmailNotValidError as error:
        raise UnusableEmail(str(error)) from error
    staff = Staff(email=name, role=role, password_hash=_hashed(password))
    try:
        with session.begin_nested():
            session.add(staff)
    except IntegrityError as error:
        raise EmailTaken(name) from error
    return staff


def set_password(session: Session, email: str, password: str) -> Staff:
    """Give an account a new password and end its sign-ins; raise UnusablePassword or AccountNotFound."""
    password_hash = _hashed(password)
    staff = find(session, email)
    if staff is None:
        raise AccountNotFound(email)
    staff.password_hash = password_hash
    session.execute(sa.delete(StaffSession).where(StaffSession.staff_id == staff.id))
    return staff


def change_role(session: Session, by: str, staff_id: str, role: Role) -> Role:
    """Give an account another role and return the one before; raise AccountNotFound or NotAllowed.

    `by` is the id of the admin who does it. That they are one is asked of the database here too, in the same statement.
    """
    account = _others_account(session, by, staff_id)
    before = account.role
    if before is Role.ADMIN and role is not Role.ADMIN:
        _require_another_admin(session, staff_id)
    account.role = role
    return before


def disable(session: Session, by: str, staff_id: str, now: datetime) -> None:
    """Let nobody sign in to an account any more, and end its sign-ins; raise AccountNotFound or NotAllowed."""
    account = _others_account(session, by, staff_id)
    if account.role is Role.ADMIN:
        _require_another_admin(session, staff_id)
    account.disabled_at = now
    session.execute(sa.delete(StaffSession).where(StaffSession.staff_id == staff_id))


def _others_account(session: Session, by: str, staff_id: str) -> Staff:
    # In the order of their ids: two admins who do this to each other wait, and the second one is no admin any more.
    both = sa.select(Staff).where(Staff.id.in_([by, staff_id])).order_by(Staff.id)
    found = {staff.id: staff for staff in session.scalars(both.with_for_update())}
    if staff_id not in found:
        raise AccountNotFound(staff_id)
    admin = found.get(by)
    if admin is None or admin.role is not Role.ADMIN or admin.disabled_at is not None:
        raise NotAllowed("Only an admin may do this, and you are none any more.")
    if by == staff_id:
        raise NotAllowed("Nobody changes their own role or switches off their own account. Ask another admin.")
    return found[staff_id]


def _require_another_admin(session: Session, staff_id: str) -> None:
    others = (Staff.role == Role.ADMIN, Staff.disabled_at.is_(None), Staff.id != staff_id)
    if session.scalar(sa.select(Staff.id).where(*others).limit(1)) is None:
        raise NotAllowed("This is the last admin. Make somebody else an admin first.")


def find(session: Session, email: str) -> Staff | None:
    """Return the account with this e-mail address, however it is capitalized."""
    name = account_name(email)
    if not name.isprintable() or len(name) > LONGEST_EMAIL:
        return None
    return session.scalar(sa.select(Staff).where(Staff.email == name))


def everyone(session: Session) -> Sequence[Staff]:
    """Return all accounts by e-mail address."""
    return session.scalars(sa.select(Staff).order_by(Staff.email)).all()


def authenticate(database: Database, email: str, password: str) -> Staff:
    """Return the account of this e-mail address and password; raise WrongCredentials.

    An unknown address costs the same work as a wrong password, so the time it takes tells nothing.
    No transaction is open meanwhile: hashing is slow by design, and SQLite would make everybody wait.
    """
    decoy = _decoy_hash()
    with database.session() as session:
        staff = find(session, email)
    matches = _matches(staff.password_hash if staff else decoy, password)
    if staff is None or not matches or staff.disabled_at is not None:
        raise WrongCredentials
    if _hasher.check_needs_rehash(staff.password_hash):
        with database.session() as session:
            unchanged = (Staff.id == staff.id, Staff.password_hash == staff.password_hash)
            session.execute(sa.update(Staff).where(*unchanged).values(password_hash=_hashed(password)))
    return staff


def account_name(email: str) -> str:
    """Return the one form in which an e-mail address names an account."""
    return unicodedata.normalize("NFC", email.strip()).lower()


def random_password() -> str:
    """Return a password that nobody guesses (99 bits) and that can be read aloud."""
    groups = ("".join(secrets.choice(_READABLE_LETTERS) for _ in range(_GROUP_LENGTH)) for _ in range(_GROUPS))
    return "-".join(groups)


def first_sign_in_hint(database: Database) -> str | None:
    """Say how to make the first account, or return None when there is one."""
    with database.session() as session:
        if session.scalar(sa.select(Staff.id).limit(1)) is not None:
            return None
    return "No staff account yet. Make the first one with: ./ketalink staff add you@example.com --role admin"


def _hashed(password: str) -> str:
    if len(password) < SHORTEST_PASSWORD:
        raise UnusablePassword(f"The password has to be at least {SHORTEST_PASSWORD} characters long.")
    if len(password) > LONGEST_PASSWORD:
        raise UnusablePassword(f"The password may not be longer than {LONGEST_PASSWORD:,} characters.")
    if not password.isprintable():
        raise UnusablePassword("The password may not hold characters that cannot be seen.")
    return _hasher.hash(_typed(password))


def _matches(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, _typed(password))
    except (VerificationError, InvalidHashError):
        return False


def _typed(password: str) -> str:
    # The same key gives an accented letter in one code point on one machine and in two on another.
    return unicodedata.normalize("NFC", password)


@cache
def _decoy_hash() -> str:
    return _hasher.hash(secrets.token_urlsafe(32))
