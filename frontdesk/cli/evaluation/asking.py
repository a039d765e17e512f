"""The model in a process of its own, asked over JSON lines; `bot/parse.py` is the other end."""

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from frontdesk.cli.console import CommandFailed, err
from frontdesk.cli.evaluation.questions import Question, is_topic
from frontdesk.processes import PROJECT, tied

OFFERED = 3  # topics in a "did you mean …?"
_MOST_TOPICS = 3
_FALLBACK = "nlu_fallback"  # Rasa's own first place when none of the others is sure enough
_LAST_WORDS = 5
_SECONDS_TO_END = 5


class Band(StrEnum):
    """How sure the model is: it answers, asks which of three was meant, or declines."""

    SURE = "sure"
    UNSURE = "unsure"
    LOW = "low"


@dataclass(frozen=True)
class Candidate:
    """An intent, and how likely the model finds it."""

    name: str
    confidence: float


@dataclass(frozen=True)
class Reply:
    """What the model made of a message. `ranking` is best first; `answered` are the topics it answers."""

    understood: Candidate
    answered: tuple[str, ...]
    band: Band
    ranking: tuple[Candidate, ...]
    asks_for_verdict: bool = False

    @classmethod
    def read(cls, content: dict[str, Any]) -> Self:
        """Read a line of `bot.parse`; raise KeyError, TypeError or ValueError when it is something else."""
        topics = content["topics"]
        if not isinstance(topics, list) or len(topics) > _MOST_TOPICS:
            raise ValueError(f"`topics` has to be a list of at most {_MOST_TOPICS} names")
        return cls(
            understood=Candidate(str(content["intent"]), float(content["confidence"])),
            answered=tuple(dict.fromkeys(name for name in topics if is_topic(name))),
            band=Band(content["band"]),
            ranking=tuple(Candidate(entry["name"], float(entry["confidence"])) for entry in content["ranking"]),
            asks_for_verdict=bool(content.get("asks_for_verdict")),
        )

    @property
    def offered(self) -> tuple[str, ...]:
        """The topics of a "did you mean …?", whether or not it is shown."""
        return tuple(candidate.name for candidate in self.ranking if is_topic(candidate.name))[:OFFERED]

    @property
    def guess(self) -> Candidate | None:
        """What it answers, or would if it were surer; None when that is no topic."""
        named = (candidate for candidate in (self.understood, *self.ranking) if candidate.name != _FALLBACK)
        first = next(named, None)
        return first if first is not None and is_topic(first.name) else None


class Model:
    """A trained model behind a command that speaks as `bot.parse` does. A context manager: the process ends with it."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self._command = tied(command)
        self._environment = environment
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._complaints = stack.enter_context(
                tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace"),
            )
            self._process = stack.enter_context(
                subprocess.Popen(  # noqa: S603
                    self._command,
                    cwd=PROJECT,
                    env=self._environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._complaints,
                    text=True,
                    encoding="utf-8",
                )
            )
            stack.callback(self._process.terminate)
            self._cleanup = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._cleanup.close()

    def wait_until_ready(self) -> None:
        """Return when the model is loaded; raise CommandFailed when it cannot be."""
        self._read()

    def ask(self, question: Question) -> Reply:
        """Return what the model makes of a question; raise CommandFailed when it does not say."""
        message = {"text": question.text, **({"after": list(question.after)} if question.after else {})}
        return self.send(message, f"line {question.line} of {question.file}")

    def send(self, message: Mapping[str, Any], where: str) -> Reply:
        """Return what the model makes of a line as `bot.parse` reads it; raise CommandFailed, naming `where`."""
        try:
            assert self._process.stdin is not None  # noqa: S101
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        except OSError:
            pass  # it ended; reading says why
        content = self._read()
        try:
            return Reply.read(content)
        except (KeyError, TypeError, ValueError) as error:
            raise CommandFailed(
                f"The model's process answered {where} in an unknown way "
                f"({type(error).__name__}: {error}). Is bot/parse.py as old as this command?"
            ) from error

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None  # noqa: S101
        line = self._process.stdout.readline()
        try:
            content = json.loads(line)
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise CommandFailed("The model could not be asked. Rasa said:\n" + self._last_words(line))
        return content

    def _last_words(self, line: str) -> str:
        if not line:
            # It has ended or is about to, and what it complains of is whole only then.
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=_SECONDS_TO_END)
        self._complaints.seek(0)
        return "\n".join([*self._complaints.read().strip().splitlines()[-_LAST_WORDS:], line.strip()]).strip()


def ask_all(questions: Sequence[Question], model: Model, name: str) -> list[Reply]:
    """Start a model, ask it every question, and end it; `name` is shown meanwhile."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    replies: list[Reply] = []
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress, model:
        task = progress.add_task(f"loading {name} …", total=len(questions))
        model.wait_until_ready()
        progress.update(task, description=f"asking {name}")
        for question in questions:
            replies.append(model.ask(question))
            progress.advance(task)
    return replies
