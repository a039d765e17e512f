"""Where Rasa keeps conversations: an SQL database of its own, one file under `var/` unless told otherwise."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from rasa.core.brokers.broker import EventBroker
from rasa.core.tracker_store import SQLTrackerStore
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import BotUttered, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker

from bot.clinic import PROJECT
from bot.turn import TOPICS, Context, current_context, current_turn

DEFAULT_DATABASE = PROJECT / "var" / "conversations.db"


def database_url() -> str:
    """`TRACKER_DATABASE_URL`, else an SQLite file in `var/`."""
    url = os.environ.get("TRACKER_DATABASE_URL")
    if not url:
        DEFAULT_DATABASE.parent.mkdir(mode=0o700, exist_ok=True)
        url = f"sqlite:///{DEFAULT_DATABASE}"
    return url


def forget(conversation_id: str) -> None:
    """Delete all that Rasa keeps of one conversation."""
    engine = sa.create_engine(database_url(), poolclass=sa.pool.NullPool)
    event = SQLTrackerStore.SQLEvent
    with engine.begin() as connection:
        connection.execute(sa.delete(event).where(event.sender_id == conversation_id))


class ConversationTrackerStore(SQLTrackerStore):
    """Rasa's SQL store, which forgets a turn that failed half-way and tells the channel what was understood."""

    def __init__(
        self,
        domain: Domain | None = None,
        event_broker: EventBroker | None = None,
        **kwargs: dict[str, Any],
    ) -> None:
        url = sa.engine.make_url(database_url())
        if url.get_backend_name() == "sqlite" and url.database:
            Path(url.database).touch(mode=0o600, exist_ok=True)
        super().__init__(domain=domain, event_broker=event_broker, **kwargs)

    @staticmethod
    def get_db_url(*args: Any, **kwargs: Any) -> sa.engine.URL:
        """Return the address of the database from the environment, where other settings are too."""
        return sa.engine.make_url(database_url())

    async def retrieve(self, sender_id: str) -> DialogueStateTracker | None:
        """Return the tracker, and keep what its next message may refer to."""
        tracker = await super().retrieve(sender_id)
        context = Context.of(_messages(tracker))
        if tracker is not None and tracker.active_loop_name:
            # A form asks for something else, and what is said to it is its own to read.
            context = replace(context, offered=(), chosen=(), alternatives=())
        current_context.set(context)
        return tracker

    async def save(self, tracker: DialogueStateTracker) -> None:
        """Save the tracker, unless part of the current turn failed: then the turn did not happen."""
        turn = current_turn.get()
        if turn is not None:
            if not _is_answered(tracker):
                turn.failures.append("no_reply")
            if turn.failures:
                return
            message = tracker.latest_message
            if message is not None:
                turn.understood = {
                    "intent": message.full_retrieval_intent_name or message.intent.get("name"),
                    "confidence": message.intent.get("confidence"),
                    "ranking": (message.parse_data or {}).get("intent_ranking", [])[:3],
                    "topics": (message.parse_data or {}).get(TOPICS, []),
                }
        await super().save(tracker)


def _messages(tracker: DialogueStateTracker | None) -> list[Mapping[str, Any]]:
    """Return the parse data of a conversation's messages, the latest first."""
    events = reversed(tracker.events) if tracker is not None else ()
    return [event.parse_data or {} for event in events if isinstance(event, UserUttered)]


def _is_answered(tracker: DialogueStateTracker) -> bool:
    """Tell whether something was said since the latest message; Rasa also saves before there is any."""
    for event in reversed(tracker.events):
        if isinstance(event, BotUttered):
            return True
        if isinstance(event, UserUttered):
            return False
    return True
