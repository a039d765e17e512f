"""`./ketalink keys` replaces the keys while everything runs, can be interrupted, and loses nothing."""

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet
from typer.testing import CliRunner, Result

from frontdesk import rotation
from frontdesk.cli import app
from frontdesk.db import Database, open_database
from frontdesk.encryption import Key, KeyFile, Ring, keyring_of
from frontdesk.leads import repository
from frontdesk.rotation import TRACKERS, encrypted_tables, rewrite, tracker_database, was_interrupted
from frontdesk.settings import Settings, load_settings
from tests.leads.samples import new_lead, save
from tests.test_encryption import read_back, write_everywhere

ROWS = 1_100  # more than two batches


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings that the commands of this test have too; Rasa's database is on the same kind of server."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setitem(Settings.model_config, "env_file", None)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "var"))
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_database_url")
        monkeypatch.setenv("DATABASE_URL", url)
        monkeypatch.setenv("TRACKER_DATABASE_URL", url.replace("+psycopg", ""))
    monkeypatch.setattr(rotation, "SETTLING_SECONDS", 1.0)
    return load_settings()


@pytest.fixture
def database(settings: Settings) -> Database:
    """A database with something in every encrypted column, and Rasa's beside it."""
    database = open_database(settings)
    database.migrate()
    write_everywhere(database, "canary")
    trackers = Database(settings.tracker_database.replace("postgresql://", "postgresql+psycopg://"))
    with trackers.engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE trackers (sender_id TEXT PRIMARY KEY, data TEXT, updated_at FLOAT)"))
        connection.execute(
            sa.text("INSERT INTO trackers VALUES (:id, :data, 0)"),
            [{"id": f"{number:05}", "data": database.keyring.encrypt(f"events {number}")} for number in range(ROWS)],  # type: ignore[union-attr]
        )
    trackers.close()
    return database


