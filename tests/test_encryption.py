"""Nothing that says who somebody is or what they want is readable in the database's files; no key is lost silently."""

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from frontdesk.app import create_app
from frontdesk.chat import store
from frontdesk.chat.models import Channel
from frontdesk.console import drafts
from frontdesk.console.models import NoteDraft, Role, SecondFactor, Staff
from frontdesk.db import Base, Database, open_database, utc_now
from frontdesk.encryption import Key, KeyFile, Keyring, KeysUnusable, Ring, Undecipherable, keyring_of
from frontdesk.leads import repository
from frontdesk.leads.models import Draft, Lead
from frontdesk.leads.repository import PreferredTime
from frontdesk.review.models import Review, SavedTest
from frontdesk.rotation import encrypted_tables
from frontdesk.settings import Settings
from frontdesk.sms.models import TextKind
from frontdesk.sms.store import add_text, keep_reply, kept_reply, note_number
from tests.conftest import LOOKUP, NEW_YORK
from tests.leads.samples import new_lead, save


def settings(folder: Path, **changes: object) -> Settings:
    return Settings(_env_file=None, data_dir=folder, **changes)  # type: ignore[arg-type,call-arg]


def ring(*keys: bytes) -> Ring:
    return Ring([Key(key.decode()) for key in keys], "the tests")


ONE, OTHER = Fernet.generate_key(), Fernet.generate_key()


# --------------------------------------------------------------------------- keys


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back_and_looks_different_each_time(text: str) -> None:
    keys = ring(ONE)
    first, second = keys.encrypt(text), keys.encrypt(text)
    assert first != second
    assert keys.decrypt(first) == keys.decrypt(second) == text


def test_the_newest_key_writes_and_every_key_reads() -> None:
    old, both = ring(ONE), ring(OTHER, ONE)
    token = old.encrypt("words")
    assert both.decrypt(token) == "words"
    assert not both.is_newest(token)
    anew = both.rotate(token)
    assert both.is_newest(anew)
    assert ring(OTHER).decrypt(anew) == "words"
    with pytest.raises(Undecipherable):
        old.decrypt(both.encrypt("words"))


@pytest.mark.parametrize("token", ["", "words", "gAAAAAB", "é"])
def test_what_no_key_opens_is_said_without_its_content(token: str) -> None:
    with pytest.raises(Undecipherable, match=r"only key in the tests.*backup") as error:
        ring(ONE).decrypt(token)
    assert not token or token not in str(error.value)


def test_keys_hide_when_printed() -> None:
    assert ONE.decode() not in repr(Key(ONE.decode()))
    chosen = settings(Path("unused"), encryption_keys=SecretStr(ONE.decode()))
    assert ONE.decode() not in repr(chosen)


def test_keys_of_the_environment_are_taken_newest_first(tmp_path: Path) -> None:
    listed = SecretStr(f" {OTHER.decode()} ,{ONE.decode()},")
    keyring = keyring_of(settings(tmp_path, encryption_keys=listed))
    assert ring(OTHER).decrypt(keyring.encrypt("words")) == "words"
    assert keyring.decrypt(ring(ONE).encrypt("old words")) == "old words"
    assert list(tmp_path.iterdir()) == []


def test_a_key_of_the_environment_that_is_none_is_named_and_not_shown(tmp_path: Path) -> None:
    listed = SecretStr(f"{ONE.decode()},hunter2hunter2")
    with pytest.raises(KeysUnusable, match="Key number 2 in ENCRYPTION_KEYS") as error:
        keyring_of(settings(tmp_path, encryption_keys=listed))
    assert "hunter2" not in str(error.value)


# --------------------------------------------------------------------------- the file


def test_the_first_start_makes_a_key_for_its_owner_alone(tmp_path: Path) -> None:
    chosen = settings(tmp_path / "var")
    database = open_database(chosen)
    database.migrate()
    path = chosen.encryption_keys_file
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_text()
    open_database(chosen).migrate()
    assert path.read_text() == before
    assert [entry.name for entry in path.parent.glob("encryption.keys*")] == ["encryption.keys"]


