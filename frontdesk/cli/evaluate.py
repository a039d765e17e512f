"""`./ketalink evaluate FILE`: how well the model understands questions it was not trained on."""

import json
import math
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from frontdesk.cli.console import CommandFailed, err, out, print_table
from frontdesk.cli.train import require_rasa, shown, usable_model
from frontdesk.model_folder import ModelDamaged, ModelFolder, check_archive, inputs_digest
from frontdesk.processes import PROJECT, RASA_PYTHON, rasa_environment, tied
from frontdesk.settings import Settings, load_settings

# What a question is that the assistant should decline, and what it is understood as when it does.
DECLINED = "out_of_scope"
_DECLINING_INTENTS = frozenset({"out_of_scope", "nlu_fallback"})
_Z_95 = 1.959964
_BROKEN_LINES_SHOWN = 10
EXIT_BELOW_MINIMUM = 2


class Outcome(StrEnum):
    """What became of a question."""

    RIGHT = "right"
    WRONG = "wrong"  # answered, with an answer to something else
    FALLBACK = "fallback"  # not answered, though it should have been


@dataclass(frozen=True)
class Question:
    """One line of the file. `accepted` are the topics that are right, DECLINED among them or not."""

    line: int
    text: str
    topic: str
    accepted: frozenset[str]
    style: str | None

    @property
    def group(self) -> str:
        """The topic's first part: `session` for `session/duration`."""
        return self.topic.partition("/")[0]


@dataclass(frozen=True)
class Result:
    """A question and what the model made of it."""

    question: Question
    got: str
    confidence: float

    @property
    def outcome(self) -> Outcome:
        """Whether it was understood."""
        if self.got in self.question.accepted:
            return Outcome.RIGHT
        return Outcome.FALLBACK if self.got == DECLINED else Outcome.WRONG


@dataclass(frozen=True)
class Score:
    """How many results of each kind."""

    total: int
    right: int
    wrong: int
    fallback: int

    @classmethod
    def of(cls, results: Sequence[Result]) -> "Score":
        """Count results."""
        outcomes = [result.outcome for result in results]
        return cls(len(outcomes), *(outcomes.count(outcome) for outcome in Outcome))

    @property
    def accuracy(self) -> float:
        """The share of right ones."""
        return self.right / self.total

    def as_record(self) -> dict[str, Any]:
        """Return the score for `--json`."""
        low, high = wilson(self.right, self.total)
        return {
            "questions": self.total,
            "right": self.right,
            "wrong": self.wrong,
            "fallbacks": self.fallback,
            "accuracy": round(self.accuracy, 4),
            "interval_95": [round(low, 4), round(high, 4)],
        }


def evaluate(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help='JSON lines: {"text": …, "topic": … or null, "also_ok": […]}')
    ],
    model: Annotated[
        Path | None, typer.Option("--model", metavar="FILE", help="Another model than the current one.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.")] = False,
    min_accuracy: Annotated[
        float | None,
        typer.Option(min=0, max=1, metavar="SHARE", help="Exit with code 2 when fewer than this share are right."),
    ] = None,
) -> None:
    """Ask the model every question of FILE and say how many it understood. A topic of null should be declined."""
    settings = load_settings()
    questions = read_questions(file)
    model = _model_to_ask(settings, model)
    results = list(_ask_all(questions, model, settings))
    score = Score.of(results)
    if as_json:
        print(json.dumps(_report(file, model, results), ensure_ascii=False, indent=2))
    else:
        _print_report(score, results)
    if min_accuracy is not None and score.accuracy < min_accuracy:
        err.print(
            f"Below the minimum: {score.accuracy:.3f} of the questions are right, {min_accuracy:.3f} are asked for."
        )
        raise typer.Exit(EXIT_BELOW_MINIMUM)


def read_questions(file: Path) -> list[Question]:
    """Read a file of questions; raise CommandFailed naming each line that is broken."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise CommandFailed(f"{file} is not UTF-8 text.") from error
    questions: list[Question] = []
    problems: list[str] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            questions.append(_question(number, json.loads(line)))
        except ValueError as error:
            reason = f"not JSON ({error})" if isinstance(error, json.JSONDecodeError) else str(error)
            problems.append(f"{file}, line {number}: {reason}")
    if problems:
        left_out = len(problems) - _BROKEN_LINES_SHOWN
        more = [f"… and {left_out} more."] if left_out > 0 else []
        raise CommandFailed("\n".join([*problems[:_BROKEN_LINES_SHOWN], *more]))
    if not questions:
        raise CommandFailed(f"{file} holds no question.")
    return questions


def wilson(right: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share. Source: Wilson (1927), doi:10.1080/01621459.1927.10502953."""
    share = right / total
    spread = _Z_95 * math.sqrt(share * (1 - share) / total + (_Z_95 / (2 * total)) ** 2)
    middle = share + _Z_95**2 / (2 * total)
    weight = 1 + _Z_95**2 / total
    return max(0.0, (middle - spread) / weight), min(1.0, (middle + spread) / weight)


def _question(number: int, content: Any) -> Question:
    """Check one line's content; raise ValueError saying what is wrong."""
    if not isinstance(content, dict):
        raise ValueError("not a JSON object")
    text, style = content.get("text"), content.get("style")
    if not isinstance(text, str) or not text.strip():
        raise ValueError("`text` has to be the question")
    if "topic" not in content:
        raise ValueError("`topic` is missing; null means that the question should be declined")
    also_ok = content.get("also_ok") or []
    if not isinstance(also_ok, list):
        raise ValueError("`also_ok` has to be a list of topics")
    topic, *others = [_topic(name) for name in (content["topic"], *also_ok)]
    return Question(number, text, topic, frozenset({topic, *others}), style if isinstance(style, str) else None)


