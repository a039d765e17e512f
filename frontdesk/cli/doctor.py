"""`./ketalink doctor`: is everything in order, and if not, what to do."""

import hashlib
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import sqlalchemy as sa
import yaml
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from dotenv import dotenv_values
from rich.text import Text

from frontdesk import key_check
from frontdesk.cli.console import CommandFailed, out
from frontdesk.cli.serve import LOOPBACK, SECRETS, address, port_in_use
from frontdesk.cli.train import check_content, shown
from frontdesk.clinic import load_clinic
from frontdesk.db import MIGRATIONS, Database, DatabaseUnavailable, open_database
from frontdesk.encryption import KeysUnusable, keyring_of
from frontdesk.loopback import NO_TLS
from frontdesk.model_folder import ModelDamaged, ModelFolder, check_archive, inputs_digest
from frontdesk.outbox.configured import configured
from frontdesk.outbox.words import destination_name
from frontdesk.processes import PROJECT
from frontdesk.rotation import TRACKERS, EncryptedTable, count_unreadable, encrypted_tables, tracker_database
from frontdesk.settings import Settings, SettingsError, load_settings

PYTHON = (3, 11)
_STAMP = "ketalink-stamp.txt"
_FREE_GIGABYTES = 1.0
# Of each table with encrypted columns.
_ROWS_LOOKED_AT = 1_000
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_SECRET_NAMES = (
    "RASA_SECRET",
    "SESSION_SECRET",
    "LOOKUP_SECRET",
    "ENCRYPTION_KEYS",
    "TWILIO_AUTH_TOKEN",
    "SMTP_PASSWORD",
    "WEBHOOK_URL",
    "WEBHOOK_SECRET",
    "DATABASE_URL",
    "TRACKER_DATABASE_URL",
)
# What visitors ask for most; an answer without it can only send them to the clinic.
IMPORTANT_FACTS = (
    "phone",
    "phone_hours",
    "after_hours_phone",
    "address",
    "hours",
    "booking_url",
    "insurance_accepted",
    "price_infusion",
    "eating_rules",
    "driving_wait",
    "cancellation_policy",
)


@dataclass(frozen=True)
class Finding:
    """One line of the report; a note is worth knowing, a problem has to be mended."""

    state: str
    text: str


def _ok(text: str) -> Finding:
    return Finding("ok", text)


def _note(text: str) -> Finding:
    return Finding("note", text)


def _problem(text: str) -> Finding:
    return Finding("problem", text)


def doctor() -> None:
    """Check the installation, the settings, the database, the model, the ports and the clinic's profile."""
    findings = list(_examine())
    colors = {"ok": "green", "note": "yellow", "problem": "bold red"}
    for finding in findings:
        indented = finding.text.replace("\n", "\n" + " " * 9)
        out.print(Text.assemble((f"{finding.state:<8} ", colors[finding.state]), indented))
    problems = sum(finding.state == "problem" for finding in findings)
    if problems:
        raise CommandFailed(f"\n{problems} problem{'s' if problems > 1 else ''} found.")
    out.print("\nEverything is in order.")


def _examine() -> Iterator[Finding]:
    yield _python()
    yield _environment("rasa", "Rasa's environment", "rasa.txt")
    yield _environment("app", "The application's environment", "app.txt")
    try:
        settings = load_settings()
    except SettingsError as error:
        yield _problem(str(error))
        return
    yield _ok(f"settings: {'environment and .env' if (PROJECT / '.env').exists() else 'environment, no .env'}")
    yield from _secrets(settings)
    yield from _sms(settings)
    yield _notifications(settings)
    yield from _database(settings)
    yield from _keys(settings)
    yield from _redis(settings)
    yield _model(settings)
    yield from _ports(settings)
    yield from _clinic(settings)
    yield from _disk(settings)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] != PYTHON:
        return _problem(f"Python {version} runs this, but 3.11 is needed. Run `python3 tools/setup.py`.")
    return _ok(f"Python {version}")


def _environment(name: str, title: str, requirements: str) -> Finding:
    folder = PROJECT / ".venv" / name
    wanted = PROJECT / "requirements" / requirements
    mend = "Run `python3 tools/setup.py`."
    if not (folder / "bin" / "python").exists():
        return _problem(f"{title} is missing ({shown(folder)}). {mend}")
    line = f"{requirements} {hashlib.sha256(wanted.read_bytes()).hexdigest()}"
    try:
        stamp = (folder / _STAMP).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return _problem(f"{title} was not finished ({shown(folder / _STAMP)} is missing). {mend}")
    if line not in stamp:
        return _problem(f"{title} was made from another requirements/{requirements}. {mend}")
    return _ok(f"{title} is what requirements/{requirements} asks for")


