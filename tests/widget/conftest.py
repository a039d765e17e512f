"""The widget as a visitor meets it: by role and label, in a real browser, against the running front desk."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.conftest import Server

ANSWER_MS = 30_000  # the first answer after a start also loads the model
TOKEN, OPEN, UNDER_WAY = "ketalink.session", "ketalink.open", "ketalink.under-way"

# Noted before any script of the page runs: what a policy refused, and what was asked of another host.
WATCH = """
window.refused = [];
document.addEventListener('securitypolicyviolation', ({violatedDirective, blockedURI}) => {
  refused.push(violatedDirective + ' ' + blockedURI)
});
"""


class Chat:
    """One page with the widget on it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        page.add_init_script(WATCH)
        self.launcher = page.get_by_role("button", name="Chat with us")
        self.panel = page.get_by_role("dialog")
        self.log = page.get_by_role("region", name="Conversation")
        self.input = page.get_by_role("textbox", name="Your message")
        self.clear = page.get_by_role("button", name="Clear this chat")
        self.said = page.locator("ketalink-chat-panel li.visitor")
        self.replies = page.locator("ketalink-chat-panel li.assistant")
        self.trouble = page.locator("ketalink-chat-panel .trouble")
        self.retry = self.log.get_by_role("button", name="Retry")

    def visit(self, url: str) -> "Chat":
        """Go to a page; open the chat there if it is closed."""
        self.page.goto(url)
        expect(self.launcher.or_(self.input).first).to_be_visible()
        if self.launcher.count() and self.launcher.get_attribute("aria-expanded") == "false":
            self.launcher.click()
        expect(self.input).to_be_visible()
        return self

    def say(self, text: str) -> None:
        """Write something and send it."""
        self.input.fill(text)
        self.input.press("Enter")

    def ask(self, text: str) -> Locator:
        """Write something, and return the first reply to it."""
        before = self.replies.count()
        self.say(text)
        expect(self.replies.nth(before)).to_be_visible(timeout=ANSWER_MS)
        return self.replies.nth(before)

    def press(self, title: str) -> None:
        """Press the newest button with this title, and wait for its answer."""
        before = self.replies.count()
        self.log.get_by_role("button", name=title, exact=True).last.click()
        expect(self.replies.nth(before)).to_be_visible(timeout=ANSWER_MS)

    def stored(self) -> dict[str, Any]:
        """Return everything that the browser keeps for the site."""
        kept: dict[str, Any] = self.page.evaluate(
            """async () => ({session: {...sessionStorage}, local: {...localStorage}, cookies: document.cookie,
               databases: (await indexedDB.databases()).map(({name}) => name), caches: await caches.keys()})"""
        )
        return kept

    def refused(self) -> list[str]:
        """Return what the page's policy refused."""
        refused: list[str] = self.page.evaluate("window.refused")
        return refused


@pytest.fixture
def context(browser: Any) -> Iterator[BrowserContext]:
    """A browser that remembers nothing, of somebody who wants no motion."""
    context = browser.new_context(reduced_motion="reduce")
    yield context
    context.close()


@pytest.fixture
def page_of_chat(context: BrowserContext) -> Callable[[], Chat]:
    """Open one more tab of the same browser."""
    return lambda: Chat(context.new_page())


@pytest.fixture
def chat(server: Server, page_of_chat: Callable[[], Chat]) -> Chat:
    """The demo page with its open chat."""
    return page_of_chat().visit(server.url)
