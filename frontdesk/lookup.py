"""Finding encrypted values again: a keyed hash of a value stands for it in an index.

The hash tells two equal values apart from all others and nothing else; whoever has the database but not the secret
cannot try out names and numbers.
"""

import hashlib
import hmac

from sqlalchemy.orm import Session

# Of the hash, in hexadecimal: 128 bits, which no two values share by chance.
LENGTH = 32


class Lookup:
    """Hashes keyed with the secret `lookup`. A new secret finds nothing of what was stored before."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def key(self, purpose: str, value: str) -> str:
        """Return LENGTH hexadecimal digits; the same value has another key for each purpose."""
        return hmac.new(self._secret, f"{purpose}\0{value}".encode(), hashlib.sha256).hexdigest()[:LENGTH]


_NAME = "lookup"


def session_info(lookup: Lookup | None) -> dict[str, Lookup]:
    """Return what has to be a session's `info` so that `lookup_of` finds it."""
    return {} if lookup is None else {_NAME: lookup}


def lookup_of(session: Session) -> Lookup:
    """Return the hashes of the database that a session works on."""
    lookup = session.info.get(_NAME)
    if not isinstance(lookup, Lookup):
        raise RuntimeError("This database was opened without its lookup secret. Open it with `open_database`.")
    return lookup