def _secrets(settings: Settings) -> Iterator[Finding]:
    files = (settings.data_dir / "secrets.json", settings.encryption_keys_file)
    try:
        for name in SECRETS:
            settings.secret(name)
    except SettingsError as error:
        yield _problem(str(error))
        return
    dotenv = PROJECT / ".env"
    holds_secrets = dotenv.exists() and any(dotenv_values(dotenv).get(name) for name in _SECRET_NAMES)
    open_files = [
        file
        for file, holds in (*((file, file.exists()) for file in files), (dotenv, holds_secrets))
        if holds and file.stat().st_mode & _OTHERS
    ]
    for file in open_files:
        yield _problem(f"{shown(file)} can be read by others on this machine. Run: chmod 600 {shown(file)}")
    if settings.data_dir.stat().st_mode & _OTHERS:
        yield _problem(
            f"{shown(settings.data_dir)} holds patients' data and can be read by others. "
            f"Run: chmod 700 {shown(settings.data_dir)}"
        )
    elif not open_files:
        yield _ok("secrets and data can be read by their owner alone")


def _sms(settings: Settings) -> Iterator[Finding]:
    if settings.twilio_auth_token and settings.public_url and settings.twilio_account_sid:
        real = urlsplit(settings.twilio_api_url).hostname == "api.twilio.com"
        yield _ok("SMS is set up") if real else _note(f"SMS goes to a simulator at {settings.twilio_api_url}")
    elif settings.twilio_auth_token and settings.public_url:
        yield _ok("SMS is set up to answer; without TWILIO_ACCOUNT_SID nothing can be sent afterwards")
    elif settings.twilio_auth_token:
        yield _problem("TWILIO_AUTH_TOKEN is set but PUBLIC_URL is not, so no text message can be trusted. Set it.")
    elif settings.twilio_account_sid or settings.twilio_phone_number:
        yield _problem("Twilio is set up in part: without TWILIO_AUTH_TOKEN every text message is refused. Set it.")
    else:
        yield _note("SMS is off: TWILIO_AUTH_TOKEN is not set, so every text message is refused")


def _notifications(settings: Settings) -> Finding:
    try:
        destinations = configured(settings)
    except SettingsError as error:
        return _problem(str(error))
    if not destinations:
        return _note("nobody is told of new requests and alarms: neither NOTIFY_EMAILS nor WEBHOOK_URL is set")
    names = ", ".join(destination_name(destination.name) for destination in destinations)
    return _ok(f"told of new requests and alarms: {names}. Try it: ./ketalink notifications test")


def _database(settings: Settings) -> Iterator[Finding]:
    address = sa.make_url(settings.database)
    if not _is_there(settings.database):
        yield _ok("the database is made at the first start")
        return
    try:
        database = Database(settings.database)
        database.check()
    except DatabaseUnavailable as error:
        yield _problem(str(error))
        return
    try:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        newest = ScriptDirectory.from_config(config).get_current_head()
        with database.engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
    except (sa.exc.SQLAlchemyError, OSError) as error:
        yield _problem(f"the database {address!r} cannot be read: {type(error).__name__}.")
        return
    finally:
        database.close()
    if current == newest:
        yield _ok(f"the database answers, its tables are up to date: {address!r}")
    else:
        yield _note(f"the database answers; its tables are at {current}, the next start brings them to {newest}")


def _keys(settings: Settings) -> Iterator[Finding]:
    """Whether the keys open what is stored: all of it in small tables, a part of it in large ones."""
    try:
        ring = keyring_of(settings).ring
        with _opened(settings) as databases:
            unreadable = {
                table.name: count
                for database, table in databases
                if (count := count_unreadable(database, table, ring, _ROWS_LOOKED_AT))
            }
    except KeysUnusable as error:
        if _nothing_encrypted(settings):
            yield _ok("the keys of what is stored are made at the first start")
        else:
            yield _problem(str(error))
        return
    except (DatabaseUnavailable, sa.exc.SQLAlchemyError):
        return  # the database was looked at already
    if unreadable:
        counts = ", ".join(f"{count} in {table}" for table, count in unreadable.items())
        yield _problem(
            f"Some stored values cannot be opened with the keys in {ring.place}: {counts}. Put back the keys they were "
            f"written with from your backup. See docs/data.md."
        )
    else:
        yield _ok(f"the keys in {ring.place} open what is stored")


