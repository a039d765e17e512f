"""Kernel ridge regression over all topics, and the score that says how much to trust it. Knows nothing of Rasa."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import scipy.linalg
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from bot.nlu.kernel_regression import KernelRegression, round_rows
from bot.nlu.network import NetworkError
from bot.nlu.verdict import VerdictModel

REJECT_BELOW = 0.5
# The cut is where answering begins to be worth more than asking back, a wrong answer counting this much against a right
# one, measured on the training examples of one fold by a model of the others. They are harder than what visitors ask.
WRONG_COSTS = 1.0
# At least this share of them is rejected, for what is out of scope.
REJECTED_SHARE = 0.05
FOLDS = 3
CUT_RANGE = (1e-3, 0.999)

PIECES: dict[str, Any] = {"analyzer": "char_wb", "ngram_range": (2, 5), "sublinear_tf": True}
LETTERS_WIDTH = 100
# What a text is described by, against 1 for the encoder's last layer. Letters: enough for misspelled words, too little
# to drown the rest. Earlier layers: nearer to the words than the last, which was trained to forget them.
LETTERS_WEIGHT = 0.5
EARLIER_WEIGHT = 0.5
ROW_WIDTH = 384  # of the description, pressed together; wider is hardly better and slower

# score = regression * (its share beside the next topic) ** SHARE_POWER * (nearest example) ** NEAREST_POWER
SHARE_POWER = 2
NEAREST_POWER = 2
FEW_ROWS = 12  # benchmarked with OpenBLAS on one thread
AT_ONCE = 500  # examples whose scores are computed together when training: more take more memory and no less time

# "?", "..." or an emoji alone looks to the encoder like whatever short example is nearest.
# "$$?" however asks for the price.
_READABLE = re.compile(r"[\w$]")


class TopicModelError(Exception):
    """The topics cannot be learned or a stored model cannot be used; the message says what to do."""


class Encoder(Protocol):
    """Whatever turns texts into unit vectors."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return the embeddings, float32, shape (n_texts, layers, width); the last layer is what others compare by."""


class Judged(NamedTuple):
    """What is thought of texts."""

    topics: np.ndarray  # how sure each topic is, shape (n_texts, n_topics)
    verdict: np.ndarray  # how likely each asks for a verdict about one person, shape (n_texts,)


