"""A conversation that is remembered in short goes on exactly as one that is remembered in full."""

import asyncio
import json
import random
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet
from rasa.core.agent import Agent
from rasa.core.channels.channel import UserMessage
from rasa.core.tracker_store import TrackerStore
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import (
    ActionExecuted,
    ActionExecutionRejected,
    ActiveLoop,
    BotUttered,
    ConversationPaused,
    Event,
    SessionStarted,
    SlotSet,
    UserUtteranceReverted,
    UserUttered,
)
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.utils.endpoints import EndpointConfig

from bot.channel import FrontDeskOutput
from bot.compaction import KEPT_TURNS, compacted, slots_named_in
from bot.responses import ClinicResponseGenerator
from bot.tracker_store import ConversationTrackerStore
from bot.turn import Turn, WatchedActionEndpoint, current_turn
from tests.bot.conftest import FORM, Channel

# --------------------------------------------------------------------------- two assistants, one of which keeps all

# Saving ends a run of the form, as it does in the clinic's assistant.
CLEARED = {
    "events": [{"event": "slot", "name": name, "value": None} for name in ("reason", "wish")],
    "responses": [{"response": "utter_saved", "lead": "KL-2345678"}],
}
# The form takes any words but a question about the session, or a complaint: those interrupt it.
INTERRUPTIONS = ("how long does one infusion take", "what does it feel like", "that's not what i meant")
OTHERS = (
    "hello", "good morning", "how much does it cost", "does it help with ptsd", "and for me?", "the second one",
    "no, the other one", "both", "none of these", "how many", "fibro trauma", "expensive minutes", "zxqv plmk wrrt",
    "How long does one infusion take? And what does it feel like?",
)  # fmt: skip
BEGIN, SAVE = "book me a visit", "please save my request"
NEVER = 1_000


class Assistant:
    """The model with a tracker store of its own."""

    def __init__(self, channel: Channel, model: str, store: TrackerStore) -> None:
        self.channel = channel
        actions = WatchedActionEndpoint.watching(EndpointConfig(channel.agent.processor.action_endpoint.url))
        generator = ClinicResponseGenerator(EndpointConfig(), channel.agent.domain)
        self.agent = Agent.load(model, tracker_store=store, generator=generator, action_endpoint=actions)

    def turn(self, text: str, conversation: str) -> "tuple[list[dict[str, Any]], list[str]]":
        """Return the replies to a message, and what failed."""

        async def turn() -> "tuple[list[dict[str, Any]], list[str]]":
            now, output = Turn(), FrontDeskOutput("widget")
            current_turn.set(now)
            await self.agent.handle_message(UserMessage(text, output, conversation, input_channel="widget"))
            return output.messages, now.failures

        return asyncio.run_coroutine_threadsafe(turn(), self.channel.loop).result(30)

    def tracker(self, conversation: str) -> DialogueStateTracker:
        reading = self.agent.tracker_store.retrieve(conversation)
        return asyncio.run_coroutine_threadsafe(reading, self.channel.loop).result(30)


@pytest.fixture(scope="module")
def assistants(
    channel: Channel, model: str, tmp_path_factory: pytest.TempPathFactory
) -> "Iterator[tuple[Assistant, Assistant]]":
    """One that remembers in short, one that remembers everything."""
    folder = tmp_path_factory.mktemp("assistants")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLINIC_PROFILE", str(channel.profile))
        patch.setenv("ENCRYPTION_KEYS", Fernet.generate_key().decode())
        made = []
        for kept_turns in (KEPT_TURNS, NEVER):
            patch.setenv("TRACKER_DATABASE_URL", f"sqlite:///{folder / str(kept_turns)}.db")
            made.append(Assistant(channel, model, ConversationTrackerStore(kept_turns=kept_turns)))
        short, full = made
        yield short, full


def standing(tracker: DialogueStateTracker) -> "dict[str, Any]":
    """Return everything that what comes next may depend on, but the events."""
    return {
        "slots": tracker.current_slot_values(),
        "loop": tracker.active_loop_name,
        "rejected": tracker.is_active_loop_rejected,
        "paused": tracker.is_paused(),
        "latest": tracker.latest_action,
        "followup": tracker.followup_action,
    }


