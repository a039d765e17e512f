"""Putting a backup back: all of it or nothing, into either kind of database."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import SQLAlchemyError

from frontdesk.audit.protection import lifted
from frontdesk.backup.manifest import BackupUnusable
from frontdesk.backup.reading import Archive
from frontdesk.backup.tables import LEFT_OUT, Record, in_batches, records, stored_tables, table_names
from frontdesk.db import MIGRATIONS, Database, open_database
from frontdesk.settings import Settings
from frontdesk.trackers import TRACKERS, Trackers, opened_trackers

# What a new database holds before anybody has used it.
_ALWAYS_THERE = "key_check"
# Whoever asked for silence after the backup was made keeps it.
_OPT_OUTS = "sms_opt_outs"

# Told of a table, and of how many of its rows are in.
Progress = Callable[[str, int], None]
# Gives the rows of the backup for a table of the database.
Source = Callable[[sa.Table], Iterator[Record]]


class NotEmpty(BackupUnusable):
    """There is something in the databases already."""

    def __init__(self, contents: dict[str, int]) -> None:
        super().__init__(
            f"The database is not empty: {listed(contents)}. Nothing was changed. To put the backup in place of all "
            f"that, make a backup of it first and then use --replace."
        )


class RasaNotRestored(Exception):
    """The main database is restored, Rasa's is as it was; the message says what that means."""


def listed(contents: dict[str, int]) -> str:
    """Say what is in a database: `12 in leads, 3 in staff`."""
    return ", ".join(f"{count:,} in {name}" for name, count in contents.items())


def check_version(archive: Archive) -> None:
    """Raise BackupUnusable when a newer version made the backup."""
    if archive.manifest.revision not in _revisions():
        raise BackupUnusable(
            f"This backup was made by a newer version ({archive.manifest.product_version}) of the assistant. Restore "
            f"it with that one. Nothing was changed."
        )


def contents(settings: Settings) -> dict[str, int]:
    """Return how many rows each table of both databases has, without those that have none."""
    with _target(settings) as database, database.snapshot() as connection:
        found = _contents(connection)
    with opened_trackers(settings) as trackers:
        if trackers.exist():
            with trackers.database.snapshot() as connection:
                found |= _counted(connection, [TRACKERS])
    return found


def restore(
    settings: Settings,
    archive: Archive,
    *,
    replace: bool = False,
    progress: Progress = lambda table, rows: None,
) -> None:
    """Put a backup that was found whole, and whose keys are at hand, into both databases, each in one transaction.

    What is there goes only with `replace`. Raises NotEmpty and RasaNotRestored, besides what a database may raise;
    then, but for RasaNotRestored, nothing has changed.
    """
    if not replace and (there := contents(settings)):
        raise NotEmpty(there)
    with _source(settings, archive) as source, opened_trackers(settings) as trackers:
        trackers.create()
        with _target(settings) as database:
            database.migrate()
            _load(database, source, replace, progress)
        try:
            _load_trackers(trackers, archive, progress)
        except SQLAlchemyError as error:
            raise RasaNotRestored(
                f"Requests and conversations are restored. What Rasa remembers of conversations is not "
                f"({type(error).__name__}): those that are open begin anew. Run it again with --replace for both."
            ) from error
    database = open_database(settings)
    try:
        database.migrate()
    finally:
        database.close()


def _load(database: Database, source: Source, replace: bool, progress: Progress) -> None:
    with database.engine.begin() as connection:
        tables = stored_tables(connection, [*table_names(), *LEFT_OUT])
        if connection.dialect.name == "postgresql":
            names = ", ".join(connection.dialect.identifier_preparer.format_table(table) for table in tables)
            connection.exec_driver_sql(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE")
        if not replace and (there := _contents(connection)):
            raise NotEmpty(there)
        with lifted(connection):
            for table in reversed(tables):
                if table.name != _OPT_OUTS:
                    connection.execute(sa.delete(table))
        for table in tables:
            rows = source(table)
            if table.name == _OPT_OUTS:
                known = set(connection.scalars(sa.select(table.c.number_key)))
                rows = (row for row in rows if row["number_key"] not in known)
            _insert(connection, table, rows, progress)


def _load_trackers(trackers: Trackers, archive: Archive, progress: Progress) -> None:
    with trackers.database.engine.begin() as connection:
        connection.execute(sa.delete(TRACKERS))
        _insert(connection, TRACKERS, archive.records("rasa", TRACKERS), progress)


@contextmanager
def _source(settings: Settings, archive: Archive) -> Iterator[Source]:
    """Give the rows of the backup for tables as they are today.

    An older backup goes into a database of its own first, which is brought up to date: so the real one is never at an
    older version, and never half restored.
    """
    if archive.manifest.revision == _revisions()[0]:
        yield lambda table: archive.records("main", table)
        return
    with tempfile.TemporaryDirectory(dir=settings.data_dir, prefix="restore-") as folder:
        staging = open_database(settings.model_copy(update={"database_url": f"sqlite:///{folder}/staging.db"}))
        try:
            staging.migrate(archive.manifest.revision)
            with staging.engine.begin() as connection:
                names = [entry.name for entry in archive.manifest.tables if entry.database == "main"]
                for table in stored_tables(connection, names):
                    _insert(connection, table, archive.records("main", table))
            staging.migrate()
            with staging.snapshot() as connection:
                tables = {table.name: table for table in stored_tables(connection, table_names())}
                yield lambda table: records(connection, tables[table.name]) if table.name in tables else iter(())
        finally:
            staging.close()


@contextmanager
def _target(settings: Settings) -> Iterator[Database]:
    """Open the database without keys: others may have written what is there, and nobody has to read it to replace it.

    Only tables that are old and full need them, to be brought up to date.
    """
    database = Database(settings.database)
    try:
        database.check()
        with database.snapshot() as connection:
            revision = MigrationContext.configure(connection).get_current_revision()
            needs_keys = revision != _revisions()[0] and bool(_contents(connection))
        if needs_keys:
            database.close()
            database = open_database(settings)
        yield database
    finally:
        database.close()


def _revisions() -> list[str]:
    """Return every version of the tables that this version knows, the newest first."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]


def _contents(connection: sa.Connection) -> dict[str, int]:
    tables = stored_tables(connection, table_names())
    return _counted(connection, [table for table in tables if table.name != _ALWAYS_THERE])


def _counted(connection: sa.Connection, tables: list[sa.Table]) -> dict[str, int]:
    counts = {table.name: connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0 for table in tables}
    return {name: count for name, count in sorted(counts.items()) if count}


def _insert(
    connection: sa.Connection, table: sa.Table, rows: Iterator[Record], progress: Progress = lambda table, rows: None
) -> None:
    count = 0
    for batch in in_batches(rows):
        connection.execute(sa.insert(table), batch)
        count += len(batch)
        progress(table.name, count)