class LetterFeatures:
    """How texts are spelled: tf-idf of the 2 to 5 letter pieces of words, pressed into few numbers by LSA.

    A misspelled word shares most of its pieces with the right one, where an encoder may see nothing familiar.
    """

    def __init__(self, pieces: TfidfVectorizer, axes: np.ndarray) -> None:
        self._pieces = pieces
        self._pieces_of = pieces.build_analyzer()
        self._index = pieces.vocabulary_
        self._idf = pieces.idf_
        self._axes = axes

    @classmethod
    def fit(cls, texts: Sequence[str]) -> "LetterFeatures":
        """Learn which pieces occur and which occur together; raises TopicModelError for too few examples."""
        pieces = TfidfVectorizer(min_df=2, **PIECES)
        try:
            counts = pieces.fit_transform(texts)
        except ValueError as error:  # scikit-learn: "no terms remain"
            raise TopicModelError("There are too few examples to learn from. Add some to data/nlu/.") from error
        width = max(1, min(LETTERS_WIDTH, min(counts.shape) - 1))
        axes = TruncatedSVD(width, random_state=0).fit(counts).components_
        return cls(pieces, np.ascontiguousarray(axes.T, dtype=np.float32))

    def transform(self, texts: Sequence[str]) -> np.ndarray:
        """Return one row a text, float32, of length 1, or 0 for a text without a known piece."""
        rows = np.stack([self._row(text) for text in texts])
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.asarray(rows / np.where(lengths > 0, lengths, 1), dtype=np.float32)

    def _row(self, text: str) -> np.ndarray:
        """Return what scikit-learn's own `transform` comes to, in a tenth of the time for a single text."""
        counts = Counter(self._pieces_of(text))
        known = [(self._index[piece], count) for piece, count in counts.items() if piece in self._index]
        if not known:
            return np.zeros(self._axes.shape[1], dtype=np.float32)
        indices, often = np.array(known).T
        return np.asarray(((1 + np.log(often)) * self._idf[indices]).astype(np.float32) @ self._axes[indices])

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return what is needed to restore the features: arrays, and data fit for JSON."""
        arrays = {"piece_idf": self._pieces.idf_, "piece_axes": self._axes}
        return arrays, {"pieces": [str(piece) for piece in self._pieces.get_feature_names_out()]}

    @classmethod
    def restore(cls, arrays: dict[str, np.ndarray], data: dict[str, Any]) -> "LetterFeatures":
        """Bring back features from `state`; raises KeyError or ValueError if parts are missing or wrong."""
        pieces = TfidfVectorizer(vocabulary=data["pieces"], **PIECES)
        pieces.idf_ = arrays["piece_idf"]
        axes = arrays["piece_axes"]
        if axes.shape[0] != len(data["pieces"]):
            raise ValueError("letter features do not fit together")
        return cls(pieces, axes)


class Description:
    """What the model sees of a text: layers of the encoder and letters, turned and cut to the axes that matter most."""

    def __init__(self, letters: LetterFeatures, axes: np.ndarray) -> None:
        """Take the letter features and the axes, float32, shape (layers * width + letters width, row width)."""
        self._letters = letters
        self._axes = axes

    @classmethod
    def fit(cls, texts: Sequence[str], embeddings: np.ndarray) -> "Description":
        """Find the axes; raises TopicModelError for too few examples."""
        letters = LetterFeatures.fit(texts)
        rows = _side_by_side(embeddings, letters.transform(texts))
        _variances, axes = scipy.linalg.eigh(rows.T @ rows)
        return cls(letters, np.ascontiguousarray(axes[:, -ROW_WIDTH:], dtype=np.float32))

    def rows(self, texts: Sequence[str], embeddings: np.ndarray) -> np.ndarray:
        """Return one row a text, float32, shape (n_texts, row width), of a length near 1, rounded by `round_rows`."""
        return round_rows(_product(_side_by_side(embeddings, self._letters.transform(texts)), self._axes))

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return what is needed to restore it: arrays, and data fit for JSON."""
        arrays, data = self._letters.state()
        return {**arrays, "axes": self._axes}, data

    @classmethod
    def restore(cls, arrays: dict[str, np.ndarray], data: dict[str, Any]) -> "Description":
        """Bring back what `state` returned; raises KeyError or ValueError if parts are missing or wrong."""
        return cls(LetterFeatures.restore(arrays, data), arrays["axes"])


