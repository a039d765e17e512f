"""The clinic's facts as they hold now: its profile (CLINIC_PROFILE) with what staff changed in the console.

The result is a file, `clinic-now.yml` in DATA_DIR, which Rasa reads anew whenever it changes: nothing is trained or
started again. It is written when a fact is changed, when a day begins on which one no longer holds, and when somebody
edits the profile itself.
"""

import asyncio
import json
import os
import re
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
import structlog
import yaml
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from frontdesk.audit.log import Action, record
from frontdesk.clinic import Clinic, load_clinic
from frontdesk.content.claims import forbidden_claims
from frontdesk.content.models import FactChange
from frontdesk.db import Database, utc_now
from frontdesk.fields.phone import find_phones
from frontdesk.processes import PROJECT, RASA_PYTHON, rasa_environment
from frontdesk.review.turns import catch_up
from frontdesk.settings import Settings, SettingsError

log = structlog.get_logger(__name__)

LONGEST_FACT = 300
LOOK_EVERY_SECONDS = 2.0
CHECK_SECONDS = 60
PHONES = frozenset({"phone", "after_hours_phone"})
_KEY = re.compile(r"[a-z][a-z0-9_]{0,63}")
_HEAD = "# Written by the assistant from the clinic's profile and what staff changed in the console. Do not edit.\n"


class FactRefused(Exception):
    """A fact may not be said so; the message says why, in words for staff."""


class ChangedMeanwhile(Exception):
    """Somebody else changed the fact after the page with its old value was opened."""


@dataclass(frozen=True)
class Fact:
    """A fact: its value in the profile and the latest change to it; `value` is what is said today, None for nothing."""

    key: str
    value: Any
    in_profile: Any
    change: FactChange | None

    @property
    def is_out_of_date(self) -> bool:
        """Whether there is a value that no longer holds."""
        return self.value is None and self.change is not None and self.change.value is not None

    @property
    def written(self) -> Any:
        """The value as it was written last, whether or not it still holds."""
        if self.change is None:
            return self.in_profile
        return json.loads(self.change.value) if self.change.value is not None else None


