"""Twilio, as far as the SMS channel sees of it: signed webhooks, a REST API for sending, and what goes wrong."""

import re
import threading
import time
import xml.etree.ElementTree as ElementTree
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType

import httpx
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from frontdesk.sms.signature import HEADER
from frontdesk.sms.simulator.messages import Text, inbound_form, new_sid, status_form
from frontdesk.sms.texts import bare

# How long Twilio waits for the answer to a webhook.
WEBHOOK_SECONDS = 15.0
# What the carrier itself takes as an opt-out, and as its end, alone in a text.
STOP_WORDS = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"})
START_WORDS = frozenset({"start", "unstop"})
BLOCKED = 21610
_ADDRESS = re.compile(r"(whatsapp:)?\+[1-9][0-9]{6,14}|[0-9]{5,6}")


class Loss(Enum):
    """How a request gets lost on its way."""

    BEFORE = "before"  # Twilio never saw it
    AFTER = "after"  # Twilio has done what it asked; the answer is lost


@dataclass(frozen=True)
class ApiError(Exception):
    """What the REST API answers instead of a text."""

    status: int
    code: int
    message: str


BUSY = ApiError(429, 20429, "Too many requests")
BROKEN = ApiError(503, 20503, "Service unavailable")
WRONG_TOKEN = ApiError(401, 20003, "Authenticate")


@dataclass
class Exchange:
    """The answer of the front desk to one webhook."""

    status: int  # 0: there was none
    seconds: float
    reply: str | None = None
    callback: str | None = None


