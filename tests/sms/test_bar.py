"""What a texting channel has to do, S1 to S16: each of them on a front desk that runs, with Twilio's simulator."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
import sqlalchemy as sa
from starlette.datastructures import FormData
from twilio.base.exceptions import TwilioRestException  # type: ignore[import-untyped]
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from frontdesk.chat.models import Message, Sender
from frontdesk.clinic import CRISIS_LINES, Clinic
from frontdesk.leads.models import Lead
from frontdesk.sms import service, store
from frontdesk.sms.models import OptOutSource, SmsOptOut, SmsOutbound, SmsReceipt, TextKind, TextStatus
from frontdesk.sms.quiet import next_allowed
from frontdesk.sms.sending import TwilioAccount, clients
from frontdesk.sms.simulator.twilio import BROKEN, BUSY, WRONG_TOKEN, Loss
from frontdesk.sms.texts import load_texts
from tests.conftest import NEW_YORK, wait_until
from tests.sms.conftest import PostOffice
from tests.sms.running import OUR_NUMBER, PHONE, PUBLIC_URL, TOKEN, Channel, running_channel, serving

WEBHOOK = "/sms/twilio"
OTHER_PHONE = "+15165550143"
TEXTS, _ = load_texts(Clinic("Example Clinic", "516-555-0100", None, None))
SECOND = 1.0


def visitors(channel: Channel) -> list[str]:
    """Return what the transcript has of visitors, in order."""
    with channel.database.session() as session:
        said = sa.select(Message.text).where(Message.sender == Sender.VISITOR.value).order_by(Message.position)
        return list(session.scalars(said))


# --------------------------------------------------------------------------- S1, S2


def test_s1_only_what_twilio_has_signed_is_read(channel: Channel) -> None:
    twilio = channel.twilio
    form = twilio.form(PHONE, "HELP")
    pairs = [*form.items(), ("Tag", "b"), ("Tag", "a")]

    def post(pairs: list[tuple[str, str]], signed_for: str, token: str = TOKEN, query: str = "") -> int:
        signature = RequestValidator(token).compute_signature(signed_for, FormData(pairs))
        headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
        return httpx.post(f"{twilio.desk_url}{WEBHOOK}{query}", content=urlencode(pairs), headers=headers).status_code

    good = PUBLIC_URL + WEBHOOK
    for wrong in ("https://other.example" + WEBHOOK, "http://clinic.example" + WEBHOOK, f"{PUBLIC_URL}:8443{WEBHOOK}"):
        assert post(pairs, wrong) == 403
    assert post(pairs, good, token="an-old-token") == 403
    assert post(pairs, good, query="?a=1") == 403
    assert httpx.post(twilio.desk_url + WEBHOOK, data=form).status_code == 403
    changed = {**form, "Body": "STOP"}
    signature = twilio.signature(WEBHOOK, form)
    assert (
        httpx.post(twilio.desk_url + WEBHOOK, data=changed, headers={"X-Twilio-Signature": signature}).status_code
        == 403
    )
    assert not any(channel.count(table) for table in (Message, SmsReceipt, SmsOptOut))
    assert post(pairs, good) == 200
    assert post(pairs[::-1], good) == 200
    assert post(pairs, f"{good}?a=1", query="?a=1") == 200


def test_s1_an_essential_parameter_that_comes_twice_is_refused(channel: Channel) -> None:
    twilio = channel.twilio
    for name, other in (("From", OTHER_PHONE), ("Body", "STOP"), ("MessageSid", "SM1")):
        pairs = [*twilio.form(PHONE, "hello").items(), (name, other)]
        signature = RequestValidator(TOKEN).compute_signature(PUBLIC_URL + WEBHOOK, FormData(pairs))
        headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
        response = httpx.post(twilio.desk_url + WEBHOOK, content=urlencode(pairs), headers=headers)
        assert response.status_code == 400
    assert not any(channel.count(table) for table in (Message, SmsReceipt, SmsOptOut))


def test_s1_two_tokens_count_during_a_rotation_for_webhooks_and_for_sending(tmp_path: Path) -> None:
    with running_channel(tmp_path, twilio_auth_token=f"the-new-token-of-the-account, {TOKEN}") as channel:
        rasa = channel.start_rasa()
        assert channel.twilio.text(PHONE, "HELP")
        rasa.answering.clear()
        channel.twilio.text(PHONE, "how long")
        rasa.answering.set()
        assert channel.received(3)[-1] == "Answer to how long."


def test_s2_texts_through_a_messaging_service_are_validated_and_answered_from_it(channel: Channel) -> None:
    assert channel.rasa is not None
    channel.twilio.service = "MG00000000000000000000000000000001"
    assert "Answer to hello." in (channel.twilio.text(PHONE, "hello") or "")
    channel.rasa.answering.clear()
    channel.twilio.text(PHONE, "how long")
    channel.rasa.answering.set()
    channel.received(3)
    late = channel.twilio.received_by(PHONE)[-1]
    assert (late.body, late.service) == ("Answer to how long.", channel.twilio.service)


# --------------------------------------------------------------------------- S3


def test_s3_rasa_slow_by_20_s_a_useful_reply_within_a_second_and_the_answer_follows(channel: Channel) -> None:
    assert channel.rasa is not None
    channel.rasa.answering.clear()  # for 20 seconds, or until this test says so
    exchange = channel.twilio.deliver(channel.twilio.form(PHONE, "how long does it take"))
    assert exchange.seconds < SECOND
    assert exchange.reply is not None
    for useful in ("516-555-0100", CRISIS_LINES, "will answer"):
        assert useful in exchange.reply
    channel.rasa.answering.set()
    assert channel.received(2)[1:] == ["Answer to how long does it take."]
    assert visitors(channel) == ["how long does it take"]


def test_s3_rasa_stopped_the_text_is_kept_and_answered_when_it_is_back(tmp_path: Path) -> None:
    with running_channel(tmp_path) as channel:
        exchange = channel.twilio.deliver(channel.twilio.form(PHONE, "how long does it take"))
        assert exchange.seconds < SECOND
        assert "516-555-0100" in (exchange.reply or "")
        channel.twilio.text(PHONE, "and the cost")
        rasa = channel.start_rasa()
        assert channel.received(3)[1:] == ["Answer to how long does it take.", "Answer to and the cost."]
        assert [text for _, text in rasa.asked] == ["how long does it take", "and the cost"]


def test_s3_nothing_owed_is_forgotten_when_the_front_desk_is_restarted(tmp_path: Path) -> None:
    with running_channel(tmp_path) as channel:
        for number in range(5):
            channel.twilio.text(f"+1516555010{number}", "how long")
        settings, port = channel.settings, int(channel.twilio.desk_url.rpartition(":")[2])
        twilio, api_port = channel.twilio, channel.rasa_port
    assert settings.rasa_port == api_port
    assert channel.api.url == settings.twilio_api_url
    with serving_again(channel, port):
        for number in range(5):
            assert channel.received(2, f"+1516555010{number}")[1:] == ["Answer to how long."]
    assert len([text for text in twilio.texts if text.direction == "outbound-api"]) == 5


def serving_again(channel: Channel, port: int):  # type: ignore[no-untyped-def]
    """Run a front desk on what another one has left, with Rasa and Twilio's API back where they were."""
    from contextlib import contextmanager

    from frontdesk.sms.simulator.rest import RestApi
    from tests.sms.running import RasaStandIn

    @contextmanager
    def run() -> Iterator[None]:
        rasa = RasaStandIn(channel.rasa_port)
        try:
            with (
                RestApi(channel.twilio, int(channel.api.url.rpartition(":")[2])),
                serving(channel.settings, port),
            ):
                yield
        finally:
            rasa.stop()

    return run()


