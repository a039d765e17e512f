"""The files that are served are what the source builds, and as small as promised."""

import gzip
import shutil
import subprocess
from pathlib import Path

import pytest

from frontdesk.settings import PROJECT

WIDGET = PROJECT / "frontdesk" / "widget"
STATIC = WIDGET / "static"
LOADER_BYTES, ALL_BYTES = 3 * 1024, 25 * 1024


def gzipped(name: str) -> int:
    return len(gzip.compress((STATIC / name).read_bytes(), 9))


def test_the_loader_is_small() -> None:
    assert gzipped("widget.js") <= LOADER_BYTES


def test_all_of_it_is_small() -> None:
    assert gzipped("widget.js") + gzipped("chat.js") <= ALL_BYTES


@pytest.fixture
def node() -> str:
    """Node, with what the widget is built from."""
    node = shutil.which("node")
    if node is None or not (WIDGET / "node_modules").is_dir():
        pytest.fail("The widget cannot be built here: install Node 18 or newer with npm, then run `make test`.")
    return node


def test_what_is_committed_is_what_the_source_builds(node: str, tmp_path: Path) -> None:
    subprocess.run([node, WIDGET / "build.mjs", tmp_path], check=True, capture_output=True)

    for name in ("widget.js", "chat.js"):
        assert (tmp_path / name).read_bytes() == (STATIC / name).read_bytes(), f"{name}: run `make widget`"


def test_its_types_are_sound(node: str) -> None:
    checked = subprocess.run(
        [node, WIDGET / "node_modules" / "typescript" / "bin" / "tsc", "--noEmit", "-p", WIDGET],
        capture_output=True,
        text=True,
    )
    assert checked.stdout == ""


def test_each_language_says_everything() -> None:
    import json

    english = json.loads((WIDGET / "texts" / "en.json").read_text(encoding="utf-8"))
    for path in (WIDGET / "texts").glob("*.json"):
        texts = json.loads(path.read_text(encoding="utf-8"))
        for part, said in english.items():
            assert set(texts[part]) == set(said), f"{path.name}, {part}"


def test_no_word_is_said_that_nobody_asks_for() -> None:
    import json

    source = "\n".join(path.read_text(encoding="utf-8") for path in (WIDGET / "src").glob("*.ts"))
    for part in json.loads((WIDGET / "texts" / "en.json").read_text(encoding="utf-8")).values():
        for name in part:
            by_variable = name in {"crisis", "emergency", "medical_advice", "diversion"}
            assert by_variable or f".{name}" in source or f"'{name}'" in source or f" {name}" in source, name
