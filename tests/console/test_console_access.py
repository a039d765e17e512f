"""Everybody can work in the console: axe finds nothing on any page, in any way of looking at it; a day by keyboard."""

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Page, expect

from frontdesk.app import create_app
from frontdesk.chat import store
from frontdesk.chat.models import Channel
from frontdesk.console import sessions
from frontdesk.console.guard import COOKIE, HOME
from frontdesk.console.models import Role, Staff
from frontdesk.db import Database, open_database, utc_now
from frontdesk.leads import repository
from frontdesk.leads.models import LeadStatus
from frontdesk.settings import PROJECT, Settings
from tests.conftest import free_ports, wait_until
from tests.leads.samples import new_lead, save

AXE = PROJECT / "frontdesk" / "widget" / "node_modules" / "axe-core" / "axe.min.js"
EMAIL = "ana@clinic.example"
# Noted before any script of the page runs: what the page's policy refused.
WATCH = """
window.refused = [];
document.addEventListener('securitypolicyviolation', ({violatedDirective, blockedURI}) => {
  refused.push(violatedDirective + ' ' + blockedURI)
});
"""

# 400 % zoom of a window of 1280 × 1024 leaves 320 × 256.
VIEWS: dict[str, Callable[[Page], None]] = {
    "light": lambda page: page.emulate_media(color_scheme="light"),
    "dark": lambda page: page.emulate_media(color_scheme="dark"),
    "forced colours": lambda page: page.emulate_media(forced_colors="active"),
    "320 px": lambda page: page.set_viewport_size({"width": 320, "height": 640}),
    "400 % zoom": lambda page: page.set_viewport_size({"width": 320, "height": 256}),
}


@dataclass
class Desk:
    """A console that really runs, with something of everything in it."""

    url: str
    database: Database
    lead: str
    conversation: str

    def sign_in(self, page: Page) -> None:
        """Leave in the browser what signing in leaves there."""
        with self.database.session() as session:
            staff_id = session.scalars(sa.select(Staff.id).where(Staff.email == EMAIL)).one()
            token = sessions.start(session, staff_id, utc_now())
        page.context.add_cookies(
            [{"name": COOKIE, "value": token, "domain": "127.0.0.1", "path": HOME, "httpOnly": True}]
        )


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    settings = Settings(_env_file=None, data_dir=folder, purge_daily=False)  # type: ignore[call-arg]
    database = open_database(settings)
    database.migrate()
    lead, conversation = fill(database)
    (port,) = free_ports(1)
    server = uvicorn.Server(uvicorn.Config(created(settings), host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started, 60, "the console")
    yield Desk(f"http://127.0.0.1:{port}", database, lead, conversation)
    server.should_exit = True
    thread.join()
    database.close()


def created(settings: Settings) -> FastAPI:
    return create_app(settings)


def fill(database: Database) -> tuple[str, str]:
    with database.session() as session:
        session.add_all(
            Staff(email=f"{name}@clinic.example", role=role, password_hash="-")
            for name, role in (("ana", Role.ADMIN), ("bo", Role.MANAGER), ("cy", Role.STAFF))
        )
        conversation = store.start_conversation(session, Channel.WIDGET)
        message = store.add_inbound(session, conversation.id, "I want to kill myself", client_id=None)
        safety = {"kind": "safety", "level": "crisis", "text": "Please call 988.", "buttons": []}
        store.add_replies(session, message, [safety], understood={"safety": {"level": "crisis"}})
    leads = [
        save(database, new_lead(f"run-{n}", conversation_id=conversation.id, full_name=name), utc_now()).lead.id
        for n, name in enumerate(("Robin " + "Ashworth" * 9, "Eva Lindqvist", "<script>alert(1)</script>"))
    ]
    with database.session() as session:
        repository.change_status(session, leads[1], LeadStatus.CONTACTED, EMAIL)
        repository.add_note(session, leads[0], "Called. " * 400, EMAIL)
    return leads[0], conversation.id


PAGES: dict[str, Callable[[Desk], str]] = {
    "waiting": lambda desk: "/staff",
    "filtered": lambda desk: "/staff?status=new&channel=widget",
    "empty": lambda desk: "/staff?status=spam",
    "lead": lambda desk: f"/staff/leads/{desk.lead}",
    "conversation": lambda desk: f"/staff/conversations/{desk.conversation}",
    "notifications": lambda desk: "/staff/notifications",
    "system": lambda desk: "/staff/system",
    "people": lambda desk: "/staff/people",
    "audit": lambda desk: "/staff/audit",
    "account": lambda desk: "/staff/account",
    "second factor": lambda desk: "/staff/second-factor",
    "sign in": lambda desk: "/staff/sign-in",
    "nothing here": lambda desk: "/staff/nothing",
}


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_and_nothing_is_refused_or_asked_elsewhere(desk: Desk, browser_page: Page, name: str) -> None:
    if not AXE.exists():
        pytest.fail("axe-core is not installed: `npm ci` in frontdesk/widget, or `make test`, which does so")
    page = browser_page
    hosts, complaints = set(), []
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.add_init_script(WATCH)
    if name != "sign in":
        desk.sign_in(page)
    page.goto(desk.url + PAGES[name](desk))
    page.wait_for_load_state("networkidle")
    for details in page.locator("details").all():
        details.evaluate("(one) => { one.open = true }")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = {}
    for view, change in VIEWS.items():
        page.emulate_media(color_scheme="light", forced_colors="none")
        page.set_viewport_size({"width": 1280, "height": 860})
        change(page)
        if violations(page):
            found[view] = violations(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view
    assert found == {}
    assert page.evaluate("window.refused") == [] and complaints == []
    assert hosts == {urlsplit(desk.url).netloc}


def violations(page: Page) -> list[str]:
    found: Any = page.evaluate("async () => (await axe.run(document, {resultTypes: ['violations']})).violations")
    return [f"{one['id']}: {node['target']} {node['failureSummary']}" for one in found for node in one["nodes"]]


def go_to(page: Page, role: str, name: str) -> None:
    """Press Tab until what has this role and name is in focus."""
    wanted = page.get_by_role(role, name=name).first  # type: ignore[arg-type]
    for _ in range(80):
        if wanted.evaluate("(one) => one === document.activeElement"):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"Tab never came to the {role} {name}")


def test_a_request_is_worked_on_by_keyboard_alone(desk: Desk, browser_page: Page) -> None:
    page = browser_page
    reference = re.compile(r"Claim the request KL-")
    lead = save(desk.database, new_lead("keyboard", full_name="Keyboard Person", phone="+15165550177")).lead
    desk.sign_in(page)
    page.goto(f"{desk.url}/staff")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    go_to(page, "button", f"Claim the request {lead.reference}")
    page.keyboard.press("Enter")
    row = page.get_by_role("row").filter(has_text="Keyboard Person")
    expect(row.get_by_text("Yours")).to_be_visible()  # without a reload
    expect(row.get_by_role("button", name=reference)).to_have_count(0)
    go_to(page, "link", "Keyboard Person")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="It is yours")).to_be_visible()
    go_to(page, "textbox", "Add a note")
    page.keyboard.type("Called, all well.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Called, all well.")).to_be_visible()
    go_to(page, "button", "Mark as scheduled")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Status: scheduled")).to_be_visible()


