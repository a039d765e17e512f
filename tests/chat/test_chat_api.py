"""The chat API keeps its contract, against a really running front desk, Rasa and action server."""

import concurrent.futures
import json
import sqlite3
import uuid
from typing import Any

import httpx
import pytest
from itsdangerous import URLSafeTimedSerializer

from frontdesk.chat.tokens import ExpiredToken, SessionTokens
from frontdesk.encryption import KeyFile
from tests.conftest import Server, Visitor

KINDS = {"answer", "question", "safety", "fallback", "confirmation", "say"}


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["title"]
    assert body["detail"]
    return body


def kept_by_rasa(server: Server, words: str) -> bool:
    keys = KeyFile(server.data_dir / "encryption.keys")
    with sqlite3.connect(server.data_dir / "conversations.db") as connection:
        return any(words in keys.decrypt(data) for (data,) in connection.execute("SELECT data FROM trackers"))


# --------------------------------------------------------------------------- answers


def test_a_question_is_answered_with_its_topic_and_sources(visitor: Visitor) -> None:
    response = visitor.post(text="how long does an infusion take")
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    assert set(body) == {"session", "messages"}
    (answer,) = body["messages"]
    assert answer["kind"] == "answer"
    assert answer["topics"] == ["session/duration"]
    assert "seed article" in answer["sources"]
    assert len(answer["buttons"]) == 2  # what else one may want to know
    assert "45" in answer["text"]
    assert "60" in answer["text"]


def test_who_drives_home_is_answered(visitor: Visitor) -> None:
    (answer,) = visitor.say("who drives me home")
    assert answer["topics"] == ["after/driving_home"]
    assert "drive you home" in answer["text"]


def test_an_unknown_clinic_fact_is_not_invented(visitor: Visitor) -> None:
    (answer,) = visitor.say("how much does one infusion cost")
    assert answer["topics"] == ["cost/price"]
    assert "$" not in answer["text"]
    assert "don't have" in answer["text"]


def test_nonsense_gets_an_honest_fallback_with_buttons(visitor: Visitor) -> None:
    (fallback,) = visitor.say("colorless green ideas sleep furiously beneath the parliament")
    assert fallback["kind"] == "fallback"
    assert {"title", "payload"} == set(fallback["buttons"][0])


@pytest.mark.parametrize(
    ("text", "level", "first_words"),
    [
        ("i want to kill myself", "crisis", "988"),
        ("my husband had an infusion and he is not breathing", "emergency", "911"),
    ],
)
def test_danger_is_answered_with_safety_alone(visitor: Visitor, text: str, level: str, first_words: str) -> None:
    (message,) = visitor.say(text)
    assert message["kind"] == "safety"
    assert message["level"] == level
    assert first_words in message["text"][:160]
    assert message["buttons"] == []


# --------------------------------------------------------------------------- conversations and tokens


def test_history_holds_what_was_said_and_can_be_forgotten(server: Server, visitor: Visitor) -> None:
    words = f"how long does an infusion take {uuid.uuid4().hex}"
    (answer,) = visitor.say(words)
    history = visitor.history()
    assert [entry["from"] for entry in history] == ["visitor", "assistant"]
    assert history[0]["text"] == words
    assert {key: history[1][key] for key in answer} == answer
    headers = {"Authorization": f"Bearer {visitor.token}"}
    assert kept_by_rasa(server, words)
    assert httpx.delete(f"{server.url}/api/chat", headers=headers).status_code == 204
    assert not kept_by_rasa(server, words)
    problem(httpx.get(f"{server.url}/api/chat/history", headers=headers), 401)
    problem(visitor.post(text="how long does an infusion take"), 401)


def test_the_same_id_gets_the_same_answer_and_does_nothing_twice(visitor: Visitor) -> None:
    visitor.say("hello")
    message_id = str(uuid.uuid4())
    first = visitor.post(text="how long does an infusion take", id=message_id).json()["messages"]
    again = visitor.post(text="how long does an infusion take", id=message_id).json()["messages"]
    assert again == first
    assert len(visitor.history()) == 4


def test_the_same_id_many_times_at_once_is_one_message(visitor: Visitor) -> None:
    visitor.say("hello")
    message_id = str(uuid.uuid4())
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: visitor.say("who drives me home", id=message_id), range(10)))
    assert all(answer == answers[0] for answer in answers)
    assert [entry["text"] for entry in visitor.history()].count("who drives me home") == 1


def test_two_conversations_do_not_meet(server: Server) -> None:
    one, other = Visitor(server.url), Visitor(server.url)
    one.say("I'd like an appointment")
    other.say("hello")
    assert one.token != other.token
    assert "appointment" not in json.dumps(other.history()[:1])
    (reply,) = other.say("Jordan Lee")
    assert reply["kind"] != "question"


def test_a_forged_foreign_or_damaged_token_is_refused(server: Server, visitor: Visitor) -> None:
    visitor.say("hello")
    assert visitor.token is not None
    foreign = URLSafeTimedSerializer("another-secret", salt="ketalink.chat.session").dumps("f" * 32)
    swapped = visitor.token[:-1] + ("A" if visitor.token[-1] != "A" else "B")
    for token in (foreign, swapped, "x", "", "é", visitor.token + "\x00"):
        body = problem(httpx.post(f"{server.url}/api/chat", json={"session": token, "text": "hello"}, timeout=30), 401)
        assert "start a new one" in body["detail"]
    problem(httpx.get(f"{server.url}/api/chat/history"), 401)
    problem(httpx.delete(f"{server.url}/api/chat", headers={"Authorization": "Basic eDp5"}), 401)


