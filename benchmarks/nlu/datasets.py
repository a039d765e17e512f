"""What the pipelines are compared on: our own examples and questions, and public data read from where it is."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

import numpy as np

OUT_OF_SCOPE_LABEL = "oos"  # in public data
# Ways in which our assistant says that it has no answer to a question; beyond/… is "the clinic can tell you".
_DECLINING_INTENTS = frozenset({"out_of_scope", "nlu_fallback"})
_DECLINING_GROUP = "beyond/"


class DataSetError(Exception):
    """A data set cannot be used; the message says why, and never quotes a question."""


class Scope(StrEnum):
    """Where a question belongs."""

    IN = "I"
    OUT = "O"
    NEAR = "N"  # of a topic that --limit-topics left out


@dataclass(frozen=True)
class Example:
    """One thing to learn."""

    text: str
    topic: str


@dataclass(frozen=True)
class Question:
    """One thing to ask. Out of scope, `accepted` are the topics that are as good as declining.

    In scope, declining may be as good as one of the accepted topics.
    """

    text: str
    scope: Scope
    accepted: frozenset[str]
    may_be_declined: bool = False


@dataclass(frozen=True)
class Split:
    """What a model is trained on and what it is asked. `validation` may be empty; it is never trained on."""

    examples: Sequence[Example]
    questions: Sequence[Question]
    validation: Sequence[Question] = ()


def no_topic_declines(topic: str) -> bool:
    """Say that every topic of public data is an answer."""
    return False


def declines(topic: str) -> bool:
    """Say whether being understood as this topic of ours gives no answer: small talk, `out_of_scope`, `beyond/…`."""
    return "/" not in topic or topic.startswith(_DECLINING_GROUP)


@dataclass(frozen=True)
class DataSet:
    """Splits of one kind, measured together."""

    name: str
    splits: Sequence[Split]
    declines: Callable[[str], bool] = no_topic_declines
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        """Give the examples and questions a number, by which results of the same ones are recognised later."""
        digest = hashlib.sha256()
        for split in self.splits:
            for example in split.examples:
                digest.update(repr(("example", example.text, example.topic)).encode())
            for question in (*split.questions, *split.validation):
                digest.update(
                    repr(
                        (str(question.scope), question.text, sorted(question.accepted), question.may_be_declined)
                    ).encode()
                )
        object.__setattr__(self, "fingerprint", digest.hexdigest()[:16])


@dataclass(frozen=True)
class Limits:
    """How much of a data set to use; None is all of it. Topics and questions are drawn by `seed`."""

    topics: int | None = None
    examples: int | None = None  # of each topic, the first ones
    questions: int | None = None  # of a split
    seed: int = 0

    def __str__(self) -> str:
        """Name what is left, for the data set's name."""
        parts = [(self.topics, "topics"), (self.examples, "examples each"), (self.questions, "questions")]
        return "".join(f", {number} {what}" for number, what in parts if number is not None)

    def chosen_topics(self, examples: Sequence[Example]) -> frozenset[str]:
        """Draw the topics."""
        names = sorted({example.topic for example in examples})
        if self.topics is None or self.topics >= len(names):
            return frozenset(names)
        drawn = np.random.default_rng(self.seed).permutation(names)[: self.topics]
        return frozenset(str(name) for name in drawn)

    def chosen_examples(self, examples: Sequence[Example]) -> list[Example]:
        """Return the examples of the topics drawn, in the order they had."""
        topics = self.chosen_topics(examples)
        taken: defaultdict[str, int] = defaultdict(int)
        chosen = []
        for example in examples:
            taken[example.topic] += 1
            if example.topic in topics and (self.examples is None or taken[example.topic] <= self.examples):
                chosen.append(example)
        return chosen

    def chosen_questions(self, questions: Sequence[Question]) -> list[Question]:
        """Draw the questions, in the order they had."""
        if self.questions is None or self.questions >= len(questions):
            return list(questions)
        drawn = np.random.default_rng(self.seed).choice(len(questions), self.questions, replace=False)
        return [questions[at] for at in sorted(drawn)]


def own_examples(folder: Path) -> list[Example]:
    """Return the assistant's examples as Rasa reads them."""
    from rasa.shared.nlu.training_data.loading import load_data  # seconds: not for who reads public data only

    found = load_data(str(folder)).intent_examples
    return [Example(example.get("text"), example.get_full_intent()) for example in found]


def cross_validation(examples: Sequence[Example], folds: int, limits: Limits) -> DataSet:
    """Return our own examples, each a question to a model trained on the other folds."""
    examples = limits.chosen_examples(examples)
    fold_of = spread_over_folds([example.topic for example in examples], folds, limits.seed)
    splits = [
        Split(
            examples=[example for example, fold in zip(examples, fold_of, strict=True) if fold != held_out],
            questions=limits.chosen_questions(
                [
                    _own_question(example.text, example.topic)
                    for example, fold in zip(examples, fold_of, strict=True)
                    if fold == held_out
                ]
            ),
        )
        for held_out in range(folds)
    ]
    return DataSet(f"our examples, {folds}-fold{limits}", splits, declines)


