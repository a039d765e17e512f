"""The only way into Rasa: who may use it, what it takes, what it answers, and what it does when a turn fails."""

import uuid

import pytest
import requests
from rasa.core.agent import Agent
from rasa.shared.exceptions import InvalidConfigException

from bot.channel import SHORTEST_SECRET, FrontDeskInput, as_plain_text
from tests.bot.conftest import SAVED, SECRET, Channel

VISITOR = "Please save my request, I am Maria de la Cruz"


@pytest.fixture
def conversation(channel: Channel) -> str:
    channel.actions.answers(200, SAVED)
    return uuid.uuid4().hex


# --------------------------------------------------------------------------- text stays text


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("how long is it", "how long is it"),
        ("/zebra_command", "zebra_command"),
        ('/zebra_command{"full_name": "x"}', "?"),
        ("///zebra_command", "zebra_command"),
        (" \t\n/ / zebra_command", "zebra_command"),
        ("\u00a0\u2003\u3000/zebra_command", "zebra_command"),
        ("\x1c\x1f\x85/zebra_command", "zebra_command"),
        ("and/or", "and/or"),
        ("/", "?"),
        (" / ", "?"),
    ],
)
def test_a_leading_slash_is_only_a_character(typed: str, words: str) -> None:
    assert as_plain_text(typed) == words


@pytest.mark.parametrize("before", ["", " ", "\n", "\u200b", "\ufeff", "\u202e", "\u00a0", "\x1c", "\u200b /"])
@pytest.mark.parametrize(
    "command", ["/zebra_command", '/zebra_command{"full_name": "x"}', "/session_start", "/restart", "/back"]
)
def test_no_text_is_executed(channel: Channel, conversation: str, before: str, command: str) -> None:
    assert channel.say("hello", conversation).status_code == 200
    reply = channel.say(before + command, conversation)
    assert reply.status_code == 200
    assert "A command was executed." not in reply.text
    assert len(channel.remembered(conversation)) == 2  # neither restarted nor taken back


# --------------------------------------------------------------------------- who may use it


@pytest.mark.parametrize("secret", ["", "x" * (SHORTEST_SECRET - 1)])
def test_it_does_not_start_without_a_good_secret(secret: str) -> None:
    with pytest.raises(InvalidConfigException, match="RASA_SECRET"):
        FrontDeskInput.from_credentials({"secret": secret})


@pytest.mark.parametrize("credentials", [None, {}, {"secret": None}])
def test_it_does_not_start_without_credentials(credentials: "dict[str, None] | None") -> None:
    with pytest.raises(InvalidConfigException, match="RASA_SECRET"):
        FrontDeskInput.from_credentials(credentials)


@pytest.mark.parametrize(
    "header",
    [None, "", SECRET, "Bearer ", f"Bearer {SECRET}x", f"Bearer {SECRET[:-1]}", f"bearer {SECRET}", "Bearer ñ"],
)
def test_without_the_shared_secret_nothing_is_said(channel: Channel, conversation: str, header: "str | None") -> None:
    headers = {} if header is None else {"Authorization": header.encode()}
    refused = channel.post(headers, json={"conversation": conversation, "channel": "widget", "text": "hello"})
    assert refused.status_code == 401
    assert channel.remembered(conversation) == []
    assert channel.say("hello", conversation).status_code == 200


# --------------------------------------------------------------------------- what it takes


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"hello",
        b"[]",
        b'"hello"',
        b"null",
        b'{"conversation": "c", "channel": "widget"}',
        b'{"conversation": "c", "text": "hello"}',
        b'{"channel": "widget", "text": "hello"}',
        b'{"conversation": "c", "channel": "rest", "text": "hello"}',
        b'{"conversation": "c", "channel": ["widget"], "text": "hello"}',
        b'{"conversation": "", "channel": "widget", "text": "hello"}',
        b'{"conversation": 7, "channel": "widget", "text": "hello"}',
        b'{"conversation": "c", "channel": "widget", "text": " \\n"}',
        b'{"conversation": "c", "channel": "widget", "text": null}',
        b'{"conversation": "c", "channel": "widget", "text": "hello", "id": 7}',
        b'{"conversation": "c", "channel": "widget", "text": {"intent": "zebra_command"}}',
    ],
)
def test_a_request_that_is_no_message_is_refused(channel: Channel, body: bytes) -> None:
    refused = channel.post(data=body)
    assert refused.status_code == 400
    assert "conversation" in refused.json()["error"]


# --------------------------------------------------------------------------- what it answers


def test_an_answer_comes_with_all_it_says_about_itself(channel: Channel, conversation: str) -> None:
    reply = channel.say("how many minutes does an infusion take", conversation).json()
    (message,) = reply["messages"]
    assert message["text"] == "About an hour. Call 516-555-0100."
    assert message["response"] == "utter_session/duration"
    assert message["metadata"]["sources"] == ["seed article"]
    assert message["buttons"] == [
        {"title": "How it feels", "payload": "How it feels", "topic": "session/feelings"},
        {"title": "What it costs", "payload": "What it costs", "topic": "cost/price"},
    ]
    assert reply["understood"]["intent"] == "session/duration"
    assert reply["understood"]["topics"] == ["session/duration"]
    assert 0.5 <= reply["understood"]["confidence"] <= 1
    ranking = reply["understood"]["ranking"]
    assert (ranking[0]["name"], len(ranking)) == ("session/duration", 3)


def test_buttons_are_passed_on(channel: Channel, conversation: str) -> None:
    (message,) = channel.say("hello", conversation).json()["messages"]
    assert message["buttons"] == [{"title": "How long?", "payload": "How long does it take?"}]


