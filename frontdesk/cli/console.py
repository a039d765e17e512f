"""What every command shares: where it prints, and how it says that it cannot go on."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.table import Table

from frontdesk.db import Database, open_database
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
    """Open the database with its tables up to date; raise DatabaseUnavailable or SettingsError."""
    database = open_database(settings)
    try:
        database.migrate()
        yield database
    finally:
        database.close()


@contextmanager
def private_file(path: Path | None) -> Iterator[TextIO]:
    """Open the file to write to, for its owner only; standard output when there is none. Always UTF-8.

    The file is there once it is whole. Raises CommandFailed.
    """
    if path is None:
        # Not a copy that could be closed: standard output stays as it was.
        file = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="", write_through=True)
        try:
            yield file
        finally:
            file.flush()
            file.detach()
        return
    unfinished = path.with_name(path.name + ".part")
    try:
        unfinished.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            yield file
        unfinished.replace(path)
    except OSError as error:
        raise CommandFailed(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        unfinished.unlink(missing_ok=True)
