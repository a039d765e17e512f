"""How texts are spelled: computed piece by piece, the same as by scikit-learn."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from bot.nlu.topic_model import PIECES, LetterFeatures

TEXTS = [
    "how long does one infusion take",
    "how much does one infusion cost",
    "does it hurt, and how long",
    "hello you",
]
OTHERS = ["how  much does   it take", "Infusoin??", "a", "hello hello hello", "zzzz", ""]


def test_a_text_is_described_as_scikit_learn_would() -> None:
    features = LetterFeatures.fit(TEXTS)
    arrays, data = features.state()
    pieces = TfidfVectorizer(vocabulary=data["pieces"], **PIECES)
    pieces.idf_ = arrays["piece_idf"]
    expected = pieces.transform(TEXTS + OTHERS) @ arrays["piece_axes"]
    lengths = np.linalg.norm(expected, axis=1, keepdims=True)
    assert features.transform(TEXTS + OTHERS) == pytest.approx(expected / np.where(lengths > 0, lengths, 1), abs=1e-6)


def test_a_text_without_a_known_piece_is_nothing() -> None:
    assert not LetterFeatures.fit(TEXTS).transform(["zzzz", ""]).any()


def test_restored_features_are_the_same() -> None:
    features = LetterFeatures.fit(TEXTS)
    again = LetterFeatures.restore(*features.state())
    assert (again.transform(OTHERS) == features.transform(OTHERS)).all()
