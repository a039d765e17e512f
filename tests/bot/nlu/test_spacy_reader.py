"""SpacyReader in Rasa's pipeline: entities in the patient's words, the questions of a message, and its context."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rasa.engine.graph import ExecutionContext, GraphSchema
from rasa.engine.storage.local_model_storage import LocalModelStorage
from rasa.engine.storage.resource import Resource
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from bot.nlu import language_files
from bot.nlu.interpreter import Reading
from bot.nlu.normalizer import MessageNormalizer
from bot.nlu.spacy_reader import DATA_FILE, SpacyReader, SpacyReaderError, reading_of
from bot.turn import Context, current_context

RESOURCE = Resource("entities")
GRAPH = ExecutionContext(GraphSchema({}))
NO_EXAMPLES = TrainingData([])
TEXTS = [
    "does it help with fibro and how long does it take",
    "is hbp a problem 4 my son",
    "price + parking",
    "I have had depression for years, and nothing helped. " * 40,
    "",
    "😀",
    "你好",
]


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> LocalModelStorage:
    return LocalModelStorage.create(tmp_path_factory.mktemp("storage"))


@pytest.fixture(scope="module")
def normalizer(storage: LocalModelStorage) -> MessageNormalizer:
    component = MessageNormalizer.create({}, storage, Resource("spelling"), GRAPH)
    component.train(NO_EXAMPLES)
    return component


@pytest.fixture(scope="module")
def reader(storage: LocalModelStorage) -> SpacyReader:
    component = SpacyReader.create({}, storage, RESOURCE, GRAPH)
    assert component.train(NO_EXAMPLES) == RESOURCE
    return component


@pytest.fixture
def context() -> Iterator[None]:
    token = current_context.set(Context(topic="conditions/fibromyalgia", text="duz it help w/ fibro"))
    yield
    current_context.reset(token)


def entities(message: Message) -> "list[tuple[str, str, str]]":
    text = message.get("text")
    return [(found["entity"], found["value"], text[found["start"] : found["end"]]) for found in message.get("entities")]


def test_a_loaded_reader_reads_like_the_trained_one(
    reader: SpacyReader, normalizer: MessageNormalizer, storage: LocalModelStorage
) -> None:
    loaded = SpacyReader.load({}, storage, RESOURCE, GRAPH)

    def read(component: SpacyReader, text: str) -> "tuple[Reading, Any]":
        (message,) = component.process(normalizer.process([Message({"text": text})]))
        return reading_of(message), message.get("entities")

    for text in TEXTS:
        assert read(loaded, text) == read(reader, text)


def test_entities_are_where_the_patient_wrote_them(reader: SpacyReader, normalizer: MessageNormalizer) -> None:
    texts = ["👋 is fibromyalga or hbp ok 4 my son", "I TAKE WELLBUTIN", "how long is it"]
    messages = reader.process(normalizer.process([Message({"text": text}) for text in texts]))
    assert [entities(message) for message in messages] == [
        [
            ("condition", "fibromyalgia", "fibromyalga"),
            ("condition", "high blood pressure", "hbp"),
            ("person", "my child", "my son"),
        ],
        [("medicine", "antidepressant", "WELLBUTIN")],
        [],
    ]
    kept = messages[0].as_dict(only_output_properties=True)
    assert set(kept) == {"text", "entities"}
    assert {found["extractor"] for found in kept["entities"]} == {"SpacyReader"}


def test_entities_that_are_there_already_stay(reader: SpacyReader) -> None:
    typed = {"entity": "day", "value": "friday", "start": 0, "end": 3}
    (message,) = reader.process([Message({"text": "fri with ptsd", "entities": [typed]})])
    assert message.get("entities")[0] == typed
    assert ("condition", "ptsd", "ptsd") in entities(message)


def test_a_message_is_read_in_ordinary_spelling(reader: SpacyReader, normalizer: MessageNormalizer) -> None:
    (message,) = reader.process(normalizer.process([Message({"text": "howw lng is it n wats da price"})]))
    reading = reading_of(message)
    assert reading.text == "how long is it and what is the price"
    assert reading.splits[0].parts == ("how long is it", "what is the price")
    assert (list(reading.in_context), reading.context_topic) == ([], None)


def test_without_a_normalizer_it_reads_what_was_written(reader: SpacyReader) -> None:
    (message,) = reader.process([Message({"text": "how long is it and what is the price of fibro"})])
    assert len(reading_of(message).splits[0].parts) == 2
    assert entities(message) == [("condition", "fibromyalgia", "fibro")]


def test_a_message_is_also_read_after_the_question_before_it(
    reader: SpacyReader, normalizer: MessageNormalizer, context: None
) -> None:
    (message,) = reader.process(normalizer.process([Message({"text": "and 4 ptsd?"})]))
    reading = reading_of(message)
    joined, swapped = reading.in_context
    assert joined.endswith("help with fibro, and for ptsd?")
    assert swapped.endswith("help with ptsd")
    assert reading.context_topic == "conditions/fibromyalgia"


def test_what_nobody_read_is_one_piece() -> None:
    assert reading_of(Message({"text": "how long and how much"})) == Reading("how long and how much")


# --------------------------------------------------------------------------- what cannot be used


def test_an_untrained_reader_says_so(tmp_path: Path) -> None:
    untrained = SpacyReader.create({}, LocalModelStorage.create(tmp_path), RESOURCE, GRAPH)
    with pytest.raises(SpacyReaderError, match="before it was trained"):
        untrained.process([Message({"text": "hello"})])


def test_a_model_without_the_lists_is_not_loaded(tmp_path: Path) -> None:
    with pytest.raises(SpacyReaderError, match="ketalink train"):
        SpacyReader.load({}, LocalModelStorage.create(tmp_path), RESOURCE, GRAPH)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[]", b"7", b'{"day": ["friday"]}', b'{"day": {"friday": 5}}', None]
)
def test_a_damaged_model_is_not_loaded(tmp_path: Path, content: "bytes | None") -> None:
    storage = LocalModelStorage.create(tmp_path)
    with storage.write_to(RESOURCE) as folder:
        if content is not None:
            (folder / DATA_FILE).write_bytes(content)
    with pytest.raises(SpacyReaderError, match="ketalink train"):
        SpacyReader.load({}, storage, RESOURCE, GRAPH)


# --------------------------------------------------------------------------- when to train again


def test_rasa_trains_again_when_the_list_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = SpacyReader.fingerprint_addon({})
    copy = Path(shutil.copy(language_files.ENTITIES_FILE, tmp_path))
    monkeypatch.setattr(language_files, "ENTITIES_FILE", copy)
    assert SpacyReader.fingerprint_addon({}) == before
    copy.write_text(copy.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    assert SpacyReader.fingerprint_addon({}) != before
