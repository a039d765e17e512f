"""An outbox in each database, and those who are notified."""

import datetime as dt
import ipaddress
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from frontdesk.db import Database, open_database
from frontdesk.leads import repository
from frontdesk.leads.repository import Consent, NewLead, PreferredTime
from frontdesk.outbox.configured import configured
from frontdesk.outbox.worker import Worker
from frontdesk.settings import Settings
from tests.outbox.receivers import WEBHOOK_SECRET, MailServer, Receiver

ZONE = ZoneInfo("America/New_York")
# What the patient of `save_lead` said: none of it may leave the clinic.
CANARIES = ("Robin", "Testperson", "5550142", "555-0142", "robin", "chronic", "pain", "next Tuesday")


class Clock:
    """The worker's clock, moved by the test."""

    def __init__(self) -> None:
        self.time = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.time

    def forward(self, **by: float) -> None:
        """Let time pass."""
        self.time += timedelta(**by)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """Settings of this test alone, in which nobody is notified."""
    return Settings(_env_file=None, data_dir=tmp_path, database_url=database_url)  # type: ignore[call-arg]


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """A migrated database: SQLite and PostgreSQL in turn."""
    database = open_database(settings)
    yield database
    database.close()


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def told(settings: Settings, mail: MailServer, receiver: Receiver) -> Settings:
    """Settings with two addresses and a webhook."""
    return settings.model_copy(
        update={
            "smtp_host": "127.0.0.1",
            "smtp_port": mail.port,
            "smtp_security": "none",
            "notify_from": "assistant@clinic.example",
            "notify_emails": "ana@clinic.example,bo@clinic.example",
            "webhook_url": receiver.url,
            "webhook_secret": SecretStr(WEBHOOK_SECRET),
            "public_url": "https://chat.clinic.example/",
        }
    )


@pytest.fixture
def make_worker(database: Database, told: Settings, clock: Clock) -> Callable[..., Worker]:
    """Make a worker with the settings `told`, changed as the test says."""

    def make(**changes: object) -> Worker:
        settings = told.model_copy(update=changes)
        return Worker(database, configured(settings), settings.notify_attempts, clock)

    return make


def save_lead(database: Database, number: int = 42) -> str:
    """Save a request as the action server does; return its id."""
    new = NewLead(
        request_id=f"run-{number}",
        conversation_id=None,
        channel="widget",
        full_name=f"Robin Testperson {number}",
        phone=f"+151655501{number:02}",
        phone_typed=f"516-555-01{number:02}",
        email="robin@example.com",
        patient_type="new",
        reason="chronic pain",
        preferred_time=PreferredTime("next Tuesday morning", dt.date(2026, 12, 1), "morning"),
        consent=Consent("May the clinic contact you?", datetime(2026, 11, 22, 15, 4, 5, tzinfo=UTC)),
        notes=(),
    )
    with database.session() as session:
        return repository.save_once(session, new, ZONE).lead.id


def reference_of(database: Database, lead_id: str) -> str:
    with database.session() as session:
        return repository.find(session, lead_id).reference


# --------------------------------------------------------------------------- certificates


@dataclass(frozen=True)
class Certificates:
    """A certificate for loopback, as a server has it, and the file of the authority that issued it."""

    server: ssl.SSLContext
    authority: Path


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority nobody trusts by default, and a server's certificate from it."""
    folder = tmp_path_factory.mktemp("certificates")
    authority_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test authority")])
    server_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test server")])
    key_id = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())

    def unsigned(subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(authority_name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
        )

    authority = (
        unsigned(authority_name, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(key_id, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    server = (
        unsigned(server_name, server_key)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_id), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    (folder / "authority.pem").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    (folder / "server.pem").write_bytes(
        server.public_bytes(serialization.Encoding.PEM)
        + server_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return Certificates(context, folder / "authority.pem")


@pytest.fixture
def trusted(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> Certificates:
    """The same, with the authority among those that are trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    return certificates
