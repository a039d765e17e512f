"""`./ketalink sms-simulator`: texting the assistant from the terminal, without a Twilio account."""

import secrets
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Condition
from typing import Annotated
from urllib.parse import urlsplit

import httpx
import typer

from frontdesk.cli.console import CommandFailed, out
from frontdesk.cli.serve import address
from frontdesk.settings import Settings, is_loopback, load_settings
from frontdesk.sms.segments import encoding, segments
from frontdesk.sms.simulator.messages import Text
from frontdesk.sms.simulator.rest import RestApi
from frontdesk.sms.simulator.twilio import BLOCKED, BROKEN, BUSY, WRONG_TOKEN, ApiError, Loss, TwilioSimulator

NUMBER, PHONE, SERVICE = "+15165550100", "+15165550142", "MG" + "0" * 32
DEFAULT_PORT = 8020
WAIT_SECONDS = 30.0
FAULTS: dict[str, ApiError | Loss] = {
    "20003": WRONG_TOKEN,
    "20429": BUSY,
    "21610": ApiError(400, BLOCKED, "Attempt to send to unsubscribed recipient"),
    "503": BROKEN,
    "drop": Loss.BEFORE,
    "drop-after": Loss.AFTER,
}
HELP = """\
Write what the phone texts. Or:
  /from +15165550143      another phone; whatsapp:+15165550143 for WhatsApp
  /picture [WORDS]        an MMS, with or without words      /location   a place (WhatsApp)
  /service                through a Messaging Service, or no more
  /repeat                 the last webhook again, with the same MessageSid
  /twice WORDS            a webhook twice                    /lost WORDS its answer lost, so that Twilio sends it again
  /together A | B | C     several texts at once
  /fail WHAT [TIMES]      what the REST API does next: 20003, 20429, 21610, 503, drop, drop-after
  /becomes STATUS [CODE]  what becomes of texts from now on: delivered, undelivered 30003, ...
  /wait [SECONDS]         until another text arrives
  /texts                  everything so far                  /help       /quit"""


class Quit(Exception):
    """The conversation is over."""


def sms_simulator(
    sender: Annotated[str, typer.Option("--from", help="The phone that texts.")] = PHONE,
    text: Annotated[str | None, typer.Option(help="Text this, print the reply, and end.")] = None,
    sid: Annotated[str | None, typer.Option(help="Its MessageSid: the same one twice is a repeat.")] = None,
    env: Annotated[bool, typer.Option("--env", help="Print the settings it needs, for .env, and end.")] = False,
) -> None:
    """Text the assistant from here: this stands in for Twilio, on both sides.

    Webhooks are signed as Twilio does; texts that the front desk sends later arrive here too, at TWILIO_API_URL.
    """
    settings = load_settings()
    if env:
        sys.stdout.write(env_lines(settings))
        return
    simulator = make_simulator(settings)
    with RestApi(simulator, api_port(settings)), simulator:
        phone = Phone(simulator, sender)
        simulator.on_text = phone.show
        if text is not None:
            phone.text(text, **({"sid": sid} if sid else {}))
            return
        talk(phone)


def env_lines(settings: Settings) -> str:
    """Return the settings under which everything runs on this machine, those that are set left out."""
    wanted = {
        "PUBLIC_URL": (settings.public_url, address(settings)),
        "TWILIO_ACCOUNT_SID": (settings.twilio_account_sid, "AC" + secrets.token_hex(16)),
        "TWILIO_AUTH_TOKEN": (settings.twilio_auth_token, secrets.token_hex(16)),
        "TWILIO_PHONE_NUMBER": (settings.twilio_phone_number, NUMBER),
        "TWILIO_API_URL": (api_port(settings) or None, f"http://127.0.0.1:{DEFAULT_PORT}"),
    }
    return "".join(f"{name}={value}\n" for name, (known, value) in wanted.items() if known is None)


def make_simulator(settings: Settings) -> TwilioSimulator:
    """Return Twilio as the settings have it; raise CommandFailed when they lack something."""
    tokens, public_url = settings.twilio_tokens, settings.public_url
    if not tokens or not public_url or not settings.twilio_account_sid:
        raise CommandFailed(
            "PUBLIC_URL, TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN have to be set: the front desk trusts nobody else. "
            "For a trial on this machine: ./ketalink sms-simulator --env >> .env, then start the assistant again."
        )
    try:
        alive = "alive" in httpx.get(f"{address(settings)}/healthz", timeout=5, trust_env=False).text
    except httpx.HTTPError:
        alive = False
    if not alive:
        raise CommandFailed(f"The assistant does not answer at {address(settings)}. Start it: ./ketalink serve")
    return TwilioSimulator(
        account=settings.twilio_account_sid,
        token=tokens[0],
        number=settings.twilio_phone_number or NUMBER,
        public_url=public_url,
        desk_url=address(settings),
    )


def api_port(settings: Settings) -> int:
    """Return the port of TWILIO_API_URL on this machine; 0 when texts are sent to the real Twilio."""
    parts = urlsplit(settings.twilio_api_url)
    return parts.port or 80 if is_loopback(parts.hostname or "") else 0


