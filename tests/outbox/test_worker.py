"""What the clinic has to be told arrives, at least once, and a repeat has the same id: on SQLite and PostgreSQL."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
import sqlalchemy as sa

from frontdesk.chat.models import Channel
from frontdesk.chat.store import start_conversation
from frontdesk.db import Database
from frontdesk.leads.models import Lead
from frontdesk.outbox import store
from frontdesk.outbox.models import EventKind, OutboxDelivery, OutboxEvent
from frontdesk.outbox.notices import Notice
from frontdesk.outbox.worker import LEASE, Worker, pause
from tests.conftest import wait_until
from tests.outbox.conftest import Clock, save_lead
from tests.outbox.receivers import MailServer, Receiver

MakeWorker = Callable[..., Worker]


def event_ids(database: Database) -> list[str]:
    with database.session() as session:
        return list(session.scalars(sa.select(OutboxEvent.id).order_by(OutboxEvent.created_at)))


def deliveries(database: Database) -> dict[str, OutboxDelivery]:
    """The deliveries by destination; there may be one to each."""
    with database.session() as session:
        found = session.scalars(sa.select(OutboxDelivery)).all()
    assert len({each.destination for each in found}) == len(found)
    return {each.destination: each for each in found}


def raise_alarm(database: Database) -> str:
    with database.session() as session:
        conversation = start_conversation(session, Channel.SMS)
        store.add_event(session, EventKind.ALARM_RAISED, conversation.id)
        return conversation.id


def test_each_destination_is_told_once_with_one_id(
    database: Database, make_worker: MakeWorker, mail: MailServer, receiver: Receiver
) -> None:
    save_lead(database)
    (event_id,) = event_ids(database)
    worker = make_worker()
    assert worker.run_once() == 3
    assert worker.run_once() == 0
    assert receiver.ids == [event_id]
    assert mail.ids == [f"<{event_id}@clinic.example>"] * 2
    assert sorted(message["To"] for message in mail.messages) == ["ana@clinic.example", "bo@clinic.example"]
    with database.session() as session:
        assert store.oldest_waiting(session) is None


def test_what_is_rolled_back_is_told_to_nobody(database: Database, make_worker: MakeWorker, receiver: Receiver) -> None:
    with pytest.raises(RuntimeError), database.session() as session:
        store.add_event(session, EventKind.ALARM_RAISED, "0" * 32)
        session.flush()
        raise RuntimeError
    assert make_worker().run_once() == 0
    assert receiver.calls == []


def test_who_is_configured_later_is_not_told_of_the_past(
    database: Database, make_worker: MakeWorker, receiver: Receiver
) -> None:
    save_lead(database, 1)
    assert make_worker(notify_emails="", webhook_url=None).run_once() == 0
    worker = make_worker(notify_emails="")
    assert worker.run_once() == 0
    save_lead(database, 2)
    worker.run_once()
    assert receiver.ids == event_ids(database)[1:]


def test_a_destination_that_fails_is_tried_again_and_holds_nobody_up(
    database: Database, make_worker: MakeWorker, clock: Clock, mail: MailServer, receiver: Receiver
) -> None:
    save_lead(database)
    worker = make_worker()
    receiver.answers = [503, 503]
    worker.run_once()
    assert len(mail.messages) == 2
    assert deliveries(database)["webhook"].last_error == "http_503"
    clock.forward(seconds=23)
    assert worker.run_once() == 0
    clock.forward(seconds=14)
    assert worker.run_once() == 1
    clock.forward(seconds=73)
    assert worker.run_once() == 1
    assert receiver.ids == event_ids(database) * 3
    assert deliveries(database)["webhook"].delivered_at == clock.time
    assert len(mail.messages) == 2


def test_pauses_double_to_an_hour_and_the_default_number_of_attempts_is_a_day() -> None:
    for attempts, seconds in ((1, 30), (2, 60), (3, 120), (7, 1_920), (8, 3_600), (31, 3_600)):
        drawn = [pause(attempts).total_seconds() / seconds for _ in range(200)]
        assert 0.8 <= min(drawn) < 0.9 < 1.1 < max(drawn) <= 1.2
    day = sum(min(30 * 2 ** (attempts - 1), 3_600) for attempts in range(1, 31))
    assert timedelta(hours=23.5) < timedelta(seconds=day) < timedelta(hours=24.5)


def test_after_the_last_attempt_it_is_given_up_until_somebody_retries_it(
    database: Database, make_worker: MakeWorker, clock: Clock, receiver: Receiver
) -> None:
    save_lead(database)
    worker = make_worker(notify_emails="", notify_attempts=3)
    receiver.answers = [500, 500, 500]
    for _ in range(5):
        worker.run_once()
        clock.forward(hours=2)
    assert len(receiver.calls) == 3
    with database.session() as session:
        (given_up,) = store.given_up(session)
        assert store.count_waiting(session) == 0
    assert given_up.last_error == "http_500"
    with pytest.raises(store.DeliveryNotFound), database.session() as session:
        store.retry(session, "0" * 32, clock.time)
    with database.session() as session:
        store.retry(session, given_up.id, clock.time)
    worker.run_once()
    assert receiver.ids == event_ids(database) * 4
    with database.session() as session:
        assert store.given_up(session) == []
    with pytest.raises(store.DeliveryNotFound), database.session() as session:
        store.retry(session, given_up.id, clock.time)


@pytest.mark.parametrize(("status", "tried"), [(404, 5), (410, 5), (302, 5), (408, 12), (429, 12), (503, 12)])
def test_a_refusal_that_will_not_change_is_given_up_sooner(
    database: Database, make_worker: MakeWorker, clock: Clock, receiver: Receiver, status: int, tried: int
) -> None:
    save_lead(database)
    worker = make_worker(notify_emails="", notify_attempts=12)
    receiver.answers = [status] * 12
    for _ in range(13):
        worker.run_once()
        clock.forward(hours=2)
    assert len(receiver.calls) == tried


def test_while_one_worker_sends_another_one_does_not(
    database: Database, make_worker: MakeWorker, receiver: Receiver
) -> None:
    save_lead(database)
    one, other = make_worker(notify_emails=""), make_worker(notify_emails="")
    receiver.may_answer.clear()
    sending = threading.Thread(target=one.run_once)
    sending.start()
    wait_until(lambda: receiver.calls, 30, "the first worker to send")
    assert other.run_once() == 0
    receiver.may_answer.set()
    sending.join()
    assert other.run_once() == 0
    assert len(receiver.calls) == 1


def test_a_lease_that_runs_out_is_taken_over_with_the_same_id(
    database: Database, make_worker: MakeWorker, clock: Clock, receiver: Receiver
) -> None:
    save_lead(database)
    dead, living = make_worker(notify_emails=""), make_worker(notify_emails="")
    dead.look()
    with database.session() as session:
        assert store.lease(session, "webhook", "a worker that was killed", clock.time, LEASE) is not None
    clock.forward(seconds=119)
    assert living.run_once() == 0
    clock.forward(seconds=1)
    assert living.run_once() == 1
    assert receiver.ids == event_ids(database)
    assert deliveries(database)["webhook"].attempts == 2


def test_who_lost_its_lease_can_say_delivered_but_not_failed(database: Database, clock: Clock) -> None:
    save_lead(database)
    with database.session() as session:
        store.spread(session, ["webhook"], clock.time)
        first = store.lease(session, "webhook", "first", clock.time, LEASE)
    assert first is not None
    clock.forward(minutes=2)
    with database.session() as session:
        assert store.lease(session, "webhook", "second", clock.time, LEASE) is not None
        store.mark_failed(session, first.id, "first", "timeout", clock.time, None)
    assert deliveries(database)["webhook"].dead_at is None
    with database.session() as session:
        store.mark_delivered(session, first.id, clock.time)
        store.mark_failed(session, first.id, "second", "timeout", clock.time, clock.time)
    delivered = deliveries(database)["webhook"]
    assert delivered.delivered_at == clock.time
    assert delivered.next_attempt_at is None


def test_workers_side_by_side_send_everything_once(
    database: Database, make_worker: MakeWorker, receiver: Receiver
) -> None:
    for number in range(20):
        save_lead(database, number)
    workers = [make_worker(notify_emails="") for _ in range(4)]
    threads = [threading.Thread(target=worker.run_once) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while workers[0].run_once():
        pass
    assert sorted(receiver.ids) == sorted(event_ids(database))
    assert len(receiver.ids) == 20


def test_alarms_go_first(database: Database, make_worker: MakeWorker, receiver: Receiver) -> None:
    save_lead(database)
    conversation = raise_alarm(database)
    make_worker(notify_emails="").run_once()
    assert [told["type"] for told in receiver.told] == ["alarm.raised", "lead.received"]
    assert receiver.told[0]["data"]["conversation"] == conversation


def test_an_alarm_is_told_even_if_the_conversation_was_deleted(
    database: Database, make_worker: MakeWorker, mail: MailServer
) -> None:
    with database.session() as session:
        store.add_event(session, EventKind.ALARM_RAISED, "0" * 32)
    make_worker(webhook_url=None).run_once()
    assert "deleted the conversation" in mail.messages[0].get_content()


def test_of_a_request_that_was_deleted_nothing_is_told(
    database: Database, make_worker: MakeWorker, clock: Clock, receiver: Receiver
) -> None:
    lead_id = save_lead(database)
    worker = make_worker()
    worker.look()
    with database.session() as session:
        session.delete(session.get_one(Lead, lead_id))
    worker.run_once()
    assert receiver.calls == []
    assert deliveries(database) == {}
    with database.session() as session:
        store.forget(session, lead_id)
    assert event_ids(database) == []


def test_a_destination_that_is_not_configured_any_more_is_given_up_after_an_hour(
    database: Database, make_worker: MakeWorker, clock: Clock
) -> None:
    save_lead(database)
    make_worker().look()
    without = make_worker(webhook_url=None)
    without.run_once()
    clock.forward(minutes=59)
    without.run_once()
    assert deliveries(database)["webhook"].dead_at is None
    clock.forward(minutes=2)
    without.run_once()
    assert deliveries(database)["webhook"].last_error == "not_configured"


@dataclass
class Broken:
    """A destination with a mistake in it."""

    name: str = "webhook"
    sent: list[Notice] = field(default_factory=list)

    def send(self, notice: Notice) -> None:
        """Fail as no destination should."""
        self.sent.append(notice)
        raise KeyError("Robin Testperson")


def test_a_mistake_in_one_destination_keeps_no_other_from_being_told(
    database: Database, make_worker: MakeWorker, clock: Clock, mail: MailServer
) -> None:
    save_lead(database)
    broken = Broken()
    emails = make_worker(webhook_url=None).destinations.values()
    Worker(database, [broken, *emails], 3, clock).run_once()
    assert len(broken.sent) == 1 and len(mail.messages) == 2
    assert deliveries(database)["webhook"].last_error == "unforeseen_KeyError"
