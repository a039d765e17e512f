"""`./ketalink` as an operator uses it: what it says, what it writes, its exit codes."""

import csv
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from frontdesk.cli import app
from frontdesk.db import open_database
from frontdesk.leads import repository
from frontdesk.leads.repository import Consent, NewLead, PreferredTime
from frontdesk.settings import Settings
from tests.commands import Ketalink
from tests.conftest import NEW_YORK, PROJECT, Server, free_ports, pids_listening_on, wait_until

RECEIVED = datetime(2026, 11, 22, 1, 30, tzinfo=UTC)  # still the 21st on Long Island


class Operator:
    """Somebody at a shell, with a data folder of their own."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.settings = {"DATA_DIR": str(data_dir), "PORT": str(free_ports(1)[0]), "COLUMNS": "80"}

    def run(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run one command of `./ketalink`."""
        return subprocess.run(
            [sys.executable, "-m", "frontdesk.cli", *arguments],
            cwd=PROJECT,
            env={**os.environ, **self.settings, **settings},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def refused(self, *arguments: str, **settings: str) -> str:
        """Run a command that cannot be done; return what it says, which is no traceback."""
        done = self.run(*arguments, **settings)
        assert done.returncode == 1, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator(tmp_path / "var")


@pytest.fixture
def requests(operator: Operator, migrated: Path) -> Operator:
    """An operator with two saved requests, the older of them hostile."""
    shutil.copytree(migrated, operator.data_dir)
    database = open_database(Settings(_env_file=None, data_dir=operator.data_dir))  # type: ignore[call-arg]
    consent = Consent("You may contact me.", RECEIVED)
    with database.session() as session:
        hostile = repository.save_once(
            session,
            NewLead(
                request_id="1",
                conversation_id=None,
                channel="widget",
                full_name='=HYPERLINK("https://evil.example","x")',
                phone="+15165550142",
                email="-1+1@example.com",
                patient_type="new",
                reason="@SUM(A1) \x1b[31m[red], and\na second line",
                preferred_time=PreferredTime("\t=1+1", date(2026, 12, 1), "morning"),
                consent=consent,
            ),
            NEW_YORK,
            RECEIVED,
        ).lead
        repository.add_note(session, hostile.id, "+called, no answer", "ana@clinic.example")
        repository.save_once(
            session,
            NewLead("2", None, "sms", "Zoë [bold]\x1b[2J", "+15165550143", None, None, None, None, consent),
            NEW_YORK,
        )
    database.close()
    return operator


@pytest.fixture
def ketalink(operator: Operator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ketalink:
    """The commands on the operator's data, without the second that a process takes to start."""
    return Ketalink(Settings(_env_file=None, data_dir=operator.data_dir), monkeypatch, capsys)  # type: ignore[call-arg]


# --------------------------------------------------------------------------- help and errors


COMMANDS = [
    "serve",
    "train",
    "evaluate",
    "ask",
    "chat",
    "doctor",
    "leads list",
    "leads export",
    "leads reindex",
    "keys list",
    "keys rotate",
    "staff add",
    "staff role",
    "staff reset-second-factor",
    "audit verify",
    "review export",
    "notifications test",
    "sms a2p",
    "sms-simulator",
    "purge",
    "privacy export",
    "privacy erase",
    "backup",
    "restore",
]


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_command_explains_itself(command: str) -> None:
    helped = CliRunner().invoke(app, [*command.split(), "--help"], prog_name="./ketalink")
    assert helped.exit_code == 0
    assert f"./ketalink {command}".strip() in helped.stdout


def test_no_command_is_left_out_of_the_test_above() -> None:
    known = vars(get_command(app))["commands"]
    assert set(known) == {name.split()[0] for name in COMMANDS}


def test_without_a_command_all_are_listed(operator: Operator) -> None:
    listed = operator.run()
    assert all(name.split()[0] in listed.stdout + listed.stderr for name in COMMANDS)
    assert not operator.data_dir.exists()


def test_no_command_waits_for_what_it_does_not_use(operator: Operator) -> None:
    imported = operator.run(PYTHONPROFILEIMPORTTIME="1").stderr
    assert "frontdesk.cli.evaluation.command" in imported
    assert "spacy" not in imported  # more than a second


def test_a_setting_that_cannot_be_used_ends_any_command(operator: Operator) -> None:
    assert "PORT: " in operator.refused("leads", "list", PORT="http")


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////proc/nobody/writes/here.db",
        "postgresql://someone:hunter2@127.0.0.1:1/ketalink",
        "mysql://someone@127.0.0.1/ketalink",
    ],
)
def test_a_database_that_cannot_be_opened_is_named(url: str, operator: Operator) -> None:
    said = operator.refused("leads", "list", DATABASE_URL=url)
    assert "DATABASE_URL" in said
    assert "hunter2" not in said


