"""The rules of `data/safety/`, as a clinician writes them, made into patterns for spaCy's Matcher."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from frontdesk.safety.text import plain
from frontdesk.settings import PROJECT, SettingsError

FOLDER = PROJECT / "data" / "safety"
GAP = 3
_LIST = re.compile(r"<([a-z_]+)>")
_GAP = re.compile(r"\.\.\.(\d?)")

TokenPattern = dict[str, Any]


class Level(StrEnum):
    """What is to be done about a message; the first is the gravest."""

    CRISIS = "crisis"
    EMERGENCY = "emergency"
    DIVERSION = "diversion"
    MEDICAL_ADVICE = "medical_advice"


class Person(StrEnum):
    """Who is meant."""

    SELF = "self"
    OTHER = "other"


@dataclass(frozen=True)
class Rule:
    """One reason to act: what is said when it applies, and what then is said besides when it does not."""

    id: str
    level: Level
    person: Person
    language: str
    why: str
    patterns: tuple[tuple[TokenPattern, ...], ...]
    unless: tuple[tuple[TokenPattern, ...], ...]
    squeezed: tuple[str, ...]
    even_if_past: bool
    even_if_negated: bool
    even_if_asked: bool
    alarm: tuple[str, ...]
    quiet: tuple[str, ...]


@dataclass(frozen=True)
class RuleBook:
    """All rules, and what they are read with."""

    rules: tuple[Rule, ...]
    idioms: tuple[tuple[TokenPattern, ...], ...]
    past: tuple[tuple[TokenPattern, ...], ...]
    present: tuple[tuple[TokenPattern, ...], ...]
    well_now: tuple[tuple[TokenPattern, ...], ...]
    ended: tuple[tuple[TokenPattern, ...], ...]
    denied: tuple[tuple[TokenPattern, ...], ...]
    topics: tuple[tuple[TokenPattern, ...], ...]
    somebody: tuple[tuple[TokenPattern, ...], ...]
    confessions: tuple[tuple[TokenPattern, ...], ...]
    negations: frozenset[str]
    deny: frozenset[str]
    links: frozenset[str]
    past_words: frozenset[str]
    now_words: frozenset[str]
    question_words: frozenset[str]
    lead_ins: frozenset[str]
    spellings: Mapping[str, Sequence[str]]
    keywords: frozenset[str]
    others: frozenset[str]
    dangers: frozenset[str]

    def words(self) -> set[str]:
        """Return every word that a rule names."""
        found = {*self.negations, *self.others, *self.dangers, *self.deny, *self.links}
        found |= {*self.past_words, *self.now_words, *self.question_words, *self.lead_ins}
        groups = [self.idioms, self.past, self.present, self.well_now, self.ended, self.denied]
        groups += [self.topics, self.somebody, self.confessions]
        groups += [group for rule in self.rules for group in (rule.patterns, rule.unless)]
        for group in groups:
            for pattern in group:
                for token in pattern:
                    lower = token.get("LOWER")
                    found.update(lower["IN"] if isinstance(lower, dict) else [lower] if lower else [])
        return found


class RuleError(SettingsError):
    """A file of data/safety cannot be used; the message has file, line and reason."""


class _Lines(yaml.CSafeLoader):  # a fifth of the time of the one in Python
    """Keeps the line of every mapping."""


def _with_line(loader: _Lines, node: yaml.MappingNode) -> dict[Any, Any]:
    return {**loader.construct_mapping(node, deep=True), "__line__": node.start_mark.line + 1}


_Lines.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _with_line)


def load_rules(folder: Path = FOLDER) -> RuleBook:
    """Read and compile every file; raise RuleError for what is missing, malformed or unknown."""
    reading = _read(folder / "reading.yml")
    lists = {name: _texts(folder / "reading.yml", reading, "lists", name) for name in _keys(reading, "lists")}
    spellings = {
        plain(str(wrong)): plain(str(right)).split()
        for wrong, right in (reading.get("spellings") or {}).items()
        if wrong != "__line__"
    }
    compiler = _Compiler(lists, spellings)

    def compiled(name: str) -> tuple[tuple[TokenPattern, ...], ...]:
        return _compiled(
            compiler, folder / "reading.yml", _line(reading), _texts(folder / "reading.yml", reading, name)
        )

    def words(*names: str) -> frozenset[str]:
        return frozenset(map(plain, _texts(folder / "reading.yml", reading, *names)))

    rules = [rule for path in sorted(folder.glob("rules/*.yml")) for rule in _rules(path, _read(path), compiler)]
    if not rules:
        raise RuleError(f"{folder / 'rules'}: no rules are there. Restore the folder from the distribution.")
    twice = {rule.id for rule in rules if sum(other.id == rule.id for other in rules) > 1}
    if twice:
        raise RuleError(f"{folder / 'rules'}: these ids are there twice: {', '.join(sorted(twice))}.")
    return RuleBook(
        rules=tuple(rules),
        idioms=compiled("idioms"),
        past=compiled("past"),
        present=compiled("present"),
        well_now=compiled("well_now"),
        ended=compiled("ended"),
        denied=compiled("denied"),
        topics=compiled("topics"),
        somebody=compiled("somebody"),
        confessions=compiled("confessions"),
        negations=words("negations"),
        deny=words("lists", "deny"),
        links=words("lists", "link"),
        past_words=words("past_words"),
        now_words=words("now_words"),
        question_words=words("question_words"),
        lead_ins=words("lead_ins"),
        spellings=spellings,
        keywords=words("keywords"),
        dangers=words("dangers"),
        others=words("others"),
    )


class _Compiler:
    """Turns "<want> to|2 (die|be dead)" into what spaCy's Matcher takes."""

    def __init__(self, lists: Mapping[str, Sequence[str]], spellings: Mapping[str, Sequence[str]]) -> None:
        self._lists = lists
        self._spellings = spellings

    def compile(self, written: str) -> Iterator[tuple[TokenPattern, ...]]:
        """Yield the patterns that a line stands for; raise ValueError for what it does not."""
        pieces = written.split()
        if not pieces:
            raise ValueError("an empty pattern")
        for parts in product(*(self._alternatives(piece) for piece in pieces)):
            pattern = tuple(token for part in parts for token in part)
            if all("OP" in token for token in pattern):
                raise ValueError("at least one word has to be needed")
            yield pattern

    def _alternatives(self, piece: str) -> list[list[TokenPattern]]:
        gap = _GAP.fullmatch(piece)
        if gap:
            return [[{"IS_PUNCT": False, "OP": "?"}] * int(gap[1] or GAP)]
        optional = "?" if piece.endswith("?") else ""
        words: list[str] = []
        for word in piece.removesuffix("?").split("|"):
            named = _LIST.fullmatch(word)
            if named and named[1] not in self._lists:
                raise ValueError(f"the list <{named[1]}> is not in reading.yml")
            if not named and not re.fullmatch(r"[^\W_]+", plain(word)):
                raise ValueError(f"{piece!r} is neither words joined by |, <a list>, nor a gap (...)")
            words += self._lists[named[1]] if named else [word]
        return self._one_of(words, optional)

    def _one_of(self, words: Sequence[str], optional: str) -> list[list[TokenPattern]]:
        # Other spellings are read as what they stand for, in rules as in texts.
        phrases = [
            [right for word in plain(written).split() for right in self._spellings.get(word, (word,))]
            for written in words
        ]
        single = list(dict.fromkeys(phrase[0] for phrase in phrases if len(phrase) == 1))
        found: list[list[TokenPattern]] = []
        if single:
            found.append([{"LOWER": {"IN": single}, **({"OP": "?"} if optional else {})}])
        found += [[{"LOWER": word} for word in phrase] for phrase in phrases if len(phrase) > 1]
        return [*found, []] if optional and not single else found