def test_processes_that_start_together_have_one_key(tmp_path: Path) -> None:
    rings = [KeyFile(tmp_path / "encryption.keys") for _ in range(12)]
    barrier = threading.Barrier(len(rings))

    def start(keyring: KeyFile) -> None:
        barrier.wait()
        keyring.create()

    threads = [threading.Thread(target=start, args=(keyring,)) for keyring in rings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tokens = [keyring.encrypt("words") for keyring in rings]
    assert {keyring.decrypt(token) for keyring in rings for token in tokens} == {"words"}
    assert len(list(tmp_path.iterdir())) == 1


def test_comments_and_empty_lines_are_no_keys(tmp_path: Path) -> None:
    path = tmp_path / "encryption.keys"
    path.write_text(f"# mine\n\n  {OTHER.decode()}  # the new one\n# made 2026-01-02T03:04:05Z\n{ONE.decode()}\n")
    keys = KeyFile(path).ring.keys
    assert [key.value for key in keys] == [OTHER.decode(), ONE.decode()]
    assert [key.made for key in keys] == [None, "2026-01-02T03:04:05Z"]


@pytest.mark.parametrize("content", [b"", b"# nothing but this\n", b"hunter2hunter2\n", b"\xff\xfe\x00", b"key=1"])
def test_a_damaged_file_is_named_and_stays_as_it_is(tmp_path: Path, content: bytes) -> None:
    chosen = settings(tmp_path)
    chosen.encryption_keys_file.write_bytes(content)
    with pytest.raises(KeysUnusable, match=r"encryption\.keys") as error:
        open_database(chosen).migrate()
    assert "hunter2" not in str(error.value)
    assert chosen.encryption_keys_file.read_bytes() == content


def test_a_new_key_is_used_at_once_by_whoever_runs(tmp_path: Path) -> None:
    path = tmp_path / "encryption.keys"
    running, rotating = KeyFile(path), KeyFile(path)
    running.create()
    old = running.encrypt("before")
    with rotating.changing():
        rotating.add()
    assert running.decrypt(rotating.encrypt("after")) == "after"
    assert rotating.ring.is_newest(running.encrypt("after"))
    assert running.decrypt(old) == "before"
    with rotating.changing():
        rotating.keep_newest()
    with pytest.raises(Undecipherable):
        running.decrypt(old)
    assert path.stat().st_mode & 0o777 == 0o600


def test_only_one_changes_the_keys_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "encryption.keys"
    keyring = KeyFile(path)
    keyring.create()
    with keyring.changing(), pytest.raises(KeysUnusable, match="Another"), KeyFile(path).changing():
        pass


def test_a_file_that_vanishes_stops_nobody_who_runs(tmp_path: Path) -> None:
    keyring = KeyFile(tmp_path / "encryption.keys")
    keyring.create()
    token = keyring.encrypt("words")
    keyring.path.unlink()
    assert keyring.decrypt(token) == "words"
    assert keyring.decrypt(keyring.encrypt("more")) == "more"


# --------------------------------------------------------------------------- keys and data belong together


@pytest.fixture(params=["sqlite", "postgresql"])
def used(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings of an assistant that has data."""
    url = None if request.param == "sqlite" else request.getfixturevalue("postgres_database_url")
    chosen = settings(tmp_path, database_url=url)
    database = open_database(chosen)
    database.migrate()
    save(database, new_lead())
    database.close()
    return chosen


def test_a_lost_file_is_never_replaced_by_a_new_key(used: Settings) -> None:
    kept = used.encryption_keys_file.read_text()
    used.encryption_keys_file.unlink()
    database = open_database(used)
    with pytest.raises(KeysUnusable, match=r"encryption\.keys is missing\. Put it back from your backup"):
        database.migrate()
    assert not used.encryption_keys_file.exists()
    with pytest.raises(KeysUnusable), database.session() as session:
        repository.save_once(session, new_lead("run-2", phone="+15165550143"), NEW_YORK)
    used.encryption_keys_file.write_text(kept)
    database.migrate()
    with database.session() as session:
        (lead,) = repository.newest(session)
        assert lead.full_name == "José O'Brien-Núñez"
    database.close()


def test_the_keys_of_another_database_are_refused_at_the_start(used: Settings) -> None:
    wrong = used.model_copy(update={"encryption_keys": SecretStr(ONE.decode())})
    database = open_database(wrong)
    with pytest.raises(KeysUnusable, match="ENCRYPTION_KEYS do not open this database"):
        database.migrate()
    with pytest.raises(Undecipherable), database.session() as session:
        repository.newest(session)
    database.close()


def test_without_keys_what_is_encrypted_can_be_neither_read_nor_written(used: Settings) -> None:
    database = Database(used.database, lookup=LOOKUP)
    with pytest.raises(KeysUnusable, match="without keys"), database.session() as session:
        repository.newest(session)
    with pytest.raises(KeysUnusable, match="without keys"), database.session() as session:
        repository.save_once(session, new_lead("run-2"), NEW_YORK)
    database.close()


def test_with_the_wrong_keys_a_cry_for_help_is_answered_all_the_same(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    open_database(chosen).migrate()
    with TestClient(create_app(chosen), raise_server_exceptions=False) as client:
        begun = client.post("/api/chat", json={"text": "hello"}).json()["session"]
        chosen.encryption_keys_file.write_text(f"{ONE.decode()}\n")
        history = client.get("/api/chat/history", headers={"Authorization": f"Bearer {begun}"})
        assert history.status_code == 503
        assert "988" in history.text
        answer = client.post("/api/chat", json={"session": begun, "text": "i want to kill myself"})
    assert answer.status_code == 200
    assert answer.json()["messages"][0]["level"] == "crisis"


@pytest.mark.parametrize("compare", ["equal", "in", "like", "order"])
def test_an_encrypted_column_cannot_be_compared_by_mistake(compare: str) -> None:
    with pytest.raises(TypeError, match="neither searched nor sorted"):
        {
            "equal": lambda: Lead.full_name == "José",
            "in": lambda: Lead.full_name.in_(["José"]),
            "like": lambda: Lead.full_name.like("J%"),
            "order": lambda: Lead.full_name.desc(),
        }[compare]()
    assert str(Lead.email.is_(None)) == "leads.email IS NULL"


# --------------------------------------------------------------------------- at rest


@pytest.fixture
def canary() -> str:
    """Words that are nowhere else on this machine."""
    return f"canary{uuid.uuid4().hex}"


def write_everywhere(database: Database, canary: str) -> None:
    """Store the canary through the repositories in everything that is encrypted."""
    with database.session() as session:
        conversation = store.start_conversation(session, Channel.WIDGET)
        inbound = store.add_inbound(session, conversation.id, f"{canary} text", "client-1")
        reply = {"kind": "say", "text": f"{canary} reply", "buttons": []}
        store.add_replies(session, inbound, [reply], {"intent": f"{canary} understood"})
        keep_reply(session, "SM1", f"{canary} sms", conversation.id, rest=f"{canary} rest", owed=f"{canary} words")
        note_number(session, conversation.id, f"+1{canary}", "+15165550100")
        add_text(session, conversation.id, TextKind.REPLY, f"{canary} sent")
        review = Review(message_id=inbound.id, verdict="example", topic=f"{canary} topic", text=f"{canary} example")
        review.reviewed_by = "ana@clinic.example"
        story = SavedTest(conversation_id=conversation.id, story=f"{canary} story", saved_by="ana@clinic.example")
        session.add_all([review, story])
        repository.keep_draft(session, "run-2", conversation.id, {"reason": f"{canary} draft"}, "+15165550143")
        lead = new_lead(
            full_name=f"{canary} name",
            phone=f"+1{canary}",
            phone_typed=f"{canary} typed",
            email=f"{canary}@example.com",
            reason=f"{canary} reason",
            preferred_time=PreferredTime(f"{canary} time"),
            notes=(f"{canary} note",),
            # The control: what is not encrypted is found.
            conversation_id="plain" + canary[6:],
        )
        saved = repository.save_once(session, lead, NEW_YORK)
        staff = Staff(email="ana@clinic.example", role=Role.STAFF, password_hash="of no password")
        session.add(staff)
        session.flush()
        session.add(SecondFactor(staff_id=staff.id, secret=f"{canary} secret", confirmed_at=utc_now()))
        drafts.keep(session, staff.id, f"/staff/leads/{saved.lead.id}", f"{canary} half a note", utc_now())


def read_back(database: Database) -> Iterator[Any]:
    """Yield everything that `write_everywhere` stored, as the repositories give it."""
    with database.session() as session:
        (lead,) = repository.newest(session)
        yield from (lead.full_name, lead.phone, lead.phone_typed, lead.email, lead.reason, lead.preferred_text)
        yield from (note.text for note in lead.notes)
        draft = session.get_one(Draft, "run-2")
        yield draft.data
        assert repository.open_draft(session, draft.conversation_id, utc_now()) is draft
        for message in store.transcript(session, draft.conversation_id):
            yield from (message.text, message.content, message.understood)
        review = session.scalars(sa.select(Review)).one()
        yield from (review.topic, review.text, session.scalars(sa.select(SavedTest.story)).one())
        yield kept_reply(session, "SM1")
        yield from (
            session.scalars(sa.select(SecondFactor.secret)).one(),
            session.scalars(sa.select(NoteDraft.text)).one(),
        )


def files_of(database: Database) -> list[Path]:
    """Return the files in which a database keeps its data and its log."""
    url = database.engine.url
    if url.get_backend_name() == "sqlite":
        assert url.database
        return list(Path(url.database).parent.iterdir())
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("CHECKPOINT"))
        folder = Path(connection.scalar(sa.text("SHOW data_directory")))  # type: ignore[arg-type]
        oid = connection.scalar(sa.text("SELECT oid FROM pg_database WHERE datname = current_database()"))
    if not folder.is_dir():
        pytest.skip("the PostgreSQL server's files are not on this machine")
    return [path for place in (f"base/{oid}", "pg_wal") for path in (folder / place).rglob("*") if path.is_file()]


def hits(database: Database, words: str) -> list[str]:
    """Return the names of the files in which words stand in clear text."""
    return [path.name for path in files_of(database) if words.encode() in path.read_bytes()]


def test_nothing_encrypted_is_readable_in_any_file(database: Database, canary: str) -> None:
    write_everywhere(database, canary)
    read = list(read_back(database))
    assert len([value for value in read if canary in str(value)]) == 7 + 1 + 4 + 3 + 1 + 2
    with database.engine.connect() as connection:
        for table in encrypted_tables():
            for column in table.columns:
                stored = connection.scalars(sa.select(table.tokens.c[column])).all()
                assert any(stored), f"nothing was written into {table.name}.{column}"
    assert hits(database, "plain" + canary[6:]) != []
    assert hits(database, canary) == []
    database.empty_log()
    assert hits(database, canary) == []


def test_every_text_column_of_a_patient_is_encrypted_or_known_to_be_harmless() -> None:
    """A column of free text that is added has to be thought about."""
    from frontdesk.migrations import models  # noqa: F401  # fills the metadata

    encrypted = {(table.name, column) for table in encrypted_tables() for column in table.columns}
    free = {
        (table.name, column.name)
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, sa.Text | sa.JSON) and (table.name, column.name) not in encrypted
    }
    assert free == {
        *(("leads", "consent_text"), ("consents", "words"), ("key_check", "token")),
        ("audit", "detail"),  # ids, counts and names of fields
        *(("fact_changes", "value"), ("proposals", "text"), ("proposals", "replaces")),  # the clinic's own words
    }


def test_what_is_deleted_leaves_nothing_behind_in_sqlite(tmp_path: Path) -> None:
    keyring = Keyring(ring(ONE))
    database = Database(f"sqlite:///{tmp_path / 'ketalink.db'}", keyring, LOOKUP)
    database.migrate()
    lead_id = save(database, new_lead(conversation_id="plain" + "0f" * 12)).lead.id
    database.empty_log()
    assert hits(database, "plain" + "0f" * 12) != []
    with database.session() as session:
        session.execute(sa.text("DELETE FROM consents"))
        session.delete(session.get_one(Lead, lead_id))
    database.empty_log()
    assert hits(database, "plain" + "0f" * 12) == []
    database.close()
