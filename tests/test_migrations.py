"""The tables come up and go down again, and are what the models say, on SQLite and on PostgreSQL."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from frontdesk.chat import store
from frontdesk.db import Base, Database, DatabaseUnavailable
from frontdesk.encryption import KeysUnusable
from frontdesk.leads import repository
from frontdesk.leads.models import ConsentRecord
from frontdesk.leads.repository import Outcome
from frontdesk.migrations import models  # noqa: F401  # fills the metadata
from frontdesk.sms.store import kept_reply
from tests.conftest import LOOKUP, NEW_YORK, opened
from tests.leads.samples import new_lead
from tests.test_encryption import files_of


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database: SQLite and PostgreSQL in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ketalink.db'}"
    url: str = request.getfixturevalue("postgres_database_url")
    return url


@pytest.fixture
def database(database_url: str, tmp_path: Path) -> Iterator[Database]:
    """A database that the migrations of this test made: no copy."""
    database = opened(database_url, tmp_path)
    database.migrate()
    yield database
    database.close()


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


def test_migrating_again_leaves_what_belongs_together_tied(tmp_path: Path) -> None:
    """SQLite forgets to delete with a request what belongs to it when foreign keys are off."""
    for _ in range(2):
        database = Database(f"sqlite:///{tmp_path / 'ketalink.db'}")
        database.migrate()
        with database.engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        database.close()


def test_a_database_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    database = Database("postgresql+psycopg://nobody:secret-word@127.0.0.1:1/nothing")
    with pytest.raises(DatabaseUnavailable, match="DATABASE_URL") as error:
        database.migrate()
    assert "secret-word" not in str(error.value)
    not_a_database = tmp_path / "notes.txt"
    not_a_database.write_text("these are notes, not a database" * 50)
    with pytest.raises(DatabaseUnavailable, match=r"notes\.txt"):
        Database(f"sqlite:///{not_a_database}").migrate()


# --------------------------------------------------------------------------- from clear text to encrypted, and back

CANARY = f"canary{uuid.uuid4().hex}"
AT = "2026-11-22 15:04:05.000000"


def clear_rows() -> dict[str, list[dict[str, Any]]]:
    """Rows of every table with patients' words, as they were before there was encryption."""
    many = 1_200  # more than one batch
    lead = {
        "status": "new",
        "channel": "widget",
        "conversation_id": "c1",
        "phone": "+15165550142",
        "patient_type": "new",
        "preferred_date": "2026-12-01",
        "preferred_part_of_day": "morning",
        "consent_given": True,
        "consent_at": AT,
        "consent_text": "May the clinic contact you?",
        "assigned_to": None,
        "created_at": AT,
        "updated_at": AT,
    }
    full = {"full_name": f"José {CANARY}", "email": f"{CANARY}@example.com", "reason": f"{CANARY} née"}
    empty = {"full_name": "", "email": None, "reason": None, "preferred_text": None}
    message = {"conversation_id": "c1", "sender": "visitor", "answered": True, "created_at": AT, "is_alarm": False}
    content = json.dumps({"kind": "say", "text": f"{CANARY} ü"})
    return {
        "conversations": [{"id": "c1", "channel": "widget", "created_at": AT, "last_message_at": AT}],
        "leads": [
            lead | full | {"id": "l1", "reference": "KL-1", "request_id": "r1", "preferred_text": f"{CANARY} am"},
            lead | empty | {"id": "l2", "reference": "KL-2", "request_id": "r2"},
        ],
        "lead_notes": [
            {"id": "n1", "lead_id": "l1", "author": "ana@example.com", "text": f"{CANARY} note", "created_at": AT}
        ],
        "lead_status_changes": [
            {
                "id": "s1",
                "lead_id": "l1",
                "from_status": "new",
                "to_status": "contacted",
                "changed_by": "ana@example.com",
                "changed_at": AT,
            }
        ],
        "messages": [
            message
            | {
                "id": f"m{number:05}",
                "position": number,
                "client_id": f"k{number}",
                "text": f"{CANARY} {number}",
                "content": [content, None, "null"][number % 3],
                "understood": [None, "null", content][number % 3],
            }
            for number in range(many)
        ],
        "sms_receipts": [
            {"message_sid": "SM1", "reply": "", "conversation_id": None, "created_at": AT},
            {"message_sid": "SM2", "reply": f"{CANARY} reply", "conversation_id": "c1", "created_at": AT},
        ],
    }


