"""Two of everything on this machine: front desks, Rasa servers and action servers behind HAProxy, over one Redis.

Each member is `./ketalink serve --only …` with a data folder of its own, as on a machine of its own: what they share is
in the settings. `deploy/haproxy/haproxy.cfg` is used as it is, with addresses from the environment.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.fernet import Fernet

from frontdesk.loopback import NO_TLS
from tests.conftest import PROJECT, free_ports, pids_listening_on, wait_until

START_SECONDS = 150
HAPROXY_CONFIGURATION = PROJECT / "deploy" / "haproxy" / "haproxy.cfg"
HEALTH = {"frontdesk": "/healthz", "rasa": "/webhooks/frontdesk/", "actions": "/health"}
_PORT = {"frontdesk": "PORT", "rasa": "RASA_PORT", "actions": "ACTIONS_PORT"}
PARTS = tuple(HEALTH)


def program(name: str, package: str) -> str:
    """Return where a program is; without it a test is skipped, but fails in CI."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if path is None:
        message = f"{name} is not installed: `apt-get install {package}`."
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path


@contextmanager
def running(command: Sequence[str], log: Path, environment: dict[str, str] | None = None) -> Iterator[int]:
    """Run a program until the end of the block; give its process id."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, cwd=PROJECT, env=environment, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """A Redis that keeps nothing on disk; give its address."""
    command = [program("redis-server", "redis-server"), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    (port,) = free_ports(1)
    with running([*command, "--port", str(port), "--dir", str(folder)], folder / "redis.log"):
        wait_until(lambda: pids_listening_on(port), 20, "Redis")
        yield f"redis://127.0.0.1:{port}/0"


@dataclass(frozen=True)
class Member:
    """One replica of a part."""

    part: str
    number: int
    port: int
    data_dir: Path
    log: Path

    @property
    def url(self) -> str:
        """Its own address, past HAProxy."""
        return f"http://127.0.0.1:{self.port}"

    def is_healthy(self) -> bool:
        """Tell whether HAProxy would send it anything."""
        try:
            return httpx.get(f"{self.url}{HEALTH[self.part]}", timeout=2, verify=NO_TLS).is_success
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        """Kill it without warning; its supervisor starts it again."""
        for pid in pids_listening_on(self.port):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not self.is_healthy(), 10, f"{self.part} {self.number} to be dead")

    def wait_until_back(self) -> None:
        """Wait until it answers again."""
        wait_until(self.is_healthy, START_SECONDS, f"{self.part} {self.number} to be back; see {self.log}")


@dataclass
class Replicas:
    """The set, started by `started`."""

    url: str
    settings: dict[str, str]
    members: list[Member]

    def member(self, part: str, number: int) -> Member:
        """Return one of the members; they are numbered from 1."""
        return next(one for one in self.members if (one.part, one.number) == (part, number))


@contextmanager
def started(folder: Path, database_url: str, tracker_database_url: str, count: int = 2) -> Iterator[Replicas]:
    """Start `count` of everything, on an empty database, and wait until HAProxy finds all of them."""
    haproxy = program("haproxy", "haproxy")
    folder.mkdir(parents=True, exist_ok=True)
    public, rasa, actions, *ports = free_ports(3 + 2 * len(PARTS))
    members = [
        Member(part, number, ports[2 * index + number - 1], folder / f"{part}{number}", folder / f"{part}{number}.log")
        for index, part in enumerate(PARTS)
        for number in range(1, count + 1)
    ]
    found = {
        f"{part.upper()}_{number}": f"127.0.0.1:{ports[2 * i + number - 1]}"
        for i, part in enumerate(PARTS)
        for number in (1, 2)
    }
    binds = {"PUBLIC_BIND": public, "RASA_BIND": rasa, "ACTIONS_BIND": actions}
    with ExitStack() as stack:
        settings = {
            "DATABASE_URL": database_url,
            "TRACKER_DATABASE_URL": tracker_database_url,
            "REDIS_URL": stack.enter_context(redis_server(folder)),
            "RASA_URL": f"http://127.0.0.1:{rasa}",
            "ACTIONS_URL": f"http://127.0.0.1:{actions}",
            **{f"{name}_SECRET": secrets.token_urlsafe(32) for name in ("RASA", "SESSION", "LOOKUP")},
            "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
            "CHAT_LIMIT_PER_MINUTE": "0",
        }
        pids: list[int] = []
        for member in members:
            own = {"DATA_DIR": str(member.data_dir), _PORT[member.part]: str(member.port)}
            command = [sys.executable, "-m", "frontdesk.cli", "serve", "--no-train", "--only", member.part]
            pids.append(stack.enter_context(running(command, member.log, os.environ | settings | own)))
        stack.callback(_stop_at_once, pids)
        addresses = found | {name: f"127.0.0.1:{port}" for name, port in binds.items()}
        command = [haproxy, "-db", "-f", str(HAPROXY_CONFIGURATION)]
        stack.enter_context(running(command, folder / "haproxy.log", os.environ | addresses))
        wait_until(lambda: pids_listening_on(public), 20, f"HAProxy; see {folder}")
        for member in members:
            member.wait_until_back()
        replicas = Replicas(f"http://127.0.0.1:{public}", settings, members)
        for name, address in (
            ("frontdesk", replicas.url),
            ("rasa", settings["RASA_URL"]),
            ("actions", settings["ACTIONS_URL"]),
        ):
            wait_until(lambda url=address + HEALTH[name]: _answers(url), 20, f"HAProxy to find a {name}")
        yield replicas


def _stop_at_once(pids: Sequence[int]) -> None:
    """Ask all of them to stop, so that none waits for another."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5, verify=NO_TLS).is_success
    except httpx.HTTPError:
        return False


