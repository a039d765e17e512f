"""The tables of a backup as the database holds them: what is encrypted stays so."""

import datetime as dt
from collections.abc import Iterator
from itertools import islice
from typing import Any, TypeVar

import sqlalchemy as sa

from frontdesk.db import Base
from frontdesk.migrations import models  # noqa: F401  # fills the metadata
from frontdesk.rotation import TRACKERS as ENCRYPTED_TRACKERS
from frontdesk.rotation import encrypted_tables

# Who is signed in at the moment is not worth keeping, and no one should be signed in by a restored file.
LEFT_OUT = frozenset({"staff_sessions", "staff_sign_in_links"})
AT_ONCE = 1_000

Record = dict[str, Any]
_Item = TypeVar("_Item")


def table_names() -> list[str]:
    """Return the tables that are backed up, as the models of this version name them."""
    return sorted(set(Base.metadata.tables) - LEFT_OUT)


def encrypted_columns() -> dict[str, list[str]]:
    """Return the columns of each table, Rasa's included, that hold tokens."""
    found = {table.name: list(table.columns) for table in encrypted_tables()}
    return found | {ENCRYPTED_TRACKERS.name: list(ENCRYPTED_TRACKERS.columns), "key_check": ["token"]}


def stored_tables(connection: sa.Connection, names: list[str]) -> list[sa.Table]:
    """Return these tables as they are in the database, those that others refer to first. Missing ones are left out.

    Read from the database, not from the models: a column is what it holds, and a restored table may be an older one.
    """
    there = set(sa.inspect(connection).get_table_names())
    metadata = sa.MetaData()
    metadata.reflect(connection, only=[name for name in names if name in there])
    return [table for table in metadata.sorted_tables if table.name in names]


def records(connection: sa.Connection, table: sa.Table) -> Iterator[Record]:
    """Go through the rows of a table in the order of its key, without holding them all in memory. Times are aware."""
    query = sa.select(table).order_by(*table.primary_key.columns)
    for row in connection.execution_options(yield_per=AT_ONCE).execute(query):
        yield {name: _aware(value) for name, value in row._mapping.items()}


def to_json(value: Any) -> Any:
    """Return a stored value as JSON has it: times are UTC, in ISO 8601."""
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat()
    if isinstance(value, dt.date):
        return value.isoformat()
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise TypeError(f"{type(value).__name__} cannot be backed up")


def from_json(value: Any, column: sa.Column[Any]) -> Any:
    """Return what a column takes for a value that `to_json` made; raise ValueError or TypeError."""
    if value is None:
        return None
    if isinstance(column.type, sa.DateTime):
        return dt.datetime.fromisoformat(value)
    if isinstance(column.type, sa.Date):
        return dt.date.fromisoformat(value)
    return value


def _aware(value: Any) -> Any:
    """SQLite keeps UTC without saying so; PostgreSQL would take that for its own time zone."""
    return value.replace(tzinfo=dt.UTC) if isinstance(value, dt.datetime) and value.tzinfo is None else value


def in_batches(items: Iterator[_Item]) -> Iterator[list[_Item]]:
    """Yield the items, AT_ONCE at a time."""
    while batch := list(islice(items, AT_ONCE)):
        yield batch
