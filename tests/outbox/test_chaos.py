"""Processes killed at steps of saving and telling: nothing lost, nothing doubled. The long version is the benchmark."""

import subprocess
import sys
from datetime import timedelta

import pytest

from benchmarks.leads.chaos import ADDRESS, Run, audit
from frontdesk.db import Database
from frontdesk.outbox import store
from frontdesk.outbox.models import EventKind, OutboxEvent
from tests.conftest import PROJECT
from tests.outbox.conftest import Clock, save_lead


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_whatever_step_a_process_is_killed_at(kind: str, request: pytest.FixtureRequest) -> None:
    server = ["--postgresql", request.getfixturevalue("postgres_url")] if kind == "postgresql" else []
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.leads.chaos", "--runs", "12", "--only", kind, *server],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    runs, *wrong, _repeats = map(int, done.stdout.splitlines()[-1].removeprefix("all").split())
    assert (runs, wrong) == (13, [0] * 5)


# --- what is wrong would be seen


def told_run(database: Database, clock: Clock) -> tuple[Run, str]:
    """A run that went as it should, and the id of its event."""
    lead_id = save_lead(database, 42)
    with database.session() as session:
        store.spread(session, ["webhook"], clock.time)
        delivery = store.lease(session, "webhook", "worker", clock.time, timedelta())
        assert delivery is not None
        store.mark_delivered(session, delivery.id, clock.time)
        (event,) = store.events_about(session, lead_id)
    return Run(42, "a step", was_killed=True, is_confirmed=True), event.id


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone, for the tests of the audit."""
    return sqlite_url


def test_a_run_as_it_should_be(database: Database, clock: Clock) -> None:
    run, event_id = told_run(database, clock)
    findings = audit(database, [run], {"webhook": [event_id, event_id], f"email:{ADDRESS}": [event_id]})
    assert not any(finding.is_wrong for finding in findings.values())
    assert findings["a step"].repeats == 1


@pytest.mark.parametrize(
    ("received", "is_confirmed", "wrong"),
    [
        ({"webhook": []}, True, "untold"),
        ({"webhook": ["{event}"], "email": []}, True, "untold"),
        ({"webhook": ["{event}"]}, False, "lost"),
    ],
)
def test_what_did_not_come_or_was_not_confirmed_is_found(
    database: Database, clock: Clock, received: dict[str, list[str]], is_confirmed: bool, wrong: str
) -> None:
    run, event_id = told_run(database, clock)
    run.is_confirmed = is_confirmed
    came = {name: [one.format(event=event_id) for one in ids] for name, ids in received.items()}
    findings = audit(database, [run], came)
    assert getattr(findings["a step"], wrong) == 1


def test_a_second_event_a_missing_lead_and_a_foreign_id_are_found(database: Database, clock: Clock) -> None:
    run, event_id = told_run(database, clock)
    with database.session() as session:
        event = session.get_one(OutboxEvent, event_id)
        store.add_event(session, EventKind.LEAD_RECEIVED, event.subject)
    missing = Run(1, "another step", was_killed=True, is_confirmed=True)
    findings = audit(database, [run, missing], {"webhook": [event_id, "stranger"]})
    assert findings["a step"].doubled == 1
    assert (findings["another step"].lost, findings["another step"].untold) == (1, 1)
    assert findings["(no run)"].unknown == 1
    not_killed = audit(database, [Run(42, "a step", is_confirmed=True)], {"webhook": [event_id]})
    assert not_killed["a step"].not_killed == 1
