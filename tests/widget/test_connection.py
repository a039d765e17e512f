"""When the connection, the server or the assistant is away: nothing is lost, and nothing is done twice.

The first part is the real server, really away. In the second the browser answers for it (`page.route`): those faults
are hard to cause on purpose in a healthy server.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.conftest import Server
from tests.widget.conftest import ANSWER_MS, TOKEN, Chat

HOW_LONG = "how long does an infusion take"


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An assistant whose parts may be killed."""
    data_dir = tmp_path_factory.mktemp("killed")
    settings = {"CLINIC_PROFILE": str(profile_with_a_phone(data_dir))}
    server = Server(data_dir, f"sqlite:///{data_dir / 'ketalink.db'}", settings).start()
    yield server
    server.stop()


def profile_with_a_phone(folder: Path) -> Path:
    profile = folder / "clinic.yml"
    profile.write_text('name: "Test Clinic"\nphone: "(516) 555-0142"\n', encoding="utf-8")
    return profile


def test_ten_seconds_offline_in_the_middle_of_a_reply(chat: Chat, context: BrowserContext) -> None:
    chat.ask(HOW_LONG)
    with chat.page.expect_request("**/api/chat"):
        chat.say("does it hurt")
        context.set_offline(True)
    chat.say("and who drives me home?")
    expect(chat.panel).to_contain_text("There is no connection", timeout=ANSWER_MS)
    expect(chat.panel).to_contain_text("988")
    chat.page.wait_for_timeout(10_000)  # the promise is about this long
    expect(chat.panel).to_be_visible()

    context.set_offline(False)

    expect(chat.trouble).to_have_count(0, timeout=ANSWER_MS)
    expect(chat.replies).to_have_count(3, timeout=ANSWER_MS)
    texts = [f"You said: {text}" for text in (HOW_LONG, "does it hurt", "and who drives me home?")]
    expect(chat.said).to_have_text(texts)
    chat.page.reload()
    expect(chat.said).to_have_text(texts, timeout=ANSWER_MS)
    expect(chat.replies).to_have_count(3)


def test_the_front_desk_is_restarted(own_server: Server, page_of_chat: Callable[[], Chat]) -> None:
    chat = page_of_chat().visit(own_server.url)
    chat.ask(HOW_LONG)

    own_server.kill(own_server.port)
    chat.say("does it hurt")

    expect(chat.panel).to_contain_text("(516) 555-0142", timeout=ANSWER_MS)
    expect(chat.replies).to_have_count(2, timeout=60_000)
    expect(chat.trouble).to_have_count(0)
    expect(chat.said).to_have_count(2)


def test_the_assistant_is_down_and_comes_back(own_server: Server, page_of_chat: Callable[[], Chat]) -> None:
    chat = page_of_chat().visit(own_server.url)
    chat.ask(HOW_LONG)

    own_server.kill(own_server.rasa_port)
    chat.say("does it hurt")
    expect(chat.trouble).to_contain_text("(516) 555-0142", timeout=ANSWER_MS)
    chat.say("i want to kill myself")
    expect(chat.log.get_by_role("link", name="Call 988")).to_be_visible(timeout=ANSWER_MS)
    own_server.wait_until_ready()
    if chat.retry.count():
        chat.retry.click()

    expect(chat.trouble).to_have_count(0, timeout=60_000)
    expect(chat.said).to_have_count(3)
    expect(chat.replies).to_have_count(3, timeout=ANSWER_MS)


def test_the_chat_cannot_be_loaded(server: Server, context: BrowserContext, page_of_chat: Callable[[], Chat]) -> None:
    chat = page_of_chat()
    chat.page.goto(f"{server.url}/demo/strict")
    context.set_offline(True)
    chat.launcher.click()
    expect(chat.page.get_by_role("alert")).to_contain_text("could not be loaded")
    expect(chat.page.get_by_role("alert")).to_contain_text("988")

    context.set_offline(False)
    chat.launcher.click()

    expect(chat.input).to_be_visible()
    expect(chat.page.get_by_role("alert")).to_have_count(0)


def test_a_phone_that_loses_its_way_gets_the_number_to_call(
    own_server: Server, page_of_chat: Callable[[], Chat]
) -> None:
    chat = page_of_chat().visit(own_server.url)
    chat.page.context.set_offline(True)

    call = chat.panel.get_by_role("link", name="(516) 555-0142")
    expect(call).to_have_attribute("href", "tel:+15165550142")


def test_leaving_with_a_message_that_was_not_heard_asks_first(chat: Chat, context: BrowserContext) -> None:
    context.set_offline(True)
    chat.say(HOW_LONG)
    expect(chat.trouble).to_be_visible(timeout=ANSWER_MS)
    asked: list[str] = []
    chat.page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))

    chat.page.evaluate("location.reload()")

    expect(chat.said).to_contain_text([f"You said: {HOW_LONG}"])
    context.set_offline(False)
    expect(chat.replies).to_have_count(1, timeout=ANSWER_MS)
    assert asked == ["beforeunload"]


