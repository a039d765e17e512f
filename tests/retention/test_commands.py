"""`./ketalink purge` and `./ketalink privacy` as an operator uses them."""

import json
from pathlib import Path

import pytest

from frontdesk.chat.models import Conversation
from frontdesk.leads.models import Lead, LeadKey, LeadNote, LeadStatus
from tests.commands import Ketalink
from tests.retention.clinic import ANA, BO, Clinic


@pytest.fixture
def ketalink(clinic: Clinic, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ketalink:
    return Ketalink(clinic.settings, monkeypatch, capsys)


@pytest.fixture
def patients(clinic: Clinic) -> Clinic:
    """A clinic with something to purge, and two people."""
    clinic.conversation("old words", ago=91)
    clinic.lead(BO, clinic.conversation("Bo's words", ago=40), name="Bo Li", status=LeadStatus.SPAM, ago=40)
    clinic.lead(ANA, clinic.conversation("Ana's words", number=ANA))
    return clinic


def test_purge_shows_what_would_go_and_deletes_nothing(ketalink: Ketalink, patients: Clinic) -> None:
    before = patients.everything()
    shown = ketalink.run("purge")
    assert ["conversations", "1"] in [[line.split()[0], line.split()[-1]] for line in shown.splitlines() if line]
    assert "./ketalink purge --apply" in shown
    assert patients.everything() == before


def test_purge_deletes_and_says_how_many(ketalink: Ketalink, patients: Clinic) -> None:
    shown = ketalink.run("purge", "--apply", "--kind", "spam", "--kind", "leads")
    assert [line.split()[-1] for line in shown.splitlines()[1:3]] == ["0", "1"]
    assert ("PostgreSQL" in shown) == (patients.database.engine.dialect.name == "postgresql")
    (left,) = patients.ids(Lead.id)
    assert patients.ids(LeadNote.lead_id) == patients.ids(LeadKey.lead_id) == {left}
    assert len(patients.ids(Conversation.id)) == 3


def test_export_writes_a_file_for_its_owner_alone(ketalink: Ketalink, patients: Clinic, tmp_path: Path) -> None:
    file = tmp_path / "ana.json"
    said = ketalink.run("privacy", "export", "(516) 555-0142", "-o", str(file))
    assert said == ""
    assert file.stat().st_mode & 0o777 == 0o600
    copy = json.loads(file.read_text(encoding="utf-8"))
    assert [request["full_name"] for request in copy["requests"]] == ["Ana Ruiz"]
    assert json.loads(ketalink.run("privacy", "export", ANA))["requests"] == copy["requests"]


def test_export_of_nobody_writes_nothing(ketalink: Ketalink, patients: Clinic, tmp_path: Path) -> None:
    file = tmp_path / "nobody.json"
    assert "Nothing is kept" in ketalink.refused("privacy", "export", "516-555-0199", "-o", str(file))
    assert list(tmp_path.glob("nobody*")) == []


def test_erase_shows_what_would_go_and_deletes_nothing(ketalink: Ketalink, patients: Clinic) -> None:
    before = patients.everything()
    shown = ketalink.run("privacy", "erase", ANA)
    assert {tuple(line.rsplit(maxsplit=1)) for line in shown.splitlines()} >= {
        ("requests", "1"),
        ("conversations", "1"),
    }
    assert "text messages from this number: 1." in shown
    assert "--apply" in shown
    assert patients.everything() == before


def test_erase_deletes_and_a_second_time_finds_nothing(ketalink: Ketalink, patients: Clinic) -> None:
    said = ketalink.run("privacy", "erase", "5165550142", "--apply")
    assert "backups" in said
    (left,) = patients.ids(Lead.id)
    assert patients.ids(LeadNote.lead_id) == patients.ids(LeadKey.lead_id) == {left}
    assert "Nothing is kept under this number." in ketalink.run("privacy", "erase", ANA)


def test_the_number_may_come_from_standard_input(ketalink: Ketalink, patients: Clinic) -> None:
    ketalink.run("privacy", "erase", "-", "--apply", stdin="516-555-0142\n")
    assert len(patients.ids(Lead.id)) == 1


@pytest.mark.parametrize("command", ["export", "erase"])
def test_what_is_no_number_is_refused(command: str, ketalink: Ketalink) -> None:
    said = ketalink.refused("privacy", command, "Ana Ruiz")
    assert "This is no phone number" in said
    assert "Ana" not in said


def test_others_in_a_conversation_are_mentioned(ketalink: Ketalink, patients: Clinic) -> None:
    together = patients.conversation("for my mother and me")
    patients.lead(ANA, together, run="both-1")
    patients.lead(BO, together, name="Bo Li", run="both-2")
    assert "1 of the conversations hold words of others too" in ketalink.errors("privacy", "erase", ANA)
