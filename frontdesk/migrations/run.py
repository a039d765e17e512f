"""Bringing the tables up to date, with the keys that what is stored needs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.exc import SQLAlchemyError

from frontdesk import key_check
from frontdesk.db import MIGRATIONS, Database, DatabaseUnavailable, utc_now
from frontdesk.encryption import Keyring, KeysUnusable
from frontdesk.migrations import models  # noqa: F401  # fills the metadata
from frontdesk.rotation import encrypted_tables


def migrate(database: Database, revision: str) -> None:
    """Bring the tables to `revision`; raise DatabaseUnavailable or KeysUnusable."""
    database.check()
    keyring = database.keyring
    try:
        if keyring is not None and not keyring.exists():
            _make_first_key(database, keyring)
        with database.engine.connect() as connection, _without_foreign_keys(connection):
            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS))
            config.attributes |= {"connection": connection, "keyring": keyring, "lookup": database.lookup}
            if revision == "base" or revision.startswith("-"):
                command.downgrade(config, revision)
            else:
                command.upgrade(config, revision)
        if keyring is not None and revision == "head":
            _check_keys(database, keyring)
    except KeysUnusable:
        raise
    except SQLAlchemyError as error:
        raise DatabaseUnavailable(
            f"The tables of {database.engine.url!r} cannot be brought up to date: {type(error).__name__}: "
            f"{error.args[0] if error.args else ''}. Is it another program's database, or read-only?"
        ) from error


def _make_first_key(database: Database, keyring: Keyring) -> None:
    with database.session() as session:
        is_new = key_check.stored(session) is None
    if is_new:
        keyring.create()
    # Otherwise the keys got lost: whatever needs them next says so.


def _check_keys(database: Database, keyring: Keyring) -> None:
    with database.session() as session:
        wiped = key_check.require_same_keys(session, keyring).wiped_at is not None
    if not wiped:
        _wipe_free_space(database)
        with database.session() as session:
            key_check.require_same_keys(session, keyring).wiped_at = utc_now()


def _wipe_free_space(database: Database) -> None:
    """Write the tables anew, so that nothing stored in clear text before is left between what is there now."""
    connection = database.engine.raw_connection()
    try:
        driver: Any = connection.driver_connection
        if database.engine.dialect.name == "sqlite":
            driver.execute("VACUUM")
        else:
            driver.autocommit = True
            for table in encrypted_tables():
                driver.execute(f"VACUUM FULL {table.name}")
            driver.autocommit = False
    finally:
        connection.close()
    database.empty_log()


@contextmanager
def _without_foreign_keys(connection: sa.Connection) -> Iterator[None]:
    """Switch SQLite's foreign keys off: to change a column it replaces the table, and would cascade its deletion."""
    if connection.dialect.name != "sqlite":
        yield
        return
    driver: Any = connection.connection.driver_connection
    # Closed afterwards, and given to nobody: inside a transaction SQLite would not switch them on again.
    connection.detach()
    driver.execute("PRAGMA foreign_keys=OFF")
    yield
