"""`./ketalink serve`: checks everything, then runs Rasa, the action server and the front desk until told to stop.

With `--only` it runs one of them alone, as one of several replicas on one machine or many.
"""

import errno
import fcntl
import json
import os
import select
import signal
import socket
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TextIO
from urllib.parse import urlsplit

import httpx
import sqlalchemy as sa
import typer
from sqlalchemy.exc import SQLAlchemyError

from frontdesk.cli.console import CommandFailed, opened_database, out
from frontdesk.cli.supervision import Supervisor
from frontdesk.cli.train import check_content, require_rasa, shown, train_model, usable_model
from frontdesk.clinic import load_clinic
from frontdesk.console import links
from frontdesk.console.accounts import first_sign_in_hint
from frontdesk.content.profile import Profile
from frontdesk.db import DatabaseUnavailable, open_database, utc_now
from frontdesk.loopback import NO_TLS
from frontdesk.model_folder import ModelFolder, inputs_digest
from frontdesk.outbox.configured import configured
from frontdesk.processes import PROJECT
from frontdesk.settings import Settings, SettingsError, is_loopback, load_settings, reached_here


class Part(StrEnum):
    """One of the processes the assistant is made of."""

    RASA = "rasa"
    ACTIONS = "actions"
    FRONTDESK = "frontdesk"


PROCESSES = tuple(Part)
# What each listens on: the settings of its address and port, and where it says that it is ready.
_HOST = {Part.RASA: "rasa_host", Part.ACTIONS: "actions_host", Part.FRONTDESK: "host"}
_PORT = {Part.RASA: "rasa_port", Part.ACTIONS: "actions_port", Part.FRONTDESK: "port"}
_READY = {Part.RASA: "/webhooks/frontdesk/", Part.ACTIONS: "/health", Part.FRONTDESK: "/readyz"}
SECRETS = ("rasa", "session", "lookup")
LOOPBACK = "127.0.0.1"
# A process that had to be started this often before anything worked will not work.
STARTS_BEFORE_FAILURE = 3
STILL_STARTING_SECONDS = 45
STOPPING_SECONDS = 20


class Stop:
    """Whether somebody wants it all to end.

    A signal's handler runs between two steps of the same thread, and so may not touch what that thread may hold a lock
    of, as `threading.Event` has one.
    """

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)

    def set(self) -> None:
        """Say so; a handler may."""
        with suppress(BlockingIOError):
            os.write(self._writer, b"!")

    def wait(self, seconds: float) -> bool:
        """Wait until it is said, and no longer than `seconds`; return whether it was."""
        return bool(select.select([self._reader], [], [], seconds)[0])


def serve(
    no_train: Annotated[
        bool, typer.Option("--no-train", help="Take the model as it is, even if what it learned from has changed.")
    ] = False,
    only: Annotated[
        Part | None,
        typer.Option("--only", help="Run this part alone, as one of several: docs/operations.md, Past one machine."),
    ] = None,
) -> None:
    """Run the assistant on PORT. Trains first if needed; Ctrl-C stops all of it."""
    began = time.monotonic()
    os.umask(0o077)  # what is written from here on is patients' data, or secret
    settings = load_settings()
    parts = (only,) if only else PROCESSES
    run_dir = _run_folder(settings, parts)
    with _only_server(settings, run_dir, parts) as lock:
        settings = _with_free_ports(settings, parts)
        _require_shared(settings, parts)
        for name in SECRETS:
            settings.secret(name)
        load_clinic(settings.clinic_profile)
        if Part.FRONTDESK in parts:
            configured(settings)
        if Part.RASA in parts:
            require_rasa()
        with opened_database(settings) as database:
            Profile(settings, database).write(utc_now())
            hint = first_sign_in_hint(database)
        if Part.RASA in parts:
            _ensure_model(settings, no_train)
        _run(settings, parts, hint, began, lock, run_dir)


def address(settings: Settings, part: Part = Part.FRONTDESK) -> str:
    """Return where a part is found on this machine; a browser finds the front desk there."""
    return f"http://{reached_here(getattr(settings, _HOST[part]))}:{getattr(settings, _PORT[part])}"