# --------------------------------------------------------------------------- leads


def test_requests_are_listed_in_the_clinics_time(requests: Operator) -> None:
    listed = requests.run("leads", "list")
    assert listed.returncode == 0
    newest, oldest = listed.stdout.splitlines()[1:]
    assert "Zoë [bold]" in newest
    assert "2026-11-21 20:30" in oldest
    assert "+15165550142" in oldest
    assert "\x1b" not in listed.stdout


@pytest.mark.usefixtures("requests")
def test_requests_are_listed_by_status_and_up_to_a_limit(ketalink: Ketalink) -> None:
    assert "No requests with the status spam." in ketalink.run("leads", "list", "--status", "spam")
    limited = ketalink.run("leads", "list", "--limit", "1")
    assert "+15165550143" in limited
    assert "+15165550142" not in limited
    assert "1 of 2" in limited


def test_without_requests_both_commands_say_so_or_write_nothing(ketalink: Ketalink) -> None:
    assert ketalink.run("leads", "list") == "No requests yet.\n"
    assert ketalink.run("leads", "export", "--format", "jsonl") == ""


def test_a_csv_export_holds_no_formula(requests: Operator) -> None:
    exported = requests.run("leads", "export", "--format", "csv")
    assert exported.returncode == 0
    older, newer = csv.DictReader(io.StringIO(exported.stdout, newline=""))
    for row in (older, newer):
        assert not any(cell.startswith(tuple("=+-@\t\r\n")) for cell in row.values())
    assert older["full_name"] == '\'=HYPERLINK("https://evil.example","x")'
    assert older["phone"] == "'+15165550142"
    assert older["reason"] == "'@SUM(A1) \x1b[31m[red], and\na second line"
    assert older["preferred_time_text"] == "'\t=1+1"
    assert older["preferred_time_date"] == "2026-12-01"
    assert older["consent_given"] == "yes"
    assert older["notes"].endswith("ana@clinic.example: +called, no answer")
    assert newer["full_name"] == "Zoë [bold]\x1b[2J"
    assert newer["email"] == newer["reason"] == newer["notes"] == ""


@pytest.mark.usefixtures("requests")
def test_a_jsonl_export_holds_the_record(ketalink: Ketalink) -> None:
    older, newer = map(json.loads, ketalink.run("leads", "export", "--format", "jsonl").splitlines())
    assert older["preferred_time"] == {"text": "\t=1+1", "date": "2026-12-01", "part_of_day": "morning"}
    assert older["created_at"] == "2026-11-22T01:30:00Z"
    assert [note["text"] for note in older["notes"]] == ["+called, no answer"]
    assert newer["reference"].startswith("KL-")


def test_an_export_into_a_file_is_the_owners_alone(requests: Operator, tmp_path: Path) -> None:
    file = tmp_path / "requests.csv"
    exported = requests.run("leads", "export", "--format", "csv", "--output", str(file))
    assert exported.stdout == ""
    assert f"Wrote 2 requests to {file}" in exported.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["requests.csv"]


@pytest.mark.usefixtures("requests")
def test_an_export_that_cannot_be_written_is_named(ketalink: Ketalink, tmp_path: Path) -> None:
    assert "nowhere" in ketalink.refused("leads", "export", "--format", "csv", "-o", str(tmp_path / "nowhere" / "a"))


# --------------------------------------------------------------------------- evaluate


