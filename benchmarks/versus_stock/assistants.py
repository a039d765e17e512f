"""Both assistants as their users start them, and talking to each as its visitors do."""

import http.client
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.conversation.length import free_ports
from benchmarks.versus_stock.projects import RASA_PYTHON, BenchmarkFailed, Projects, last_words, yaml_file

START_SECONDS = 600
STOP_SECONDS = 60
REPLY_SECONDS = 120
IDLE_SECONDS = 2.0  # both close a connection that nobody has used for five
OURS, STOCK = "ours", "stock"
# The topics our front desk's own replies to danger stand for.
_DANGERS = {"crisis": "crisis/suicidal_now", "emergency": "crisis/medical_emergency"}


class NoAnswer(Exception):
    """A message was not answered, or by nothing."""


@dataclass(frozen=True)
class Reply:
    """What a visitor got. `topics` are those it answers; `is_saved`: a request was confirmed in it."""

    topics: tuple[str, ...]
    is_saved: bool


class Talk(ABC):
    """One visitor's conversation, over one connection."""

    def __init__(self, port: int) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=REPLY_SECONDS)
        self._used = time.monotonic()

    @abstractmethod
    def say(self, text: str) -> Reply:
        """Say something; raise NoAnswer."""

    @abstractmethod
    def begin_request(self) -> Reply:
        """Ask for an appointment."""

    def close(self) -> None:
        """Leave."""
        self._http.close()

    def _post(self, path: str, body: Any) -> Any:
        if time.monotonic() - self._used > IDLE_SECONDS:
            self._http.close()  # the next request opens it again
        try:
            self._http.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            response = self._http.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(type(error).__name__) from error
        self._used = time.monotonic()
        if response.status != 200:
            raise NoAnswer(f"status {response.status}")
        return json.loads(content)


class OurTalk(Talk):
    """Through the chat API."""

    token: str | None = None

    def say(self, text: str) -> Reply:
        """Say something; raise NoAnswer."""
        answer = self._post("/api/chat", {"session": self.token, "text": text})
        self.token, messages = answer["session"], answer["messages"]
        if not messages or not all(message["text"].strip() for message in messages):
            raise NoAnswer("an empty reply")
        topics = [topic for message in messages for topic in self._topics(message)]
        is_saved = any(message["kind"] == "confirmation" for message in messages)
        return Reply(tuple(dict.fromkeys(topics)), is_saved)

    def begin_request(self) -> Reply:
        """Ask in words."""
        return self.say("I'd like an appointment")

    @staticmethod
    def _topics(message: dict[str, Any]) -> Sequence[str]:
        if message["kind"] == "safety":
            return [_DANGERS[message["level"]]] if message["level"] in _DANGERS else []
        return [] if message["kind"] == "fallback" else message.get("topics", [])


class StockTalk(Talk):
    """Through Rasa's REST channel; what an answer is about is recognised by its words."""

    def __init__(self, port: int, topics: dict[str, list[str]], saved: str) -> None:
        super().__init__(port)
        self.sender = uuid.uuid4().hex
        self._topics, self._saved = topics, saved

    def say(self, text: str) -> Reply:
        """Say something; raise NoAnswer."""
        messages = self._post("/webhooks/rest/webhook", {"sender": self.sender, "message": text})
        texts = [message.get("text", "") for message in messages]
        if not texts or not all(texts):
            raise NoAnswer("an empty reply")  # as the REST channel answers when anything fails
        topics = [topic for said in texts for topic in self._topics.get(said, ())]
        return Reply(tuple(dict.fromkeys(topics)), any(said.startswith(self._saved) for said in texts))

    def begin_request(self) -> Reply:
        """Press the button, so that a request is made whatever was understood."""
        return self.say("/request_appointment")


