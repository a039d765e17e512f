"""What a visitor does with the widget when everything works."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml
from playwright.sync_api import BrowserContext, expect

from frontdesk.settings import PROJECT
from tests.conftest import Server, Visitor
from tests.widget.conftest import ANSWER_MS, OPEN, TOKEN, Chat

HOW_LONG = "how long does an infusion take"


def test_a_question_is_answered(chat: Chat) -> None:
    reply = chat.ask(HOW_LONG)

    expect(reply).to_contain_text("45 to 60 minutes")
    expect(chat.said).to_have_text([f"You said: {HOW_LONG}"])
    expect(chat.input).to_have_value("")
    expect(chat.input).to_be_focused()


def test_before_the_first_message_it_says_what_it_is_and_is_not(chat: Chat) -> None:
    for words in ("automated", "not a person", "Nobody watches", "not for emergencies", "911", "988"):
        expect(chat.log).to_contain_text(words)


def questions() -> list[dict[str, str]]:
    content: dict[str, list[dict[str, str]]] = yaml.safe_load((PROJECT / "data" / "widget.yml").read_text())
    return content["questions"]


@pytest.mark.parametrize("question", questions(), ids=lambda question: question["topic"])
def test_each_starting_point_is_answered_by_its_topic(visitor: Visitor, question: dict[str, str]) -> None:
    assert visitor.say(question["text"])[0].get("topics") == [question["topic"]]


def test_a_starting_point_asks_its_question(chat: Chat) -> None:
    chat.press("Do I need someone to drive me home?")

    expect(chat.said).to_have_text(["You said: Do I need someone to drive me home?"])
    expect(chat.log.get_by_role("button", name="What does it cost?")).to_have_count(0)


def test_an_appointment_can_be_requested_from_the_start(chat: Chat) -> None:
    chat.press("Request an appointment")

    expect(chat.replies.last).to_contain_text("name", timeout=ANSWER_MS)


def test_markup_is_shown_as_the_text_it_is(chat: Chat) -> None:
    markup = "<img src=x onerror=\"document.title='run'\"> <script>document.title='run'</script> **bold** [x](https://x.example)"
    title = chat.page.title()

    chat.ask(markup)

    expect(chat.said).to_have_text([f"You said: {markup}"])
    expect(chat.log.locator("img, script, li.visitor a, li.visitor strong")).to_have_count(0)
    assert chat.page.title() == title


@pytest.mark.parametrize("text", ["هل أحتاج إلى من يقود بي إلى المنزل؟", "🙂🙃 👩‍👩‍👧 how long?", "a\u0301\u202eb"])
def test_any_script_is_shown_as_written(chat: Chat, text: str) -> None:
    chat.ask(text)

    expect(chat.said).to_have_text([f"You said: {text}"])
    assert chat.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_what_is_too_long_is_not_lost(chat: Chat) -> None:
    pasted = "tell me about it " * 300
    chat.input.fill(pasted)
    expect(chat.page.get_by_role("alert")).to_contain_text("3100 characters too long")

    chat.input.press("Enter")
    expect(chat.trouble).to_contain_text("2,000 characters")
    chat.log.get_by_role("button", name="Edit").click()

    expect(chat.input).to_have_value(pasted.strip())
    expect(chat.said).to_have_count(0)


def test_a_cry_for_help_is_answered_however_long_it_is(chat: Chat) -> None:
    chat.say("it has been like this for years and nothing helps. " * 60 + "i want to kill myself")

    expect(chat.log.get_by_role("link", name="Call 988")).to_be_visible(timeout=ANSWER_MS)


def test_a_crisis_gets_links_to_call_and_text_988(chat: Chat) -> None:
    chat.ask("i want to kill myself")

    expect(chat.log.get_by_role("link", name="Call 988")).to_have_attribute("href", "tel:988")
    expect(chat.log.get_by_role("link", name="Text 988")).to_have_attribute("href", "sms:988")
    expect(chat.log.get_by_role("link", name="Call 911")).to_have_attribute("href", "tel:911")
    expect(chat.page.locator("ketalink-chat-panel [aria-live=assertive]")).to_contain_text("988")


def test_the_sources_of_an_answer_can_be_looked_at(chat: Chat) -> None:
    reply = chat.ask(HOW_LONG)
    expect(reply.get_by_text("What Are Ketamine Infusions?")).to_be_hidden()

    reply.locator("summary").click()

    expect(
        reply.get_by_text("What Are Ketamine Infusions?, Ketalink Ketamine Center (clinic blog), 2024")
    ).to_be_visible()


def test_each_reply_is_announced_once_and_whole(chat: Chat) -> None:
    chat.page.evaluate(
        """() => {
          window.announced = []
          const polite = document.querySelector('ketalink-chat').shadowRoot.querySelector('ketalink-chat-panel')
            .shadowRoot.querySelector('[aria-live=polite]')
          const note = (change) => change.addedNodes.forEach((node) => announced.push(node.textContent))
          new MutationObserver((changes) => changes.forEach(note)).observe(polite, {childList: true, subtree: true})
        }"""
    )
    text = chat.ask(HOW_LONG).locator(".bubble p").first.inner_text()

    announced = chat.page.evaluate("window.announced")
    assert len(announced) == 1
    assert text in announced[0]
    expect(chat.page.locator("ketalink-chat-panel [role=log]")).to_have_count(0)


def test_a_thumb_is_kept_and_can_be_taken_back(chat: Chat, server: Server) -> None:
    def kept() -> list[bool | None]:
        with sa.create_engine(server.database_url).connect() as connection:
            query = "SELECT helpful FROM messages WHERE sender = 'assistant' ORDER BY created_at DESC LIMIT 1"
            return list(connection.scalars(sa.text(query)))

    reply = chat.ask(HOW_LONG)
    helped = reply.get_by_role("button", name="Yes, this helped")
    with chat.page.expect_response("**/api/chat/feedback"):
        helped.click()
    expect(helped).to_have_attribute("aria-pressed", "true")
    assert kept() == [1]

    chat.page.reload()
    helped = chat.replies.last.get_by_role("button", name="Yes, this helped")
    expect(helped).to_have_attribute("aria-pressed", "true", timeout=ANSWER_MS)
    with chat.page.expect_response("**/api/chat/feedback"):
        helped.click()
    assert kept() == [None]


def test_a_used_button_is_marked_and_stays_so(chat: Chat) -> None:
    chat.ask("I want to book an appointment. Ana Silva, 516-555-0131, ana@example.com, new patient, pain, any time")
    chat.press("Yes, contact me")
    yes = chat.log.get_by_role("button", name="Yes, contact me (chosen)")
    expect(yes).to_have_attribute("aria-disabled", "true")

    chat.page.reload()

    expect(yes).to_have_attribute("aria-disabled", "true", timeout=ANSWER_MS)
    expect(chat.log.get_by_role("button", name="No", exact=True)).to_have_attribute("aria-disabled", "true")


def test_a_request_that_is_read_back_can_be_corrected_part_by_part(chat: Chat) -> None:
    chat.ask("I want to book an appointment. Ana Silva, 516-555-0132, ana@example.com, new patient, pain, any time")
    chat.press("Yes, contact me")
    terms = chat.replies.last.locator("dt")
    expect(terms).to_have_text(["Name", "Phone", "Email", "Patient", "Reason", "When"])

    chat.press("Change Phone")
    chat.ask("516-555-0133")

    expect(chat.replies.last.locator("dd", has_text="(516) 555-0133")).to_be_visible()
    chat.press("Yes, send it")
    card = chat.log.get_by_role("region", name="Request received")
    expect(card).to_contain_text("Your reference:")
    expect(chat.log.get_by_role("button", name="Change Phone")).to_have_count(0)


def test_a_whole_request_with_the_keyboard_alone(server: Server, page_of_chat: Callable[[], Chat]) -> None:
    chat = page_of_chat()
    chat.page.goto(f"{server.url}/demo/strict")
    keys = chat.page.keyboard
    for _ in range(10):
        keys.press("Tab")
        if chat.launcher.evaluate("(button) => button.getRootNode().activeElement === button"):
            break
    expect(chat.launcher).to_be_focused()
    keys.press("Enter")
    expect(chat.input).to_be_focused()

    def answer(text: str) -> None:
        before = chat.replies.count()
        keys.type(text)
        keys.press("Enter")
        expect(chat.replies.nth(before)).to_be_visible(timeout=ANSWER_MS)

    def choose(title: str) -> None:
        """Go back to the newest button with this title, and press it."""
        button = chat.log.get_by_role("button", name=title, exact=True).last
        before = chat.replies.count()
        for _ in range(25):
            keys.press("Shift+Tab")
            if button.evaluate("(button) => button.getRootNode().activeElement === button"):
                break
        expect(button).to_be_focused()
        keys.press("Space")
        expect(chat.replies.nth(before)).to_be_visible(timeout=ANSWER_MS)
        expect(chat.input).to_be_focused()

    answer("I'd like an appointment")
    for words in ("Ana Silva, 516-555-0134", "ana@example.com", "I'm a new patient", "back pain", "mornings"):
        answer(words)
    choose("Yes, contact me")
    choose("Yes, send it")
    expect(chat.log).to_contain_text("Your reference:")

    keys.press("Escape")
    expect(chat.panel).to_be_hidden()
    expect(chat.launcher).to_be_focused()
    expect(chat.launcher).to_have_attribute("aria-expanded", "false")


# ------------------------------------------------------------------ pages, tabs, what is kept


def test_a_reload_brings_the_conversation_back(chat: Chat) -> None:
    chat.ask(HOW_LONG)

    chat.page.reload()

    expect(chat.said).to_have_text([f"You said: {HOW_LONG}"], timeout=ANSWER_MS)
    expect(chat.replies).to_contain_text(["45 to 60 minutes"])


def test_the_conversation_goes_on_on_the_next_page_and_is_open_there(chat: Chat, server: Server) -> None:
    chat.ask(HOW_LONG)

    chat.page.goto(f"{server.url}/demo/strict")

    expect(chat.replies).to_contain_text(["45 to 60 minutes"], timeout=ANSWER_MS)
    chat.ask("does it hurt")
    expect(chat.said).to_have_count(2)


def test_a_second_tab_goes_on_with_the_conversation_and_both_show_all(
    chat: Chat, server: Server, page_of_chat: Callable[[], Chat]
) -> None:
    chat.ask(HOW_LONG)
    other = page_of_chat().visit(server.url)
    expect(other.replies).to_contain_text(["45 to 60 minutes"], timeout=ANSWER_MS)

    other.ask("does it hurt")
    expect(chat.said).to_have_count(2, timeout=ANSWER_MS)
    chat.ask("who is in the room with me")

    expect(other.said).to_have_count(3, timeout=ANSWER_MS)
    assert chat.said.all_inner_texts() == other.said.all_inner_texts()
    assert chat.replies.all_inner_texts() == other.replies.all_inner_texts()


def test_two_tabs_that_answer_one_question_at_once_lose_nothing(
    chat: Chat, server: Server, page_of_chat: Callable[[], Chat]
) -> None:
    chat.ask("I want to book an appointment. Ana Silva, 516-555-0135, ana@example.com, new patient, pain, any time")
    other = page_of_chat().visit(server.url)
    yes = "Yes, contact me"
    expect(other.log.get_by_role("button", name=yes)).to_be_visible(timeout=ANSWER_MS)

    chat.log.get_by_role("button", name=yes).click(no_wait_after=True)
    other.log.get_by_role("button", name=yes).click(no_wait_after=True)

    for tab in (chat, other):
        expect(tab.said).to_have_count(3, timeout=ANSWER_MS)
        expect(tab.replies.filter(has_text="Please check your request").first).to_be_visible(timeout=ANSWER_MS)
        expect(tab.trouble).to_have_count(0)


def test_clearing_forgets_the_conversation_here_on_the_server_and_in_other_tabs(
    chat: Chat, server: Server, page_of_chat: Callable[[], Chat]
) -> None:
    chat.ask(HOW_LONG)
    other = page_of_chat().visit(server.url)
    expect(other.said).to_have_count(1, timeout=ANSWER_MS)

    with chat.page.expect_response(lambda response: response.request.method == "DELETE") as deleted:
        chat.clear.click()

    assert deleted.value.status == 204
    for tab in (chat, other):
        expect(tab.said).to_have_count(0)
        expect(tab.log).to_contain_text("This chat was cleared.")
    assert TOKEN not in chat.stored()["session"]
    chat.press("What does it cost?")
    expect(chat.said).to_have_count(1)


def test_the_browser_keeps_a_token_and_no_word(chat: Chat) -> None:
    chat.ask("how long does a zebrafish infusion take")
    chat.say("another zebrafish question")  # and is left while it is under way
    chat.page.reload()
    expect(chat.said).to_have_count(2, timeout=ANSWER_MS)

    kept = chat.stored()
    assert set(kept["session"]) == {TOKEN, OPEN}
    assert re.fullmatch(r"[\w.-]+", kept["session"][TOKEN])
    assert kept["session"][OPEN] == "1"
    assert [kept[name] for name in ("local", "cookies", "databases", "caches")] == [{}, "", [], []]
    assert "zebrafish" not in chat.page.url


def test_no_word_is_in_a_file_of_the_browser(server: Server, tmp_path: Path, browser: object) -> None:
    from playwright.sync_api import Browser

    assert isinstance(browser, Browser)
    kept = browser.browser_type.launch_persistent_context(
        tmp_path / "profile",
        executable_path=browser_path(),
        args=["--no-sandbox", "--disable-gpu"],
    )
    try:
        chat = Chat(kept.new_page()).visit(server.url)
        chat.ask("how long does a quokkafish infusion take")
        chat.page.goto(f"{server.url}/demo/strict")
        expect(chat.said).to_have_count(1, timeout=ANSWER_MS)
    finally:
        kept.close()
    files = [path for path in (tmp_path / "profile").rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if b"quokkafish" in path.read_bytes()] == []


def browser_path() -> str:
    from tests.conftest import chromium

    return chromium()


def test_esc_twice_leaves_for_a_neutral_page_and_leaves_nothing_behind(chat: Chat, context: BrowserContext) -> None:
    context.route("https://www.weather.gov/**", lambda route: route.fulfill(body="sunny", content_type="text/html"))
    chat.ask(HOW_LONG)
    site = chat.page.url

    chat.page.keyboard.press("Escape")
    chat.page.keyboard.press("Escape")

    chat.page.wait_for_url("https://www.weather.gov/")
    chat.page.goto(site)
    expect(chat.input.or_(chat.launcher).first).to_be_visible()
    assert TOKEN not in chat.stored()["session"]
    expect(chat.said).to_have_count(0)


def test_leaving_quickly_is_a_button_too(chat: Chat, context: BrowserContext) -> None:
    context.route("https://www.weather.gov/**", lambda route: route.fulfill(body="sunny", content_type="text/html"))

    chat.page.get_by_role("button", name="Leave quickly").click()

    chat.page.wait_for_url("https://www.weather.gov/")


def test_the_name_on_the_screen_is_neutral(chat: Chat) -> None:
    title = chat.page.title()
    chat.ask(HOW_LONG)

    expect(chat.panel).to_have_accessible_name("Chat with us")
    assert chat.page.title() == title  # a lock screen or a tab says nothing new