# --------------------------------------------------------------------------- who talks to it

QUESTIONS = (
    "how long does one infusion take",
    "who can drive me home afterwards",
    "does it help with depression",
    "how much does an infusion cost",
    "can i eat before the infusion",
    "what are the side effects",
)
# What is said, and what the reply asks for then.
REQUEST = (
    ("I'd like an appointment", "full_name"),
    ("{name}", "phone"),
    ("{phone}", "email"),
    ("maria@example.com", "patient_type"),
    ("I'm a new patient", "reason"),
    ("depression that pills did not help", "preferred_time"),
    ("mornings", "consent"),
    ("yes", "review"),
    ("yes", None),
)
FIRST_NAMES = ("Maria", "James", "Linda", "Robert", "Susan", "David", "Karen", "Peter", "Laura", "Daniel")
LAST_NAMES = ("Rivera", "Chen", "Novak", "Okafor", "Schmidt", "Rossi", "Haddad", "Larsen", "Kowalski", "Moreau")
PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.2


class Broken(AssertionError):
    """A promise was not kept; the text says which, without the conversation."""


@dataclass
class Talk:
    """A conversation as its visitor saw it: it repeats what got no answer, as the widget does."""

    url: str
    reading: Callable[[], object] = lambda: None  # before each message
    said: list[str] = field(default_factory=list)
    replies: list[int] = field(default_factory=list)  # how many messages each got
    timings: list[tuple[float, float]] = field(default_factory=list)  # when each was said, how long its answer took
    repeats: int = 0
    reference: str | None = None
    # The person a request is for: the same one who asks again on the same day joins the request there is.
    name: str = ""
    phone: str = ""

    def __post_init__(self) -> None:
        self._http = httpx.Client(base_url=self.url, timeout=30, verify=NO_TLS)
        self.token: str = self._until_answered("GET", "/api/chat/welcome").json()["session"]

    def say(self, text: str) -> list[dict[str, Any]]:
        """Say something; return the replies."""
        self.reading()
        body = {"session": self.token, "text": text, "id": uuid.uuid4().hex}
        began = time.monotonic()
        answer = self._until_answered("POST", "/api/chat", json=body).json()
        self.timings.append((began, time.monotonic() - began))
        self.token, messages = answer["session"], answer["messages"]
        if not messages or not all(message["text"].strip() for message in messages):
            raise Broken("an empty reply")
        self.said.append(text)
        self.replies.append(len(messages))
        return list(messages)

    def ask(self, questions: Sequence[str] = QUESTIONS) -> None:
        """Ask questions; each is answered."""
        for question in questions:
            kinds = {message["kind"] for message in self.say(question)}
            if "answer" not in kinds:
                raise Broken(f"a question was answered by {sorted(kinds)}")

    def request(self, number: int) -> None:
        """Make a whole request, for one person of ten thousand."""
        others, last = divmod(number, 100)
        self.name = f"{FIRST_NAMES[others % 10]} {LAST_NAMES[others // 10 % 10]}"
        self.phone = f"+15165550{100 + last}"
        for text, asked in REQUEST:
            messages = self.say(text.format(name=self.name, phone=f"516-555-0{100 + last}"))
            if asked is not None and asked not in {message.get("field") for message in messages}:
                raise Broken(f"{asked} was not asked for, but {[message.get('field') for message in messages]}")
            self.reference = next((one["lead"] for one in messages if one["kind"] == "confirmation"), None)
        if self.reference is None:
            raise Broken("the request was not confirmed")

    def check_history(self) -> None:
        """Raise Broken unless the transcript has all of it, once."""
        headers = {"Authorization": f"Bearer {self.token}"}
        history = self._until_answered("GET", "/api/chat/history", headers=headers).json()["messages"]
        if [one["text"] for one in history if one["from"] == "visitor"] != self.said:
            raise Broken("the transcript does not have each message once")
        counts: list[int] = []
        for one in history:
            if one["from"] == "visitor":
                counts.append(0)
            else:
                counts[-1] += 1
        if counts != self.replies:
            raise Broken(f"replies in the transcript: {counts}; as they were seen: {self.replies}")

    def close(self) -> None:
        """Leave."""
        self._http.close()

    def _until_answered(self, method: str, path: str, **request: Any) -> httpx.Response:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                response = self._http.request(method, path, **request)
                if response.status_code == httpx.codes.OK:
                    return response
                problem = str(response.status_code)
                if response.status_code < 500:
                    raise Broken(f"{method} {path} was refused with {problem}")
            except httpx.HTTPError as error:
                problem = type(error).__name__
            self.repeats += 1
            if time.monotonic() > deadline:
                raise Broken(f"no answer in {PATIENCE_SECONDS:.0f} s; the last was {problem}")
            time.sleep(PAUSE_SECONDS)  # as the widget waits before it tries again
