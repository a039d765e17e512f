"""`./ketalink evaluate --safety FILE`: how much danger both nets notice, and how often they raise a false alarm."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from frontdesk.cli.console import CommandFailed, err, out
from frontdesk.cli.evaluation.asking import Model
from frontdesk.cli.evaluation.statistics import wilson
from frontdesk.safety.guard import DANGERS, Guard
from frontdesk.safety.rules import Level

NONE = "none"
LEVELS = (*(level.value for level in Level), NONE)
_DANGER_TOPICS = {"crisis/suicidal_now": Level.CRISIS.value, "crisis/medical_emergency": Level.EMERGENCY.value}
_DIVERSION = "beyond/street_ketamine"
_ADVICE = ("bot/medical_advice", "eligibility/am_i_eligible")
_RULES, _MODEL = "rules", "model"


@dataclass(frozen=True)
class Line:
    """One text, and what it calls for."""

    file: Path
    number: int
    text: str
    level: str
    style: str
    language: str


@dataclass(frozen=True)
class Noticed:
    """What a text was taken for, and by which net."""

    line: Line
    level: str
    net: str

    @property
    def is_right(self) -> bool:
        """Whether it gets what it calls for; a crisis that is taken for an emergency gets 988 and 911 too."""
        both_danger = {self.line.level, self.level} <= set(DANGERS)
        return both_danger or self.line.level == self.level

    @property
    def is_false_alarm(self) -> bool:
        """Whether somebody who is in no danger is told of 988 or 911."""
        return self.level in DANGERS and self.line.level not in DANGERS


def measure_safety(files: Sequence[Path], model: Model, *, as_json: bool, misses: int | None) -> None:
    """Read the files, ask both nets, and report; raise CommandFailed for a line that cannot be used."""
    lines = [line for file in files for line in _read(file)]
    if not lines:
        raise CommandFailed("--safety needs a file with at least one line.")
    found = notice(lines, model)
    if as_json:
        print(json.dumps(as_record(found), ensure_ascii=False, indent=2))
    else:
        _print(found, misses)


def notice(lines: Sequence[Line], model: Model) -> list[Noticed]:
    """Return what each text is taken for: by the rules, and by the model where no rule sees danger."""
    guard = Guard()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    found = []
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress, model:
        task = progress.add_task("asking both nets", total=len(lines))
        model.wait_until_ready()
        for line in lines:
            finding = guard.check(line.text)
            alarm = finding.alarm
            if alarm is not None and (alarm.is_danger or alarm.level is Level.DIVERSION):
                found.append(Noticed(line, alarm.level.value, _RULES))
            else:
                question = {"text": line.text, "denies_danger": finding.denies_danger}
                reply = model.send(question, f"line {line.number} of {line.file}")
                level = _level(reply.understood.name)
                if level == NONE and reply.asks_for_verdict:
                    level = Level.MEDICAL_ADVICE.value
                if alarm is not None and level not in DANGERS:
                    found.append(Noticed(line, alarm.level.value, _RULES))
                else:
                    found.append(Noticed(line, level, _MODEL))
            progress.advance(task)
    return found


def _level(topic: str) -> str:
    if topic in _ADVICE:
        return Level.MEDICAL_ADVICE.value
    return Level.DIVERSION.value if topic == _DIVERSION else _DANGER_TOPICS.get(topic, NONE)


def as_record(found: Sequence[Noticed]) -> dict[str, Any]:
    """Return the figures as JSON: recall a level and style, false alarms, the confusion table."""
    calm = [one for one in found if one.line.level == NONE]
    return {
        "lines": len(found),
        "recall": [
            {"level": level, "style": style, "lines": total, "noticed": right}
            for (level, style), (right, total) in sorted(_recall(found).items())
        ],
        "false_alarms": {"lines": len(calm), "alarms": sum(one.is_false_alarm for one in calm)},
        "confusion": [
            {"is": actual, "taken_for": taken, "lines": count}
            for (actual, taken), count in sorted(Counter((one.line.level, one.level) for one in found).items())
        ],
        "misses": [{"file": str(one.line.file), "line": one.line.number} for one in _misses(found)],
    }


def _recall(found: Sequence[Noticed]) -> dict[tuple[str, str], tuple[int, int]]:
    totals = Counter((one.line.level, _kind(one.line)) for one in found if one.line.level != NONE)
    rights = Counter((one.line.level, _kind(one.line)) for one in found if one.line.level != NONE and one.is_right)
    return {key: (rights[key], total) for key, total in totals.items()}


def _kind(line: Line) -> str:
    return line.style if line.language == "en" else f"{line.style} ({line.language})"


def _misses(found: Sequence[Noticed]) -> list[Noticed]:
    return [one for one in found if one.is_false_alarm or (one.line.level != NONE and not one.is_right)]


def _print(found: Sequence[Noticed], misses: int | None) -> None:
    table = Table(box=None, header_style="bold")
    for heading in ("Level", "Style", "Lines", "Noticed", "Share"):
        table.add_column(heading, justify="left" if heading in ("Level", "Style") else "right")
    recall = _recall(found)
    for level in LEVELS[:-1]:
        styles = {style: counts for (name, style), counts in sorted(recall.items()) if name == level}
        for style, (right, total) in styles.items():
            table.add_row(level, style, str(total), str(right), f"{right / total:.3f}")
        right, total = (sum(counts[index] for counts in styles.values()) for index in (0, 1))
        if total:
            low, high = wilson(right, total)
            table.add_row(level, f"all ({low:.3f} to {high:.3f})", str(total), str(right), f"{right / total:.3f}")
    out.print(table)
    calm = [one for one in found if one.line.level == NONE]
    if calm:
        alarms = sum(one.is_false_alarm for one in calm)
        low, high = wilson(alarms, len(calm))
        out.print(
            f"\nFalse alarms  {alarms} of {len(calm)}: {alarms / len(calm):.3f} (95 % interval {low:.3f} to {high:.3f})"
        )
    by_rules = sum(one.net == _RULES and one.line.level in DANGERS and one.is_right for one in found)
    by_model = sum(one.net == _MODEL and one.line.level in DANGERS and one.is_right for one in found)
    out.print(f"Danger noticed by the rules {by_rules}, by the model alone {by_model}\n")
    confusion = Table("Is", *LEVELS, box=None, header_style="bold")
    counts = Counter((one.line.level, one.level) for one in found)
    for actual in LEVELS:
        confusion.add_row(actual, *(str(counts[actual, taken]) for taken in LEVELS))
    out.print(confusion)
    missed = _misses(found)
    for one in missed[:misses]:
        where = f"{one.line.file.name} {one.line.number}"
        out.print(Text(f"{where}  {one.line.level} ({_kind(one.line)}) taken for {one.level}: {one.line.text}"))
    if misses is not None and len(missed) > misses:
        out.print(f"… and {len(missed) - misses} more; --all-misses shows them.")


def _read(file: Path) -> list[Line]:
    try:
        written = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{file} cannot be read: {error}") from error
    found = []
    for number, text in enumerate(written, 1):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
            level, said = row["level"], row["text"]
        except (ValueError, KeyError, TypeError) as error:
            raise CommandFailed(f'{file}:{number}: needs {{"text", "level"}} as JSON ({error!r}).') from error
        if level not in LEVELS or not isinstance(said, str) or not said.strip():
            raise CommandFailed(f"{file}:{number}: `level` has to be one of {', '.join(LEVELS)}, `text` some words.")
        found.append(Line(file, number, said, level, str(row.get("style", "")), str(row.get("language", "en"))))
    return found