class TopicModel:
    """Kernel ridge regression over topics; a score of less than 0.5 always means "reject".

    The raw score of a topic is what the regression gives it, lowered by how much it gives another topic, and by how far
    the nearest of the topic's training examples is: the first alone is sure of ambiguous messages and of strange ones.
    Which raw score is enough depends on the number of topics and how alike they are, so it is measured when training.
    """

    def __init__(
        self,
        encoder: Encoder,
        description: Description,
        topics: list[str],
        regression: KernelRegression,
        example_topics: np.ndarray,
        cut: float,
        verdict: VerdictModel | None = None,
    ) -> None:
        """Put together a trained model.

        Args:
            encoder: the same as in training.
            description: fitted on the training examples.
            topics: names.
            regression: learnt from the rows of the training examples, topic by topic; gives each topic a number.
            example_topics: which of `topics` each example is of, int, ascending, shape (n_examples,).
            cut: the raw score from which a message is accepted.
            verdict: tells who asks for a verdict; without it nobody does.
        """
        self.topics = topics
        self.cut = cut
        self._encoder = encoder
        self._description = description
        self._regression = regression
        self._example_topics = example_topics
        self._verdict = verdict

    @classmethod
    def train(
        cls, encoder: Encoder, texts: Sequence[str], topics: Sequence[str], marks: Sequence[str | None] = ()
    ) -> "TopicModel":
        """Learn from examples; the cut comes from scores of examples the model did not see.

        Args:
            encoder: gives the meaning of a text.
            texts: training examples.
            topics: the topic of each.
            marks: what each asks for, as bot.nlu.verdict knows it; none if nothing is known of any.
        Raises: TopicModelError if there are fewer than two topics, or too few examples.
        """
        if len(set(topics)) < 2:
            raise TopicModelError("There are examples of fewer than two topics. Add examples to data/nlu/.")
        embeddings = encoder.encode(texts)
        description = Description.fit(texts, embeddings)
        rows = description.rows(texts, embeddings)
        cut = cls._measured_cut(encoder, description, rows, topics)
        final = cls._fit(encoder, description, rows, topics)
        final.cut = cut
        final._verdict = VerdictModel.train(rows, topics, marks or [None] * len(texts))
        return final

    @classmethod
    def _measured_cut(
        cls, encoder: Encoder, description: Description, rows: np.ndarray, topics: Sequence[str]
    ) -> float:
        """Return the cut, from the scores that a model of the other folds gives the examples of the first."""
        fold_of = spread_over_folds(topics)
        held_out, kept = np.flatnonzero(fold_of == 0), np.flatnonzero(fold_of != 0)
        known = [topics[i] for i in kept]
        if len(set(known)) < 2:
            return CUT_RANGE[0]
        model = cls._fit(encoder, description, rows[kept], known)
        unseen, is_wrong = np.zeros(len(held_out)), np.zeros(len(held_out), dtype=bool)
        for start in range(0, len(held_out), AT_ONCE):
            asked = slice(start, start + AT_ONCE)
            scores = model._raw_scores(rows[held_out[asked]])
            unseen[asked] = scores.max(axis=1)
            found = [model.topics[best] for best in scores.argmax(axis=1)]
            is_wrong[asked] = [name != topics[i] for name, i in zip(found, held_out[asked], strict=True)]
        return reject_point(unseen, is_wrong)

    @classmethod
    def _fit(cls, encoder: Encoder, description: Description, rows: np.ndarray, topics: Sequence[str]) -> "TopicModel":
        names = sorted(set(topics))
        order = np.argsort(topics, kind="stable")
        rows = rows[order]
        topic_of = np.searchsorted(names, topics)[order]
        is_of = np.zeros((len(rows), len(names)), dtype=np.float32)
        is_of[np.arange(len(rows)), topic_of] = 1
        return cls(encoder, description, names, KernelRegression.fit(rows, is_of), topic_of, CUT_RANGE[0])

    def _raw_scores(self, rows: np.ndarray) -> np.ndarray:
        spoken_for, likeness = self._regression.predict(rows)
        nearest = self._nearest(likeness).clip(0, 1)
        spoken_for = spoken_for.clip(0, 1)
        share = spoken_for / np.maximum(spoken_for + _highest_other(spoken_for), 1e-6)
        return np.asarray(spoken_for * share**SHARE_POWER * nearest**NEAREST_POWER, dtype=np.float64)

    def _nearest(self, likeness: np.ndarray) -> np.ndarray:
        """Return the highest cosine to an example of each topic, shape (n_texts, n_topics)."""
        starts = np.searchsorted(self._example_topics, np.arange(len(self.topics)))
        return np.asarray(np.maximum.reduceat(likeness, starts, axis=1))

    def scores(self, texts: Sequence[str]) -> np.ndarray:
        """Return how sure each topic is, in [0, 1], shape (n_texts, n_topics); below 0.5 means "reject".

        A text without anything to read scores 0 everywhere.
        """
        return self.judge(texts).topics

    def judge(self, texts: Sequence[str]) -> Judged:
        """Return `scores`, and how likely each text asks for a verdict about one person."""
        readable = np.array([[bool(_READABLE.search(text))] for text in texts])
        rows = self._description.rows(texts, self._encoder.encode(texts))
        asks = self._verdict.likelihood(rows) if self._verdict else np.zeros(len(texts))
        return Judged(rescale(self._raw_scores(rows) * readable, self.cut), asks)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return what is needed, beside the encoder, to restore the model: arrays, and data fit for JSON."""
        arrays, data = self._description.state()
        arrays.update(self._regression.state(), example_topics=self._example_topics)
        if self._verdict is not None:
            arrays["verdict"] = self._verdict.weights
        return arrays, {**data, "topics": self.topics, "cut": self.cut}

    @classmethod
    def restore(cls, encoder: Encoder, arrays: dict[str, np.ndarray], data: dict[str, Any]) -> "TopicModel":
        """Bring back a model from `state`; raises TopicModelError when parts are missing or do not fit."""
        try:
            description = Description.restore(arrays, data)
            topics, cut = list(data["topics"]), float(data["cut"])
            example_topics = arrays["example_topics"]
            regression = KernelRegression.restore(arrays)
            width = arrays["axes"].shape[1]
            verdict = VerdictModel(arrays["verdict"]) if "verdict" in arrays else None
        except (KeyError, IndexError, TypeError, ValueError, NetworkError) as error:
            raise TopicModelError(f"The stored topic model is incomplete: {error!r}.") from error
        if regression.shape != (width, len(example_topics), len(topics)) or not 0 < cut < 1:
            raise TopicModelError("The parts of the stored topic model do not fit together.")
        if verdict is not None and verdict.weights.shape != (width + 1,):
            raise TopicModelError("The weights for verdicts of the stored topic model do not fit its rows.")
        if list(np.unique(example_topics)) != list(range(len(topics))):
            raise TopicModelError("The examples of the stored topic model do not fit its topics.")
        return cls(encoder, description, topics, regression, example_topics, cut, verdict)


def _side_by_side(embeddings: np.ndarray, letters: np.ndarray) -> np.ndarray:
    """Return one unit row a text: the encoder's layers, flattened, and the letters, each with its weight."""
    layers = embeddings.shape[1]
    weights = np.full((layers, 1), EARLIER_WEIGHT, dtype=np.float32)
    weights[-1] = 1
    rows = np.hstack([(embeddings * weights).reshape(len(embeddings), -1), LETTERS_WEIGHT * letters])
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def _product(rows: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Multiply; a message has few rows, and few rows are multiplied faster one by one than together."""
    return np.stack([row @ matrix for row in rows]) if len(rows) <= FEW_ROWS else rows @ matrix


def _highest_other(scores: np.ndarray) -> np.ndarray:
    """Return for each topic the highest score of another, shape (n_texts, n_topics)."""
    ordered = np.sort(scores, axis=1)
    first, second = ordered[:, -1:], ordered[:, -2:-1]
    return np.where(scores == first, second, first)


def spread_over_folds(topics: Sequence[str]) -> np.ndarray:
    """Return the fold of each example, int, shape (n_examples,): every topic is spread evenly."""
    shuffled = np.random.default_rng(0).permutation(len(topics))
    folds = np.empty(len(topics), dtype=int)
    folds[sorted(shuffled, key=lambda index: topics[index])] = np.arange(len(topics)) % FOLDS
    return folds


def reject_point(scores: np.ndarray, is_wrong: np.ndarray) -> float:
    """Return the score from which accepting is worth most, or a somewhat higher one.

    Args:
        scores: highest raw score of each example, from a model that did not see it, shape (n_examples,).
        is_wrong: whether that was another topic's, bool, shape (n_examples,).
    """
    order = np.argsort(-scores, kind="stable")
    gain = np.cumsum(np.where(is_wrong[order], -WRONG_COSTS, 1))
    most = scores[order][int(np.argmax(gain))]
    return float(np.clip(max(most, np.quantile(scores, REJECTED_SHARE)), *CUT_RANGE))


def rescale(raw: np.ndarray, cut: float) -> np.ndarray:
    """Map raw scores from 0 to `cut` evenly to 0 to 0.5, and those from `cut` to 1 by a power to 0.5 to 1."""
    return np.where(raw < cut, REJECT_BELOW * raw / cut, raw ** (np.log(REJECT_BELOW) / np.log(cut)))
