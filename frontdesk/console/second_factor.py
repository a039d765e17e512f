"""An account's second factor: six digits of an authenticator app (RFC 6238), or a recovery code."""

import hashlib
import hmac
import io
import secrets
from datetime import datetime

import pyotp
import segno
import sqlalchemy as sa
from sqlalchemy.orm import Session

from frontdesk.console.models import RecoveryCode, SecondFactor

RECOVERY_CODES = 10
# The clock of a phone may be half a minute off, either way.
STEPS_OFF = 1
# No 0/o, 1/i/l: written down and typed once.
_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
_GROUPS, _GROUP_LENGTH = 3, 5


def is_set_up(session: Session, staff_id: str) -> bool:
    """Tell whether an account has a second factor that counts."""
    factor = session.get(SecondFactor, staff_id)
    return factor is not None and factor.confirmed_at is not None


def begin(session: Session, staff_id: str) -> str | None:
    """Return the secret to put into an app, the same until a code of it was typed; None when one is set up."""
    factor = session.get(SecondFactor, staff_id)
    if factor is None:
        factor = SecondFactor(staff_id=staff_id, secret=pyotp.random_base32())
        session.add(factor)
        session.flush()
    return factor.secret if factor.confirmed_at is None else None


def confirm(session: Session, staff_id: str, code: str, now: datetime) -> list[str] | None:
    """Have the second factor count from now on; return new recovery codes, or None when the code is wrong."""
    factor = session.get(SecondFactor, staff_id)
    if factor is None or factor.confirmed_at is not None or not _take(session, factor, code, now):
        return None
    factor.confirmed_at = now
    return make_codes(session, staff_id)


def check(session: Session, staff_id: str, code: str, now: datetime) -> bool:
    """Tell whether these are the digits of now; no code is taken twice."""
    factor = session.get(SecondFactor, staff_id)
    return factor is not None and factor.confirmed_at is not None and _take(session, factor, code, now)


def use_recovery_code(session: Session, staff_id: str, code: str) -> bool:
    """Take a recovery code, once."""
    used = sa.delete(RecoveryCode).where(RecoveryCode.staff_id == staff_id, RecoveryCode.code_hash == _hash(code))
    return session.execute(used.returning(RecoveryCode.code_hash)).first() is not None


def make_codes(session: Session, staff_id: str) -> list[str]:
    """Return new recovery codes, which are shown once; the old ones no longer count."""
    session.execute(sa.delete(RecoveryCode).where(RecoveryCode.staff_id == staff_id))
    codes = ["-".join(_group() for _ in range(_GROUPS)) for _ in range(RECOVERY_CODES)]
    session.add_all(RecoveryCode(code_hash=_hash(code), staff_id=staff_id) for code in codes)
    return codes


def codes_left(session: Session, staff_id: str) -> int:
    """Return how many recovery codes an account has left."""
    return session.scalar(sa.select(sa.func.count()).where(RecoveryCode.staff_id == staff_id)) or 0


def remove(session: Session, staff_id: str) -> bool:
    """Take the second factor and its recovery codes away; return whether there was one that counted."""
    had = is_set_up(session, staff_id)
    session.execute(sa.delete(RecoveryCode).where(RecoveryCode.staff_id == staff_id))
    session.execute(sa.delete(SecondFactor).where(SecondFactor.staff_id == staff_id))
    session.expire_all()
    return had


def picture(secret: str, email: str, clinic: str) -> bytes:
    """Return the QR code that an authenticator app reads, as SVG without any style or script."""
    address = pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=clinic)
    drawn = io.BytesIO()
    segno.make(address, error="m").save(drawn, kind="svg", scale=5, border=4, dark="#000", light="#fff", xmldecl=False)
    return drawn.getvalue()


def readable(secret: str) -> str:
    """Return a secret in groups of four, to be typed where no picture can be read."""
    return " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))


def _take(session: Session, factor: SecondFactor, code: str, now: datetime) -> bool:
    digits = "".join(character for character in code if character not in " -\N{NO-BREAK SPACE}")
    if len(digits) != 6 or not digits.isascii() or not digits.isdigit():
        return False
    totp = pyotp.TOTP(factor.secret)
    current = int(now.timestamp()) // totp.interval
    for step in range(current - STEPS_OFF, current + STEPS_OFF + 1):
        if step > factor.last_step and hmac.compare_digest(totp.generate_otp(step), digits):
            # In one statement: of two at once, one has it.
            first = (SecondFactor.staff_id == factor.staff_id, SecondFactor.last_step < step)
            taken = sa.update(SecondFactor).where(*first).values(last_step=step).returning(SecondFactor.staff_id)
            return session.execute(taken).first() is not None
    return False


def _group() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(_GROUP_LENGTH))


def _hash(code: str) -> str:
    plain = "".join(character for character in code.lower() if character in _LETTERS)
    return hashlib.sha256(plain.encode()).hexdigest()
