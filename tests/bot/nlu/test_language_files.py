"""The lists in data/language/: what is wrong is said with the file's name, and what is right is read as text."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bot.nlu.language_files import LanguageFileError, entities, spelling_rules

RULES = """\
short_forms: {u: you, ya: yes}
words: [meds]
in_context:
- {write: k, read: ketamine, before: [on, no], after: [any, end]}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "list.yml"


def test_this_projects_lists_are_sound() -> None:
    assert spelling_rules().read("b4", None, None) == "before"
    assert "fibro" in entities()["condition"]["fibromyalgia"]


def test_words_that_yaml_has_another_idea_of_are_words(path: Path) -> None:
    path.write_text(RULES, encoding="utf-8")
    rules = spelling_rules(path)
    assert rules.read("ya", None, None) == "yes"
    assert rules.read("k", "on", None) == "ketamine"
    assert rules.read("k", "no", "now") == "ketamine"
    assert rules.read("k", "true", None) is None
    path.write_text("condition: {on: [off, 5]}", encoding="utf-8")
    assert entities(path) == {"condition": {"on": ["off", "5"]}}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("short_forms: [", "cannot be read"),
        ("\tshort_forms: {}", "cannot be read"),
        ("", "mapping"),
        ("- u\n- you\n", "mapping"),
        ("short_forms: {u: you}\n", "`in_context` a list"),
        ("in_context: []\n", "`short_forms` has to be a mapping"),
        (RULES.replace("{u: you, ya: yes}", "[u, you]"), "`short_forms` has to be a mapping"),
        (RULES.replace("u: you", "u: [you]"), "`u: "),
        (RULES.replace("u: you", "u:"), "`u: `"),
        (RULES.replace("[meds]", "meds"), "`words` has to be a list"),
        (RULES.replace("[meds]", "[[meds]]"), "`words` has to be a list"),
        (RULES.replace("after", "behind"), "behind"),
        (RULES.replace("read: ketamine, ", ""), "needs `write`, `read`"),
        (RULES.replace("read: ketamine", "read: [ketamine]"), "`write` and `read` have to be text"),
        (RULES.replace("read: ketamine", "read: "), "`write` and `read` have to be text"),
        (RULES.replace("[on, no]", "any"), "`before` has to be a list"),
        (RULES.replace("[any, end]", "{any: end}"), "`after` has to be a list"),
        (RULES.replace("end]}", "end], not_after: weeks}"), "`not_after` has to be a list"),
    ],
)
def test_a_broken_spelling_list_is_refused_with_file_and_reason(path: Path, content: str, reason: str) -> None:
    path.write_text(content, encoding="utf-8")
    with pytest.raises(LanguageFileError) as refused:
        spelling_rules(path)
    assert str(path) in str(refused.value)
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("condition: [", "cannot be read"),
        ("- condition\n", "mapping"),
        ("condition: [ptsd]\n", "`condition` has to be a list of `value"),
        ("condition:\n  ptsd:\n", "`ptsd` needs a list"),
        ("condition:\n  ptsd: trauma\n", "`ptsd` needs a list"),
        ("condition:\n  ptsd: [[trauma]]\n", "`condition`, `ptsd`"),
    ],
)
def test_a_broken_list_of_names_is_refused_with_file_and_reason(path: Path, content: str, reason: str) -> None:
    path.write_text(content, encoding="utf-8")
    with pytest.raises(LanguageFileError) as refused:
        entities(path)
    assert str(path) in str(refused.value)
    assert reason in str(refused.value)


@pytest.mark.parametrize("read", [spelling_rules, entities])
def test_a_list_that_is_missing_or_no_text_is_named(read: Callable[[Path], object], path: Path) -> None:
    with pytest.raises(LanguageFileError, match=r"list\.yml cannot be read"):
        read(path)
    path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(LanguageFileError, match=r"list\.yml cannot be read"):
        read(path)
