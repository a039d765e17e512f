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
from frontdesk.console import sessions  # noqa: E402
from frontdesk.console.guard import COOKIE  # noqa: E402
from frontdesk.console.models import Role, Staff  # noqa: E402
from frontdesk.db import Database, utc_now  # noqa: E402
from frontdesk.settings import Settings  # noqa: E402
from tests.conftest import free_ports, wait_until  # noqa: E402
from tests.console.reviewing import ANSWER, FALLBACK, address_of, said, understood  # noqa: E402

IMAGES = PROJECT / "docs" / "images"
SIZE = {"width": 1100, "height": 760}
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


def main() -> None:
    """Take all of them."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        settings = Settings(_env_file=None, data_dir=Path(folder), purge_daily=False)  # type: ignore[call-arg]
        (port,) = free_ports(1)
        app = create_app(settings)
        app.state.database.migrate()
        message = fill(app.state.database)
        with app.state.database.session() as session:
            session.add(Staff(email="ana@example.com", role=Role.ADMIN, password_hash="of no password"))  # noqa: S106
            session.flush()
            token = sessions.start(session, session.scalars(sa.select(Staff.id)).one(), utc_now())
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        wait_until(lambda: server.started, 60, "the console to listen")
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(viewport=SIZE)
        url = f"http://127.0.0.1:{port}"
        context.add_cookies([{"name": COOKIE, "value": token, "url": f"{url}/staff"}])
        page = context.new_page()
        for name, path in (
            ("conversations", "/staff/conversations"),
            ("conversation", f"/staff/conversations/{message[0]}"),
            ("review", address_of(message)),
            ("content", "/staff/content"),
            ("insight", "/staff/insight"),
        ):
            page.goto(url + path)
            page.screenshot(path=IMAGES / f"console-{name}.png")
            print(name)
        browser.close()
        server.should_exit = True
        thread.join(20)


if __name__ == "__main__":
    main()
