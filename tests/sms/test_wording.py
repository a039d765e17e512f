"""Everything that is said by text: how long it is, its letters, what it may not ask for, what it gives away."""

import re
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from frontdesk.clinic import Clinic, load_clinic
from frontdesk.safety.replies import load_replies
from frontdesk.sms.compose import MOST_SEGMENTS, compose, plain
from frontdesk.sms.segments import GSM, GSM_7, UCS_2, encoding, segments, size
from frontdesk.sms.texts import Keyword, bare, load_texts
from tests.conftest import PROJECT
from tests.content.test_content import PROFILE, SAMPLE_PROFILE, said

CARRIERS = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"})
ASKS_FOR_A_WORD = re.compile(
    r"\b(?:reply|text|say|answer|write|send|type|respond)(?: with)? ['\"]?"
    r"(stop|stopall|unsubscribe|cancel|end|quit|revoke|optout)\b",
    re.IGNORECASE,
)
CLINIC = load_clinic(PROJECT / "data" / "clinic.yml")
TEXTS, KEYWORDS = load_texts(CLINIC)
SHORT_TEXTS = {name: text for name, text in asdict(TEXTS).items() if isinstance(text, str)}


def load(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def by_sms(wordings: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the wording that goes out by text."""
    return next((wording for wording in wordings if wording.get("channel") == "sms"), wordings[0])


DOMAIN = load(PROJECT / "domain.yml")["responses"]
ANSWERS = {
    name: wordings
    for path in sorted((PROJECT / "data" / "answers").glob("*.yml"))
    for name, wordings in load(path)["responses"].items()
}
ALL = {**DOMAIN, **ANSWERS}


def safety_texts() -> Iterator[tuple[str, str]]:
    for key, text in load_replies(CLINIC).texts.items():
        if key[-1] == "sms":
            yield " ".join(key), text


def message_of(wording: dict[str, Any], profile: dict[str, Any]) -> dict[str, Any]:
    """Return a wording as the chat API has it."""
    about = {key: wording["metadata"][key] for key in ("kind", "level") if key in wording.get("metadata", {})}
    return {"kind": "say", "text": said(wording, profile), "buttons": wording.get("buttons") or []} | about


# --------------------------------------------------------------------------- S8


def test_s8_no_text_asks_for_a_word_that_opts_out_with_another_meaning() -> None:
    call_back = load(PROJECT / "data" / "call_back.yml")["call_back"]
    texts = {name: by_sms(wordings)["text"] for name, wordings in ALL.items()}
    texts |= {**SHORT_TEXTS, **{name: str(text) for name, text in call_back.items()}, **dict(safety_texts())}
    for name, text in texts.items():
        asked = ASKS_FOR_A_WORD.search(text.replace("STOP to opt out", ""))
        assert asked is None, f"{name}: {asked}"
        for quoted in re.findall(r'"([^"]+)"', text):
            assert bare(quoted) not in CARRIERS, f"{name}: {quoted}"


def test_s8_no_choice_is_a_word_that_opts_out() -> None:
    for name, wordings in ALL.items():
        for button in by_sms(wordings).get("buttons") or []:
            for words in (button["title"], button["payload"]):
                assert KEYWORDS.find(words) in (None, Keyword.YES), f"{name}: {words}"


# --------------------------------------------------------------------------- S9


@pytest.mark.parametrize(
    ("text", "how", "units", "count"),
    [
        ("", GSM, 0, 0),
        ("a" * 160, GSM, 160, 1),
        ("a" * 161, GSM, 161, 2),
        ("a" * 306, GSM, 306, 2),
        ("a" * 307, GSM, 307, 3),
        ("€" * 80, GSM, 160, 1),
        ("€" * 80 + "a", GSM, 161, 2),
        # 153 is odd: the last septet of a segment stays empty when two are needed.
        ("€" * 152, GSM, 304, 2),
        ("€" * 153, GSM, 306, 3),
        ("a" * 152 + "[" + "a" * 152, GSM, 306, 3),
        ("я" * 70, UCS_2, 70, 1),
        ("я" * 71, UCS_2, 71, 2),
        ("я" * 134, UCS_2, 134, 2),
        ("я" * 135, UCS_2, 135, 3),
        ("\U0001f642" * 35, UCS_2, 70, 1),
        ("\U0001f642" * 36, UCS_2, 72, 2),
        # Nor are the two halves of an emoji divided: 33 in a segment.
        ("\U0001f642" * 66, UCS_2, 132, 2),
        ("\U0001f642" * 67, UCS_2, 134, 3),
        ("a" * 159 + "\u2019", UCS_2, 160, 3),
    ],
)
def test_s9_segments_are_counted_by_twilios_rules(text: str, how: object, units: int, count: int) -> None:
    assert (encoding(text), size(text), segments(text)) == (how, units, count)


def test_s9_every_topic_question_and_confirmation_has_its_sms_form() -> None:
    missing = [name for name, wordings in ANSWERS.items() if by_sms(wordings).get("channel") != "sms"]
    kinds = {"question", "confirmation"}
    for name, wordings in DOMAIN.items():
        if wordings[0].get("metadata", {}).get("kind") in kinds and by_sms(wordings).get("channel") != "sms":
            missing.append(name)
    assert missing == []


def test_s9_a_question_by_text_is_the_same_question() -> None:
    for name, wordings in DOMAIN.items():
        web, sms = wordings[0], by_sms(wordings)
        assert sms.get("metadata", {}).get("kind") == web.get("metadata", {}).get("kind"), name
        assert sms.get("metadata", {}).get("field") == web.get("metadata", {}).get("field"), name
        assert sms.get("buttons") == web.get("buttons"), name
        assert set(re.findall(r"{\w+}", sms["text"])) == set(re.findall(r"{\w+}", web["text"])), name


@pytest.mark.parametrize("profile", [{}, PROFILE, SAMPLE_PROFILE], ids=["nothing known", "as shipped", "all filled in"])
def test_s9_answers_have_two_segments_at_most_none_three_and_plain_letters(
    profile: dict[str, Any], record_property: Callable[[str, object], None]
) -> None:
    counts = {}
    for name, wordings in ANSWERS.items():
        text = compose([message_of(by_sms(wordings), profile)], TEXTS, first=False).text
        assert encoding(text) is GSM, name
        counts[name] = segments(text)
    crisis = {name for name in counts if name.startswith("utter_crisis")}
    assert max(counts[name] for name in crisis) <= 3
    assert {name: count for name, count in counts.items() if count > 2 and name not in crisis} == {}
    mean = sum(counts.values()) / len(counts)
    assert mean <= 2
    found = f"mean {mean:.2f}, most {max(counts.values())}, {len(counts)} answers"
    record_property("segments per answer by text", found)


@pytest.mark.parametrize("name", list(ALL))
def test_s9_the_first_reply_to_a_number_fits_too_whatever_it_says(name: str) -> None:
    message = message_of(by_sms(ALL[name]), PROFILE)
    text = compose([message], TEXTS, first=True).text
    assert segments(text) <= MOST_SEGMENTS
    assert text.startswith(TEXTS.first) or message["kind"] == "safety"
    assert TEXTS.more not in text, "nothing had to be cut"


def test_s9_what_the_channel_says_itself_is_plain_and_short() -> None:
    clinics = (CLINIC, Clinic("Example Clinic", "516-555-0100", None, None))
    for texts in (load_texts(clinic)[0] for clinic in clinics):
        for name, text in asdict(texts).items():
            if isinstance(text, str):
                assert set(text) <= GSM_7, name
                assert segments(text) <= 2, name
                assert "{" not in text.replace("{words}", ""), name


def test_s9_safety_replies_have_three_segments_at_most_and_988_in_the_first() -> None:
    for name, text in safety_texts():
        assert encoding(plain(text)) is GSM, name
        assert segments(plain(text)) <= 3, name
        if name.startswith(("crisis", "after")):
            assert "988" in plain(text)[:153], name
        if name.startswith("emergency"):
            assert "911" in plain(text)[:153], name


def test_s9_smart_quotes_and_emoji_become_plain() -> None:
    message = {"kind": "answer", "text": "It\u2019s \u201cfine\u201d \U0001f642 \u2013 really\u2026", "buttons": []}
    text = compose([message], TEXTS, first=False).text
    assert (text, encoding(text)) == ('It\'s "fine" - really...', GSM)


# --------------------------------------------------------------------------- S13

UNSAID = TEXTS.not_in_staff_texts


def test_s13_confirmations_and_staffs_texts_say_nothing_of_what_the_clinic_treats() -> None:
    sent = {
        name: said(by_sms(wordings), profile)
        for profile in (PROFILE, SAMPLE_PROFILE)
        for name, wordings in DOMAIN.items()
        if by_sms(wordings).get("metadata", {}).get("kind") == "confirmation"
    }
    assert sent
    sent["staff"] = TEXTS.staff
    for name, text in sent.items():
        found = [word for word in UNSAID if word in text.casefold()]
        assert found == [], f"{name}: {text}"