@dataclass
class TwilioSimulator:
    """An account with one number, whose webhooks go to `desk_url`, signed for `public_url`.

    `faults` are what the next requests to the REST API get instead of an answer. `outcome` is what becomes of a text
    that was taken: the statuses that are told, and the last one's error.
    """

    account: str
    token: str
    number: str
    public_url: str
    desk_url: str
    service: str | None = None
    faults: "deque[ApiError | Loss]" = field(default_factory=deque)
    outcome: tuple[str, ...] = ("sent", "delivered")
    error_code: int | None = None
    tells_statuses: bool = True
    on_text: Callable[[Text], None] | None = None  # is shown each text from the front desk

    def __post_init__(self) -> None:
        self.texts: list[Text] = []
        self.opted_out: set[str] = set()
        self.exchanges: list[Exchange] = []
        self._answered: set[str] = set()
        self._lock = threading.RLock()
        self._http = httpx.Client(timeout=WEBHOOK_SECONDS, trust_env=False, limits=httpx.Limits(max_connections=100))
        self._callbacks: list[threading.Thread] = []

    def __enter__(self) -> "TwilioSimulator":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Wait for callbacks that are on their way, and close the connections."""
        self.wait_for_callbacks()
        self._http.close()

    # ----------------------------------------------------------------------- texts to the front desk

    def form(self, sender: str, body: str, **more: str | tuple[str, ...] | None) -> dict[str, str]:
        """Return the parameters of the webhook for a text to the account's number; see `inbound_form`."""
        options = {"service": self.service, **more}
        to = f"whatsapp:{self.number}" if sender.startswith("whatsapp:") else self.number
        return inbound_form(self.account, sender, to, body, **options)  # type: ignore[arg-type]

    def text(self, sender: str, body: str, **more: str | tuple[str, ...] | None) -> str | None:
        """Text the number; return the reply that came back at once, or None."""
        return self.deliver(self.form(sender, body, **more)).reply

    def deliver(self, form: dict[str, str], *, lose: Loss | None = None, again: bool = False) -> Exchange:
        """Send a webhook. One that is lost is sent again, as Twilio does; `again` sends it again all the same."""
        with self._lock:
            if all(text.sid != form["MessageSid"] for text in self.texts[-5_000:]):
                received = Text(form["MessageSid"], "inbound", form["From"], form["To"], form["Body"], "received")
                self.texts.append(received)
        if lose is Loss.AFTER:
            self.post("/sms/twilio", form)
        exchange = self._exchange(form)
        if again:
            self.post("/sms/twilio", form)
        with self._lock:
            if bare(form["Body"]) in STOP_WORDS:
                self.opted_out.add(form["From"])
            elif bare(form["Body"]) in START_WORDS:
                self.opted_out.discard(form["From"])
        return exchange

    def post(self, path: str, form: dict[str, str], query: str = "") -> httpx.Response:
        """Send a request to the front desk as Twilio does: form-encoded, and signed for the public address."""
        signature = self.signature(path + query, form)
        return self._http.post(self.desk_url.rstrip("/") + path + query, data=form, headers={HEADER: signature})

    def signature(self, path: str, form: dict[str, str]) -> str:
        """Return the signature of a form that is sent to a path, query string included."""
        signed: str = RequestValidator(self.token).compute_signature(self.public_url.rstrip("/") + path, form)
        return signed

    def _exchange(self, form: dict[str, str]) -> Exchange:
        started = time.monotonic()
        try:
            response = self.post("/sms/twilio", form)
        except httpx.HTTPError:
            exchange = Exchange(0, time.monotonic() - started)
        else:
            exchange = Exchange(response.status_code, time.monotonic() - started)
            if response.is_success:
                exchange.reply, exchange.callback = _read_twiml(response.text)
        with self._lock:
            self.exchanges.append(exchange)
            if exchange.reply is None or form["MessageSid"] in self._answered:
                return exchange
            self._answered.add(form["MessageSid"])
            blocked = form["From"] in self.opted_out and bare(form["Body"]) not in START_WORDS
            text = Text(
                sid=new_sid(),
                direction="outbound-reply",
                sender=form["To"],
                to=form["From"],
                body=exchange.reply,
                status="failed" if blocked else "queued",
                service=form.get("MessagingServiceSid"),
                error_code=BLOCKED if blocked else None,
                callback=exchange.callback,
                in_reply_to=form["MessageSid"],
            )
            self.texts.append(text)
        self._show(text)
        if blocked:
            exchange.reply = None
        self._tell(text, ("failed",) if blocked else self.outcome, BLOCKED if blocked else self.error_code)
        return exchange

    # ----------------------------------------------------------------------- texts from the front desk

    def create(self, form: dict[str, str], is_signed_in: bool) -> Text:
        """Take a text of the REST API; raise ApiError."""
        if not is_signed_in:
            raise WRONG_TOKEN
        to, body = form.get("To", ""), form.get("Body", "")
        service = form.get("MessagingServiceSid")
        sender = form.get("From") or (self.number if service else "")
        if not to:
            raise ApiError(400, 21604, "A 'To' phone number is required.")
        if not _ADDRESS.fullmatch(to):
            raise ApiError(400, 21211, "Invalid 'To' Phone Number")
        if not sender:
            raise ApiError(400, 21603, "A 'From' phone number is required.")
        if sender.removeprefix("whatsapp:") != self.number:
            raise ApiError(400, 21606, "The 'From' phone number is not a valid, SMS-capable number of this account")
        if not body:
            raise ApiError(400, 21602, "Message body is required")
        if len(body) > 1_600:
            raise ApiError(400, 21617, "The concatenated message body exceeds the 1600 character limit")
        with self._lock:
            if to in self.opted_out:
                raise ApiError(400, BLOCKED, "Attempt to send to unsubscribed recipient")
            text = Text(
                new_sid(), "outbound-api", sender, to, body, "queued", service, callback=form.get("StatusCallback")
            )
            self.texts.append(text)
        self._show(text)
        self._tell(text, self.outcome, self.error_code)
        return text

    def find(self, sid: str) -> Text | None:
        """Return a text by its id."""
        with self._lock:
            return next((text for text in self.texts if text.sid == sid), None)

    def received_by(self, phone: str) -> list[Text]:
        """Return the texts that reached a phone, in the order they were taken."""
        with self._lock:
            return [
                text for text in self.texts if text.to == phone and text.direction != "inbound" and not text.error_code
            ]

    # ----------------------------------------------------------------------- what became of them

    def tell(self, text: Text, statuses: Iterable[str], error_code: int | None = None) -> None:
        """Tell the front desk what became of a text, in this order."""
        if text.callback is None:
            return
        path = text.callback.removeprefix(self.public_url.rstrip("/"))
        path, mark, query = path.partition("?")
        for status in statuses:
            code = error_code if status in ("failed", "undelivered") else None
            form = status_form(self.account, text, status, code)
            try:
                self.post(path, form, mark + query)
            except (httpx.HTTPError, RuntimeError):
                continue  # the front desk or this simulator is gone; Twilio does not tell it again either
            text.status = status
            text.error_code = code

    def wait_for_callbacks(self) -> None:
        """Wait until everything that is to be told was told."""
        while True:
            with self._lock:
                waiting, self._callbacks = self._callbacks, []
            if not waiting:
                return
            for thread in waiting:
                thread.join()

    def _show(self, text: Text) -> None:
        if self.on_text is not None:
            self.on_text(text)

    def _tell(self, text: Text, statuses: tuple[str, ...], error_code: int | None) -> None:
        if not self.tells_statuses or text.callback is None:
            return
        thread = threading.Thread(target=self.tell, args=(text, statuses, error_code), daemon=True)
        with self._lock:
            self._callbacks.append(thread)
            thread.start()


def _read_twiml(content: str) -> tuple[str | None, str | None]:
    """Return the text of the one message in TwiML, and where to tell what became of it."""
    message = ElementTree.fromstring(content).find("Message")  # noqa: S314 # our own
    if message is None:
        return None, None
    return "".join(message.itertext()), message.get("statusCallback")
