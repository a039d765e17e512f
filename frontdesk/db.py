"""The database: engine, sessions, column types, migrations."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

MIGRATIONS = Path(__file__).parent / "migrations"
SQLITE_BUSY_MS = 10_000


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
    """One engine and its sessions."""

    def __init__(self, url: str) -> None:
        self.url = url
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
            sa.event.listen(self.engine, "begin", _begin_immediate)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open a session in one transaction: committed at the end, rolled back on an error."""
        with self._sessions.begin() as session:
            yield session

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
        """Bring the tables to `revision`."""
        self.check()
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        try:
            with self.engine.connect() as connection:
                config.attributes["connection"] = connection
                if revision == "base" or revision.startswith("-"):
                    command.downgrade(config, revision)
                else:
                    command.upgrade(config, revision)
        except SQLAlchemyError as error:
            raise DatabaseUnavailable(
                f"The tables of {self.engine.url!r} cannot be brought up to date: {type(error).__name__}: "
                f"{error.args[0] if error.args else ''}. Is it another program's database, or read-only?"
            ) from error

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute(f"PRAGMA busy_timeout={SQLITE_BUSY_MS}")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_immediate(connection: sa.Connection) -> None:
    # A transaction that reads first and writes later would fail, not wait, when another one wrote in between.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
