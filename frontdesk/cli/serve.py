"""`./ketalink serve`: checks everything, then runs Rasa, the action server and the front desk until told to stop."""

import errno
import fcntl
import json
import os
import select
import signal
import socket
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, TextIO

import httpx
import typer
import yaml
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
from frontdesk.processes import PROJECT, endpoints_file
from frontdesk.settings import Settings, load_settings

PROCESSES = ("rasa", "actions", "frontdesk")
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
) -> None:
    """Run the assistant on PORT. Trains first if needed; Ctrl-C stops all of it."""
    began = time.monotonic()
    os.umask(0o077)  # what is written from here on is patients' data, or secret
    settings = load_settings()
    run_dir = endpoints_file(settings).parent
    with _only_server(settings, run_dir) as lock:
        settings = _with_free_ports(settings)
        for name in SECRETS:
            settings.secret(name)
        load_clinic(settings.clinic_profile)
        configured(settings)
        require_rasa()
        with opened_database(settings) as database:
            Profile(settings, database).write(utc_now())
            hint = first_sign_in_hint(database)
        _ensure_model(settings, no_train)
        _write_endpoints(settings)
        _run(settings, hint, began, lock)


def address(settings: Settings) -> str:
    """Return where a browser on this machine finds the front desk."""
    everywhere = {"0.0.0.0": LOOPBACK, "::": "::1", "": LOOPBACK}  # noqa: S104
    host = everywhere.get(settings.host, settings.host)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


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


@contextmanager
def _only_server(settings: Settings, run_dir: Path) -> Iterator[TextIO]:
    """Hold this port's lock. supervisord holds it too, so a server that was killed holds it until all is stopped."""
    run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (run_dir / "lock").open("a+") as lock:
        patience = time.monotonic() + STOPPING_SECONDS
        while not _locked(lock):
            lock.seek(0)
            owner = lock.read().strip()
            if (owner.isdecimal() and Path(f"/proc/{owner}").exists()) or time.monotonic() > patience:
                raise CommandFailed(
                    f"./ketalink serve already runs on port {settings.port} (process {owner or 'unknown'}), at "
                    f"{address(settings)}. Stop it first, or choose another port with PORT, for example "
                    f"PORT={settings.port + 1} ./ketalink serve"
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


def _with_free_ports(settings: Settings) -> Settings:
    """Return the settings with ports that can be used; raise CommandFailed naming one that cannot."""
    problem = port_in_use(settings.host, settings.port)
    if problem:
        raise CommandFailed(
            f"Port {settings.port} on {settings.host} {problem}, so the front desk cannot listen there. "
            f"Choose another one with PORT, for example PORT={settings.port + 1} ./ketalink serve, or see who has it: "
            f"ss -ltnp 'sport = :{settings.port}'"
        )
    chosen: dict[str, int] = {}
    for name in ("rasa_port", "actions_port"):
        port: int = getattr(settings, name)
        taken = {settings.port, *chosen.values()}
        problem = "is another port of the assistant" if port in taken else port_in_use(LOOPBACK, port)
        if problem and name in settings.model_fields_set:
            raise CommandFailed(f"Port {port} {problem}. Choose another one with {name.upper()}, or leave it unset.")
        chosen[name] = _free_port(taken) if problem else port
    return settings.model_copy(update=chosen)


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


def _write_endpoints(settings: Settings) -> None:
    """Leave Rasa's endpoints with the action server's address of this start. The secret stays in the environment."""
    endpoints = yaml.safe_load((PROJECT / "endpoints.yml").read_text(encoding="utf-8"))
    action_server = endpoints["action_endpoint"]
    action_server["url"] = f"{settings.actions_url}/webhook"
    action_server["headers"] = {"Authorization": "Bearer ${RASA_SECRET}"}
    endpoints_file(settings).write_text(yaml.safe_dump(endpoints), encoding="utf-8")


def _run(settings: Settings, hint: str | None, began: float, lock: TextIO) -> None:
    """Run everything until a signal; raise CommandFailed when it cannot be run."""
    stop = Stop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # `nohup` has hang-ups ignored, and means it.
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: stop.set())
    out.print(f"Starting the assistant at {address(settings)}/ (about 20 seconds) …")
    supervisor = Supervisor(endpoints_file(settings).parent, PROCESSES)
    try:
        ports = {"RASA_PORT": str(settings.rasa_port), "ACTIONS_PORT": str(settings.actions_port)}
        supervisor.start(ports, keep_open=[lock.fileno()])
        if _wait_until_ready(supervisor, settings, stop):
            _announce(settings, hint, time.monotonic() - began)
            _watch(supervisor, stop)
    finally:
        _say("Stopping …")
        supervisor.stop()
    _say("Stopped.")


def _wait_until_ready(supervisor: Supervisor, settings: Settings, stop: Stop) -> bool:
    """Wait until all of it answers; return False when told to stop, raise CommandFailed when a process cannot start."""
    starts: defaultdict[str, set[int]] = defaultdict(set)
    down: list[str] = list(PROCESSES)
    remind = time.monotonic() + STILL_STARTING_SECONDS
    while not stop.wait(0.3):
        _check_alive(supervisor)
        for process in supervisor.states():
            starts[process.name] |= {process.pid} - {0}
            if process.given_up or len(starts[process.name]) >= STARTS_BEFORE_FAILURE:
                raise CommandFailed(
                    f"{process.name} cannot be started. Its lines above say why. Everything was stopped."
                )
        down = _not_ready(settings, down)
        if not down:
            return True
        if time.monotonic() > remind:
            remind += STILL_STARTING_SECONDS
            _say(f"Still waiting for: {', '.join(down)}.")
    return False


def _not_ready(settings: Settings, before: list[str]) -> list[str]:
    """Return what does not answer yet, as far as the front desk can say."""
    try:
        checks = httpx.get(f"{address(settings)}/readyz", timeout=5, trust_env=False, verify=NO_TLS).json()
    except (httpx.HTTPError, json.JSONDecodeError):
        return before
    return [name for name, state in checks.items() if state != "ready"]


def _watch(supervisor: Supervisor, stop: Stop) -> None:
    """Keep everything running until told to stop. Visitors are helped even while a process cannot be started."""
    while not stop.wait(2):
        _check_alive(supervisor)
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


def _announce(settings: Settings, hint: str | None, seconds: float) -> None:
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
