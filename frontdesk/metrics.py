"""Figures for Prometheus. Labels are fixed names: never a word of a patient, never an id."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

MESSAGES = Counter(
    "ketalink_messages",
    "Visitors' messages, by channel and kind of the first reply",
    ["channel", "outcome"],
    registry=REGISTRY,
)
REPLY_SECONDS = Histogram(
    "ketalink_rasa_seconds",
    "Time Rasa took for a reply",
    ["channel"],
    registry=REGISTRY,
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15),
)
REFUSED = Counter("ketalink_refused", "Requests refused, by status", ["status"], registry=REGISTRY)
NOTIFICATIONS = Counter(
    "ketalink_notifications",
    "Attempts to tell the clinic of an event, by kind of event, email or webhook, and outcome",
    ["kind", "through", "outcome"],
    registry=REGISTRY,
)
NOTIFICATIONS_WAITING_SECONDS = Gauge(
    "ketalink_notifications_waiting_seconds",
    "Age of the oldest event of which some destination has not been told",
    registry=REGISTRY,
)
