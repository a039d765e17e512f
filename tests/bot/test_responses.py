"""Wording: the reviewed words, the clinic's facts in them, and nothing else."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rasa.core.agent import Agent
from rasa.core.utils import AvailableEndpoints
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import ActiveLoop, SlotSet, UserUttered
from rasa.shared.core.slots import TextSlot
from rasa.shared.core.trackers import DialogueStateTracker

from bot.responses import ClinicResponseGenerator, clinic_sentences
from bot.turn import Turn, current_turn
from tests.bot.conftest import PROJECT, Channel

PHONE = {"needs": ["phone"], "say": "Call {phone}."}
PRICE = {"needs": ["low", "high"], "say": "It costs {low} to {high}.", "otherwise": "Ask about the price."}
UNKNOWN = "I don't know."


@pytest.mark.parametrize(
    ("facts", "known", "said"),
    [
        ([PHONE], {"phone": "516-555-0100"}, "Call 516-555-0100."),
        ([PHONE], {}, UNKNOWN),
        ([PHONE], {"hours": "9 to 5"}, UNKNOWN),
        ([PRICE], {"low": "1", "high": "2"}, "It costs 1 to 2."),
        ([PRICE], {"low": "1"}, "Ask about the price."),
        ([PRICE, PHONE], {"phone": "516-555-0100"}, "Ask about the price. Call 516-555-0100."),
        ([PHONE, PRICE], {"phone": "p", "low": "1", "high": "2"}, "Call p. It costs 1 to 2."),
        ([], {"phone": "p"}, UNKNOWN),
        (None, {"phone": "p"}, UNKNOWN),
    ],
)
def test_facts_are_said_or_their_absence(facts: Any, known: "dict[str, str]", said: str) -> None:
    assert clinic_sentences({"facts": facts, "if_unknown": UNKNOWN}, known) == said


def test_without_facts_and_without_wording_for_that_nothing_is_said() -> None:
    assert clinic_sentences({}, {"phone": "p"}) == ""


# --------------------------------------------------------------------------- the generator

DOMAIN = Domain.from_dict(
    {
        "version": "3.1",
        "intents": ["session"],
        "responses": {
            "utter_plain": [{"text": "Just this."}],
            "utter_phone": [
                {"text": "Well. {clinic} Bye.", "metadata": {"facts": [PHONE], "if_unknown": UNKNOWN, "kind": "answer"}}
            ],
            "utter_direct": [{"text": "Our number is {clinic_phone}."}],
            "utter_channels": [{"text": "Long."}, {"text": "Short.", "channel": "sms"}],
            "utter_saved": [{"text": "Saved as {lead}, {full_name}."}],
            "utter_review": [{"text": "Check:\n{summary}\nRight?"}],
            "utter_default": [{"text": "Not sure."}],
            "utter_did_you_mean": [{"text": "Did you mean one of these?"}],
            "utter_cost/price": [
                {
                    "text": "Ask us.",
                    "buttons": [{"title": "Call me", "payload": "Call me"}],
                    "metadata": {
                        "title": "What it costs",
                        "related": ["session/duration", "session/untitled", "session/gone"],
                        "sources": ["seed article"],
                    },
                },
                {"text": "Call.", "channel": "sms", "metadata": {"sources": ["survey"]}},
            ],
            "utter_session/duration": [
                {
                    "text": "An hour. {clinic}",
                    "metadata": {
                        "title": "How long it takes",
                        "sources": ["survey", "seed article"],
                        "facts": [PHONE],
                        "related": ["cost/price"],
                    },
                }
            ],
            "utter_session/untitled": [{"text": "Untitled."}],
        },
    }
)


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "clinic.yml"
    path.write_text("phone: 516-555-0100\n")
    monkeypatch.setenv("CLINIC_PROFILE", str(path))
    return path


@pytest.fixture
def generator(profile: Path) -> ClinicResponseGenerator:
    return ClinicResponseGenerator(None, DOMAIN)


@pytest.fixture
def turn() -> Iterator[Turn]:
    turn = Turn()
    token = current_turn.set(turn)
    yield turn
    current_turn.reset(token)


def generate(
    generator: ClinicResponseGenerator,
    name: str,
    channel: str = "widget",
    full_name: "str | None" = None,
    understood: "dict[str, Any] | None" = None,
    form: "str | None" = None,
    **values: Any,
) -> "dict[str, Any] | None":
    tracker = DialogueStateTracker("c0ffee", [TextSlot("full_name", [])])
    if full_name:
        tracker.update(SlotSet("full_name", full_name))
    if form:
        tracker.update(ActiveLoop(form))
    if understood is not None:
        tracker.update(UserUttered("hm", {"name": "any"}, parse_data={"intent": {"name": "any"}, **understood}))
    return asyncio.run(generator.generate(name, tracker, channel, **values))


def text(generator: ClinicResponseGenerator, name: str, channel: str = "widget", **values: Any) -> str:
    response = generate(generator, name, channel, **values)
    assert response is not None
    return response["text"]


def test_plain_words_are_said_as_they_were_reviewed(generator: ClinicResponseGenerator) -> None:
    assert text(generator, "utter_plain") == "Just this."


def test_the_clinics_facts_are_filled_in_and_the_metadata_kept(generator: ClinicResponseGenerator) -> None:
    response = generate(generator, "utter_phone")
    assert response is not None
    assert response["text"] == "Well. Call 516-555-0100. Bye."
    assert response["metadata"]["kind"] == "answer"
    assert text(generator, "utter_direct") == "Our number is 516-555-0100."


def test_an_edit_of_the_profile_is_said_at_once_and_a_broken_one_never(
    generator: ClinicResponseGenerator, profile: Path
) -> None:
    for edit, (content, said) in enumerate(
        [
            ("phone: 516-555-0101", "Well. Call 516-555-0101. Bye."),
            ("phone: [", "Well. Call 516-555-0101. Bye."),
            ("phone:", f"Well. {UNKNOWN} Bye."),
            ("phone: 516-555-0102", "Well. Call 516-555-0102. Bye."),
        ]
    ):
        profile.write_text(content)
        os.utime(profile, (1_800_000_000 + edit, 1_800_000_000 + edit))
        assert text(generator, "utter_phone") == said


def test_each_channel_gets_its_wording(generator: ClinicResponseGenerator) -> None:
    assert text(generator, "utter_channels", "sms") == "Short."
    assert text(generator, "utter_channels", "widget") == "Long."
    assert text(generator, "utter_plain", "sms") == "Just this."


def test_slots_and_arguments_are_filled_in(generator: ClinicResponseGenerator) -> None:
    assert text(generator, "utter_saved", lead="KL-2345678", full_name="Ana") == "Saved as KL-2345678, Ana."


@pytest.mark.parametrize(
    "typed", ["{clinic}", "{clinic_phone}", "{full_name}", "{0}", "{{x}}", "{", "}", "{a.__class__}", "%s", "\\1"]
)
def test_what_a_visitor_typed_is_only_ever_text(generator: ClinicResponseGenerator, typed: str) -> None:
    assert text(generator, "utter_review", summary=f"Reason: {typed}") == f"Check:\nReason: {typed}\nRight?"


def test_saying_something_once_does_not_change_it(generator: ClinicResponseGenerator) -> None:
    assert text(generator, "utter_phone") == text(generator, "utter_phone")
    assert DOMAIN.responses["utter_phone"][0]["text"] == "Well. {clinic} Bye."


def test_a_wording_that_is_missing_fails_the_turn(generator: ClinicResponseGenerator, turn: Turn) -> None:
    assert generate(generator, "utter_plain") is not None
    assert turn.failures == []
    assert generate(generator, "utter_missing") is None
    assert turn.failures == ["utter_missing"]


def test_a_wording_that_cannot_be_built_fails_the_turn(profile: Path, turn: Turn) -> None:
    facts = [{"needs": [], "say": "It costs {price}."}]
    broken = Domain.from_dict(
        {"version": "3.1", "responses": {"utter_broken": [{"text": "{clinic}", "metadata": {"facts": facts}}]}}
    )
    with pytest.raises(KeyError):
        generate(ClinicResponseGenerator(None, broken), "utter_broken")
    assert turn.failures == ["utter_broken"]


# --------------------------------------------------------------------------- buttons that stand for a topic

PRICE_BUTTON = {"title": "What it costs", "payload": "What it costs", "topic": "cost/price"}
DURATION_BUTTON = {"title": "How long it takes", "payload": "How long it takes", "topic": "session/duration"}


def test_after_an_answer_the_related_topics_that_have_a_title_are_offered(generator: ClinicResponseGenerator) -> None:
    response = generate(generator, "utter_cost/price")
    assert response is not None
    assert response["buttons"] == [{"title": "Call me", "payload": "Call me"}, DURATION_BUTTON]
    # The domain's own buttons are as they were.
    assert generate(generator, "utter_cost/price") == response


@pytest.mark.parametrize(("channel", "form"), [("sms", None), ("widget", "appointment_form")])
def test_related_topics_are_not_offered_by_sms_nor_inside_a_form(
    generator: ClinicResponseGenerator, channel: str, form: "str | None"
) -> None:
    response = generate(generator, "utter_session/duration", channel, form=form)
    assert response is not None
    assert not response.get("buttons")


def test_did_you_mean_offers_the_topics_and_a_way_out(generator: ClinicResponseGenerator) -> None:
    offered = ["session/duration", "session/untitled", "cost/price"]
    response = generate(generator, "utter_default", understood={"offered": offered})
    assert response is not None
    assert response["text"] == "Did you mean one of these?"
    none_of_these = {"title": "None of these", "payload": "None of these"}
    assert response["buttons"] == [DURATION_BUTTON, PRICE_BUTTON, none_of_these]


@pytest.mark.parametrize("understood", [None, {}, {"offered": []}])
def test_where_nothing_is_offered_the_fallback_stays(
    generator: ClinicResponseGenerator, understood: "dict[str, Any] | None"
) -> None:
    assert text(generator, "utter_default", understood=understood) == "Not sure."


# --------------------------------------------------------------------------- several answers

BOTH = {"topics": ["session/duration", "cost/price"]}


def test_several_answers_are_one_message_with_the_sources_of_all(generator: ClinicResponseGenerator) -> None:
    response = generate(generator, "utter_several_questions", understood=BOTH)
    assert response == {
        "text": "An hour. Call 516-555-0100.\n\nAsk us.",
        "metadata": {"kind": "answer", "sources": ["survey", "seed article"], "topics": BOTH["topics"]},
    }


def test_several_answers_have_the_wording_of_the_channel(generator: ClinicResponseGenerator) -> None:
    assert text(generator, "utter_several_questions", "sms", understood=BOTH).endswith("\n\nCall.")


def test_several_answers_of_which_one_is_missing_fail_the_turn(generator: ClinicResponseGenerator, turn: Turn) -> None:
    missing = {"topics": ["session/duration", "session/gone"]}
    assert generate(generator, "utter_several_questions", understood=missing) is None
    assert turn.failures == ["utter_several_questions"]


# --------------------------------------------------------------------------- as Rasa uses it


def test_rasa_finds_the_generator_by_its_name(profile: Path, model: str) -> None:
    endpoints = AvailableEndpoints.read_endpoints(str(PROJECT / "endpoints.yml"))
    agent = Agent.load(model, generator=endpoints.nlg)
    assert isinstance(agent.processor.nlg, ClinicResponseGenerator)
    (reply,) = asyncio.run(agent.handle_text("how many minutes does an infusion take", sender_id="one"))
    assert reply["text"] == "About an hour. Call 516-555-0100."


def test_an_edited_profile_changes_the_next_answer(channel: Channel) -> None:
    def asked() -> str:
        reply = channel.say("how many minutes does an infusion take", "editing")
        assert reply.status_code == 200
        return reply.json()["messages"][0]["text"]

    before = channel.profile.read_text()
    assert asked() == "About an hour. Call 516-555-0100."
    try:
        channel.profile.write_text("phone: 516-555-0199\n")
        os.utime(channel.profile, (1_800_000_000, 1_800_000_000))
        assert asked() == "About an hour. Call 516-555-0199."
    finally:
        channel.profile.write_text(before)
        os.utime(channel.profile, (1_800_000_001, 1_800_000_001))
    assert asked() == "About an hour. Call 516-555-0100."