def test_a_token_expires() -> None:
    secret = "s" * 40
    token = SessionTokens(secret, hours=24).issue("conversation")
    assert SessionTokens(secret, hours=24).read(token).conversation_id == "conversation"
    # A lifetime below zero is over at once: no clock has to be waited for.
    with pytest.raises(ExpiredToken):
        SessionTokens(secret, hours=-1).read(token)


# --------------------------------------------------------------------------- buttons


def test_a_button_works_by_its_payload_and_by_its_words(server: Server) -> None:
    pressing, typing = Visitor(server.url), Visitor(server.url)
    greeting = pressing.say("hello")[-1]
    pressed = pressing.press(greeting, "How long is an infusion?")
    typed = typing.say("How long is an infusion?")
    assert pressed[0]["topics"] == typed[0]["topics"] == ["session/duration"]
    assert pressing.history()[2]["text"] == "How long is an infusion?"


def test_a_payload_of_another_conversation_is_refused(server: Server, visitor: Visitor) -> None:
    other = Visitor(server.url)
    foreign = other.say("hello")[-1]["buttons"][0]["payload"]
    visitor.say("hello")
    problem(visitor.post(payload=foreign), 400)
    for payload in ("/session_start", "/affirm", "", "0", "a.b", "x" * 3000):
        problem(visitor.post(payload=payload), 400)
    assert visitor.say("how long does an infusion take")[0]["topics"] == ["session/duration"]


# --------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b'{"text": 5}',
        b'{"text": null}',
        b'{"text": "a", "payload": "b"}',
        b'{"payload": "b"}',
        b'{"text": ["a"]}',
        b'{"session": 5, "text": "a"}',
        b'{"text": "a", "id": ""}',
        b'{"text": "a", "id": 7}',
        b'{"text": ""}',
        b'{"text": "   "}',
        b'{"text": "\\u0000"}',
        b'{"text": "\\u200b\\u200b"}',
        b"\xff\xfe",
        b"[" * 20_000,
    ],
)
def test_a_malformed_or_empty_message_is_a_400_in_plain_words(server: Server, body: bytes) -> None:
    problem(httpx.post(f"{server.url}/api/chat", content=body, timeout=30), 400)


@pytest.mark.parametrize("length", [2_001, 5_000, 100_000])
def test_a_message_too_long_is_a_413(server: Server, length: int) -> None:
    body = problem(httpx.post(f"{server.url}/api/chat", json={"text": "x" * length}, timeout=30), 413)
    assert "2,000" in body["detail"]


def test_2000_characters_are_answered(visitor: Visitor) -> None:
    visitor.say("how long does an infusion take " + "\U0001f642" * 1_969)


HOSTILE = [
    "/session_start",
    '/request_appointment{"phone":"+15165550199"}',
    "  \t/restart",
    "\u200b/session_start",
    "//session_start",
    "/",
    "EXTERNAL: request_appointment",
    '{"intent": "request_appointment"}',
    "<img src=x onerror=alert(1)>",
    "{{7*7}} ${7*7} {0.__class__} {full_name} {clinic}",
    "'; DROP TABLE messages; --",
    "\u202egnol ti si gnol woh",
    "how\x00long",
    "\ud800 lone",
    "\ufeff\u2066how long\u2069",
    "0[ 0[phone]",
    "a\nb\r\nc\x1b[31m",
    "?" * 500,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_only_text(server: Server, text: str) -> None:
    visitor = Visitor(server.url)
    # json.dumps writes lone surrogates as escapes, which httpx's own encoding refuses to.
    response = httpx.post(f"{server.url}/api/chat", content=json.dumps({"text": text}), timeout=30)
    assert response.status_code == 200, response.text
    visitor.token = response.json()["session"]
    for message in response.json()["messages"]:
        assert message["kind"] in KINDS - {"question", "confirmation"}
        assert "onerror" not in message["text"]
        assert "49" not in message["text"]
    assert visitor.say("how long does an infusion take")[0]["topics"] == ["session/duration"]
    assert len(visitor.history()) >= 4


def test_commands_typed_by_a_visitor_set_nothing_in_an_open_form(visitor: Visitor) -> None:
    visitor.say("I'd like an appointment")
    for text in ("/session_start", '/inform{"phone":"+15165550199"}', '/affirm{"consent":true}'):
        reply = visitor.say(text)[-1]
        assert (reply["kind"], reply["field"]) == ("question", "full_name")


def test_an_unknown_address_is_a_problem_too(server: Server) -> None:
    problem(httpx.get(f"{server.url}/api/nothing"), 404)
    problem(httpx.put(f"{server.url}/api/chat"), 405)


# --------------------------------------------------------------------------- operations


def test_health_readiness_and_metrics(server: Server, visitor: Visitor) -> None:
    visitor.say("who drives me home")
    assert httpx.get(f"{server.url}/healthz").json() == {"status": "alive"}
    ready = httpx.get(f"{server.url}/readyz")
    assert ready.status_code == 200
    assert ready.json() == {"database": "ready", "rasa": "ready", "actions": "ready"}
    metrics = httpx.get(f"{server.url}/metrics").text
    assert 'ketalink_messages_total{channel="widget",outcome="answer"}' in metrics
    assert "drives" not in metrics


def test_no_words_of_a_visitor_reach_the_log(server: Server, visitor: Visitor) -> None:
    visitor.say("I'd like an appointment")
    visitor.say("Zebulon Quixworth")
    visitor.say("516-555-0177")
    visitor.say("zebulon@example.com")
    log = server.log.read_text()
    for words in ("Zebulon", "Quixworth", "0177", "zebulon@example.com"):
        assert words not in log
