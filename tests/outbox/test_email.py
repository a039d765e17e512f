"""The e-mail: what it says, what it never says, and how the mail server is trusted."""

import logging
import smtplib
from collections.abc import Callable, Iterator

import pytest
from pydantic import SecretStr

from frontdesk.db import Database
from frontdesk.outbox import email
from frontdesk.outbox.configured import configured
from frontdesk.outbox.destination import DeliveryFailed
from frontdesk.outbox.notices import trial
from frontdesk.outbox.worker import Worker
from frontdesk.settings import Settings, SmtpSecurity
from tests.outbox.conftest import CANARIES, Certificates, Clock, reference_of, save_lead
from tests.outbox.receivers import MailServer

# aiosmtpd says so of servers that ask for a password without TLS; here it is on purpose.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")

PASSWORD = "plum-tree-north-window"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: what is said does not depend on the database."""
    return sqlite_url


@pytest.fixture
def protected(certificates: Certificates) -> Iterator[MailServer]:
    """A mail server that wants STARTTLS and a password."""
    with MailServer(certificates.server, PASSWORD) as server:
        yield server


def to_protected(settings: Settings, server: MailServer, **changes: object) -> Settings:
    values = {
        "smtp_host": "localhost",
        "smtp_port": server.port,
        "smtp_security": SmtpSecurity.STARTTLS,
        "smtp_username": "assistant",
        "smtp_password": SecretStr(PASSWORD),
        "notify_emails": "ana@clinic.example",
        "webhook_url": None,
    }
    return settings.model_copy(update={**values, **changes})


def send_trial(settings: Settings) -> None:
    (destination,) = configured(settings)
    destination.send(trial())


def test_a_new_request_is_told_with_its_reference_and_a_link_and_nothing_of_the_patient(
    database: Database, make_worker: Callable[..., Worker], mail: MailServer
) -> None:
    lead_id = save_lead(database)
    reference = reference_of(database, lead_id)
    make_worker(webhook_url=None, notify_emails="ana@clinic.example").run_once()
    (message,) = mail.messages
    assert message["Subject"] == f"New appointment request {reference}"
    assert message["From"] == "assistant@clinic.example"
    assert message["Auto-Submitted"] == "auto-generated"
    text = message.get_content().replace("\r\n", "\n")
    assert f"Reference: {reference}\n" in text
    assert "Through: website chat\n" in text
    assert f"Open it in the console: https://chat.clinic.example/staff/leads/{lead_id}\n" in text
    assert [word for word in CANARIES if word in mail.raw[0].decode()] == []


def test_without_a_public_address_there_is_no_link(
    database: Database, make_worker: Callable[..., Worker], mail: MailServer
) -> None:
    save_lead(database)
    make_worker(webhook_url=None, public_url=None).run_once()
    text = mail.messages[0].get_content()
    assert "Open it in the staff console." in text and "http" not in text


def test_a_repeat_has_the_same_message_id_and_date(
    database: Database, make_worker: Callable[..., Worker], clock: Clock, mail: MailServer
) -> None:
    save_lead(database)
    worker = make_worker(webhook_url=None, notify_emails="ana@clinic.example")
    mail.refusals = ["451 Try again later"]
    worker.run_once()
    assert mail.messages == []
    clock.forward(minutes=1)
    worker.run_once()
    (event_id,) = {identity[1:].partition("@")[0] for identity in mail.ids}
    assert len(event_id) == 32 and len(mail.messages) == 1


@pytest.mark.parametrize(
    ("answer", "kind", "is_final"), [("550 No such mailbox", "smtp_550", True), ("451 Later", "smtp_451", False)]
)
def test_a_refused_recipient(told: Settings, mail: MailServer, answer: str, kind: str, is_final: bool) -> None:
    mail.refusals = [answer]
    with pytest.raises(DeliveryFailed) as refused:
        send_trial(told.model_copy(update={"notify_emails": "ana@clinic.example", "webhook_url": None}))
    assert (refused.value.kind, refused.value.is_final) == (kind, is_final)


def test_a_mail_server_that_is_down(told: Settings) -> None:
    with MailServer() as gone:
        pass
    with pytest.raises(DeliveryFailed, match="no_connection"):
        send_trial(to_protected(told, gone))


def test_starttls_and_a_password(told: Settings, protected: MailServer, trusted: Certificates) -> None:
    send_trial(to_protected(told, protected))
    assert protected.messages[0]["Subject"] == "Test from the clinic's assistant"


def test_tls_from_the_first_byte(told: Settings, trusted: Certificates) -> None:
    with MailServer(trusted.server, PASSWORD, is_implicit=True) as server:
        send_trial(to_protected(told, server, smtp_security=SmtpSecurity.TLS))
        assert len(server.messages) == 1


@pytest.mark.parametrize("security", [SmtpSecurity.STARTTLS, SmtpSecurity.TLS])
def test_a_certificate_that_nobody_vouches_for_gets_neither_password_nor_e_mail(
    told: Settings, certificates: Certificates, security: SmtpSecurity
) -> None:
    with MailServer(certificates.server, PASSWORD, is_implicit=security is SmtpSecurity.TLS) as server:
        with pytest.raises(DeliveryFailed, match="certificate_not_trusted"):
            send_trial(to_protected(told, server, smtp_security=security))
        assert server.messages == [] and server.sign_ins == 0


def test_a_server_without_starttls_gets_neither_password_nor_e_mail(told: Settings) -> None:
    with MailServer(password=PASSWORD) as server:
        with pytest.raises(DeliveryFailed, match="smtp_not_supported"):
            send_trial(to_protected(told, server))
        assert server.messages == [] and server.sign_ins == 0


def test_a_wrong_password_is_no_final_refusal_and_in_no_log(
    database: Database,
    told: Settings,
    protected: MailServer,
    trusted: Certificates,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    save_lead(database)
    settings = to_protected(told, protected, smtp_password=SecretStr("not-the-password"))
    with caplog.at_level(logging.DEBUG):
        Worker(database, configured(settings), 31, clock).run_once()
    with pytest.raises(DeliveryFailed) as refused:
        send_trial(settings)
    assert (refused.value.kind, refused.value.is_final) == ("smtp_sign_in_refused", False)
    written = caplog.text + "".join(capfd.readouterr())
    assert "notification_failed" in written
    assert "not-the-password" not in written + repr(configured(settings))


def test_a_server_that_says_nothing_is_left_after_a_while(told: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(email, "TIMEOUT_SECONDS", 0.2)
    with MailServer(is_silent=True) as server, pytest.raises(DeliveryFailed) as failed:
        send_trial(to_protected(told, server))
    assert failed.value.kind in ("timeout", "connection_lost")
    assert isinstance(failed.value.__cause__, OSError | smtplib.SMTPException)
