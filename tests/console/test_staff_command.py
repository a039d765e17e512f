"""`./ketalink staff`: accounts made, listed and given new passwords."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from frontdesk.cli.console import CommandFailed
from frontdesk.cli.staff import staff
from frontdesk.console import accounts
from frontdesk.db import Database

PASSWORD = "plum-tree-north-window"


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"sqlite:///{tmp_path / 'staff.db'}"
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", url)
    return url


def run(*words: str, typed: str | bytes | None = None) -> Result:
    return CliRunner().invoke(staff, words, input=typed)


def shown_password(output: str) -> str:
    return next(line for line in output.splitlines() if line.startswith("Password: ")).split()[1]


def test_a_made_password_is_shown_once_and_signs_in(url: str) -> None:
    made = run("add", "Ana@clinic.example", "--role", "admin")
    assert made.exit_code == 0 and "ana@clinic.example (admin)" in made.output
    assert accounts.authenticate(Database(url), "ana@clinic.example", shown_password(made.output)).role == "admin"
    listed = run("list").output
    assert "ana@clinic.example  admin" in listed and shown_password(made.output) not in listed


def test_a_chosen_password_is_not_shown(url: str) -> None:
    made = run("add", "ana@clinic.example", "--password-stdin", typed=PASSWORD + "\n")
    assert made.exit_code == 0 and PASSWORD not in made.output and "Password:" not in made.output
    assert accounts.authenticate(Database(url), "ana@clinic.example", PASSWORD).role == "staff"


def test_a_new_password_replaces_the_old_one(url: str) -> None:
    run("add", "ana@clinic.example", "--password-stdin", typed=PASSWORD)
    new = shown_password(run("password", "ana@clinic.example").output)
    assert accounts.authenticate(Database(url), "ana@clinic.example", new)
    with pytest.raises(accounts.WrongCredentials):
        accounts.authenticate(Database(url), "ana@clinic.example", PASSWORD)


@pytest.mark.parametrize(
    ("words", "typed", "said"),
    [
        (("add", "ana@clinic.example"), None, "./ketalink staff password ana@clinic.example"),
        (("add", "ana"), None, "No account was made."),
        (("add", "bob@clinic.example", "--password-stdin"), "short\n", "at least 12 characters"),
        (("add", "bob@clinic.example", "--password-stdin"), "", "at least 12 characters"),
        (("add", "bob@clinic.example", "--password-stdin"), b"\xff" * 20, "UTF-8"),
        (("password", "bob@clinic.example"), None, "./ketalink staff list"),
        (("password", "ana@clinic.example", "--password-stdin"), "short\n", "stays as it was"),
    ],
)
def test_what_cannot_be_done_is_said(url: str, words: tuple[str, ...], typed: str | bytes | None, said: str) -> None:
    run("add", "ana@clinic.example", "--password-stdin", typed=PASSWORD)
    result = run(*words, typed=typed)
    assert isinstance(result.exception, CommandFailed) and said in str(result.exception)
    assert run("list").output.count("@") == 1


def test_an_empty_list_says_what_to_do(url: str) -> None:
    assert "./ketalink staff add" in run("list").output


def test_an_unknown_role_is_refused(url: str) -> None:
    assert run("add", "ana@clinic.example", "--role", "boss").exit_code == 2
