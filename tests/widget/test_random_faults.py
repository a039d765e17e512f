"""Visits on which everything goes wrong in some order: nothing is lost, and nothing is done twice.

Each visit is a sequence drawn by its own seed: questions, buttons, reloads, other pages, a second tab, the connection
going and coming back, replies that never arrive, and now and then a front desk that is killed. What the page shows in
the end has to be what was written, once and in order, and what the server kept.
"""

import os
import random
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.conftest import CHROMIUM_ARGUMENTS, Server, chromium, wait_until
from tests.widget.conftest import TOKEN, Chat

VISITS = int(os.environ.get("WIDGET_VISITS", "200"))
AT_ONCE = 2
EVENTS = range(3, 7)
SETTLED_MS = 120_000  # on a busy machine Rasa may be too late, and is asked again after half a minute
QUESTIONS = (
    "how long does an infusion take",
    "does it hurt",
    "who drives me home",
    "what are the side effects",
    "qwertz uiop",
    "is it covered by insurance",
)
PAGES = ("/", "/demo/strict", "/demo/hostile")
KILLS = frozenset({0, 20})  # visits on which the front desk is killed: it takes a while to come back


@pytest.fixture(scope="module")
def killable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An assistant whose front desk may be killed."""
    data_dir = tmp_path_factory.mktemp("random")
    server = Server(data_dir, f"sqlite:///{data_dir / 'ketalink.db'}").start()
    yield server
    server.stop()


class Visit:
    """One visitor with up to two tabs, and everything that happens to them."""

    def __init__(self, browser: Browser, server: Server, seed: int) -> None:
        self.random = random.Random(seed)
        self.server = server
        self.context = browser.new_context()
        self.context.set_default_timeout(SETTLED_MS)
        self.tabs = [Chat(self.context.new_page()).visit(server.url)]
        self.written: list[str] = []
        self.done: list[str] = []
        self.is_online = True
        self.may_kill = seed in KILLS
        self.was_killed = False

    @property
    def tab(self) -> Chat:
        return self.tabs[-1]

    def ask(self) -> None:
        """Each question has a number, so that it is told from all others."""
        text = f"{self.random.choice(QUESTIONS)} ({len(self.written) + 1})"
        self.written.append(text)
        self.tab.say(text)

    def press(self) -> None:
        buttons = self.tab.replies.locator(".choice:not([aria-disabled])").element_handles()
        if self.is_online and buttons:
            self.written.append(buttons[-1].inner_text())
            buttons[-1].click()

    def answered(self) -> None:
        """Go on only when everything so far has its answer."""
        if self.is_online:
            self.settled()

    def reload(self) -> None:
        if self.is_online:
            self.wait_for_server()
            self.heard()
            self.tab.page.reload()
            expect(self.tab.input).to_be_visible()

    def turn_page(self) -> None:
        if self.is_online:
            self.wait_for_server()
            self.heard()
            self.tab.visit(self.server.url + self.random.choice(PAGES))

    def open_tab(self) -> None:
        if self.is_online and len(self.tabs) == 1 and self.written:
            self.settled()
            self.wait_for_server()
            self.tabs.append(Chat(self.context.new_page()).visit(self.server.url))
            expect(self.tab.said).to_have_count(len(self.written), timeout=SETTLED_MS)

    def lose_connection(self) -> None:
        self.context.set_offline(True)
        self.is_online = False

    def find_connection(self) -> None:
        self.context.set_offline(False)
        self.is_online = True

    def lose_reply(self) -> None:
        """The server answers, and the answer is lost on its way."""
        lost: list[str] = []

        def lose(route: Any) -> None:
            route.fetch()
            route.abort("connectionreset")
            lost.append(route.request.method)

        if self.is_online:
            self.wait_for_server()
            self.tab.page.route("**/api/chat", lose, times=1)
            with self.tab.page.expect_event("requestfailed", lambda request: bool(lost)):
                self.ask()

    def retry(self) -> None:
        """Not by `click`, which waits: the button goes by itself when the message does."""
        self.tab.retry.evaluate_all("(buttons) => buttons[0]?.click()")

    def kill_front_desk(self) -> None:
        if self.may_kill:
            self.may_kill = False
            self.was_killed = True
            self.server.kill(self.server.port)

    def heard(self) -> None:
        """A page that is left while a message cannot be sent asks first whether it may: here the visitor waits then."""
        expect(self.tab.trouble).to_have_count(0, timeout=SETTLED_MS)
        wait_until(lambda: TOKEN in self.tab.stored()["session"], 30, "the token")

    def wait_for_server(self) -> None:
        """A page cannot be fetched from a server that is not there; the chat on a page that is there has to cope."""
        if self.was_killed:
            self.server.wait_until_ready()
            self.was_killed = False
            self.settled()

    def settled(self) -> None:
        for tab in self.tabs:
            expect(tab.said).to_have_count(len(self.written), timeout=SETTLED_MS)
            expect(tab.page.locator("ketalink-chat-panel :is(.sending, .trouble)")).to_have_count(0, timeout=SETTLED_MS)

    def run(self) -> None:
        events = [
            *(self.ask,) * 4,
            *(self.press, self.reload, self.turn_page, self.answered) * 2,
            *(self.open_tab, self.lose_connection, self.find_connection, self.lose_reply, self.retry),
        ]
        steps = [self.random.choice(events) for _ in range(self.random.choice(EVENTS))]
        if self.may_kill:
            steps.insert(len(steps) // 2, self.kill_front_desk)
        for step in [self.ask, *steps, self.find_connection]:
            self.done.append(step.__name__)
            step()
        self.settled()
        self.wait_for_server()
        self.check()

    def check(self) -> None:
        """What is shown is what was written and what the server kept: all of it, once, in order."""
        token = self.tab.stored()["session"][TOKEN]
        history = httpx.get(
            f"{self.server.url}/api/chat/history", headers={"Authorization": f"Bearer {token}"}, timeout=30
        ).json()["messages"]
        kept = [entry["text"] for entry in history if entry["from"] == "visitor"]
        assert kept == self.written
        replies = [words(entry["text"]) for entry in history if entry["from"] == "assistant"]
        assert len(replies) >= len(kept)
        for tab in self.tabs:
            expect(tab.replies).to_have_count(len(replies), timeout=SETTLED_MS)
            assert [words(text) for text in tab.said.locator(".bubble p").all_inner_texts()] == [
                words(text) for text in self.written
            ]
            shown = tab.replies.locator(":is(.bubble, .card)").all_inner_texts()
            for reply, text in zip(replies, shown, strict=True):
                assert reply[:60] in words(text)
            assert tab.complaints == []


def words(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def make_visits(server: Server, seeds: list[int]) -> list[str]:
    """Make these visits one after the other, in a browser of their own; return what went wrong."""
    wrong = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGUMENTS)
        for seed in seeds:
            visit = None
            try:
                visit = Visit(browser, server, seed)
                visit.run()
            except Exception as error:
                done = visit and (visit.done, visit.written)
                wrong.append(f"visit {seed}, {done}: {str(error)[:1500]}")
            finally:
                if visit is not None:
                    visit.context.close()
        browser.close()
    return wrong


def test_nothing_is_lost_and_nothing_is_done_twice(killable: Server) -> None:
    """Most of a visit is waiting, so several are made at once."""
    seeds = [seed for seed in range(VISITS) if seed not in KILLS]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        parts = [pool.submit(make_visits, killable, seeds[first::AT_ONCE]) for first in range(AT_ONCE)]

    assert [wrong for part in parts for wrong in part.result()] == []


def test_nor_when_the_front_desk_is_killed(killable: Server) -> None:
    """Nobody else visits meanwhile: their pages could not be fetched."""
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(make_visits, killable, sorted(KILLS)).result() == []
