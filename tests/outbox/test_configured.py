"""Who is notified, as the settings say; what is set in part is named with the way out."""

import pytest
from pydantic import SecretStr

from frontdesk.outbox.configured import configured
from frontdesk.settings import Settings, SettingsError
from tests.outbox.receivers import WEBHOOK_SECRET

EMAIL = {"NOTIFY_EMAILS": "ana@clinic.example", "NOTIFY_FROM": "bot@clinic.example", "SMTP_HOST": "mail.clinic.example"}


def settings(**values: str) -> Settings:
    return Settings(_env_file=None, **{name.lower(): value for name, value in values.items()})  # type: ignore


def test_nothing_set_is_nobody() -> None:
    assert configured(settings()) == []


def test_every_address_once_and_the_webhook() -> None:
    named = settings(
        **EMAIL | {"NOTIFY_EMAILS": " ana@clinic.example, bo@Clinic.Example,,ana@clinic.example"},
        WEBHOOK_URL="https://hooks.example/x",
        WEBHOOK_SECRET=WEBHOOK_SECRET,
    )
    names = [destination.name for destination in configured(named)]
    assert names == ["email:ana@clinic.example", "email:bo@clinic.example", "webhook"]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"NOTIFY_EMAILS": "ana@clinic.example"}, "SMTP_HOST"),
        (EMAIL | {"NOTIFY_FROM": None}, "NOTIFY_FROM"),
        (EMAIL | {"SMTP_USERNAME": "bot"}, "SMTP_PASSWORD"),
        (EMAIL | {"SMTP_PASSWORD": "x"}, "SMTP_USERNAME"),
        (EMAIL | {"SMTP_USERNAME": "bot", "SMTP_PASSWORD": "hunter2", "SMTP_SECURITY": "none"}, "SMTP_SECURITY"),
        ({"WEBHOOK_URL": "https://hooks.example"}, "WEBHOOK_SECRET"),
        ({"WEBHOOK_URL": "https://hooks.example", "WEBHOOK_SECRET": "whsec_hunter2"}, "WEBHOOK_SECRET"),
        ({"WEBHOOK_URL": "https://hooks.example", "WEBHOOK_SECRET": "hunter2 hunter2 hunter2!"}, "WEBHOOK_SECRET"),
    ],
)
def test_what_is_set_in_part_is_named(values: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named) as refused:
        configured(settings(**values))
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("security", "port"),
    [("starttls", 587), ("tls", 465), ("none", 25)],
)
def test_the_port_follows_the_security(security: str, port: int) -> None:
    (destination,) = configured(settings(**EMAIL, SMTP_SECURITY=security))
    assert destination.mailbox.port == port  # type: ignore[attr-defined]


def test_secrets_hide_when_printed() -> None:
    shown = settings(**EMAIL, SMTP_PASSWORD="hunter2", WEBHOOK_SECRET=WEBHOOK_SECRET)
    assert isinstance(shown.smtp_password, SecretStr)
    assert "hunter2" not in repr(shown) and WEBHOOK_SECRET not in repr(shown)