def own_questions(examples: Sequence[Example], files: Sequence[Path], limits: Limits) -> DataSet:
    """Return all our examples to learn from, and files of questions to ask.

    A line is `{"text", "topic", "also_ok"}`; a topic of null should be declined. Questions about topics that
    `limits` leave out are left out too.
    """
    examples = limits.chosen_examples(examples)
    known = {example.topic for example in examples}
    questions = [
        question
        for file in files
        for question in _read_own(file)
        if limits.topics is None or question.scope is Scope.OUT or question.accepted & known
    ]
    name = f"our questions ({', '.join(file.stem for file in files)}){limits}"
    return DataSet(name, [Split(examples, limits.chosen_questions(questions))], declines)


def public(folder: Path, limits: Limits, train_file: str | None = None) -> DataSet:
    """Return a folder of public data: `train.jsonl`, or `train_10shot.jsonl` if there is one, and `test.jsonl`.

    Training examples that are out of scope are left out: there is no end to what a clinic's assistant is not about,
    so no pipeline should have to be taught it. `val.jsonl`, if there is one, validates.
    """
    if train_file is None:
        train_file = "train_10shot.jsonl" if (folder / "train_10shot.jsonl").exists() else "train.jsonl"
    labelled = [Example(text, label) for text, label in _read_public(folder / train_file)]
    in_scope = [example for example in labelled if example.topic != OUT_OF_SCOPE_LABEL]
    examples = limits.chosen_examples(in_scope)
    known = {example.topic for example in examples}
    left_out = {example.topic for example in in_scope} - known
    questions = [_public_question(text, label, left_out) for text, label in _read_public(folder / "test.jsonl")]
    validation_file = folder / "val.jsonl"
    validation = [
        _public_question(text, label, left_out)
        for text, label in (_read_public(validation_file) if validation_file.exists() else ())
        if label in known
    ]
    name = folder.name + ("" if train_file == "train.jsonl" else f" ({Path(train_file).stem})")
    split = Split(examples, limits.chosen_questions(questions), limits.chosen_questions(validation))
    return DataSet(f"{name}{limits}", [split])


def with_texts(questions: Iterable[Question], change: Callable[[str], str]) -> list[Question]:
    """Return the questions, each with its text changed."""
    return [replace(question, text=change(question.text)) for question in questions]


def spread_over_folds(topics: Sequence[str], folds: int, seed: int) -> np.ndarray:
    """Return the fold of each example, int, shape (n_examples,): every topic is spread evenly."""
    shuffled = np.random.default_rng(seed).permutation(len(topics))
    fold_of = np.empty(len(topics), dtype=int)
    fold_of[sorted(shuffled, key=lambda index: topics[index])] = np.arange(len(topics)) % folds
    return fold_of


def _own_question(text: str, topic: str | None, also_ok: Sequence[str | None] = ()) -> Question:
    accepted = {None if name in _DECLINING_INTENTS else name for name in (topic, *also_ok)}
    # Small talk is in scope: a greeting that is taken for something else is a mistake.
    has_answer = topic is not None and topic not in _DECLINING_INTENTS and not topic.startswith(_DECLINING_GROUP)
    return Question(
        text,
        Scope.IN if has_answer else Scope.OUT,
        frozenset(name for name in accepted if name is not None),
        may_be_declined=None in accepted,
    )


def _read_own(file: Path) -> Iterator[Question]:
    for number, line in _json_lines(file):
        try:
            text, topic, also = line["text"], line["topic"], line.get("also_ok") or []
        except (KeyError, TypeError, AttributeError):
            raise DataSetError(f'{file}, line {number}: not {{"text", "topic", "also_ok"}}.') from None
        yield _own_question(text, topic, also)


def _public_question(text: str, label: str, left_out: set[str]) -> Question:
    if label == OUT_OF_SCOPE_LABEL:
        return Question(text, Scope.OUT, frozenset())
    if label in left_out:
        return Question(text, Scope.NEAR, frozenset())
    return Question(text, Scope.IN, frozenset({label}))


def _read_public(file: Path) -> Iterator[tuple[str, str]]:
    for number, line in _json_lines(file):
        try:
            yield line["text"], line["label"]
        except (KeyError, TypeError):
            raise DataSetError(f'{file}, line {number}: not {{"text", "label"}}.') from None


def _json_lines(file: Path) -> Iterator[tuple[int, dict]]:
    try:
        # Not splitlines(): it also splits at characters that JSON allows inside a text.
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise DataSetError(f"{file} cannot be read: {error.strerror}.") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except json.JSONDecodeError:
                raise DataSetError(f"{file}, line {number}: not JSON.") from None
