"""While Rasa is down the front desk takes a name and a number for a call back: over HTTP, and in the database."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from frontdesk.app import create_app
from frontdesk.db import Database, open_database
from frontdesk.leads.models import ConsentRecord, Lead
from frontdesk.leads.repository import as_record
from tests.chat.test_refusals import settings


class Caller:
    """Somebody who writes while the assistant is down."""

    def __init__(self, http: TestClient) -> None:
        self._http = http
        self.session: str | None = None

    def post(self, **body: Any) -> Any:
        response = self._http.post("/api/chat", json={"session": self.session, **body})
        self.session = response.json().get("session") or self.session
        return response

    def say(self, text: str) -> dict[str, Any]:
        """Say something and return the only reply."""
        response = self.post(text=text)
        assert response.status_code == 200, response.text
        (message,) = response.json()["messages"]
        assert "call_back" not in message  # what the front desk knows of it is no client's business
        found: dict[str, Any] = message
        return found

    def press(self, message: dict[str, Any], title: str, **body: Any) -> dict[str, Any]:
        payload = next(button["payload"] for button in message["buttons"] if button["title"] == title)
        response = self.post(payload=payload, **body)
        assert response.status_code == 200, response.text
        (found,) = response.json()["messages"]
        return dict(found)


@pytest.fixture
def database(tmp_path: Path, sqlite_url: str) -> Iterator[Database]:
    database = open_database(settings(tmp_path, database_url=sqlite_url))
    yield database
    database.close()


@pytest.fixture
def caller(tmp_path: Path, database: Database) -> Iterator[Caller]:
    with TestClient(create_app(settings(tmp_path, chat_limit_per_minute=0))) as http:
        yield Caller(http)


def leads(database: Database) -> list[dict[str, Any]]:
    with database.session() as session:
        return [as_record(lead) for lead in session.scalars(sa.select(Lead))]


def test_the_refusal_says_that_a_name_and_a_number_are_taken(caller: Caller) -> None:
    response = caller.post(text="how long does an infusion take")
    assert response.status_code == 503
    body = response.json()
    assert "full name and phone number" in body["detail"]
    assert any("full name and phone number" in message["text"] for message in body["messages"])


@pytest.mark.parametrize("agree", ["Yes, contact me", "yes"])
def test_a_name_and_a_number_are_read_back_and_saved_with_consent(
    caller: Caller, database: Database, agree: str
) -> None:
    question = caller.say("Jordan Lee, (516) 555-0142")
    assert (question["kind"], question["field"]) == ("question", "consent")
    for words in ("Jordan Lee", "516-555-0142", "contact you about it"):
        assert words in question["text"]
    assert leads(database) == []
    done = caller.press(question, agree) if agree != "yes" else caller.say(agree)
    (lead,) = leads(database)
    assert (done["kind"], done["lead"]) == ("confirmation", lead["reference"])
    assert (lead["full_name"], lead["phone"], lead["channel"]) == ("Jordan Lee", "+15165550142", "widget")
    assert lead["consent"]["given"] is True
    assert lead["consent"]["text"] in question["text"]
    assert any("not available" in note["text"] for note in lead["notes"])


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        (("can someone call me back", "jordan lee 516 555 0142"), ["phone", "consent"]),
        (("516-555-0142", "Jordan Lee"), ["full_name", "consent"]),
        (("I'd like an appointment", "My name is Jordan Lee", "516-555-0142"), ["phone", "phone", "consent"]),
    ],
)
def test_what_is_missing_is_asked_for(caller: Caller, said: tuple[str, ...], fields: list[str]) -> None:
    assert [caller.say(text)["field"] for text in said] == fields


def test_the_same_yes_twice_saves_once(caller: Caller, database: Database) -> None:
    question = caller.say("Jordan Lee 516-555-0142")
    first = caller.press(question, "Yes, contact me", id="yes")
    assert caller.press(question, "Yes, contact me", id="yes") == first
    assert len(leads(database)) == 1


def test_a_no_keeps_nothing_but_the_no(caller: Caller, database: Database) -> None:
    question = caller.say("Jordan Lee 516-555-0142")
    assert caller.press(question, "No")["kind"] == "say"
    assert leads(database) == []
    with database.session() as session:
        (refusal,) = session.scalars(sa.select(ConsentRecord))
        assert refusal.given is False


def test_a_number_can_be_mended_before_the_yes(caller: Caller, database: Database) -> None:
    caller.say("Jordan Lee 516-555-0142")
    question = caller.say("sorry, it's 516-555-0143")
    assert "516-555-0143" in question["text"]
    caller.press(question, "Yes, contact me")
    (lead,) = leads(database)
    assert (lead["full_name"], lead["phone"]) == ("Jordan Lee", "+15165550143")


def test_a_crisis_still_comes_first(caller: Caller, database: Database) -> None:
    caller.say("Jordan Lee 516-555-0142")
    assert caller.say("yes, call me before I kill myself")["level"] == "crisis"
    assert leads(database) == []