def _rules(path: Path, content: Mapping[str, Any], compiler: _Compiler) -> Iterator[Rule]:
    try:
        level, person = Level(str(content.get("level"))), Person(str(content.get("person")))
    except ValueError as error:
        raise RuleError(f"{path}:{_line(content)}: `level` or `person` is missing or unknown ({error}).") from error
    # Not `rules`: Rasa takes every file below data/ with that key for its own.
    rules = content.get("watch_for")
    if not isinstance(rules, list) or not rules:
        raise RuleError(f"{path}:{_line(content)}: `watch_for` has to be a list of rules.")
    for entry in rules:
        if not isinstance(entry, dict):
            raise RuleError(f"{path}:{_line(content)}: {entry!r} is not a rule.")
        for key in ("id", "why"):
            if not isinstance(entry.get(key), str) or not entry[key].strip():
                raise RuleError(f"{path}:{_line(entry)}: a rule needs `{key}`.")
        unknown = set(entry) - {
            "__line__",
            "id",
            "why",
            "patterns",
            "unless",
            "squeezed",
            "even_if_past",
            "even_if_negated",
            "even_if_asked",
            "alarm",
            "quiet",
        }
        if unknown:
            raise RuleError(f"{path}:{_line(entry)}: {', '.join(sorted(unknown))} is not known here.")
        texts = {key: _texts(path, entry, key) for key in ("unless", "squeezed", "quiet") if key in entry}
        yield Rule(
            id=entry["id"],
            level=level,
            person=person,
            language=str(content.get("language", "en")),
            why=entry["why"],
            patterns=_compiled(compiler, path, _line(entry), _texts(path, entry, "patterns")),
            unless=_compiled(compiler, path, _line(entry), texts.get("unless", [])),
            squeezed=tuple(plain(text).replace(" ", "") for text in texts.get("squeezed", [])),
            even_if_past=bool(entry.get("even_if_past")),
            even_if_negated=bool(entry.get("even_if_negated")),
            even_if_asked=bool(entry.get("even_if_asked")),
            alarm=tuple(_texts(path, entry, "alarm")),
            quiet=tuple(texts.get("quiet", [])),
        )


def _compiled(
    compiler: _Compiler, path: Path, line: int, written: Sequence[str]
) -> tuple[tuple[TokenPattern, ...], ...]:
    found: list[tuple[TokenPattern, ...]] = []
    for text in written:
        try:
            found += compiler.compile(text)
        except ValueError as error:
            raise RuleError(f"{path}:{line}: the pattern {text!r} cannot be read: {error}.") from error
    return tuple(found)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Lines)  # noqa: S506 # a SafeLoader
    except (OSError, UnicodeDecodeError) as error:
        raise RuleError(f"{path} cannot be read: {error}.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise RuleError(f"{path}:{mark.line + 1 if mark else 1}: {getattr(error, 'problem', error)}.") from error
    if not isinstance(content, dict):
        raise RuleError(f"{path}:1: it has to be `key: value` lines.")
    return content


def _line(content: Mapping[str, Any]) -> int:
    return int(content.get("__line__", 1))


def _keys(content: Mapping[str, Any], name: str) -> list[str]:
    return [key for key in content.get(name) or {} if key != "__line__"]


def _texts(path: Path, content: Mapping[str, Any], *names: str) -> list[str]:
    value: Any = content
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    if not isinstance(value, list) or not value or not all(isinstance(text, str) for text in value):
        where = ".".join(names)
        raise RuleError(f"{path}:{_line(content)}: `{where}` has to be a list of texts (`no` needs quotation marks).")
    return value
