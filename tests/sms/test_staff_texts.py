"""What staff text to patients, what they see of it, and of a person who wrote on both channels."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from frontdesk.app import create_app
from frontdesk.chat import store as chat_store
from frontdesk.chat.models import Channel
from frontdesk.console import accounts
from frontdesk.console.models import Role
from frontdesk.db import Database, open_database
from frontdesk.leads import repository
from frontdesk.leads.repository import Consent, NewLead
from frontdesk.outbox.worker import Worker
from frontdesk.settings import SecondFactorRule, Settings
from frontdesk.sms import store
from frontdesk.sms.models import SmsOutbound, SmsReceipt, TextStatus
from tests.conftest import NEW_YORK
from tests.console.conftest import EMAIL, ORIGIN
from tests.sms.conftest import PostOffice
from tests.sms.running import PHONE, PUBLIC_URL

PASSWORD = "plum-tree-north-window"

NOON = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One database is enough for what is seen."""
    return f"sqlite:///{tmp_path / 'ketalink.db'}"


@pytest.fixture
def staff(post_office: PostOffice) -> Iterator[TestClient]:
    """A browser in which Ana is signed in. Her front desk sends nothing by itself: the tests' worker does."""
    post_office.clock.time = NOON
    with post_office.database.session() as session:
        accounts.create_account(session, EMAIL, PASSWORD, Role.STAFF)
    settings = post_office.settings.model_copy(update={"staff_second_factor": SecondFactorRule.OPTIONAL})
    client = TestClient(create_app(settings), PUBLIC_URL, headers={"origin": PUBLIC_URL}, follow_redirects=False)
    assert client.post("/staff/sign-in", data={"email": EMAIL, "password": PASSWORD}).status_code == 303
    yield client


def save_lead(database: Database, conversation_id: str | None = None, reason: str | None = None) -> str:
    consent = Consent("May the clinic contact you?", NOON)
    new = NewLead("r1", conversation_id, "widget", "Jordan Lee", PHONE, None, None, reason, None, consent)
    with database.session() as session:
        return repository.save_once(session, new, NEW_YORK).lead.id


def send(staff: TestClient, lead_id: str, text: str) -> str:
    """Send the form; return the page that comes of it."""
    page = staff.get(f"/staff/leads/{lead_id}").text
    csrf = page.partition('name="csrf" value="')[2].partition('"')[0]
    response = staff.post(f"/staff/leads/{lead_id}/texts", data={"csrf": csrf, "text": text})
    assert response.status_code in (303, 422), response.text
    return response.text if response.status_code == 422 else staff.get(f"/staff/leads/{lead_id}").text


def test_s13_a_text_of_staff_has_the_clinics_name_and_the_way_out_and_arrives(
    staff: TestClient, post_office: PostOffice
) -> None:
    lead = save_lead(post_office.database)
    page = send(staff, lead, "We have an opening on Tuesday at 10.")
    assert "not sent yet" in page
    post_office.clock.time = datetime.now(UTC).replace(hour=17)
    post_office.worker.run_once()
    (arrived,) = post_office.arrived()
    assert arrived.endswith(": We have an opening on Tuesday at 10. Reply STOP to opt out.")
    assert "ketamin" not in arrived.casefold()


@pytest.mark.parametrize("words", ["Your ketamine infusion is at 10", "about your Depression", "for the PTSD, call us"])
def test_s13_words_about_a_condition_or_treatment_are_refused(
    staff: TestClient, post_office: PostOffice, words: str
) -> None:
    lead = save_lead(post_office.database)
    page = send(staff, lead, words)
    assert "has not used first" in page
    assert words in page, "what was typed is still there"
    with post_office.database.session() as session:
        assert session.query(SmsOutbound).count() == 0


def test_s13_but_not_those_the_patient_used_first(staff: TestClient, post_office: PostOffice) -> None:
    lead = save_lead(post_office.database, reason="Ketamine for my knee")
    assert "not sent yet" in send(staff, lead, "Yes, you can ask about ketamine when you come.")
    assert "has not used first" in send(staff, lead, "And about depression.")