def port_in_use(host: str, port: int) -> str | None:
    """Return why nothing can listen on this port, or None when it is free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: a port that was left a moment ago is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return (
                "is in use by another program"
                if error.errno == errno.EADDRINUSE
                else f"cannot be used: {error.strerror}"
            )
    return None


def _run_folder(settings: Settings, parts: tuple[Part, ...]) -> Path:
    """Return where the files of this start are: those of a part alone beside those of the others."""
    own = f"{parts[0]}-{getattr(settings, _PORT[parts[0]])}-alone" if len(parts) == 1 else str(settings.port)
    return settings.data_dir / "run" / own


@contextmanager
def _only_server(settings: Settings, run_dir: Path, parts: tuple[Part, ...]) -> Iterator[TextIO]:
    """Hold this port's lock. supervisord holds it too, so a server that was killed holds it until all is stopped."""
    run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (run_dir / "lock").open("a+") as lock:
        patience = time.monotonic() + STOPPING_SECONDS
        while not _locked(lock):
            lock.seek(0)
            owner = lock.read().strip()
            if (owner.isdecimal() and Path(f"/proc/{owner}").exists()) or time.monotonic() > patience:
                part = parts[0] if len(parts) == 1 else Part.FRONTDESK
                port, only = getattr(settings, _PORT[part]), f" --only {part}" if len(parts) == 1 else ""
                name = _PORT[part].upper()
                raise CommandFailed(
                    f"./ketalink serve{only} already runs on port {port} (process {owner or 'unknown'}), at "
                    f"{address(settings, part)}. Stop it first, or choose another port with {name}, for example "
                    f"{name}={port + 1} ./ketalink serve{only}"
                )
            time.sleep(0.2)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield lock


def _locked(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _with_free_ports(settings: Settings, parts: tuple[Part, ...]) -> Settings:
    """Return the settings with ports that can be used; raise CommandFailed naming one that cannot."""
    problem = port_in_use(settings.host, settings.port) if Part.FRONTDESK in parts else None
    if problem:
        raise CommandFailed(
            f"Port {settings.port} on {settings.host} {problem}, so the front desk cannot listen there. "
            f"Choose another one with PORT, for example PORT={settings.port + 1} ./ketalink serve, or see who has it: "
            f"ss -ltnp 'sport = :{settings.port}'"
        )
    chosen: dict[str, int] = {}
    for part in (Part.RASA, Part.ACTIONS):
        if part not in parts:
            continue
        name, host = _PORT[part], getattr(settings, _HOST[part])
        port: int = getattr(settings, name)
        taken = {*([settings.port] if Part.FRONTDESK in parts else []), *chosen.values()}
        problem = "is another port of the assistant" if port in taken else port_in_use(host, port)
        # Whoever stands before several of them would look for it in vain at another one.
        is_fixed = name in settings.model_fields_set or len(parts) == 1 or getattr(settings, f"{part}_url")
        if problem and is_fixed:
            raise CommandFailed(f"Port {port} {problem}. Choose another one with {name.upper()}, or leave it unset.")
        chosen[name] = _free_port(taken) if problem else port
    return settings.model_copy(update=chosen)


def _require_shared(settings: Settings, parts: tuple[Part, ...]) -> None:
    """Raise SettingsError naming what parts on several machines have to have from the settings, and have not."""
    inside = [settings.rasa_host, settings.actions_host]
    inside += [urlsplit(url).hostname or "" for url in (settings.rasa_url, settings.actions_url) if url]
    if all(map(is_loopback, inside)):
        return
    made_here = not settings.secrets_file.exists()
    missing = [
        name
        for name, lacks in {
            "RASA_SECRET": made_here and settings.rasa_secret is None,
            "SESSION_SECRET": made_here and settings.session_secret is None,
            "LOOKUP_SECRET": made_here and settings.lookup_secret is None,
            "ENCRYPTION_KEYS": settings.encryption_keys is None and not settings.encryption_keys_file.exists(),
            "DATABASE_URL": _is_file(settings.database),
            "TRACKER_DATABASE_URL": _is_file(settings.tracker_database),
        }.items()
        if lacks
    ]
    if missing:
        raise SettingsError(
            f"RASA_HOST, ACTIONS_HOST, RASA_URL or ACTIONS_URL names another machine, and what all of them have to "
            f"share is not set: {', '.join(missing)}. See docs/operations.md, Past one machine."
        )


def _is_file(url: str) -> bool:
    return sa.make_url(url).get_backend_name() == "sqlite"


def _free_port(taken: set[int]) -> int:
    while True:
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            port: int = probe.getsockname()[1]
        if port not in taken:
            return port


def _ensure_model(settings: Settings, no_train: bool) -> None:
    folder = ModelFolder(settings.model_dir)
    model = usable_model(folder)
    inputs = inputs_digest(PROJECT)
    changed = model is None or model.inputs != inputs
    if changed and model is not None and folder.is_refused(inputs):
        out.print("What the model would learn from now was refused by ./ketalink train --gate; the old model is used.")
        no_train = True
    if changed and not no_train:
        train_model(settings)
        return
    if model is None:
        raise CommandFailed(f"There is no model to use in {shown(settings.model_dir)}. Run ./ketalink train.")
    if changed:
        out.print("What the model learned from has changed since; ./ketalink train makes a new one.")
    check_content(settings)


def _run(
    settings: Settings, parts: tuple[Part, ...], hint: str | None, began: float, lock: TextIO, run_dir: Path
) -> None:
    """Run everything until a signal; raise CommandFailed when it cannot be run."""
    stop = Stop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # `nohup` has hang-ups ignored, and means it.
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: stop.set())
    if Part.FRONTDESK in parts:
        out.print(f"Starting the assistant at {address(settings)}/ (about 20 seconds) …")
    supervisor = Supervisor(run_dir, [part.value for part in parts])
    try:
        ports = {"RASA_PORT": str(settings.rasa_port), "ACTIONS_PORT": str(settings.actions_port)}
        supervisor.start(ports, keep_open=[lock.fileno()])
        if _wait_until_ready(supervisor, settings, parts, stop):
            _announce(settings, parts, hint, time.monotonic() - began)
            with _facts_kept(settings, parts) as keep_facts:
                _watch(supervisor, stop, keep_facts)
    finally:
        _say("Stopping …")
        supervisor.stop()
    _say("Stopped.")


