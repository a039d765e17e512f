"""`./ketalink notifications` as an operator uses it."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from frontdesk.cli import main
from frontdesk.db import Database, open_database
from frontdesk.outbox import store
from frontdesk.settings import Settings
from tests.conftest import PROJECT, free_ports
from tests.outbox.conftest import save_lead
from tests.outbox.receivers import WEBHOOK_SECRET, MailServer, Receiver


@dataclass(frozen=True)
class Done:
    """What a command said, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `./ketalink` in this process, with a data folder of its own."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setenv("PORT", str(free_ports(1)[0]))

    def run(*arguments: str, **settings: str) -> Done:
        capsys.readouterr()
        with monkeypatch.context() as this_command, pytest.raises(SystemExit) as ended:
            for name, value in settings.items():
                this_command.setenv(name, value)
            this_command.setattr(sys, "argv", ["ketalink", *arguments])
            main()
        said = capsys.readouterr()
        return Done(int(ended.value.code or 0), said.out, said.err)

    return run


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(Settings(_env_file=None, data_dir=tmp_path))  # type: ignore[call-arg]
    database.migrate()
    yield database
    database.close()


def test_with_nobody_to_tell_it_says_what_to_set(run: Run) -> None:
    done = run("notifications", "test")
    assert done.returncode == 1
    assert "NOTIFY_EMAILS" in done.stderr and "docs/notifications.md" in done.stderr
    assert (PROJECT / "docs" / "notifications.md").exists()
    assert "NOTIFY_EMAILS" in run("notifications", "list").stdout


def test_a_test_goes_to_each_destination_and_says_which_took_it(run: Run) -> None:
    with MailServer() as mail, Receiver(answers=[401]) as receiver:
        mail.refusals = ["550 Who?"]
        done = run(
            "notifications",
            "test",
            SMTP_HOST="127.0.0.1",
            SMTP_PORT=str(mail.port),
            SMTP_SECURITY="none",
            NOTIFY_FROM="bot@clinic.example",
            NOTIFY_EMAILS="ana@clinic.example,bo@clinic.example",
            WEBHOOK_URL=receiver.url,
            WEBHOOK_SECRET=WEBHOOK_SECRET,
        )
        assert done.returncode == 1
        assert done.stdout.splitlines() == [
            "ana@clinic.example: failed, the mail server answered with 550",
            "bo@clinic.example: taken",
            "the webhook: failed, it answered with 401",
        ]
        assert "2 of 3 failed" in done.stderr
        assert mail.messages[0]["To"] == "bo@clinic.example"
        assert receiver.calls[0].verified()["type"] == "test"


def test_what_was_given_up_is_listed_and_tried_again(run: Run, database: Database) -> None:
    now = datetime.now(UTC)
    for number in range(2):
        save_lead(database, number)
    with database.session() as session:
        store.spread(session, ["webhook"], now)
    ids = []
    for _ in range(2):
        with database.session() as session:
            delivery = store.lease(session, "webhook", "worker", now, timedelta(minutes=2))
            assert delivery is not None
            store.mark_failed(session, delivery.id, "worker", "http_503", now, None)
            ids.append(delivery.id)
    listed = run("notifications", "list")
    assert "2 given up, 0 waiting." in listed.stdout
    assert all(one in listed.stdout for one in ids) and "it answered with 503" in listed.stdout
    assert "Robin" not in listed.stdout
    assert run("notifications", "retry", "nothing").returncode == 1
    assert run("notifications", "retry", ids[0]).stdout == "1 to be tried again.\n"
    assert run("notifications", "retry").stdout == "1 to be tried again.\n"
    assert "0 given up, 2 waiting." in run("notifications", "list").stdout


@pytest.mark.parametrize(
    ("settings", "state", "named"),
    [
        ({}, "note", "NOTIFY_EMAILS"),
        ({"NOTIFY_EMAILS": "ana@clinic.example"}, "problem", "SMTP_HOST"),
        ({"WEBHOOK_URL": "https://hooks.example/x", "WEBHOOK_SECRET": WEBHOOK_SECRET}, "ok", "the webhook"),
    ],
)
def test_the_doctor_says_whether_anybody_is_told(run: Run, settings: dict[str, str], state: str, named: str) -> None:
    lines = run("doctor", **settings).stdout.splitlines()
    assert any(line.startswith(state) and named in line for line in lines), lines