@contextmanager
def _opened(settings: Settings) -> Iterator[list[tuple[Database, EncryptedTable]]]:
    """Open what is encrypted and there, Rasa's conversations among it; raise DatabaseUnavailable."""
    database = open_database(settings) if _is_there(settings.database) else None
    trackers = tracker_database(settings)
    try:
        found = []
        if database is not None:
            names = sa.inspect(database.engine).get_table_names()
            if key_check.KeyCheck.__tablename__ in names:  # otherwise it is not encrypted yet
                found += [(database, table) for table in encrypted_tables() if table.name in names]
        if trackers is not None:
            found.append((trackers, TRACKERS))
        yield found
    finally:
        for opened in (database, trackers):
            if opened is not None:
                opened.close()


def _nothing_encrypted(settings: Settings) -> bool:
    try:
        with _opened(settings) as databases:
            return not settings.encryption_keys_file.exists() and not databases
    except (DatabaseUnavailable, sa.exc.SQLAlchemyError):
        return False


def _is_there(url: str) -> bool:
    """Tell whether there is something to connect to: connecting to SQLite would make the file."""
    address = sa.make_url(url)
    return address.get_backend_name() != "sqlite" or not address.database or Path(address.database).exists()


def _redis(settings: Settings) -> Iterator[Finding]:
    if settings.redis_url is None:
        return
    from redis import Redis
    from redis.exceptions import RedisError

    try:
        with Redis.from_url(settings.redis_url.get_secret_value(), socket_timeout=2, socket_connect_timeout=2) as redis:
            redis.ping()
    except (RedisError, OSError, ValueError) as error:
        yield _problem(
            f"Redis does not answer ({type(error).__name__}), so each front desk counts messages by itself. "
            f"Check REDIS_URL, and that the server runs."
        )
        return
    yield _ok("Redis answers")


def _model(settings: Settings) -> Finding:
    mend = "Run ./ketalink train."
    current = ModelFolder(settings.model_dir).current()
    if current is None:
        return _problem(f"There is no trained model in {shown(settings.model_dir)}. {mend}")
    try:
        check_archive(current.path)
    except ModelDamaged as error:
        return _problem(f"{error} {mend}")
    if current.inputs != inputs_digest(PROJECT):
        return _problem(f"What the model {shown(current.path)} learned from has changed since. {mend}")
    return _ok(f"the model {shown(current.path)} is whole and up to date")


def _ports(settings: Settings) -> Iterator[Finding]:
    if port_in_use(settings.host, settings.port):
        try:
            answer = httpx.get(f"{address(settings)}/readyz", timeout=5, trust_env=False, verify=NO_TLS)
            ready: dict[str, str] = answer.json()
            down = [name for name, state in ready.items() if state != "ready"]
        except (httpx.HTTPError, ValueError, AttributeError):
            yield _problem(
                f"Port {settings.port} has another program. Set PORT to a free one, or stop that: "
                f"ss -ltnp 'sport = :{settings.port}'"
            )
            return
        if down:
            yield _problem(
                f"The assistant runs at {address(settings)}, but does not reach: {', '.join(down)}. See its log."
            )
        else:
            yield _ok(f"the assistant runs at {address(settings)}, and all of it answers")
        return
    yield _ok(f"port {settings.port} is free; the assistant does not run")
    for name in ("rasa_port", "actions_port"):
        port = getattr(settings, name)
        if port_in_use(LOOPBACK, port):
            if name in settings.model_fields_set:
                yield _problem(f"Port {port} has another program. Set {name.upper()} to a free one, or leave it unset.")
            else:
                yield _note(f"port {port} ({name.upper()}) has another program; the next start takes a free one")


def _clinic(settings: Settings) -> Iterator[Finding]:
    try:
        load_clinic(settings.clinic_profile)
        check_content(settings)
    except (SettingsError, CommandFailed) as error:
        yield _problem(str(error))
        return
    profile = yaml.safe_load(settings.clinic_profile.read_text(encoding="utf-8")) or {}
    empty = [key for key in IMPORTANT_FACTS if profile.get(key) in (None, "", [])]
    where = shown(settings.clinic_profile)
    yield _ok(f"the clinic's profile {where} and the answers can be used")
    if empty:
        yield _note(f"{where} leaves empty what many visitors ask for: {', '.join(empty)}")


def _disk(settings: Settings) -> Iterator[Finding]:
    for folder in {settings.data_dir, settings.model_dir}:
        existing = next(place for place in (folder, *folder.parents) if place.exists())
        free = shutil.disk_usage(existing).free / 1e9
        if free < _FREE_GIGABYTES:
            yield _problem(
                f"Only {free:.1f} GB are free for {shown(folder)}. Make room: {_FREE_GIGABYTES:.0f} GB at least."
            )
            return
    yield _ok(f"{shutil.disk_usage(settings.data_dir).free / 1e9:.0f} GB of disk are free")
