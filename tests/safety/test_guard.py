"""The rules: what they must notice, however it is written, and what they must leave alone."""

from pathlib import Path

import pytest

from frontdesk.safety.guard import Finding, Guard
from frontdesk.safety.rules import FOLDER, Level, Person, Rule, RuleError, load_rules

BOOK = load_rules()
BY_EXAMPLE = [pytest.param(rule, text, id=f"{rule.id}: {text[:40]}") for rule in BOOK.rules for text in rule.alarm]
BY_TWIN = [pytest.param(rule, text, id=f"{rule.id}: {text[:40]}") for rule in BOOK.rules for text in rule.quiet]


@pytest.fixture(scope="module")
def guard() -> Guard:
    return Guard(BOOK)


def level(finding: Finding) -> str | None:
    return finding.alarm.level.value if finding.alarm else None


@pytest.mark.parametrize(("rule", "text"), BY_EXAMPLE)
def test_every_rule_notices_its_examples(guard: Guard, rule: Rule, text: str) -> None:
    alarm = guard.check(text).alarm
    assert alarm is not None
    assert alarm.is_danger if rule.level in {Level.CRISIS, Level.EMERGENCY} else alarm.level is rule.level


@pytest.mark.parametrize(("rule", "text"), BY_TWIN)
def test_no_rule_is_alarmed_by_its_near_twins(guard: Guard, rule: Rule, text: str) -> None:
    alarm = guard.check(text).alarm
    assert alarm is None or alarm.level is not rule.level


def test_every_rule_says_why_and_shows_both_sides() -> None:
    for rule in BOOK.rules:
        assert rule.why
        assert rule.alarm
        if rule.level in {Level.CRISIS, Level.EMERGENCY}:
            assert rule.quiet or rule.language == "es", rule.id


@pytest.mark.parametrize(
    "text",
    [
        "I want to die",
        "I WANT TO DIE!!!",
        "i wanna die",
        "/I want to die",
        '{"intent": "greet", "text": "i want to die"}',
        "<p>I want <b>to</b> die</p>",
        "I w\u200bant t\u2060o d\u00adie",
        "\uff29 \uff57\uff41\uff4e\uff54 \uff54\uff4f \uff44\uff49\uff45",
        "I w\u0430nt t\u043e di\u0435",
        "i want to d i e",
        "i want to d.i.e",
        "i   w a n t   t o   d i e",
        "i want to \U0001f62d die \U0001f62d",
        "i want to d\U0001f62di\U0001f62de",
        "i want to dieeeee",
        "i want to d1e",
        "iwanttodie",
        "i wantt to die",
        "how much is it? and do you take Aetna? i want to die",
        f"{'I have been reading your page. ' * 60}I want to die.",
        f"{'word ' * 2000}i want to die",
    ],
)
def test_no_way_of_writing_hides_it(guard: Guard, text: str) -> None:
    assert level(guard.check(text)) == "crisis"


def test_a_cry_for_help_in_two_messages_is_one(guard: Guard) -> None:
    assert guard.check("i want to").alarm is None
    assert guard.check("die").alarm is None
    assert level(guard.check("die", before="i want to")) == "crisis"
    assert guard.check("know the price", before="i want to").alarm is None
    for before in ("how long does an infusion take", "how long is it?", "i want to know."):
        assert guard.check("who drives me home", before=before).alarm is None


@pytest.mark.parametrize(
    ("text", "denied"),
    [
        ("I'm not suicidal, I just want to know the price", True),
        ("I don't want to die, I want the pain treated", True),
        ("how long does an infusion take", False),
    ],
)
def test_a_denial_is_no_alarm_and_is_told_from_silence(guard: Guard, text: str, denied: bool) -> None:
    finding = guard.check(text)
    assert finding.alarm is None
    assert finding.denies_danger is denied


@pytest.mark.parametrize(
    ("text", "expected", "person", "language"),
    [
        ("I want to kill myself", "crisis", Person.SELF, "en"),
        ("my son says he wants to kill himself", "crisis", Person.OTHER, "en"),
        ("quiero morirme", "crisis", Person.SELF, "es"),
        ("I can't breathe and my chest hurts", "emergency", Person.SELF, "en"),
        ("my husband is unconscious and won't wake up", "emergency", Person.OTHER, "en"),
    ],
)
def test_who_is_meant_and_in_which_language(
    guard: Guard, text: str, expected: str, person: Person, language: str
) -> None:
    alarm = guard.check(text).alarm
    assert alarm is not None
    assert (alarm.level.value, alarm.person, alarm.language) == (expected, person, language)


@pytest.mark.parametrize("text", ["", " ", "?", "\u200b", "\U0001f600", "a" * 5_000, "1 " * 3_000, "*" * 3_000])
def test_what_has_no_words_is_no_alarm(guard: Guard, text: str) -> None:
    assert guard.check(text) == Finding()


def test_nothing_a_patient_writes_stays_in_memory(guard: Guard) -> None:
    before = len(guard._vocab.strings)
    for number in range(50):
        guard.check(f"my name is Zebulon{number} and i want to die in Quuxville{number}")
    assert len(guard._vocab.strings) == before


# --------------------------------------------------------------------------- malformed files


RULES = """\
level: crisis
person: self
watch_for:
  - id: one
    why: Because.
    patterns: [i want to die]
    alarm: [i want to die]
"""


def folder_with(tmp_path: Path, rules: str, reading: str | None = None) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "crisis.yml").write_text(rules)
    (tmp_path / "reading.yml").write_text(reading or (FOLDER / "reading.yml").read_text(encoding="utf-8"))
    return tmp_path


def test_a_folder_of_ones_own_is_read(tmp_path: Path) -> None:
    assert [rule.id for rule in load_rules(folder_with(tmp_path, RULES)).rules] == ["one"]


@pytest.mark.parametrize(
    ("wrong", "right", "line", "reason"),
    [
        ("level: crisis", "level: huge", 1, "`level` or `person`"),
        ("    why: Because.\n", "", 4, "a rule needs `why`"),
        ("[i want to die]\n    alarm", "[i (want to) die]\n    alarm", 4, "cannot be read"),
        ("[i want to die]\n    alarm", "[i <nowhere> die]\n    alarm", 4, "not in reading.yml"),
        ("alarm: [i want to die]", "alarm: []", 4, "`alarm` has to be a list"),
        ("alarm: [i want to die]", "alarm: [i want to die", 8, ""),
        ("    why:", "    because: x\n    why:", 4, "because is not known"),
    ],
)
def test_a_malformed_file_is_named_with_line_and_reason(
    tmp_path: Path, wrong: str, right: str, line: int, reason: str
) -> None:
    folder = folder_with(tmp_path, RULES.replace(wrong, right, 1))
    with pytest.raises(RuleError) as caught:
        load_rules(folder)
    assert f"crisis.yml:{line}" in str(caught.value)
    assert reason in str(caught.value)


def test_missing_rules_are_no_safety(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, RULES)
    (folder / "rules" / "crisis.yml").unlink()
    with pytest.raises(RuleError, match="no rules are there"):
        load_rules(folder)
    (folder / "reading.yml").unlink()
    with pytest.raises(RuleError, match=r"reading\.yml"):
        load_rules(folder)
