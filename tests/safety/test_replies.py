"""What is said to somebody in danger: always the number to call, first, and never what must not be said."""

import re
from itertools import product
from pathlib import Path

import pytest

from frontdesk.chat.models import Channel
from frontdesk.clinic import Clinic
from frontdesk.safety.guard import DANGERS, Alarm
from frontdesk.safety.replies import SafetyReplies, load_replies
from frontdesk.safety.rules import FOLDER, Level, Person, RuleError
from frontdesk.sms.compose import GSM_7, plain

CLINIC = Clinic("Example Clinic", "(516) 555-0100", None, None)
EVERY = list(product(DANGERS, Person, ("en", "es")))
FIRST_SEGMENT, MOST_SEGMENTS = 153, 3
FORBIDDEN = re.compile(
    r"commit(?:ted)? suicide|appointment|book|\bprice|\$|confidential|we are watching|i am watching|"
    r"how (?:would|will) you|infusion (?:can|will|may) (?:help|fix)|calm down|satisf|anything else",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def replies() -> SafetyReplies:
    return load_replies(CLINIC)


def sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.!?])\s+", text)


@pytest.mark.parametrize(("level", "person", "language"), EVERY)
def test_the_number_to_call_stands_in_the_first_two_sentences(
    replies: SafetyReplies, level: Level, person: Person, language: str
) -> None:
    message = replies.reply(Alarm(level, person, language), Channel.WIDGET)
    assert (message["kind"], message["level"]) == ("safety", level.value)
    beginning = " ".join(sentences(message["text"])[:2])
    assert "911" in beginning
    assert "988" in (beginning if level is Level.CRISIS else message["text"])
    assert message["buttons"] == []


@pytest.mark.parametrize(("level", "person", "language"), EVERY)
def test_by_text_message_the_first_segment_carries_it(
    replies: SafetyReplies, level: Level, person: Person, language: str
) -> None:
    text = replies.reply(Alarm(level, person, language), Channel.SMS)["text"]
    assert plain(text) == text
    assert set(text) <= GSM_7
    assert "988" in text[:FIRST_SEGMENT]
    if level is Level.EMERGENCY:
        assert "911" in text[:FIRST_SEGMENT]
    assert len(text) <= FIRST_SEGMENT * MOST_SEGMENTS


@pytest.mark.parametrize(("language", "channel"), list(product(("en", "es"), Channel)))
def test_the_line_after_a_crisis_has_988_and_asks_nothing(
    replies: SafetyReplies, language: str, channel: Channel
) -> None:
    message = replies.after(Level.CRISIS, language, channel)
    assert message["kind"] == "safety"
    assert "988" in message["text"][:FIRST_SEGMENT]
    assert "911" in message["text"]


def test_nothing_is_said_that_must_not_be(replies: SafetyReplies) -> None:
    for names, text in replies.texts.items():
        if names[0] != "medical_advice":
            assert not FORBIDDEN.search(text), names


@pytest.mark.parametrize("text", ["yes", "No.", "OK", "thanks!", "ok, thank you", "k", "s\u00ed", "...", "\U0001f44d"])
def test_what_goes_on_with_nothing(replies: SafetyReplies, text: str) -> None:
    assert replies.is_acknowledgement(text)


@pytest.mark.parametrize(
    "text", ["how long does it take", "I want to go on with my appointment", "yes, how much is it"]
)
def test_what_goes_on_with_something(replies: SafetyReplies, text: str) -> None:
    assert not replies.is_acknowledgement(text)


def test_the_clinics_number_is_said_only_when_it_is_known(replies: SafetyReplies) -> None:
    unknown = load_replies(Clinic("Example Clinic", None, None, None))
    for names, text in replies.texts.items():
        assert "{" not in text
        if "555-0100" in text:
            assert "555" not in unknown.texts[names]


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("\ncrisis:", "\nx:"), ("\nafter:", "\nx:"), (". {contact}", ". {nothing}")],
)
def test_a_malformed_file_stops_the_start(tmp_path: Path, wrong: str, right: str) -> None:
    text = (FOLDER / "replies.yml").read_text(encoding="utf-8")
    assert wrong in text
    (tmp_path / "replies.yml").write_text(text.replace(wrong, right), encoding="utf-8")
    with pytest.raises(RuleError, match=r"replies\.yml"):
        load_replies(CLINIC, tmp_path)
