"""Networks of 8-bit integers: what they compute, alone and together, and what is refused."""

import numpy as np
import pytest

from bot.nlu.network import GraphWriter, Network, NetworkError, rounded, shapes_of

RNG = np.random.default_rng(0)
MATRIX = RNG.normal(size=(40, 30)).astype(np.float32)
WEIGHTS = rounded("matrix", MATRIX)


def graph() -> bytes:
    writer = GraphWriter()
    writer.product("rows", "matrix", output="product")
    return writer.finish({"rows": np.float32}, {"product": np.float32}, shapes_of(WEIGHTS))


@pytest.fixture(scope="module")
def network() -> Network:
    return Network(graph(), WEIGHTS)


def test_a_product_is_near_the_exact_one(network: Network) -> None:
    rows = RNG.normal(size=(5, 40)).astype(np.float32)
    error = np.abs(network.run(rows=rows)[0] - rows @ MATRIX)
    assert error.max() < 0.02 * np.linalg.norm(rows, axis=1).max() * np.linalg.norm(MATRIX, axis=0).max()


def test_the_largest_numbers_do_not_overflow() -> None:
    weights = rounded("matrix", np.full((1536, 30), 3, dtype=np.float32))
    writer = GraphWriter()
    writer.product("rows", "matrix", output="product")
    network = Network(writer.finish({"rows": np.float32}, {"product": np.float32}, shapes_of(weights)), weights)
    for sign in (1, -1):
        rows = np.full((2, 1536), sign * 5, dtype=np.float32)
        assert network.run(rows=rows)[0] == pytest.approx(sign * 15 * 1536, rel=1e-5)


def test_a_row_is_rounded_by_itself(network: Network) -> None:
    rows = RNG.normal(size=(5, 40)).astype(np.float32) * np.float32([[1], [100], [1e-3], [1e4], [1]])
    alone = np.vstack([network.run(rows=row[None])[0] for row in rows])
    assert network.run(rows=rows)[0] == pytest.approx(alone, rel=1e-6)


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(NetworkError):
        Network(b"no graph", WEIGHTS)
    with pytest.raises(NetworkError):
        Network(graph(), {"matrix.steps": WEIGHTS["matrix.steps"]})
    with pytest.raises(NetworkError):
        Network(graph(), {**WEIGHTS, "matrix.steps": WEIGHTS["matrix.steps"][:-1]})
