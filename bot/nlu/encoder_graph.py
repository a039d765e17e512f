"""The network of all-MiniLM-L6-v2 (Apache-2.0) as an ONNX graph, and its weights as that graph takes them.

The large matrices are 8-bit integers (bot/nlu/network.py); everything else is computed in float32.

Source: Wang et al. (2020), MiniLM, arXiv:2002.10957.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bot.nlu.network import GraphWriter, Shapes, rounded

LAYERS = 6
LAYERS_KEPT = 4  # the last ones
HEADS = 12
WIDTH = 384
INNER_WIDTH = 1536
VOCABULARY = 30522
POSITIONS = 512
PADDING = 0  # the token's id
LAYER_NORM_EPSILON = 1e-12

WORDS = "embeddings.word_embeddings.weight"
PLACES = "embeddings.places"
FIRST_NORM = "embeddings.LayerNorm"

FLOAT, INTEGER, BOOLEAN = 1, 7, 9  # what ONNX calls these types


@dataclass(frozen=True)
class Linear:
    """A matrix of the network: what it is called here, and which published ones it has side by side."""

    name: str
    published: Sequence[str]
    inputs: int
    outputs: int


def layer_name(number: int) -> str:
    """Return what the weights file calls a layer."""
    return f"encoder.layer.{number}"


def linears() -> list[Linear]:
    """Return the matrices. Query, key and value are one: they have the same input."""
    found = []
    for layer in map(layer_name, range(LAYERS)):
        thirds = [f"{layer}.attention.self.{part}" for part in ("query", "key", "value")]
        found.append(Linear(f"{layer}.attention.self", thirds, WIDTH, 3 * WIDTH))
        for name, inputs, outputs in (
            (f"{layer}.attention.output.dense", WIDTH, WIDTH),
            (f"{layer}.intermediate.dense", WIDTH, INNER_WIDTH),
            (f"{layer}.output.dense", INNER_WIDTH, WIDTH),
        ):
            found.append(Linear(name, [name], inputs, outputs))
    return found


def norms() -> list[str]:
    """Return the names of the layer normalisations."""
    names = [FIRST_NORM]
    for layer in map(layer_name, range(LAYERS)):
        names += [f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"]
    return names


def weight_shapes() -> Shapes:
    """Return the type and shape of every weight of the graph, by the name it has there."""
    shapes: dict[str, tuple[type, list[int]]] = {
        WORDS: (np.float32, [VOCABULARY, WIDTH]),
        PLACES: (np.float32, [POSITIONS, WIDTH]),
    }
    for linear in linears():
        shapes[f"{linear.name}.steps"] = (np.int8, [linear.inputs, linear.outputs])
        shapes[f"{linear.name}.step"] = (np.float32, [linear.outputs])
        shapes[f"{linear.name}.bias"] = (np.float32, [linear.outputs])
    for name in norms():
        shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = (np.float32, [WIDTH])
    return shapes


def prepare_weights(published: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the weights of the graph, as `weight_shapes` has them, made from those of the published file."""
    weights = {
        WORDS: published[WORDS],
        PLACES: published["embeddings.position_embeddings.weight"]
        + published["embeddings.token_type_embeddings.weight"][0],
    }
    for linear in linears():
        matrix = np.vstack([published[f"{name}.weight"] for name in linear.published])
        weights.update(rounded(linear.name, matrix.T))
        weights[f"{linear.name}.bias"] = np.concatenate([published[f"{name}.bias"] for name in linear.published])
    for name in norms():
        weights[f"{name}.weight"] = published[f"{name}.weight"]
        weights[f"{name}.bias"] = published[f"{name}.bias"]
    return {name: weights[name] for name in weight_shapes()}


def build_graph() -> bytes:
    """Return the network as ONNX: token ids, int64, (texts, tokens), to unit rows, float32, (texts, LAYERS_KEPT, 384).

    Shorter texts are filled up with PADDING. Only attention sees it, and looks away: all else is computed for the
    tokens alone, one below the other, so that a short text beside a long one costs no more than by itself.

    The weights are named but not inside: `prepare_weights` makes them.
    """
    writer = GraphWriter()
    add, integers = writer.add, writer.integers

    def linear(rows: str, name: str) -> str:
        return add("Add", writer.product(rows, name), f"{name}.bias")

    def normalized(rows: str, name: str) -> str:
        return add("LayerNormalization", rows, f"{name}.weight", f"{name}.bias", epsilon=LAYER_NORM_EPSILON)

    flat = integers(-1)
    row_each = integers(-1, WIDTH)
    tokens_axis = integers(1)
    shape = add("Shape", "ids")  # (texts, tokens)
    by_head = add("Concat", shape, integers(3, HEADS, WIDTH // HEADS), axis=0)
    scale = writer.number(1 / np.sqrt(WIDTH // HEADS))

    # Rows are those of the tokens, from the first text's first to the last text's last. `place` is where each of them
    # belongs in the grid of texts by tokens, `row_at` which row is at a place; padding has the row before it.
    is_token = add("Cast", "ids", to=BOOLEAN)
    place = add("Reshape", add("NonZero", add("Reshape", "ids", flat)), flat)
    count = add("CumSum", add("Cast", add("Reshape", is_token, flat), to=INTEGER), integers(0))
    row_at = add("Reshape", add("Sub", count, integers(1)), shape)
    counted = add("Cast", is_token, to=FLOAT)
    looked_at = add("Unsqueeze", add("Log", counted), integers(1, 2))  # 0, and for padding minus infinity
    share = add("Div", counted, add("ReduceSum", counted, tokens_axis, keepdims=1))
    share = add("Unsqueeze", share, tokens_axis)  # (texts, 1, tokens)

    word = add("Gather", WORDS, add("Gather", add("Reshape", "ids", flat), place))
    in_text = add("Mod", place, add("Gather", shape, tokens_axis))
    rows = normalized(add("Add", word, add("Gather", PLACES, in_text)), FIRST_NORM)

    kept = []
    for number, layer in enumerate(map(layer_name, range(LAYERS))):
        thirds = add("Reshape", add("Gather", linear(rows, f"{layer}.attention.self"), row_at), by_head)
        thirds = add("Transpose", thirds, perm=[2, 0, 3, 1, 4])  # (3, texts, heads, tokens, width of a head)
        query, key, value = (add("Gather", thirds, add("Constant", value_int=third)) for third in range(3))
        likeness = add("MatMul", add("Mul", query, scale), add("Transpose", key, perm=[0, 1, 3, 2]))
        mixed = add("MatMul", add("Softmax", add("Add", likeness, looked_at), axis=-1), value)
        mixed = add("Reshape", add("Transpose", mixed, perm=[0, 2, 1, 3]), row_each)
        mixed = add("Gather", mixed, place)
        attended = add("Add", linear(mixed, f"{layer}.attention.output.dense"), rows)
        rows = normalized(attended, f"{layer}.attention.output.LayerNorm")
        inner = add("Gelu", linear(rows, f"{layer}.intermediate.dense"))
        rows = normalized(add("Add", linear(inner, f"{layer}.output.dense"), rows), f"{layer}.output.LayerNorm")
        if number >= LAYERS - LAYERS_KEPT:
            mean = add("MatMul", share, add("Gather", rows, row_at))
            kept.append(add("LpNormalization", mean, axis=-1, p=2))
    add("Concat", *kept, output="embedding", axis=1)
    return writer.finish({"ids": np.int64}, {"embedding": np.float32}, weight_shapes())