def test_with_storage_blocked_a_conversation_lasts_as_long_as_its_page(
    server: Server, page_of_chat: Callable[[], Chat]
) -> None:
    chat = page_of_chat()
    chat.page.add_init_script(
        "Object.defineProperty(window, 'sessionStorage', {get() { throw new DOMException('no', 'SecurityError') }})"
    )
    chat.visit(server.url)
    chat.ask("my name is not Bond")
    chat.ask(HOW_LONG)

    expect(chat.said).to_have_count(2)
    assert chat.complaints == []


# ------------------------------------------------------------------ when something is wrong (page.route)


class Answers:
    """Answer `POST /api/chat` in the server's place: each request takes the next answer, the last one stays."""

    def __init__(self, page: Page, *answers: Any) -> None:
        self.requests: list[dict[str, Any]] = []
        self._answers = list(answers)
        page.route("**/api/chat", self._answer)

    def _answer(self, route: Route) -> None:
        self.requests.append(route.request.post_data_json)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if answer is None:
            route.abort("connectionfailed")
        elif isinstance(answer, str):
            route.fulfill(status=200, body=answer, content_type="text/html")
        else:
            status, body, headers = answer
            route.fulfill(status=status, headers={"Content-Type": "application/json", **headers}, body=json.dumps(body))


def ok(text: str, seq: int = 1, session: str = "token-1") -> Any:
    reply = {"kind": "say", "text": text, "id": f"m{seq}", "seq": seq + 1, "buttons": []}
    return 200, {"session": session, "messages": [reply]}, {"X-Message-Seq": str(seq)}


def problem(status: int, headers: dict[str, str] | None = None, **body: Any) -> Any:
    return status, {"title": "Trouble", "detail": "Said plainly.", **body}, headers or {}


@pytest.mark.parametrize("broken", [None, "<h1>Bad gateway</h1>", problem(200), (502, {}, {}), (200, [], {})])
def test_what_no_answer_came_for_is_sent_again_under_its_id(chat: Chat, broken: Any) -> None:
    answers = Answers(chat.page, broken, ok("Here is your answer."))

    chat.say("are you there")

    expect(chat.replies).to_contain_text(["Here is your answer."], timeout=ANSWER_MS)
    expect(chat.trouble).to_have_count(0)
    first, second = answers.requests
    assert first["id"] == second["id"]
    assert first["text"] == second["text"] == "are you there"


def test_retry_does_not_wait(chat: Chat) -> None:
    answers = Answers(chat.page, None)
    chat.say("are you there")
    expect(chat.trouble).to_contain_text("Not sent yet")
    chat.page.unroute("**/api/chat")
    answers = Answers(chat.page, ok("Here is your answer."))

    chat.retry.click()

    expect(chat.replies).to_contain_text(["Here is your answer."])
    assert len(answers.requests) == 1


def test_messages_go_out_in_the_order_they_were_written(chat: Chat) -> None:
    answers = Answers(chat.page, None, ok("one", 1), ok("two", 3), ok("three", 5))
    for text in ("first", "second", "third"):
        chat.say(text)

    expect(chat.replies).to_have_count(3, timeout=ANSWER_MS)
    assert [request["text"] for request in answers.requests] == ["first", "first", "second", "third"]
    expect(chat.said).to_contain_text(["first", "second", "third"])


def test_an_expired_token_begins_a_new_conversation_and_says_so(chat: Chat) -> None:
    answers = Answers(chat.page, ok("Hello."), problem(401), ok("Asked anew.", session="token-2"))
    chat.say("first")
    expect(chat.replies).to_have_count(1)

    chat.say("second")

    expect(chat.log).to_contain_text("this is a new one")
    expect(chat.replies).to_contain_text(["Hello.", "Asked anew."])
    expect(chat.said).to_contain_text(["first", "second"])
    assert [request["text"] for request in answers.requests] == ["first", "second", "second"]
    assert answers.requests[1]["session"] == "token-1"
    assert answers.requests[2]["session"] not in ("token-1", None)
    assert chat.stored()["session"][TOKEN] == "token-2"


def test_a_server_that_knows_no_conversation_is_not_asked_for_ever(chat: Chat) -> None:
    answers = Answers(chat.page, problem(401))

    chat.say("hello")

    expect(chat.retry).to_be_visible()
    expect(chat.said).to_have_count(1)
    assert len(answers.requests) == 3


