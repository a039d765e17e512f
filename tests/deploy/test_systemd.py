"""deploy/systemd: systemd takes the units, and what they name exists."""

import re
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

from frontdesk.cli import app as command_line
from frontdesk.settings import PROJECT
from tests.deploy.files import DEPLOY, OF_OTHERS, SETTINGS

FOLDER = DEPLOY / "systemd"
UNITS = sorted(FOLDER.glob("ketalink*"))
SERVICES = [path for path in UNITS if path.suffix == ".service"]
# Where docs/operations.md has the project installed.
INSTALLED = "/opt/ketalink"
HARDENED = {
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectControlGroups": "yes",
    "RestrictNamespaces": "yes",
    "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes",
    "CapabilityBoundingSet": "",
    "UMask": "0077",
    "User": "ketalink",
}
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")


class Unit(ConfigParser):
    """A unit's file; of a key that stands there twice, the last one counts here."""

    def __init__(self, path: Path) -> None:
        super().__init__(interpolation=None, strict=False, delimiters=("=",), comment_prefixes=("#",))
        self.read(path, encoding="utf-8")

    def optionxform(self, optionstr: str) -> str:
        return optionstr


@needs_systemd
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    for path in UNITS:
        text = path.read_text(encoding="utf-8").replace(INSTALLED, str(PROJECT))
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr.strip()) == (0, "")


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_a_service_may_do_as_little_as_it_can(path: Path) -> None:
    service = Unit(path)["Service"]
    assert {name: service[name] for name in HARDENED} == HARDENED
    assert all(writable.startswith("/var/") for writable in service["ReadWritePaths"].split())


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_what_a_service_names_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for found in re.findall(rf"{INSTALLED}/([\w./-]+)", text):
        assert (PROJECT / found).exists(), found
    names = {
        name
        for line in re.findall(r"^Environment=(.*)$", text, re.MULTILINE)
        for name in re.findall(r"([A-Z_]+)=", line)
    }
    assert names <= SETTINGS | OF_OTHERS
    commands = {
        command.name or (command.callback.__name__ if command.callback else "")
        for command in command_line.registered_commands
    }
    (used,) = re.findall(rf"^ExecStart=.*{INSTALLED}/ketalink ([a-z]+)", text, re.MULTILINE)
    assert used in commands
    operations = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert INSTALLED in operations
    assert path.name in operations


def test_the_timer_starts_the_backup() -> None:
    timer = Unit(FOLDER / "ketalink-backup.timer")
    assert timer["Timer"]["OnCalendar"] == "*-*-* 02:30:00"
    assert timer["Timer"]["Persistent"] == "yes"
    assert (FOLDER / "ketalink-backup.service").is_file()
