"""The widget on the demo page, in a real browser.

The first part talks to the running front desk. The second lets the browser answer for the server (`page.route`),
to see what a visitor sees when something is wrong: those faults are hard to cause on purpose in a healthy server.
"""

import json
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

ANSWER_MS = 30_000  # the first answer after a start also loads the model
TOKEN_KEY = "ketalink.session"


@pytest.fixture
def chat(server, browser_page):
    browser_page.goto(server.url)
    return Chat(browser_page)


class Chat:
    """The widget as a visitor meets it: by role and label."""

    def __init__(self, page):
        self.page = page
        self.launcher = page.get_by_role("button", name="Ask a question")
        self.panel = page.get_by_role("dialog")
        self.log = page.get_by_role("log", name="Conversation")
        self.input = page.get_by_role("textbox", name="Your message")
        self.retry = self.log.get_by_role("button", name="Retry")

    def say(self, text):
        self.input.fill(text)
        self.input.press("Enter")

    def expect_in_log(self, *texts):
        for text in texts:
            expect(self.log).to_contain_text(text, timeout=ANSWER_MS)

    def stored(self):
        return self.page.evaluate(
            "({session: {...sessionStorage}, local: {...localStorage}, cookies: document.cookie})"
        )


# ---------------------------------------------------------------------------------- with the running front desk


def test_a_question_is_answered_in_the_log(chat):
    chat.say("how long does an infusion take")

    chat.expect_in_log("45", "60")
    expect(chat.input).to_have_value("")
    expect(chat.input).to_be_focused()


def test_before_the_first_message_it_says_what_it_is_and_is_not(chat):
    chat.expect_in_log("automated", "nobody is watching", "not for emergencies", "911", "988")
    expect(chat.log.get_by_role("button")).to_have_count(5)


def test_a_starting_point_asks_its_question(chat):
    chat.log.get_by_role("button", name="Do I need someone to drive me home?").click()

    chat.expect_in_log("You: Do I need someone to drive me home?")
    expect(chat.log.locator(".assistant")).to_contain_text("driv", timeout=ANSWER_MS)
    expect(chat.log.get_by_role("button", name="What will I feel?")).to_be_hidden()


def test_markup_is_shown_as_the_text_it_is(chat):
    markup = "<img src=x onerror=\"document.title='run'\"> <b>bold</b>"
    title = chat.page.title()

    chat.say(markup)
    expect(chat.log.locator(".assistant")).not_to_have_count(0, timeout=ANSWER_MS)

    chat.expect_in_log(markup)
    expect(chat.log.locator("img, b")).to_have_count(0)
    assert chat.page.title() == title


def test_a_crisis_gets_links_to_call_and_text_988(chat):
    chat.say("i want to kill myself")

    expect(chat.log.get_by_role("link", name="Call 988")).to_have_attribute("href", "tel:988", timeout=ANSWER_MS)
    expect(chat.log.get_by_role("link", name="Text 988")).to_have_attribute("href", "sms:988")
    expect(chat.log.get_by_role("link", name="Call 911")).to_have_attribute("href", "tel:911")


def test_a_reload_brings_the_conversation_back(chat):
    chat.say("how long does an infusion take")
    chat.expect_in_log("45", "60")

    chat.page.reload()

    chat.expect_in_log("You: how long does an infusion take", "45", "60")


def test_clearing_forgets_the_conversation_here_and_on_the_server(chat):
    chat.say("how long does an infusion take")
    chat.expect_in_log("45")

    with chat.page.expect_response(lambda response: response.request.method == "DELETE") as deleted:
        chat.panel.get_by_role("button", name="Clear this chat").click()

    assert deleted.value.ok
    expect(chat.log).not_to_contain_text("how long does an infusion take")
    assert TOKEN_KEY not in chat.stored()["session"]


def test_escape_closes_and_gives_the_focus_back(chat):
    expect(chat.launcher).to_have_attribute("aria-expanded", "true")
    chat.input.focus()

    chat.page.keyboard.press("Escape")

    expect(chat.panel).to_be_hidden()
    expect(chat.launcher).to_be_focused()
    expect(chat.launcher).to_have_attribute("aria-expanded", "false")

    chat.page.keyboard.press("Enter")

    expect(chat.panel).to_be_visible()
    expect(chat.input).to_be_focused()


def test_the_browser_keeps_a_token_and_no_words(chat):
    chat.say("how long does a zebrafish infusion take")
    expect(chat.log.locator(".assistant")).not_to_have_count(0, timeout=ANSWER_MS)

    stored = chat.stored()

    assert list(stored["session"]) == [TOKEN_KEY]
    assert stored["local"] == {}
    assert stored["cookies"] == ""
    for word in ("zebrafish", "infusion", "minutes"):
        assert word not in json.dumps(stored)
        assert word not in chat.page.url


def test_nothing_is_asked_of_another_host_and_the_policy_is_kept(server, browser_page):
    hosts, complaints = set(), []
    browser_page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    browser_page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    browser_page.on("pageerror", lambda error: complaints.append(str(error)))

    browser_page.goto(server.url)
    chat = Chat(browser_page)
    chat.say("how long does an infusion take")
    chat.expect_in_log("45", "60")

    assert hosts - {""} == {urlsplit(server.url).netloc}  # "": the icon is a data: address
    assert complaints == []


