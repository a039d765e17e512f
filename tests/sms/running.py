"""A front desk that really listens, Twilio's simulator on both sides of it, and a Rasa that says what a test wants."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import uvicorn

from frontdesk.app import create_app
from frontdesk.db import Base, Database, utc_now
from frontdesk.outbox.worker import Worker
from frontdesk.settings import Settings
from frontdesk.sms.sending import SmsDestination, TwilioAccount
from frontdesk.sms.simulator.rest import RestApi
from frontdesk.sms.simulator.twilio import TwilioSimulator
from tests.conftest import NEW_YORK, free_ports, wait_until

PUBLIC_URL = "https://clinic.example"
TOKEN = "the-token-of-the-test-account"
ACCOUNT = "AC00000000000000000000000000000000"
OUR_NUMBER = "+15165550100"
PHONE = "+15165550142"
RasaAnswer = Callable[[str], list[dict[str, Any]]]


def answer(text: str) -> list[dict[str, Any]]:
    """Return what the stand-in says to a text unless a test says otherwise."""
    return [{"text": f"Answer to {text}.", "response": "utter_session/duration", "metadata": {"kind": "answer"}}]


class RasaStandIn:
    """The other end of the connection to Rasa, another process in life: it keeps what it is asked, and may be slow."""

    def __init__(self, port: int) -> None:
        self.asked: list[tuple[str, str]] = []  # conversation and text, in the order they came
        self.answer: RasaAnswer = answer
        self.answering = threading.Event()  # cleared: it takes its time
        self.answering.set()
        self.most_at_once = 0
        self.delay_of: Callable[[str], float] = lambda text: 0.0  # in seconds
        self._open: dict[str, int] = {}
        self._lock = threading.Lock()
        rasa = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                body = json.dumps({"messages": rasa._said(request), "understood": {}}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _said(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        conversation = request["conversation"]
        with self._lock:
            self.asked.append((conversation, request["text"]))
            self._open[conversation] = self._open.get(conversation, 0) + 1
            self.most_at_once = max(self.most_at_once, self._open[conversation])
        self.answering.wait(20)
        time.sleep(self.delay_of(request["text"]))  # as slow as a test says, not to wait for anything
        with self._lock:
            self._open[conversation] -= 1
        return self.answer(request["text"])

    def stop(self) -> None:
        """Answer nobody any more."""
        self.answering.set()
        self._server.shutdown()
        self._server.server_close()


@dataclass
class Clock:
    """A worker's clock, set by the test."""

    time: datetime = field(default_factory=utc_now)

    def __call__(self) -> datetime:
        return self.time

    def forward(self, **by: float) -> None:
        """Let time pass."""
        self.time += timedelta(**by)


@dataclass
class Channel:
    """The whole SMS channel: a phone can text it, and what it sends arrives."""

    settings: Settings
    twilio: TwilioSimulator
    api: RestApi
    database: Database
    rasa_port: int
    rasa: RasaStandIn | None = None

    def start_rasa(self) -> RasaStandIn:
        """Have Rasa answer."""
        self.rasa = RasaStandIn(self.rasa_port)
        return self.rasa

    def received(self, count: int, phone: str = PHONE, seconds: float = 30) -> list[str]:
        """Wait until so many texts have reached a phone; return all of them."""
        wait_until(lambda: len(self.twilio.received_by(phone)) >= count, seconds, f"{count} texts to arrive")
        return [text.body for text in self.twilio.received_by(phone)]

    def count(self, model: type[Base]) -> int:
        """Return how many rows there are."""
        with self.database.session() as session:
            return session.scalar(sa.select(sa.func.count()).select_from(model)) or 0

    def rows(self, model: type[Any]) -> list[Any]:
        """Return the rows of a table."""
        with self.database.session() as session:
            return list(session.scalars(sa.select(model)))

    def worker(self, clock: Callable[[], datetime] = utc_now) -> Worker:
        """Return a worker with a clock of its own, for a front desk whose own has nothing to do."""
        account = TwilioAccount.of(self.settings)
        assert account is not None
        return Worker(self.database, [SmsDestination(self.database, account, NEW_YORK, clock)], 31, clock)


@contextmanager
def running_channel(folder: Path, **changes: Any) -> Iterator[Channel]:
    """Run the channel; `can_send=False` is an account that can only answer."""
    port, rasa_port = free_ports(2)
    profile = folder / "clinic.yml"
    profile.write_text("name: Example Clinic\nphone: 516-555-0100\n")
    twilio = TwilioSimulator(ACCOUNT, TOKEN, OUR_NUMBER, PUBLIC_URL, f"http://127.0.0.1:{port}")
    with RestApi(twilio) as api:
        values: dict[str, Any] = {
            "data_dir": folder,
            "database_url": f"sqlite:///{folder / 'desk.db'}",
            "clinic_profile": profile,
            "rasa_port": rasa_port,
            "public_url": PUBLIC_URL,
            "twilio_account_sid": ACCOUNT if changes.pop("can_send", True) else None,
            "twilio_auth_token": TOKEN,
            "twilio_phone_number": OUR_NUMBER,
            "twilio_api_url": api.url,
            "chat_limit_per_minute": 0,
            "sms_limit_per_minute": 0,
            "purge_daily": False,
        }
        settings = Settings(_env_file=None, **values | changes)  # type: ignore[call-arg]
        with serving(settings, port) as database:
            channel = Channel(settings, twilio, api, database, rasa_port)
            try:
                yield channel
            finally:
                if channel.rasa is not None:
                    channel.rasa.stop()
                twilio.close()


@contextmanager
def serving(settings: Settings, port: int) -> Iterator[Database]:
    """Run a front desk on a port."""
    app = create_app(settings)
    database: Database = app.state.database
    database.migrate()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started, 30, "the front desk to listen")
    try:
        yield database
    finally:
        server.should_exit = True
        thread.join(20)
