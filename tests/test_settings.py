"""Settings: each is documented, and one that cannot be used is named."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from frontdesk.settings import PROJECT, Settings, SettingsError, load_settings

ENTRY = re.compile(r"^#?([A-Z][A-Z0-9_]*)=(.*)$")


@pytest.fixture(autouse=True)
def own_data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings of this test alone, in a folder of its own."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setitem(Settings.model_config, "env_file", None)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "var"))
    return tmp_path / "var"


def documented() -> dict[str, str]:
    lines = (PROJECT / ".env.example").read_text(encoding="utf-8").splitlines()
    return {entry[1]: entry[2] for entry in map(ENTRY.match, lines) if entry}


def shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def test_every_setting_is_documented_and_nothing_else() -> None:
    assert set(documented()) == {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("name", Settings.model_fields)
def test_the_documented_default_is_the_real_one(name: str) -> None:
    assert documented()[name.upper()] == shown(Settings.model_fields[name].default)


def test_the_example_can_be_used_as_it_is_with_every_line_taken_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_data_dir: Path
) -> None:
    example = (PROJECT / ".env.example").read_text(encoding="utf-8")
    taken_in = re.sub(r"^#(?=[A-Z0-9_]+=)", "", example, flags=re.MULTILINE)
    (tmp_path / ".env").write_text(taken_in, encoding="utf-8")
    monkeypatch.setitem(Settings.model_config, "env_file", tmp_path / ".env")
    settings = load_settings()
    assert settings.port == 8000
    assert settings.database == f"sqlite:///{own_data_dir / 'ketalink.db'}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eight thousand"),
        ("PORT", "0"),
        ("PORT", "70000"),
        ("RASA_PORT", "-1"),
        ("RASA_URL", "10.0.0.5:5005"),
        ("RASA_URL", "http://10.0.0.5:5005/webhooks"),
        ("ACTIONS_URL", "ftp://10.0.0.5"),
        ("REDIS_URL", "localhost:6379"),
        ("REDIS_URL", "http://localhost:6379"),
        ("REDIS_PREFIX", "clinic:one"),
        ("CHAT_LIMIT_PER_MINUTE", "-1"),
        ("SESSION_HOURS", "0"),
        ("RASA_TIMEOUT_SECONDS", "soon"),
        ("CLINIC_TIMEZONE", "Long_Island"),
        ("CLINIC_TIMEZONE", "../../etc/passwd"),
        ("LOG_LEVEL", "loud"),
        ("DATABASE_URL", "the usual one"),
        ("TRACKER_DATABASE_URL", "postgres//forgot-the-colon"),
        ("SMTP_SECURITY", "ssl"),
        ("SMTP_PORT", "0"),
        ("NOTIFY_EMAILS", "ana@clinic.example, bo"),
        ("NOTIFY_FROM", "The clinic"),
        ("NOTIFY_ATTEMPTS", "0"),
        ("WEBHOOK_URL", "hooks.example"),
        ("WEBHOOK_URL", "http://hooks.example/x"),
        ("WEBHOOK_URL", "https://user:word@hooks.example/x"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:word@collector:4318"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"(?s){name}: .*\\.env\\.example"):
        load_settings()


def test_all_that_is_wrong_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "x")
    monkeypatch.setenv("LOG_LEVEL", "y")
    with pytest.raises(SettingsError, match=r"(?s)PORT: .*LOG_LEVEL: "):
        load_settings()


def test_an_empty_setting_is_an_absent_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "")
    monkeypatch.setenv("DATABASE_URL", "")
    assert load_settings().port == 8000


def test_secrets_come_from_files_and_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "rasa_secret").write_text("from a file, 32 characters or more\n")
    (folder / "session_secret").write_text("from a file, 32 characters or more\n")
    (folder / "database_url").write_text("postgresql://someone@db.example/ketalink\n")
    (folder / "smtp_password").write_text("")
    (folder / "something_else").write_text("of no meaning here")
    monkeypatch.setenv("SECRETS_DIR", str(folder))
    monkeypatch.setenv("SESSION_SECRET", "from the environment, 32 or more characters")
    settings = load_settings()
    assert settings.secret("rasa") == "from a file, 32 characters or more"
    assert settings.secret("session") == "from the environment, 32 or more characters"
    assert settings.database == "postgresql+psycopg://someone@db.example/ketalink"
    assert settings.smtp_password is None


def test_a_secrets_folder_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path / "gone"))
    with pytest.raises(SettingsError, match=r"SECRETS_DIR: .*gone"):
        load_settings()


def test_an_env_file_that_is_not_text_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_bytes(b"PUBLIC_URL=\xff\xfe")
    monkeypatch.setitem(Settings.model_config, "env_file", tmp_path / ".env")
    with pytest.raises(SettingsError, match=r"\.env is not UTF-8"):
        load_settings()


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "taken"))
    with pytest.raises(SettingsError, match=r"DATA_DIR .*taken"):
        load_settings()


def test_a_short_secret_is_refused_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESSION_SECRET", "hunter2hunter2")
    with pytest.raises(SettingsError, match="SESSION_SECRET is shorter than 32") as refused:
        load_settings().secret("session")
    assert "hunter2" not in str(refused.value)


def test_generated_secrets_stay_and_are_the_owners_alone(own_data_dir: Path) -> None:
    first = [load_settings().secret(name) for name in ("rasa", "session", "lookup")]
    assert len(set(first)) == 3
    assert [load_settings().secret(name) for name in ("rasa", "session", "lookup")] == first
    assert (own_data_dir / "secrets.json").stat().st_mode & 0o077 == 0


def test_a_damaged_secrets_file_is_named(own_data_dir: Path) -> None:
    own_data_dir.mkdir()
    (own_data_dir / "secrets.json").write_text('{"rasa": ')
    with pytest.raises(SettingsError, match=r"secrets\.json is damaged. Delete it"):
        load_settings().secret("rasa")


def test_secrets_hide_when_printed() -> None:
    token = "0123456789abcdef0123456789abcdef"
    settings = Settings(rasa_secret=SecretStr(token), twilio_auth_token=SecretStr(token))
    assert token not in repr(settings)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_a_postgresql_address_gets_the_installed_driver(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"{scheme}://someone@db.example/ketalink")
    assert load_settings().database == "postgresql+psycopg://someone@db.example/ketalink"
