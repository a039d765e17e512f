"""Fit and measure how a message is taken apart, and when it is understood with the question before it.

    .venv/rasa/bin/python -m benchmarks.nlu.interpretation

Fits two small logistic regressions on the development sets in tests/understanding/development, never on the held-out
ones beside them: whether the parts of a message are answered each by itself (double questions against single ones), and
whether a message follows up the one before (follow-ups against complete questions put after a question on something
else). Prints the weights that bot/nlu/interpreter.py and bot/nlu/follow_up.py hold, their cross-validated AUC, and what
comes out with the weights that are in the code now. Takes three minutes, most of them for training the topic model.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rasa.shared.nlu.training_data.loading import load_data
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from threadpoolctl import threadpool_limits

from bot.nlu import follow_up
from bot.nlu.encoder import SentenceEncoder
from bot.nlu.encoder_graph import build_graph
from bot.nlu.interpreter import SPLIT_SIGNALS, Interpreter, Reading, Understood, is_answer
from bot.nlu.language_files import entities, spelling_rules
from bot.nlu.reading import Reader
from bot.nlu.spelling import Normalizer, english_words, own_words
from bot.nlu.topic_model import TopicModel

PROJECT = Path(__file__).resolve().parents[2]
DEVELOPMENT = PROJECT / "tests" / "understanding" / "development"
FOLDS = 10
FOR_CLAUSES = 0.1  # when choosing the split to fit to


@dataclass
class Asked:
    """A message, perhaps after another, and what is right: for each question in it, the topics that answer it."""

    text: str
    accepted: list[set[str]]
    before: str | None = None
    is_follow_up: bool = False


class Assistant:
    """The pipeline without Rasa."""

    def __init__(self) -> None:
        examples = load_data(str(PROJECT / "data" / "nlu")).intent_examples
        texts = [example.get("text") for example in examples]
        terms = [
            term for values in entities().values() for value, others in values.items() for term in (value, *others)
        ]
        self.normalize = Normalizer(spelling_rules(), own_words(texts, terms, english_words()))
        self.model = TopicModel.train(
            SentenceEncoder(build_graph()),
            [self.normalize(text) for text in texts],
            [example.get_full_intent() for example in examples],
        )
        self.reader = Reader(entities())
        self.interpreter = Interpreter(self.model.topics, self.model.scores)

    def read(self, asked: Asked) -> Reading:
        """Return how a message reads."""
        text = self.normalize(asked.text)
        doc = self.reader.read(text)
        in_context: list[str] = []
        topic = None
        if asked.before:
            before = self.normalize(asked.before)
            named = self.reader.named(self.reader.read(before))
            in_context = follow_up.in_context(text, self.reader.named(doc), before, named)
            topic = self.interpreter.understand(Reading(before)).topic
        return Reading(
            text,
            self.reader.sentences(doc),
            self.reader.splits(doc),
            in_context,
            topic,
        )

    def understand(self, asked: Asked) -> Understood:
        """Return what a message is about."""
        return self.interpreter.understand(self.read(asked))

    def split_signals(self, asked: Asked) -> list[list[float]]:
        """Return SPLIT_SIGNALS of the splits to fit to: of several questions the best one, of a single one all.

        None where no split has two parts that are sure by themselves.
        """
        reading = self.read(asked)
        whole = self.model.scores([reading.text])[0]
        found = []
        for split in reading.splits:
            parts = self.interpreter.sure_parts(self.model.scores(split.parts))
            if len(parts) > 1:
                found.append((self.interpreter.split_signals(whole, split, parts), {name for name, _sure in parts}))
        if len(asked.accepted) == 1:
            return [signals for signals, _names in found]
        right = [entry for entry in found if all(accepted & entry[1] for accepted in asked.accepted)]
        of_best = [signals for signals, _names in right or found]
        return [max(of_best, key=lambda row: row[0] + FOR_CLAUSES * (row[4] + row[6]))] if of_best else []

    def follow_up_signals(self, asked: Asked) -> list[float]:
        """Return follow_up.SIGNALS."""
        reading = self.read(asked)
        scored = self.model.scores([reading.text, *reading.in_context])
        return self.interpreter.signals(reading, scored[0], scored[1:])


def lines(name: str) -> list[dict[str, Any]]:
    """Read a development set."""
    return [json.loads(line) for line in (DEVELOPMENT / name).read_text(encoding="utf-8").splitlines()]


def singles(name: str) -> list[Asked]:
    """Return messages with one question."""
    return [Asked(row["text"], [{row["topic"], *row["also_ok"]}]) for row in lines(name)]


def doubles() -> list[Asked]:
    """Return messages with two."""
    return [
        Asked(row["text"], [{topic, *also} for topic, also in zip(row["topics"], row["also_ok"], strict=True)])
        for row in lines("double_questions.jsonl")
    ]


def pairs() -> list[Asked]:
    """Return the follow-ups, and every other question after one of another group."""
    found = [
        Asked(row["text"], [{row["topic"], *row["also_ok"]}], row["after"][-1], row["kind"] == "follow_up")
        for row in lines("follow_ups.jsonl")
    ]
    questions = lines("questions.jsonl")
    order = np.random.default_rng(3).permutation(len(questions))
    for row, other in zip(questions, order, strict=True):
        before = questions[other]
        if before["topic"].split("/")[0] == row["topic"].split("/")[0]:
            before = questions[(other + 100) % len(questions)]
        found.append(Asked(row["text"], [{row["topic"], *row["also_ok"]}], before["text"]))
    return found


def fit(title: str, names: Sequence[str], rows: Sequence[Sequence[float]], truth: Sequence[bool]) -> None:
    """Print the weights of a logistic regression and its cross-validated AUC."""
    regression = LogisticRegression(C=3.0, max_iter=2000)
    unseen = cross_val_predict(regression, np.array(rows), truth, cv=FOLDS, method="predict_proba")[:, 1]
    regression.fit(np.array(rows), truth)
    weights = ", ".join(f"{name} {weight:.2f}" for name, weight in zip(names, regression.coef_[0], strict=True))
    print(f"{title}: {weights}, bias {regression.intercept_[0]:.2f}; AUC {roc_auc_score(truth, unseen):.3f}")


def measure(title: str, assistant: Assistant, asked: Sequence[Asked]) -> None:
    """Print how many questions are answered right, and how many wrong answers there are."""
    total = right = wrong = 0
    for message in asked:
        answered = [topic for topic in assistant.understand(message).answered if is_answer(topic)]
        total += len(message.accepted)
        right += sum(any(topic in accepted for topic in answered) for accepted in message.accepted)
        wrong += sum(not any(topic in accepted for accepted in message.accepted) for topic in answered)
    print(f"{title}: {total} questions, right {right / total:.3f}, wrong {wrong / total:.3f}")


def main() -> None:
    """Fit, print, measure."""
    with threadpool_limits(limits=1):
        assistant = Assistant()
        single = singles("questions.jsonl") + singles("single_controls.jsonl")
        double = doubles()
        rows, truth = [], []
        for asked in single + double:
            signals = assistant.split_signals(asked)
            rows.extend(signals)
            truth.extend([len(asked.accepted) > 1] * len(signals))
        fit("answer the parts", SPLIT_SIGNALS, rows, truth)
        in_pairs = pairs()
        fit(
            "follow-up",
            follow_up.SIGNALS,
            [assistant.follow_up_signals(asked) for asked in in_pairs],
            [asked.is_follow_up for asked in in_pairs],
        )
        measure("single questions", assistant, single)
        measure("double questions", assistant, double)
        measure("follow-ups", assistant, [asked for asked in in_pairs if asked.is_follow_up])
        measure("after another question", assistant, [asked for asked in in_pairs if not asked.is_follow_up])


if __name__ == "__main__":
    main()
