"""Browsers that have signed in before, known by a cookie: whoever guesses passwords elsewhere cannot lock them out.

A stranger's wrong guesses use up the limit of all strangers; a known browser has a limit of its own. The cookie lets
nobody in by itself. After https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

from itsdangerous import BadSignature, URLSafeTimedSerializer

REMEMBERED = timedelta(days=180)
MOST_ACCOUNTS = 8


@dataclass(frozen=True)
class Device:
    """A browser that has signed in, with the accounts it did so to, as hashes."""

    name: str
    accounts: tuple[str, ...]

    def knows(self, account: str) -> bool:
        """Tell whether this account was signed in to from here."""
        return _hash(account) in self.accounts


class Devices:
    """Reads and writes the cookie, signed with the secret of visitors' conversations."""

    seconds = REMEMBERED.total_seconds()

    def __init__(self, secret: str) -> None:
        self._signer = URLSafeTimedSerializer(secret, salt="staff device")

    def read(self, cookie: str | None) -> Device | None:
        """Return the device of a cookie, None for one that is not ours or too old."""
        try:
            name, accounts = self._signer.loads(cookie or "", max_age=round(self.seconds))
        except (BadSignature, ValueError, TypeError):
            return None
        return Device(name, tuple(accounts))

    def remember(self, device: Device | None, account: str) -> str:
        """Return the cookie of a browser from which this account has just been signed in to."""
        name = device.name if device else secrets.token_urlsafe(12)
        others = [each for each in (device.accounts if device else ()) if each != _hash(account)]
        return str(self._signer.dumps([name, [*others, _hash(account)][-MOST_ACCOUNTS:]]))


def _hash(account: str) -> str:
    return hashlib.sha256(account.encode()).hexdigest()[:16]
