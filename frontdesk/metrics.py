"""Figures for Prometheus. Labels are fixed names: never a word of a patient, never an id.

What each is for, and when to worry: deploy/observability/ and docs/operations.md.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from frontdesk.tracing import span

REGISTRY = CollectorRegistry()
# Memory, processor time, open files and start of this process; on Linux only.
ProcessCollector(registry=REGISTRY)

# --------------------------------------------------------------------------- messages, and where their time goes

MESSAGES = Counter(
    "ketalink_messages",
    "Visitors' messages, by channel and kind of the first reply",
    ["channel", "outcome"],
    registry=REGISTRY,
)
TURN_SECONDS = Histogram(
    "ketalink_turn_seconds",
    "Time from a message to its stored reply, waiting for an earlier message of the conversation included",
    ["channel"],
    registry=REGISTRY,
    buckets=(0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 1.5, 2.5, 5, 15, 60),
)
REPLY_SECONDS = Histogram(
    "ketalink_rasa_seconds",
    "Time Rasa took for a reply",
    ["channel"],
    registry=REGISTRY,
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15),
)
GUARD_SECONDS = Histogram(
    "ketalink_guard_seconds",
    "Time the safety guard took to check one text",
    registry=REGISTRY,
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1),
)
STORE_SECONDS = Histogram(
    "ketalink_store_seconds",
    "Time the database took to keep a message (receive) or its replies (reply)",
    ["step"],
    registry=REGISTRY,
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
REFUSED = Counter("ketalink_refused", "Requests refused, by status", ["status"], registry=REGISTRY)

READY = Gauge("ketalink_ready", "1 when a part answers, else 0: database, rasa, actions", ["part"], registry=REGISTRY)

# --------------------------------------------------------------------------- safety, and what may not go wrong

ALARMS = Counter(
    "ketalink_alarms",
    "Messages that were answered with a safety reply, by its level and by whom it was noticed: rules or model",
    ["channel", "level", "noticed_by"],
    registry=REGISTRY,
)


class Failure(StrEnum):
    """What went wrong inside; each is the event of a log line too."""

    DANGER_NOT_NOTED = "danger_not_noted"  # the patient was helped, but the clinic does not know of it
    DATABASE_UNAVAILABLE = "database_unavailable"
    OUTBOX_FAILED = "outbox_failed"
    PURGE_FAILED = "purge_failed"
    REQUEST_FAILED = "request_failed"
    SMS_DEBTS_NOT_PAID = "sms_debts_not_paid"
    SMS_GIVEN_UP = "sms_given_up"
    SMS_LATE_FAILED = "sms_late_failed"
    SMS_NOT_STORED = "sms_not_stored"


FAILURES = Counter("ketalink_failures", "What went wrong inside, by event", ["event"], registry=REGISTRY)
for failure in Failure:
    FAILURES.labels(failure.value)  # there from the start: a first one is seen as a step from 0


def report(log: Any, failure: Failure, **fields: object) -> None:
    """Count what went wrong, and log it with ids or the kind of error: never with its text."""
    FAILURES.labels(failure.value).inc()
    log.error(failure.value, **fields)


# --------------------------------------------------------------------------- what the clinic is told

NOTIFICATIONS = Counter(
    "ketalink_notifications",
    "Attempts to tell the clinic of an event, by kind of event, email or webhook, and outcome",
    ["kind", "through", "outcome"],
    registry=REGISTRY,
)
NOTIFICATIONS_WAITING = Gauge(
    "ketalink_notifications_waiting", "Deliveries that wait; of all front desks together", registry=REGISTRY
)
NOTIFICATIONS_WAITING_SECONDS = Gauge(
    "ketalink_notifications_waiting_seconds",
    "Age of the oldest event of which some destination has not been told",
    registry=REGISTRY,
)
NOTIFICATIONS_GIVEN_UP = Gauge(
    "ketalink_notifications_given_up",
    "Deliveries that were given up and nobody has tried again; of all front desks together",
    registry=REGISTRY,
)

# --------------------------------------------------------------------------- text messages


class SmsOutcome(StrEnum):
    """How one webhook for an incoming text was answered."""

    ANSWERED = "answered"  # at once, be it with nothing: a repeat, STOP, too many a minute
    DANGER = "danger"
    LATE = "late"  # the answer follows, or the patient was asked to text again
    REFUSED = "refused"  # not signed by Twilio


SMS_RECEIVED = Counter(
    "ketalink_sms_received", "Webhooks for incoming texts, by how they were answered", ["outcome"], registry=REGISTRY
)
SMS_STATUS = Counter(
    "ketalink_sms_status", "What became of outgoing texts, as Twilio tells it", ["status"], registry=REGISTRY
)
# A status comes from outside: any other word is counted as `other`.
SMS_STATUSES = frozenset({"accepted", "queued", "sending", "sent", "delivered", "undelivered", "failed", "read"})


def count_sms_status(status: str) -> None:
    """Count what became of an outgoing text."""
    SMS_STATUS.labels(status if status in SMS_STATUSES else "other").inc()


# --------------------------------------------------------------------------- stages


@contextmanager
def stage(name: str, seconds: Histogram) -> Iterator[None]:
    """Measure one stage of a message's way, and trace it when traces are configured."""
    with seconds.time(), span(name):
        yield
