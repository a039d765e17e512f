"""Files of questions: one JSON object a line, in three forms.

- `{"text", "topic": "session/duration" or null, "also_ok": ["cost/price"], "style"}`: one question;
- `{"text", "topics": ["session/duration", "cost/price"], "also_ok": [["…"], []], "style"}`: two in one message;
- either of them with `"after": ["earlier message", …]`, oldest first: a follow-up; `kind` says what sort of one.

`also_ok`, `style`, `kind` and `after` may be left out.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from frontdesk.cli.console import CommandFailed

# What a question is that nothing should be answered to, and what it is understood as when nothing is.
NOTHING = "out_of_scope"
_OTHER_NAMES_OF_NOTHING = frozenset({"nlu_fallback"})
# Topics the model knows in order to tell them from the clinic's; they have no answer of their own.
_BEYOND = "beyond/"
_BROKEN_LINES_SHOWN = 10


class Kind(StrEnum):
    """What form a question has."""

    SINGLE = "single"
    DOUBLE_PART = "double_part"
    FOLLOW_UP = "follow_up"
    OUT_OF_SCOPE = "out_of_scope"


@dataclass(frozen=True)
class Part:
    """One thing asked. `accepted` are the topics that are right, NOTHING among them or not."""

    topic: str
    accepted: frozenset[str]

    @property
    def group(self) -> str:
        """The topic's first part: `session` for `session/duration`."""
        return self.topic.partition("/")[0]


@dataclass(frozen=True)
class Question:
    """One line of a file. `after` are the visitor's earlier messages; `parts` are two if it is a double question."""

    file: Path
    line: int
    text: str
    parts: tuple[Part, ...]
    after: tuple[str, ...] = ()
    style: str | None = None
    sort: str | None = None  # `kind` in the file

    @property
    def is_double(self) -> bool:
        """Whether two things are asked at once."""
        return len(self.parts) > 1

    @property
    def kind(self) -> Kind:
        """Its form; a follow-up out of scope is a follow-up."""
        if self.is_double:
            return Kind.DOUBLE_PART
        if self.after:
            return Kind.FOLLOW_UP
        return Kind.SINGLE if is_topic(self.parts[0].topic) else Kind.OUT_OF_SCOPE


def is_topic(name: str) -> bool:
    """Return whether there is an answer of that name; there is none to `greet`, `out_of_scope` or `beyond/…`."""
    return "/" in name and not name.startswith(_BEYOND)


def read_files(files: Sequence[Path]) -> list[Question]:
    """Read files of questions; raise CommandFailed naming each line of a file that is broken."""
    return [question for file in files for question in read_questions(file)]


def read_questions(file: Path) -> list[Question]:
    """Read a file of questions; raise CommandFailed naming each line that is broken."""
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")  # splitlines() would also split at U+2028
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
            questions.append(_question(file, number, json.loads(line)))
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


def _question(file: Path, number: int, content: Any) -> Question:
    """Return the question of one line; raise ValueError saying what is wrong with it."""
    if not isinstance(content, dict):
        raise ValueError("not a JSON object")
    text = content.get("text")
    if not isinstance(text, str) or not text.strip():
        raise ValueError("`text` has to be the question")
    after = content.get("after") or []
    if not isinstance(after, list) or not all(isinstance(earlier, str) and earlier.strip() for earlier in after):
        raise ValueError("`after` has to be a list of earlier messages")
    style, sort = (value if isinstance(value, str) else None for value in (content.get("style"), content.get("kind")))
    return Question(file, number, text, _parts(content), tuple(after), style, sort)


def _parts(content: dict[str, Any]) -> tuple[Part, ...]:
    also_ok = content.get("also_ok") or []
    if "topics" not in content:
        if "topic" not in content:
            raise ValueError("`topic` is missing; null means that the question should be declined")
        return (_part(content["topic"], also_ok),)
    topics = content["topics"]
    if "topic" in content:
        raise ValueError("either `topic` or `topics`, not both")
    if not isinstance(topics, list) or len(topics) != 2 or topics[0] == topics[1]:
        raise ValueError("`topics` has to be a list of two different topics")
    if not isinstance(also_ok, list) or len(also_ok or topics) != len(topics):
        raise ValueError("`also_ok` has to be a list of two lists, one for each of `topics`")
    return tuple(_part(topic, others) for topic, others in zip(topics, also_ok or [[], []], strict=True))


def _part(topic: Any, also_ok: Any) -> Part:
    if not isinstance(also_ok, list):
        raise ValueError("`also_ok` has to be a list of topics, or of two such lists beside `topics`")
    written = [_name(name) for name in (topic, *also_ok)]
    return Part(written[0], frozenset(name if is_topic(name) else NOTHING for name in written))


def _name(name: Any) -> str:
    if name is None:
        return NOTHING
    if not isinstance(name, str) or not name.strip():
        raise ValueError("a topic has to be a name such as session/duration, or null")
    return NOTHING if name in _OTHER_NAMES_OF_NOTHING else name
