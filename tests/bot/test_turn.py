"""What a message may refer to: read from what earlier messages of the conversation were understood as."""

from typing import Any

import pytest

from bot.turn import Context

COST, DURATION, WORK = "cost/price", "session/duration", "after/work"


def message(text: str, topics: "list[str]", ranking: "tuple[str, ...]" = (), **more: Any) -> "dict[str, Any]":
    """Return the parse data of a message, as Rasa keeps it."""
    ranked = [{"name": name, "confidence": 0.5} for name in (*topics, *ranking)]
    return {"text": text, "topics": topics, "intent_ranking": ranked, **more}


ASKED = message("how much", [COST], ("nlu_fallback", "greet", DURATION, WORK))
TALK = message("thanks", [], ("thanks", COST))


def test_at_the_beginning_there_is_nothing() -> None:
    assert Context.of([]) == Context()
    assert Context.of([{}]) == Context()


def test_the_question_that_was_answered_is_what_is_followed_up() -> None:
    context = Context.of([ASKED])
    assert (context.topic, context.text) == (COST, "how much")


def test_of_two_questions_the_last_is_followed_up() -> None:
    assert Context.of([message("how much and how long", [COST, DURATION])]).topic == DURATION


@pytest.mark.parametrize(("between", "topic"), [(0, COST), (1, COST), (2, COST), (3, None)])
def test_a_little_talk_does_not_end_a_subject(between: int, topic: "str | None") -> None:
    assert Context.of([*[TALK] * between, ASKED]).topic == topic


def test_what_was_offered_is_open_for_the_next_message_only() -> None:
    offer = message("how many", [], offered=[COST, DURATION])
    assert Context.of([offer]).offered == (COST, DURATION)
    assert Context.of([offer]).chosen == ()
    assert Context.of([TALK, offer]).offered == ()


def test_after_one_was_taken_the_others_are_still_open() -> None:
    taken = message("the first one", [COST], chosen_from=[COST, DURATION])
    context = Context.of([taken, message("how many", [], offered=[COST, DURATION])])
    assert (context.offered, context.chosen, context.topic) == ((COST, DURATION), (COST,), COST)


def test_an_answer_might_have_been_another() -> None:
    assert Context.of([ASKED]).alternatives == (DURATION, WORK)


@pytest.mark.parametrize(
    "latest",
    [
        TALK,
        message("that's not what i meant", [], ("not_what_i_meant", COST, DURATION), offered=[DURATION]),
        message("zxqv", [], ("nlu_fallback", COST, DURATION)),
        message("What it costs", [COST]),
    ],
)
def test_what_was_not_answered_or_was_chosen_has_no_other(latest: "dict[str, Any]") -> None:
    assert Context.of([latest, ASKED]).alternatives == ()
