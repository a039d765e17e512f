"""Twilio's webhook: what is trusted, what is answered once, who is left in peace."""

import threading
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode
from uuid import uuid4

import httpx
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from starlette.datastructures import FormData
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

import frontdesk.leads.models  # noqa: F401  # its tables belong to the database
from frontdesk.app import create_app
from frontdesk.chat import store as chat_store
from frontdesk.chat.models import Conversation, Message, Sender
from frontdesk.clinic import CRISIS_LINES
from frontdesk.db import Base, Database
from frontdesk.settings import Settings
from frontdesk.sms.models import SmsOptOut, SmsReceipt
from tests.conftest import wait_until

PUBLIC_URL = "https://clinic.example"
TOKEN = "the-token-of-the-test-account"
PATH = "/sms/twilio"
NUMBER = "+15165550142"


def new_sid() -> str:
    return f"SM{uuid4().hex}"


def form_of(text: str, sid: str | None = None, sender: str = NUMBER, **more: str) -> dict[str, str]:
    return {
        "MessageSid": sid or new_sid(),
        "AccountSid": "AC00000000000000000000000000000000",
        "MessagingServiceSid": "MG00000000000000000000000000000000",
        "From": sender,
        "To": "+15165550100",
        "Body": text,
        "NumMedia": "0",
        **more,
    }


def signed(url: str, body: str, token: str = TOKEN) -> dict[str, str]:
    """Return the headers Twilio sends with `body` to the address `url`."""
    form = FormData([(name, value) for name, value in parse_qsl(body, keep_blank_values=True)])
    return {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Twilio-Signature": RequestValidator(token).compute_signature(url, form),
    }


