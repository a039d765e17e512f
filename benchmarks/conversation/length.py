"""Whether a message costs more late in a conversation than early in it.

    .venv/app/bin/python -m benchmarks.conversation.length [--pairs N] [--database-url URL] [--tracker-database-url URL]

Starts the whole assistant as `./ketalink serve` does, in a folder of its own, and talks to it through the chat API.
A pair is two conversations with the same messages: the one at turns 190 to 200 and the other at 6 to 16, in turns, so
that both meet the same moments of the machine. Half of the pairs ask questions, half do so inside the appointment form.
Prints medians in milliseconds, what Rasa took of them (its own histogram in /metrics) and what the front desk did,
and ends with code 2 when the ratio of the medians is above 1.3.
"""

import argparse
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

PROJECT = Path(__file__).resolve().parents[2]
BAR = 1.3
BEFORE_EARLY, BEFORE_LATE = 5, 189
START_SECONDS = 180
# Eleven turns, one topic each and one double question: what is timed, and what fills the turns before.
QUESTIONS = (
    "how long does one infusion take",
    "who can drive me home afterwards",
    "does it help with depression",
    "how much does an infusion cost",
    "what will i feel during the infusion",
    "can i eat before the infusion",
    "is it safe with high blood pressure",
    "how long do the effects last",
    "what are the side effects and does insurance pay",
    "can i go back to work the next day",
    "how many sessions do people need",
)
OPENINGS = {
    "questions": ("hello",),
    "inside the form": ("I'd like to request an appointment", "Jordan Lee"),
}
_RASA_SECONDS = re.compile(rb'^ketalink_rasa_seconds_sum\{channel="widget"\} (\S+)$', re.MULTILINE)


@dataclass
class Timings:
    """Milliseconds of single messages, and how many of them were Rasa's."""

    total: list[float] = field(default_factory=list)
    rasa: list[float] = field(default_factory=list)

    def median(self) -> tuple[float, float, float]:
        """Return the medians of the whole, of Rasa's part and of the rest."""
        rest = [whole - part for whole, part in zip(self.total, self.rasa, strict=True)]
        return statistics.median(self.total), statistics.median(self.rasa), statistics.median(rest)


class Conversation:
    """One visitor, who says the opening and then goes round the questions."""

    def __init__(self, http: httpx.Client, opening: tuple[str, ...]) -> None:
        self._http = http
        self._opening = opening
        self._token: str | None = None
        self.turns = 0

    def go_on(self) -> tuple[float, list[str]]:
        """Say what comes next; return the milliseconds it took and the kinds of the replies."""
        after = self.turns - len(self._opening)
        text = self._opening[self.turns] if after < 0 else QUESTIONS[after % len(QUESTIONS)]
        return self.say(text)

    def say(self, text: str) -> tuple[float, list[str]]:
        """Say something; raise httpx.HTTPStatusError unless it is answered."""
        began = time.perf_counter()
        response = self._http.post("/api/chat", json={"session": self._token, "text": text})
        taken = 1000 * (time.perf_counter() - began)
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        self._token = answer["session"]
        self.turns += 1
        return taken, [message["kind"] for message in answer["messages"]]


def rasa_seconds(http: httpx.Client) -> float:
    """Return the seconds Rasa has taken for the widget's messages so far."""
    found = _RASA_SECONDS.search(http.get("/metrics").content)
    return float(found[1]) if found else 0.0


def timed(http: httpx.Client, conversation: Conversation, text: str, into: Timings) -> list[str]:
    """Say `text`, note how long it took, and return the kinds of the replies."""
    before = rasa_seconds(http)
    taken, kinds = conversation.say(text)
    into.total.append(taken)
    into.rasa.append(1000 * (rasa_seconds(http) - before))
    return kinds


def measure(http: httpx.Client, name: str, pairs: int) -> tuple[Timings, Timings]:
    """Return the timings of early and of late turns."""
    early, late = Timings(), Timings()
    for number in range(pairs):
        fresh, long = (Conversation(http, OPENINGS[name]) for _ in range(2))
        while long.turns < BEFORE_LATE:
            long.go_on()
        while fresh.turns < BEFORE_EARLY:
            fresh.go_on()
        for place, text in enumerate(QUESTIONS):
            order = [(fresh, early), (long, late)]
            replies = [timed(http, one, text, into) for one, into in (order if place % 2 else reversed(order))]
            if replies[0] != replies[1]:
                sys.exit(f"{name}: '{text}' was answered by {replies[0]} in one and {replies[1]} in the other.")
        print(f"{name}: pair {number + 1} of {pairs}", file=sys.stderr)
    return early, late


@contextmanager
def assistant(database_url: str | None, tracker_database_url: str | None) -> Iterator[str]:
    """Run the whole assistant in a folder of its own; give its address."""
    with tempfile.TemporaryDirectory() as folder:
        ports = free_ports(3)
        environment = {
            **os.environ,
            **dict(zip(("PORT", "RASA_PORT", "ACTIONS_PORT"), map(str, ports), strict=True)),
            "DATA_DIR": folder,
            "DATABASE_URL": database_url or "",
            "TRACKER_DATABASE_URL": tracker_database_url or "",
            "CHAT_LIMIT_PER_MINUTE": "0",
        }
        log = Path(folder) / "serve.log"
        with log.open("wb") as output:
            serve = subprocess.Popen(
                [sys.executable, "-m", "frontdesk.cli", "serve", "--no-train"],
                cwd=PROJECT,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        url = f"http://127.0.0.1:{ports[0]}"
        try:
            wait_until_ready(url, serve, log)
            yield url
        finally:
            serve.send_signal(signal.SIGINT)
            serve.wait(timeout=60)


def wait_until_ready(url: str, serve: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for `/readyz`, or exit with what `serve` said."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and serve.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    sys.exit(f"The assistant did not start:\n{log.read_text(encoding='utf-8')[-4000:]}")


def free_ports(count: int) -> list[int]:
    """Return ports nothing listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=4, help="pairs of conversations of each kind")
    parser.add_argument("--database-url", help="of the front desk; an SQLite file unless set")
    parser.add_argument("--tracker-database-url", help="of Rasa; an SQLite file unless set")
    arguments = parser.parse_args()
    ratios = []
    with (
        assistant(arguments.database_url, arguments.tracker_database_url) as url,
        httpx.Client(base_url=url, timeout=30) as http,
    ):
        print("| conversation | turns | p50, ms | of it Rasa | front desk | ratio |")
        print("| --- " * 6 + "|")
        for name in OPENINGS:
            early, late = measure(http, name, arguments.pairs)
            ratio = late.median()[0] / early.median()[0]
            ratios.append(ratio)
            for turns, timings, shown in (("6–16", early, ""), ("190–200", late, f"{ratio:.2f}")):
                whole, rasa, rest = timings.median()
                print(f"| {name} | {turns} | {whole:.1f} | {rasa:.1f} | {rest:.1f} | {shown} |", flush=True)
    if max(ratios) > BAR:
        sys.exit(2)


if __name__ == "__main__":
    main()