def _topic(name: Any) -> str:
    if name is None:
        return DECLINED
    if not isinstance(name, str) or not name.strip():
        raise ValueError("a topic has to be a name such as session/duration, or null")
    return DECLINED if name in _DECLINING_INTENTS else name


def _model_to_ask(settings: Settings, chosen: Path | None) -> Path:
    require_rasa()
    if chosen is not None:
        try:
            check_archive(chosen)
        except ModelDamaged as error:
            raise CommandFailed(str(error)) from error
        return chosen.resolve()
    current = usable_model(ModelFolder(settings.model_dir))
    if current is None:
        raise CommandFailed(f"There is no model in {shown(settings.model_dir)}. Run ./ketalink train.")
    if current.inputs != inputs_digest(PROJECT):
        err.print("note: what the model learned from has changed since it was trained.", style="yellow")
    return current.path


def _ask_all(questions: Sequence[Question], model: Path, settings: Settings) -> Iterator[Result]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as progress, _understanding(model, settings) as understand:
        task = progress.add_task("loading the model …", total=len(questions))
        understand.wait_until_ready()
        progress.update(task, description="asking")
        for question in questions:
            reply = understand(question.text)
            got = str(reply["intent"])
            yield Result(question, DECLINED if got in _DECLINING_INTENTS else got, float(reply["confidence"]))
            progress.advance(task)


class _Understanding:
    """The model in a process of its own, asked one text at a time."""

    def __init__(self, process: subprocess.Popen[str], complaints: TextIO) -> None:
        self._process = process
        self._complaints = complaints

    def wait_until_ready(self) -> None:
        """Return when the model is loaded; raise CommandFailed when it cannot be."""
        self._read()

    def __call__(self, text: str) -> dict[str, Any]:
        """Return `{"intent", "confidence", "ranking"}` for a text."""
        try:
            assert self._process.stdin is not None  # noqa: S101
            self._process.stdin.write(json.dumps({"text": text}) + "\n")
            self._process.stdin.flush()
        except OSError:
            pass  # it ended; reading says why
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None  # noqa: S101
        line = self._process.stdout.readline()
        if not line:
            self._complaints.seek(0)
            last_words = self._complaints.read().strip().splitlines()[-5:]
            raise CommandFailed("The model could not be asked. Rasa said:\n" + "\n".join(last_words))
        reply: dict[str, Any] = json.loads(line)
        return reply


@contextmanager
def _understanding(model: Path, settings: Settings) -> Iterator[_Understanding]:
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as complaints,
        subprocess.Popen(  # noqa: S603
            tied([str(RASA_PYTHON), "-m", "bot.parse", str(model)]),
            cwd=PROJECT,
            env=rasa_environment(settings),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            encoding="utf-8",
        ) as process,
    ):
        try:
            yield _Understanding(process, complaints)
        finally:
            process.terminate()


def _by(results: Sequence[Result], key: str) -> dict[str, list[Result]]:
    """Group results by `group` or `style` of their question; those without are left out."""
    found: defaultdict[str, list[Result]] = defaultdict(list)
    for result in results:
        name = getattr(result.question, key)
        if name is not None:
            found[name].append(result)
    return dict(sorted(found.items()))


def _misses(results: Iterable[Result]) -> list[Result]:
    return [result for result in results if result.outcome is not Outcome.RIGHT]


def _report(file: Path, model: Path, results: Sequence[Result]) -> dict[str, Any]:
    return {
        "file": str(file),
        "model": model.name,
        **Score.of(results).as_record(),
        "groups": {name: Score.of(part).as_record() for name, part in _by(results, "group").items()},
        "styles": {name: Score.of(part).as_record() for name, part in _by(results, "style").items()},
        "misses": [
            {
                "line": miss.question.line,
                "text": miss.question.text,
                "expected": miss.question.topic,
                "got": miss.got,
                "confidence": round(miss.confidence, 4),
                "outcome": miss.outcome.value,
            }
            for miss in _misses(results)
        ],
    }


def _print_report(score: Score, results: Sequence[Result]) -> None:
    low, high = wilson(score.right, score.total)
    for key in ("group", "style"):
        parts = _by(results, key)
        if parts:
            print_table(_table(key, parts))
    misses = _misses(results)
    if misses:
        table = Table(box=None, pad_edge=False, header_style="bold", title="Misses", title_justify="left")
        for heading in ("Line", "Question", "Expected", "Got", "Confidence"):
            table.add_column(heading, justify="right" if heading in ("Line", "Confidence") else "left", overflow="fold")
        for miss in misses:
            cells = (
                str(miss.question.line),
                miss.question.text,
                miss.question.topic,
                miss.got,
                f"{miss.confidence:.2f}",
            )
            table.add_row(*(Text(cell) for cell in cells))
        print_table(table)
        out.print()
    out.print(
        f"Right      {score.right} of {score.total}: {score.accuracy:.3f} (95 % interval {low:.3f} to {high:.3f})"
    )
    out.print(f"Wrong      {score.wrong} answered with another topic")
    out.print(f"Fallbacks  {score.fallback} not answered that should have been")


def _table(key: str, parts: dict[str, list[Result]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(f"By {key}")
    for heading in ("Questions", "Right", "Share", "Wrong", "Fallbacks"):
        table.add_column(heading, justify="right")
    for name, part in parts.items():
        score = Score.of(part)
        counts = (score.total, score.right, f"{score.accuracy:.2f}", score.wrong, score.fallback)
        table.add_row(Text(name), *map(str, counts))
    table.add_row()
    return table