def test_a_question_that_cannot_be_read_is_refused(operator: Operator, tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text('{"text": "hello", "topic": "greet"}\n\n{"text": "hi"}\n', encoding="utf-8")
    assert f"{file}, line 3: `topic` is missing" in operator.refused("evaluate", str(file))


def test_the_trained_model_is_measured(operator: Operator, tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    questions = [
        {"text": "how long does an infusion take", "topic": "session/duration", "style": "web"},
        {"text": "/how long does an infusion take", "topic": "cost/price", "also_ok": ["session/duration"]},
        {"text": "how long does an infusion take?", "topic": None},
    ]
    file.write_text("\n".join(map(json.dumps, questions)), encoding="utf-8")
    done = operator.run("evaluate", str(file), "--json", "--min-accuracy", "0.9")
    assert done.returncode == 2, done.stderr
    report = json.loads(done.stdout)
    assert (report["questions"], report["right"], report["wrong"], report["fallbacks"]) == (3, 2, 1, 0)
    assert report["styles"]["web"]["accuracy"] == 1.0
    assert report["groups"]["out_of_scope"]["wrong"] == 1
    (miss,) = report["misses"]
    assert (miss["line"], miss["expected"], miss["got"]) == (3, "out_of_scope", "session/duration")


# --------------------------------------------------------------------------- serve


def test_a_port_in_use_is_named(operator: Operator) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = operator.refused("serve", "--no-train", PORT=str(port))
    assert f"Port {port} on 127.0.0.1 is in use" in said
    assert "PORT=" in said


def test_an_inner_port_that_was_set_and_is_in_use_is_named(operator: Operator) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert "ACTIONS_PORT" in operator.refused("serve", "--no-train", ACTIONS_PORT=port)
    assert "RASA_PORT" in operator.refused("serve", "--no-train", RASA_PORT=operator.settings["PORT"])


def test_parts_on_several_machines_have_to_share_what_they_share(operator: Operator) -> None:
    said = operator.refused("serve", "--no-train", "--only", "frontdesk", RASA_URL="http://10.0.0.5:5005")
    for name in ("RASA_SECRET", "SESSION_SECRET", "LOOKUP_SECRET", "ENCRYPTION_KEYS", "DATABASE_URL"):
        assert name in said
    said = operator.refused("serve", "--no-train", "--only", "rasa", RASA_HOST="0.0.0.0", RASA_SECRET="r" * 32)
    assert "TRACKER_DATABASE_URL" in said
    assert "RASA_SECRET" not in said


def test_a_part_that_others_look_for_takes_no_other_port(operator: Operator) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
        for part, name in (("rasa", "RASA_PORT"), ("actions", "ACTIONS_PORT"), ("frontdesk", "PORT")):
            assert name in operator.refused("serve", "--no-train", "--only", part, **{name: port})


def test_a_model_that_is_damaged_or_missing_is_not_served(operator: Operator, tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    assert "./ketalink train" in operator.refused("serve", "--no-train", MODEL_DIR=str(models))
    (models / "broken.tar.gz").write_bytes(b"\x1f\x8b not quite")
    (models / "current.json").write_text('{"model": "broken.tar.gz", "inputs": "x"}')
    done = operator.run("serve", "--no-train", MODEL_DIR=str(models))
    assert done.returncode == 1
    assert "broken.tar.gz is damaged" in done.stdout
    assert "./ketalink train" in done.stderr


@pytest.mark.parametrize("content", [b"\tname: x", b"- a\n- list\n", b"\xff\xfe", b"driving_wait: 2 hours\n"])
def test_a_profile_that_cannot_be_used_is_named(content: bytes, operator: Operator, tmp_path: Path) -> None:
    profile = tmp_path / "our_clinic.yml"
    profile.write_bytes(content)
    assert "our_clinic.yml" in operator.refused("serve", "--no-train", CLINIC_PROFILE=str(profile))


def test_a_second_server_on_the_port_is_refused(server: Server) -> None:
    second = server.ketalink("serve", "--no-train")
    assert second.returncode == 1
    assert f"already runs on port {server.port}" in second.stderr


def test_rasa_knows_no_secret_but_its_own(server: Server) -> None:
    (rasa,) = pids_listening_on(server.rasa_port)
    environment = Path(f"/proc/{rasa}/environ").read_bytes()
    names = {entry.split(b"=")[0].decode() for entry in environment.split(b"\0") if entry}
    assert {"RASA_SECRET", "TRACKER_DATABASE_URL"} <= names
    assert not names & {"DATABASE_URL", "SESSION_SECRET", "LOOKUP_SECRET", "TWILIO_AUTH_TOKEN"}
    assert server.twilio_token.encode() not in environment


def test_no_secret_is_on_a_command_line_or_in_the_log(server: Server) -> None:
    secrets = [*json.loads((server.data_dir / "secrets.json").read_text()).values(), server.twilio_token]
    ports = (server.port, server.rasa_port, server.actions_port)
    said = [Path(f"/proc/{pid}/cmdline").read_text() for port in ports for pid in pids_listening_on(port)]
    said += [
        server.log.read_text(),
        (server.data_dir / "run" / f"rasa-{server.rasa_port}" / "endpoints.yml").read_text(),
    ]
    assert not [secret for secret in secrets if any(secret in words for words in said)]


def test_every_line_of_the_log_names_its_process(server: Server) -> None:
    log = server.log.read_text()
    assert "frontdesk  | " in log
    assert "Warning" not in log


def test_nothing_is_left_when_the_server_is_killed(tmp_path: Path) -> None:
    server = Server(tmp_path, f"sqlite:///{tmp_path / 'ketalink.db'}").start()
    ports = (server.port, server.rasa_port, server.actions_port)
    assert server._process is not None
    server._process.send_signal(signal.SIGKILL)
    server._process.wait()
    wait_until(lambda: not any(map(pids_listening_on, ports)), 30, "all processes to end with the one that was killed")


# --------------------------------------------------------------------------- ask and chat


def test_a_question_is_answered_with_what_it_rests_on(server: Server) -> None:
    asked = server.ketalink("ask", "how long does an infusion take")
    assert asked.returncode == 0
    assert "45 to 60 minutes" in asked.stdout
    assert "topics: session/duration" in asked.stdout
    assert "sources: seed article" in asked.stdout


def test_a_refused_question_is_answered_in_the_apis_words(server: Server) -> None:
    asked = server.ketalink("ask", "a" * 2_001)
    assert asked.returncode == 1
    assert "2,000 characters" in asked.stderr


def test_without_a_server_the_model_alone_is_asked(operator: Operator) -> None:
    asked = operator.run("ask", "/who drives me home")
    assert asked.returncode == 0, asked.stderr
    assert "topics: after/driving_home" in asked.stdout


def test_a_conversation_in_the_terminal(server: Server) -> None:
    talked = server.ketalink("chat", input="hello\n1\n99\n\n/quit\nnever sent\n")
    assert talked.returncode == 0
    greeting, pressed, *_ = talked.stdout.split("\n> ")[1:]
    assert "  1. " in greeting
    assert "topics: session/duration" in pressed
    assert "The message is empty" in talked.stdout


def test_chat_without_a_server_says_how_to_start_one(operator: Operator) -> None:
    assert "./ketalink serve" in operator.refused("chat")


def test_something_else_on_the_port_is_not_taken_for_the_assistant(server: Server, operator: Operator) -> None:
    assert "is not the assistant" in operator.refused("ask", "hello", PORT=str(server.rasa_port))


# --------------------------------------------------------------------------- doctor


def test_the_doctor_finds_a_running_assistant_in_order(server: Server) -> None:
    examined = server.ketalink("doctor")
    assert "all of it answers" in examined.stdout
    assert "its tables are up to date" in examined.stdout
    assert "SMS is set up" in examined.stdout


def test_the_doctor_names_what_is_wrong_and_what_to_do(operator: Operator, tmp_path: Path) -> None:
    operator.data_dir.mkdir(mode=0o755)
    (operator.data_dir / "secrets.json").write_text('{"rasa": "a", "session": "b", "lookup": "c"}')
    (operator.data_dir / "secrets.json").chmod(0o644)
    done = operator.run("doctor", MODEL_DIR=str(tmp_path / "none"), TWILIO_AUTH_TOKEN="0" * 32)
    assert done.returncode == 1
    problems = [line for line in done.stdout.splitlines() if line.startswith("problem")]
    for words in ("chmod 600", "chmod 700", "./ketalink train", "PUBLIC_URL"):
        assert any(words in line for line in problems), words
    assert "note     data/clinic.yml leaves empty" in done.stdout


# --------------------------------------------------------------------------- text messages


def test_the_simulator_says_what_it_needs_and_makes_it(operator: Operator) -> None:
    assert "./ketalink sms-simulator --env >> .env" in operator.refused("sms-simulator")
    lines = operator.run("sms-simulator", "--env").stdout.splitlines()
    settings = dict(line.split("=", 1) for line in lines)
    assert set(settings) == {
        *("PUBLIC_URL", "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_PHONE_NUMBER", "TWILIO_API_URL")
    }
    assert operator.run("sms-simulator", "--env", **settings).stdout == ""
    assert "Start it: ./ketalink serve" in operator.refused("sms-simulator", **settings)


def test_a_text_and_a_conversation_in_the_terminal(server: Server) -> None:
    account = {"TWILIO_ACCOUNT_SID": "AC" + "0" * 32, "TWILIO_API_URL": f"http://127.0.0.1:{free_ports(1)[0]}"}
    server.settings |= account  # the running server keeps its own: it only answers
    try:
        once = server.ketalink("sms-simulator", "--from", "+15165550181", "--text", "how long does an infusion take")
        lines = "hello\n1\n/repeat\n/picture\n/from +15165550182\nSTOP\nhello\n/texts\n/nonsense\n/quit\n"
        talked = server.ketalink("sms-simulator", input=lines)
    finally:
        for name in account:
            del server.settings[name]
    assert once.returncode == 0, once.stderr
    assert "3 × GSM-7" in once.stdout
    assert "60 minutes" in once.stdout
    assert talked.returncode == 0, talked.stderr
    for part in (
        "(answered with: ",
        "only read words",
        "opted out",
        "(no reply at once",
        "outbound-reply",
        "/together",
    ):
        assert part in talked.stdout


def test_registration_texts_are_those_that_are_sent(operator: Operator) -> None:
    printed = operator.run("sms", "a2p").stdout
    for title in ("Campaign description", "Message flow", "Sample message 5", "Opt-out keywords", "Help message"):
        assert f"## {title}" in printed
    for part in ("Reply HELP for help, STOP to opt out.", "STOPALL", "May the clinic keep this request", "KL-"):
        assert part in printed
