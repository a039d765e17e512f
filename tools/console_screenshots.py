"""Take the pictures of the staff console that its guide shows: `.venv/app/bin/python tools/console_screenshots.py`.

Starts a console of its own over made-up conversations, in a folder that is deleted again. Needs Chromium, as the test
suite does. Look at what it took.
"""

import os
import shutil
import sys
import tempfile
import threading
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
import uvicorn
from playwright.sync_api import sync_playwright

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from frontdesk.app import create_app  # noqa: E402
from frontdesk.audit.log import Action, record  # noqa: E402
from frontdesk.chat.models import Message  # noqa: E402
from frontdesk.console import sessions  # noqa: E402
from frontdesk.console.guard import COOKIE  # noqa: E402
from frontdesk.console.models import Role, Staff  # noqa: E402
from frontdesk.db import Database, utc_now  # noqa: E402
from frontdesk.leads import repository  # noqa: E402
from frontdesk.leads.models import Lead, LeadStatus  # noqa: E402
from frontdesk.leads.repository import PreferredTime  # noqa: E402
from frontdesk.settings import Settings  # noqa: E402
from tests.conftest import NEW_YORK, free_ports, wait_until  # noqa: E402
from tests.console.reviewing import ANSWER, CRISIS, FALLBACK, address_of, said, understood  # noqa: E402
from tests.leads.samples import new_lead  # noqa: E402

IMAGES, ELSEWHERE = PROJECT / "docs" / "images", PROJECT / "var" / "pictures"
IN_THE_DOCS = {"queue", "request", "review", "content", "insight"}
SIZE, PHONE = {"width": 1100, "height": 760}, {"width": 390, "height": 780}
PEOPLE = (
    *(("Maria de la Cruz", "0101", "mornings", 0), ("Jordan Lee", "0102", "Tuesday afternoon", 2)),
    *(("Priya Raman", "0103", "any time", 5), ("Sam O'Neill", "0104", "after 3 pm", 26), ("Ana Silva", "0105", "", 50)),
)
QUESTIONS = (
    *(("how long is one infusion", "session/duration"), ("what does it cost", "cost/price")),
    *(("can i drive home after", "after/driving_home"), ("does blue cross pay", "cost/insurance")),
)


def fill(database: Database) -> tuple[str, str]:
    """Leave a month of conversations; return the message to review."""
    for day in range(30):
        at = utc_now() - timedelta(days=day)
        for number in range(2 + (day * 5) % 4):
            text, topic = QUESTIONS[(day + number) % len(QUESTIONS)]
            said(database, text, ANSWER | {"topics": [topic]}, understood(topic), at=at)
        if day % 3 == 0:
            said(database, "do you validate", FALLBACK, understood("nlu_fallback", 0.4, "cost/price"), at=at)
    text = "hi, this is Ana Ruiz, 516-555-0142, do you validate?"
    known = understood("nlu_fallback", 0.42, "logistics/parking_access", "cost/payment_and_hsa")
    return said(database, text, FALLBACK | {"text": "I'm not sure I understood. Could you put it another way?"}, known)


def folder_of(name: str) -> Path:
    """Return where a picture goes: what the guide does not show is only to look at."""
    return IMAGES if name in IN_THE_DOCS else ELSEWHERE


def fill_requests(database: Database) -> str:
    """Leave requests, somebody's work on them, and a cry for help nobody has seen; return a request's id."""
    now = utc_now()
    ids = []
    with database.session() as session:
        for number, (name, phone, time, hours) in enumerate(PEOPLE):
            lead = new_lead(
                f"run-{number}",
                full_name=name,
                phone=f"+1516555{phone}",
                email=f"{name.split()[0].lower()}@example.com",
                reason="depression that pills did not help",
                preferred_time=PreferredTime(time) if time else None,
                conversation_id=None,
                channel="sms" if number == 1 else "widget",
            )
            ids.append(repository.save_once(session, lead, NEW_YORK, now - timedelta(hours=hours)).lead.id)
    with database.session() as session:
        repository.change_status(session, ids[3], LeadStatus.CONTACTED, "bo@example.com")
        repository.change_status(session, ids[4], LeadStatus.CONTACTED, "bo@example.com")
        repository.add_note(session, ids[0], "Called at noon, left a message to call back.", "bo@example.com")
        record(session, now, "bo@example.com", Action.LEAD_VIEWED, ids[3])
        record(session, now, "bo@example.com", Action.LEAD_MOVED, ids[3], to="contacted")
    conversation, danger = said(database, "i can't go on like this", CRISIS, understood("crisis/self", 0.97))
    for text in ("how long is one infusion", "who drives me home"):
        said(database, text, ANSWER, understood("session/duration", 0.93), conversation=conversation)
    with database.session() as session:
        message = session.get_one(Message, danger)
        message.is_alarm = True
        session.get_one(Lead, ids[0]).conversation_id = conversation
    return ids[0]


def main() -> None:
    """Take all of them."""
    ELSEWHERE.mkdir(parents=True, exist_ok=True)
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        settings = Settings(_env_file=None, data_dir=Path(folder), purge_daily=False)  # type: ignore[call-arg]
        (port,) = free_ports(1)
        app = create_app(settings)
        app.state.database.migrate()
        message = fill(app.state.database)
        lead = fill_requests(app.state.database)
        with app.state.database.session() as session:
            session.add_all(
                Staff(email=f"{name}@example.com", role=role, password_hash="of no password")  # noqa: S106
                for name, role in (("ana", Role.ADMIN), ("bo", Role.MANAGER), ("cy", Role.STAFF))
            )
            session.flush()
            ana = session.scalars(sa.select(Staff.id).where(Staff.email == "ana@example.com")).one()
            token = sessions.start(session, ana, utc_now())
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        wait_until(lambda: server.started, 60, "the console to listen")
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(viewport=SIZE)
        url = f"http://127.0.0.1:{port}"
        context.add_cookies([{"name": COOKIE, "value": token, "url": f"{url}/staff"}])
        page = context.new_page()
        pages = {
            "queue": "/staff",
            "request": f"/staff/leads/{lead}",
            "conversations": "/staff/conversations",
            "conversation": f"/staff/conversations/{message[0]}",
            "review": address_of(message),
            "content": "/staff/content",
            "insight": "/staff/insight",
            "people": "/staff/people",
            "audit": "/staff/audit",
            "system": "/staff/system",
            "account": "/staff/account",
        }
        for name, path in pages.items():
            page.goto(url + path)
            page.wait_for_load_state("networkidle")
            page.screenshot(path=folder_of(name) / f"console-{name}.png")
            print(name)
        page.set_viewport_size(PHONE)
        page.emulate_media(color_scheme="dark")
        for name in ("queue", "request"):
            page.goto(url + pages[name])
            page.screenshot(path=IMAGES / f"console-{name}-phone.png")
        context.clear_cookies()
        page.set_viewport_size(SIZE)
        page.emulate_media(color_scheme="light")
        page.goto(f"{url}/staff")
        page.screenshot(path=ELSEWHERE / "console-sign-in.png")
        browser.close()
        server.should_exit = True
        thread.join(20)


if __name__ == "__main__":
    main()