@pytest.mark.parametrize("text", ["how many minutes does an infusion take", "hello", "qwertz uiop"])
def test_the_latest_message_again_gets_its_reply_again(channel: Channel, conversation: str, text: str) -> None:
    first = channel.say(text, conversation, id="m-1").json()
    again = channel.say(text, conversation, id="m-1")
    assert again.status_code == 200
    assert again.json() == first
    assert len(channel.remembered(conversation)) == 1


def test_in_a_form_a_message_again_answers_no_second_question(channel: Channel, conversation: str) -> None:
    channel.say("book me a visit", conversation, id="m-1")
    asked = channel.say("My back", conversation, id="m-2").json()
    assert channel.say("My back", conversation, id="m-2").json() == asked
    calls = len(channel.actions.calls)
    saved = channel.say("The long one", conversation, id="m-3").json()
    assert [message["lead"] for message in saved["messages"]] == ["KL-2345678"]
    assert channel.say("The long one", conversation, id="m-3").json() == saved
    assert len(channel.actions.calls) == calls + 1  # the action is not run again


def test_another_message_with_the_same_words_is_heard(channel: Channel, conversation: str) -> None:
    for number in range(3):
        assert channel.say("hello", conversation, id=f"m-{number}").status_code == 200
    assert channel.remembered(conversation) == ["hello"] * 3


def test_a_message_whose_turn_failed_is_heard_when_it_comes_again(channel: Channel, conversation: str) -> None:
    channel.actions.answers(500, {})
    assert channel.say(VISITOR, conversation, id="m-1").status_code == 502
    channel.actions.answers(200, SAVED)
    saved = channel.say(VISITOR, conversation, id="m-1")
    assert saved.status_code == 200
    assert saved.json()["messages"][0]["text"] == "Saved as KL-2345678."
    assert channel.remembered(conversation) == [VISITOR]


def test_sms_has_a_wording_of_its_own(channel: Channel, conversation: str) -> None:
    (message,) = channel.say("how many minutes does an infusion take", conversation, "sms").json()["messages"]
    assert message["text"] == "1 hr"


def test_what_an_action_adds_is_passed_on(channel: Channel, conversation: str) -> None:
    (message,) = channel.say("please save my request", conversation).json()["messages"]
    assert message["text"] == "Saved as KL-2345678."
    assert message["lead"] == "KL-2345678"
    assert message["metadata"] == {"kind": "confirmation"}


def test_it_tells_whether_it_is_ready(channel: Channel) -> None:
    def ready() -> int:
        return requests.get(f"{channel.url}/", timeout=30).status_code

    assert ready() == 200
    channel.app.ctx.agent = Agent()
    try:
        assert ready() == 503
        assert channel.say("hello", "nobody").status_code == 503
    finally:
        channel.app.ctx.agent = channel.agent


# --------------------------------------------------------------------------- forgetting


def test_a_conversation_is_forgotten_and_begins_anew(channel: Channel, conversation: str) -> None:
    other = uuid.uuid4().hex
    for one in (conversation, other):
        assert channel.say("hello", one).status_code == 200
    assert channel.forget(conversation, "not the secret") == 401
    assert channel.remembered(conversation) == ["hello"]
    assert channel.forget(conversation) == 204
    assert channel.remembered(conversation) == []
    assert channel.remembered(other) == ["hello"]
    assert channel.say("good morning", conversation).status_code == 200
    assert channel.remembered(conversation) == ["good morning"]


def test_forgetting_what_is_not_there_is_no_error(channel: Channel, conversation: str) -> None:
    assert channel.forget(conversation) == 204
    assert channel.forget("%25' OR 1=1 --") == 204


# --------------------------------------------------------------------------- when a turn fails


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, {"error": "OperationalError"}),
        (401, {"error": "The shared secret is missing or wrong."}),
        (404, {"error": "No such action", "action_name": "action_save"}),
        (200, "no json at all"),
        (200, {"events": [], "responses": [{"response": "utter_unworded"}]}),
    ],
)
def test_a_turn_whose_action_fails_is_an_error_and_did_not_happen(
    channel: Channel, conversation: str, status: int, body: object, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING")
    assert channel.say("hello", conversation).status_code == 200
    channel.actions.answers(status, body)
    failed = channel.say(VISITOR, conversation)
    assert failed.status_code == 502
    assert channel.remembered(conversation) == ["hello"]
    assert "turn_failed" in caplog.text
    for words in ("Maria", "de la Cruz"):
        assert words not in failed.text
        assert words not in caplog.text

    channel.actions.answers(200, SAVED)
    assert channel.say(VISITOR, conversation).status_code == 200
    assert channel.remembered(conversation) == ["hello", VISITOR]


def test_a_turn_without_a_reply_is_an_error(channel: Channel, conversation: str) -> None:
    channel.actions.answers(200, {"events": [], "responses": []})
    assert channel.say(VISITOR, conversation).status_code == 502
    assert channel.say("hello", conversation).status_code == 200


def test_an_action_server_that_is_gone_fails_the_turn(channel: Channel, conversation: str) -> None:
    endpoint = channel.agent.processor.action_endpoint
    running = endpoint.url
    endpoint.url = "http://127.0.0.1:9/webhook"  # nothing listens on the discard port
    try:
        assert channel.say(VISITOR, conversation).status_code == 502
    finally:
        endpoint.url = running
    assert channel.remembered(conversation) == []
    assert channel.say(VISITOR, conversation).status_code == 200


def test_an_action_that_declines_is_no_failure(channel: Channel, conversation: str) -> None:
    channel.actions.answers(400, {"error": "not now", "action_name": "action_save"})
    (message,) = channel.say(VISITOR, conversation).json()["messages"]
    assert message["response"] == "utter_default"
    assert channel.remembered(conversation) == [VISITOR]
