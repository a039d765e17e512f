"""Whole conversations by text with a front desk, a model and an action server that run."""

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from frontdesk.sms.segments import segments
from frontdesk.sms.simulator.twilio import TwilioSimulator
from tests.conftest import Server

_numbers = itertools.count(20)
ANSWERS = {
    r"full name": "Jordan Lee",
    r"call you at this number": "1",
    r"email": "jordan@example.com",
    r"New patient, or": "1",
    r"help with": "chronic pain",
    r"visit suit": "Tuesday morning",
    r"May the clinic": "yes",
    r"Please check": "1",
}


class Texter:
    """A phone that texts the running assistant."""

    def __init__(self, server: Server) -> None:
        self.number = f"+151655501{next(_numbers)}"
        self._twilio = TwilioSimulator(
            "AC0", server.twilio_token, "+15165550100", server.public_url, server.url, tells_statuses=False
        )
        self.said: list[str] = []

    def text(self, words: str) -> str:
        """Text something; return the reply."""
        reply = self._twilio.text(self.number, words)
        assert reply is not None
        self.said.append(reply)
        return reply

    def request(self, **instead: str) -> str:
        """Leave a whole request; return the last reply. `instead` are other answers, by a word of the question."""
        answers = {**ANSWERS, **{f"(?i){word}": answer for word, answer in instead.items()}}
        reply = self.text("I'd like an appointment")
        for _ in range(12):
            if "KL-" in reply:
                return reply
            question = reply.partition("Reply with a number")[0]
            answer = [answer for asked, answer in answers.items() if re.search(asked, question)][-1]
            reply = self.text(answer)
        raise AssertionError(self.said)

    def close(self) -> None:
        self._twilio.close()


@pytest.fixture
def texter(server: Server) -> Iterator[Texter]:
    texter = Texter(server)
    yield texter
    texter.close()


def lead_of(server: Server, reply: str) -> dict[str, Any]:
    reference = re.findall(r"KL-\w{7}", reply)[0]
    exported = server.ketalink("leads", "export", "--format", "jsonl").stdout.splitlines()
    (lead,) = [lead for lead in map(json.loads, exported) if lead["reference"] == reference]
    return dict(lead)


def test_s11_the_number_that_texts_is_confirmed_and_not_asked_for(server: Server, texter: Texter) -> None:
    lead = lead_of(server, texter.request())
    assert (lead["phone"], lead["full_name"], lead["channel"]) == (texter.number, "Jordan Lee", "sms")
    assert lead["preferred_time"]["part_of_day"] == "morning"
    readable = f"(516) 555-01{texter.number[-2:]}"
    assert any(f"call you at this number, {readable}?" in reply for reply in texter.said)
    assert any(f"Phone: {readable}" in reply for reply in texter.said), "read back"
    assert not any("What number" in reply or "what number" in reply for reply in texter.said)
    assert max(map(segments, texter.said)) <= 3
    assert lead["consent"]["text"].startswith("May the clinic keep this request and contact you")


@pytest.mark.parametrize("refusal", ["2", "no", "another number"])
def test_s11_another_number_can_be_given_instead(server: Server, texter: Texter, refusal: str) -> None:
    lead = lead_of(server, texter.request(**{"this number": refusal, "What number can": "646-555-0199"}))
    assert lead["phone"] == "+16465550199"


@pytest.mark.parametrize("agreement", ["yes", "yep this one", "same number", "this number is fine"])
def test_s11_the_number_is_agreed_to_in_words(server: Server, texter: Texter, agreement: str) -> None:
    texter.text("I'd like an appointment")
    texter.text("Jordan Lee")
    assert "email" in texter.text(agreement)


def test_s11_a_number_given_at_once_is_taken(texter: Texter) -> None:
    texter.text("I'd like an appointment")
    texter.text("Jordan Lee")
    assert "email" in texter.text("call me at 646-555-0198 instead")
    for answer in ("skip", "skip", "skip", "any time"):
        reply = texter.text(answer)
    assert "Phone: (646) 555-0198" in texter.text("yes") + reply


def test_s10_a_digit_or_the_words_pick_a_choice(texter: Texter) -> None:
    greeting = texter.text("hello").splitlines()
    choices = greeting[greeting.index("Reply with a number:") + 1 :]
    assert [choice[:2] for choice in choices] == ["1 ", "2 ", "3 "]
    by_number = texter.text("1")
    assert "60 minutes" in by_number
    for words in (choices[0].removeprefix("1 "), "#1", "option 1", "one", "1."):
        texter.text("hello")
        assert texter.text(words) == by_number
    texter.text("hello")
    assert "one of the numbers" in texter.text("7")
    assert texter.text("1") == by_number


def test_s9_two_questions_at_once_are_one_sms_and_more_is_to_be_had(texter: Texter) -> None:
    reply = texter.text("what does it cost and do I need someone to drive me home")
    assert segments(reply) <= 3
    assert "prices" in reply
    assert "drive" in reply
    if "Reply MORE" in reply:
        rest = texter.text("more")
        assert segments(rest) <= 3
        assert not set(rest.split(". ")) & set(reply.split(". "))


def test_s6_an_opt_out_in_the_middle_of_a_request_leaves_a_draft_and_silence(texter: Texter, server: Server) -> None:
    texter.text("I'd like an appointment")
    texter.text("Jordan Lee")
    assert "opted out" in texter.text("please stop texting me")
    assert texter._twilio.text(texter.number, "1") is None
    again = texter.text("START")
    assert "call you at this number" in again, "what was open is asked again"
    assert "email" in texter.text("1")
    for answer in ("skip", "new", "skip", "mornings", "yes"):
        review = texter.text(answer)
    assert "Jordan Lee" in review
    assert "KL-" in texter.text("yes")
