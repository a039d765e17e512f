"""Several messages of one conversation through the channel: asking back, choosing, following up, two questions."""

import uuid
from typing import Any

import pytest
import requests

from tests.bot.conftest import SAVED, SECRET, Channel

DURATION, FEELINGS, PRICE = "session/duration", "session/feelings", "cost/price"
TEXTS = {
    DURATION: "About an hour. Call 516-555-0100.",
    FEELINGS: "It differs.",
    PRICE: "Ask us.",
    "conditions/ptsd": "It is studied for PTSD.",
    "conditions/fibromyalgia": "It is used for it.",
}
NONE_OF_THESE = {"title": "None of these", "payload": "None of these"}
# Which of them are near two topics and sure of neither depends on the model.
VAGUE = (
    "how many", "does insurance pay", "is it long or dear", "how high", "price or pain", "minutes dollars",
    "fibro trauma", "how much feeling", "the chair or the price", "an hour of what", "pay for an hour",
    "seeing a price", "how many dollars an hour", "is it worth an hour", "expensive minutes",
    "long or money", "is it chair or long", "is it long or chair", "is it awake or float", "hour money",
)  # fmt: skip


class Conversation:
    """One visitor's side."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.id = uuid.uuid4().hex

    def say(self, text: str, by: str = "widget", **more: Any) -> "dict[str, Any]":
        reply = self.channel.say(text, self.id, by, **more)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def reply(self, text: str, by: str = "widget", **more: Any) -> "dict[str, Any]":
        """Return the only message that answers."""
        (message,) = self.say(text, by, **more)["messages"]
        return message


def topics(message: "dict[str, Any]") -> "list[str]":
    """Return the topics that a message's buttons stand for."""
    return [button["topic"] for button in message["buttons"] if "topic" in button]


@pytest.fixture
def conversation(channel: Channel) -> Conversation:
    channel.actions.answers(200, SAVED)
    return Conversation(channel)


@pytest.fixture(scope="module")
def vague(channel: Channel) -> str:
    """A message that is near to at least two topics and sure of none."""
    for text in VAGUE:
        (message,) = Conversation(channel).say(text)["messages"]
        if message["response"] == "utter_default" and len(topics(message)) >= 2:
            return text
    pytest.fail("None of these messages is asked back with two topics to choose from; put one that is in VAGUE.")


# --------------------------------------------------------------------------- "did you mean"


def test_an_unclear_message_is_asked_back_with_topics_to_choose_from(conversation: Conversation, vague: str) -> None:
    reply = conversation.say(vague)
    (message,) = reply["messages"]
    assert message["text"] == "Did you mean one of these?"
    assert message["metadata"] == {"kind": "fallback"}
    *offered, last = message["buttons"]
    assert last == NONE_OF_THESE
    assert len(offered) in (2, 3)
    for button in offered:
        assert button["topic"] in TEXTS
        assert button["title"] == button["payload"]
    assert reply["understood"]["topics"] == []


def test_a_message_that_is_near_nothing_is_not_guessed_at(conversation: Conversation) -> None:
    message = conversation.reply("zxqv plmk wrrt")
    assert (message["text"], message["buttons"]) == ("Not sure.", [])


@pytest.mark.parametrize(("said", "place"), [("the second one", 1), ("2", 1), ("no, the first", 0), ("last one", -1)])
def test_a_topic_can_be_chosen_in_words(conversation: Conversation, vague: str, said: str, place: int) -> None:
    offered = topics(conversation.reply(vague))
    reply = conversation.say(said)
    assert reply["messages"][0]["text"] == TEXTS[offered[place]]
    assert reply["understood"]["topics"] == [offered[place]]
    assert reply["understood"]["intent"] == offered[place]


def test_choosing_works_by_sms_too(conversation: Conversation, vague: str) -> None:
    offered = topics(conversation.reply(vague, "sms"))
    assert len(offered) >= 2
    chosen = conversation.say("2", "sms")
    assert chosen["understood"]["topics"] == [offered[1]]
    assert chosen["messages"][0]["buttons"] == []


def test_all_that_was_offered_can_be_had(conversation: Conversation, vague: str) -> None:
    offered = topics(conversation.reply(vague))
    message = conversation.reply("both")
    assert message["text"] == "\n\n".join(TEXTS[topic] for topic in offered)
    assert message["metadata"]["topics"] == offered


def test_after_one_the_other_one_can_be_had(conversation: Conversation, vague: str) -> None:
    offered = topics(conversation.reply(vague))
    conversation.say("the first one")
    message = conversation.reply("no, the other one")
    if len(offered) == 2:
        assert message["text"] == TEXTS[offered[1]]
    else:
        assert topics(message) == offered[1:]


