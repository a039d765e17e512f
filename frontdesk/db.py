"""The database: engine, sessions, what every model is."""

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

from frontdesk.columns import attach_keyring
from frontdesk.encryption import Keyring, keyring_of
from frontdesk.lookup import Lookup, session_info
from frontdesk.settings import Settings

MIGRATIONS = Path(__file__).parent / "migrations"
SQLITE_BUSY_MS = 10_000
# Of a connection: it has its turn to write.
_TURN = "ketalink_turn"
# Of a connection: its transactions only read.
_SNAPSHOT = "ketalink_snapshot"
# Any number nobody else uses for an advisory lock in the same PostgreSQL database.
_MIGRATING = 5_820_037


class DatabaseUnavailable(Exception):
    """The database cannot be opened; the message says which and what to do."""


class UTCDateTime(sa.TypeDecorator[datetime]):
    """A time in UTC: aware in Python, whatever the database keeps."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Refuse a naive time; store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        """Return an aware time in UTC."""
        if value is None:
            return None
        aware: datetime = value if value.tzinfo else value.replace(tzinfo=UTC)
        return aware.astimezone(UTC)


class Base(DeclarativeBase):
    """What every model is."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UTCDateTime,
        dict[str, Any]: sa.JSON,
        list[Any]: sa.JSON,
    }
    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def utc_now() -> datetime:
    """Return the time, aware, in UTC."""
    return datetime.now(UTC)


def new_id() -> str:
    """Return an unguessable id."""
    return uuid.uuid4().hex


class Database:
    """One engine and its sessions.

    Without a keyring its encrypted columns can be neither read nor written; without a lookup nothing that is encrypted
    can be found by its value.
    """

    def __init__(self, url: str, keyring: Keyring | None = None, lookup: Lookup | None = None) -> None:
        self.url = url
        self.keyring = keyring
        self.lookup = lookup
        parsed = sa.make_url(url)
        # Parameters hold what patients wrote: never in an error message.
        options: dict[str, Any] = {"pool_pre_ping": True, "hide_parameters": True}
        try:
            if parsed.get_backend_name() == "sqlite":
                options["connect_args"] = {"timeout": SQLITE_BUSY_MS / 1000}
                if parsed.database:
                    Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            self.engine = sa.create_engine(url, **options)
        except (OSError, ImportError, ArgumentError) as error:
            raise DatabaseUnavailable(
                f"The database {parsed!r} cannot be used: {error}. Check DATABASE_URL; "
                f"PostgreSQL and SQLite are supported."
            ) from error
        if parsed.get_backend_name() == "sqlite":
            sa.event.listen(self.engine, "connect", _prepare_sqlite)
            turn = _Turn()
            sa.event.listen(self.engine, "begin", turn.begin)
            sa.event.listen(self.engine, "commit", turn.end)
            sa.event.listen(self.engine, "rollback", turn.end)
        attach_keyring(self.engine.dialect, keyring)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False, info=session_info(lookup))

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open a session in one transaction: committed at the end, rolled back on an error."""
        with self._sessions.begin() as session:
            yield session

    @contextmanager
    def snapshot(self) -> Iterator[sa.Connection]:
        """Open a connection that sees the database as it is now for as long as it likes, and holds up nobody."""
        options: dict[str, Any] = {_SNAPSHOT: True}
        if self.engine.dialect.name == "postgresql":
            options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with self.engine.connect() as connection:
            yield connection.execution_options(**options)

    def on_commit(self, callback: Callable[[Session], None]) -> None:
        """Call `callback` with every session of this object that has committed."""
        sa.event.listen(self._sessions, "after_commit", callback)

    def check(self) -> None:
        """Raise DatabaseUnavailable unless the database answers."""
        try:
            with self.engine.connect() as connection:
                connection.execute(sa.text("SELECT 1"))
        except SQLAlchemyError as error:
            raise DatabaseUnavailable(
                f"The database {self.engine.url!r} cannot be opened: {type(error).__name__}. "
                f"Check DATABASE_URL, and that the server runs or the folder can be written to."
            ) from error

    def migrate(self, revision: str = "head") -> None:
        """Bring the tables to `revision`; raise DatabaseUnavailable or KeysUnusable.

        Makes the first key unless something is stored already.
        """
        from frontdesk.migrations.run import migrate  # which knows every model, and so everything that imports this

        with self._alone():
            migrate(self, revision)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Be the only one to change the tables: several may be starting. SQLite sees to that by itself."""
        if self.engine.dialect.name != "postgresql":
            yield
            return
        try:
            # The server lets go of it when this connection ends, however it does.
            connection = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        except SQLAlchemyError:
            yield  # and finds out the same
            return
        with connection:
            connection.execute(sa.select(sa.func.pg_advisory_lock(_MIGRATING)))
            try:
                yield
            finally:
                connection.execute(sa.select(sa.func.pg_advisory_unlock(_MIGRATING)))

    def empty_log(self) -> None:
        """Move what SQLite's log still holds of earlier contents into the file, and empty it; nothing on PostgreSQL.

        Somebody who reads at the moment keeps a part of it for later.
        """
        if self.engine.dialect.name == "sqlite":
            connection = self.engine.raw_connection()
            try:
                connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                connection.close()

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def open_database(settings: Settings) -> Database:
    """Return the assistant's database with the keys that go with it; raise DatabaseUnavailable or SettingsError."""
    return Database(settings.database, keyring_of(settings), Lookup(settings.secret("lookup")))


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute(f"PRAGMA busy_timeout={SQLITE_BUSY_MS}")
    cursor.execute("PRAGMA foreign_keys=ON")
    # What is deleted or replaced is overwritten in the file.
    cursor.execute("PRAGMA secure_delete=ON")
    cursor.close()


class _Turn:
    """Whose transaction it is, on SQLite: the threads of a process queue here.

    SQLite itself has them ask again and again; of twenty that do, one may ask in vain until it gives up.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def begin(self, connection: sa.Connection) -> None:
        """Begin a transaction, one that writes when it is its turn."""
        if connection.get_execution_options().get(_SNAPSHOT):
            connection.exec_driver_sql("BEGIN")
            return
        # Whoever waited so long asks SQLite all the same: it has an error for it.
        has_turn = self._lock.acquire(timeout=SQLITE_BUSY_MS / 1000)
        try:
            # A transaction that reads first and writes later would fail, not wait, when another one wrote in between.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except BaseException:
            if has_turn:
                self._lock.release()
            raise
        connection.info[_TURN] = has_turn

    def end(self, connection: sa.Connection) -> None:
        """Let the next one begin."""
        if connection.info.pop(_TURN, False):
            self._lock.release()
