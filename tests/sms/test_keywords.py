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
        "¡Alto!", "PARA", "no más mensajes por favor", "NO MAS MENSAJES", "para ya", "dejen de escribirme",
        "no me manden mensajes", "ya no quiero recibir mensajes", "STOP STOP STOP", "stop it", "stop messaging me",
        "Stop sending me texts about this please", "I don't want any more texts", "i dont want texts from you",
        "I do not want to receive messages anymore", "unsubscribe me", "leave me alone", "wrong number stop texting me",
        "no more texts from you", "I no longer want these messages", "could you please stop messaging me?", "no texts",
        "i revoke my consent", "cancel texts", "lose my number", "opt me out", "End messages", "stop spamming me",
        "stop all messages", "never text me again", "id like you to stop texting me", "I want you to stop texting me",
        "please remove me from this list", "remove my number", "don't want to hear from you anymore",
    ],
)  # fmt: skip
def test_asking_for_silence(keywords: Keywords, text: str) -> None:
    assert keywords.find(text) is Keyword.STOP


@pytest.mark.parametrize(
    "text",
    [
        "can I stop my medication before?", "do I have to stop eating", "how do I cancel my visit",
        "cancel my request", "when does it end", "is it for my wife or para mi", "stop texting me results",
        "can you stop the infusion", "i want it to stop", "make it stop", "I want the pain to stop", "i want to end it",
        "end it all", "quit smoking", "no email", "no message", "dont call me", "do you text reminders", "text me pls",
        "i dont want", "text me", "i don't want an iv", "i no longer want to live", "i don't want to be here anymore",
        "i dont need you", "no texts at night", "what is the end", "not you", "i don't like texting can you call",
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
        ("YES", Keyword.YES),
        ("sí", Keyword.YES),
    ],
)
def test_help_and_start(keywords: Keywords, text: str, keyword: Keyword) -> None:
    assert keywords.find(text) is keyword


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("2", "2"), (" 2. ", "2"), ("#2", "2"), ("(2)", "2"), ("two", "2"), ("Option 2", "2"), ("number two", "2")),
        *(("02", "2"), ("2 pm", None), ("516", None), ("12", "12"), ("", None), ("two days", None), ("at 2", None)),
    ],
)
def test_numbers_of_choices(keywords: Keywords, text: str, number: str | None) -> None:
    assert keywords.number(text) == number
