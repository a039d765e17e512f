"""The tables come up and go down again, and are what the models say, on SQLite and on PostgreSQL."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from frontdesk.db import Base, Database, DatabaseUnavailable
from frontdesk.migrations import models  # noqa: F401  # fills the metadata


def test_migrations_make_what_the_models_say(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_migrations_go_down_and_up_again(database: Database) -> None:
    database.migrate("base")
    assert set(sa.inspect(database.engine).get_table_names()) <= {"alembic_version"}
    database.migrate()
    assert "leads" in sa.inspect(database.engine).get_table_names()


def test_migrating_twice_changes_nothing(database: Database) -> None:
    database.migrate()
    assert "leads" in sa.inspect(database.engine).get_table_names()


def test_a_database_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    database = Database("postgresql+psycopg://nobody:secret-word@127.0.0.1:1/nothing")
    with pytest.raises(DatabaseUnavailable, match="DATABASE_URL") as error:
        database.migrate()
    assert "secret-word" not in str(error.value)
    not_a_database = tmp_path / "notes.txt"
    not_a_database.write_text("these are notes, not a database" * 50)
    with pytest.raises(DatabaseUnavailable, match=r"notes\.txt"):
        Database(f"sqlite:///{not_a_database}").migrate()
