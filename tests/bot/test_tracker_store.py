"""Rasa's own database: a turn is remembered whole or not at all."""

import asyncio
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import ActiveLoop, BotUttered, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker

from bot.tracker_store import ConversationTrackerStore, forget
from bot.tracker_table import DEFAULT_DATABASE, database_url
from bot.turn import Context, Turn, current_context, current_turn, note_failure

DOMAIN = Domain.from_dict({"version": "3.1", "intents": ["greet", "session"]})
RANKING = [{"name": f"topic/{number}", "confidence": 1 - number / 10} for number in range(5)]


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "conversations.db"
    monkeypatch.setenv("TRACKER_DATABASE_URL", f"sqlite:///{path}")
    monkeypatch.setenv("ENCRYPTION_KEYS", Fernet.generate_key().decode())
    return path


@pytest.fixture
def store(database: Path) -> ConversationTrackerStore:
    return ConversationTrackerStore(DOMAIN)


@pytest.fixture
def turn() -> Iterator[Turn]:
    turn = Turn()
    token = current_turn.set(turn)
    yield turn
    current_turn.reset(token)


def said(*texts: str) -> DialogueStateTracker:
    tracker = DialogueStateTracker("c0ffee", DOMAIN.slots)
    for text in texts:
        intent = {"name": "greet", "confidence": 0.9}
        tracker.update(
            UserUttered(text, intent, parse_data={"intent": intent, "intent_ranking": RANKING, "text": text})
        )
        tracker.update(BotUttered("Noted."))
    return tracker


def remembered(store: ConversationTrackerStore) -> "list[str]":
    tracker = asyncio.run(store.retrieve("c0ffee"))
    return [event.text for event in tracker.events if isinstance(event, UserUttered)] if tracker else []


def test_a_turn_is_remembered(store: ConversationTrackerStore, turn: Turn) -> None:
    asyncio.run(store.save(said("hello")))
    assert remembered(store) == ["hello"]


def test_a_turn_that_failed_is_not_remembered_and_can_be_tried_again(
    store: ConversationTrackerStore, turn: Turn
) -> None:
    asyncio.run(store.save(said("hello")))
    note_failure("action_server")
    asyncio.run(store.save(said("hello", "yes, send it")))
    assert remembered(store) == ["hello"]

    current_turn.set(Turn())
    asyncio.run(store.save(said("hello", "yes, send it")))
    assert remembered(store) == ["hello", "yes, send it"]


def test_a_turn_without_a_reply_is_not_remembered(store: ConversationTrackerStore, turn: Turn) -> None:
    tracker = said("hello")
    tracker.update(UserUttered("still there?", {"name": "greet", "confidence": 0.9}))
    asyncio.run(store.save(tracker))
    assert remembered(store) == []
    assert turn.failures == ["no_reply"]


def test_outside_the_channel_every_turn_is_remembered(store: ConversationTrackerStore) -> None:
    note_failure("nobody listens")
    asyncio.run(store.save(said("hello")))
    assert remembered(store) == ["hello"]


def test_the_channel_is_told_what_was_understood(store: ConversationTrackerStore, turn: Turn) -> None:
    asyncio.run(store.save(said("hello")))
    assert turn.understood == {
        "intent": "greet",
        "confidence": 0.9,
        "ranking": RANKING[:3],
        "topics": [],
        "asks_for_verdict": False,
    }


def test_of_a_topic_the_full_name_is_told(store: ConversationTrackerStore, turn: Turn) -> None:
    tracker = DialogueStateTracker("c0ffee", DOMAIN.slots)
    intent = {"name": "session", "confidence": 0.8, "full_retrieval_intent_name": "session/duration"}
    topics = ["session/duration", "cost/price"]
    tracker.update(
        UserUttered(
            "how long, how much", intent, parse_data={"intent": intent, "topics": topics, "asks_for_verdict": True}
        )
    )
    tracker.update(BotUttered("About an hour."))
    asyncio.run(store.save(tracker))
    assert turn.understood == {
        "intent": "session/duration",
        "confidence": 0.8,
        "ranking": [],
        "topics": topics,
        "asks_for_verdict": True,
    }


# --------------------------------------------------------------------------- what the next message may refer to

OFFER = {"intent": {"name": "nlu_fallback"}, "topics": [], "offered": ["cost/price", "session/duration"]}
ANSWER = {"intent": {"name": "cost"}, "topics": ["cost/price"], "intent_ranking": [{"name": "session/duration"}]}


def context_after(store: ConversationTrackerStore, *parsed: "dict[str, Any]", form: "str | None" = None) -> Context:
    """Return what the store tells of a conversation with these messages, read again from the database."""
    tracker = DialogueStateTracker("c0ffee", DOMAIN.slots)
    for number, data in enumerate(parsed):
        tracker.update(
            UserUttered(f"message {number}", data["intent"], parse_data={**data, "text": f"message {number}"})
        )
        tracker.update(BotUttered("Noted."))
    if form:
        tracker.update(ActiveLoop(form))

    async def read_again() -> Context:
        await store.save(tracker)
        await store.retrieve("c0ffee")
        return current_context.get()

    return asyncio.run(read_again())


def test_the_next_message_may_refer_to_the_question_before_it(store: ConversationTrackerStore) -> None:
    context = context_after(store, ANSWER)
    assert (context.topic, context.text) == ("cost/price", "message 0")
    assert context.alternatives == ("session/duration",)


def test_the_next_message_may_choose_from_what_was_offered(store: ConversationTrackerStore) -> None:
    assert context_after(store, ANSWER, OFFER).offered == ("cost/price", "session/duration")


@pytest.mark.parametrize("latest", [OFFER, ANSWER])
def test_what_is_said_to_a_form_chooses_nothing(store: ConversationTrackerStore, latest: "dict[str, Any]") -> None:
    context = context_after(store, ANSWER, latest, form="appointment_form")
    assert (context.offered, context.chosen, context.alternatives) == ((), (), ())
    assert context.topic == "cost/price"


def test_a_conversation_that_is_new_or_forgotten_refers_to_nothing(store: ConversationTrackerStore) -> None:
    assert context_after(store, OFFER) != Context()
    forget("c0ffee")

    async def read(conversation: str) -> Context:
        current_context.set(Context(topic="cost/price"))  # left over from another conversation
        await store.retrieve(conversation)
        return current_context.get()

    assert asyncio.run(read("c0ffee")) == Context()
    assert asyncio.run(read("someone-new")) == Context()


# --------------------------------------------------------------------------- where it is kept


def test_conversations_survive_a_restart(store: ConversationTrackerStore, turn: Turn) -> None:
    asyncio.run(store.save(said("hello")))
    assert remembered(ConversationTrackerStore(DOMAIN)) == ["hello"]


def test_a_forgotten_conversation_is_gone(store: ConversationTrackerStore, turn: Turn) -> None:
    asyncio.run(store.save(said("a rare canary")))
    forget("someone-else")
    assert remembered(store) == ["a rare canary"]
    forget("c0ffee")
    assert remembered(store) == []


def test_nobody_else_can_read_the_file(store: ConversationTrackerStore, database: Path) -> None:
    assert stat.S_IMODE(database.stat().st_mode) == 0o600


def test_the_database_is_the_one_that_is_set(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert database_url() == f"sqlite:///{database}"
    monkeypatch.delenv("TRACKER_DATABASE_URL")
    assert database_url() == f"sqlite:///{DEFAULT_DATABASE}"
