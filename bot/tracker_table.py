"""The table that Rasa's conversations are kept in: one row each, whose content is a token nobody reads without a key.

`trackers(sender_id, data, updated_at)`: the conversation's id, a Fernet token, seconds since 1970 in UTC. The front
desk rotates the tokens' keys and deletes rows in the same table.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from rasa.shared.exceptions import InvalidConfigException

from bot.clinic import PROJECT

DEFAULT_DATABASE = PROJECT / "var" / "conversations.db"
BUSY_SECONDS = 10
# Any number nobody else uses for an advisory lock in the same PostgreSQL database.
_LOCK = 5_820_036

metadata = sa.MetaData()
trackers = sa.Table(
    "trackers",
    metadata,
    sa.Column("sender_id", sa.String(255), primary_key=True),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("updated_at", sa.Float(53), nullable=False),
)


def database_url() -> str:
    """`TRACKER_DATABASE_URL`, else an SQLite file in `var/`."""
    url = os.environ.get("TRACKER_DATABASE_URL")
    if not url:
        DEFAULT_DATABASE.parent.mkdir(mode=0o700, exist_ok=True)
        url = f"sqlite:///{DEFAULT_DATABASE}"
    return url


class TrackerTable:
    """One database and its table. Each call is one short transaction; sqlalchemy.exc.SQLAlchemyError when it fails."""

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)

    @contextmanager
    def prepared(self) -> Iterator[sa.engine.Connection]:
        """Open a transaction that one process at a time has, with the table there."""
        with self.engine.begin() as connection:
            if self.engine.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            metadata.create_all(connection)
            yield connection

    def is_empty(self) -> bool:
        """Tell whether no conversation is kept, or no table is there."""
        with self.engine.connect() as connection:
            if not sa.inspect(connection).has_table(trackers.name):
                return True
            return connection.execute(sa.select(trackers.c.sender_id).limit(1)).first() is None

    def read(self, sender_id: str) -> str | None:
        """Return a conversation's token, or None."""
        with self.engine.connect() as connection:
            token: str | None = connection.scalar(sa.select(trackers.c.data).where(trackers.c.sender_id == sender_id))
        return token

    def write(self, sender_id: str, token: str, may_insert: bool) -> bool:
        """Put a token in place of the one before; tell whether there is a row for it.

        Args:
            sender_id: the conversation; no two turns of it are written at the same time.
            token: the new one.
            may_insert: whether a row may be made when there is none.
        """
        values = {"data": token, "updated_at": time.time()}
        with self.engine.begin() as connection:
            if connection.execute(sa.update(trackers).where(trackers.c.sender_id == sender_id).values(values)).rowcount:
                return True
            if may_insert:
                connection.execute(sa.insert(trackers).values(sender_id=sender_id, **values))
            return may_insert

    def delete(self, sender_id: str) -> None:
        """Delete a conversation, on SQLite from the write-ahead log too."""
        with self.engine.begin() as connection:
            connection.execute(sa.delete(trackers).where(trackers.c.sender_id == sender_id))
        self.truncate_log()

    def keys(self) -> list[str]:
        """Return the ids of all conversations."""
        with self.engine.connect() as connection:
            return list(connection.scalars(sa.select(trackers.c.sender_id)))

    def wipe_free_space(self) -> None:
        """Rewrite an SQLite file once, so that nothing is left of what was deleted when it was still clear text."""
        if self.engine.dialect.name != "sqlite":
            return
        with self.engine.connect() as connection:
            if connection.exec_driver_sql("PRAGMA user_version").scalar():
                return
            connection.exec_driver_sql("VACUUM")
            connection.exec_driver_sql("PRAGMA user_version=1")
        self.truncate_log()

    def truncate_log(self) -> None:
        """Bring SQLite's write-ahead log into the database and empty it, as far as other readers allow."""
        if self.engine.dialect.name == "sqlite":
            with self.engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _engine(url: str) -> sa.engine.Engine:
    # The driver of Rasa's environment, whichever one the front desk uses for the same database.
    scheme, separator, rest = url.partition("://")
    if scheme.partition("+")[0] in ("postgres", "postgresql"):
        url = f"postgresql+psycopg2{separator}{rest}"
    # What the statements hold is encrypted, and still no business of a log.
    options: dict[str, Any] = {"hide_parameters": True, "pool_pre_ping": True}
    try:
        parsed = sa.engine.make_url(url)
        if parsed.get_backend_name() != "sqlite":
            return sa.create_engine(parsed, **options)
        if parsed.database:
            Path(parsed.database).touch(mode=0o600, exist_ok=True)
        # Connections stay open: closing the last one of a file would write its log into it after every turn.
        options["connect_args"] = {"timeout": BUSY_SECONDS, "check_same_thread": False}
        engine = sa.create_engine(parsed, poolclass=sa.pool.QueuePool, **options)
    except (OSError, ImportError, ValueError, sa.exc.ArgumentError) as error:
        # An ImportError that got out would make Rasa keep conversations in memory, without a word.
        raise InvalidConfigException(
            f"TRACKER_DATABASE_URL cannot be used ({type(error).__name__}). Write postgresql://user:password@host/name "
            f"or sqlite:///FILE in a folder that can be written to; without it, a file in DATA_DIR is used."
        ) from None
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_immediate)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where we say
    for setting in ("journal_mode=WAL", "synchronous=NORMAL", "secure_delete=ON"):
        connection.execute(f"PRAGMA {setting}").fetchall()


def _begin_immediate(connection: sa.engine.Connection) -> None:
    # A transaction that reads first and writes later would fail, not wait, when another one wrote in between.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
