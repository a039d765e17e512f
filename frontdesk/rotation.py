"""Writing what is encrypted anew with the newest key, while everything runs.

Rows that others change meanwhile are left to them, and looked at again: a sweep ends when it found nothing to do.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import sqlalchemy as sa

from frontdesk import key_check
from frontdesk.columns import EncryptedText
from frontdesk.db import Base, Database
from frontdesk.encryption import Ring, Undecipherable
from frontdesk.settings import Settings, installed_driver

AT_ONCE = 500
# Each sweep is followed by another until one finds nothing; with writers that know the newest key two are enough.
MOST_SWEEPS = 10
# What was begun with an old key just before there was a new one is stored by then.
SETTLING_SECONDS = 30.0


class NeverDone(Exception):
    """Something goes on writing with an old key."""


@dataclass(frozen=True)
class EncryptedTable:
    """A table with encrypted columns, which are read and written here as the tokens they hold."""

    name: str
    key: str
    columns: tuple[str, ...]

    @cached_property
    def tokens(self) -> sa.TableClause:
        """Return the table with its key and its tokens."""
        return sa.table(self.name, *(sa.column(column, sa.Text()) for column in (self.key, *self.columns)))


# Rasa's conversations, in a database of their own; written by bot/tracker_store.py.
TRACKERS = EncryptedTable("trackers", "sender_id", ("data",))


@dataclass
class Tally:
    """How many values were written anew, and how many no key opens."""

    rewritten: int = 0
    unreadable: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.rewritten + other.rewritten, self.unreadable + other.unreadable)


def encrypted_tables() -> Iterator[EncryptedTable]:
    """Yield what the models say is encrypted."""
    from frontdesk.migrations import models  # noqa: F401  # fills the metadata

    for table in Base.metadata.sorted_tables:
        columns = tuple(column.name for column in table.columns if isinstance(column.type, EncryptedText))
        if columns:
            (key,) = table.primary_key.columns
            yield EncryptedTable(table.name, key.name, columns)


def tracker_database(settings: Settings) -> Database | None:
    """Open Rasa's database, or return None when Rasa has not made its table yet; raise DatabaseUnavailable."""
    url = sa.make_url(installed_driver(settings.tracker_database))
    if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).exists():
        return None
    database = Database(installed_driver(settings.tracker_database))
    database.check()
    if sa.inspect(database.engine).has_table(TRACKERS.name):
        return database
    database.close()
    return None


def count_rows(database: Database, table: EncryptedTable) -> int:
    """Return how many rows a table has."""
    with database.session() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(table.tokens)) or 0


def rewrite(
    database: Database, table: EncryptedTable, ring: Ring, done: Callable[[int], None] = lambda rows: None
) -> Tally:
    """Write every token of a table anew that is not the newest key's; `done` is told of rows as they are finished.

    Raises NeverDone.
    """
    total = _sweep(database, table, ring, done)
    for _ in range(MOST_SWEEPS):
        again = _sweep(database, table, ring, lambda rows: None)
        total.rewritten += again.rewritten
        if not again.rewritten:
            return total
    raise NeverDone(table.name)


def finish(database: Database, ring: Ring) -> None:
    """Note that everything is written with the newest key, and empty SQLite's log of the old tokens."""
    with database.session() as session:
        check = session.get_one(key_check.KeyCheck, key_check.ROW)
        check.token = ring.rotate(check.token)
    database.empty_log()


def was_interrupted(database: Database, ring: Ring) -> bool:
    """Tell whether a replacement of the keys was begun and not finished."""
    with database.session() as session:
        check = key_check.stored(session)
        return check is not None and not ring.is_newest(check.token)


def count_unreadable(database: Database, table: EncryptedTable, ring: Ring, most_rows: int) -> int:
    """Return how many of the tokens in some rows of a table no key opens."""
    with database.session() as session:
        rows = session.execute(sa.select(*table.tokens.columns).limit(most_rows)).all()
    tokens = [token for row in rows for token in row[1:] if token is not None]
    return sum(not _opens(ring, token) for token in tokens)


def _sweep(database: Database, table: EncryptedTable, ring: Ring, done: Callable[[int], None]) -> Tally:
    tally = Tally()
    for rows in _batches(database, table):
        for column in table.columns:
            changes = []
            for row in rows:
                token = row[column]
                if token is None or ring.is_newest(token):
                    continue
                try:
                    changes.append({"its_key": row[table.key], "old": token, "new": ring.rotate(token)})
                except Undecipherable:
                    tally.unreadable += 1
            tally.rewritten += _replace(database, table, column, changes)
        done(len(rows))
    return tally


def _replace(database: Database, table: EncryptedTable, column: str, changes: list[dict[str, str]]) -> int:
    """Put new tokens in the place of old ones, where those still are."""
    if not changes:
        return 0
    tokens = table.tokens
    statement = (
        sa.update(tokens)
        .where(tokens.c[table.key] == sa.bindparam("its_key"), tokens.c[column] == sa.bindparam("old"))
        .values({column: sa.bindparam("new")})
    )
    with database.session() as session:
        session.connection().execute(statement, changes)
    return len(changes)


def _batches(database: Database, table: EncryptedTable) -> Iterator[list[sa.RowMapping]]:
    tokens, after = table.tokens, ""
    key = tokens.c[table.key]
    while True:
        with database.session() as session:
            query = sa.select(tokens).where(key > after).order_by(key).limit(AT_ONCE)
            rows = list(session.execute(query).mappings())
        if not rows:
            return
        yield rows
        after = rows[-1][table.key]


def _opens(ring: Ring, token: str) -> bool:
    try:
        ring.decrypt(token)
    except Undecipherable:
        return False
    return True
