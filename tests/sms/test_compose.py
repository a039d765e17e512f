"""The text of one SMS: plain letters, one message, numbered choices, nothing a carrier misreads."""

import re
from dataclasses import asdict
from typing import Any

import pytest

from frontdesk.clinic import Clinic
from frontdesk.sms.compose import GSM_7, LONGEST_SMS, compose, plain, shorten
from frontdesk.sms.texts import SmsTexts, load_texts

CLINIC = Clinic(name="Example Clinic", phone="516-555-0100", service_area=None, booking_url=None)


@pytest.fixture
def texts() -> SmsTexts:
    return load_texts(CLINIC)[0]


def say(text: str, kind: str = "say", *titles: str) -> dict[str, Any]:
    return {"kind": kind, "text": text, "buttons": [{"title": title, "payload": "x"} for title in titles]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It\u2019s \u201cfine\u201d \u2013 really\u2026", 'It\'s "fine" - really...'),
        ("45\u201360\u00a0minutes", "45-60 minutes"),
        ("Thanks \U0001f642!", "Thanks !"),
        ("Mart\u00ednez, Jose\u0301", "Martinez, José"),
        ("\u2022 one\r\n\u2022 two", "- one\n- two"),
        ("1\u00bd hours", "1 1/2 hours"),
        ("\u0418\u0432\u0430\u043d", "\u0418\u0432\u0430\u043d"),
        ("a\x00b\u200b\ufffe\ud800c", "abc"),
    ],
)
def test_plain(text: str, expected: str) -> None:
    assert plain(text) == expected


def test_messages_are_joined_and_choices_numbered(texts: SmsTexts) -> None:
    messages = [say("One."), say(""), say("Two?", "question", "Yes", "Never mind")]
    assert compose(messages, texts, first=False) == "One.\n\nTwo?\n\nReply with a number:\n1 Yes\n2 Never mind"


def test_first_reply_begins_with_who_is_speaking_unless_it_is_about_safety(texts: SmsTexts) -> None:
    assert compose([say("Answer.")], texts, first=True) == f"{texts.first}\n\nAnswer."
    assert compose([say("Call 988.", "safety")], texts, first=True) == f"Call 988.\n\n{texts.first}"


def test_long_reply_is_cut_after_a_sentence_and_keeps_its_choices(texts: SmsTexts) -> None:
    reply = compose([say("A sentence of some words. " * 100, "answer", "More about cost")], texts, first=True)
    assert len(reply) <= LONGEST_SMS
    assert f"some words. {texts.more}\n\n" in reply
    assert reply.endswith("1 More about cost")


@pytest.mark.parametrize("text", ["word " * 500, "x" * 3000, "One.\nTwo. " + "y" * 3000])
def test_text_without_sentences_is_cut_too(text: str) -> None:
    assert len(shorten(text, 100, "More.")) <= 100
    assert shorten(text, 100, "More.").endswith("More.")


@pytest.mark.parametrize("phone", [None, "516-555-0100"])
def test_fixed_texts_are_plain_and_short(phone: str | None) -> None:
    known, _ = load_texts(Clinic(name="Example Clinic", phone=phone, service_area=None, booking_url=None))
    for name, text in asdict(known).items():
        assert set(text) <= GSM_7, name
        assert len(text) <= 306, f"{name} is longer than two segments"
        assert "{" not in text, name


def test_fixed_texts_use_the_carriers_words_only_as_carriers_mean_them(texts: SmsTexts) -> None:
    carriers = re.compile(r"\b(stop|stopall|unsubscribe|cancel|end|quit|revoke|optout)\b", re.IGNORECASE)
    for name, text in asdict(texts).items():
        assert not carriers.search(text.replace("STOP to opt out", "")), name
