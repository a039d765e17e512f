"""One linear model over all topics, and the score that says how much to trust it. Knows nothing of Rasa."""

import re
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

REJECT_BELOW = 0.5
# The cut rejects this share of the training examples, each scored by a model that did not see it, or, where topics are
# hard to tell apart, half as many as such a model gets wrong: then asking back is worth more than answering.
REJECTED_SHARE = 0.05
REJECTED_ERRORS = 0.5
FOLDS = 3
CUT_RANGE = (1e-3, 0.999)

PIECES: dict[str, Any] = {"analyzer": "char_wb", "ngram_range": (2, 5), "sublinear_tf": True}
LETTERS_WIDTH = 100
LETTERS_WEIGHT = 0.5  # against 1 for the meaning: enough for misspelled words, too little to drown the rest

# The examples nearest to a message have a say beside the regression, which knows whole topics only. What else was
# tried: docs/understanding.md.
NEIGHBOURS = 20
NEIGHBOURS_WEIGHT = 0.4  # against 1 for the regression
NEARNESS = 20.0  # how much more the nearer of them count: exp(NEARNESS * cosine)

# "?", "..." or an emoji alone looks to the encoder like whatever short example is nearest.
# "$$?" however asks for the price.
_READABLE = re.compile(r"[\w$]")


class TopicModelError(Exception):
    """The topics cannot be learned or a stored model cannot be used; the message says what to do."""


class Encoder(Protocol):
    """Whatever turns texts into unit vectors."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return the embeddings, float32, shape (n_texts, width)."""


class LetterFeatures:
    """How texts are spelled: tf-idf of the 2 to 5 letter pieces of words, pressed into few numbers by LSA.

    A misspelled word shares most of its pieces with the right one, where an encoder may see nothing familiar.
    """

    def __init__(self, pieces: TfidfVectorizer, axes: np.ndarray) -> None:
        self._pieces = pieces
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
        return cls(pieces, axes.astype(np.float32))

    def transform(self, texts: Sequence[str]) -> np.ndarray:
        """Return one row a text, float32, of length 1, or 0 for a text without a known piece."""
        rows = self._pieces.transform(texts) @ self._axes.T
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.asarray(rows / np.where(lengths > 0, lengths, 1), dtype=np.float32)

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
        if axes.shape[1] != len(data["pieces"]):
            raise ValueError("letter features do not fit together")
        return cls(pieces, axes)


