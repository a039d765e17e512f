"""Requests are found, moved by the rules and exported as promised, on SQLite and on PostgreSQL."""

from datetime import UTC, datetime

import pytest

from frontdesk.db import Database
from frontdesk.leads import repository
from frontdesk.leads.models import LeadStatus
from frontdesk.leads.repository import IllegalStatusChange, LeadNotFound
from tests.leads.samples import new_lead, save


def test_a_lead_is_exported_as_the_contract_says(database: Database) -> None:
    lead_id = save(database, new_lead(phone_typed="516 555 0142 (cell)")).lead.id
    with database.session() as session:
        repository.add_note(session, lead_id, "called back", "ana@example.com")
    with database.session() as session:
        record = repository.as_record(repository.find(session, lead_id))
    assert record.pop("reference").startswith("KL-")
    assert datetime.strptime(record.pop("created_at"), "%Y-%m-%dT%H:%M:%SZ")
    (note,) = record.pop("notes")
    assert (note["author"], note["text"]) == ("ana@example.com", "called back")
    assert record == {
        "channel": "widget",
        "status": "new",
        "full_name": "José O'Brien-Núñez",
        "phone": "+15165550142",
        "email": None,
        "patient_type": "new",
        "reason": "=HYPERLINK(1); DROP TABLE leads",
        "preferred_time": {"text": "next Tuesday morning", "date": "2026-12-01", "part_of_day": "morning"},
        "consent": {"given": True, "at": "2026-11-22T15:04:05Z", "text": "May the clinic contact you?"},
        "assigned_to": None,
    }


def test_a_status_moves_by_the_rules_and_keeps_its_history(database: Database) -> None:
    lead_id = save(database, new_lead()).lead.id
    with database.session() as session:
        repository.change_status(session, lead_id, LeadStatus.CONTACTED, "ana@example.com")
    with (
        database.session() as session,
        pytest.raises(IllegalStatusChange, match="contacted cannot become new"),
    ):
        repository.change_status(session, lead_id, LeadStatus.NEW, "ana@example.com")
    with database.session() as session:
        lead = repository.find(session, lead_id)
        assert lead.status is LeadStatus.CONTACTED
        assert [(step.from_status, step.to_status, step.changed_by) for step in lead.status_changes] == [
            ("new", "contacted", "ana@example.com")
        ]


def test_an_unknown_lead_is_named_as_such(database: Database) -> None:
    with database.session() as session, pytest.raises(LeadNotFound):
        repository.find(session, "nobody")
    with database.session() as session, pytest.raises(LeadNotFound):
        repository.change_status(session, "nobody", LeadStatus.SPAM, "ana@example.com")


def test_the_list_is_newest_first_and_can_be_narrowed(database: Database) -> None:
    ids = [save(database, new_lead(f"run-{number}", phone=f"+1516555010{number}")).lead.id for number in range(3)]
    with database.session() as session:
        repository.change_status(session, ids[0], LeadStatus.SPAM, "ana@example.com")
    with database.session() as session:
        assert [lead.id for lead in repository.newest(session, LeadStatus.NEW)] == [ids[2], ids[1]]
        assert repository.count_by_status(session)[LeadStatus.SPAM] == 1
        assert [lead.id for lead in repository.oldest_first(session)] == ids


def test_the_first_to_open_a_lead_is_remembered(database: Database) -> None:
    lead_id = save(database, new_lead()).lead.id
    first, later = datetime(2026, 11, 22, 16, tzinfo=UTC), datetime(2026, 11, 22, 17, tzinfo=UTC)
    for seen_by, at in (("ana@example.com", first), ("bo@example.com", later)):
        with database.session() as session:
            repository.note_seen(session, lead_id, seen_by, at)
    with database.session() as session:
        lead = repository.find(session, lead_id)
        assert (lead.seen_at, lead.seen_by) == (first, "ana@example.com")
