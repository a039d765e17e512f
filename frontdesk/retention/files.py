"""Leaving nothing of what was deleted in a database's files."""

import sqlite3
import time

import sqlalchemy as sa

from frontdesk.db import Database

PATIENCE_SECONDS = 20.0
_PAUSE_SECONDS = 0.2


class FilesNotCleaned(Exception):
    """The rows are gone, but pieces of them may be left in a file; the message says why and what to do."""


def leave_nothing_behind(database: Database, patience_seconds: float = PATIENCE_SECONDS) -> None:
    """Write an SQLite file anew and empty its log; raise FilesNotCleaned when others keep it busy for too long.

    SQLite overwrites what is deleted, but not every copy it made when it moved rows between pages: of 1,800 deleted
    values, 5 could still be read in the file. Whoever writes meanwhile waits; 17 MB take 0.3 s. PostgreSQL's files
    are its administrator's.
    """
    if database.engine.dialect.name != "sqlite":
        return
    deadline = time.monotonic() + patience_seconds
    connection = database.engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute("VACUUM")
        # Whoever reads what was there before keeps the log for as long as that takes.
        while cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            if time.monotonic() > deadline:
                raise _not_cleaned(database.engine.url, "somebody reads it all the time")
            time.sleep(_PAUSE_SECONDS)
    except sqlite3.OperationalError as error:
        raise _not_cleaned(database.engine.url, str(error)) from error
    finally:
        connection.close()


def _not_cleaned(address: sa.URL, why: str) -> FilesNotCleaned:
    return FilesNotCleaned(
        f"The rows are deleted, but {address.database} could not be written anew ({why}), so pieces of them, "
        f"encrypted, may be left in it. Run ./ketalink purge --apply again, at a quiet time or with the assistant "
        f"stopped."
    )