def go_on_alike(assistants: "tuple[Assistant, Assistant]", texts: "list[str]") -> "list[str]":
    """Say the same to both, compare after every turn, and return the names of all replies."""
    conversation, said = uuid.uuid4().hex, []
    for number, text in enumerate(texts):
        short, full = (assistant.turn(text, conversation) for assistant in assistants)
        assert short == full, f"turn {number}: {text}"
        trackers = [assistant.tracker(conversation) for assistant in assistants]
        assert standing(trackers[0]) == standing(trackers[1]), f"after turn {number}: {text}"
        said += [str(message["response"]) for message in short[0]]
    return said


def test_forty_turns_with_a_form_that_is_interrupted_go_the_same_way(
    channel: Channel, assistants: "tuple[Assistant, Assistant]"
) -> None:
    channel.actions.answers(200, CLEARED)
    # The form stays open for longer than what is kept, is answered, saved, begun again and left open.
    texts = ["hello", *OTHERS[2:6], BEGIN, *INTERRUPTIONS * 5, "i have ptsd", *INTERRUPTIONS, "the second one"]
    texts += [*OTHERS[3:9], BEGIN, *INTERRUPTIONS, "i have ptsd", *INTERRUPTIONS * 3]
    assert len(texts) > 40
    said = go_on_alike(assistants, texts)
    assert said.count("utter_saved") == 1
    assert said.count("utter_ask_reason") > KEPT_TURNS
    assert said[-1] == "utter_ask_wish"


@pytest.mark.parametrize("seed", range(8))
def test_any_conversation_goes_the_same_way(
    channel: Channel, assistants: "tuple[Assistant, Assistant]", seed: int
) -> None:
    chosen = random.Random(seed)
    channel.actions.answers(200, CLEARED)
    texts = [
        chosen.choice((BEGIN, SAVE, *INTERRUPTIONS, *INTERRUPTIONS, chosen.choice(OTHERS), chosen.choice(OTHERS)))
        for _ in range(30)
    ]
    go_on_alike(assistants, texts)


def test_an_action_that_declines_is_taken_back_in_both(
    channel: Channel, assistants: "tuple[Assistant, Assistant]"
) -> None:
    channel.actions.answers(400, {"error": "not now", "action_name": "action_save"})
    # Rasa's fallback undoes the whole turn, the events of which stay.
    said = go_on_alike(assistants, [*OTHERS[:4], *[SAVE, "hello"] * 8])
    assert said.count("utter_default") >= 8


def test_it_does_not_grow(channel: Channel, assistants: "tuple[Assistant, Assistant]") -> None:
    channel.actions.answers(200, CLEARED)
    conversation, sizes = uuid.uuid4().hex, []
    for text in ["hello", BEGIN, *INTERRUPTIONS * 8]:
        assistants[0].turn(text, conversation)
        sizes.append(len(assistants[0].tracker(conversation).events))
    assert sizes[-3:] == sizes[-6:-3] == sizes[-9:-6]


# --------------------------------------------------------------------------- the events themselves

DOMAIN = Domain.from_dict(
    {
        "version": "3.1",
        "intents": ["greet", "session"],
        "slots": {
            "reason": {"type": "text", "mappings": [{"type": "custom"}]},
            "preferred": {"type": "any", "mappings": [{"type": "custom"}]},
            "language": {"type": "text", "initial_value": "en", "mappings": [{"type": "custom"}]},
        },
        "forms": {FORM: {"required_slots": ["reason"]}},
    }
)
PREFERRED = {"text": "next week", "date": None}


def message(text: str) -> UserUttered:
    intent = {"name": "session", "confidence": 0.9}
    parsed = {
        "intent": intent,
        "entities": [],
        "text": text,
        "topics": ["session/duration"],
        "intent_ranking": [{"name": "session/duration", "confidence": 0.9}],
        "response_selector": {"all_retrieval_intents": ["session"]},
    }
    return UserUttered(text, intent, parse_data=parsed)


def turn(text: str, *events: Event) -> "list[Event]":
    said = BotUttered("An answer.", {"buttons": [{"title": "More"}]}, {"metadata": {"facts": ["long"]}})
    return [message(text), *events, ActionExecuted("utter_session"), said, ActionExecuted("action_listen")]


