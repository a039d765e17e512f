"""The topic classifier: alone, loaded again, and in a trained pipeline with Rasa's own rules."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasa
import yaml
from rasa.core.agent import Agent
from rasa.engine.graph import ExecutionContext, GraphSchema
from rasa.engine.storage.local_model_storage import LocalModelStorage
from rasa.engine.storage.resource import Resource
from rasa.nlu.classifiers.fallback_classifier import FallbackClassifier
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from bot.nlu.normalizer import MessageNormalizer
from bot.nlu.spacy_reader import SpacyReader
from bot.nlu.topic_classifier import ARRAYS_FILE, DATA_FILE, GRAPH_FILE, TopicClassifier, TopicClassifierError
from bot.nlu.topic_model import FOLDS, REJECTED_SHARE, WRONG_COSTS, reject_point, rescale, spread_over_folds

PROJECT = Path(__file__).resolve().parents[3]
RESOURCE = Resource("topics")
CONFIG = TopicClassifier.get_default_config()
CONTEXT = ExecutionContext(GraphSchema({}))
EXAMPLES = {
    "session/duration": [
        "how long does one infusion take",
        "how many minutes is a visit",
        "how much time should i plan for a session",
        "will it be over in an hour",
    ],
    "session/feeling": [
        "what does it feel like",
        "will i see strange things during it",
        "am i asleep or awake",
        "how will i feel in the chair",
    ],
    "cost/price": [
        "how much does it cost",
        "what is the price of one infusion",
        "is it expensive",
        "price pls",
    ],
    "greet": ["hello", "hi there", "good morning", "hey"],
}
NONSENSE = ["blorf snizzle gwump", "the cat painted the submarine purple", "%%%"]


def training_data(examples: dict[str, list[str]]) -> TrainingData:
    return TrainingData([Message.build(text, topic) for topic, texts in examples.items() for text in texts])


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> LocalModelStorage:
    return LocalModelStorage.create(tmp_path_factory.mktemp("storage"))


@pytest.fixture(scope="module")
def classifier(storage: LocalModelStorage) -> TopicClassifier:
    trained = TopicClassifier.create(CONFIG, storage, RESOURCE, CONTEXT)
    trained.train(training_data(EXAMPLES))
    return trained


def understood(classifier: TopicClassifier, text: str) -> dict[str, Any]:
    return classifier.process([Message({"text": text})])[0].as_dict(only_output_properties=True)


def test_a_loaded_classifier_answers_like_the_trained_one(
    classifier: TopicClassifier, storage: LocalModelStorage
) -> None:
    loaded = TopicClassifier.load(CONFIG, storage, RESOURCE, CONTEXT)
    for text in ["how long is a session", "wht does it cst", "good evening", *NONSENSE]:
        assert understood(loaded, text) == understood(classifier, text)


def test_an_answer_of_a_group_fills_what_a_response_selector_would(classifier: TopicClassifier) -> None:
    result = understood(classifier, "how many minutes does an infusion take")
    confidence = result["intent"]["confidence"]
    assert result["intent"] == {"name": "session", "confidence": confidence}
    assert result["response_selector"]["all_retrieval_intents"] == ["cost", "session"]
    assert result["response_selector"]["session"]["response"] == {
        "intent_response_key": "session/duration",
        "utter_action": "utter_session/duration",
        "confidence": confidence,
    }
    assert [entry["intent_response_key"] for entry in result["response_selector"]["session"]["ranking"]] == [
        "session/duration",
        "session/feeling",
    ]
    assert "cost" not in result["response_selector"]


def test_the_ranking_keeps_full_names_and_begins_with_the_intent(classifier: TopicClassifier) -> None:
    result = understood(classifier, "how many minutes does an infusion take")
    ranking = result["intent_ranking"]
    assert ranking[0] == {"name": "session/duration", "confidence": result["intent"]["confidence"]}
    assert {entry["name"] for entry in ranking} == set(EXAMPLES)
    confidences = [entry["confidence"] for entry in ranking]
    assert confidences == sorted(confidences, reverse=True)


def test_a_plain_intent_selects_no_answer(classifier: TopicClassifier) -> None:
    result = understood(classifier, "hello there")
    assert result["intent"]["name"] == "greet"
    assert set(result["response_selector"]) == {"all_retrieval_intents"}


def test_the_ranking_is_as_long_as_configured(storage: LocalModelStorage, classifier: TopicClassifier) -> None:
    short = TopicClassifier.load({**CONFIG, "ranking_length": 2}, storage, RESOURCE, CONTEXT)
    assert len(understood(short, "hello")["intent_ranking"]) == 2


def test_a_message_that_carries_an_intent_is_left_alone(classifier: TopicClassifier) -> None:
    message = Message({"text": "/greet", "intent": {"name": "greet", "confidence": 1.0}})
    before = dict(message.data)
    assert classifier.process([message])[0].data == before


@pytest.mark.parametrize("text", [*NONSENSE, "", "?", "\N{THUMBS UP SIGN}"])
def test_nonsense_falls_below_the_fixed_threshold(classifier: TopicClassifier, text: str) -> None:
    fallback = FallbackClassifier({"threshold": 0.5, "ambiguity_threshold": 0})
    message = fallback.process(classifier.process([Message({"text": text})]))[0]
    assert message.get("intent")["name"] == "nlu_fallback"
    assert len(message.get("intent_ranking")) == 1 + len(EXAMPLES)


def test_training_twice_gives_the_same_model(classifier: TopicClassifier, tmp_path: Path) -> None:
    again = TopicClassifier.create(CONFIG, LocalModelStorage.create(tmp_path), RESOURCE, CONTEXT)
    again.train(training_data(EXAMPLES))
    assert understood(again, "is a visit long") == understood(classifier, "is a visit long")


def test_two_topics_are_enough_and_one_is_refused(tmp_path: Path) -> None:
    component = TopicClassifier.create(CONFIG, LocalModelStorage.create(tmp_path), RESOURCE, CONTEXT)
    component.train(training_data({name: EXAMPLES[name] for name in ("greet", "cost/price")}))
    assert understood(component, "what is the price")["intent"]["name"] == "cost"
    assert understood(component, "hello")["intent"]["name"] == "greet"
    with pytest.raises(TopicClassifierError, match="fewer than two topics"):
        component.train(training_data({"greet": EXAMPLES["greet"]}))
    with pytest.raises(TopicClassifierError, match="too few examples"):
        component.train(training_data({"greet": ["hello"], "cost/price": ["what is it"]}))


def test_a_classifier_that_cannot_load_raises(classifier: TopicClassifier, tmp_path: Path) -> None:
    storage = LocalModelStorage.create(tmp_path)
    with pytest.raises(TopicClassifierError, match="does not exist"):
        TopicClassifier.load(CONFIG, storage, RESOURCE, CONTEXT)
    TopicClassifier.create(CONFIG, storage, RESOURCE, CONTEXT).train(training_data(EXAMPLES))
    with storage.write_to(RESOURCE) as folder:
        (folder / DATA_FILE).write_text('{"topics": ["greet"]}')
    with pytest.raises(TopicClassifierError, match="ketalink train"):
        TopicClassifier.load(CONFIG, storage, RESOURCE, CONTEXT)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (DATA_FILE, None),
        (DATA_FILE, b""),
        (DATA_FILE, b"\xff\xfe"),
        (DATA_FILE, b"[]"),
        (DATA_FILE, b"{}"),
        (ARRAYS_FILE, None),
        (ARRAYS_FILE, b"no arrays at all"),
        (GRAPH_FILE, None),
    ],
)
def test_a_damaged_model_is_not_loaded(
    classifier: TopicClassifier, storage: LocalModelStorage, tmp_path: Path, name: str, content: "bytes | None"
) -> None:
    damaged = LocalModelStorage.create(tmp_path)
    with storage.read_from(RESOURCE) as trained, damaged.write_to(RESOURCE) as folder:
        shutil.copytree(trained, folder, dirs_exist_ok=True)
        if content is None:
            (folder / name).unlink()
        else:
            (folder / name).write_bytes(content)
    with pytest.raises(TopicClassifierError, match="ketalink train"):
        TopicClassifier.load(CONFIG, damaged, RESOURCE, CONTEXT)


def test_it_classifies_what_the_components_before_it_read(classifier: TopicClassifier, tmp_path: Path) -> None:
    storage = LocalModelStorage.create(tmp_path)
    normalizer = MessageNormalizer.create({}, storage, Resource("spelling"), CONTEXT)
    normalizer.train(training_data(EXAMPLES))
    reader = SpacyReader.create({}, storage, Resource("entities"), CONTEXT)
    reader.train(training_data(EXAMPLES))
    texts = ["how long does one infuson take n wats da price of one infuson?", "how mcuh duz it cst"]
    double, single = classifier.process(reader.process(normalizer.process([Message({"text": text}) for text in texts])))
    assert double.get("topics") == ["session/duration", "cost/price"]
    answer = double.get("response_selector")["session"]["response"]
    assert answer["utter_action"] == "utter_several_questions"
    assert answer["intent_response_key"] == "session/duration"
    assert single.get("topics") == ["cost/price"]


def test_talk_answers_no_topic(classifier: TopicClassifier) -> None:
    assert understood(classifier, "hello there")["topics"] == []
    assert understood(classifier, "how many minutes does an infusion take")["topics"] == ["session/duration"]


def test_missing_weights_stop_training_and_loading(
    classifier: TopicClassifier, storage: LocalModelStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENCODER_PATH", str(tmp_path))
    with pytest.raises(TopicClassifierError, match="ENCODER_PATH"):
        TopicClassifier.load(CONFIG, storage, RESOURCE, CONTEXT)
    with pytest.raises(TopicClassifierError, match="ENCODER_PATH"):
        TopicClassifier.create(CONFIG, storage, RESOURCE, CONTEXT).train(training_data(EXAMPLES))


def test_the_cut_becomes_one_half_and_order_is_kept() -> None:
    raw = np.linspace(0, 1, 101)
    scaled = rescale(raw, 0.2)
    assert (scaled[0], scaled[10], scaled[20], scaled[100]) == pytest.approx((0, 0.25, 0.5, 1))
    assert (np.diff(scaled) > 0).all()


def test_the_cut_is_where_a_wrong_answer_begins_to_cost_more_than_a_right_one_gives() -> None:
    rng = np.random.default_rng(1)
    scores = rng.uniform(0, 1, 20_000)
    is_wrong = rng.uniform(0, 1, 20_000) > scores  # at a score of 0.4, 40 % are right
    assert reject_point(scores, is_wrong) == pytest.approx(WRONG_COSTS / (1 + WRONG_COSTS), abs=0.03)


def test_some_are_rejected_even_where_nothing_is_wrong() -> None:
    scores = np.linspace(0, 1, 101)
    assert reject_point(scores, np.zeros(101, dtype=bool)) == pytest.approx(REJECTED_SHARE)


def test_every_topic_is_spread_over_the_folds() -> None:
    topics = ["a"] * 10 + ["b"] * 5 + ["c"] * 2
    folds = spread_over_folds(topics)
    for name, count in (("a", 10), ("b", 5), ("c", 2)):
        in_each = np.bincount(folds[np.array(topics) == name], minlength=FOLDS)
        assert (len(in_each), in_each.sum()) == (FOLDS, count)
        assert in_each.max() - in_each.min() <= 1


RULES = {
    "version": "3.1",
    "rules": [
        {"rule": name, "steps": [{"intent": name}, {"action": f"utter_{name}"}]}
        for name in ("session", "cost", "greet")
    ]
    + [{"rule": "unsure", "steps": [{"intent": "nlu_fallback"}, {"action": "action_default_fallback"}]}],
}
DOMAIN = {
    "version": "3.1",
    "intents": ["session", "cost", "greet", "nlu_fallback"],
    "responses": {
        **{f"utter_{topic}": [{"text": f"about {topic}"}] for topic in EXAMPLES},
        "utter_session/duration": [{"text": "about an hour"}, {"text": "1 hr", "channel": "sms"}],
        "utter_default": [{"text": "not sure"}],
    },
}


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(PROJECT / "config.yml", folder)
    nlu = {
        "version": "3.1",
        "nlu": [
            {"intent": topic, "examples": "".join(f"- {text}\n" for text in texts)} for topic, texts in EXAMPLES.items()
        ],
    }
    for name, content in {"nlu.yml": nlu, "rules.yml": RULES, "domain.yml": DOMAIN}.items():
        (folder / name).write_text(yaml.safe_dump(content))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)  # Rasa keeps its cache under the working directory
        trained = rasa.train(
            domain=str(folder / "domain.yml"),
            config=str(folder / "config.yml"),
            training_files=[str(folder / "nlu.yml"), str(folder / "rules.yml")],
            output=str(folder / "models"),
        )
        yield Agent.load(trained.model)


def test_rules_answer_with_the_topic_found_and_no_response_selector(agent: Agent) -> None:
    parsed = asyncio.run(agent.parse_message("how many minutes does an infusion take"))
    assert parsed["intent"]["full_retrieval_intent_name"] == "session/duration"
    replies = asyncio.run(agent.handle_text("how many minutes does an infusion take", sender_id="one"))
    assert [reply["text"] for reply in replies] == ["about an hour"]


def test_rules_answer_plain_intents_and_nonsense(agent: Agent) -> None:
    assert asyncio.run(agent.handle_text("hi there", sender_id="two"))[0]["text"] == "about greet"
    assert asyncio.run(agent.handle_text(NONSENSE[0], sender_id="three"))[0]["text"] == "not sure"


def test_an_intent_typed_as_a_command_still_works_for_tests(agent: Agent) -> None:
    assert asyncio.run(agent.handle_text("/greet", sender_id="four"))[0]["text"] == "about greet"
