"""What a visitor gets who does not ask one clear question: offers, several answers, follow-ups, honest refusals."""

from typing import Any

import pytest

from tests.conftest import Server, Visitor

STORY = (
    "My brother and I grew up on a farm upstate and he always took care of the animals. After our parents passed he "
    "moved to Queens and drove a bus for twenty years. Then he retired, and his knees got bad, and he stayed in. "
) * 6 + "He was told about your infusions. How many of them would he need to come in for?"


def offered(message: dict[str, Any]) -> list[str]:
    assert message["kind"] == "fallback"
    return [button["title"] for button in message["buttons"]]


def unclear(visitor: Visitor) -> dict[str, Any]:
    """Say something that is answered with "did you mean"."""
    for text in (
        "the thing with the doctor",
        "question about the arm",
        "what about my sister and the chair",
        "money and time",
    ):
        (message,) = visitor.say(text)
        if message["kind"] == "fallback" and "None of these" in [button["title"] for button in message["buttons"]]:
            return message
    pytest.fail("nothing was unclear enough to be asked back")


# --------------------------------------------------------------------------- did you mean


def test_an_unclear_message_offers_topics_and_a_button_answers_one(visitor: Visitor) -> None:
    message = unclear(visitor)
    titles = offered(message)
    assert titles[-1] == "None of these"
    assert 1 <= len(titles) - 1 <= 3
    (answer,) = visitor.press(message, titles[0])
    assert answer["kind"] == "answer"
    assert len(answer["topics"]) == 1


def test_a_choice_can_be_said_in_words(visitor: Visitor) -> None:
    message = unclear(visitor)
    titles = offered(message)
    (first,) = visitor.say("the first one please")
    assert first["kind"] == "answer"
    if len(titles) == 3:  # two topics: "the other" is clear now
        (other,) = visitor.say("no, the other one")
        assert other["kind"] == "answer"
        assert other["topics"] != first["topics"]


def test_none_of_these_gets_another_way_on(visitor: Visitor) -> None:
    message = unclear(visitor)
    (reply,) = visitor.press(message, "None of these")
    assert reply["kind"] == "fallback"
    assert "other words" in reply["text"]
    assert "topics" not in reply
    # What was offered is forgotten: a number is no choice any more.
    (later,) = visitor.say("the second one")
    assert later["kind"] != "answer"


def test_saying_that_it_was_not_meant_offers_what_else_it_might_have_been(visitor: Visitor) -> None:
    (answer,) = visitor.say("what does the first infusion feel like")
    (message,) = visitor.say("no, that's not what I asked")
    assert message["kind"] == "fallback"
    offered_titles = offered(message)
    if "None of these" in offered_titles:
        (other,) = visitor.press(message, offered_titles[0])
        assert other["topics"] != answer["topics"]


# --------------------------------------------------------------------------- several questions, follow-ups


@pytest.mark.parametrize(
    ("text", "topics"),
    [
        ("How long does one infusion take, and who drives me home?", ["session/duration", "after/driving_home"]),
        ("whats the price n do u take insurance", ["cost/price", "cost/insurance"]),
        ("Is it addictive? Also, where do I park?", ["safety/addiction", "logistics/parking_access"]),
    ],
)
def test_two_questions_in_one_message_get_both_answers(visitor: Visitor, text: str, topics: list[str]) -> None:
    (answer,) = visitor.say(text)
    assert answer["kind"] == "answer"
    assert answer["topics"] == topics
    assert answer["sources"]


@pytest.mark.parametrize(
    "text",
    [
        "Will I be awake during the infusion, or do they put me to sleep?",
        "I've been on Zoloft and Wellbutrin for years and nothing changed. How is ketamine different from those?",
    ],
)
def test_one_question_with_an_and_or_an_or_gets_one_answer(visitor: Visitor, text: str) -> None:
    answer = visitor.say(text)[0]  # what only the care team can say may follow
    assert len(answer["topics"]) == 1


def test_a_follow_up_is_understood_with_the_question_before_it(visitor: Visitor) -> None:
    visitor.say("Does ketamine help with PTSD?")
    (answer,) = visitor.say("and for fibromyalgia?")
    assert answer["topics"] == ["conditions/fibromyalgia"]