def test_one_is_warned_before_being_signed_out_and_can_stay(desk: Desk, browser_page: Page) -> None:
    page = browser_page
    desk.sign_in(page)
    # As when 13 minutes and a half have gone by: what the server says of the time left is all that the page knows.
    page.route("**/staff/session", lambda route: route.fulfill(json={"seconds": 90}), times=1)
    page.goto(f"{desk.url}/staff/leads/{desk.lead}")
    warning = page.get_by_role("dialog", name="Are you still there?")
    expect(warning).to_be_visible()
    expect(warning.get_by_role("button", name="Stay signed in")).to_be_focused()
    page.keyboard.press("Enter")
    expect(warning).to_be_hidden()


def test_a_note_that_is_being_typed_when_the_time_is_over_comes_back(desk: Desk, browser_page: Page) -> None:
    page = browser_page
    desk.sign_in(page)
    page.goto(f"{desk.url}/staff/leads/{desk.lead}")
    page.wait_for_load_state("networkidle")
    page.get_by_role("textbox", name="Add a note").fill("half a sentence")
    with desk.database.session() as session:
        session.execute(sa.text("DELETE FROM staff_sessions"))
    page.evaluate("leave()")
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    expect(page.get_by_role("textbox", name="What you had written")).to_have_value("half a sentence")


def test_the_pages_work_without_any_script(desk: Desk, browser: Any, tmp_path: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    lead = save(desk.database, new_lead("no-script", full_name="No Script", phone="+15165550178")).lead
    desk.sign_in(page)
    page.goto(f"{desk.url}/staff")
    page.get_by_role("button", name=f"Claim the request {lead.reference}").click()
    expect(page.get_by_role("heading", name="It is yours")).to_be_visible()
    context.close()
