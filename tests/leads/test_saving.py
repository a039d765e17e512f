"""Each run of the form is saved once, a person's second run of the day joins the first, and consent is kept with it."""

import hashlib
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from frontdesk.db import Database
from frontdesk.leads import repository
from frontdesk.leads.models import ConsentRecord, Draft, Lead, LeadRun, LeadStatus
from frontdesk.leads.repository import Consent, Outcome, PreferredTime
from frontdesk.outbox.models import EventKind, OutboxEvent
from tests.conftest import NEW_YORK
from tests.leads.samples import EVENING, WORDS, new_lead, save


def in_parallel(*jobs: Callable[[], object]) -> list[object]:
    """Run jobs at the same time, and return what they return."""
    results: list[object] = []
    barrier = threading.Barrier(len(jobs))

    def run(job: Callable[[], object]) -> None:
        barrier.wait()
        results.append(job())

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def everything(database: Database) -> tuple[int, int, int, list[tuple[str, str]]]:
    """Return the numbers of requests, runs and consents, and the events with their subjects."""
    with database.session() as session:
        counts = [
            session.scalar(sa.select(sa.func.count()).select_from(model)) for model in (Lead, LeadRun, ConsentRecord)
        ]
        events = session.execute(sa.select(OutboxEvent.kind, OutboxEvent.subject).order_by(OutboxEvent.created_at))
        return counts[0], counts[1], counts[2], [(kind.value, subject) for kind, subject in events]


# --------------------------------------------------------------------------- once


def test_a_run_of_the_form_is_saved_once(database: Database) -> None:
    first = save(database, new_lead())
    again = save(database, new_lead(full_name="Somebody Else"))
    assert (first.outcome, again.outcome) == (Outcome.NEW, Outcome.KNOWN)
    assert again.lead.id == first.lead.id
    assert again.lead.full_name == "José O'Brien-Núñez"
    assert everything(database) == (1, 1, 1, [("lead.received", first.lead.id)])


def test_savers_of_one_run_at_the_same_time_make_one_lead(database: Database) -> None:
    jobs = [lambda number=number: save(database, new_lead(phone=f"+1516555010{number}")) for number in range(6)]
    saved = in_parallel(*jobs)
    assert len({one.lead.id for one in saved}) == 1  # type: ignore[attr-defined]
    assert sorted(one.outcome for one in saved) == ["known"] * 5 + ["new"]  # type: ignore[attr-defined]
    leads, runs, consents, events = everything(database)
    assert (leads, runs, consents, len(events)) == (1, 1, 1, 1)


def test_an_error_after_saving_leaves_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError), database.session() as session:
        repository.keep_draft(session, "run-1", "conversation", {"full_name": "José"})
        raise RuntimeError
    with database.session() as session:
        repository.keep_draft(session, "run-1", "conversation", {"full_name": "José"})
    with pytest.raises(RuntimeError), database.session() as session:
        repository.save_once(session, new_lead(), NEW_YORK)
        raise RuntimeError
    assert everything(database) == (0, 0, 0, [])
    with database.session() as session:
        assert session.get(Draft, "run-1") is not None


# --------------------------------------------------------------------------- the same person again


def test_the_same_person_the_same_day_joins_their_open_request(database: Database) -> None:
    first = save(database, new_lead(reason=None, preferred_time=None, email="jose@example.com"), EVENING)
    again = save(
        database,
        new_lead(
            "run-2",
            full_name="JOSE O’BRIEN NUNEZ",
            email="jose@work.example.com",
            reason="chronic pain",
            preferred_time=PreferredTime("mornings", None, "morning"),
            notes=("Phone extension: 12",),
        ),
        EVENING + timedelta(minutes=20),
    )
    assert (first.outcome, again.outcome) == (Outcome.NEW, Outcome.JOINED)
    assert again.lead.id == first.lead.id
    lead_id = first.lead.id
    with database.session() as session:
        lead = repository.find(session, lead_id)
        assert (lead.full_name, lead.email) == ("José O'Brien-Núñez", "jose@example.com")
        assert (lead.reason, lead.preferred_text, lead.preferred_part_of_day) == ("chronic pain", "mornings", "morning")
        assert lead.updated_at == EVENING + timedelta(minutes=20)
        texts = [(note.author, note.text) for note in lead.notes]
    assert sorted(texts) == [
        ("assistant", "Asked again the same day. This time:\nE-mail: jose@work.example.com"),
        ("assistant", "Phone extension: 12"),
    ]
    assert everything(database) == (1, 2, 2, [("lead.received", lead_id), ("lead.joined", lead_id)])
    assert save(database, new_lead("run-2"), EVENING + timedelta(minutes=25)).outcome is Outcome.KNOWN
    assert everything(database)[:2] == (1, 2)


def test_another_time_or_reason_is_noted_beside_the_first(database: Database) -> None:
    save(database, new_lead(reason="depression"), EVENING)
    again = save(
        database,
        new_lead(
            "run-2",
            reason="chronic pain",
            patient_type="existing",
            preferred_time=PreferredTime("thursday after 3", date(2026, 12, 3), "afternoon"),
        ),
        EVENING,
    )
    assert [note.text for note in again.lead.notes] == [
        "Asked again the same day. This time:\n"
        "When it suits: thursday after 3 (Thursday, December 3, 2026, afternoon)\n"
        "Reason: chronic pain\n"
        "Patient: existing"
    ]
    assert (again.lead.reason, again.lead.preferred_text) == ("depression", "next Tuesday morning")


