"""The webhook: signed as Standard Webhooks has it, without patient data, and sent to the one address that is set."""

from collections.abc import Callable

import pytest
from standardwebhooks import WebhookVerificationError

from frontdesk.db import Database
from frontdesk.outbox import webhook
from frontdesk.outbox.destination import DeliveryFailed
from frontdesk.outbox.notices import trial
from frontdesk.outbox.webhook import WebhookDestination
from frontdesk.outbox.worker import Worker
from tests.outbox.conftest import CANARIES, Certificates, Clock, reference_of, save_lead
from tests.outbox.receivers import WEBHOOK_SECRET, Receiver


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: what is said does not depend on the database."""
    return sqlite_url


def test_a_new_request_is_signed_and_holds_nothing_of_the_patient(
    database: Database, make_worker: Callable[..., Worker], receiver: Receiver
) -> None:
    lead_id = save_lead(database)
    make_worker(notify_emails="").run_once()
    (call,) = receiver.calls
    told = call.verified()
    reference = reference_of(database, lead_id)
    assert told == {
        "type": "lead.received",
        "id": call.headers["webhook-id"],
        "timestamp": told["timestamp"],
        "data": {
            "reference": reference,
            "created_at": told["data"]["created_at"],
            "channel": "widget",
            "status": "new",
        },
    }
    sent = call.body.decode() + str(call.headers)
    assert [word for word in CANARIES if word in sent] == []


def test_a_repeat_has_the_same_id_and_body_and_a_signature_of_its_own_time(
    database: Database, make_worker: Callable[..., Worker], clock: Clock, receiver: Receiver
) -> None:
    save_lead(database)
    worker = make_worker(notify_emails="")
    receiver.answers = [500]
    worker.run_once()
    clock.forward(minutes=1)
    worker.run_once()
    first, second = receiver.calls
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.verified() == second.verified()


def test_what_was_changed_on_its_way_is_not_verified(receiver: Receiver) -> None:
    WebhookDestination(receiver.url, WEBHOOK_SECRET).send(trial())
    (call,) = receiver.calls
    assert call.verified()["type"] == "test"
    call.body = call.body.replace(b"test", b"tost")
    with pytest.raises(WebhookVerificationError):
        call.verified()


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.answers = [307]
    with pytest.raises(DeliveryFailed, match="http_307"):
        WebhookDestination(receiver.url, WEBHOOK_SECRET).send(trial())
    assert len(receiver.calls) == 1


def test_a_receiver_that_does_not_answer_is_left_after_a_while(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "TIMEOUT_SECONDS", 0.2)
    receiver.may_answer.clear()
    with pytest.raises(DeliveryFailed, match="timeout"):
        WebhookDestination(receiver.url, WEBHOOK_SECRET).send(trial())


def test_a_receiver_that_is_down() -> None:
    with Receiver() as gone:
        pass
    with pytest.raises(DeliveryFailed, match="no_connection"):
        WebhookDestination(gone.url, WEBHOOK_SECRET).send(trial())


def test_https_with_a_certificate_that_is_trusted(trusted: Certificates) -> None:
    with Receiver(certificate=trusted.server) as receiver:
        WebhookDestination(receiver.url, WEBHOOK_SECRET).send(trial())
        assert len(receiver.calls) == 1


def test_https_with_a_certificate_that_nobody_vouches_for(certificates: Certificates) -> None:
    with Receiver(certificate=certificates.server) as receiver:
        with pytest.raises(DeliveryFailed, match="certificate_not_trusted"):
            WebhookDestination(receiver.url, WEBHOOK_SECRET).send(trial())
        assert receiver.calls == []


def test_neither_address_nor_secret_is_shown() -> None:
    shown = repr(WebhookDestination("https://hooks.example/token-in-the-path", WEBHOOK_SECRET))
    assert "token" not in shown and "whsec" not in shown
