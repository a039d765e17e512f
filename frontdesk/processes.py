"""The processes the assistant is made of, and how each is started: `python -m frontdesk.processes NAME`.

Whatever starts this way ends when its parent does, so that nothing is left behind when `./ketalink serve` is
killed. Kept free of heavy imports: it becomes the process it starts.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from frontdesk.settings import Settings

PROJECT = Path(__file__).resolve().parent.parent
RASA_PYTHON = PROJECT / ".venv" / "rasa" / "bin" / "python"

_PR_SET_PDEATHSIG = 1
# Rasa may have these of the caller's environment, if they are there: a program's own, and nothing of ours.
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")


def tied(command: Sequence[str]) -> list[str]:
    """Return the command line that runs `command` and ends it with its parent."""
    return [sys.executable, "-m", "frontdesk.processes", "run", *command]


def supervised(name: str) -> list[str]:
    """Return the command line of one of the assistant's processes: `rasa`, `actions` or `frontdesk`."""
    return [sys.executable, "-m", "frontdesk.processes", name]


def rasa_environment(settings: "Settings") -> dict[str, str]:
    """Return an environment for Rasa's libraries, without anything of the caller's that Rasa need not know."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    if settings.encoder_path is not None:
        kept["ENCODER_PATH"] = str(settings.encoder_path)
    return kept | {
        "CLINIC_PROFILE": str(settings.clinic_profile),
        "RASA_TELEMETRY_ENABLED": "false",
        # A second thread makes a small model slower, and there are other processes.
        "OMP_NUM_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONWARNINGS": "ignore",
        "SQLALCHEMY_SILENCE_UBER_WARNING": "1",
        # One of Rasa's libraries asks git for its version, and would be told of this repository.
        "GIT_CEILING_DIRECTORIES": str(RASA_PYTHON.parents[1]),
        # What is logged is read by whoever finds it; no colors.
        "NO_COLOR": "1",
    }


def endpoints_file(settings: "Settings") -> Path:
    """Return where Rasa's endpoints are left when it is started."""
    return settings.data_dir / "run" / f"rasa-{settings.rasa_port}" / "endpoints.yml"


def main(arguments: Sequence[str]) -> NoReturn:
    """Become one of the processes."""
    name, *rest = arguments
    _end_with_parent()
    if name == "run":
        _become(rest, os.environ)
    elif name == "rasa":
        _become(*_rasa())
    _become([sys.executable, "-m", name], os.environ)


def _rasa() -> tuple[list[str], dict[str, str]]:
    from frontdesk.model_folder import ModelFolder
    from frontdesk.settings import load_settings

    settings = load_settings()
    _write_endpoints(settings)
    model = ModelFolder(settings.model_dir).current()
    if model is None:
        sys.exit("There is no trained model. Run ./ketalink train.")
    environment = rasa_environment(settings) | {
        "RASA_SECRET": settings.secret("rasa"),
        "CLINIC_PROFILE": str(settings.profile_in_use),
        "TRACKER_DATABASE_URL": settings.tracker_database,
        "ENCRYPTION_KEYS_FILE": str(settings.encryption_keys_file),
    }
    if settings.encryption_keys is not None:
        environment["ENCRYPTION_KEYS"] = settings.encryption_keys.get_secret_value()
    if settings.redis_url is not None:
        environment["REDIS_URL"] = settings.redis_url.get_secret_value()
    command = [str(RASA_PYTHON), "-m", "bot.serve", "--model", str(model.path)]
    command += ["--host", settings.rasa_host, "--port", str(settings.rasa_port)]
    command += ["--endpoints", str(endpoints_file(settings)), "--credentials", str(PROJECT / "credentials.yml")]
    return command, environment


def _write_endpoints(settings: "Settings") -> None:
    """Leave Rasa's endpoints as the settings have them. Secrets stay in the environment."""
    import yaml

    endpoints = yaml.safe_load((PROJECT / "endpoints.yml").read_text(encoding="utf-8"))
    action_server = endpoints["action_endpoint"]
    action_server["url"] = f"{settings.actions_address}/webhook"
    action_server["headers"] = {"Authorization": "Bearer ${RASA_SECRET}"}
    if settings.redis_url is not None:
        # Several Rasa servers: a conversation's messages are handled one at a time by all of them together.
        endpoints["lock_store"] = {
            "type": "bot.lock_store.ConversationLockStore",
            "url": "${REDIS_URL}",
            "key_prefix": settings.redis_prefix,
        }
    path = endpoints_file(settings)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(yaml.safe_dump(endpoints), encoding="utf-8")
    os.replace(fresh, path)


def _become(command: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    os.execvpe(command[0], list(command), dict(environment))  # noqa: S606 # no shell is wanted


def _end_with_parent() -> None:
    parent = os.getppid()
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    except AttributeError:
        return  # not Linux: a process that outlives its parent has to be ended by hand
    if os.getppid() != parent:
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