def test_a_complete_question_after_another_is_not_bent_to_it(visitor: Visitor) -> None:
    visitor.say("Does ketamine help with PTSD?")
    (answer,) = visitor.say("where is your office")
    assert answer["topics"] == ["logistics/address"]


# --------------------------------------------------------------------------- related topics


def test_an_answer_suggests_two_more_and_a_press_answers_them(visitor: Visitor) -> None:
    (answer,) = visitor.say("how long does an infusion take")
    assert len(answer["buttons"]) == 2
    assert all(set(button) == {"title", "payload"} for button in answer["buttons"])
    (related,) = visitor.press(answer, answer["buttons"][0]["title"])
    assert related["kind"] == "answer"
    assert related["topics"] != answer["topics"]


def test_no_suggestion_comes_between_a_form_and_its_question(visitor: Visitor) -> None:
    visitor.say("I'd like to request an appointment")
    messages = visitor.say("how long does an infusion take")
    assert [message["kind"] for message in messages] == ["answer", "question"]
    assert messages[0]["buttons"] == []


# --------------------------------------------------------------------------- messages that are hardly questions


@pytest.mark.parametrize(
    "text",
    ["🤷‍♀️🤷‍♀️🤷‍♀️", "?", "asdf jkl qwpoeiruty", "zzzzzz", "1234567890", "the the the the", "🙏", "....", "<b>hm</b>"],
)
def test_nonsense_gets_a_way_on_and_no_answer(visitor: Visitor, text: str) -> None:
    (message,) = visitor.say(text)
    assert message["kind"] in ("fallback", "say")
    assert not message.get("topics")


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("HOW LONG DOES IT TAKE", "session/duration"),
        ("howlongdoesittake", "session/duration"),
        ("ketmaine pirce", "cost/price"),
        ("parking", "logistics/parking_access"),
        (STORY, "results/how_many_sessions"),
        ("  how   long\n\n does it\ttake ", "session/duration"),
    ],
    ids=["capitals", "no spaces", "misspelled", "one word", "a story of 300 words", "spaces"],
)
def test_however_it_is_written(visitor: Visitor, text: str, topic: str) -> None:
    answer = visitor.say(text)[0]
    assert answer.get("topics") == [topic]


def test_the_same_question_three_times_gets_the_same_answer(visitor: Visitor) -> None:
    answers = [visitor.say("does it hurt when the iv goes in")[0]["text"] for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]


def test_spanish_gets_a_spanish_line(visitor: Visitor) -> None:
    (message,) = visitor.say("hola, cuánto cuesta la infusión de ketamina y dónde están ubicados?")
    assert "solo entiendo inglés" in message["text"]
    assert "988" in message["text"]
    assert not message.get("topics")


@pytest.mark.parametrize(
    "text",
    [
        "what is the right dose of gabapentin for shingles",
        "are you hiring nurses right now",
        "can you refill my adderall prescription",
        "my cat is on ketamine after surgery, is that normal",
        "I was billed twice for the same visit",
        "what is the capital of Australia",
    ],
)
def test_what_is_near_or_far_but_not_its_subject_is_declined(visitor: Visitor, text: str) -> None:
    (message,) = visitor.say(text)
    assert message["kind"] in ("fallback", "say")
    assert not message.get("topics")


def test_small_talk_is_answered_as_such(visitor: Visitor) -> None:
    assert "automated" in visitor.say("how are you doing today")[0]["text"]
    assert visitor.say("tell me a joke")[0]["kind"] == "say"
    assert visitor.say("who made you")[0]["kind"] == "say"
    assert visitor.say("are you a real person")[0]["topics"] == ["bot/are_you_human"]


def test_a_wish_for_a_person_is_answered_with_how_to_reach_one(visitor: Visitor) -> None:
    (answer,) = visitor.say("let me talk to a human being")
    assert answer["topics"] == ["logistics/phone_contact"]


def test_everything_the_assistant_understood_is_on_record_without_words(server: Server, visitor: Visitor) -> None:
    visitor.say("How long does one infusion take, and who drives me home?")
    assert "infusion take" not in server.log.read_text()
