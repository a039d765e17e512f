"""Figures: each stage is measured, and every label is one of a few fixed words, whatever people write."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from frontdesk.chat.models import Channel as ChannelName
from frontdesk.loopback import NO_TLS
from frontdesk.metrics import SMS_STATUSES, Failure, SmsOutcome
from frontdesk.outbox.models import EventKind
from frontdesk.safety.rules import Level
from tests.sms.running import PHONE, Channel, running_channel

CRISIS = "I want to kill myself"
CANARY = "zebulonquixworth"
KINDS = {"answer", "question", "safety", "fallback", "confirmation", "say", "unavailable"}
CHANNELS = {channel.value for channel in ChannelName}
# Every label there may be, and every word it may have.
ALLOWED = {
    "channel": CHANNELS,
    "outcome": KINDS | {outcome.value for outcome in SmsOutcome} | {"delivered", "failed", "given_up"},
    "status": {str(status) for status in range(400, 600)} | SMS_STATUSES | {"other"},
    "step": {"receive", "reply"},
    "level": {level.value for level in Level},
    "noticed_by": {"rules", "model"},
    "event": {failure.value for failure in Failure},
    "kind": {kind.value for kind in EventKind},
    "through": {"email", "webhook", "sms"},
    "part": {"database", "rasa", "actions"},
}


class Figures:
    """What `/metrics` says, less what it said when this was made."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._before = self._read()

    def text(self) -> str:
        return httpx.get(f"{self._url}/metrics", verify=NO_TLS, timeout=10).text

    def _read(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(self.text())
            for sample in family.samples
        }

    def more(self, name: str, **labels: str) -> float:
        key = (name, frozenset(labels.items()))
        return self._read().get(key, 0.0) - self._before.get(key, 0.0)

    def now(self, name: str, **labels: str) -> float:
        return self._read()[name, frozenset(labels.items())]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[Channel, str]]:
    with running_channel(tmp_path) as channel:
        channel.start_rasa()
        yield channel, channel.twilio.desk_url


def say(url: str, text: str) -> httpx.Response:
    return httpx.post(f"{url}/api/chat", json={"text": text}, verify=NO_TLS, timeout=30)


def test_each_stage_of_a_message_is_measured(running: tuple[Channel, str]) -> None:
    _, url = running
    figures = Figures(url)
    assert say(url, "how long is a session").status_code == 200
    assert figures.more("ketalink_messages_total", channel="widget", outcome="answer") == 1
    assert figures.more("ketalink_turn_seconds_count", channel="widget") == 1
    assert figures.more("ketalink_rasa_seconds_count", channel="widget") == 1
    assert figures.more("ketalink_guard_seconds_count") >= 1
    assert figures.more("ketalink_store_seconds_count", step="receive") == 1
    assert figures.more("ketalink_store_seconds_count", step="reply") == 1
    assert figures.more("ketalink_alarms_total", channel="widget", level="crisis", noticed_by="rules") == 0


def test_alarms_are_counted_by_level_and_by_who_noticed(running: tuple[Channel, str]) -> None:
    channel, url = running
    figures = Figures(url)
    say(url, CRISIS)
    assert figures.more("ketalink_alarms_total", channel="widget", level="crisis", noticed_by="rules") == 1
    assert channel.rasa is not None
    channel.rasa.answer = lambda _: [{"text": "Help", "metadata": {"kind": "safety", "level": "crisis"}}]
    say(url, "what the rules do not see")
    assert figures.more("ketalink_alarms_total", channel="widget", level="crisis", noticed_by="model") == 1


def test_a_part_that_is_down_is_seen(running: tuple[Channel, str]) -> None:
    channel, url = running
    figures = Figures(url)
    assert figures.now("ketalink_ready", part="database") == 1
    assert figures.now("ketalink_ready", part="actions") == 0
    assert channel.rasa is not None
    channel.rasa.stop()
    channel.rasa = None
    say(url, "how long is a session")
    assert figures.more("ketalink_messages_total", channel="widget", outcome="unavailable") == 1


def test_texts_are_counted_and_what_became_of_them(running: tuple[Channel, str]) -> None:
    channel, url = running
    figures = Figures(url)
    assert channel.twilio.text(PHONE, "how long is a session")
    channel.twilio.text(PHONE, CRISIS)
    channel.twilio.wait_for_callbacks()
    httpx.post(f"{url}/sms/twilio", data={"Body": CANARY}, verify=NO_TLS)
    # On a machine with much to do, a second may be too short for the answer.
    answered, late = (figures.more("ketalink_sms_received_total", outcome=outcome) for outcome in ("answered", "late"))
    assert answered + late == 1
    assert figures.more("ketalink_sms_received_total", outcome="danger") == 1
    assert figures.more("ketalink_sms_received_total", outcome="refused") == 1
    assert figures.more("ketalink_sms_status_total", status="delivered") >= 1


def test_what_waits_in_the_outbox_is_told(running: tuple[Channel, str]) -> None:
    _, url = running
    text = Figures(url).text()
    for name in (
        "ketalink_notifications_waiting",
        "ketalink_notifications_waiting_seconds",
        "ketalink_notifications_given_up",
    ):
        assert f"\n{name} " in text


def test_no_label_is_ever_a_word_of_a_patient(running: tuple[Channel, str]) -> None:
    channel, url = running
    figures = Figures(url)
    for text in (CANARY, CRISIS, f"I'm {CANARY}, 516-555-0142", f"<b>{CANARY}</b>", f'/{CANARY}{{"a":"b"}}'):
        say(url, text)
        channel.twilio.text(PHONE, text)
    httpx.get(f"{url}/{CANARY}", verify=NO_TLS)
    channel.twilio.post("/sms/twilio/status", {"MessageSid": "SM1", "MessageStatus": CANARY[:16]})
    said = figures.text()
    assert CANARY not in said
    assert CANARY[:16] not in said
    assert "5550142" not in said
    for family in text_string_to_metric_families(said):
        for sample in family.samples:
            for label, value in sample.labels.items():
                if label != "le":
                    assert value in ALLOWED[label], f"{sample.name} {label}={value}"
