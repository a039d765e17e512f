"""Which texts are for the channel itself: STOP, START, HELP, and plain ways to ask for silence."""

import pytest

from frontdesk.clinic import Clinic
from frontdesk.sms.texts import Keyword, Keywords, load_texts


@pytest.fixture(scope="module")
def keywords() -> Keywords:
    return load_texts(Clinic(name="Example Clinic", phone=None, service_area=None, booking_url=None))[1]


@pytest.mark.parametrize(
    "text",
    [
        "STOP", "stop", " Stop. ", "«STOP»", "st\u200bop", "StopAll", "unsubscribe!", "CANCEL", "cancel",
        "End", "QUIT", "revoke", "OptOut", "opt-out", "please stop texting me", "Stop texting me!!",
        "pls stop", "could you stop", "I'd like to opt out", "I\u2019d like to opt out please",
        "no more msgs", "don't text me", "don\u2019t text me", "take me off your list thanks", "ALTO",
        "¡Alto!", "PARA", "no más mensajes por favor", "NO MAS MENSAJES",
    ],
)  # fmt: skip
def test_asking_for_silence(keywords: Keywords, text: str) -> None:
    assert keywords.find(text) is Keyword.STOP


@pytest.mark.parametrize(
    "text",
    [
        "can I stop my medication before?", "do I have to stop eating", "how do I cancel my visit",
        "cancel my request", "when does it end", "is it for my wife or para mi", "stop texting me results",
        "never mind", "no", "what helps", "more info please", "start of the infusion", "please",
    ],
)  # fmt: skip
def test_such_words_within_a_question_are_no_command(keywords: Keywords, text: str) -> None:
    assert keywords.find(text) is None


@pytest.mark.parametrize(
    ("text", "keyword"),
    [
        ("HELP", Keyword.HELP),
        ("help!", Keyword.HELP),
        ("Info", Keyword.HELP),
        ("ayuda", Keyword.HELP),
        ("START", Keyword.START),
        ("unstop.", Keyword.START),
    ],
)
def test_help_and_start(keywords: Keywords, text: str, keyword: Keyword) -> None:
    assert keywords.find(text) is keyword
