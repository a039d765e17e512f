"""The text of one SMS: plain letters, one message, numbered choices, nothing a carrier misreads."""

from typing import Any

import pytest

from frontdesk.clinic import Clinic
from frontdesk.sms.compose import LONGEST_SMS, MOST_SEGMENTS, compose, head_and_tail, plain
from frontdesk.sms.segments import segments
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
    assert compose(messages, texts, first=False).text == "One.\n\nTwo?\n\nReply with a number:\n1 Yes\n2 Never mind"


def test_first_reply_begins_with_who_is_speaking(texts: SmsTexts) -> None:
    assert compose([say("Answer.")], texts, first=True).text == f"{texts.first}\n\nAnswer."


def test_in_danger_nothing_else_is_said(texts: SmsTexts) -> None:
    crisis = say("Call 988.", "safety", "More about cost") | {"level": "crisis"}
    assert compose([crisis], texts, first=True).text == "Call 988."


def test_a_long_answer_is_cut_after_a_sentence_and_nothing_of_it_is_lost(texts: SmsTexts) -> None:
    answer = " ".join(f"This is the sentence number {number} of the answer." for number in range(30))
    composed = compose([say(answer, "answer"), say("And your name?", "question", "Skip")], texts, first=True)
    assert segments(composed.text) <= MOST_SEGMENTS
    assert composed.text.startswith(texts.first)
    assert composed.text.endswith(f"{texts.more}\n\nAnd your name?\n\n{texts.choices}\n1 Skip")
    head = composed.text.removeprefix(texts.first).partition(texts.more)[0].strip()
    assert head.endswith(".")
    assert f"{head} {composed.rest}" == answer


def test_of_two_long_answers_each_is_cut_and_a_short_one_is_not(texts: SmsTexts) -> None:
    long = " ".join(["A sentence of some words."] * 20)
    composed = compose([say(f"{long}\n\nShort.\n\n{long}", "answer")], texts, first=False)
    first, short, third, more = composed.text.split("\n\n")
    assert (short, more) == ("Short.", texts.more)
    assert len(first) == len(third) > 150
    assert segments(composed.text) <= MOST_SEGMENTS


def test_a_question_is_never_cut_and_twilio_takes_it_all_the_same(texts: SmsTexts) -> None:
    review = say(f"Please check: {'much ' * 120}. Shall I send it?", "question", "Yes")
    assert "Shall I send it?" in compose([review], texts, first=False).text
    endless = compose([say("word " * 800, "question", "Yes")], texts, first=True).text
    assert len(endless) <= LONGEST_SMS
    assert endless.endswith("1 Yes")


def test_letters_outside_gsm_7_leave_less_room(texts: SmsTexts) -> None:
    composed = compose([say("\u0418\u0432\u0430\u043d. " * 60, "answer")], texts, first=False)
    assert segments(composed.text) <= MOST_SEGMENTS
    assert composed.rest


@pytest.mark.parametrize("text", ["word " * 500, "x" * 3000, "One.\nTwo. " + "y" * 3000, "[" * 300])
def test_text_without_sentences_is_divided_too(text: str) -> None:
    head, tail = head_and_tail(text, 100)
    assert 0 < len(head) <= 100
    assert len(head) + len(tail) >= len(text.strip()) - 1