class Profile:
    """Reads and changes the clinic's facts, and keeps the file that Rasa reads."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._zone = ZoneInfo(settings.clinic_timezone)
        self._callbacks: list[Callable[[Clinic], None]] = []
        self._lock = threading.Lock()
        self._written: str | None = None

    def on_change(self, callback: Callable[[Clinic], None]) -> None:
        """Call `callback` with the clinic whenever its facts change."""
        self._callbacks.append(callback)

    def facts(self, session: Session, now: datetime) -> list[Fact]:
        """Return every fact the profile can hold, in its order; raise SettingsError when it cannot be read."""
        base = self._base()
        latest: dict[str, FactChange] = {}
        for change in session.scalars(sa.select(FactChange).order_by(FactChange.changed_at, FactChange.id)):
            latest[change.key] = change
        today = now.astimezone(self._zone).date()
        return [
            Fact(key, _holding(base.get(key), latest.get(key), today), _known(base.get(key)), latest.get(key))
            for key in dict.fromkeys([*base, *latest])
        ]

    def history(self, session: Session, key: str) -> Sequence[FactChange]:
        """Return the changes of a fact, the latest first."""
        newest = (FactChange.changed_at.desc(), FactChange.id.desc())
        return session.scalars(sa.select(FactChange).where(FactChange.key == key).order_by(*newest)).all()

    def change(
        self, key: str, value: str | list[str] | None, until: date | None, by: str, now: datetime, seen: str
    ) -> None:
        """Change a fact for everybody at once; None empties it. `seen` is the id of the change the editor knew of.

        Raises FactRefused, ChangedMeanwhile, or KeyError for a fact that answers know nothing of.
        """
        today = now.astimezone(self._zone).date()
        with self._database.session() as session:
            facts = {fact.key: fact for fact in self.facts(session, now)}
            last = facts[key].change
            if (last.id if last else "") != seen:
                raise ChangedMeanwhile(key)
            self._require_sayable(key, value, until, today, {fact.key: fact.value for fact in facts.values()})
            session.add(
                FactChange(
                    key=key,
                    value=None if value is None else json.dumps(value),
                    holds_until=until if value is not None else None,
                    changed_by=by,
                    changed_at=now,
                )
            )
            record(session, now, by, Action.FACT_CHANGED, fact=key)
        self.write(now)

    def write(self, now: datetime) -> bool:
        """Bring the file up to date and tell whoever has to know; return whether anything changed."""
        with self._lock:
            with self._database.session() as session:
                values = {fact.key: fact.value for fact in self.facts(session, now)}
            content = _HEAD + yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
            if content == self._written and self._settings.profile_in_use.exists():
                return False
            _write_whole(self._settings.profile_in_use, content)
            self._written = content
            clinic = load_clinic(self._settings.profile_in_use)
        for callback in self._callbacks:
            callback(clinic)
        return True

    def _base(self) -> dict[str, Any]:
        path = self._settings.clinic_profile
        # What answers can say is in the profile as it is delivered; a clinic's own may be shorter.
        delivered = _read(PROJECT / "data" / "clinic.yml")
        return dict.fromkeys(delivered) | _read(path)

    def _require_sayable(
        self, key: str, value: str | list[str] | None, until: date | None, today: date, others: dict[str, Any]
    ) -> None:
        if value is None:
            return
        texts = value if isinstance(value, list) else [value]
        if sum(map(len, texts)) > LONGEST_FACT:
            raise FactRefused(f"It is too long: {LONGEST_FACT} characters are the most. It stands within a sentence.")
        if until is not None and until < today:
            raise FactRefused("The day until which it holds is over. Leave the day empty, or write a later one.")
        if claims := [claim for text in texts for claim in forbidden_claims(text)]:
            raise FactRefused(f"Nobody may claim this: “{claims[0]}”")
        if key in PHONES and not any(True for text in texts for _ in find_phones(text)):
            raise FactRefused("This is no phone number that patients can dial.")
        if problem := self._problem(others | {key: value}):
            raise FactRefused(problem)

    def _problem(self, values: dict[str, Any]) -> str | None:
        """Return what Rasa's side finds wrong with a profile: the rules are its own, and asked of it."""
        if not RASA_PYTHON.exists():
            raise FactRefused("It cannot be checked here: Rasa's environment is not on this machine.")
        with tempfile.NamedTemporaryFile("w", suffix=".yml", encoding="utf-8") as candidate:
            yaml.safe_dump(values, candidate, sort_keys=False, allow_unicode=True)
            candidate.flush()
            done = subprocess.run(  # noqa: S603
                [RASA_PYTHON, "-m", "bot.check"],
                cwd=PROJECT,
                env=rasa_environment(self._settings) | {"CLINIC_PROFILE": candidate.name},
                capture_output=True,
                text=True,
                errors="replace",
                timeout=CHECK_SECONDS,
                check=False,
            )
            return (done.stderr or done.stdout).strip().replace(f"{candidate.name}: ", "") if done.returncode else None


class ProfileKeeper:
    """Looks every two seconds whether the facts have changed: by another process, by midnight, by hand."""

    def __init__(self, profile: Profile, database: Database) -> None:
        self._profile = profile
        self._database = database
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        with suppress(SQLAlchemyError):
            await run_in_threadpool(catch_up, self._database)
        while True:
            try:
                await run_in_threadpool(self._profile.write, utc_now())
            except (SettingsError, SQLAlchemyError, OSError) as error:
                # What was said so far goes on being said.
                log.warning("clinic_facts_not_read", error=type(error).__name__)
            await asyncio.sleep(LOOK_EVERY_SECONDS)


def is_key(text: str) -> bool:
    """Tell whether a text can be the name of a fact."""
    return _KEY.fullmatch(text) is not None


def in_words(value: Any) -> str:
    """Return a value as it stands in a sentence, as `bot.clinic` does: a list is "a, b and c"."""
    if isinstance(value, list):
        parts = [str(part) for part in value]
        return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(str(value).split())


def _known(value: Any) -> Any:
    return None if value in (None, "", []) else value


def _holding(in_profile: Any, change: FactChange | None, today: date) -> Any:
    if change is None:
        return _known(in_profile)
    if change.value is None or (change.holds_until is not None and change.holds_until < today):
        return None  # not what the profile says instead: that is older still
    return json.loads(change.value)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"CLINIC_PROFILE {path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise SettingsError(f"CLINIC_PROFILE {path} cannot be read: it is not a list of `key: value` lines")
    return {str(key): value for key, value in content.items()}


def _write_whole(path: Path, content: str) -> None:
    """Write a file in one step: whoever reads it meanwhile has the old one or the new one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A name of its own: another front desk on this machine may be writing the same.
    descriptor, fresh = tempfile.mkstemp(prefix=f"{path.stem}-", suffix=".new", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
        os.replace(fresh, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(fresh)
        raise