def words(response: httpx.Response) -> str:
    """Return the text of the one message in a TwiML reply, "" if there is none."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/xml"
    twiml = ElementTree.fromstring(response.content)
    assert twiml.tag == "Response"
    assert [child.tag for child in twiml] in ([], ["Message"])
    return "".join(twiml.itertext())


def all_at_once(count: int, send: Callable[[], httpx.Response]) -> list[httpx.Response]:
    """Call `send` from `count` threads that start together."""
    gate = threading.Barrier(count)

    def one(_number: int) -> httpx.Response:
        gate.wait()
        return send()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


@dataclass
class Phone:
    """A phone that texts the front desk."""

    client: httpx.Client
    public_url: str = PUBLIC_URL
    token: str = TOKEN
    number: str = field(default_factory=lambda: NUMBER)

    def post(self, form: dict[str, str]) -> httpx.Response:
        body = urlencode(form)
        return self.client.post(
            PATH, content=body, headers=signed(self.public_url.rstrip("/") + PATH, body, self.token)
        )

    def text(self, text: str, sid: str | None = None, **more: str) -> str:
        return words(self.post(form_of(text, sid, self.number, **more)))


@dataclass
class Desk:
    """A front desk of its own, whose Rasa is not running."""

    client: TestClient
    database: Database

    @property
    def phone(self) -> Phone:
        return Phone(self.client)

    def count(self, model: type[Base]) -> int:
        with self.database.session() as session:
            return session.scalar(sa.select(sa.func.count()).select_from(model)) or 0

    def is_untouched(self) -> bool:
        return not any(self.count(model) for model in (Conversation, Message, SmsReceipt, SmsOptOut))


@pytest.fixture
def make_desk(tmp_path: Path, sqlite_url: str) -> Iterator[Callable[..., Desk]]:
    clients: list[TestClient] = []

    def make(**changes: Any) -> Desk:
        profile = tmp_path / "clinic.yml"
        profile.write_text("name: Example Clinic\nphone: 516-555-0100\n")
        values: dict[str, Any] = {
            "data_dir": tmp_path,
            "database_url": sqlite_url,
            "clinic_profile": profile,
            "rasa_port": 9,  # nobody listens on the discard port
            "public_url": PUBLIC_URL,
            "twilio_auth_token": TOKEN,
            "chat_limit_per_minute": 0,
        }
        app = create_app(Settings(_env_file=None, **values | changes))  # type: ignore[call-arg]
        client = TestClient(app)
        clients.append(client)
        client.__enter__()
        return Desk(client, app.state.database)

    yield make
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    return make_desk()


# What is trusted


@pytest.mark.parametrize(
    ("url", "token"),
    [
        (PUBLIC_URL + PATH, "another-token"),
        ("https://other.example" + PATH, TOKEN),
        ("http://clinic.example" + PATH, TOKEN),
        (PUBLIC_URL + ":8443" + PATH, TOKEN),
        (PUBLIC_URL + PATH + "?tab=1", TOKEN),
        (PUBLIC_URL + "/sms/other", TOKEN),
    ],
    ids=["wrong token", "other host", "http", "other port", "query string not sent", "other path"],
)
def test_wrongly_signed_is_refused_and_nothing_stored(desk: Desk, url: str, token: str) -> None:
    body = urlencode(form_of("hello"))
    response = desk.client.post(PATH, content=body, headers=signed(url, body, token))
    assert response.status_code == 403
    assert response.headers["content-type"] == "application/problem+json"
    assert desk.is_untouched()


@pytest.mark.parametrize("signature", [None, "", "=", "ü".encode().decode("latin-1")])
def test_unsigned_is_refused_and_nothing_stored(desk: Desk, signature: str | None) -> None:
    headers = {} if signature is None else {"X-Twilio-Signature": signature.encode("latin-1")}
    response = desk.client.post(PATH, data=form_of("STOP"), headers=headers)
    assert response.status_code == 403
    assert desk.is_untouched()


def test_changed_after_signing_is_refused(desk: Desk) -> None:
    form = form_of("hello")
    headers = signed(PUBLIC_URL + PATH, urlencode(form))
    response = desk.client.post(PATH, content=urlencode(form | {"Body": "STOP"}), headers=headers)
    assert response.status_code == 403
    assert desk.is_untouched()


@pytest.mark.parametrize(
    "missing",
    [{"twilio_auth_token": None}, {"twilio_auth_token": " , "}, {"public_url": None}],
    ids=["no token", "empty tokens", "no address"],
)
def test_without_token_or_address_everything_is_refused(
    make_desk: Callable[..., Desk], missing: dict[str, str | None]
) -> None:
    desk = make_desk(**missing)
    for token in (TOKEN, "", " "):
        assert Phone(desk.client, token=token).post(form_of("HELP")).status_code == 403
    assert desk.is_untouched()


def test_both_tokens_count_during_a_rotation(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(twilio_auth_token="new-token, old-token")
    assert Phone(desk.client, token="new-token").text("HELP")
    assert Phone(desk.client, token="old-token").text("HELP")
    assert Phone(desk.client, token="new-token, old-token").post(form_of("HELP")).status_code == 403


def test_address_with_a_path_and_a_query_string(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(public_url=PUBLIC_URL + "/desk/")
    body = urlencode(form_of("HELP"))
    headers = signed(f"{PUBLIC_URL}/desk{PATH}?from=twilio&x=%20", body)
    assert words(desk.client.post(f"{PATH}?from=twilio&x=%20", content=body, headers=headers))


def test_repeated_and_reordered_parameters_are_all_signed(desk: Desk) -> None:
    pairs = [*form_of("HELP").items(), ("Tag", "b"), ("Tag", "a"), ("Tag", "b"), ("Empty", "")]
    headers = signed(PUBLIC_URL + PATH, urlencode(pairs))
    assert words(desk.client.post(PATH, content=urlencode(pairs), headers=headers))
    assert words(desk.client.post(PATH, content=urlencode(pairs[::-1]), headers=headers))
    one_less = [pair for pair in pairs if pair != ("Tag", "a")]
    assert desk.client.post(PATH, content=urlencode(one_less), headers=headers).status_code == 403


@pytest.mark.parametrize("lacking", [{"MessageSid": ""}, {"From": ""}, {"MessageSid": "S M"}, {"MessageSid": "S" * 65}])
def test_signed_but_no_text_message(desk: Desk, lacking: dict[str, str]) -> None:
    assert desk.phone.post(form_of("hello") | lacking).status_code == 400
    assert desk.is_untouched()


def test_huge_body_is_not_read_to_its_end(desk: Desk) -> None:
    response = desk.client.post(PATH, data=form_of("x" * 100_000), headers={"X-Twilio-Signature": "any"})
    assert response.status_code == 413
    assert desk.is_untouched()


# Opting out, and help


def test_stop_is_confirmed_once_then_silence_until_start(desk: Desk) -> None:
    phone = desk.phone
    confirmation = phone.text("STOP")
    assert "Example Clinic" in confirmation
    assert "START" in confirmation
    for text in ("STOP", "hello?", "HELP", "", "1"):
        assert phone.text(text) == ""
    assert desk.count(Conversation) == 0
    assert "Example Clinic" in phone.text("START")
    assert "988" in phone.text("how long does it take?")


def test_stop_of_one_number_silences_no_other(desk: Desk) -> None:
    desk.phone.text("stop")
    assert Phone(desk.client, number="+15165550143").text("HELP")


def test_no_number_is_stored(desk: Desk, tmp_path: Path) -> None:
    desk.phone.text("how long does it take?")
    desk.phone.text("STOP")
    with desk.database.session() as session:
        stored = [
            str(row)
            for model in (Conversation, Message, SmsReceipt, SmsOptOut)
            for row in session.execute(sa.select(*model.__table__.columns))
        ]
    assert stored
    assert not [row for row in stored if NUMBER.removeprefix("+1") in row]


def test_help_says_who_where_and_how_to_opt_out(desk: Desk) -> None:
    reply = desk.phone.text("HELP")
    for part in ("Example Clinic", "516-555-0100", "Msg & data rates may apply", "Reply STOP to opt out"):
        assert part in reply
    assert desk.count(Conversation) == 0


# Repeats


@pytest.mark.parametrize("text", ["STOP", "HELP", "START", ""])
def test_repeat_gets_the_same_reply_and_does_nothing_twice(desk: Desk, text: str) -> None:
    form = form_of(text)
    replies = all_at_once(20, lambda: desk.phone.post(form))
    assert len({reply.content for reply in replies}) == 1
    assert words(replies[0])
    assert desk.count(SmsReceipt) == 1
    assert desk.phone.post(form).content == replies[0].content


def test_a_late_repeat_of_stop_does_not_undo_start(desk: Desk) -> None:
    stop = form_of("STOP")
    confirmation = desk.phone.post(stop)
    desk.phone.text("START")
    assert desk.phone.post(stop).content == confirmation.content
    assert desk.phone.text("HELP")


def test_first_texts_of_one_number_at_once_share_a_conversation(desk: Desk) -> None:
    replies = all_at_once(6, lambda: desk.phone.post(form_of("hello")))
    assert all(words(reply) for reply in replies)
    assert desk.count(Conversation) == 1
    assert desk.count(Message) == 6


# Without Rasa


def test_assistant_down_helps_and_keeps_the_message_but_not_the_reply(desk: Desk) -> None:
    form = form_of("how long does it take?")
    replies = all_at_once(20, lambda: desk.phone.post(form))
    assert len({reply.content for reply in replies}) == 1
    assert "516-555-0100" in words(replies[0])
    assert CRISIS_LINES in words(replies[0])
    assert desk.count(Message) == 1
    assert desk.count(SmsReceipt) == 0


def test_database_down_helps_but_confirms_nothing(desk: Desk) -> None:
    with desk.database.engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE sms_receipts"))
    assert CRISIS_LINES in desk.phone.text("how long does it take?")
    assert desk.phone.post(form_of("STOP")).status_code == 503


@pytest.mark.parametrize("text", ["", "  \n", "\u200b\u200f"])
def test_nothing_to_read_gets_a_polite_line(desk: Desk, text: str) -> None:
    assert "text me your question" in desk.phone.text(text)


def test_picture_is_not_fetched(desk: Desk) -> None:
    nobody = "http://127.0.0.1:9/private.jpg"
    reply = desk.phone.text("", NumMedia="1", MediaUrl0=nobody, MediaContentType0="image/jpeg")
    assert "not pictures" in reply
    assert desk.count(Message) == 0


def test_overlong_text_gets_a_polite_line(desk: Desk) -> None:
    assert "fewer words" in desk.phone.text("x" * 2001)
    assert desk.count(Message) == 0


def test_first_reply_says_who_is_speaking_later_ones_do_not(desk: Desk) -> None:
    phone = desk.phone
    first, second = phone.text(""), phone.text("")
    assert "Example Clinic: automated assistant" in first
    assert "Reply HELP for help, STOP to opt out." in first
    assert "automated assistant" not in second


def test_too_many_texts_of_one_number(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(chat_limit_per_minute=2)
    form = form_of("")
    phone = desk.phone
    first = phone.post(form)
    assert phone.post(form).content == first.content, "a repeat is not counted"
    phone.text("")
    told = phone.text("")
    assert "wait a minute" in told
    assert CRISIS_LINES in told
    assert phone.text("") == "", "two programs would text each other for ever"
    assert "988" in phone.text("I want to kill myself")
    assert "wait" not in Phone(desk.client, number="+15165550143").text("")
    assert "opted out" in phone.text("STOP"), "a limit never stands in the way of STOP"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("1", "Skip"),
        (" 2. ", "Never mind"),
        ("skip", "Skip"),
        ("1 2", "1 2"),
        ("5165550142", "5165550142"),
    ],
)
def test_digit_is_the_choice_it_numbers(desk: Desk, text: str, kept: str) -> None:
    offer_two_choices(desk)
    desk.phone.text(text)
    assert said_by_visitor(desk)[-1] == kept


@pytest.mark.parametrize("text", ["3", "0", "12", "7."])
def test_number_that_is_no_choice_is_asked_for_again_and_answers_nothing(desk: Desk, text: str) -> None:
    offer_two_choices(desk)
    assert "one of the numbers" in desk.phone.text(text)
    assert said_by_visitor(desk) == ["How long does it take"]
    desk.phone.text("1")
    assert said_by_visitor(desk)[-1] == "Skip"


def offer_two_choices(desk: Desk) -> None:
    desk.phone.text("How long does it take")
    wait_until(lambda: desk.count(Message), 10, "the text to be kept")
    with desk.database.session() as session:
        inbound = session.scalars(sa.select(Message)).one()
        buttons = [{"title": title, "payload": title.upper()} for title in ("Skip", "Never mind")]
        messages: list[dict[str, Any]] = [
            {"kind": "say", "text": "Thanks.", "buttons": []},
            {"kind": "question", "text": "What is your e-mail?", "buttons": buttons},
        ]
        chat_store.add_replies(session, inbound, messages, None)


def said_by_visitor(desk: Desk) -> list[str]:
    with desk.database.session() as session:
        by_visitor = sa.select(Message.text).where(Message.sender == Sender.VISITOR.value)
        return list(session.scalars(by_visitor.order_by(Message.position)))


# With Rasa. `server` is a running front desk: `url`, `twilio_token`, `public_url`.


@pytest.fixture
def real_phone(server: Any) -> Iterator[Phone]:
    number = f"+151655501{uuid4().int % 100:02d}"
    with httpx.Client(base_url=server.url, timeout=30) as client:
        phone = Phone(client, server.public_url, server.twilio_token, number)
        phone.text("START")
        yield phone


def test_question_is_answered_once(real_phone: Phone) -> None:
    form = form_of("how long does an infusion take", sender=real_phone.number)
    replies = all_at_once(20, lambda: real_phone.post(form))
    assert len({reply.content for reply in replies}) == 1
    assert "60 minutes" in words(replies[0])
    assert real_phone.post(form).content == replies[0].content


def test_choices_are_numbered_and_a_digit_picks_one(real_phone: Phone) -> None:
    greeting = real_phone.text("hello")
    lines = greeting.splitlines()
    assert "Reply with a number:" in lines
    first, second = lines[lines.index("Reply with a number:") + 1 :][:2]
    assert first.startswith("1 ")
    assert second.startswith("2 ")
    by_number = real_phone.text("1")
    assert "60 minutes" in by_number
    real_phone.text("hello")
    assert real_phone.text(first.removeprefix("1 ").upper()) == by_number


def test_did_you_mean_is_numbered_and_a_digit_picks_a_topic(real_phone: Phone) -> None:
    for text in ("the thing with the doctor", "question about the arm", "my sister and the chair", "money and time"):
        lines = real_phone.text(text).splitlines()
        if lines and lines[-1].endswith("None of these"):
            break
    else:
        pytest.fail("nothing was unclear enough to be asked back")
    assert "Reply with a number:" in lines
    answer = real_phone.text("1")
    assert "Reply with a number:" not in answer
    assert len(answer) <= 306  # two segments
