"""What Rasa's cache is told of a component: anything it is made of changes it, and nothing else does."""

import importlib.util
from pathlib import Path

import pytest

from bot.nlu.fingerprint import fingerprint


@pytest.fixture
def files(tmp_path: Path) -> "list[Path]":
    paths = [tmp_path / "one.yml", tmp_path / "two.yml"]
    for path in paths:
        path.write_text(path.name, encoding="utf-8")
    return paths


def test_it_changes_with_the_content_of_any_file(files: "list[Path]") -> None:
    before = fingerprint(*files)
    assert fingerprint(*map(str, files)) == before
    for path in files:
        path.write_text("changed", encoding="utf-8")
        assert fingerprint(*files) != before
        path.write_text(path.name, encoding="utf-8")
    assert fingerprint(*files) == before


def test_a_sentence_that_moves_from_one_file_to_the_other_changes_it(files: "list[Path]") -> None:
    files[0].write_text("ab", encoding="utf-8")
    files[1].write_text("c", encoding="utf-8")
    before = fingerprint(*files)
    files[0].write_text("a", encoding="utf-8")
    files[1].write_text("bc", encoding="utf-8")
    assert fingerprint(*files) != before


def test_it_changes_with_the_code_of_a_module(tmp_path: Path) -> None:
    path = tmp_path / "rules.py"
    path.write_text("LIMIT = 1\n", encoding="utf-8")
    spec = importlib.util.spec_from_file_location("rules", path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    before = fingerprint(module)
    assert before == fingerprint(path)
    path.write_text("LIMIT = 2\n", encoding="utf-8")
    assert fingerprint(module) != before
