"""Erasing, purging, backing up while everything runs: patients notice nothing but that they are forgotten."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from frontdesk.settings import Settings
from tests.conftest import Server, Visitor
from tests.retention.clinic import Clinic, files_with

PHONE = "516-555-0184"


def ask_for_an_appointment(visitor: Visitor) -> str:
    """Go through the form to the end; return the reference."""
    (confirmation,) = visitor.press(visitor.fill_in_form(PHONE, "Canarina Testperson"), "Yes, send it")
    return str(confirmation["lead"])


@pytest.fixture
def looked_at(server: Server) -> Iterator[Clinic]:
    settings = Settings(_env_file=None, data_dir=server.data_dir, database_url=server.database_url)  # type: ignore[call-arg]
    clinic = Clinic.opened(settings)
    yield clinic
    clinic.close()


def test_a_person_is_erased_while_they_are_in_the_middle_of_a_talk(
    server: Server, visitor: Visitor, looked_at: Clinic
) -> None:
    other = Visitor(server.url)
    other.say("how long does an infusion take")
    reference = ask_for_an_appointment(visitor)
    visitor.say("is parking free")
    copy = json.loads(server.ketalink("privacy", "export", PHONE).stdout)
    assert [request["reference"] for request in copy["requests"]] == [reference]
    (conversation,) = copy["conversations"]
    assert conversation["assistant_memory"], "what Rasa remembers is part of it"
    assert any("Canarina" in message["text"] for message in conversation["messages"])
    pieces = looked_at.pieces_of(conversations=[conversation["id"]])
    assert pieces

    erased = server.ketalink("privacy", "erase", PHONE, "--apply")
    assert erased.returncode == 0, erased.stderr
    assert server.ketalink("privacy", "export", PHONE).returncode == 1
    assert files_with(server.data_dir, [*pieces, "Canarina", "5165550177"]) == {}
    assert conversation["id"] not in looked_at.remembered()

    assert visitor.post(text="hello?").status_code == 401, "their conversation is over"
    visitor.token = None
    assert visitor.say("how long does an infusion take")[0]["topics"] == ["session/duration"]
    assert other.say("and what does it cost")[0]["kind"] in {"answer", "fallback"}
    assert len(other.history()) >= 4


def test_a_backup_is_made_and_nothing_purged_while_visitors_write(
    server: Server, visitor: Visitor, tmp_path: Path
) -> None:
    visitor.say("how long does an infusion take")
    purged = server.ketalink("purge", "--apply")
    assert purged.returncode == 0, purged.stderr
    backup = server.ketalink("backup", str(tmp_path / "backup.zip"))
    assert backup.returncode == 0, backup.stderr
    assert len(visitor.history()) == 2
    assert visitor.say("what should I bring")[0]["kind"] in {"answer", "fallback"}
