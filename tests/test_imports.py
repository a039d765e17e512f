"""Two environments that meet only over HTTP: neither what runs inside Rasa nor the rest imports the other."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
# Where Python is, and what its files may not import (as top-level packages).
FORBIDDEN = {
    "bot": {"frontdesk", "actions", "rasa_sdk"},
    "tests/bot": {"frontdesk", "actions", "rasa_sdk"},
    "actions": {"bot", "rasa"},
    "frontdesk": {"bot", "rasa", "rasa_sdk", "actions"},
    "tools": {"bot", "rasa"},
}
TESTS_IN_THE_APP = {"bot", "rasa"}


def imports(source: str) -> Iterator[str]:
    """Yield the top-level package of every import, wherever in the file it stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]
        elif (
            isinstance(node, ast.Call)
            and getattr(node.func, "attr", getattr(node.func, "id", "")) in ("import_module", "__import__")
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            yield str(node.args[0].value).split(".")[0]


def trespasses(folder: Path, forbidden: set[str]) -> list[str]:
    return sorted(
        f"{path.relative_to(PROJECT)} imports {name}"
        for path in folder.rglob("*.py")
        for name in set(imports(path.read_text(encoding="utf-8"))) & forbidden
    )


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import rasa", {"rasa"}),
        ("import os, rasa.core.agent as agent", {"os", "rasa"}),
        ("from rasa_sdk.events import SlotSet", {"rasa_sdk"}),
        ("def late():\n    from frontdesk import settings", {"frontdesk"}),
        ("import importlib\nimportlib.import_module('bot.channel')", {"importlib", "bot"}),
        ("from . import rasa\nfrom .rasa import client", set()),
        ("from frontdesk.chat.rasa import RasaClient", {"frontdesk"}),
        ("text = 'import rasa'", set()),
    ],
)
def test_every_kind_of_import_is_seen(source: str, found: set[str]) -> None:
    assert set(imports(source)) == found


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_the_two_environments_do_not_import_each_other(folder: str) -> None:
    assert any((PROJECT / folder).rglob("*.py"))
    assert trespasses(PROJECT / folder, FORBIDDEN[folder]) == []


def test_outside_bot_no_test_imports_rasa() -> None:
    folders = [path for path in (PROJECT / "tests").iterdir() if path.is_dir() and path.name != "bot"]
    assert [found for folder in folders for found in trespasses(folder, TESTS_IN_THE_APP)] == []
    beside = (path for path in (PROJECT / "tests").glob("*.py"))
    assert [path.name for path in beside if set(imports(path.read_text(encoding="utf-8"))) & TESTS_IN_THE_APP] == []


def test_neither_environment_installs_the_other() -> None:
    locked = {
        name: {
            line.split("==")[0].strip()
            for line in (PROJECT / "requirements" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
            if "==" in line and not line.startswith((" ", "#"))
        }
        for name in ("rasa", "app")
    }
    assert "rasa" in locked["rasa"] - locked["app"]
    assert {"fastapi", "alembic"} <= locked["app"] - locked["rasa"]