def beginning() -> "list[Event]":
    return [ActionExecuted("action_session_start"), SessionStarted(), ActionExecuted("action_listen")]


def again(events: "list[dict[str, Any]]") -> DialogueStateTracker:
    """Return the tracker that is read from a database."""
    return DialogueStateTracker.from_dict("c0ffee", json.loads(json.dumps(events)), DOMAIN.slots)


def texts_of(tracker: DialogueStateTracker) -> "list[str | None]":
    return [event.text for event in tracker.events if isinstance(event, UserUttered)]


def test_a_short_conversation_is_kept_whole() -> None:
    events = [*beginning(), *turn("one"), *turn("two")]
    assert [type(event) for event in again(compacted(events, DOMAIN.slots, 2)).events] == [type(e) for e in events]


def test_of_a_long_one_the_last_turns_are_kept() -> None:
    events = [*beginning(), *(event for number in range(20) for event in turn(str(number)))]
    assert texts_of(again(compacted(events, DOMAIN.slots))) == [str(number) for number in range(20 - KEPT_TURNS, 20)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], {}),
        ([SlotSet("reason", "low mood"), SlotSet("preferred", PREFERRED)], {}),
        ([SlotSet("reason", "low mood"), SlotSet("reason", None)], {"reason": None}),
        ([SlotSet("language", "es")], {"language": "es"}),
        ([SlotSet("language", None)], {"language": None}),
        ([ActionExecuted(FORM), ActiveLoop(FORM), SlotSet("requested_slot", "reason")], {"requested_slot": "reason"}),
        ([ActionExecuted(FORM), ActiveLoop(FORM), ActionExecutionRejected(FORM)], {}),
        ([ActionExecuted(FORM), ActiveLoop(FORM), ActiveLoop(None), SlotSet("requested_slot", None)], {}),
        ([ConversationPaused()], {}),
    ],
)
def test_how_things_stood_before_the_kept_turns_is_restored(before: "list[Event]", after: "dict[str, Any]") -> None:
    events = [*beginning(), *turn("one", *before), *turn("two"), *turn("three")]
    whole = DialogueStateTracker.from_events("c0ffee", events, DOMAIN.slots)
    short = again(compacted(events, DOMAIN.slots, 1))
    assert texts_of(short) == ["three"]
    assert standing(short) == standing(whole)
    assert {name: short.get_slot(name) for name in after} == after


def test_what_a_turn_did_that_was_taken_back_is_not_restored() -> None:
    undone = [message("one"), SlotSet("reason", "low mood"), UserUtteranceReverted(), ActionExecuted("action_listen")]
    short = again(compacted([*beginning(), *undone, *turn("two")], DOMAIN.slots, 1))
    assert short.get_slot("reason") is None


def test_doing_it_again_changes_nothing() -> None:
    events = [*beginning(), *turn("one", SlotSet("reason", "low mood")), *turn("two"), *turn("three")]
    once = compacted(events, DOMAIN.slots, 2)
    assert compacted(list(again(once).events), DOMAIN.slots, 2) == once


def test_only_the_latest_message_keeps_what_else_it_might_have_meant() -> None:
    *older, latest = (
        event["parse_data"]
        for event in compacted([*beginning(), *turn("one"), *turn("two")], DOMAIN.slots)
        if event["event"] == "user"
    )
    assert latest["intent_ranking"]
    assert [sorted(parsed) for parsed in older] == [["entities", "intent", "message_id", "metadata", "text", "topics"]]


def test_without_a_domain_the_slots_are_those_that_were_set() -> None:
    events = [*beginning(), *turn("one", SlotSet("reason", "low mood"), SlotSet("preferred", PREFERRED)), *turn("two")]
    short = again(compacted(events, slots_named_in(events), 1))
    assert (short.get_slot("reason"), short.get_slot("preferred")) == ("low mood", PREFERRED)


def test_before_anybody_spoke_there_is_nothing_to_shorten() -> None:
    assert compacted([], DOMAIN.slots) == []
    assert len(compacted(beginning(), DOMAIN.slots)) == 3
