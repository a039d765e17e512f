"""Conversations at rest: unreadable without the keys, on SQLite and PostgreSQL, and brought over from clear text.

PostgreSQL is the one that TEST_DATABASE_URL names; `tests/test_rasa_on_postgresql.py` starts one and runs this.
"""

import asyncio
import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet
from rasa.core.brokers.file import FileEventBroker
from rasa.core.tracker_store import SQLTrackerStore
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import (
    ActionExecuted,
    ActiveLoop,
    BotUttered,
    Event,
    Restarted,
    SessionStarted,
    SlotSet,
    UserUttered,
)
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.exceptions import InvalidConfigException

from bot.compaction import KEPT_TURNS
from bot.tracker_store import ConversationTrackerStore, forget
from bot.tracker_table import TrackerTable, trackers
from bot.turn import Turn, current_turn
from tests.bot.conftest import Channel

DOMAIN = Domain.from_dict(
    {
        "version": "3.1",
        "intents": ["greet"],
        "slots": {"full_name": {"type": "text", "mappings": [{"type": "custom"}]}},
        "forms": {"visit_form": {"required_slots": ["full_name"]}},
    }
)
CANARY_NAME, CANARY_WORDS = "Quirina Zabłotny-Featherstonehaugh", "the aubergine whispers at midnight"
KEY = Fernet.generate_key().decode()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty database, set as Rasa's."""
    monkeypatch.setenv("ENCRYPTION_KEYS", KEY)
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'conversations.db'}"
        monkeypatch.setenv("TRACKER_DATABASE_URL", url)
        yield url
        return
    server = os.environ.get("TEST_DATABASE_URL")
    if not server:
        pytest.skip("TEST_DATABASE_URL is not set")
    name = f"ketalink_trackers_{uuid.uuid4().hex}"
    address = sa.engine.make_url(server).set(drivername="postgresql+psycopg2")
    admin = sa.create_engine(address, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    url = address.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    monkeypatch.setenv("TRACKER_DATABASE_URL", url)
    try:
        yield url
    finally:
        with admin.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))


def conversation(sender_id: str, turns: int, *events: Event) -> DialogueStateTracker:
    """Return a conversation whose first turn brings the events."""
    tracker = DialogueStateTracker(sender_id, DOMAIN.slots)
    for event in (ActionExecuted("action_session_start"), SessionStarted(), ActionExecuted("action_listen")):
        tracker.update(event)
    for number in range(turns):
        intent = {"name": "greet", "confidence": 0.9}
        text = f"{CANARY_WORDS} {number}"
        tracker.update(UserUttered(text, intent, parse_data={"intent": intent, "text": text, "entities": []}))
        for event in events if number == 0 else ():
            tracker.update(event)
        tracker.update(BotUttered(f"You said {CANARY_WORDS}."))
        tracker.update(ActionExecuted("action_listen"))
    return tracker


NAMED = SlotSet("full_name", CANARY_NAME)
IN_FORM = (ActionExecuted("visit_form"), ActiveLoop("visit_form"), SlotSet("requested_slot", "full_name"), NAMED)


def read(store: ConversationTrackerStore, sender_id: str) -> DialogueStateTracker | None:
    return asyncio.run(store.retrieve(sender_id))


def texts(tracker: DialogueStateTracker | None) -> list[str | None]:
    return [event.text for event in tracker.events if isinstance(event, UserUttered)] if tracker else []


def canaries_in(folder: Path) -> set[str]:
    """Return the names of the files that hold something of the conversation in clear text."""
    parts = ("Quirina", "Featherstonehaugh", "aubergine")
    return {path.name for path in folder.iterdir() if any(part.encode() in path.read_bytes() for part in parts)}


# --------------------------------------------------------------------------- unreadable at rest


def test_a_row_is_a_token_that_the_key_opens(url: str) -> None:
    began = time.time()
    asyncio.run(ConversationTrackerStore(DOMAIN).save(conversation("c0ffee", 2, NAMED)))
    with TrackerTable(url).engine.connect() as connection:
        ((sender_id, token, updated_at),) = connection.execute(sa.select(trackers)).all()
    assert sender_id == "c0ffee"
    assert began <= updated_at <= time.time()
    assert CANARY_NAME in Fernet(KEY).decrypt(token.encode()).decode("unicode_escape")
    again = read(ConversationTrackerStore(DOMAIN), "c0ffee")
    assert again is not None
    assert (again.get_slot("full_name"), len(texts(again))) == (CANARY_NAME, 2)