def test_too_many_messages_wait_and_go_out_by_themselves(chat: Chat) -> None:
    answers = Answers(chat.page, problem(429, {"Retry-After": "2"}), ok("Here is your answer."))

    chat.say("hello")
    expect(chat.trouble).to_contain_text("in 2 seconds")

    expect(chat.replies).to_contain_text(["Here is your answer."], timeout=ANSWER_MS)
    assert len(answers.requests) == 2


def test_a_new_message_does_not_wait_behind_one_that_has_to(chat: Chat) -> None:
    """It may be a cry for help, which the server answers all the same."""
    limited = problem(429, {"Retry-After": "600"})
    answers = Answers(chat.page, limited, limited, ok("Please call or text 988.", 0))
    chat.say("hello")
    expect(chat.trouble).to_contain_text("600 seconds")

    chat.say("a cry for help")

    expect(chat.replies).to_contain_text(["988"])
    assert [request["text"] for request in answers.requests] == ["hello", "hello", "a cry for help"]


def test_an_answer_that_does_not_come_holds_up_nothing(chat: Chat) -> None:
    held: list[Route] = []

    def answer(route: Route) -> None:
        if not held:
            held.append(route)  # never answered
        else:
            status, body, headers = ok("Please call or text 988.", 3)
            route.fulfill(status=status, headers=headers, json=body)

    chat.page.route("**/api/chat", answer)
    chat.say("hello")
    chat.say("a cry for help")

    expect(chat.replies).to_contain_text(["988"], timeout=ANSWER_MS)


def test_what_the_server_could_not_answer_is_kept_and_can_be_tried_again(chat: Chat) -> None:
    down = problem(503, {"Retry-After": "600"}, session="token-7", messages=[{"kind": "say", "text": "Call us."}])
    answers = Answers(chat.page, down, ok("Here is your answer.", session="token-7"))

    chat.say("hello")
    expect(chat.trouble).to_contain_text("Said plainly.")
    assert chat.stored()["session"][TOKEN] == "token-7"
    chat.retry.click()

    expect(chat.replies).to_contain_text(["Here is your answer."])
    assert answers.requests[0]["id"] == answers.requests[1]["id"]


def test_what_was_refused_is_given_back(chat: Chat) -> None:
    Answers(chat.page, problem(400))
    chat.say("hello")
    expect(chat.trouble).to_contain_text("Said plainly.")

    chat.log.get_by_role("button", name="Edit").click()

    expect(chat.input).to_have_value("hello")
    expect(chat.input).to_be_focused()


def test_links_of_the_assistant_are_harmless_ones(chat: Chat) -> None:
    text = (
        "**Note**: see https://clinic.example/faq. Call (516) 555-0142, [text us](sms:+15165550142) or "
        "[run](javascript:alert(1)) <b>x</b>\n- one\n- two"
    )
    Answers(chat.page, ok(text))
    chat.say("hello")

    links = chat.replies.locator("a")
    expect(links).to_have_count(3)
    assert [link.get_attribute("href") for link in links.all()] == [
        "https://clinic.example/faq",
        "tel:+15165550142",
        "sms:+15165550142",
    ]
    expect(chat.replies.locator("strong")).to_have_text("Note")
    expect(chat.replies.locator(".bubble ul li")).to_have_text(["one", "two"])
    expect(chat.replies).to_contain_text(["[run](javascript:alert(1)) <b>x</b>"])


def test_earlier_messages_that_cannot_be_loaded_can_be_asked_for_again(chat: Chat) -> None:
    chat.ask(HOW_LONG)
    chat.page.route("**/api/chat/history**", lambda route: route.abort())
    chat.page.reload()
    expect(chat.log).to_contain_text("could not be loaded", timeout=ANSWER_MS)
    chat.page.unroute("**/api/chat/history**")

    chat.log.get_by_role("button", name="Load them again").click()

    expect(chat.said).to_have_count(1)
    expect(chat.log).not_to_contain_text("could not be loaded")


def test_clearing_that_fails_says_so_and_keeps_everything(chat: Chat) -> None:
    chat.ask(HOW_LONG)
    chat.page.route(
        "**/api/chat", lambda route: route.abort() if route.request.method == "DELETE" else route.continue_()
    )

    chat.clear.click()

    expect(chat.log).to_contain_text("could not be cleared")
    expect(chat.said).to_have_count(1)
    assert TOKEN in chat.stored()["session"]


def test_a_lost_conversation_is_not_an_error(own_server: Server, page_of_chat: Callable[[], Chat]) -> None:
    chat = page_of_chat().visit(own_server.url)
    chat.ask(HOW_LONG)
    token = chat.stored()["session"][TOKEN]
    headers = {"Authorization": f"Bearer {token}"}
    assert httpx.delete(f"{own_server.url}/api/chat", headers=headers, timeout=30).status_code == 204

    chat.page.reload()

    expect(chat.log).to_contain_text("Your earlier chat has ended", timeout=ANSWER_MS)
    chat.ask("does it hurt")