@pytest.mark.parametrize("said", ["None of these", "neither of them"])
def test_nothing_that_was_offered_need_be_taken(conversation: Conversation, vague: str, said: str) -> None:
    conversation.say(vague)
    assert conversation.reply(said)["text"] == "Then tell me in other words."


def test_a_question_instead_of_a_choice_is_answered(conversation: Conversation, vague: str) -> None:
    conversation.say(vague)
    assert conversation.say("will i see strange things")["understood"]["topics"] == [FEELINGS]


def test_what_was_offered_does_not_stay_open(conversation: Conversation, vague: str) -> None:
    conversation.say(vague)
    conversation.say("hello there")
    assert conversation.say("the second one")["understood"]["confidence"] < 1


def test_what_was_offered_to_one_visitor_is_not_open_to_another(
    channel: Channel, conversation: Conversation, vague: str
) -> None:
    with requests.Session() as connection:  # one connection, as the front desk keeps it

        def say(text: str, who: str) -> "dict[str, Any]":
            reply = connection.post(
                f"{channel.url}/message",
                json={"conversation": who, "channel": "widget", "text": text},
                headers={"Authorization": f"Bearer {SECRET}"},
                timeout=30,
            )
            return reply.json()

        offered = topics(say(vague, conversation.id)["messages"][0])
        assert say("the second one", uuid.uuid4().hex)["understood"]["topics"] == []
        assert say("the second one", conversation.id)["understood"]["topics"] == [offered[1]]


def test_what_was_offered_is_still_open_after_a_turn_that_failed(
    channel: Channel, conversation: Conversation, vague: str
) -> None:
    offered = topics(conversation.reply(vague))
    channel.actions.answers(500, {"error": "gone"})
    assert channel.say("please save my request", conversation.id).status_code == 502
    assert conversation.say("the second one")["understood"]["topics"] == [offered[1]]


# --------------------------------------------------------------------------- buttons


@pytest.mark.parametrize("words", ["What it costs", "what does it feel like", "the second one", "😀"])
def test_a_button_is_answered_as_its_topic(conversation: Conversation, words: str) -> None:
    reply = conversation.say(words, topic=PRICE)
    assert reply["messages"][0]["text"] == TEXTS[PRICE]
    understood = reply["understood"]
    assert (understood["intent"], understood["topics"], understood["confidence"]) == (PRICE, [PRICE], 1.0)


def test_a_button_of_an_offer_is_answered_as_its_topic(conversation: Conversation, vague: str) -> None:
    for button in conversation.reply(vague)["buttons"][:-1]:
        assert conversation.reply(button["payload"], topic=button["topic"])["text"] == TEXTS[button["topic"]]


@pytest.mark.parametrize(
    "topic", ["cost/gone", "cost", "", " ", None, 7, [PRICE], {"name": PRICE}, "saved", "default", "unworded", "../x"]
)
def test_a_topic_that_is_none_leaves_the_words(conversation: Conversation, topic: object) -> None:
    reply = conversation.say("what does it feel like", topic=topic)
    assert reply["messages"][0]["text"] == TEXTS[FEELINGS]
    assert reply["understood"]["topics"] == [FEELINGS]


def test_related_topics_are_offered_on_the_widget_and_not_by_sms(conversation: Conversation) -> None:
    message = conversation.reply("how long does one infusion take")
    assert topics(message) == [FEELINGS, PRICE]
    assert [button["title"] for button in message["buttons"]] == ["How it feels", "What it costs"]
    by_sms = conversation.reply("how long does one infusion take", "sms")
    assert (by_sms["text"], by_sms["buttons"]) == ("1 hr", [])
    assert conversation.reply("how much does it cost", "sms")["buttons"] == []


# --------------------------------------------------------------------------- two questions in one message


def test_two_questions_get_one_message_with_both_answers(conversation: Conversation) -> None:
    reply = conversation.say("How long does one infusion take? And what does it feel like?")
    (message,) = reply["messages"]
    assert message["text"] == f"{TEXTS[DURATION]}\n\n{TEXTS[FEELINGS]}"
    assert message["response"] == "utter_several_questions"
    assert message["metadata"] == {
        "kind": "answer",
        "sources": ["seed article", "survey"],
        "topics": [DURATION, FEELINGS],
    }
    assert message["buttons"] == []
    assert reply["understood"]["topics"] == [DURATION, FEELINGS]


