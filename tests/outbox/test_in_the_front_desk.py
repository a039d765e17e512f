"""Inside the running front desk: requests of another process and alarms of this one reach whom they have to."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient
from prometheus_client import generate_latest

from frontdesk.app import create_app
from frontdesk.chat import store as chat
from frontdesk.db import Database
from frontdesk.metrics import REGISTRY
from frontdesk.outbox.models import OutboxDelivery, OutboxEvent
from frontdesk.settings import Settings, SettingsError
from tests.conftest import wait_until
from tests.outbox.conftest import save_lead
from tests.outbox.receivers import MailServer, Receiver

CRISIS = "I want to kill myself"


@pytest.fixture
def app(told: Settings, database: Database) -> FastAPI:
    return create_app(told)


@pytest.fixture
def running(app: FastAPI) -> Iterator[TestClient]:
    """A front desk that runs, its worker as well."""
    with TestClient(app) as client:
        yield client


def test_a_request_that_another_process_saved_is_told_within_seconds(
    running: TestClient, database: Database, mail: MailServer, receiver: Receiver
) -> None:
    save_lead(database)
    wait_until(lambda: len(mail.messages) == 2 and receiver.calls, 30, "everybody to be told")
    assert len({*receiver.ids, *(identity[1:33] for identity in mail.ids)}) == 1
    metrics = running.get("/metrics").text
    assert 'ketalink_notifications_total{kind="lead.received",outcome="delivered",through="email"}' in metrics


def test_a_destination_that_hangs_holds_up_no_other_and_not_the_end(
    app: FastAPI, database: Database, mail: MailServer, receiver: Receiver
) -> None:
    receiver.may_answer.clear()
    with TestClient(app):
        save_lead(database, 1)
        wait_until(lambda: len(mail.messages) == 2 and receiver.calls, 30, "the webhook to hang and the e-mails to go")
        save_lead(database, 2)
        wait_until(lambda: len(mail.messages) == 4, 30, "the next e-mails")
    with database.session() as session:
        hanging = session.scalars(sa.select(OutboxDelivery).where(OutboxDelivery.delivered_at.is_(None))).all()
    assert {delivery.destination for delivery in hanging} == {"webhook"}


def test_an_alarm_is_told_once_until_somebody_has_seen_it(
    running: TestClient, database: Database, mail: MailServer, receiver: Receiver
) -> None:
    def say(text: str, session: str | None = None) -> str:
        answer = running.post("/api/chat", json={"session": session, "text": text})
        token: str = answer.json()["session"]
        return token

    def alarms() -> list[str]:
        with database.session() as session:
            return list(session.scalars(sa.select(OutboxEvent.subject)))

    token = say(CRISIS)
    say(CRISIS, token)
    (conversation,) = alarms()
    wait_until(lambda: len(mail.messages) == 2 and receiver.calls, 30, "everybody to be told")
    (call,) = receiver.calls
    assert call.verified()["data"]["conversation"] == conversation
    text = mail.messages[0].get_content()
    assert mail.messages[0]["Subject"] == "Somebody may be in danger"
    assert f"https://chat.clinic.example/staff/conversations/{conversation}" in text
    assert "kill" not in mail.raw[0].decode() + call.body.decode()
    with database.session() as session:
        chat.note_seen(session, conversation, "ana@clinic.example")
    say(CRISIS, token)
    assert alarms() == [conversation, conversation]


def test_how_long_the_oldest_waits_is_measured(running: TestClient, database: Database, receiver: Receiver) -> None:
    def waiting() -> float:
        running.get("/metrics")
        return REGISTRY.get_sample_value("ketalink_notifications_waiting_seconds") or 0.0

    receiver.may_answer.clear()
    save_lead(database)
    wait_until(lambda: waiting() > 1, 30, "the oldest to wait a second")
    receiver.may_answer.set()
    wait_until(lambda: waiting() == 0, 30, "nothing to wait")
    assert b"ketalink_notifications_waiting_seconds" in generate_latest(REGISTRY)


def test_what_is_set_in_part_stops_the_start(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="SMTP_HOST"):
        create_app(settings.model_copy(update={"notify_emails": "ana@clinic.example"}))