def test_a_phone_gets_the_whole_screen_and_only_when_asked(server, browser_page):
    browser_page.set_viewport_size({"width": 320, "height": 568})
    browser_page.goto(server.url)
    chat = Chat(browser_page)

    expect(chat.panel).to_be_hidden()
    chat.launcher.click()

    expect(chat.panel).to_be_visible()
    assert chat.panel.bounding_box() == {"x": 0, "y": 0, "width": 320, "height": 568}
    expect(chat.launcher).to_be_hidden()
    assert browser_page.evaluate("document.documentElement.scrollWidth") == 320


# --------------------------------------------------------------------------- when something is wrong (page.route)


class Answers:
    """Answer `POST /api/chat` in the server's place: each request takes the next answer, the last one stays."""

    def __init__(self, page, *answers):
        self.requests = []
        self._answers = list(answers)
        page.route("**/api/chat", self._answer)

    def _answer(self, route):
        self.requests.append(route.request.post_data_json)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if answer is None:
            route.abort("connectionfailed")
        else:
            status, body, headers = answer
            route.fulfill(status=status, headers={"Content-Type": "application/json", **headers}, body=json.dumps(body))


def ok(*messages, session="token-1"):
    return 200, {"session": session, "messages": list(messages)}, {}


def problem(status, headers=None, **body):
    return status, {"title": "Trouble", "detail": "Said plainly.", **body}, headers or {}


HELLO = {"kind": "say", "text": "Here is your answer."}


def test_without_a_connection_the_message_waits_for_retry_under_the_same_id(chat):
    answers = Answers(chat.page, None, ok(HELLO))

    chat.say("are you there")
    chat.expect_in_log("could not be sent", "911", "988")
    chat.retry.click()

    chat.expect_in_log(HELLO["text"])
    expect(chat.retry).to_have_count(0)
    assert answers.requests[0] == answers.requests[1]
    assert answers.requests[0]["id"]


def test_a_dead_token_starts_a_new_conversation_and_resends(chat):
    answers = Answers(chat.page, ok(HELLO), problem(401), ok({"kind": "say", "text": "Asked anew."}, session="token-2"))

    chat.say("first")
    chat.expect_in_log(HELLO["text"])
    chat.say("second")

    chat.expect_in_log("this is a new one", "Asked anew.")
    assert [request["session"] for request in answers.requests] == [None, "token-1", None]
    assert answers.requests[2]["text"] == "second"
    assert chat.stored()["session"] == {TOKEN_KEY: "token-2"}


def test_too_many_messages_says_when_to_try_again_and_keeps_the_words(chat):
    answers = Answers(chat.page, problem(429, {"Retry-After": "40"}), ok(HELLO))

    chat.say("hello")
    chat.expect_in_log("You: hello", "in 40 seconds", "988")
    chat.retry.click()

    chat.expect_in_log(HELLO["text"])
    assert [request["text"] for request in answers.requests] == ["hello", "hello"]


def test_too_long_gives_the_words_back(chat):
    Answers(chat.page, problem(413))

    chat.say("a long story")
    chat.expect_in_log("too long")
    chat.log.get_by_role("button", name="Edit").click()

    expect(chat.input).to_have_value("a long story")


def test_when_the_assistant_is_down_its_messages_are_shown_and_the_conversation_kept(chat):
    down = {"kind": "say", "text": "Please call (516) 555-0142. In a crisis, call or text 988."}
    answers = Answers(chat.page, problem(503, messages=[down], session="token-7"), ok(HELLO, session="token-7"))

    chat.say("hello")
    chat.expect_in_log(down["text"], "Said plainly.")
    chat.retry.click()

    chat.expect_in_log(HELLO["text"])
    assert [request["session"] for request in answers.requests] == [None, "token-7"]


def test_a_button_sends_its_payload_once_and_is_marked(chat):
    question = {
        "kind": "question",
        "text": "Your e-mail?",
        "field": "email",
        "buttons": [{"title": "Skip", "payload": "p-1"}],
    }
    answers = Answers(chat.page, ok(question), ok(HELLO))

    chat.say("hello")
    skip = chat.log.get_by_role("button", name="Skip")
    skip.dblclick()

    chat.expect_in_log("You: Skip", HELLO["text"])
    expect(skip).to_have_attribute("aria-disabled", "true")
    assert [request.get("payload") for request in answers.requests] == [None, "p-1"]
    assert "text" not in answers.requests[1]


def test_a_confirmation_shows_its_reference_and_an_answer_its_source(chat):
    Answers(
        chat.page,
        ok(
            {"kind": "confirmation", "text": "Thank you.", "lead": "KL-7F3Q"},
            {"kind": "answer", "text": "About an hour.", "topics": [], "sources": ["seed article"]},
        ),
    )

    chat.say("hello")

    chat.expect_in_log("Your reference: KL-7F3Q")
    chat.log.get_by_text("Source", exact=True).click()
    expect(chat.log.get_by_text("seed article")).to_be_visible()
