"""What was said so far waits 24 hours for whoever comes back to their conversation, and no longer."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from frontdesk.db import Database
from frontdesk.leads import repository
from frontdesk.leads.keys import phone_key
from frontdesk.leads.models import Draft
from tests.conftest import LOOKUP
from tests.leads.samples import EVENING, new_lead, save

HOUR = timedelta(hours=1)


def keep(database: Database, request_id: str = "run-1", after: timedelta = timedelta(), **data: object) -> None:
    with database.session() as session:
        repository.keep_draft(session, request_id, "conversation", data, None, EVENING + after)


def opened(database: Database, after: timedelta, conversation_id: str = "conversation") -> object:
    with database.session() as session:
        draft = repository.open_draft(session, conversation_id, EVENING + after)
        return draft and draft.data


def test_a_draft_comes_back_as_it_was_last(database: Database) -> None:
    keep(database, full_name="José")
    keep(database, after=HOUR, full_name="José", preferred_time={"text": "mañana", "date": None})
    assert opened(database, 2 * HOUR) == {"full_name": "José", "preferred_time": {"text": "mañana", "date": None}}
    with database.session() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Draft)) == 1


def test_a_draft_waits_24_hours_from_its_last_change(database: Database) -> None:
    keep(database, full_name="José")
    keep(database, after=2 * HOUR, full_name="José Núñez")
    assert opened(database, 26 * HOUR - timedelta(seconds=1)) == {"full_name": "José Núñez"}
    assert opened(database, 26 * HOUR) is None


def test_the_latest_run_of_the_same_conversation_is_taken_up(database: Database) -> None:
    keep(database, "run-1", HOUR, full_name="José")
    keep(database, "run-2", full_name="Ana")
    assert opened(database, HOUR) == {"full_name": "José"}
    assert opened(database, HOUR, "another conversation") is None


@pytest.mark.parametrize("phone", ["+15165550142", "+15165550142;ext=12"])
def test_a_draft_is_found_by_its_phone_once_it_has_one(database: Database, phone: str) -> None:
    def found() -> int:
        with database.session() as session:
            by_phone = sa.select(sa.func.count()).where(Draft.phone_key == phone_key(LOOKUP, "+15165550142"))
            return session.scalar(by_phone) or 0

    keep(database, full_name="José")
    assert found() == 0
    with database.session() as session:
        repository.keep_draft(session, "run-1", "conversation", {"phone": phone}, phone)
    assert found() == 1


def test_a_draft_is_dropped_when_asked_and_when_its_run_is_saved(database: Database) -> None:
    keep(database, "run-1", full_name="José")
    keep(database, "run-2", full_name="Ana")
    save(database, new_lead("run-1"), EVENING)
    assert opened(database, HOUR) == {"full_name": "Ana"}
    keep(database, "run-1", full_name="José")  # a late answer of a run that is saved
    assert save(database, new_lead("run-1"), EVENING).lead.request_id == "run-1"
    with database.session() as session:
        repository.drop_draft(session, "run-2")
        repository.drop_draft(session, "never there")
    assert opened(database, HOUR) is None
