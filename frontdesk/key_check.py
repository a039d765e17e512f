"""Whether the keys at hand are the ones the database was written with, known before anything is read or written."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from frontdesk.db import Base
from frontdesk.encryption import Keyring, KeysUnusable, Undecipherable

ROW = 1
_WORD = "ketalink"


class KeyCheck(Base):
    """One row: a token of a known word.

    It is made with the newest key only after all else is, so a token of an older one says that replacing the keys was
    interrupted.
    """

    __tablename__ = "key_check"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    token: Mapped[str] = mapped_column(sa.Text)
    # When what was stored before encryption was wiped from the files' free space.
    wiped_at: Mapped[datetime | None]


def stored(session: Session) -> KeyCheck | None:
    """Return the row, or None when nothing was ever encrypted."""
    connection = session.connection()
    return session.get(KeyCheck, ROW) if sa.inspect(connection).has_table(KeyCheck.__tablename__) else None


def require_same_keys(session: Session, keyring: Keyring) -> KeyCheck:
    """Return the row, made now in a new database; raise KeysUnusable when the keys belong to another one."""
    known = session.get(KeyCheck, ROW, with_for_update=True)
    if known is None:
        known = KeyCheck(id=ROW, token=keyring.encrypt(_WORD))
        session.add(known)
        session.flush()
    try:
        keyring.decrypt(known.token)
    except Undecipherable:
        raise KeysUnusable(
            f"The keys in {keyring.ring.place} do not open this database: it was written with others. Put back the "
            f"keys that belong to it from your backup. See docs/data.md."
        ) from None
    return known