def test_two_questions_of_two_groups_are_both_answered(conversation: Conversation) -> None:
    reply = conversation.say("how much does it cost and what does it feel like?")
    assert reply["understood"]["topics"] == [PRICE, FEELINGS]


def test_two_questions_by_sms_have_its_wording(conversation: Conversation) -> None:
    message = conversation.reply("How long does one infusion take? And how much does it cost?", "sms")
    assert message["text"] == f"1 hr\n\n{TEXTS[PRICE]}"


# --------------------------------------------------------------------------- following up


@pytest.mark.parametrize("topic", ["ptsd", "fibromyalgia"])
def test_a_follow_up_is_read_with_the_question_before_it(conversation: Conversation, topic: str) -> None:
    conversation.say(f"does it help with {topic}")
    assert conversation.say("and for me?")["understood"]["topics"] == [f"conditions/{topic}"]


def test_without_a_question_before_it_the_same_words_mean_no_topic(conversation: Conversation) -> None:
    assert conversation.say("and for me?")["understood"]["topics"] == []


def test_a_follow_up_may_come_after_a_choice(conversation: Conversation, vague: str) -> None:
    conversation.say("Fibromyalgia", topic="conditions/fibromyalgia")
    assert conversation.say("and for me?")["understood"]["topics"] == ["conditions/fibromyalgia"]


def test_a_new_question_is_answered_whatever_came_before(conversation: Conversation) -> None:
    conversation.say("does it help with ptsd")
    assert conversation.say("how much does it cost")["understood"]["topics"] == [PRICE]


def test_a_forgotten_question_is_not_followed_up(channel: Channel, conversation: Conversation) -> None:
    conversation.say("does it help with ptsd")
    assert channel.forget(conversation.id) == 204
    assert conversation.say("and for me?")["understood"]["topics"] == []


# --------------------------------------------------------------------------- "that's not what I meant"


def test_what_was_not_meant_is_followed_by_what_else_it_might_have_been(conversation: Conversation) -> None:
    conversation.say("how long does one infusion take")
    message = conversation.reply("that's not what i meant")
    assert message["text"] == "Did you mean one of these?"
    alternatives = topics(message)
    assert alternatives
    assert DURATION not in alternatives
    assert message["buttons"][-1] == NONE_OF_THESE
    assert conversation.say("the first one")["understood"]["topics"] == alternatives[:1]


def test_who_is_misunderstood_twice_is_not_led_in_a_circle(conversation: Conversation) -> None:
    conversation.say("how long does one infusion take")
    conversation.say("that's not what i meant")
    assert conversation.reply("that's not what i meant")["text"] == "Sorry, I got that wrong."


@pytest.mark.parametrize("before", [[], ["hello"]])
def test_where_nothing_was_answered_nothing_else_is_offered(conversation: Conversation, before: "list[str]") -> None:
    for text in before:
        conversation.say(text)
    message = conversation.reply("that's not what i meant")
    assert (message["text"], message["buttons"]) == ("Sorry, I got that wrong.", [])


# --------------------------------------------------------------------------- inside a form


def test_a_question_inside_a_form_is_answered_without_buttons_and_the_form_goes_on(conversation: Conversation) -> None:
    assert conversation.reply("book me a visit")["text"] == "What brings you here?"
    answer, again = conversation.say("how long does one infusion take")["messages"]
    assert (answer["text"], answer["buttons"]) == (TEXTS[DURATION], [])
    assert again["text"] == "What brings you here?"


def test_a_button_inside_a_form_is_answered_as_its_topic(conversation: Conversation) -> None:
    conversation.say("book me a visit")
    answer, _again = conversation.say("How it feels", topic=FEELINGS)["messages"]
    assert answer["text"] == TEXTS[FEELINGS]


def test_inside_a_form_a_miss_offers_nothing(conversation: Conversation) -> None:
    conversation.say("book me a visit")
    conversation.say("how long does one infusion take")
    sorry, again = conversation.say("that's not what i meant")["messages"]
    assert (sorry["text"], again["text"]) == ("Sorry, I got that wrong.", "What brings you here?")


def test_what_is_said_to_a_form_chooses_nothing(channel: Channel, conversation: Conversation, vague: str) -> None:
    conversation.say("book me a visit")
    assert conversation.reply(vague)["text"] == "Which visit would you like?"
    assert conversation.reply("the second one")["text"] == "Saved as KL-2345678."
    slots = channel.actions.calls[-1]["tracker"]["slots"]
    assert (slots["reason"], slots["wish"]) == (vague, "the second one")
