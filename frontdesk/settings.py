"""Settings, read once at start from the environment and `.env`. Every one is documented in `.env.example`."""

import json
import os
import secrets
import tempfile
from enum import StrEnum
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT = Path(__file__).resolve().parent.parent

_SHORTEST_SECRET = 32
_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class SettingsError(Exception):
    """A setting is missing or unusable; the message names it and the way out."""


def _from_project(path: Path) -> Path:
    return path if path.is_absolute() else PROJECT / path


ProjectPath = Annotated[Path, AfterValidator(_from_project)]
TcpPort = Annotated[int, Field(ge=1, le=65535)]
Days = Annotated[int, Field(ge=0)]


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("no time zone has this name; write one such as America/New_York") from None
    return name


def _log_level(name: str) -> str:
    if name.upper() not in _LOG_LEVELS:
        raise ValueError(f"use one of {', '.join(_LOG_LEVELS)}")
    return name.upper()


def _database_address(url: str | None) -> str | None:
    if url is None:
        return None
    from sqlalchemy import exc, make_url

    try:
        make_url(url)
    except exc.ArgumentError:
        raise ValueError("this is no database address; write postgresql://user:password@host/name") from None
    return url


def installed_driver(url: str) -> str:
    """Return a database's address as SQLAlchemy takes it here: `postgresql://` means the driver that is installed."""
    for plain in ("postgresql://", "postgres://", "postgresql+psycopg2://"):
        if url.startswith(plain):
            return "postgresql+psycopg://" + url.removeprefix(plain)
    return url


DatabaseAddress = Annotated[str | None, AfterValidator(_database_address)]


class SmtpSecurity(StrEnum):
    """How a connection to the mail server is protected."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


class SecondFactorRule(StrEnum):
    """Whether staff have to have a second factor."""

    REQUIRED = "required"
    OPTIONAL = "optional"


def _split(listed: str) -> list[str]:
    return [entry.strip() for entry in listed.split(",") if entry.strip()]


def _email_address(address: str | None) -> str | None:
    if address is None:
        return None
    from email_validator import EmailNotValidError, validate_email

    try:
        found = validate_email(address, check_deliverability=False, allow_smtputf8=False).ascii_email
    except EmailNotValidError as error:
        raise ValueError(f"{address!r} is no e-mail address: {error}") from None
    return found or address


def _email_addresses(listed: str) -> str:
    return ",".join(dict.fromkeys(_email_address(address) or "" for address in _split(listed)))


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, so that nothing sent to it leaves the machine."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _webhook_address(url: str | None) -> str | None:
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        raise ValueError("this is no address; write https://host/path")
    if parts.username or parts.password:
        raise ValueError("it may not hold a user and a password; the receiver trusts WEBHOOK_SECRET")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("it has to begin with https://; http:// is for this machine alone")
    return url


def _redis_address(url: SecretStr | None) -> SecretStr | None:
    if url is None:
        return None
    try:
        parts = urlsplit(url.get_secret_value())
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("redis", "rediss"):
        raise ValueError("this is no address of a Redis; write redis://:password@host:6379/0, or rediss:// with TLS")
    return url


def _http_address(url: str, hint: str) -> SplitResult:
    """Return the parts of an address; raises ValueError for one that is not http, has no host or has credentials."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError(hint) from None
    if not host or parts.scheme not in ("http", "https") or parts.username or parts.password:
        raise ValueError(hint)
    return parts


def _inside_address(url: str | None) -> str | None:
    if url is None:
        return None
    hint = "write http://host:port, and nothing behind it"
    parts = _http_address(url, hint)
    if parts.path.strip("/") or parts.query:
        raise ValueError(hint)
    return url.rstrip("/")


def _collector_address(url: str | None) -> str | None:
    """Check a collector's address. Plain http is taken: a trace holds fixed words and times, nothing of a patient."""
    if url is not None:
        _http_address(url, "this is no address of a collector; write http://host:4318")
    return url


def _twilio_address(url: str) -> str:
    return (_webhook_address(url) or "").rstrip("/")


RedisAddress = Annotated[SecretStr | None, AfterValidator(_redis_address)]
InsideAddress = Annotated[str | None, AfterValidator(_inside_address)]
TwilioAddress = Annotated[str, AfterValidator(_twilio_address)]
EmailAddress = Annotated[str | None, AfterValidator(_email_address)]
EmailAddresses = Annotated[str, AfterValidator(_email_addresses)]
CollectorAddress = Annotated[str | None, AfterValidator(_collector_address)]
WebhookAddress = Annotated[str | None, AfterValidator(_webhook_address)]


