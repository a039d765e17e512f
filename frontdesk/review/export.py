"""From what staff decided to a change of `data/` and `tests/` that a person commits.

Nothing is written unless all of it can be: each file is changed in memory first.
"""

import difflib
import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from frontdesk.content.wording import WordingNotFound, replaced
from frontdesk.review.topics import Topic

STORIES = Path("tests") / "conversations" / "test_reviewed.yml"
_STORIES_HEAD = """\
# Conversations that staff kept as tests (`./ketalink review export`). Their words are without anything personal.
version: "3.1"
stories:
"""
_EXAMPLE = re.compile(r"^(\s*)- (.*)$")
_ANNOTATION = re.compile(r"\[([^\]]*)\](?:\([^)]*\)|\{[^}]*\})")


@dataclass
class Change:
    """What is to be written, by path below the project, and what was left out and why."""

    project: Path
    files: dict[Path, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def text(self, path: Path) -> str:
        """Return a file as it will be."""
        if path not in self.files:
            file = self.project / path
            self.files[path] = file.read_text(encoding="utf-8") if file.exists() else ""
        return self.files[path]

    def changed(self) -> list[Path]:
        """Return the paths of the files that will be different."""
        return [path for path in sorted(self.files) if self.files[path] != self._before(path)]

    def patch(self) -> str:
        """Return the change as `git apply` takes it."""
        parts: list[str] = []
        for path in self.changed():
            before = self._before(path)
            old = f"a/{path.as_posix()}" if (self.project / path).exists() else "/dev/null"
            lines = difflib.unified_diff(
                before.splitlines(keepends=True),
                self.files[path].splitlines(keepends=True),
                old,
                f"b/{path.as_posix()}",
            )
            parts.extend(lines)
        return "".join(parts)

    def write(self) -> None:
        """Change the files."""
        for path in self.changed():
            (self.project / path).parent.mkdir(parents=True, exist_ok=True)
            (self.project / path).write_text(self.files[path], encoding="utf-8")

    def _before(self, path: Path) -> str:
        file = self.project / path
        return file.read_text(encoding="utf-8") if file.exists() else ""


def normalised(text: str) -> str:
    """Return a text without what nobody would call a difference: case, punctuation, spaces, annotations."""
    plain = unicodedata.normalize("NFKC", _ANNOTATION.sub(r"\1", text)).casefold().replace("’", "'")
    return " ".join(re.sub(r"[^\w\s]", "", plain).split())


def add_examples(change: Change, topics: dict[str, Topic], examples: Iterable[tuple[str, str]]) -> int:
    """Add (topic, text) to the files of the topics; return how many were added.

    Left out is what is there already, what another topic has, and what is held out for measuring.
    """
    known = _known(topics)
    held_out = _held_out(change.project)
    count = 0
    for name, text in examples:
        plain = normalised(text)
        topic = topics.get(name)
        if topic is None:
            change.left_out.append(f"an example of {name}, which there is no more in data/nlu/")
        elif not plain:
            change.left_out.append(f"an example of {name} without a word in it")
        elif plain in held_out:
            change.left_out.append(f"an example of {name} that is held out for measuring")
        elif plain in known and known[plain] != name:
            change.left_out.append(
                f"an example of {name} that {known[plain]} has already, word for word: settle in both files whose it is"
            )
        elif plain not in known:
            path = topic.file.relative_to(change.project)
            change.files[path] = _with_example(change.text(path), text)
            known[plain] = name
            count += 1
    return count


def add_stories(change: Change, topics: dict[str, Topic], stories: Sequence[str]) -> int:
    """Add conversation tests; return how many. Left out is one with a sentence that is an example or held out."""
    taken = set(_known(topics)) | _held_out(change.project)
    count = 0
    for story in stories:
        content = yaml.safe_load(story)
        said = [normalised(step["user"]) for entry in content for step in entry["steps"] if "user" in step]
        clashes = [text for text in said if text in taken and len(text.split()) > 2]
        name = content[0]["story"]
        if clashes:
            change.left_out.append(
                f"the conversation “{name}”: {len(clashes)} of its sentences are examples or held out, word for word. "
                f"A test has to use words of its own"
            )
            continue
        before = change.text(STORIES) or _STORIES_HEAD
        if any(entry.get("story") == name for entry in (yaml.safe_load(before) or {}).get("stories") or []):
            change.left_out.append(f"the conversation “{name}”: there is one of that name")
            continue
        change.files[STORIES] = (
            before.rstrip("\n") + "\n" + ("\n" if "- story" in before else "") + story.strip() + "\n"
        )
        count += 1
    return count


def replace_wordings(change: Change, proposals: Iterable[tuple[Path, str, str, str, str]]) -> int:
    """Put proposed words in place: (file, topic, channel, what they replace, the words). Return how many."""
    count = 0
    for file, topic, channel, before, words in proposals:
        path = file.relative_to(change.project)
        try:
            change.files[path] = replaced(change.text(path), topic, channel, before, words)
        except WordingNotFound as error:
            change.left_out.append(f"a wording of {topic} ({channel}): {error}")
        else:
            count += 1
    return count


def _with_example(text: str, example: str) -> str:
    """Return a file of examples with one more at its end."""
    lines = text.rstrip("\n").split("\n")
    place = max(number for number, line in enumerate(lines) if _EXAMPLE.match(line) and "intent:" not in line)
    indent = _EXAMPLE.match(lines[place])
    assert indent is not None  # noqa: S101
    return "\n".join([*lines[: place + 1], f"{indent[1]}- {' '.join(example.split())}", *lines[place + 1 :], ""])


def _known(topics: dict[str, Topic]) -> dict[str, str]:
    """Return whose each example is, by its plain words."""
    found: dict[str, str] = {}
    for topic in topics.values():
        for line in topic.file.read_text(encoding="utf-8").splitlines():
            match = _EXAMPLE.match(line)
            if match and not match[2].startswith("intent:"):
                found.setdefault(normalised(match[2]), topic.name)
    return found


def _held_out(project: Path) -> set[str]:
    """Return what is asked in the measurements, in plain words."""
    found: set[str] = set()
    for file in (project / "tests" / "understanding").rglob("*.jsonl"):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.strip():
                found.add(normalised(str(json.loads(line).get("text", ""))))
    return found - {""}
