"""docs/security.md names code and tests: all of them exist."""

import ast
import re

import pytest

from frontdesk.settings import PROJECT

DOCUMENT = (PROJECT / "docs" / "security.md").read_text(encoding="utf-8")
ROWS = [line.strip("|").split(" | ") for line in DOCUMENT.splitlines() if re.match(r"\| V\d", line)]
NAMED = re.compile(r"`([\w./-]+)(?:::(\w+))?`")


def test_there_is_a_table() -> None:
    assert len(ROWS) > 25


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].strip())
def test_what_a_row_names_exists(row: list[str]) -> None:
    _, _, where, shown_by = row
    assert NAMED.search(where)
    assert NAMED.search(shown_by)
    for path, _ in NAMED.findall(where):
        assert (PROJECT / path).is_file(), path
    for path, test in NAMED.findall(shown_by):
        assert path.startswith("tests/")
        tree = ast.parse((PROJECT / path).read_text(encoding="utf-8"))
        functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert test in functions if test else any(name.startswith("test_") for name in functions), test
