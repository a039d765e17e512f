"""Who asks for a verdict about one person is told from who asks for information, once examples say which is which."""

from pathlib import Path

import pytest
from rasa.engine.graph import ExecutionContext, GraphSchema
from rasa.engine.storage.local_model_storage import LocalModelStorage
from rasa.engine.storage.resource import Resource
from rasa.shared.importers.rasa import RasaFileImporter
from rasa.shared.nlu.training_data.message import Message

from bot.nlu.topic_classifier import TopicClassifier
from bot.turn import ASKS_FOR_VERDICT

CONTEXT = ExecutionContext(GraphSchema({}))
CONFIG = TopicClassifier.get_default_config()
RESOURCE = Resource("topics")
MARKED = """
version: "3.1"
nlu:
- intent: before/medications
  metadata: {asks_for: verdict}
  examples: |
    - should i stop my lexapro before i come
    - can i keep taking my xanax
    - is it ok for me to skip my pills that day
    - my husband takes a blood thinner, is he fine with that
    - do i have to come off lithium
    - am i allowed my adderall that morning
- intent: before/medications
  metadata: {asks_for: information}
  examples: |
    - do blood thinners matter
    - which medicines do you ask about
    - why do you need a list of medicines
    - where do i write down what somebody takes
    - do patients bring their pills along
    - who looks at the list of medicines
"""
PLAIN = """
version: "3.1"
nlu:
- intent: logistics/hours
  examples: |
    - when do you open
    - are you there on saturday
    - what time do you close
    - opening hours please
- intent: before/medications
  examples: |
    - medicines before an infusion
    - question about medication
"""
ASKED = "should i stop my zoloft before i come"
INFORMED = "why do you ask which medicines somebody takes"


def trained(folder: Path, *files: str) -> TopicClassifier:
    """A classifier that was trained from files as Rasa reads them, and loaded again."""
    paths = []
    for number, content in enumerate(files):
        path = folder / f"{number}.yml"
        path.write_text(content, encoding="utf-8")
        paths.append(str(path))
    storage = LocalModelStorage.create(folder / "storage")
    data = RasaFileImporter(training_data_paths=paths).get_nlu_data()
    TopicClassifier.create(CONFIG, storage, RESOURCE, CONTEXT).train(data)
    return TopicClassifier.load(CONFIG, storage, RESOURCE, CONTEXT)


def asks(classifier: TopicClassifier, text: str) -> bool:
    return bool(classifier.process([Message({"text": text})])[0].get(ASKS_FOR_VERDICT))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> "tuple[Path, Path]":
    return tmp_path_factory.mktemp("marked"), tmp_path_factory.mktemp("plain")


def test_a_verdict_is_told_from_information(folders: "tuple[Path, Path]") -> None:
    (folders[0] / "storage").mkdir()
    classifier = trained(folders[0], MARKED, PLAIN)
    assert asks(classifier, ASKED)
    assert not asks(classifier, INFORMED)
    assert not asks(classifier, "when do you close on friday")


def test_without_marks_nobody_asks_for_a_verdict(folders: "tuple[Path, Path]") -> None:
    (folders[1] / "storage").mkdir()
    assert not asks(trained(folders[1], PLAIN), ASKED)