def _wait_until_ready(supervisor: Supervisor, settings: Settings, parts: tuple[Part, ...], stop: Stop) -> bool:
    """Wait until all of it answers; return False when told to stop, raise CommandFailed when a process cannot start."""
    starts: defaultdict[str, set[int]] = defaultdict(set)
    down: list[str] = list(parts)
    remind = time.monotonic() + STILL_STARTING_SECONDS
    while not stop.wait(0.3):
        _check_alive(supervisor)
        for process in supervisor.states():
            starts[process.name] |= {process.pid} - {0}
            if process.given_up or len(starts[process.name]) >= STARTS_BEFORE_FAILURE:
                raise CommandFailed(
                    f"{process.name} cannot be started. Its lines above say why. Everything was stopped."
                )
        down = _not_ready(settings, parts, down)
        if not down:
            return True
        if time.monotonic() > remind:
            remind += STILL_STARTING_SECONDS
            _say(f"Still waiting for: {', '.join(down)}.")
    return False


def _not_ready(settings: Settings, parts: tuple[Part, ...], before: list[str]) -> list[str]:
    """Return what does not answer yet, as far as the front desk can say, or a part that is alone."""
    asked = Part.FRONTDESK if Part.FRONTDESK in parts else parts[0]
    try:
        answer = httpx.get(f"{address(settings, asked)}{_READY[asked]}", timeout=5, trust_env=False, verify=NO_TLS)
        if asked is not Part.FRONTDESK:
            return [] if answer.is_success else before
        checks = answer.json()
    except (httpx.HTTPError, json.JSONDecodeError):
        return before
    # Alone, the front desk waits for its database and for nobody else: visitors are helped without Rasa.
    return [name for name, state in checks.items() if state != "ready" and (len(parts) > 1 or name == "database")]


@contextmanager
def _facts_kept(settings: Settings, parts: tuple[Part, ...]) -> Iterator[Callable[[], None]]:
    """Give what keeps the clinic's facts up to date for a Rasa that has no front desk beside it."""
    if Part.RASA not in parts or Part.FRONTDESK in parts:
        yield lambda: None
        return
    database = open_database(settings)
    profile = Profile(settings, database)

    def keep() -> None:
        # What was said so far goes on being said.
        with suppress(SettingsError, SQLAlchemyError, OSError):
            profile.write(utc_now())

    try:
        yield keep
    finally:
        database.close()


def _watch(supervisor: Supervisor, stop: Stop, keep_facts: Callable[[], None]) -> None:
    """Keep everything running until told to stop. Visitors are helped even while a process cannot be started."""
    while not stop.wait(2):
        _check_alive(supervisor)
        keep_facts()
        for process in supervisor.states():
            if process.given_up:
                _say(f"{process.name} ended again and again; trying once more.")
                supervisor.try_again(process.name)
                stop.wait(10)


def _check_alive(supervisor: Supervisor) -> None:
    code = supervisor.exit_code()
    if code is not None:
        raise CommandFailed(f"supervisord ended by itself (exit code {code}); everything was stopped.")


def _local_link(settings: Settings) -> str | None:
    """Return a link that signs this machine's own user in once; None where others can reach the console."""
    if not settings.is_local:
        return None
    try:
        database = open_database(settings)
        try:
            with database.session() as session:
                token = links.make(session, utc_now())
        finally:
            database.close()
    except (DatabaseUnavailable, SQLAlchemyError):
        return None
    return f"{address(settings)}/staff/sign-in/link?token={token}"


def _announce(settings: Settings, parts: tuple[Part, ...], hint: str | None, seconds: float) -> None:
    if Part.FRONTDESK not in parts:
        _say(f"Ready after {seconds:.0f} s: {parts[0]} at {address(settings, parts[0])}. Ctrl-C stops it.")
        return
    lines = [f"Ready after {seconds:.0f} s.", f"  Page for visitors  {address(settings)}/"]
    lines.append(f"  Staff console      {address(settings)}/staff")
    link = _local_link(settings)
    lines += [f"  As local admin     {link} (once, within an hour)"] if link else []
    lines += [f"  {hint}"] if hint else []
    lines.append("  Ctrl-C stops everything.")
    _say("\n".join(["", *lines, ""]))


def _say(text: str) -> None:
    # The terminal may be gone; what runs has to be looked after all the same.
    with suppress(OSError):
        out.print(text, markup=False)
