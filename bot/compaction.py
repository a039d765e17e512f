"""What Rasa remembers of a conversation: its last turns, and how things stood before them.

Rasa replays all events of a conversation for each message. Rules look back to the visitor's latest message, a form to
when it last asked, `Context` three messages: all of that is within the last turns. What came before is replaced by the
few events that lead to the same state, so that the two-hundredth message costs what the tenth does.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rasa.nlu.constants import RESPONSE_SELECTOR_PROPERTY_NAME
from rasa.shared.core.constants import ACTION_LISTEN_NAME, ACTION_SESSION_START_NAME
from rasa.shared.core.events import (
    ActionExecuted,
    ActionExecutionRejected,
    ActiveLoop,
    BotUttered,
    ConversationPaused,
    Event,
    SessionStarted,
    SlotSet,
    UserUttered,
)
from rasa.shared.core.slots import AnySlot, Slot
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.nlu.constants import INTENT_RANKING_KEY

KEPT_TURNS = 5
# Of a message's parse data, what only its own turn and the next one use.
_SHORT_LIVED = (INTENT_RANKING_KEY, RESPONSE_SELECTOR_PROPERTY_NAME)


def compacted(events: Sequence[Event], slots: Iterable[Slot], kept_turns: int = KEPT_TURNS) -> list[dict[str, Any]]:
    """Return the events to keep of a conversation, as dictionaries for JSON.

    Args:
        events: all of them, the oldest first; between two turns.
        slots: those of the domain; they are not changed.
        kept_turns: how many turns stay as they were; a turn begins with the visitor's message.
    """
    turns = [index for index, event in enumerate(events) if isinstance(event, UserUttered)]
    if not turns:
        return [event.as_dict() for event in events]
    first, latest = (turns[-kept_turns] if len(turns) > kept_turns else 0), turns[-1]
    prefix: Iterable[Event] = ()
    if first:
        before = DialogueStateTracker.from_events("", list(events[:first]), slots)
        prefix = _leading_to(before, events[first].timestamp)
    return [
        *(event.as_dict() for event in prefix),
        *(_trimmed(event) for event in events[first:latest]),
        *(event.as_dict() for event in events[latest:]),
    ]


def slots_named_in(events: Iterable[Event]) -> list[Slot]:
    """Return a slot for each name that is set in `events`, for when there is no domain yet."""
    names = {event.key for event in events if isinstance(event, SlotSet)}
    return [AnySlot(name, mappings=[]) for name in sorted(names)]


def _leading_to(tracker: DialogueStateTracker, at: float | None) -> Iterator[Event]:
    """Yield events after which things stand as in `tracker`, which waits for a message.

    Their order is that in which a form leaves them. Rasa looks for a form's latest run when it replays the next one,
    so an active form has one.
    """
    yield ActionExecuted(ACTION_SESSION_START_NAME, timestamp=at)
    yield SessionStarted(timestamp=at)
    form = tracker.active_loop_name
    if form:
        yield ActionExecuted(form, timestamp=at)
        yield ActiveLoop(form, timestamp=at)
    for slot in tracker.slots.values():
        if slot.value != slot.initial_value:
            yield SlotSet(slot.name, slot.value, timestamp=at)
    if form and tracker.is_active_loop_rejected:
        yield ActionExecutionRejected(form, timestamp=at)
    if tracker.is_paused():
        yield ConversationPaused(timestamp=at)
    yield ActionExecuted(ACTION_LISTEN_NAME, timestamp=at)


def _trimmed(event: Event) -> dict[str, Any]:
    """Return an event of a turn that is over, without what nothing looks at any more."""
    content = event.as_dict()
    if isinstance(event, UserUttered):
        parsed = content.get("parse_data") or {}
        content["parse_data"] = {key: value for key, value in parsed.items() if key not in _SHORT_LIVED}
    elif isinstance(event, BotUttered):
        content["data"], content["metadata"] = {}, {}
    return content
