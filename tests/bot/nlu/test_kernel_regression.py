"""Kernel ridge regression in 8 bits: what the formula gives, and the same when loaded again."""

import numpy as np
import pytest

from bot.nlu.kernel_regression import RIDGE, SHARPNESS, KernelRegression, round_rows
from bot.nlu.network import NetworkError

RNG = np.random.default_rng(0)


def unit_rows(count: int) -> np.ndarray:
    rows = RNG.normal(size=(count, 384)).astype(np.float32)
    return round_rows(rows / np.linalg.norm(rows, axis=1, keepdims=True))


EXAMPLES = unit_rows(200)
OTHERS = unit_rows(7)
TARGETS = np.eye(5, dtype=np.float32)[np.arange(200) % 5]


@pytest.fixture(scope="module")
def regression() -> KernelRegression:
    return KernelRegression.fit(EXAMPLES, TARGETS.copy())


def test_it_predicts_what_the_formula_gives(regression: KernelRegression) -> None:
    def kernel(rows: np.ndarray) -> np.ndarray:
        return np.asarray(np.exp(SHARPNESS * (rows.astype(np.float64) @ EXAMPLES.T.astype(np.float64) - 1)))

    weights = np.linalg.solve(kernel(EXAMPLES) + RIDGE * np.eye(200), TARGETS)
    predicted, likeness = regression.predict(OTHERS)
    assert predicted == pytest.approx(kernel(OTHERS) @ weights, abs=1e-4)
    assert likeness == pytest.approx(OTHERS.astype(np.float64) @ EXAMPLES.T.astype(np.float64), abs=1e-6)


def test_company_does_not_change_a_prediction(regression: KernelRegression) -> None:
    alone = np.vstack([regression.predict(row[None])[0] for row in OTHERS])
    assert regression.predict(OTHERS)[0] == pytest.approx(alone, abs=1e-5)


def test_rounding_twice_changes_no_more() -> None:
    assert round_rows(OTHERS) == pytest.approx(OTHERS, rel=1e-6)


def test_rounding_keeps_a_row_near_itself() -> None:
    rows = RNG.normal(size=(50, 384)).astype(np.float32)
    lost = np.linalg.norm(round_rows(rows) - rows, axis=1) / np.linalg.norm(rows, axis=1)
    assert lost.max() < 0.01


def test_a_restored_one_predicts_the_same(regression: KernelRegression) -> None:
    again = KernelRegression.restore(regression.state())
    assert again.shape == regression.shape == (384, 200, 5)
    assert (again.predict(OTHERS)[0] == regression.predict(OTHERS)[0]).all()


def test_a_damaged_one_is_not_restored(regression: KernelRegression) -> None:
    state = regression.state()
    with pytest.raises(KeyError):
        KernelRegression.restore({name: array for name, array in state.items() if name != "examples.step"})
    with pytest.raises(NetworkError):
        KernelRegression.restore({**state, "graph": state["graph"][:100]})
    with pytest.raises(NetworkError):
        KernelRegression.restore({**state, "weights": state["weights"][:-1]})