class Assistant(ABC):
    """One of the two."""

    name: str

    def __init__(self, projects: Projects) -> None:
        self.projects = projects
        self._processes: list[subprocess.Popen[bytes]] = []
        self.log = projects.folder / f"{self.name}.log"

    @property
    @abstractmethod
    def data(self) -> Path:
        """The folder of its databases."""

    @abstractmethod
    def talk(self) -> Talk:
        """Begin a conversation."""

    @abstractmethod
    def _commands(self) -> Sequence[tuple[Sequence[str], Path, dict[str, str]]]:
        """Return each program to start: its words, folder and environment."""

    @abstractmethod
    def _is_ready(self) -> bool: ...

    @contextmanager
    def running(self, *, fresh: bool = True) -> Iterator[float]:
        """Run it, on empty databases if `fresh`; give the seconds from start to ready."""
        if fresh:
            shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(parents=True, mode=0o700, exist_ok=True)
        commands = self._commands()
        began = time.monotonic()
        try:
            with self.log.open("wb") as output:
                for command, folder, environment in commands:
                    self._processes.append(
                        subprocess.Popen(  # noqa: S603
                            command, cwd=folder, env=environment, stdout=output, stderr=output
                        )
                    )
            self._wait_until_ready(began + START_SECONDS)
            yield time.monotonic() - began
        finally:
            self._stop()

    def memory_mib(self) -> dict[str, float]:
        """Return the memory of each of its processes, shared pages counted by their share (PSS) where Linux says so."""
        found: Counter[str] = Counter()
        for pid in self._tree():
            found[_name(pid)] += _memory_kib(pid)
        return {name: kib / 1024 for name, kib in found.items() if kib}

    def processor_seconds(self) -> dict[str, float]:
        """Return the processor time each of its processes has taken so far."""
        found: dict[str, float] = defaultdict(float)
        for pid in self._tree():
            with suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
                found[_name(pid)] += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return found

    def _tree(self) -> list[int]:
        children: dict[int, list[int]] = {}
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                parent = int(path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(path.parent.name))
        found = [process.pid for process in self._processes]
        for pid in found:
            found += children.get(pid, [])  # grows while it is walked
        return found

    def _wait_until_ready(self, deadline: float) -> None:
        while not self._is_ready():
            if time.monotonic() > deadline or any(process.poll() is not None for process in self._processes):
                raise BenchmarkFailed(f"{self.name} did not start.\n{last_words(self.log)}")
            time.sleep(0.05)

    def _stop(self) -> None:
        for process in self._processes:
            process.send_signal(signal.SIGINT)
        for process in self._processes:
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    @staticmethod
    def _answers(port: int, path: str) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


class Ours(Assistant):
    """`./ketalink serve --no-train`: front desk, Rasa, action server and what looks after them."""

    name = OURS

    @property
    def data(self) -> Path:
        """The folder of its databases."""
        return self.projects.folder / "ours-data"

    def talk(self) -> OurTalk:
        """Begin a conversation."""
        return OurTalk(self._port)

    def _commands(self) -> Sequence[tuple[Sequence[str], Path, dict[str, str]]]:
        self._port, *inner = free_ports(3)
        ports = dict(zip(("PORT", "RASA_PORT", "ACTIONS_PORT"), map(str, (self._port, *inner)), strict=True))
        command = [sys.executable, "-m", "frontdesk.cli", "serve", "--no-train"]
        return [(command, self.projects.ours, self.projects.our_environment() | ports)]

    def _is_ready(self) -> bool:
        return self._answers(self._port, "/readyz")


class Stock(Assistant):
    """`rasa run` and `rasa run actions`, with the REST channel and conversations in SQLite."""

    name = STOCK

    def __init__(self, projects: Projects) -> None:
        super().__init__(projects)
        project = projects.stock
        self._topics: dict[str, list[str]] = json.loads((project / "topics.json").read_text(encoding="utf-8"))["topics"]
        self._saved = (project / "saved.txt").read_text(encoding="utf-8")

    @property
    def data(self) -> Path:
        """The folder of its databases."""
        return self.projects.folder / "stock-data"

    @property
    def tracker_file(self) -> Path:
        """Where it keeps its conversations."""
        return self.data / "rasa.db"

    def talk(self) -> StockTalk:
        """Begin a conversation."""
        return StockTalk(self._port, self._topics, self._saved)

    def _commands(self) -> Sequence[tuple[Sequence[str], Path, dict[str, str]]]:
        self._port, self._actions_port = free_ports(2)
        endpoints = {
            "action_endpoint": {"url": f"http://127.0.0.1:{self._actions_port}/webhook"},
            # Rasa's default is memory, which no restart survives.
            "tracker_store": {"type": "SQL", "dialect": "sqlite", "db": str(self.tracker_file)},
        }
        yaml_file(self.projects.stock / "endpoints.yml", endpoints)
        rasa = [str(RASA_PYTHON), "-m", "rasa", "run"]
        folder, environment = self.projects.stock, self.projects.stock_environment()
        return [
            ([*rasa, "--interface", "127.0.0.1", "--port", str(self._port)], folder, environment),
            # Otherwise rasa-sdk listens on every address of the machine.
            ([*rasa, "actions", "--port", str(self._actions_port)], folder, environment | {"SANIC_HOST": "127.0.0.1"}),
        ]

    def _is_ready(self) -> bool:
        return self._answers(self._port, "/") and self._answers(self._actions_port, "/health")


def _name(pid: int) -> str:
    """Return what a process is: the module it runs and its command, `rasa run actions`."""
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
        if "-m" in words:
            module = words[words.index("-m") + 1 :][:3]
            return " ".join(itertools.takewhile(lambda word: word and not word.startswith("-"), module))
    return "other"


def _memory_kib(pid: int) -> int:
    for name, field in (("smaps_rollup", "Pss:"), ("status", "VmRSS:")):
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/{name}").read_text(encoding="utf-8").splitlines():
                if line.startswith(field):
                    return int(line.split()[1])
    return 0