def test_s3_where_nothing_can_be_sent_afterwards_it_says_to_text_again(tmp_path: Path) -> None:
    with running_channel(tmp_path, can_send=False) as channel:
        rasa = channel.start_rasa()
        rasa.answering.clear()
        form = channel.twilio.form(PHONE, "how long")
        exchange = channel.twilio.deliver(form)
        assert exchange.seconds < SECOND
        assert "text me again" in (exchange.reply or "")
        rasa.answering.set()
        wait_until(lambda: channel.count(SmsReceipt), 10, "the answer to be kept")
        assert "Answer to how long." in channel.twilio.post(WEBHOOK, form).text
        assert visitors(channel) == ["how long"]


# --------------------------------------------------------------------------- S4, S5


def test_s4_fifty_times_the_same_webhook_at_once_is_one_text_one_reply_one_lead(tmp_path: Path) -> None:
    with running_channel(tmp_path) as channel:  # without Rasa, a call back is taken all the same
        channel.twilio.text(PHONE, "can someone call me")
        assert "(516) 555-0142" not in (channel.twilio.text(PHONE, "Jordan Lee") or "").partition("516-555-0142")[0]
        yes = channel.twilio.form(PHONE, "yes")
        gate = threading.Barrier(50)

        def send(_number: int) -> httpx.Response:
            gate.wait()
            return channel.twilio.post(WEBHOOK, yes)

        with ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(send, range(50)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        assert "KL-" in answers[0].text
        (lead,) = channel.rows(Lead)
        assert (lead.full_name, lead.phone, lead.channel) == ("Jordan Lee", PHONE, "sms")
        assert visitors(channel) == ["can someone call me", "Jordan Lee", "yes"]
        assert channel.count(SmsReceipt) == 3


def test_s4_fifty_times_while_rasa_is_slow_is_one_answer(channel: Channel) -> None:
    assert channel.rasa is not None
    channel.rasa.answering.clear()
    form = channel.twilio.form(PHONE, "how long")
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: channel.twilio.post(WEBHOOK, form), range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert "will answer" in answers[0].text
    channel.rasa.answering.set()
    wait_until(lambda: channel.twilio.received_by(PHONE), 10, "the answer")
    assert channel.twilio.post(WEBHOOK, form).text.count("will answer") == 1
    assert [text.body for text in channel.twilio.received_by(PHONE)] == ["Answer to how long."]
    assert channel.rasa.asked[0][1] == "how long"
    assert len(channel.rasa.asked) == 1
    assert channel.count(SmsReceipt) == 1


def test_s5_ten_texts_within_a_second_are_answered_one_at_a_time_in_their_order(channel: Channel) -> None:
    assert channel.rasa is not None
    texts = [f"question {number}" for number in range(10)]
    pace = threading.Event()
    with ThreadPoolExecutor(10) as pool:
        for text in texts:
            pool.submit(channel.twilio.text, PHONE, text)
            pace.wait(0.08)
    wait_until(lambda: len(channel.rasa.asked) == 10, 20, "all to be answered")  # type: ignore[union-attr]
    assert [text for _, text in channel.rasa.asked] == texts
    assert channel.rasa.most_at_once == 1
    answers = [f"Answer to {text}." for text in texts]
    wait_until(lambda: len(found(channel, answers)) == 10, 20, "all answers to arrive")
    assert visitors(channel) == texts
    with channel.database.session() as session:
        senders = list(session.scalars(sa.select(Message.sender).order_by(Message.position)))
    assert senders == ["visitor", "assistant"] * 10


def found(channel: Channel, answers: list[str]) -> list[str]:
    said = [text.body for text in channel.twilio.received_by(PHONE)]
    return [answer for answer in answers if any(answer in body for body in said)]


# --------------------------------------------------------------------------- S6, S7


def test_s6_after_one_confirmation_there_is_silence_on_every_path(channel: Channel) -> None:
    assert channel.rasa is not None
    channel.rasa.answering.clear()
    channel.twilio.text(PHONE, "how long")
    confirmation = channel.twilio.text(PHONE, "please stop texting me")
    assert "opted out" in (confirmation or "")
    assert channel.twilio.text(PHONE, "STOP") is None
    channel.rasa.answering.set()  # the answer that was promised comes too late
    wait_until(lambda: not any(row.owed is not None for row in channel.rows(SmsReceipt)), 10, "the debt to end")
    assert channel.twilio.text(PHONE, "hello?") is None
    assert channel.twilio.text(PHONE, "HELP") is None
    assert channel.rows(SmsOutbound) == []
    assert [text.body for text in channel.twilio.received_by(PHONE)][-1] == confirmation
    (row,) = channel.rows(SmsOptOut)
    assert (row.source, row.opted_in_at) == (OptOutSource.TEXT, None)


def test_s6_a_text_that_waits_is_not_sent_to_who_opts_out_meanwhile(post_office: PostOffice) -> None:
    for kind in TextKind:
        text = post_office.write("How are you?", kind)
        with post_office.database.session() as session:
            store.opt_out(session, post_office.key())
        post_office.worker.run_once()
        assert post_office.text(text).status == TextStatus.OPTED_OUT
    assert post_office.arrived() == []


def test_s6_error_21610_opts_the_number_out_and_nothing_is_tried_again(post_office: PostOffice) -> None:
    post_office.twilio.opted_out.add(PHONE)  # the carrier knows, we do not
    text = post_office.write("Answer.")
    assert post_office.worker.run_once() == 1
    assert (post_office.text(text).status, post_office.text(text).error_code) == (TextStatus.OPTED_OUT, 21610)
    with post_office.database.session() as session:
        assert store.is_opted_out(session, post_office.key())
        assert session.get_one(SmsOptOut, post_office.key()).source == OptOutSource.CARRIER
    post_office.clock.time += timedelta(days=1)
    assert post_office.worker.run_once() == 0


def test_s6_a_reply_that_twilio_blocks_opts_the_number_out(channel: Channel) -> None:
    channel.twilio.opted_out.add(PHONE)
    assert channel.twilio.text(PHONE, "hello") is None
    channel.twilio.wait_for_callbacks()
    (row,) = channel.rows(SmsOptOut)
    assert row.source == OptOutSource.CARRIER
    assert channel.twilio.deliver(channel.twilio.form(PHONE, "hello again")).reply is None
    assert visitors(channel) == ["hello"]


def test_s6_danger_is_answered_even_after_an_opt_out(channel: Channel) -> None:
    channel.twilio.text(PHONE, "please stop texting me")
    assert "988" in (channel.twilio.text(PHONE, "I want to kill myself") or "")
    assert channel.twilio.text(PHONE, "hello?") is None


def test_s6_what_twilio_has_answered_itself_is_not_answered_twice(channel: Channel) -> None:
    for word in ("STOP", "START", "HELP"):
        assert channel.twilio.text(PHONE, word, OptOutType=word) is None
        assert len([row for row in channel.rows(SmsOptOut) if row.opted_in_at is None]) == (word == "STOP")


def test_s7_help_and_start(channel: Channel) -> None:
    for word in ("HELP", "info", "Ayuda"):
        reply = channel.twilio.text(PHONE, word) or ""
        for part in ("Example Clinic", "516-555-0100", "Msg & data rates may apply", "Reply STOP to opt out"):
            assert part in reply
    for word in ("START", "unstop"):
        channel.twilio.text(PHONE, "opt out")
        assert "Example Clinic" in (channel.twilio.text(PHONE, word) or "")
        assert "Answer to hello." in (channel.twilio.text(PHONE, "hello") or "")


def test_s7_yes_opts_in_again_only_when_no_question_is_open(channel: Channel) -> None:
    assert channel.rasa is not None
    channel.rasa.answer = lambda text: [
        {
            "text": "May the clinic contact you?",
            "metadata": {"kind": "question", "field": "consent"},
            "buttons": [{"title": "Yes", "payload": "Yes"}, {"title": "No", "payload": "No"}],
        }
    ]
    channel.twilio.text(PHONE, "an appointment")
    channel.twilio.text(PHONE, "please stop texting me")
    assert channel.twilio.text(PHONE, "yes") is None
    assert [text for _, text in channel.rasa.asked] == ["an appointment"]
    again = channel.twilio.text(PHONE, "START") or ""
    assert "May the clinic contact you?" in again, "what was open is asked again"
    channel.twilio.text(PHONE, "1")
    assert [text for _, text in channel.rasa.asked] == ["an appointment", "Yes"]
    channel.twilio.text(OTHER_PHONE, "please stop texting me")
    assert "What would you like to know?" in (channel.twilio.text(OTHER_PHONE, "YES") or "")


# --------------------------------------------------------------------------- S12


@pytest.mark.parametrize(
    "more",
    [
        {"media": ("PRIVATE",)},
        {"media": ("PRIVATE",) * 10},
        {},
        {"Latitude": "40.7", "Longitude": "-73.6", "MessageType": "location"},
    ],
    ids=["picture", "ten pictures", "nothing", "location"],
)
@pytest.mark.parametrize("sender", [PHONE, f"whatsapp:{PHONE}"])
def test_s12_what_is_no_words_gets_a_polite_line_and_nothing_is_fetched(
    channel: Channel, more: dict[str, str | tuple[str, ...]], sender: str
) -> None:
    with socket.socket() as private:
        private.bind(("127.0.0.1", 0))
        private.listen()
        private.setblocking(False)
        address = f"http://127.0.0.1:{private.getsockname()[1]}/private.jpg"
        if "media" in more:
            more = {"media": tuple(address for _ in more["media"])}
        reply = channel.twilio.text(sender, "", **more) or ""
        assert "only read words" in reply
        with pytest.raises(BlockingIOError):
            private.accept()  # nobody came


def test_s12_words_with_a_picture_are_answered(channel: Channel) -> None:
    reply = channel.twilio.text(PHONE, "how long", media=("http://127.0.0.1:9/a.jpg",)) or ""
    assert "can't see pictures" in reply
    assert reply.endswith("Answer to how long.")


# --------------------------------------------------------------------------- S13

EVENING = datetime(2026, 11, 23, 2, 30, tzinfo=UTC)  # 21:30 in New York
MORNING = datetime(2026, 11, 23, 13, 0, tzinfo=UTC)  # 8:00


@pytest.mark.parametrize(
    ("now", "allowed"),
    [
        (EVENING, MORNING),
        (MORNING, MORNING),
        (MORNING - timedelta(seconds=1), MORNING),
        (datetime(2026, 11, 23, 1, 59, 59, tzinfo=UTC), datetime(2026, 11, 23, 1, 59, 59, tzinfo=UTC)),
        # The clocks go forward in the night to March 8, and back in the night to November 1.
        (datetime(2026, 3, 8, 3, 0, tzinfo=UTC), datetime(2026, 3, 8, 12, 0, tzinfo=UTC)),
        (datetime(2026, 11, 1, 3, 0, tzinfo=UTC), datetime(2026, 11, 1, 13, 0, tzinfo=UTC)),
    ],
)
def test_s13_quiet_hours_end_at_eight_by_the_clinics_clock(now: datetime, allowed: datetime) -> None:
    assert next_allowed(now, NEW_YORK) == allowed


def test_s13_at_night_a_reply_goes_out_and_what_staff_wrote_waits_for_the_morning(post_office: PostOffice) -> None:
    post_office.clock.time = EVENING
    staff = post_office.write("Please call us.", TextKind.STAFF)
    post_office.write("Answer.")
    post_office.worker.run_once()
    assert post_office.arrived() == ["Answer."]
    post_office.clock.time = MORNING - timedelta(seconds=1)
    post_office.worker.run_once()
    assert post_office.text(staff).status == TextStatus.WAITING
    post_office.clock.time = MORNING
    post_office.worker.run_once()
    assert post_office.arrived() == ["Answer.", "Please call us."]


# --------------------------------------------------------------------------- S14


def test_s14_status_callbacks_never_go_back_and_only_twilios_count(channel: Channel) -> None:
    channel.twilio.tells_statuses = False
    channel.twilio.text(PHONE, "hello")
    (reply,) = channel.twilio.received_by(PHONE)

    def state() -> tuple[str | None, int | None]:
        (receipt,) = channel.rows(SmsReceipt)
        return receipt.delivery, receipt.error_code

    assert reply.callback is not None
    path = reply.callback.removeprefix(PUBLIC_URL)
    unsigned = httpx.post(channel.twilio.desk_url + path, data={"MessageSid": reply.sid, "MessageStatus": "failed"})
    assert (unsigned.status_code, state()) == (403, (None, None))
    channel.twilio.tell(reply, ["delivered", "sent", "queued", "delivered"])
    assert state() == ("delivered", None)
    channel.twilio.tell(reply, ["undelivered"], 30003)
    assert state() == ("delivered", None)


def test_s14_a_callback_that_overtakes_the_answer_of_the_api_counts(post_office: PostOffice) -> None:
    text = post_office.write("Answer.")
    with post_office.database.session() as session:
        row = session.get_one(SmsOutbound, text)
        store.advance(row, "sending", None, post_office.clock())
        assert store.advance(row, "sent", None, post_office.clock())
        assert not store.advance(row, "queued", None, post_office.clock())
        assert store.advance(row, "undelivered", 30005, post_office.clock())
        assert (row.status, row.error_code) == ("undelivered", 30005)


# --------------------------------------------------------------------------- S15


def test_s15_a_flood_of_one_number_and_of_many_is_held_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # On a busy machine "give me a moment" would come in between.
    monkeypatch.setattr(service, "LONGEST_WAIT_SECONDS", 10)
    with running_channel(tmp_path, chat_limit_per_minute=3, sms_limit_per_minute=8) as channel:
        rasa = channel.start_rasa()
        replies = [channel.twilio.text(PHONE, f"text {number}") for number in range(20)]
        assert [text for _, text in rasa.asked] == ["text 0", "text 1", "text 2"]
        assert "wait a minute" in (replies[3] or "")
        assert replies[4:] == [None] * 16, "one warning, then silence: two programs would go on for ever"
        assert "opted out" in (channel.twilio.text(PHONE, "STOP") or ""), "no limit stands in the way of STOP"
        others = [channel.twilio.text(f"+151655501{number:02}", "hello") or "" for number in range(50, 62)]
        assert len(rasa.asked) == 8
        assert "wait a minute" in others[-1]
        assert "988" in (channel.twilio.text("+15165550199", "I want to kill myself") or "")


# --------------------------------------------------------------------------- S16


def test_s16_the_official_client_sends_and_reads_through_the_simulator(post_office: PostOffice) -> None:
    account = TwilioAccount.of(post_office.settings)
    assert account is not None
    (client,) = clients(account)
    sent = client.messages.create(to=PHONE, from_=OUR_NUMBER, body="x" * 161)
    assert (sent.status, sent.num_segments, sent.direction) == ("queued", "2", "outbound-api")
    assert client.messages(sent.sid).fetch().body == sent.body
    for number in range(7):
        client.messages.create(to=OTHER_PHONE, from_=OUR_NUMBER, body=f"text {number}")
    assert [one.body for one in client.messages.list(to=OTHER_PHONE, page_size=3)] == [
        f"text {number}" for number in reversed(range(7))
    ]
    wrong = {
        21610: {"to": "+15165550144", "from_": OUR_NUMBER, "body": "hello"},
        21211: {"to": "nobody", "from_": OUR_NUMBER, "body": "hello"},
        21606: {"to": PHONE, "from_": OTHER_PHONE, "body": "hello"},
        21602: {"to": PHONE, "from_": OUR_NUMBER, "body": ""},
        21617: {"to": PHONE, "from_": OUR_NUMBER, "body": "x" * 1601},
    }
    post_office.twilio.opted_out.add("+15165550144")
    for code, values in wrong.items():
        with pytest.raises(TwilioRestException) as refused:
            client.messages.create(**values)
        assert refused.value.code == code
    for fault in (BUSY, BROKEN, WRONG_TOKEN):
        post_office.twilio.faults.append(fault)
        with pytest.raises(TwilioRestException) as refused:
            client.messages.create(to=PHONE, from_=OUR_NUMBER, body="hello")
        assert (refused.value.status, refused.value.code) == (fault.status, fault.code)


def test_s16_the_official_validator_takes_what_the_simulator_signs_and_no_changed_body(channel: Channel) -> None:
    form = channel.twilio.form(PHONE, "hello", media=("https://api.twilio.com/a",))
    signature = channel.twilio.signature(WEBHOOK, form)
    validator = RequestValidator(TOKEN)
    assert validator.validate(PUBLIC_URL + WEBHOOK, form, signature)
    assert not validator.validate(PUBLIC_URL + WEBHOOK, {**form, "Body": "hullo"}, signature)


@pytest.mark.parametrize("loss", list(Loss))
def test_s16_an_attempt_of_which_nothing_is_known_is_not_made_twice(post_office: PostOffice, loss: Loss) -> None:
    post_office.twilio.faults.append(loss)
    text = post_office.write("Answer.")
    post_office.worker.run_once()
    assert post_office.text(text).status == TextStatus.SENDING
    post_office.clock.time += timedelta(seconds=10)
    post_office.worker.run_once()
    assert post_office.arrived() == ["Answer."]
    assert post_office.text(text).message_sid == post_office.twilio.received_by(PHONE)[0].sid


def test_s16_texts_to_one_number_keep_their_order_when_one_has_to_be_repeated(post_office: PostOffice) -> None:
    post_office.twilio.faults.append(BUSY)
    for number in range(3):
        post_office.clock.time += timedelta(milliseconds=1)
        post_office.write(f"Answer {number}.")
    post_office.write("To another phone.", phone=OTHER_PHONE)
    post_office.worker.run_once()
    assert (post_office.arrived(), post_office.arrived(OTHER_PHONE)) == ([], ["To another phone."])
    for _ in range(4):
        post_office.clock.time += timedelta(seconds=10)
        post_office.worker.run_once()
    assert post_office.arrived() == [f"Answer {number}." for number in range(3)]


def test_s16_a_reply_that_could_not_be_sent_for_an_hour_is_not_sent_any_more(post_office: PostOffice) -> None:
    text = post_office.write("Answer.")
    post_office.clock.time += timedelta(hours=2)
    post_office.worker.run_once()
    assert post_office.arrived() == []
    assert post_office.text(text).status == TextStatus.EXPIRED
