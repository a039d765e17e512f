"""Whether somebody asks for a verdict about this one person rather than for information. Knows nothing of Rasa.

Examples in data/nlu/ whose block says `metadata: {asks_for: verdict}` or `{asks_for: information}` teach it; whatever
else is asked there of topics that are never about one person's health teaches it what an ordinary question is.
"""

from typing import Optional, Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression

ASKS_FOR, VERDICT, INFORMATION = "asks_for", "verdict", "information"
# From this probability the reply says that only the care team or the prescriber can tell.
VERDICT_FROM = 0.5
# Ordinary questions beside those that are marked: of these groups, so many, spread evenly.
ORDINARY_GROUPS = frozenset({"alternatives", "background", "booking", "cost", "how_it_works", "logistics"})
MOST_ORDINARY = 400
STRENGTH = 10.0  # scikit-learn's C


class VerdictModel:
    """A logistic regression over the rows that topics are learnt from."""

    def __init__(self, weights: np.ndarray) -> None:
        """Take the weights, float32, shape (row width + 1,); the last is the bias."""
        self.weights = weights

    @classmethod
    def train(cls, rows: np.ndarray, topics: Sequence[str], marks: Sequence[Optional[str]]) -> Optional["VerdictModel"]:
        """Learn from rows with a mark; None where there are not both marks.

        Args:
            rows: of all examples, float32, shape (n_examples, row width).
            topics: the topic of each.
            marks: VERDICT, INFORMATION or None of each.
        """
        if not {VERDICT, INFORMATION} <= set(marks):
            return None
        marked = [index for index, mark in enumerate(marks) if mark in (VERDICT, INFORMATION)]
        unmarked = [
            index
            for index, mark in enumerate(marks)
            if mark is None and topics[index].partition("/")[0] in ORDINARY_GROUPS
        ]
        ordinary = unmarked[:: max(1, -(-len(unmarked) // MOST_ORDINARY))]
        used = [*marked, *ordinary]
        regression = LogisticRegression(C=STRENGTH, max_iter=1000)
        regression.fit(rows[used], [marks[index] == VERDICT for index in used])
        return cls(np.append(regression.coef_[0], regression.intercept_).astype(np.float32))

    def likelihood(self, rows: np.ndarray) -> np.ndarray:
        """Return how likely each row asks for a verdict, float, shape (n_rows,)."""
        total = rows @ self.weights[:-1] + self.weights[-1]
        return np.asarray(1 / (1 + np.exp(-total)))
