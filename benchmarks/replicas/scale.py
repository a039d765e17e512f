"""How much two of everything carry compared with one, and what is lost when members are killed.

    .venv/app/bin/python -m benchmarks.replicas.scale [--seconds 60] [--visitors 8]
    .venv/app/bin/python -m benchmarks.replicas.scale --kill-every 5 --minutes 5

Starts front desks, Rasa servers and action servers as `./ketalink serve --only …` behind HAProxy (deploy/haproxy), over
PostgreSQL and Redis, all on this machine. Simulated visitors ask questions and make whole requests, in turns, and check
afterwards that the transcript has each message and each reply once. Whoever gets no answer sends the message again with
the same id, as the widget does; the time until the answer counts whole.

Without `--kill-every`: one of everything, then two; prints messages a second, p50 and p95 and the ratio. Visitors,
HAProxy, PostgreSQL and Redis share the processors with what is measured: the ratio says something only where there are
more processors than one set fills. With it: two of everything; every so many seconds the next member that has a living
twin is killed with SIGKILL, and its supervisor starts it again. Exit code 1 when anything was lost, doubled or empty.
"""

import argparse
import itertools
import os
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from frontdesk.db import open_database
from frontdesk.leads import repository
from frontdesk.settings import Settings
from tests.conftest import postgres_database, postgres_server
from tests.replicas.cluster import Broken, Replicas, Talk, started

WARM_UP_SECONDS = 10.0


@dataclass
class Outcome:
    """What visitors saw, and what was in the database afterwards."""

    seconds: float
    timings: list[float] = field(default_factory=list)
    repeats: int = 0
    references: list[str] = field(default_factory=list)
    broken: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    doubled: int = 0
    kills: Counter[str] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Messages a second."""
        return len(self.timings) / self.seconds

    def milliseconds(self, percent: int) -> float:
        """Return a percentile of how long a message took."""
        return statistics.quantiles(self.timings, n=100)[percent - 1] * 1000

    @property
    def is_wrong(self) -> bool:
        """Tell whether a promise was not kept."""
        return bool(self.broken or self.lost or self.doubled)


def main() -> int:
    """Run it; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60, help="of each measurement")
    parser.add_argument("--visitors", type=int, default=8, help="at once")
    parser.add_argument("--kill-every", type=float, metavar="SECONDS", help="kill members instead of comparing")
    parser.add_argument("--minutes", type=float, default=5, help="with --kill-every: how long")
    options = parser.parse_args()
    if options.kill_every:
        with replicas(2) as two:
            outcome = visited(two, options.visitors, options.minutes * 60, options.kill_every)
        print(f"killed: {', '.join(f'{part} {count}' for part, count in sorted(outcome.kills.items()))}")
        show({"2, killed": outcome})
        return int(outcome.is_wrong)
    outcomes: dict[str, Outcome] = {}
    for count in (1, 2):
        with replicas(count) as some:
            outcomes[str(count)] = visited(some, options.visitors, options.seconds)
    show(outcomes)
    ratio = outcomes["2"].rate / outcomes["1"].rate
    print(f"\nTwo carry {ratio:.2f} × what one carries, on {os.cpu_count()} processors.")
    return int(any(outcome.is_wrong for outcome in outcomes.values()))


def show(outcomes: dict[str, Outcome]) -> None:
    """Print the table, and what went wrong."""
    print("\n| replicas | messages/s | p50 ms | p95 ms | messages | requests | sent again | lost | doubled | broken |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, one in outcomes.items():
        print(
            f"| {name} | {one.rate:.1f} | {one.milliseconds(50):.0f} | {one.milliseconds(95):.0f} | {len(one.timings)} "
            f"| {len(one.references)} | {one.repeats} | {one.lost} | {one.doubled} | {one.broken.total()} |"
        )
    for name, one in outcomes.items():
        for problem, count in one.broken.most_common():
            print(f"{name}: {count} × {problem}")


@contextmanager
def replicas(count: int) -> Iterator[Replicas]:
    """Start so many of everything on empty databases."""
    with (
        tempfile.TemporaryDirectory(prefix="ketalink-replicas-") as folder,
        postgres_server(os.environ.get("TEST_DATABASE_URL")) as server,
        postgres_database(server) as main_database,
        postgres_database(server) as trackers,
        started(Path(folder), main_database, trackers, count) as running,
    ):
        print(f"{count} of everything started", file=sys.stderr)
        yield running


def visited(replicas: Replicas, visitors: int, seconds: float, kill_every: float | None = None) -> Outcome:
    """Have visitors talk for so long; return what came of it."""
    enough = threading.Event()
    outcome, numbers, guard = Outcome(seconds), itertools.count(), threading.Lock()
    begin = time.monotonic() + WARM_UP_SECONDS

    def visit(visitor: int) -> None:
        while not enough.is_set():
            number = next(numbers)
            talk = Talk(replicas.url)
            problem = None
            try:
                if (number + visitor) % 2:
                    talk.request(number)
                else:
                    talk.ask()
                talk.check_history()
            except Broken as error:
                problem = str(error)
            finally:
                talk.close()
            with guard:
                outcome.timings += [took for at, took in talk.timings if begin <= at < begin + seconds]
                outcome.repeats += talk.repeats
                outcome.references += [talk.reference] if talk.reference else []
                outcome.broken.update([problem] if problem else [])

    with ThreadPoolExecutor(visitors) as pool:
        visits = [pool.submit(visit, visitor) for visitor in range(visitors)]
        try:
            _kill_until(begin + seconds, replicas, kill_every, outcome)
        finally:
            enough.set()
        for one in visits:
            one.result()
    saved = _saved(replicas)
    outcome.lost = len(set(outcome.references) - set(saved))
    outcome.doubled = len(saved) - len(set(saved) & set(outcome.references))
    return outcome


def _kill_until(end: float, replicas: Replicas, every: float | None, outcome: Outcome) -> None:
    members = itertools.cycle(replicas.members)
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, every or left))
        if every is None or time.monotonic() >= end:
            continue
        for member in itertools.islice(members, len(replicas.members)):
            twins = [one for one in replicas.members if one.part == member.part]
            if all(one.is_healthy() for one in twins):
                member.kill()
                outcome.kills[member.part] += 1
                break


def _saved(replicas: Replicas) -> list[str]:
    """Return the references of all requests in the database."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            _env_file=None,  # type: ignore[call-arg]
            data_dir=Path(folder),
            database_url=replicas.settings["DATABASE_URL"],
            lookup_secret=SecretStr(replicas.settings["LOOKUP_SECRET"]),
            encryption_keys=SecretStr(replicas.settings["ENCRYPTION_KEYS"]),
        )
        database = open_database(settings)
        try:
            with database.session() as session:
                return [str(repository.as_record(lead)["reference"]) for lead in repository.oldest_first(session)]
        finally:
            database.close()


if __name__ == "__main__":
    sys.exit(main())