def reached_here(host: str) -> str:
    """Return the host by which this machine reaches what listens on `host`, as it is written in an address."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104
    return f"[{host}]" if ":" in host else host


def _local_address(host: str, port: int) -> str:
    return f"http://{reached_here(host)}:{port}"


class Settings(BaseSettings):
    """All settings of the front desk, the action server and the command line."""

    model_config = SettingsConfigDict(
        env_file=PROJECT / ".env",
        env_file_encoding="utf-8",
        extra="ignore",
        env_ignore_empty=True,
    )

    host: str = "127.0.0.1"
    port: TcpPort = 8000
    public_url: str | None = None
    # Other sites that may embed the widget, comma-separated: https://www.example.com
    allowed_origins: str = ""
    trusted_proxies: str = "127.0.0.1"

    data_dir: ProjectPath = Path("var")
    # A file for each setting that should be in no environment, named as the setting is, in small letters.
    secrets_dir: ProjectPath | None = None
    database_url: DatabaseAddress = None
    tracker_database_url: DatabaseAddress = None
    clinic_profile: ProjectPath = Path("data/clinic.yml")
    model_dir: ProjectPath = Path("models")
    encoder_path: ProjectPath | None = None

    # The address may hold a password.
    redis_url: RedisAddress = None
    redis_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,32}$")] = "ketalink"

    # Where Rasa and the action server listen, and where the others find them when that is elsewhere.
    rasa_host: str = "127.0.0.1"
    rasa_port: TcpPort = 5005
    rasa_url: InsideAddress = None
    actions_host: str = "127.0.0.1"
    actions_port: TcpPort = 5055
    actions_url: InsideAddress = None
    rasa_timeout_seconds: Annotated[float, Field(gt=0)] = 15.0

    chat_limit_per_minute: Annotated[int, Field(ge=0)] = 60
    session_hours: Annotated[float, Field(gt=0)] = 24.0
    clinic_timezone: Annotated[str, AfterValidator(_time_zone)] = "America/New_York"

    rasa_secret: SecretStr | None = None
    session_secret: SecretStr | None = None
    # Phone numbers are looked up by a hash keyed with this: a new one forgets every opt-out.
    lookup_secret: SecretStr | None = None
    # Fernet keys, comma-separated, the newest first.
    encryption_keys: SecretStr | None = None

    # Absent: required where PUBLIC_URL is set, optional on this machine alone.
    staff_second_factor: SecondFactorRule | None = None

    twilio_account_sid: str | None = None
    twilio_auth_token: SecretStr | None = None
    twilio_phone_number: str | None = None
    twilio_api_url: TwilioAddress = "https://api.twilio.com"
    # All numbers together; CHAT_LIMIT_PER_MINUTE is for each.
    sms_limit_per_minute: Annotated[int, Field(ge=0)] = 600

    smtp_host: str | None = None
    # Absent: 587 for starttls, 465 for tls, 25 for none.
    smtp_port: TcpPort | None = None
    smtp_security: SmtpSecurity = SmtpSecurity.STARTTLS
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    notify_from: EmailAddress = None
    notify_emails: EmailAddresses = ""
    webhook_url: WebhookAddress = None
    webhook_secret: SecretStr | None = None
    notify_attempts: Annotated[int, Field(ge=1)] = 31

    # How long what nobody needs any more is kept, in days; 0: until somebody deletes it. docs/data.md
    purge_daily: bool = True
    keep_conversations_days: Days = 90
    keep_closed_leads_days: Days = 730
    keep_spam_days: Days = 30
    keep_consents_days: Days = 1460
    keep_sms_receipts_days: Days = 30
    keep_notifications_days: Days = 30
    keep_failed_notifications_days: Days = 90

    log_level: Annotated[str, AfterValidator(_log_level)] = "INFO"
    otel_exporter_otlp_endpoint: CollectorAddress = None

    @model_validator(mode="before")
    @classmethod
    def _empty_is_absent(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if value != ""}

    @property
    def database(self) -> str:
        """Return the SQLAlchemy address of the leads database; an SQLite file in `data_dir` unless set."""
        return installed_driver(self.database_url or f"sqlite:///{self.data_dir / 'ketalink.db'}")

    @property
    def tracker_database(self) -> str:
        """Return the address of Rasa's own database, which holds no lead, as Rasa takes it."""
        return self.tracker_database_url or f"sqlite:///{self.data_dir / 'conversations.db'}"

    @property
    def twilio_tokens(self) -> list[str]:
        """Return the tokens of TWILIO_AUTH_TOKEN: two while the account changes from one to the other."""
        return _split(self.twilio_auth_token.get_secret_value()) if self.twilio_auth_token else []

    @property
    def notify_addresses(self) -> list[str]:
        """Return the addresses of NOTIFY_EMAILS, each once."""
        return _split(self.notify_emails)

    @property
    def needs_second_factor(self) -> bool:
        """Tell whether nobody gets into the console without a second factor."""
        chosen = self.staff_second_factor
        return bool(self.public_url) if chosen is None else chosen is SecondFactorRule.REQUIRED

    @property
    def is_local(self) -> bool:
        """Tell whether only this machine reaches the front desk, as far as the settings say."""
        return is_loopback(self.host) and not self.public_url

    @property
    def encryption_keys_file(self) -> Path:
        """Return where the keys of what is stored are, unless ENCRYPTION_KEYS is set."""
        return self.data_dir / "encryption.keys"

    @property
    def profile_in_use(self) -> Path:
        """Return where the clinic's facts are as they hold now: the profile with what staff changed in the console."""
        return self.data_dir / "clinic-now.yml"

    @property
    def secrets_file(self) -> Path:
        """Return where the secrets are that nobody set."""
        return self.data_dir / "secrets.json"

    @property
    def rasa_address(self) -> str:
        """Return where Rasa is found, or what stands before several of them."""
        return self.rasa_url or _local_address(self.rasa_host, self.rasa_port)

    @property
    def rasa_channel(self) -> str:
        """Return the address of Rasa's only channel."""
        return f"{self.rasa_address}/webhooks/frontdesk"

    @property
    def actions_address(self) -> str:
        """Return where the action server is found, or what stands before several of them."""
        return self.actions_url or _local_address(self.actions_host, self.actions_port)

    @cached_property
    def generated_secrets(self) -> dict[str, str]:
        """Secrets made on first start and kept in `data_dir`, readable by the owner only."""
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.secrets_file
        fresh = {name: secrets.token_urlsafe(32) for name in ("rasa", "session", "lookup")}
        # Whole or not at all: another process may be starting on the same folder.
        descriptor, written = tempfile.mkstemp(prefix="secrets-", dir=self.data_dir)
        try:
            with os.fdopen(descriptor, "w") as file:
                json.dump(fresh, file)
            os.link(written, path)
        except FileExistsError:
            try:
                known = json.loads(path.read_text())
                return {name: str(known[name]) for name in fresh}
            except (ValueError, KeyError, TypeError) as error:
                raise SettingsError(
                    f"{path} is damaged. Delete it to make new secrets (open chats will then begin anew)."
                ) from error
        finally:
            os.unlink(written)
        return fresh

    def secret(self, name: str) -> str:
        """Return the secret `rasa`, `session` or `lookup`: the one that is set, else the generated one."""
        chosen: SecretStr | None = getattr(self, f"{name}_secret")
        if chosen is None:
            return self.generated_secrets[name]
        value = chosen.get_secret_value()
        if len(value) < _SHORTEST_SECRET:
            raise SettingsError(
                f"{name.upper()}_SECRET is shorter than {_SHORTEST_SECRET} characters. Make one with "
                f"`python3 -c 'import secrets; print(secrets.token_urlsafe(32))'`, or leave it empty to have it made."
            )
        return value


def _readable_folder(folder: Path) -> Path:
    try:
        for file in folder.iterdir():
            if file.is_file():
                file.read_bytes()
    except OSError as error:
        raise SettingsError(f"SECRETS_DIR: {error.filename} cannot be read: {error.strerror}.") from None
    return folder


def load_settings() -> Settings:
    """Read the settings; raise SettingsError with the name of each one that cannot be used."""
    try:
        settings = Settings()
        if settings.secrets_dir is not None:
            settings = Settings(_secrets_dir=_readable_folder(settings.secrets_dir))  # type: ignore[call-arg]
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(part) for part in issue['loc']).upper()}: {issue['msg'].removeprefix('Value error, ')}"
            for issue in error.errors()
        ]
        raise SettingsError(
            "These settings cannot be used:\n  "
            + "\n  ".join(problems)
            + "\nCorrect them in the environment or in .env; .env.example says what each one is."
        ) from None
    except UnicodeDecodeError as error:
        raise SettingsError(f".env is not UTF-8 text ({error.reason}). Save it as UTF-8.") from error
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"DATA_DIR {settings.data_dir} cannot be made: {error.strerror}.") from error
    return settings
