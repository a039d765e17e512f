"""What a measurement has to reach, from the command line or a gate file beside the questions.

A gate file is YAML, its paths relative to it:

    questions.jsonl: {min_right: 0.9, max_wrong: 0.04}
    doubles.jsonl: {min_parts_right: 0.8, max_wrong: 0.05}

`min_right` is about questions with one topic, `min_parts_right` about the parts of double ones, `max_wrong` about both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from frontdesk.cli.console import CommandFailed
from frontdesk.cli.evaluation.comparison import Comparison
from frontdesk.cli.evaluation.questions import Question
from frontdesk.cli.evaluation.results import Mark, Score
from frontdesk.cli.evaluation.statistics import SIGNIFICANT

MIN_RIGHT, MIN_PARTS_RIGHT, MAX_WRONG, NOT_WORSE = "min_right", "min_parts_right", "max_wrong", "not_worse"
_IN_FILES = (MIN_RIGHT, MIN_PARTS_RIGHT, MAX_WRONG)

Bounds = Mapping[str, float]


@dataclass(frozen=True)
class Gate:
    """A bound and the figure it was set for; `what` says them in words."""

    name: str
    file: Path | None
    figure: float
    bound: float
    passed: bool
    what: str


def read_gates(file: Path) -> dict[Path, Bounds]:
    """Read the bounds of each file of questions; raise CommandFailed naming the entry that cannot be used."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise CommandFailed(f"{file} is not YAML: {error}") from error
    if not isinstance(content, dict) or not content:
        raise CommandFailed(f"{file} has to name files of questions, each with its bounds: {', '.join(_IN_FILES)}.")
    return {file.parent / str(name): _bounds(f"{file}, {name}", bounds) for name, bounds in content.items()}


def require_applicable(bounds: Mapping[Path, Bounds], questions: Sequence[Question]) -> None:
    """Raise CommandFailed when a bound is about a kind of question its file does not hold."""
    for file, wanted in bounds.items():
        kinds = {question.is_double for question in questions if question.file == file}
        for name, is_double, said in ((MIN_RIGHT, False, "with one topic"), (MIN_PARTS_RIGHT, True, "with two topics")):
            if name in wanted and is_double not in kinds:
                raise CommandFailed(f"{file} holds no question {said}, which {name} would be about.")


def in_files(bounds: Mapping[Path, Bounds], marks: Sequence[Mark]) -> list[Gate]:
    """Compare each file's marks with its bounds."""
    gates = []
    for file, wanted in bounds.items():
        inside = [mark for mark in marks if mark.question.file == file]
        for name, bound in wanted.items():
            about = inside if name == MAX_WRONG else [m for m in inside if m.question.is_double == (name != MIN_RIGHT)]
            gates.append(_gate(name, file, about, bound))
    return gates


def overall(min_right: float | None, max_wrong: float | None, marks: Sequence[Mark]) -> list[Gate]:
    """Compare all marks, parts of double questions among them, with the command line's bounds."""
    wanted = ((MIN_RIGHT, min_right), (MAX_WRONG, max_wrong))
    return [_gate(name, None, marks, bound) for name, bound in wanted if bound is not None]


def not_worse(comparison: Comparison) -> list[Gate]:
    """Fail when significantly fewer questions are right than with the baseline, or more are wrong."""
    tallies = (("right", comparison.right, comparison.right.fell), ("wrong", comparison.wrong, comparison.wrong.rose))
    return [
        Gate(
            name=NOT_WORSE,
            file=None,
            figure=tally.p,
            bound=SIGNIFICANT,
            passed=not is_worse,
            what=f"{tally.now} {kind}, the baseline had {tally.before} (p = {tally.p:.4f}; a change for the worse "
            f"fails below {SIGNIFICANT})",
        )
        for kind, tally, is_worse in tallies
    ]


def _gate(name: str, file: Path | None, marks: Sequence[Mark], bound: float) -> Gate:
    score = Score.of(marks)
    if name == MAX_WRONG:
        figure, passed = score.wrong_rate, score.wrong_rate <= bound
        what = f"{figure:.4f} ({score.wrong} of {score.total}) answered wrongly, at most {bound:.4f} may be"
    else:
        figure, passed = score.accuracy, score.accuracy >= bound
        counted = "parts right" if name == MIN_PARTS_RIGHT else "right"
        what = f"{figure:.4f} ({score.right} of {score.total}) {counted}, at least {bound:.4f} are asked for"
    return Gate(name, file, figure, bound, passed, what)


def _bounds(where: str, content: Any) -> Bounds:
    if not isinstance(content, dict) or not content:
        raise CommandFailed(f"{where}: no bounds. Give one or more of {', '.join(_IN_FILES)}.")
    for name, bound in content.items():
        if name not in _IN_FILES:
            raise CommandFailed(f"{where}: {name} is unknown. There are {', '.join(_IN_FILES)}.")
        if isinstance(bound, bool) or not isinstance(bound, int | float) or not 0 <= bound <= 1:
            raise CommandFailed(f"{where}: {name} has to be a share from 0 to 1.")
    return {name: float(bound) for name, bound in content.items()}
