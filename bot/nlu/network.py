"""Networks on ONNX Runtime whose large matrices are 8-bit integers: written down when training, loaded with weights.

A matrix is rounded to 255 steps for each output, and what is multiplied by it to 255 steps for each row. By itself, so
that a text is described the same whatever other texts are looked at with it. A quarter of the memory of float32, and
half the time or less.

Source: Dettmers et al. (2022), LLM.int8(), arXiv:2208.07339, section 2 (a scale for each row and each column).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime

STEPS = 127  # to each side of zero
ZERO = 128  # what stands for it among the unsigned numbers that rows are rounded to
RUNTIME = "com.microsoft"  # operators that only ONNX Runtime has

Shapes = Mapping[str, tuple[type, Sequence[int]]]


class NetworkError(Exception):
    """A graph and its weights do not make a network."""


class GraphWriter:
    """Writes a computation down as ONNX. Its weights are named but not inside."""

    def __init__(self) -> None:
        from onnx import NodeProto  # needed when training only

        self._nodes: list[NodeProto] = []

    def add(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add an operator and return the name of what it puts out."""
        from onnx import helper

        name = output or f"{operator}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def integers(self, *values: int) -> str:
        """Add a list of constants."""
        return self.add("Constant", value_ints=list(values))

    def number(self, value: float) -> str:
        """Add a constant."""
        return self.add("Constant", value_float=float(value))

    def product(self, rows: str, matrix: str, output: str | None = None) -> str:
        """Add the product of rows, float32, with a matrix of the weights `rounded` returned, named `matrix`."""
        from onnx import TensorProto, helper

        step = self.number(1 / STEPS)
        zero = self.add("Constant", value=helper.make_tensor("zero", TensorProto.UINT8, [], [ZERO]))
        highest = self.add("ReduceMax", self.add("Abs", rows), self.integers(-1), keepdims=1)
        steps = self.add("QuantizeLinear", self.add("Div", rows, highest), step, zero)
        weights = (f"{matrix}.steps", step, f"{matrix}.step", zero)
        product = self.add("MatMulIntegerToFloat", steps, *weights, domain=RUNTIME)
        return self.add("Mul", product, highest, output=output)

    def finish(self, inputs: Mapping[str, type], outputs: Mapping[str, type], shapes: Shapes) -> bytes:
        """Return the graph.

        Args:
            inputs, outputs: their types; all have two dimensions or more, of any length.
            shapes: the types and shapes of the weights.
        """
        from onnx import TensorProto, ValueInfoProto, helper

        def described(values: Mapping[str, type]) -> list[ValueInfoProto]:
            kinds = {name: helper.np_dtype_to_tensor_dtype(np.dtype(kind)) for name, kind in values.items()}
            return [helper.make_tensor_value_info(name, kind, None) for name, kind in kinds.items()]

        weights = []
        for name, (kind, dimensions) in shapes.items():
            weight = TensorProto(
                name=name,
                data_type=helper.np_dtype_to_tensor_dtype(np.dtype(kind)),
                dims=dimensions,
                data_location=TensorProto.EXTERNAL,
            )
            weight.external_data.add(key="location", value="weights")  # ONNX wants a file's name; none is read
            weights.append(weight)
        graph = helper.make_graph(self._nodes, "network", described(inputs), described(outputs), weights)
        versions = [helper.make_opsetid("", 20), helper.make_opsetid(RUNTIME, 1)]
        return bytes(helper.make_model(graph, opset_imports=versions, ir_version=9).SerializeToString())


def rounded(name: str, matrix: np.ndarray) -> dict[str, np.ndarray]:
    """Return a matrix, float32, shape (inputs, outputs), as the weights that `GraphWriter.product` takes."""
    step = np.abs(matrix).max(axis=0) / STEPS
    steps = np.ascontiguousarray(np.rint(matrix / step), dtype=np.int8)
    return {f"{name}.steps": steps, f"{name}.step": step.astype(np.float32)}


def shapes_of(weights: Mapping[str, np.ndarray]) -> Shapes:
    """Return the types and shapes of weights."""
    return {name: (array.dtype.type, array.shape) for name, array in weights.items()}


class Network:
    """A graph with its weights, ready to compute on one thread."""

    def __init__(self, graph: bytes, weights: Mapping[str, np.ndarray]) -> None:
        """Put the two together; raises NetworkError if they do not fit or the graph is none."""
        # ONNX Runtime does not copy these: they live as long as the session.
        arrays = [np.ascontiguousarray(array) for array in weights.values()]
        self._weights = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in arrays]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # a second thread is slower on so small a network
        options.inter_op_num_threads = 1
        # Processors without VNNI would add products up in 16 bits, too few for them: the same result everywhere.
        options.add_session_config_entry("session.x64quantprecision", "1")
        options.add_external_initializers(list(weights), self._weights)
        try:
            self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its own kinds of error have nothing else in common
            raise NetworkError(type(error).__name__) from error

    def run(self, **inputs: np.ndarray) -> list[np.ndarray]:
        """Return the outputs, in their order, for inputs by their names."""
        return list(self._session.run(None, inputs))
