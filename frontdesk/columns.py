"""Column types whose values the database sees only encrypted. A new model with such a column needs nothing else."""

import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.operators import is_, is_not

from frontdesk.encryption import Keyring, KeysUnusable


class EncryptedText(sa.TypeDecorator[Any]):
    """Text of which the database sees tokens. The keys are those of the Database that a statement runs on."""

    impl = sa.Text
    cache_ok = True

    class Comparator(sa.TypeDecorator.Comparator[Any]):
        """Nothing but IS NULL: the same text is another token each time, so that no comparison would ever be true."""

        def operate(self, op: Any, *other: Any, **options: Any) -> Any:
            """Refuse what cannot work."""
            if op not in (is_, is_not):
                raise TypeError("An encrypted column can be neither searched nor sorted by; see frontdesk/lookup.py.")
            return super().operate(op, *other, **options)

    comparator_factory = Comparator

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str | None:
        """Encrypt; raise KeysUnusable."""
        return None if value is None else _keyring(dialect).encrypt(self.to_text(value))

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        """Decrypt; raise KeysUnusable."""
        return None if value is None else self.from_text(_keyring(dialect).decrypt(value))

    def to_text(self, value: Any) -> str:
        """Return what is encrypted."""
        if not isinstance(value, str):
            raise TypeError("This column takes text.")
        return value

    def from_text(self, text: str) -> Any:
        """Return the value that was encrypted."""
        return text


class EncryptedJson(EncryptedText):
    """A JSON value of which the database sees a token; None is NULL."""

    cache_ok = True

    def to_text(self, value: Any) -> str:
        """Return what is encrypted."""
        return json.dumps(value, separators=(",", ":"))

    def from_text(self, text: str) -> Any:
        """Return the value that was encrypted."""
        return json.loads(text)


def attach_keyring(dialect: sa.Dialect, keyring: Keyring | None) -> None:
    """Give an engine's encrypted columns their keys: a column type is told of nothing but the dialect."""
    dialect.ketalink_keyring = keyring  # type: ignore[attr-defined]


def _keyring(dialect: sa.Dialect) -> Keyring:
    keyring: Keyring | None = getattr(dialect, "ketalink_keyring", None)
    if keyring is None:
        raise KeysUnusable("This database was opened without keys: open it with frontdesk.db.open_database.")
    return keyring
