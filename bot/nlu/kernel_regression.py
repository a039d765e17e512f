"""Kernel ridge regression whose training rows are 8-bit integers. Knows nothing of topics."""

import numpy as np
import scipy.linalg

from bot.nlu.network import STEPS, GraphWriter, Network, rounded, shapes_of

# kernel = exp(SHARPNESS * (cosine - 1)): nearly flat, so that what examples have in common counts, yet each
# of them can still say what no line through all of them could. How these were found: docs/decisions/0006.
SHARPNESS = 1.5
RIDGE = 0.06

EXAMPLES = "examples"
WEIGHTS = "weights"
GRAPH = "graph"


def round_rows(rows: np.ndarray) -> np.ndarray:
    """Return rows, float32, each rounded to 255 steps: such rows are multiplied exactly.

    Examples are rounded before anything is learnt from them. The weights of a regression nearly cancel out, and only
    for the very rows they were fitted to.
    """
    step = np.abs(rows).max(axis=1, keepdims=True) / STEPS
    return np.asarray(np.rint(rows / step) * step, dtype=np.float32)


class KernelRegression:
    """Numbers learnt from examples, for rows of a length near 1.

    ONNX Runtime goes through the examples (20,000 are 8 MB) and their weights once for all rows; NumPy would do so for
    each, which takes longer than everything else here when other programs use the processor's cache too.
    """

    def __init__(self, graph: bytes, matrices: dict[str, np.ndarray]) -> None:
        """Put a graph and its weights together; raises NetworkError if they do not fit."""
        self._graph = graph
        self._matrices = matrices
        self._network = Network(graph, matrices)

    @classmethod
    def fit(cls, rows: np.ndarray, targets: np.ndarray) -> "KernelRegression":
        """Learn from examples.

        Args:
            rows: what `round_rows` returned, shape (n_examples, width).
            targets: the numbers of each example, float32, shape (n_examples, n_targets); is overwritten.
        """
        kernel = rows @ rows.T
        kernel -= 1
        kernel *= SHARPNESS
        np.exp(kernel, out=kernel)
        kernel[np.diag_indices_from(kernel)] += RIDGE
        # In float32 and in place (LAPACK wants columns, and the kernel is the same turned): with 16,000 examples it
        # takes a gigabyte.
        factor = scipy.linalg.cho_factor(kernel.T, lower=True, overwrite_a=True, check_finite=False)
        weights = scipy.linalg.cho_solve(factor, targets, overwrite_b=True, check_finite=False)
        matrices = {**rounded(EXAMPLES, rows.T), WEIGHTS: np.ascontiguousarray(weights)}
        writer = GraphWriter()
        likeness = writer.product("rows", EXAMPLES, output="likeness")
        distance = writer.add("Sub", likeness, writer.number(1))
        kernel_of_rows = writer.add("Exp", writer.add("Mul", distance, writer.number(SHARPNESS)))
        writer.add("MatMul", kernel_of_rows, WEIGHTS, output="predicted")
        outputs = {"predicted": np.float32, "likeness": np.float32}
        return cls(writer.finish({"rows": np.float32}, outputs, shapes_of(matrices)), matrices)

    def predict(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of rows that `round_rows` returned, and their products with each example.

        Returns: float32, shapes (n_rows, n_targets) and (n_rows, n_examples).
        """
        predicted, likeness = self._network.run(rows=rows)
        return predicted, likeness

    @property
    def shape(self) -> tuple[int, int, int]:
        """The width of a row, the number of examples, the number of targets."""
        width, examples = self._matrices[f"{EXAMPLES}.steps"].shape
        return width, examples, self._matrices[WEIGHTS].shape[1]

    def state(self) -> dict[str, np.ndarray]:
        """Return what is needed to restore it."""
        return {**self._matrices, GRAPH: np.frombuffer(self._graph, dtype=np.uint8)}

    @classmethod
    def restore(cls, arrays: dict[str, np.ndarray]) -> "KernelRegression":
        """Bring back what `state` returned; raises KeyError or NetworkError if parts are missing or wrong."""
        names = (f"{EXAMPLES}.steps", f"{EXAMPLES}.step", WEIGHTS)
        return cls(arrays[GRAPH].tobytes(), {name: arrays[name] for name in names})
