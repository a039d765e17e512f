"""The pages of reviewing, content and insight in a real browser: for everybody, and by keyboard alone."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
import uvicorn
from playwright.sync_api import Page, expect

from frontdesk.app import create_app
from frontdesk.chat.models import Channel
from frontdesk.console import sessions
from frontdesk.console.guard import COOKIE
from frontdesk.console.models import Role, Staff
from frontdesk.db import Database, utc_now
from frontdesk.review.models import Review
from frontdesk.settings import Settings
from tests.conftest import free_ports, wait_until
from tests.console.reviewing import ANSWER, FALLBACK, address_of, said, understood
from tests.widget.test_access import AXE, DESKTOP, VIEWS, violations

WATCH = """
window.refused = [];
document.addEventListener('securitypolicyviolation', ({violatedDirective}) => refused.push(violatedDirective));
"""


LOOKS = tuple(VIEWS)


class Desk:
    """A front desk that runs, with conversations in it and somebody signed in."""

    def __init__(self, url: str, token: str, wrong: tuple[str, str], database: Database) -> None:
        self.url, self.token, self.wrong, self.database = url, token, wrong, database

    def pages(self) -> list[str]:
        conversation, _message = self.wrong
        return [
            *("/staff/conversations", "/staff/conversations?fallback=yes", f"/staff/conversations/{conversation}"),
            *(address_of(self.wrong), f"/staff/conversations/{conversation}/test", "/staff/insight"),
            *("/staff/content", "/staff/content/answers/cost/price", "/staff/content/facts/price_infusion"),
        ]


@pytest.fixture
def desk(tmp_path: Path, sqlite_url: str) -> Iterator[Desk]:
    (port,) = free_ports(1)
    settings = Settings(_env_file=None, data_dir=tmp_path, database_url=sqlite_url, purge_daily=False)  # type: ignore[call-arg]
    app = create_app(settings)
    database: Database = app.state.database
    known = understood("nlu_fallback", 0.4, "logistics/parking_access")
    conversation, _ = said(database, "how long is it", ANSWER, understood("session/duration"), helpful=False)
    wrong = said(database, "do you validate? 516-555-0142", FALLBACK, known, conversation=conversation)
    said(database, "hours?", ANSWER, understood("logistics/hours"), channel=Channel.SMS)
    with database.session() as session:
        session.add(Staff(email="ana@clinic.example", role=Role.ADMIN, password_hash="of no password"))
        session.flush()
        token = sessions.start(session, session.scalars(sa.select(Staff.id)).one(), utc_now())
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started, 30, "the front desk to listen")
    yield Desk(f"http://127.0.0.1:{port}", token, wrong, database)
    server.should_exit = True
    thread.join(20)


@pytest.fixture
def page(browser: Any, desk: Desk) -> Iterator[Page]:
    context = browser.new_context(viewport=DESKTOP)
    context.add_cookies([{"name": COOKIE, "value": desk.token, "url": f"{desk.url}/staff"}])
    yield context.new_page()
    context.close()


def test_axe_finds_nothing_and_nothing_comes_from_elsewhere(desk: Desk, page: Page) -> None:
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.add_init_script(WATCH)
    for path in desk.pages():
        response = page.goto(desk.url + path)
        assert response is not None and response.status == 200, path
        assert page.evaluate("refused") == [], path
        page.locator("details").evaluate_all("(all) => all.slice(0, 3).forEach((details) => { details.open = true })")
        page.evaluate(AXE.read_text(encoding="utf-8"))
        for name in LOOKS:
            page.set_viewport_size(DESKTOP)
            page.emulate_media(color_scheme="light", forced_colors="none")
            VIEWS[name](page)
            assert violations(page) == [], f"{path}, {name}"
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
                f"{path}, {name}: scrolls sideways"
            )
    assert hosts == {urlsplit(desk.url).netloc}


def focus(page: Page, name: str, presses: int = 60) -> None:
    """Go on with the Tab key until what has this name has the focus."""
    named = "(document.activeElement.labels?.[0] ?? document.activeElement).textContent.trim()"
    for _ in range(presses):
        page.keyboard.press("Tab")
        if page.evaluate(named).startswith(name):
            return
    pytest.fail(f"{name} cannot be reached with the Tab key")


def enter(page: Page) -> None:
    with page.expect_navigation():
        page.keyboard.press("Enter")


def test_a_review_by_keyboard_alone(desk: Desk, page: Page) -> None:
    page.goto(f"{desk.url}/staff")
    focus(page, "Conversations")
    enter(page)
    focus(page, "Not answered")
    enter(page)
    expect(page).to_have_url(f"{desk.url}/staff/conversations?fallback=yes")
    focus(page, "how long is it")
    enter(page)
    focus(page, "Review of message 3")
    enter(page)
    focus(page, "It was about")
    page.keyboard.type("Parking")
    focus(page, "Save as an example")
    enter(page)
    expect(page.get_by_text("To be learned as")).to_be_visible()
    with desk.database.session() as session:
        review = session.get_one(Review, desk.wrong[1])
        assert (review.topic, review.text) == ("logistics/parking_access", "do you validate?")