class TopicModel:
    """Logistic regression and nearest neighbours over topics; a score of less than 0.5 always means "reject".

    The raw score of a topic is its probability times the cosine of the message to the nearest of the topic's training
    examples: the first alone is sure of strange messages, the second alone of ambiguous ones. Which raw score is enough
    depends on the number of topics and how alike they are, so it is measured when training.
    """

    def __init__(
        self,
        encoder: Encoder,
        letters: LetterFeatures,
        topics: list[str],
        weights: np.ndarray,
        bias: np.ndarray,
        examples: np.ndarray,
        example_topics: np.ndarray,
        cut: float,
    ) -> None:
        """Put together a trained model.

        Args:
            encoder: the same as in training.
            letters: fitted on the training examples.
            topics: names, in the order of the rows of `weights`.
            weights: float32, shape (n_topics, embedding width + letters width).
            bias: float32, shape (n_topics,).
            examples: embeddings of the training examples, topic by topic, shape (n_examples, embedding width).
            example_topics: which of `topics` each is of, int, ascending, shape (n_examples,).
            cut: the raw score from which a message is accepted.
        """
        self.topics = topics
        self.cut = cut
        self._encoder = encoder
        self._letters = letters
        self._weights = weights
        self._bias = bias
        self._examples = examples
        self._example_topics = example_topics

    @classmethod
    def train(
        cls,
        encoder: Encoder,
        texts: Sequence[str],
        topics: Sequence[str],
        strength: float,
    ) -> "TopicModel":
        """Learn from examples; the cut comes from scores of examples the model did not see.

        Args:
            encoder: gives the meaning of a text.
            texts: training examples.
            topics: the topic of each.
            strength: how closely to follow the examples (scikit-learn's `C`).
        Raises: TopicModelError if there are fewer than two topics, or too few examples.
        """
        if len(set(topics)) < 2:
            raise TopicModelError("There are examples of fewer than two topics. Add examples to data/nlu/.")
        embeddings = encoder.encode(texts)
        fold_of = spread_over_folds(topics)
        unseen = np.zeros(len(texts))
        is_wrong = np.zeros(len(texts), dtype=bool)
        for fold in range(FOLDS):
            held_out = np.flatnonzero(fold_of == fold)
            kept = np.flatnonzero(fold_of != fold)
            if len(held_out) == 0 or len({topics[i] for i in kept}) < 2:
                continue
            model = cls._fit(
                encoder,
                [texts[i] for i in kept],
                embeddings[kept],
                [topics[i] for i in kept],
                strength,
            )
            scores = model._raw_scores([texts[i] for i in held_out], embeddings[held_out])
            unseen[held_out] = scores.max(axis=1)
            best = scores.argmax(axis=1)
            is_wrong[held_out] = [model.topics[found] != topics[i] for found, i in zip(best, held_out, strict=True)]
        final = cls._fit(encoder, texts, embeddings, topics, strength)
        rejected = max(REJECTED_SHARE, REJECTED_ERRORS * float(is_wrong.mean()))
        final.cut = float(np.clip(np.quantile(unseen, rejected), *CUT_RANGE))
        return final

    @classmethod
    def _fit(
        cls,
        encoder: Encoder,
        texts: Sequence[str],
        embeddings: np.ndarray,
        topics: Sequence[str],
        strength: float,
    ) -> "TopicModel":
        letters = LetterFeatures.fit(texts)
        rows = _side_by_side(embeddings, letters.transform(texts))
        regression = LogisticRegression(C=strength, max_iter=1000).fit(rows, topics)
        weights, bias = regression.coef_, regression.intercept_
        if len(weights) == 1:  # scikit-learn keeps the difference of two topics only
            weights, bias = (
                np.vstack([-weights, weights]) / 2,
                np.concatenate([-bias, bias]) / 2,
            )
        names = [str(name) for name in regression.classes_]
        example_topics = np.searchsorted(regression.classes_, topics)
        order = np.argsort(example_topics, kind="stable")
        return cls(
            encoder,
            letters,
            names,
            weights.astype("f4"),
            bias.astype("f4"),
            embeddings[order],
            example_topics[order],
            CUT_RANGE[0],
        )

    def _raw_scores(self, texts: Sequence[str], embeddings: np.ndarray) -> np.ndarray:
        rows = _side_by_side(embeddings, self._letters.transform(texts))
        logits = rows @ self._weights.T + self._bias
        probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        likeness = embeddings @ self._examples.T
        mixed = (probabilities + NEIGHBOURS_WEIGHT * self._votes(likeness)) / (1 + NEIGHBOURS_WEIGHT)
        return np.asarray(mixed * self._nearest(likeness).clip(0, 1), dtype=np.float64)

    def _votes(self, likeness: np.ndarray) -> np.ndarray:
        """Return the nearest examples' shares for each topic, shape (n_texts, n_topics); each row sums to 1."""
        count = min(NEIGHBOURS, likeness.shape[1])
        nearest = np.argpartition(-likeness, count - 1, axis=1)[:, :count]
        weights = np.exp(NEARNESS * (np.take_along_axis(likeness, nearest, axis=1) - 1))
        votes = np.zeros((len(likeness), len(self.topics)))
        np.add.at(votes, (np.arange(len(likeness))[:, None], self._example_topics[nearest]), weights)
        return np.asarray(votes / votes.sum(axis=1, keepdims=True))

    def _nearest(self, likeness: np.ndarray) -> np.ndarray:
        """Return the highest cosine to an example of each topic, shape (n_texts, n_topics)."""
        starts = np.searchsorted(self._example_topics, np.arange(len(self.topics)))
        return np.asarray(np.maximum.reduceat(likeness, starts, axis=1))

    def scores(self, texts: Sequence[str]) -> np.ndarray:
        """Return how sure each topic is, in [0, 1], shape (n_texts, n_topics); below 0.5 means "reject".

        A text without anything to read scores 0 everywhere.
        """
        readable = np.array([[bool(_READABLE.search(text))] for text in texts])
        return rescale(self._raw_scores(texts, self._encoder.encode(texts)) * readable, self.cut)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return what is needed, beside the encoder, to restore the model: arrays, and data fit for JSON."""
        arrays, data = self._letters.state()
        arrays.update(weights=self._weights, bias=self._bias, examples=self._examples)
        arrays["example_topics"] = self._example_topics
        return arrays, {**data, "topics": self.topics, "cut": self.cut}

    @classmethod
    def restore(cls, encoder: Encoder, arrays: dict[str, np.ndarray], data: dict[str, Any]) -> "TopicModel":
        """Bring back a model from `state`; raises TopicModelError when parts are missing or do not fit."""
        try:
            letters = LetterFeatures.restore(arrays, data)
            topics, cut = list(data["topics"]), float(data["cut"])
            weights, bias = arrays["weights"], arrays["bias"]
            examples, example_topics = arrays["examples"], arrays["example_topics"]
            width = examples.shape[1] + arrays["piece_axes"].shape[0]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise TopicModelError(f"The stored topic model is incomplete: {error!r}.") from error
        if weights.shape != (len(topics), width) or bias.shape != (len(topics),) or not 0 < cut < 1:
            raise TopicModelError("The parts of the stored topic model do not fit together.")
        if len(example_topics) != len(examples) or list(np.unique(example_topics)) != list(range(len(topics))):
            raise TopicModelError("The examples of the stored topic model do not fit its topics.")
        return cls(encoder, letters, topics, weights, bias, examples, example_topics, cut)


def _side_by_side(embeddings: np.ndarray, letters: np.ndarray) -> np.ndarray:
    return np.hstack([embeddings, LETTERS_WEIGHT * letters])


def spread_over_folds(topics: Sequence[str]) -> np.ndarray:
    """Return the fold of each example, int, shape (n_examples,): every topic is spread evenly."""
    shuffled = np.random.default_rng(0).permutation(len(topics))
    folds = np.empty(len(topics), dtype=int)
    folds[sorted(shuffled, key=lambda index: topics[index])] = np.arange(len(topics)) % FOLDS
    return folds


def rescale(raw: np.ndarray, cut: float) -> np.ndarray:
    """Map raw scores from 0 to `cut` evenly to 0 to 0.5, and those from `cut` to 1 to 0.5 to 1."""
    below = REJECT_BELOW * raw / cut
    above = REJECT_BELOW + (1 - REJECT_BELOW) * (raw - cut) / (1 - cut)
    return np.where(raw < cut, below, above)
