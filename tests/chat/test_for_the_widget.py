"""What a client needs that wants to lose nothing: a token before the first message, places, history from a place on."""

import threading
from typing import Any

import httpx
import pytest

from tests.conftest import Server, Visitor

HOW_LONG = "how long does an infusion take"


@pytest.fixture
def http(server: Server) -> httpx.Client:
    return httpx.Client(base_url=server.url, timeout=30)


def welcome(http: httpx.Client) -> dict[str, Any]:
    content: dict[str, Any] = http.get("/api/chat/welcome").json()
    return content


def history(http: httpx.Client, token: str, after: int = 0) -> list[dict[str, Any]]:
    response = http.get(f"/api/chat/history?after={after}", headers={"Authorization": f"Bearer {token}"})
    assert response.status_code == 200, response.text
    messages: list[dict[str, Any]] = response.json()["messages"]
    return messages


def test_a_client_learns_what_to_show_before_the_first_message(http: httpx.Client) -> None:
    content = welcome(http)

    assert content["clinic"] == {"name": "Ketalink Ketamine Center", "phone": None}
    assert len(content["questions"]) == 4
    assert content["request"] == "Request an appointment"
    assert content["longest_message"] == 2000
    assert content["session"] != welcome(http)["session"]


def test_a_first_message_sent_twice_begins_one_conversation(http: httpx.Client) -> None:
    opening = welcome(http)["session"]
    assert history(http, opening) == []
    body = {"session": opening, "text": HOW_LONG, "id": "first"}

    first, again = (http.post("/api/chat", json=body) for _ in range(2))

    assert first.json()["messages"] == again.json()["messages"]
    assert [answer.headers["x-message-seq"] for answer in (first, again)] == ["1", "1"]
    assert [entry["from"] for entry in history(http, opening)] == ["visitor", "assistant"]


def test_two_first_messages_at_once_begin_one_conversation(http: httpx.Client) -> None:
    opening = welcome(http)["session"]
    answers: list[httpx.Response] = []

    def send(number: int) -> None:
        body = {"session": opening, "text": HOW_LONG, "id": f"m{number}"}
        answers.append(http.post("/api/chat", json=body))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [answer.status_code for answer in answers] == [200] * 4
    assert len([entry for entry in history(http, opening) if entry["from"] == "visitor"]) == 4


def test_danger_in_a_first_message_is_kept_in_its_conversation(http: httpx.Client) -> None:
    opening = welcome(http)["session"]

    answer = http.post("/api/chat", json={"session": opening, "text": "i want to kill myself"}).json()

    assert answer["messages"][0]["kind"] == "safety"
    assert [entry["seq"] for entry in history(http, opening)] == [1, 2]


def test_the_history_can_be_asked_for_from_a_place_on(visitor: Visitor, http: httpx.Client) -> None:
    visitor.say(HOW_LONG, id="one")
    visitor.say("does it hurt", id="two")
    assert visitor.token
    whole = history(http, visitor.token)

    assert [entry["seq"] for entry in whole] == list(range(1, len(whole) + 1))
    assert history(http, visitor.token, after=2) == whole[2:]
    asked = [entry for entry in whole if entry["from"] == "visitor"]
    assert [(entry["id"], entry["answered"]) for entry in asked] == [("one", True), ("two", True)]


def test_a_button_that_was_used_keeps_its_payload(visitor: Visitor, http: httpx.Client) -> None:
    message = visitor.say(HOW_LONG)[0]
    button = message["buttons"][0]
    visitor.press(message, button["title"])

    assert visitor.token
    used = [entry for entry in history(http, visitor.token) if entry["from"] == "visitor"][-1]
    assert (used["text"], used["payload"]) == (button["title"], button["payload"])


def test_an_overtaken_message_still_comes_first(http: httpx.Client) -> None:
    token = welcome(http)["session"]
    places: dict[str, int] = {}

    def send(name: str, **body: str) -> None:
        answer = http.post("/api/chat", json={"session": token, "text": HOW_LONG, "id": name, **body})
        places[name] = int(answer.headers["x-message-seq"])

    later = threading.Thread(target=send, args=("second",), kwargs={"after": "first"})
    later.start()
    send("first")
    later.join()

    assert places["first"] < places["second"]


def test_an_answer_says_where_it_has_its_facts_from(visitor: Visitor) -> None:
    message = visitor.say(HOW_LONG)[0]

    assert message["sources"][0] == "seed article"
    assert message["citations"][0] == {
        "title": "What Are Ketamine Infusions?",
        "publisher": "Ketalink Ketamine Center (clinic blog)",
        "year": "2024",
    }


def test_a_request_is_read_back_part_by_part(visitor: Visitor) -> None:
    review = visitor.fill_in_form(phone="516-555-0139")

    rows = {row["field"]: row for row in review["summary"]}
    assert rows["full_name"]["value"] == "Maria de la Cruz"
    assert f"Phone: {rows['phone']['value']}" in review["text"]
    corrected = visitor.say(rows["phone"]["change"])
    assert corrected[-1]["kind"] == "question"
    review = visitor.say("516-555-0140")[-1]
    assert {row["field"]: row["value"] for row in review["summary"]}["phone"] == "(516) 555-0140"


# ------------------------------------------------------------------ feedback


def test_feedback_is_kept_with_the_reply(visitor: Visitor, http: httpx.Client) -> None:
    message = visitor.say(HOW_LONG)[0]
    assert visitor.token

    for helpful in (True, False, None):
        body = {"session": visitor.token, "message": message["id"], "helpful": helpful}
        assert http.post("/api/chat/feedback", json=body).status_code == 204
        assert history(http, visitor.token)[1].get("helpful") is helpful


def test_feedback_on_nothing_is_refused(visitor: Visitor, server: Server, http: httpx.Client) -> None:
    other = Visitor(server.url)
    foreign = other.say(HOW_LONG)[0]["id"]
    visitor.say(HOW_LONG)

    for message in (foreign, "", "nothing", 7, None):
        body = {"session": visitor.token, "message": message, "helpful": True}
        assert http.post("/api/chat/feedback", json=body).status_code == 400
    assert (
        http.post("/api/chat/feedback", json={"session": "x", "message": foreign, "helpful": True}).status_code == 401
    )
    body = {"session": other.token, "message": foreign, "helpful": "yes"}
    assert http.post("/api/chat/feedback", json=body).status_code == 400


# ------------------------------------------------------------------ whose pages may use it


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1", "file://"])
def test_a_page_of_another_site_is_refused(http: httpx.Client, origin: str) -> None:
    response = http.post(
        "/api/chat",
        # What a form of another site can send without being asked whether it may.
        content='{"session": null, "text": "hello"}',
        headers={"Origin": origin, "Content-Type": "text/plain"},
    )

    assert response.status_code == 403
    assert response.headers["content-type"] == "application/problem+json"
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("name", ["own", "public", None])
def test_our_own_pages_and_programs_are_not(server: Server, http: httpx.Client, name: str | None) -> None:
    origins = {"own": server.url, "public": server.public_url, None: None}
    headers = {"Origin": str(origins[name])} if origins[name] else {}

    assert http.get("/api/chat/welcome", headers=headers).status_code == 200