def ketalink(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def tokens(settings: Settings) -> dict[str, list[str]]:
    """Return every stored token by table."""
    found: dict[str, list[str]] = {}
    database, trackers = open_database(settings), tracker_database(settings)
    assert trackers is not None
    for where, table in [*((database, table) for table in encrypted_tables()), (trackers, TRACKERS)]:
        with where.session() as session:
            rows = session.execute(sa.select(*(table.tokens.c[column] for column in table.columns))).all()
        found[table.name] = [token for row in rows for token in row if token is not None]
    database.close()
    trackers.close()
    return found


def all_opened_by(ring: Ring, settings: Settings) -> bool:
    return all(ring.is_newest(token) for values in tokens(settings).values() for token in values)


def test_everything_is_written_anew_with_a_new_key(settings: Settings, database: Database) -> None:
    before = list(map(str, read_back(database)))
    (old,) = keyring_of(settings).ring.keys
    done = ketalink("keys", "rotate")
    assert done.exit_code == 0, done.output
    ring = keyring_of(settings).ring
    assert [key.value for key in ring.keys[1:]] == [old.value]
    assert all_opened_by(ring, settings)
    assert len(tokens(settings)["trackers"]) == ROWS
    # Who ran all the while has seen nothing of it.
    assert list(map(str, read_back(database))) == before
    for key in ring.keys:
        assert key.value not in done.output
    database.close()


def test_the_old_keys_are_forgotten_only_when_asked(settings: Settings, database: Database) -> None:
    before = list(map(str, read_back(database)))
    (first,) = keyring_of(settings).ring.keys
    done = ketalink("keys", "rotate", "--forget-old")
    assert done.exit_code == 0, done.output
    (only,) = keyring_of(settings).ring.keys
    assert only.value != first.value
    assert all_opened_by(Ring([only], "here"), settings)
    assert list(map(str, read_back(database))) == before
    database.close()


def test_it_goes_on_where_it_was_interrupted(settings: Settings, database: Database) -> None:
    keyring = keyring_of(settings)
    assert isinstance(keyring, KeyFile)
    with keyring.changing():
        keyring.add()
    rewrite(database, next(encrypted_tables()), keyring.ring)
    assert was_interrupted(database, keyring.ring)
    done = ketalink("keys", "rotate")
    assert done.exit_code == 0, done.output
    assert "interrupted" in done.output
    assert len(keyring.ring.keys) == 2
    assert all_opened_by(keyring.ring, settings)
    assert not was_interrupted(database, keyring.ring)
    assert ketalink("keys", "rotate").exit_code == 0
    assert len(keyring.ring.keys) == 3
    database.close()


def test_nothing_is_lost_of_what_others_write_meanwhile(settings: Settings, database: Database) -> None:
    stop, saved = threading.Event(), []
    running = open_database(settings)  # a process with its own idea of the keys
    running.migrate()

    def keep_saving() -> None:
        number = 0
        while not stop.is_set() or number < 5:
            number += 1
            saved.append(save(running, new_lead(f"run-{number + 10}", full_name=f"Ana {number}")).lead.id)
            with running.session() as session:
                repository.keep_draft(session, "run-2", "c", {"number": number})
            stop.wait(0.02)  # as visitors do: a writer without a pause would leave SQLite to nobody else

    writer = threading.Thread(target=keep_saving)
    writer.start()
    try:
        for _ in range(2):
            done = ketalink("keys", "rotate", "--forget-old")
            assert done.exit_code == 0, done.output
    finally:
        stop.set()
        writer.join()
    ring = keyring_of(settings).ring
    assert len(ring.keys) == 1
    assert all_opened_by(ring, settings)
    with database.session() as session:
        names = {lead.full_name for lead in repository.newest(session, limit=100_000)}
    assert names >= {f"Ana {number}" for number in range(1, len(saved) + 1)}
    running.close()
    database.close()


def test_what_no_key_opens_is_counted_and_no_key_removed(settings: Settings, database: Database) -> None:
    with database.session() as session:
        session.execute(sa.text("UPDATE lead_notes SET text = :token"), {"token": Ring([a_key()], "x").encrypt("note")})
    done = ketalink("keys", "rotate", "--forget-old")
    assert done.exit_code == 1
    assert "1 in lead_notes" in str(done.exception)
    assert len(keyring_of(settings).ring.keys) == 2
    examined = ketalink("doctor")
    assert "cannot be opened" in examined.output
    assert "1 in lead_notes" in examined.output
    database.close()


def test_with_keys_of_the_environment_the_first_one_writes_everything(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    (old,) = keyring_of(settings).ring.keys
    new = a_key()
    monkeypatch.setenv("ENCRYPTION_KEYS", f"{new.value},{old.value}")
    done = ketalink("keys", "rotate")
    assert done.exit_code == 0, done.output
    assert "you can take them away" in done.output
    assert all_opened_by(Ring([new], "here"), settings)
    monkeypatch.setenv("ENCRYPTION_KEYS", new.value)
    assert "José" not in ketalink("leads", "list").output
    assert "canary name" in ketalink("leads", "list").output
    database.close()


def test_the_list_tells_keys_apart_and_shows_none(settings: Settings, database: Database) -> None:
    ketalink("keys", "rotate")
    listed = ketalink("keys", "list")
    assert listed.exit_code == 0
    lines = [line for line in listed.output.splitlines() if "reads" in line]
    newest, old = keyring_of(settings).ring.keys
    assert lines[0].startswith(newest.fingerprint)
    assert lines[0].endswith("writes and reads")
    assert lines[1].startswith(old.fingerprint)
    assert str(old.made) in lines[1]
    for key in (newest, old):
        assert key.value not in listed.output
    database.close()


def test_doctor_says_whether_the_keys_open_what_is_stored(settings: Settings) -> None:
    assert "made at the first start" in ketalink("doctor").output
    database = open_database(settings)
    database.migrate()
    save(database, new_lead())
    database.close()
    assert "open what is stored" in ketalink("doctor").output
    path = settings.encryption_keys_file
    kept = path.read_text()
    path.chmod(0o644)
    assert "encryption.keys can be read by others" in ketalink("doctor").output
    path.write_text(a_key().value)
    assert "cannot be opened with the keys" in ketalink("doctor").output
    path.unlink()
    assert "encryption.keys is missing" in ketalink("doctor").output
    path.write_text(kept)
    assert "open what is stored" in ketalink("doctor").output


def test_a_search_on_the_command_line_finds_what_is_encrypted(settings: Settings, database: Database) -> None:
    found = ketalink("leads", "list", "--search", "canary@example.com")
    assert "canary name" in found.output
    assert "No request was found" in ketalink("leads", "list", "--search", "nobody").output
    assert ketalink("leads", "list", "--search", "x", "--status", "new").exit_code == 1
    assert "Indexed 1 requests" in ketalink("leads", "reindex").output
    assert "canary name" in ketalink("leads", "list", "--search", "name CANARY").output
    database.close()


def a_key() -> Key:
    return Key(Fernet.generate_key().decode())
