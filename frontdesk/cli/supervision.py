"""Running the assistant's processes under supervisord: its configuration, its log as one stream, its end."""

import contextlib
import getpass
import os
import secrets
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from frontdesk.processes import PROJECT, supervised, tied

STOP_WITHIN_SECONDS = 10
# A process that ends sooner than this has not started; after four such attempts supervisord gives it up.
STARTED_AFTER_SECONDS = 2

_CONFIGURATION = """\
; Written by ./ketalink serve at each start.
[supervisord]
nodaemon = true
identifier = ketalink
logfile = /dev/null
logfile_maxbytes = 0
loglevel = warn
pidfile = {run_dir}/supervisord.pid
childlogdir = {run_dir}
nocleanup = true
strip_ansi = true
umask = 077
{user}
[unix_http_server]
file = {socket}
chmod = 0700
username = ketalink
password = {password}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

; One group: all of it is stopped at once.
[group:{group}]
programs = {names}
"""
_PROGRAM = """
[program:{name}]
command = {command}
directory = {project}
autorestart = true
startsecs = {startsecs}
stopwaitsecs = {stopwaitsecs}
stopasgroup = true
killasgroup = true
redirect_stderr = true
stdout_logfile = /dev/fd/{log}
stdout_logfile_maxbytes = 0
"""
_GROUP = "assistant"


@dataclass(frozen=True)
class ProcessState:
    """What supervisord says of a process; `pid` is 0 while it does not run."""

    name: str
    state: str
    pid: int

    @property
    def given_up(self) -> bool:
        """Whether supervisord tries no longer."""
        return self.state == "FATAL"


class Supervisor:
    """supervisord with the given processes, all of which end with this one."""

    def __init__(self, run_dir: Path, names: Iterable[str]) -> None:
        self.names = tuple(names)
        self._run_dir = run_dir
        # A socket's address may not be long, and DATA_DIR may.
        self._socket_dir = tempfile.TemporaryDirectory(prefix="ketalink-")
        self._socket = Path(self._socket_dir.name) / "supervisor.sock"
        self._password = secrets.token_urlsafe(16)
        self._daemon: subprocess.Popen[bytes] | None = None
        self._log_threads: list[threading.Thread] = []

    def start(self, environment: dict[str, str], keep_open: Iterable[int] = ()) -> None:
        """Start everything. `environment` is added to this one's; `keep_open` are files supervisord holds too."""
        logs: dict[str, BinaryIO] = {}
        writers: dict[str, int] = {}
        for name in self.names:
            reader, writers[name] = os.pipe()
            logs[name] = open(reader, "rb")  # noqa: SIM115 # closed by the thread that reads it
        configuration = self._run_dir / "supervisord.conf"
        configuration.write_text(self._configuration(writers), encoding="utf-8")
        self._daemon = subprocess.Popen(  # noqa: S603
            tied([sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration)]),
            cwd=PROJECT,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[*writers.values(), *keep_open],
            # Ctrl-C is for this process, which then stops the others in good order.
            start_new_session=True,
        )
        for writer in writers.values():
            os.close(writer)
        assert self._daemon.stdout is not None  # noqa: S101
        logs["supervisor"] = self._daemon.stdout  # type: ignore[assignment]
        width = max(map(len, logs))
        for name, log in logs.items():
            thread = threading.Thread(target=_pass_on, args=(log, f"{name:<{width}} | ".encode()), daemon=True)
            thread.start()
            self._log_threads.append(thread)

    def exit_code(self) -> int | None:
        """Return supervisord's exit code, or None while it runs."""
        return self._daemon.poll() if self._daemon else None

    def states(self) -> list[ProcessState]:
        """Return the state of each process; nothing while supervisord cannot say."""
        try:
            said = self._rpc().supervisor.getAllProcessInfo()
        except (OSError, Fault):
            return []
        assert isinstance(said, list)  # noqa: S101
        return [ProcessState(str(one["name"]), str(one["statename"]), int(one["pid"])) for one in said]

    def try_again(self, name: str) -> None:
        """Start a process that was given up."""
        with contextlib.suppress(OSError, Fault):
            self._rpc().supervisor.startProcess(f"{_GROUP}:{name}", False)

    def stop(self) -> None:
        """Stop everything: politely, and after a while by force."""
        if self._daemon is not None and self._daemon.poll() is None:
            self._daemon.terminate()
            try:
                self._daemon.wait(STOP_WITHIN_SECONDS + 5)
            except subprocess.TimeoutExpired:
                os.killpg(self._daemon.pid, signal.SIGKILL)
                self._daemon.wait()
        for thread in self._log_threads:
            thread.join(timeout=2)
        self._socket_dir.cleanup()

    def _rpc(self) -> ServerProxy:
        transport = SupervisorTransport("ketalink", self._password, f"unix://{self._socket}")  # type: ignore[no-untyped-call]
        return ServerProxy("http://127.0.0.1", transport=transport)

    def _configuration(self, logs: dict[str, int]) -> str:
        head = _CONFIGURATION.format(
            run_dir=_escaped(str(self._run_dir)),
            socket=_escaped(str(self._socket)),
            password=self._password,
            group=_GROUP,
            names=",".join(self.names),
            # Otherwise supervisord warns of running as root; being another user is for whoever starts it.
            user=f"user = {getpass.getuser()}\n" if os.getuid() == 0 else "",
        )
        return head + "".join(
            _PROGRAM.format(
                name=name,
                command=_escaped(shlex.join(supervised(name))),
                project=_escaped(str(PROJECT)),
                startsecs=STARTED_AFTER_SECONDS,
                stopwaitsecs=STOP_WITHIN_SECONDS,
                log=logs[name],
            )
            for name in self.names
        )


def _escaped(text: str) -> str:
    """Return a value as supervisord reads it, for whom % begins a variable and ` ;` a comment."""
    return text.replace("%", "%%")


def _pass_on(log: BinaryIO, prefix: bytes) -> None:
    """Copy lines to standard error, each with the name of its process, until the log ends."""
    with log:
        for line in log:
            # Nobody may be reading any more; the process must be able to write all the same.
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.buffer.write(prefix + line.rstrip(b"\r\n") + b"\n")
                sys.stderr.buffer.flush()