def test_no_file_holds_what_was_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ENCRYPTION_KEYS", KEY)
    monkeypatch.setenv("TRACKER_DATABASE_URL", f"sqlite:///{tmp_path / 'conversations.db'}")
    store = ConversationTrackerStore(DOMAIN)
    for turns in range(1, 30):
        asyncio.run(store.save(conversation("c0ffee", turns, *IN_FORM)))
    assert {path.name for path in tmp_path.iterdir()} >= {"conversations.db", "conversations.db-wal"}
    assert canaries_in(tmp_path) == set()
    assert "Quirina" not in caplog.text


def test_without_its_key_a_conversation_begins_anew(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asyncio.run(ConversationTrackerStore(DOMAIN).save(conversation("c0ffee", 3, NAMED)))
    monkeypatch.setenv("ENCRYPTION_KEYS", Fernet.generate_key().decode())
    store = ConversationTrackerStore(DOMAIN)

    async def go_on() -> None:
        assert await store.retrieve("c0ffee") is None
        await store.save(conversation("c0ffee", 1))

    asyncio.run(go_on())
    assert len(texts(read(store, "c0ffee"))) == 1
    assert "tracker_unreadable conversation=c0ffee error=UnknownKey" in caplog.text
    assert "Quirina" not in caplog.text


@pytest.mark.parametrize("content", ["", "{", "7", '{"event": "user"}', '[{"event": "no such event"}]', "[[]]", "[{}]"])
def test_a_content_that_makes_no_sense_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    monkeypatch.setenv("ENCRYPTION_KEYS", KEY)
    monkeypatch.setenv("TRACKER_DATABASE_URL", f"sqlite:///{tmp_path / 'conversations.db'}")
    store = ConversationTrackerStore(DOMAIN)
    token = Fernet(KEY).encrypt(content.encode()).decode()
    TrackerTable(f"sqlite:///{tmp_path / 'conversations.db'}").write("c0ffee", token, may_insert=True)
    assert read(store, "c0ffee") is None


def test_tokens_that_were_made_anew_are_read_while_rasa_runs(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, newer = tmp_path / "encryption.keys", Fernet.generate_key().decode()
    keys.write_text(f"{KEY}\n")
    monkeypatch.delenv("ENCRYPTION_KEYS")
    monkeypatch.setenv("ENCRYPTION_KEYS_FILE", str(keys))
    store = ConversationTrackerStore(DOMAIN)
    asyncio.run(store.save(conversation("c0ffee", 2, NAMED)))

    keys.write_text(f"{newer}\n{KEY}\n")
    table = TrackerTable(url)
    content = Fernet(KEY).decrypt((table.read("c0ffee") or "").encode())
    table.write("c0ffee", Fernet(newer).encrypt(content).decode(), may_insert=False)
    keys.write_text(f"{newer}\n")

    assert len(texts(read(store, "c0ffee"))) == 2
    asyncio.run(store.save(conversation("c0ffee", 3, NAMED)))
    assert b"aubergine" in Fernet(newer).decrypt((table.read("c0ffee") or "").encode())


# --------------------------------------------------------------------------- one row, kept up to date


def test_a_long_conversation_is_one_short_row(url: str) -> None:
    store, table, sizes = ConversationTrackerStore(DOMAIN), TrackerTable(url), []
    for turns in (KEPT_TURNS + 1, 50, 200):
        asyncio.run(store.save(conversation("c0ffee", turns, *IN_FORM)))
        sizes.append(len(table.read("c0ffee") or ""))
    assert table.keys() == ["c0ffee"]
    assert max(sizes) < 1.1 * sizes[0]
    tracker = read(store, "c0ffee")
    assert tracker is not None
    assert texts(tracker) == [f"{CANARY_WORDS} {number}" for number in range(200 - KEPT_TURNS, 200)]
    assert tracker.active_loop_name == "visit_form"
    assert (tracker.get_slot("full_name"), tracker.get_slot("requested_slot")) == (CANARY_NAME, "full_name")


def test_a_conversation_that_is_erased_during_its_turn_stays_erased(url: str) -> None:
    store = ConversationTrackerStore(DOMAIN)
    asyncio.run(store.save(conversation("c0ffee", 1)))

    async def turn() -> None:
        await store.retrieve("c0ffee")
        forget("c0ffee")
        await store.save(conversation("c0ffee", 2))

    asyncio.run(turn())
    assert TrackerTable(url).keys() == []
    asyncio.run(store.save(conversation("c0ffee", 1)))
    assert asyncio.run(store.keys()) == ["c0ffee"]


def test_many_conversations_are_written_at_once(url: str) -> None:
    store = ConversationTrackerStore(DOMAIN)

    async def talk(sender_id: str) -> list[str | None]:
        for turns in range(1, 6):
            await store.retrieve(sender_id)
            await store.save(conversation(sender_id, turns))
        return texts(await store.retrieve(sender_id))

    async def all_talk() -> list[list[str | None]]:
        return await asyncio.gather(*(talk(f"visitor-{number}") for number in range(20)))

    assert [len(said) for said in asyncio.run(all_talk())] == [5] * 20


def test_a_writer_waits_for_another_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "conversations.db"
    monkeypatch.setenv("ENCRYPTION_KEYS", KEY)
    monkeypatch.setenv("TRACKER_DATABASE_URL", f"sqlite:///{path}")
    store = ConversationTrackerStore(DOMAIN)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.3, lambda: other.execute("COMMIT"))
    release.start()
    asyncio.run(store.save(conversation("c0ffee", 1)))
    release.join()
    assert len(texts(read(store, "c0ffee"))) == 1


def test_a_database_that_fails_fails_the_turn(url: str, caplog: pytest.LogCaptureFixture) -> None:
    store = ConversationTrackerStore(DOMAIN)
    with TrackerTable(url).engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE trackers"))
    turn = Turn()
    token = current_turn.set(turn)
    try:
        asyncio.run(store.save(conversation("c0ffee", 1, NAMED)))
        with pytest.raises(sa.exc.SQLAlchemyError):
            asyncio.run(store.retrieve("c0ffee"))
    finally:
        current_turn.reset(token)
    assert turn.failures == ["tracker_store", "tracker_store"]
    assert "Quirina" not in caplog.text


def test_a_conversation_is_not_replaced_by_an_empty_one_when_the_database_fails(channel: Channel) -> None:
    who = uuid.uuid4().hex
    assert channel.say("book me a visit", who).status_code == 200
    database = channel.profile.parent / "conversations.db"
    with sqlite3.connect(database, timeout=10) as connection:
        connection.execute("ALTER TABLE trackers RENAME TO elsewhere")
    try:
        failed = channel.say("i have ptsd", who)
    finally:
        with sqlite3.connect(database, timeout=10) as connection:
            connection.execute("ALTER TABLE elsewhere RENAME TO trackers")
    assert failed.status_code == 502
    (message,) = channel.say("i have ptsd", who).json()["messages"]
    assert message["text"] == "Which visit would you like?"
    assert channel.remembered(who) == ["book me a visit", "i have ptsd"]


# --------------------------------------------------------------------------- from clear text


def old_store(url: str) -> SQLTrackerStore:
    """Rasa's own store, as it was used before."""
    return SQLTrackerStore(DOMAIN, host=url)


def test_conversations_in_clear_text_are_brought_over(url: str, tmp_path: Path) -> None:
    old = old_store(url)
    asyncio.run(old.save(conversation("long", 40, *IN_FORM)))
    asyncio.run(old.save(conversation("short", 1)))
    with old.session_scope() as session:
        session.query(old.SQLEvent).filter(old.SQLEvent.sender_id == "long").update({"timestamp": 1_750_000_000.5})
        session.commit()
    old.engine.dispose()
    if url.startswith("sqlite"):
        assert canaries_in(tmp_path) == {"conversations.db"}

    store = ConversationTrackerStore()  # Rasa makes it before it knows the domain
    store.domain = DOMAIN
    tracker = read(store, "long")
    assert tracker is not None
    assert tracker.active_loop_name == "visit_form"
    assert tracker.get_slot("full_name") == CANARY_NAME
    assert len(texts(tracker)) == KEPT_TURNS
    assert len(texts(read(store, "short"))) == 1
    with TrackerTable(url).engine.connect() as connection:
        assert sa.inspect(connection).get_table_names() == ["trackers"]
    assert canaries_in(tmp_path) == set()
    assert texts(read(ConversationTrackerStore(DOMAIN), "long")) == texts(tracker)


def test_what_was_deleted_from_an_old_file_is_wiped_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "conversations.db"
    monkeypatch.setenv("ENCRYPTION_KEYS", KEY)
    monkeypatch.setenv("TRACKER_DATABASE_URL", f"sqlite:///{path}")
    old = old_store(f"sqlite:///{path}")
    asyncio.run(old.save(conversation("c0ffee", 40, NAMED)))
    old.engine.dispose()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA secure_delete=OFF")
        connection.execute("DELETE FROM events")
    connection.close()
    assert canaries_in(tmp_path) == {"conversations.db"}
    ConversationTrackerStore(DOMAIN)
    assert canaries_in(tmp_path) == set()


def test_of_an_old_conversation_the_latest_session_counts(url: str) -> None:
    tracker = conversation("c0ffee", 2, NAMED)
    for event in (Restarted(), *conversation("c0ffee", 1).events):
        tracker.update(event)
    asyncio.run(old_store(url).save(tracker))
    again = read(ConversationTrackerStore(DOMAIN), "c0ffee")
    assert again is not None
    assert (len(texts(again)), again.get_slot("full_name")) == (1, None)


def test_an_old_conversation_that_cannot_be_read_is_left_out(url: str, caplog: pytest.LogCaptureFixture) -> None:
    old = old_store(url)
    asyncio.run(old.save(conversation("good", 1)))
    asyncio.run(old.save(conversation("broken", 1)))
    with old.session_scope() as session:
        session.query(old.SQLEvent).filter(old.SQLEvent.sender_id == "broken").update({"data": "{Quirina"})
        session.commit()
    assert asyncio.run(ConversationTrackerStore(DOMAIN).keys()) == ["good"]
    assert "old_conversation_unreadable conversation=broken" in caplog.text
    assert "Quirina" not in caplog.text


def test_when_it_was_last_written_to_is_kept(url: str) -> None:
    old = old_store(url)
    asyncio.run(old.save(conversation("c0ffee", 1)))
    last = list(conversation("c0ffee", 1).events)[-1].timestamp
    ConversationTrackerStore(DOMAIN)
    with TrackerTable(url).engine.connect() as connection:
        updated_at = connection.scalar(sa.select(trackers.c.updated_at))
    assert updated_at == pytest.approx(last, abs=5)


def test_two_that_start_at_once_bring_over_once(url: str) -> None:
    old = old_store(url)
    for number in range(20):
        asyncio.run(old.save(conversation(f"visitor-{number}", 3)))
    old.engine.dispose()
    started: list[ConversationTrackerStore] = []
    threads = [threading.Thread(target=lambda: started.append(ConversationTrackerStore(DOMAIN))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(started) == 4
    assert len(TrackerTable(url).keys()) == 20


def test_another_programs_events_are_left_alone(url: str) -> None:
    table = TrackerTable(url)
    with table.engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE events (id INTEGER, title TEXT)"))
        connection.execute(sa.text("INSERT INTO events VALUES (1, 'a concert')"))
    ConversationTrackerStore(DOMAIN)
    with table.engine.connect() as connection:
        assert connection.execute(sa.text("SELECT title FROM events")).scalar() == "a concert"


# --------------------------------------------------------------------------- settings


@pytest.mark.parametrize("address", ["nonsense", "postgresql://[::", "sqlite:////nowhere/at/all/conversations.db"])
def test_an_address_that_is_none_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("ENCRYPTION_KEYS", KEY)
    monkeypatch.setenv("TRACKER_DATABASE_URL", address)
    with pytest.raises(InvalidConfigException, match="TRACKER_DATABASE_URL"):
        ConversationTrackerStore(DOMAIN)


def test_events_are_not_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENCRYPTION_KEYS", KEY)
    monkeypatch.setenv("TRACKER_DATABASE_URL", f"sqlite:///{tmp_path / 'conversations.db'}")
    with pytest.raises(InvalidConfigException, match="event_broker"):
        ConversationTrackerStore(DOMAIN, event_broker=FileEventBroker(str(tmp_path / "events.log")))


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_whatever_driver_an_address_names_rasa_uses_its_own(scheme: str) -> None:
    engine = TrackerTable(f"{scheme}://clinic:secret@127.0.0.1:5432/trackers").engine
    assert (engine.dialect.name, engine.driver) == ("postgresql", "psycopg2")
    assert "secret" not in repr(engine)
