"""What every command shares: where it prints, and how it says that it cannot go on."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table

from frontdesk.db import Database
from frontdesk.settings import Settings

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


_UNCUT_WIDTH = 200


def print_table(table: Table) -> None:
    """Print a table; into a file or another program, nothing of it is cut to a terminal's width."""
    (out if out.is_terminal else Console(width=_UNCUT_WIDTH, highlight=False)).print(table)


class CommandFailed(Exception):
    """A command cannot do what it was asked; the message says why and what to do."""


@contextmanager
def opened_database(settings: Settings) -> Iterator[Database]:
    """Open the database with its tables up to date; raise DatabaseUnavailable."""
    database = Database(settings.database)
    try:
        database.migrate()
        yield database
    finally:
        database.close()
