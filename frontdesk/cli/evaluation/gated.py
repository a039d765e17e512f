"""Whether a newly trained model may take the place of the current one: `./ketalink train --gate`.

Both are asked the questions of a gate file. The new one is refused when it misses a bound, or when it is worse than the
current one on any of the files: fewer questions right, or more answered wrongly. Of questions held out for measuring
only the places are told: whoever mends an example should not have read them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text

from frontdesk.cli.console import err, out, print_table
from frontdesk.cli.evaluation import gates
from frontdesk.cli.evaluation.asking import Model, ask_all
from frontdesk.cli.evaluation.comparison import Change, Comparison
from frontdesk.cli.evaluation.questions import Question, read_files
from frontdesk.cli.evaluation.results import Result
from frontdesk.processes import PROJECT, RASA_PYTHON, rasa_environment
from frontdesk.settings import Settings

GATE = PROJECT / "tests" / "understanding" / "gate.yml"
PLACES_SHOWN = 10


@dataclass(frozen=True)
class Judged:
    """One file of questions: the new model beside the current one, and why it would be refused."""

    file: Path
    comparison: Comparison
    is_compared: bool
    missed_bounds: tuple[str, ...]

    def reasons(self, *, by_chance: bool) -> list[str]:
        """Return why the new model is refused; nothing when it is not.

        `by_chance`: what chance alone may have made worse is let through.
        """
        reasons = list(self.missed_bounds)
        right, wrong = self.comparison.right, self.comparison.wrong
        if self.is_compared and (right.fell if by_chance else right.now < right.before):
            reasons.append(f"{right.before - right.now} fewer right")
        if self.is_compared and (wrong.rose if by_chance else wrong.now > wrong.before):
            reasons.append(f"{wrong.now - wrong.before} more answered wrongly")
        return reasons


class Gate:
    """The questions a new model is asked, read before it is trained: what is wrong with them is known at once."""

    def __init__(self, settings: Settings, file: Path, *, by_chance: bool) -> None:
        """Raise CommandFailed when the gate file or one of its files cannot be used."""
        self._settings = settings
        self._bounds = gates.read_gates(file)
        self._questions = read_files(list(self._bounds))
        self._by_chance = by_chance
        gates.require_applicable(self._bounds, self._questions)

    def passes(self, new: Path, current: Path | None) -> bool:
        """Ask both models, print the comparison, and return whether the new one may take the other's place."""
        models = "the new model and the current one" if current is not None else "the new model"
        out.print(f"Asking {models} {len(self._questions)} questions …")
        found = self._results(new, "the new model")
        before = self._results(current, "the current model") if current is not None else found
        judged = [self._judge(file, before, found, is_compared=current is not None) for file in self._bounds]
        _print(judged)
        refused = [(one, reasons) for one in judged if (reasons := one.reasons(by_chance=self._by_chance))]
        for one, reasons in refused:
            err.print(Text(f"Refused on {one.file.name}: {'; '.join(reasons)}."))
        return not refused

    def _results(self, model: Path, name: str) -> list[Result]:
        command = [str(RASA_PYTHON), "-m", "bot.parse", str(model)]
        replies = ask_all(self._questions, Model(command, rasa_environment(self._settings)), name)
        return [Result.of(question, reply) for question, reply in zip(self._questions, replies, strict=True)]

    def _judge(self, file: Path, before: Sequence[Result], now: Sequence[Result], *, is_compared: bool) -> Judged:
        pairs = [pair for pair in zip(before, now, strict=True) if pair[0].question.file == file]
        marks = [mark for _, result in pairs for mark in result.marks]
        missed = [gate.what for gate in gates.in_files({file: self._bounds[file]}, marks) if not gate.passed]
        return Judged(file, Comparison(tuple(pairs)), is_compared, tuple(missed))


def _print(judged: Sequence[Judged]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Questions", no_wrap=True)
    for heading in ("asked", "right before", "right now", "wrong before", "wrong now"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in judged:
        right, wrong = one.comparison.right, one.comparison.wrong
        before = (str(right.before), str(wrong.before)) if one.is_compared else ("–", "–")
        count = str(len(one.comparison.pairs))
        table.add_row(one.file.name, count, before[0], str(right.now), before[1], str(wrong.now))
    print_table(table)
    for one in judged:
        for change in Change:
            places = [now.question for what, _, now in one.comparison.changes if what is change]
            if places:
                out.print(Text(f"{one.file.name}, {change.value}: {_places(places)}"))


def _places(questions: Sequence[Question]) -> str:
    shown = ", ".join(f"line {question.line}" for question in questions[:PLACES_SHOWN])
    left_out = len(questions) - PLACES_SHOWN
    return shown + (f" and {left_out} more" if left_out > 0 else "")