def test_saying_the_same_again_adds_no_note(database: Database) -> None:
    save(database, new_lead(notes=("Asked to be called back.",)), EVENING)
    again = save(database, new_lead("run-2", notes=("Asked to be called back.",)), EVENING)
    assert again.outcome is Outcome.JOINED
    assert [note.text for note in again.lead.notes] == ["Asked to be called back."]


@pytest.mark.parametrize(
    ("changes", "later"),
    [
        ({"full_name": "Ana Núñez"}, timedelta(minutes=5)),
        ({"phone": "+15165550143"}, timedelta(minutes=5)),
        ({}, timedelta(hours=2)),  # after the clinic's midnight, though the same day in UTC
        ({}, timedelta(hours=-23)),  # as a clock that was set back has it
    ],
)
def test_another_person_or_another_day_is_another_request(
    database: Database, changes: dict[str, str], later: timedelta
) -> None:
    save(database, new_lead(), EVENING)
    assert save(database, new_lead("run-2", **changes), EVENING + later).outcome is Outcome.NEW
    assert everything(database)[0] == 2


def test_midnight_in_utc_is_no_border(database: Database) -> None:
    save(database, new_lead(), datetime(2026, 11, 21, 23, 50, tzinfo=UTC))
    again = save(database, new_lead("run-2"), datetime(2026, 11, 22, 0, 10, tzinfo=UTC))
    assert again.outcome is Outcome.JOINED


@pytest.mark.parametrize("status", [LeadStatus.CONTACTED, LeadStatus.SPAM])
def test_a_request_that_staff_have_taken_up_is_not_joined(database: Database, status: LeadStatus) -> None:
    first = save(database, new_lead(), EVENING)
    with database.session() as session:
        repository.change_status(session, first.lead.id, status, "ana@example.com")
    assert save(database, new_lead("run-2"), EVENING).outcome is Outcome.NEW


def test_two_runs_of_one_person_at_the_same_time_make_one_lead(database: Database) -> None:
    jobs = [lambda number=number: save(database, new_lead(f"run-{number}"), EVENING) for number in range(6)]
    saved = in_parallel(*jobs)
    assert sorted(one.outcome for one in saved) == ["joined"] * 5 + ["new"]  # type: ignore[attr-defined]
    leads, runs, consents, events = everything(database)
    assert (leads, runs, consents, len(events)) == (1, 6, 6, 6)
    assert [kind for kind, _ in events].count(EventKind.LEAD_RECEIVED.value) == 1


# --------------------------------------------------------------------------- consent


def test_consent_is_kept_with_its_words_their_version_and_channel(database: Database) -> None:
    lead_id = save(database, new_lead(channel="sms")).lead.id
    with database.session() as session:
        (kept,) = session.scalars(sa.select(ConsentRecord))
    assert (kept.request_id, kept.lead_id, kept.conversation_id) == ("run-1", lead_id, "conversation")
    assert (kept.purpose, kept.given, kept.channel) == ("contact", True, "sms")
    assert (kept.words, kept.version) == (WORDS, hashlib.sha256(WORDS.encode()).hexdigest()[:12])
    assert kept.at == datetime(2026, 11, 22, 15, 4, 5, tzinfo=UTC)


def test_a_no_is_kept_once_and_nothing_else(database: Database) -> None:
    refused = Consent(WORDS, EVENING)
    with database.session() as session:
        repository.keep_draft(session, "run-1", "conversation", {"full_name": "José"}, "+15165550142")
    for _ in range(2):
        with database.session() as session:
            repository.record_refusal(session, "run-1", "conversation", "widget", refused)
    with database.session() as session:
        (kept,) = session.scalars(sa.select(ConsentRecord))
        assert (kept.given, kept.lead_id, kept.at) == (False, None, EVENING)
        assert session.scalar(sa.select(sa.func.count()).select_from(Draft)) == 0
    assert everything(database) == (0, 0, 1, [])


def test_a_no_in_two_tabs_at_the_same_time_is_one(database: Database) -> None:
    def refuse() -> None:
        with database.session() as session:
            repository.record_refusal(session, "run-1", "conversation", "widget", Consent(WORDS, EVENING))

    in_parallel(*[refuse] * 4)
    assert everything(database) == (0, 0, 1, [])


def test_the_database_refuses_to_change_a_consent(database: Database) -> None:
    lead_id = save(database, new_lead()).lead.id
    for statement in (
        "UPDATE consents SET words = 'May we sell your number?'",
        "UPDATE consents SET given = NOT given",
        "UPDATE consents SET lead_id = NULL",
    ):
        with pytest.raises(sa.exc.DBAPIError, match="never changed"), database.session() as session:
            session.execute(sa.text(statement))
    with database.session() as session:
        session.delete(session.get_one(Lead, lead_id))
    with database.session() as session:
        (kept,) = session.scalars(sa.select(ConsentRecord))
        assert (kept.lead_id, kept.words) == (lead_id, WORDS)