@dataclass
class Phone:
    """A phone in the terminal."""

    twilio: TwilioSimulator
    number: str
    last: dict[str, str] = field(default_factory=dict)
    arrived: int = 0
    news: Condition = field(default_factory=Condition)

    def show(self, text: Text) -> None:
        """Print a text as it arrives."""
        size = f"{segments(text.body)} × {encoding(text.body).name}"
        whom = f" to {text.to}" if text.to != self.number else ""
        late = ", sent later" if text.direction == "outbound-api" else ""
        blocked = f", blocked by the carrier ({text.error_code})" if text.error_code == BLOCKED else ""
        with self.news:
            out.print(f"\n[{size}{whom}{late}{blocked}]\n{text.body}", markup=False)
            self.arrived += 1
            self.news.notify_all()

    def text(self, body: str, **more: str | tuple[str, ...] | None) -> None:
        """Text the assistant."""
        self.send(self.twilio.form(self.number, body, **more))

    def send(self, form: dict[str, str], *, lose: Loss | None = None, again: bool = False) -> None:
        """Deliver a webhook, and say so when nothing came back."""
        self.last = form
        exchange = self.twilio.deliver(form, lose=lose, again=again)
        if exchange.status != 200:
            out.print(f"(the front desk answered {exchange.status or 'nothing'})")
        elif exchange.reply is None:
            out.print(f"(no reply at once; {exchange.seconds:.2f} s)")

    def wait(self, seconds: float) -> None:
        """Wait for another text."""
        with self.news:
            before = self.arrived
            if not self.news.wait_for(lambda: self.arrived > before, seconds):
                out.print(f"(nothing arrived within {seconds:.0f} s)")


def talk(phone: Phone) -> None:
    """Read what the phone texts, line by line, until the end."""
    out.print(f"{phone.number} texts {phone.twilio.number}. /help lists what else can happen; /quit ends.")
    while True:
        try:
            line = input("\n> ").strip()
        except (EOFError, KeyboardInterrupt):
            return
        command, _, rest = line.partition(" ")
        try:
            if command in COMMANDS:
                COMMANDS[command](phone, rest.strip())
            elif command.startswith("/") and len(command) > 1:
                out.print(HELP, markup=False)
            else:
                phone.text(line)
        except Quit:
            return
        except (ValueError, KeyError):
            out.print(HELP, markup=False)


def _quit(_phone: Phone, _rest: str) -> None:
    raise Quit


def _from(phone: Phone, rest: str) -> None:
    phone.number = rest or PHONE
    out.print(f"({phone.number} texts now)", markup=False)


def _picture(phone: Phone, rest: str) -> None:
    media = f"https://api.twilio.com/2010-04-01/Accounts/{phone.twilio.account}/Messages/MM0/Media/ME0"
    phone.text(rest, media=(media,))


def _location(phone: Phone, _rest: str) -> None:
    phone.text("", Latitude="40.7", Longitude="-73.6", MessageType="location")


def _service(phone: Phone, _rest: str) -> None:
    phone.twilio.service = None if phone.twilio.service else SERVICE
    out.print(f"(through a Messaging Service: {'yes' if phone.twilio.service else 'no'})")


def _repeat(phone: Phone, _rest: str) -> None:
    exchange = phone.twilio.deliver(phone.last)
    out.print(f"(answered with: {exchange.reply})", markup=False)


def _together(phone: Phone, rest: str) -> None:
    bodies = [body.strip() for body in rest.split("|")]
    with ThreadPoolExecutor(len(bodies)) as pool:
        list(pool.map(phone.text, bodies))


def _fail(phone: Phone, rest: str) -> None:
    what, *times = rest.split()
    phone.twilio.faults.extend([FAULTS[what]] * int(times[0] if times else 1))


def _becomes(phone: Phone, rest: str) -> None:
    status, *code = rest.split()
    phone.twilio.outcome = ("sent", status)
    phone.twilio.error_code = int(code[0]) if code else None


def _texts(phone: Phone, _rest: str) -> None:
    for text in phone.twilio.texts:
        error = f" {text.error_code}" if text.error_code else ""
        out.print(f"{text.direction:15} {text.sender} → {text.to} {text.status}{error}: {text.body!r}", markup=False)


COMMANDS: dict[str, Callable[[Phone, str], None]] = {
    "/quit": _quit,
    "/from": _from,
    "/picture": _picture,
    "/location": _location,
    "/service": _service,
    "/repeat": _repeat,
    "/twice": lambda phone, rest: phone.send(phone.twilio.form(phone.number, rest), again=True),
    "/lost": lambda phone, rest: phone.send(phone.twilio.form(phone.number, rest), lose=Loss.AFTER),
    "/together": _together,
    "/fail": _fail,
    "/becomes": _becomes,
    "/wait": lambda phone, rest: phone.wait(float(rest or WAIT_SECONDS)),
    "/texts": _texts,
}
