"""Compare the topic model with a stock one: bags of words and letters, logistic regression.

    .venv/rasa/bin/python -m benchmarks.nlu.first_pipeline                     our examples, 5-fold
    .venv/rasa/bin/python -m benchmarks.nlu.first_pipeline FOLDER/clinc150-small   public data

A public data set is a folder with `train.jsonl`, `val.jsonl` and `test.jsonl` of `{"text", "label"}`, where
the label `oos` marks what no topic covers. It is read, never copied: CLINC150 is by Larson et al. (2019),
CC BY 3.0.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rasa.shared.nlu.training_data.loading import load_data
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union
from threadpoolctl import threadpool_limits

from bot.nlu.encoder import SentenceEncoder, build_graph
from bot.nlu.topic_classifier import TopicClassifier
from bot.nlu.topic_model import FOLDS, TopicModel, spread_over_folds

PROJECT = Path(__file__).resolve().parents[2]
OUT_OF_SCOPE = "oos"
# Of public data: about as many topics and examples as the assistant has.
PUBLIC_TOPICS = 64
PUBLIC_EXAMPLES = 20
TIMED = 200


@dataclass
class Trained:
    """A pipeline after training: the names of its topics, and their scores for each text."""

    topics: np.ndarray
    scores: Callable[[Sequence[str]], np.ndarray]


Pipeline = Callable[[Sequence[str], Sequence[str]], Trained]


def stock(texts: Sequence[str], topics: Sequence[str]) -> Trained:
    """Train on what `rasa init` looks at: words, and pieces of words of 1 to 4 letters."""
    features = make_union(TfidfVectorizer(), TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4)))
    model = make_pipeline(features, LogisticRegression(C=20, max_iter=1000)).fit(texts, topics)
    return Trained(model.classes_, model.predict_proba)


def topic_model(texts: Sequence[str], topics: Sequence[str]) -> Trained:
    """Train the assistant's own, with its default settings; loading the encoder counts as training."""
    strength = TopicClassifier.get_default_config()["strength"]
    model = TopicModel.train(SentenceEncoder(build_graph()), texts, topics, strength)
    return Trained(np.array(model.topics), model.scores)


PIPELINES: dict[str, Pipeline] = {"stock": stock, "topic model": topic_model}


def interval(right: np.ndarray) -> str:
    """Return a share in percent with its 95 % interval (Wilson, 1927, doi:10.1080/01621459.1927.10502953)."""
    n, p, z = len(right), float(np.mean(right)), 1.96
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return f"{100 * p:.1f} ({100 * (middle - half):.1f} to {100 * (middle + half):.1f})"


def places(trained: Trained, texts: Sequence[str], topics: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return, for each text, whether its topic is first, and whether it is among the first three."""
    best = trained.topics[np.argsort(-trained.scores(texts), axis=1)[:, :3]]
    hits = best == np.array(topics)[:, None]
    return hits[:, 0], hits.any(axis=1)


def typical_milliseconds(trained: Trained, texts: Sequence[str]) -> float:
    """Return the median time to understand one message."""
    times = []
    for text in texts[:TIMED]:
        start = time.perf_counter()
        trained.scores([text])
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))


def own_examples(folder: Path) -> tuple[list[str], list[str]]:
    """Return the assistant's examples and their topics."""
    examples = load_data(str(folder)).intent_examples
    return [example.get("text") for example in examples], [example.get_full_intent() for example in examples]


def cross_validate(texts: list[str], topics: list[str]) -> None:
    """Print how well each pipeline does on examples it did not see."""
    print(f"our examples: {len(texts)}, {len(set(topics))} topics, {FOLDS}-fold")
    folds = spread_over_folds(topics)
    for name, train in PIPELINES.items():
        first, among_three = np.zeros(len(texts), bool), np.zeros(len(texts), bool)
        seconds = []
        for fold in range(FOLDS):
            kept, held_out = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            start = time.perf_counter()
            trained = train([texts[i] for i in kept], [topics[i] for i in kept])
            seconds.append(time.perf_counter() - start)
            unseen = [texts[i] for i in held_out]
            first[held_out], among_three[held_out] = places(trained, unseen, [topics[i] for i in held_out])
        print(
            f"{name:12} right {interval(first)}, among three {interval(among_three)}, "
            f"training {np.median(seconds):.1f} s, p50 {typical_milliseconds(trained, unseen):.1f} ms"
        )


def read(path: Path) -> Iterator[tuple[str, str]]:
    """Yield texts and labels of one file."""
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield row["text"], row["label"]


def measure_public(folder: Path) -> None:
    """Print right answers, and how much of what no topic covers is rejected.

    The threshold accepts 95 % of the validation questions. "Far" is out of scope, "near" is about the topics
    that were left out.
    """
    training = [row for row in read(folder / "train.jsonl") if row[1] != OUT_OF_SCOPE]
    names = sorted({label for _, label in training})
    shuffled = np.random.default_rng(0).permutation(names)
    chosen = {str(name) for name in shuffled[:PUBLIC_TOPICS]}
    by_topic = {name: [text for text, label in training if label == name] for name in sorted(chosen)}
    examples = [(text, name) for name, texts in by_topic.items() for text in texts[:PUBLIC_EXAMPLES]]
    validation = [text for text, label in read(folder / "val.jsonl") if label in chosen]
    test = list(read(folder / "test.jsonl"))
    known = [row for row in test if row[1] in chosen]
    far = [text for text, label in test if label == OUT_OF_SCOPE]
    near = [text for text, label in test if label != OUT_OF_SCOPE and label not in chosen]
    print(f"{folder.name}: {len(examples)} examples, {len(chosen)} topics, {len(known)} questions")
    for name, train in PIPELINES.items():
        start = time.perf_counter()
        trained = train([text for text, _ in examples], [label for _, label in examples])
        seconds = time.perf_counter() - start
        threshold = np.quantile(trained.scores(validation).max(axis=1), 0.05)
        questions = [text for text, _ in known]
        first, among_three = places(trained, questions, [label for _, label in known])
        rejected = [
            100 * float(np.mean(trained.scores(texts).max(axis=1) < threshold)) if texts else float("nan")
            for texts in (far, near)
        ]
        print(
            f"{name:12} right {interval(first)}, among three {interval(among_three)}, "
            f"threshold {threshold:.2f}, rejected far {rejected[0]:.0f} near {rejected[1]:.0f}, "
            f"training {seconds:.1f} s, p50 {typical_milliseconds(trained, questions):.1f} ms"
        )


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("public", nargs="*", type=Path, help="folders of public data; none: our own examples")
    arguments = parser.parse_args()
    with threadpool_limits(limits=1):
        for folder in arguments.public:
            measure_public(folder)
        if not arguments.public:
            cross_validate(*own_examples(PROJECT / "data" / "nlu"))


if __name__ == "__main__":
    main()