@pytest.fixture
def clear(database_url: str, tmp_path: Path) -> Iterator[Database]:
    """A database from before there was encryption, with data in it."""
    database = opened(database_url, tmp_path)
    database.migrate("0002")
    with database.engine.begin() as connection:
        for table, rows in clear_rows().items():
            columns = list(rows[0])
            values = ", ".join(f":{column}" for column in columns)
            connection.execute(sa.text(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values})"), rows)
    yield database
    database.close()


def stored(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Return the rows as the database has them, JSON and times as text."""
    with database.engine.connect() as connection:
        return {
            table: sorted(
                (
                    {
                        column: value if isinstance(value, str | int | None) else _text(value)
                        for column, value in row.items()
                    }
                    for row in connection.execute(sa.text(f"SELECT * FROM {table}")).mappings()
                ),
                key=str,
            )
            for table in clear_rows()
        }


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict) else str(value)


def revision(database: Database) -> str | None:
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def test_what_was_stored_in_clear_text_is_encrypted_and_nothing_of_it_stays(clear: Database) -> None:
    assert [path for path in files_of(clear) if CANARY.encode() in path.read_bytes()]
    clear.migrate()
    with clear.session() as session:
        full, empty = sorted(repository.newest(session), key=lambda lead: lead.id)
        assert repository.as_record(full) | {"notes": []} == {
            "reference": "KL-1",
            "created_at": "2026-11-22T15:04:05Z",
            "channel": "widget",
            "status": "new",
            "full_name": f"José {CANARY}",
            "phone": "+15165550142",
            "email": f"{CANARY}@example.com",
            "patient_type": "new",
            "reason": f"{CANARY} née",
            "preferred_time": {"text": f"{CANARY} am", "date": "2026-12-01", "part_of_day": "morning"},
            "consent": {"given": True, "at": "2026-11-22T15:04:05Z", "text": "May the clinic contact you?"},
            "notes": [],
            "assigned_to": None,
        }
        assert [note.text for note in full.notes] == [f"{CANARY} note"]
        assert len(repository.find(session, "l1").status_changes) == 1
        assert (empty.full_name, empty.email, empty.reason) == ("", None, None)
        messages = store.transcript(session, "c1")
        assert [message.text for message in messages] == [f"{CANARY} {number}" for number in range(1_200)]
        assert [message.content for message in messages[:3]] == [{"kind": "say", "text": f"{CANARY} ü"}, None, None]
        assert [message.understood for message in messages[:3]] == [None, None, messages[0].content]
        assert [kept_reply(session, sid) for sid in ("SM1", "SM2")] == ["", f"{CANARY} reply"]
    # PostgreSQL's own log keeps what was written before for a while: see docs/data.md.
    files = [path for path in files_of(clear) if path.parent.name != "pg_wal"]
    assert [path for path in files if CANARY.encode() in path.read_bytes()] == []


def test_requests_from_before_are_found_known_and_have_their_consent(clear: Database) -> None:
    clear.migrate()
    with clear.session() as session:
        assert [lead.id for lead in repository.search(session, f"jose {CANARY}")] == ["l1"]
        assert {lead.id for lead in repository.search(session, "516-555-0142")} == {"l1", "l2"}
        assert repository.save_once(session, new_lead("r1"), NEW_YORK).outcome is Outcome.KNOWN
        (consent, _) = session.scalars(sa.select(ConsentRecord).order_by(ConsentRecord.request_id))
        assert (consent.lead_id, consent.given, consent.words) == ("l1", True, "May the clinic contact you?")
        assert len(consent.version) == 12


def test_going_back_restores_what_there_was(clear: Database) -> None:
    before = stored(clear)
    clear.migrate()
    assert stored(clear)["sms_receipts"] != before["sms_receipts"]
    while revision(clear) != "0002":
        clear.migrate("-1")
    after = stored(clear)
    for rows in (*before["messages"], *after["messages"]):
        # JSON's null has become nothing, which means the same.
        rows |= {column: None for column in ("content", "understood") if rows[column] == "null"}
    assert after == before
    clear.migrate()
    with clear.session() as session:
        assert len(repository.newest(session)) == 2
    if clear.engine.dialect.name == "sqlite":
        with clear.engine.connect() as connection:
            assert connection.execute(sa.text("PRAGMA foreign_key_check")).all() == []
            assert connection.scalar(sa.text("PRAGMA foreign_keys")) == 1


def test_data_without_keys_is_left_as_it_is(clear: Database, database_url: str) -> None:
    before = stored(clear)
    keyless = Database(database_url, lookup=LOOKUP)
    with pytest.raises(KeysUnusable, match="without keys"):
        keyless.migrate()
    assert revision(clear) == "0002"
    assert stored(clear) == before
    keyless.close()
