"""Where Rasa keeps conversations: encrypted, a row each, no longer than what the next message needs."""

import asyncio
import json
import logging
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from rasa.core.brokers.broker import EventBroker
from rasa.core.tracker_store import TrackerStore
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import BotUttered, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.exceptions import InvalidConfigException
from sqlalchemy.exc import SQLAlchemyError

from bot.compaction import KEPT_TURNS, compacted
from bot.encryption import Keyring, UnknownKey, load_keyring
from bot.old_events import convert_events
from bot.tracker_table import TrackerTable, database_url
from bot.turn import ASKS_FOR_VERDICT, TOPICS, AlreadyAnswered, Context, current_context, current_turn, note_failure

logger = logging.getLogger(__name__)

# The conversation of this turn, if it was there when the turn began.
_known: ContextVar[str | None] = ContextVar("known_conversation", default=None)


def forget(conversation_id: str) -> None:
    """Delete all that Rasa keeps of one conversation."""
    table = TrackerTable(database_url())
    try:
        table.delete(conversation_id)
    finally:
        table.close()


class ConversationTrackerStore(TrackerStore):
    """Encrypted trackers; it forgets a turn that failed half-way and tells the channel what was understood.

    FailSafeTrackerStore, which Rasa puts around every store, turns an error into an empty conversation, and then the
    empty one would be saved over the real one. So a database that does not answer fails the turn.
    """

    def __init__(
        self,
        domain: Domain | None = None,
        event_broker: EventBroker | None = None,
        kept_turns: int = KEPT_TURNS,
        **kwargs: Any,
    ) -> None:
        if event_broker is not None:
            raise InvalidConfigException("Events are not passed on: they hold patients' words. Remove `event_broker`.")
        super().__init__(domain, **kwargs)
        self._kept_turns = kept_turns
        self._table = TrackerTable(database_url())
        self._keyring = _prepare(self._table)

    async def retrieve(self, sender_id: str) -> DialogueStateTracker | None:
        """Return the tracker, and keep what its next message may refer to."""
        try:
            token = await asyncio.to_thread(self._table.read, sender_id)
        except SQLAlchemyError as error:
            logger.error("tracker_not_read conversation=%s error=%s", sender_id, type(error).__name__)
            note_failure("tracker_store")
            raise
        _known.set(sender_id if token is not None else None)
        tracker = self._opened(sender_id, token) if token is not None else None
        context = Context.of(_messages(tracker))
        if tracker is not None and tracker.active_loop_name:
            # A form asks for something else, and what is said to it is its own to read.
            context = replace(context, offered=(), chosen=(), alternatives=())
        current_context.set(context)
        _stop_if_answered(tracker)
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
                turn.understood = _understood(message)
        if not tracker.events:
            return
        events = compacted(list(tracker.events), self.domain.slots, self._kept_turns)
        token = self._keyring.encrypt(json.dumps(events))
        # A conversation that was erased during its turn stays erased.
        is_new = _known.get() != tracker.sender_id
        try:
            await asyncio.to_thread(self._table.write, tracker.sender_id, token, is_new)
        except SQLAlchemyError as error:
            logger.error("tracker_not_saved conversation=%s error=%s", tracker.sender_id, type(error).__name__)
            if turn is None:
                raise
            turn.failures.append("tracker_store")
            return
        _known.set(tracker.sender_id)

    async def keys(self) -> Iterable[str]:
        """Return the ids of all conversations."""
        return await asyncio.to_thread(self._table.keys)

    def _opened(self, sender_id: str, token: str) -> DialogueStateTracker | None:
        """Return the tracker in a token, or None when it cannot be read: then the conversation begins anew."""
        try:
            events = json.loads(self._keyring.decrypt(token))
            tracker = DialogueStateTracker.from_dict(sender_id, events, self.domain.slots)
        except (UnknownKey, ValueError, KeyError, TypeError, AttributeError) as error:
            logger.warning("tracker_unreadable conversation=%s error=%s", sender_id, type(error).__name__)
            return None
        return tracker if tracker.events else None


def _prepare(table: TrackerTable) -> Keyring:
    """Make the table, move what an old one holds, and return the keys."""
    keyring = load_keyring(may_make=table.is_empty())
    with table.prepared() as connection:
        converted = convert_events(connection, keyring)
    if converted:
        logger.warning("conversations_encrypted count=%d", converted)
    table.wipe_free_space()
    return keyring


def _understood(message: UserUttered) -> dict[str, Any]:
    """Return what the channel says that a message was understood as."""
    parsed = message.parse_data or {}
    return {
        "intent": message.full_retrieval_intent_name or message.intent.get("name"),
        "confidence": message.intent.get("confidence"),
        "ranking": parsed.get("intent_ranking", [])[:3],
        "topics": parsed.get(TOPICS, []),
        "asks_for_verdict": bool(parsed.get(ASKS_FOR_VERDICT)),
    }


def _stop_if_answered(tracker: DialogueStateTracker | None) -> None:
    """Raise AlreadyAnswered if the conversation's latest message is the one of this turn."""
    turn = current_turn.get()
    message_id, events = (turn.message_id if turn else None), (tracker.events if tracker else ())
    if turn is None or message_id is None:
        return
    turn.message_id = None  # from here on the conversation holds it
    replies: list[BotUttered] = []
    for event in reversed(events):
        if isinstance(event, BotUttered):
            replies.insert(0, event)
        elif isinstance(event, UserUttered):
            if event.message_id == message_id and replies:
                said = [{"text": one.text, **one.data, **one.metadata} for one in replies]
                raise AlreadyAnswered(said, _understood(event))
            return


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
