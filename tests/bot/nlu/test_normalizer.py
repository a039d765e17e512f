"""MessageNormalizer in Rasa's pipeline: trained, kept in the model, brought back, and what it leaves on a message."""

import shutil
from pathlib import Path

import pytest
from rasa.engine.graph import ExecutionContext, GraphSchema
from rasa.engine.storage.local_model_storage import LocalModelStorage
from rasa.engine.storage.resource import Resource
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from bot.nlu import language_files
from bot.nlu.normalizer import (
    DATA_FILE,
    MessageNormalizer,
    MessageNormalizerError,
    context_spelled_out,
    spelled_out,
)
from bot.turn import Context, current_context

RESOURCE = Resource("spelling")
GRAPH = ExecutionContext(GraphSchema({}))
# "zarquon" is in no dictionary: only the examples have it.
EXAMPLES = ["how long is an infusion", "what is a zarquon", "is a zarquon safe", "where is the zarquon"]
WRITTEN = ["howw lng is it b4 i can driv", "is a zarqon ok 4 fibromyalga", "HOW LONG IS IT", "", "😀", "你好", "room 4"]


def training_data() -> TrainingData:
    return TrainingData([Message.build(text, "session/duration") for text in EXAMPLES])


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> LocalModelStorage:
    return LocalModelStorage.create(tmp_path_factory.mktemp("storage"))


@pytest.fixture(scope="module")
def normalizer(storage: LocalModelStorage) -> MessageNormalizer:
    component = MessageNormalizer.create({}, storage, RESOURCE, GRAPH)
    assert component.train(training_data()) == RESOURCE
    return component


def processed(component: MessageNormalizer, text: str) -> Message:
    return component.process([Message({"text": text})])[0]


def test_a_loaded_normalizer_spells_like_the_trained_one(
    normalizer: MessageNormalizer, storage: LocalModelStorage
) -> None:
    loaded = MessageNormalizer.load({}, storage, RESOURCE, GRAPH)
    for text in WRITTEN:
        assert spelled_out(processed(loaded, text)) == spelled_out(processed(normalizer, text))


def test_words_of_examples_and_lists_are_what_a_slip_is_taken_for(normalizer: MessageNormalizer) -> None:
    assert (
        spelled_out(processed(normalizer, "is a zarqon ok w/ fibromyalga")).text == "is a zarquon ok with fibromyalgia"
    )


def test_the_patients_words_stay_and_nothing_is_added_to_what_rasa_keeps(normalizer: MessageNormalizer) -> None:
    message = processed(normalizer, "howw lng b4")
    assert message.get("text") == "howw lng b4"
    assert message.as_dict(only_output_properties=True) == {"text": "howw lng b4"}


def test_training_examples_are_spelled_out_too(normalizer: MessageNormalizer) -> None:
    data = TrainingData([Message.build("howw lng b4 a zarqon", "session/duration")])
    (example,) = normalizer.process_training_data(data).training_examples
    assert spelled_out(example).text == "how long before a zarquon"
    assert example.get("text") == "howw lng b4 a zarqon"


def test_the_question_before_is_spelled_out_when_there_is_one(normalizer: MessageNormalizer) -> None:
    assert context_spelled_out(processed(normalizer, "and then")) == ""
    token = current_context.set(Context(topic="session/duration", text="howw lng b4 i can driv"))
    try:
        assert context_spelled_out(processed(normalizer, "and then")) == "how long before i can drive"
    finally:
        current_context.reset(token)


def test_a_message_that_nobody_spelled_out_reads_as_it_is() -> None:
    assert spelled_out(Message({"text": "b4 u"})).text == "b4 u"
    assert spelled_out(Message({"text": "b4 u"})).original_span(3, 4) == (3, 4)
    assert spelled_out(Message({})).text == ""


# --------------------------------------------------------------------------- what cannot be used


def test_an_untrained_normalizer_says_so(tmp_path: Path) -> None:
    untrained = MessageNormalizer.create({}, LocalModelStorage.create(tmp_path), RESOURCE, GRAPH)
    with pytest.raises(MessageNormalizerError, match="before it was trained"):
        processed(untrained, "hello")


def test_a_model_without_the_words_is_not_loaded(tmp_path: Path) -> None:
    with pytest.raises(MessageNormalizerError, match="ketalink train"):
        MessageNormalizer.load({}, LocalModelStorage.create(tmp_path), RESOURCE, GRAPH)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"rules": [], "own": {}}',
        b'{"rules": {}, "own": {}}',
        b'{"rules": {"short_forms": {}, "in_context": [{"write": "k"}]}, "own": {}}',
        b'{"rules": {"short_forms": {}, "in_context": []}}',
        b'{"rules": {"short_forms": {}, "in_context": []}, "own": ["infusion"]}',
        b'{"rules": {"short_forms": {}, "in_context": []}, "own": {"infusion": "many"}}',
        None,
    ],
)
def test_a_damaged_model_is_not_loaded(tmp_path: Path, content: "bytes | None") -> None:
    storage = LocalModelStorage.create(tmp_path)
    with storage.write_to(RESOURCE) as folder:
        if content is not None:
            (folder / DATA_FILE).write_bytes(content)
    with pytest.raises(MessageNormalizerError, match="ketalink train"):
        MessageNormalizer.load({}, storage, RESOURCE, GRAPH)


# --------------------------------------------------------------------------- when to train again


@pytest.mark.parametrize("name", ["SPELLING_FILE", "ENTITIES_FILE"])
def test_rasa_trains_again_when_a_list_changes(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = MessageNormalizer.fingerprint_addon({})
    copy = Path(shutil.copy(getattr(language_files, name), tmp_path))
    monkeypatch.setattr(language_files, name, copy)
    assert MessageNormalizer.fingerprint_addon({}) == before  # it is the content that counts
    copy.write_text(copy.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    assert MessageNormalizer.fingerprint_addon({}) != before