def test_s6_staff_cannot_text_who_opted_out(staff: TestClient, post_office: PostOffice) -> None:
    lead = save_lead(post_office.database)
    with post_office.database.session() as session:
        store.opt_out(session, post_office.key())
    page = send(staff, lead, "Please call us.")
    assert "has opted out of texts" in page
    assert f'action="/staff/leads/{lead}/texts"' not in page
    with post_office.database.session() as session:
        assert session.query(SmsOutbound).count() == 0


def test_a_text_has_to_be_short_and_not_empty(staff: TestClient, post_office: PostOffice) -> None:
    lead = save_lead(post_office.database)
    assert "is empty" in send(staff, lead, "  ")
    assert "too long" in send(staff, lead, "x" * 400)


def test_without_an_account_no_text_is_offered(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path)  # type: ignore[call-arg]
    database = open_database(settings)
    database.migrate()
    with database.session() as session:
        accounts.create_account(session, EMAIL, PASSWORD, Role.STAFF)
    client = TestClient(create_app(settings), headers={"origin": ORIGIN}, follow_redirects=False)
    client.post("/staff/sign-in", data={"email": EMAIL, "password": PASSWORD})
    page = client.get(f"/staff/leads/{save_lead(database)}").text
    assert "no Twilio account is set up" in page
    database.close()


def test_a_persons_conversations_are_joined_for_staff_and_never_for_the_visitor(
    staff: TestClient, post_office: PostOffice
) -> None:
    with post_office.database.session() as session:
        chat = chat_store.start_conversation(session, Channel.WIDGET)
        chat_store.add_inbound(session, chat.id, "asked on the website", None)
        texts = store.conversation_for(session, post_office.key())
        chat_store.add_inbound(session, texts.id, "asked by text", None)
        strangers = store.conversation_for(session, post_office.key("+15165550199"))
        chat_store.add_inbound(session, strangers.id, "somebody else", None)
    lead = save_lead(post_office.database, chat.id)
    page = staff.get(f"/staff/leads/{lead}").text
    for part in ("Website chat", "asked on the website", "Text messages", "asked by text"):
        assert part in page
    assert "somebody else" not in page
    with post_office.database.session() as session:
        for conversation, said in ((chat.id, "asked on the website"), (texts.id, "asked by text")):
            assert [message.text for message in chat_store.transcript(session, conversation)] == [said]


def test_s14_staff_see_what_did_not_arrive(staff: TestClient, post_office: PostOffice) -> None:
    lead = save_lead(post_office.database)
    send(staff, lead, "Please call us.")
    with post_office.database.session() as session:
        conversation = store.conversation_for(session, post_office.key())
        store.keep_reply(session, "SM1", "An answer.", conversation.id)
        store.advance(session.get_one(SmsReceipt, "SM1"), "undelivered", 30006, NOON)
        text = session.query(SmsOutbound).one()
        store.advance(text, TextStatus.FAILED, 30007, NOON)
    assert "2 texts to patients did not arrive" in staff.get("/staff").text
    page = staff.get("/staff/notifications").text
    assert "a landline, or a carrier that takes no texts (30006)" in page
    assert "the carrier took it for spam (30007)" in page
    assert f"/staff/conversations/{conversation.id}" in page
    shown = staff.get(f"/staff/conversations/{conversation.id}").text
    assert "An answer." in shown
    assert f"Text by {EMAIL}" in shown


def test_what_is_given_up_is_among_the_notifications(staff: TestClient, post_office: PostOffice) -> None:
    post_office.write("Answer.", phone="+15005550001")
    post_office.twilio.opted_out.clear()
    worker: Worker = post_office.worker
    post_office.twilio.number = "+15165550111"  # the account has another number by now: error 21606
    for _ in range(5):
        worker.run_once()
        post_office.clock.forward(minutes=10)
    page = staff.get("/staff/notifications").text
    assert "A text to a patient" in page
    assert "Twilio answered with error 21606" in page
