"""ChoiceClassifier in Rasa's pipeline: what was picked, and what is offered when no topic is sure."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rasa.engine.graph import ExecutionContext, GraphSchema
from rasa.engine.storage.local_model_storage import LocalModelStorage
from rasa.engine.storage.resource import Resource
from rasa.shared.nlu.training_data.message import Message

from bot.nlu.choice_classifier import MOST_OFFERED, ChoiceClassifier
from bot.nlu.result import set_result
from bot.turn import Context, current_context

COST, DURATION, WORK, SAFETY = "cost/price", "session/duration", "after/work", "safety/side_effects"
CRISIS, PETS = "crisis/suicidal_now", "beyond/pets"
TOPICS = [COST, DURATION, WORK, SAFETY, CRISIS, PETS, "greet", "not_what_i_meant"]
CONFIG = ChoiceClassifier.get_default_config()
LIMIT = CONFIG["offer_above"]

InContext = Callable[[Context], None]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> ChoiceClassifier:
    """As Rasa brings it back from a model, in which it keeps nothing."""
    storage = LocalModelStorage.create(tmp_path_factory.mktemp("storage"))
    return ChoiceClassifier.load(CONFIG, storage, Resource("choices"), ExecutionContext(GraphSchema({})))


@pytest.fixture
def in_context() -> Iterator[InContext]:
    token = current_context.set(Context())
    yield lambda context: current_context.set(context) and None
    current_context.reset(token)


def sure(text: str, *ranking: "tuple[str, float]") -> Message:
    """Return a message as TopicClassifier leaves it."""
    message = Message({"text": text})
    best = ranking[0][0]
    set_result(message, ranking, [best] if "/" in best else [], TOPICS)
    return message


def unsure(text: str, *ranking: "tuple[str, float]") -> Message:
    """Return a message as FallbackClassifier leaves it."""
    message = sure(text, *ranking)
    fallback = {"name": "nlu_fallback", "confidence": 0.5}
    message.set("intent", fallback, add_to_output=True)
    message.set("intent_ranking", [fallback, *message.get("intent_ranking")], add_to_output=True)
    return message


def process(classifier: ChoiceClassifier, message: Message) -> "dict[str, Any]":
    return classifier.process([message])[0].as_dict(only_output_properties=True)


# --------------------------------------------------------------------------- what is offered


def test_what_is_nearly_sure_is_offered_the_best_first(classifier: ChoiceClassifier, in_context: InContext) -> None:
    result = process(classifier, unsure("how many", (COST, 0.45), (DURATION, 0.3), (WORK, LIMIT / 4 - 0.01)))
    assert result["offered"] == [COST, DURATION]
    assert result["topics"] == []
    assert result["intent"]["name"] == "nlu_fallback"


@pytest.mark.parametrize(("best", "offered"), [(0.49, [COST]), (LIMIT, [COST]), (LIMIT - 0.001, None), (0.0, None)])
def test_below_the_limit_nothing_is_offered(
    classifier: ChoiceClassifier, best: float, offered: "list[str] | None", in_context: InContext
) -> None:
    result = process(classifier, unsure("how many", (COST, best)))
    assert result.get("offered") == offered
    assert result["topics"] == []


def test_the_limit_is_configured(in_context: InContext) -> None:
    assert process(ChoiceClassifier({"offer_above": 0.4}), unsure("x", (COST, 0.39))).get("offered") is None
    assert process(ChoiceClassifier({"offer_above": 0.4}), unsure("x", (COST, 0.41)))["offered"] == [COST]


def test_no_more_than_a_few_are_offered(classifier: ChoiceClassifier, in_context: InContext) -> None:
    result = process(classifier, unsure("x", (COST, 0.4), (DURATION, 0.39), (WORK, 0.38), (SAFETY, 0.37)))
    assert result["offered"] == [COST, DURATION, WORK]
    assert len(result["offered"]) == MOST_OFFERED


def test_talk_danger_and_what_is_beyond_the_subject_are_not_offered(
    classifier: ChoiceClassifier, in_context: InContext
) -> None:
    result = process(classifier, unsure("x", (CRISIS, 0.49), (PETS, 0.48), ("greet", 0.47), (COST, 0.3)))
    assert result["offered"] == [COST]
    assert "offered" not in process(classifier, unsure("x", (CRISIS, 0.49), (PETS, 0.48), ("greet", 0.47)))


def test_what_is_sure_stays_as_it_is(classifier: ChoiceClassifier, in_context: InContext) -> None:
    before = sure("how much", (COST, 0.9), (DURATION, 0.4)).as_dict()
    assert process(classifier, sure("how much", (COST, 0.9), (DURATION, 0.4))) == before
    in_context(Context(topic=DURATION, offered=(DURATION, WORK), alternatives=(WORK,)))
    assert process(classifier, sure("how much", (COST, 0.9), (DURATION, 0.4))) == before


def test_an_intent_typed_as_a_command_stays(classifier: ChoiceClassifier, in_context: InContext) -> None:
    message = Message({"text": "/greet", "intent": {"name": "greet", "confidence": 1.0}})
    assert classifier.process([message])[0].get("intent")["name"] == "greet"


# --------------------------------------------------------------------------- what is picked


def test_the_second_one_is_answered_as_that_topic(classifier: ChoiceClassifier, in_context: InContext) -> None:
    in_context(Context(offered=(COST, DURATION, WORK)))
    result = process(classifier, unsure("the second one", (COST, 0.3)))
    assert result["intent"] == {"name": "session", "confidence": 1.0}
    assert result["intent_ranking"] == [{"name": DURATION, "confidence": 1.0}]
    assert result["response_selector"]["session"]["response"]["utter_action"] == f"utter_{DURATION}"
    assert {"cost", "session"} <= set(result["response_selector"]["all_retrieval_intents"])
    assert result["topics"] == [DURATION]
    assert result["chosen_from"] == [COST, DURATION, WORK]
    assert "offered" not in result


def test_picking_counts_more_than_what_the_words_sound_like(
    classifier: ChoiceClassifier, in_context: InContext
) -> None:
    in_context(Context(offered=(COST, DURATION)))
    assert process(classifier, sure("2", (WORK, 0.95)))["topics"] == [DURATION]


def test_several_are_answered_together(classifier: ChoiceClassifier, in_context: InContext) -> None:
    in_context(Context(offered=(COST, DURATION)))
    result = process(classifier, unsure("both", (COST, 0.3)))
    assert result["topics"] == [COST, DURATION]
    assert result["response_selector"]["cost"]["response"]["utter_action"] == "utter_several_questions"


def test_the_other_one_follows_the_first(classifier: ChoiceClassifier, in_context: InContext) -> None:
    in_context(Context(topic=COST, offered=(COST, DURATION), chosen=(COST,)))
    assert process(classifier, unsure("no, the other one", (COST, 0.3)))["topics"] == [DURATION]


def test_where_several_are_left_it_is_asked_again(classifier: ChoiceClassifier, in_context: InContext) -> None:
    in_context(Context(topic=COST, offered=(COST, DURATION, WORK), chosen=(COST,)))
    result = process(classifier, sure("the other one", (SAFETY, 0.9)))
    assert result["offered"] == [DURATION, WORK]
    assert result["intent"]["name"] == "nlu_fallback"
    assert result["topics"] == []


def test_none_of_these_is_left_to_the_topics(classifier: ChoiceClassifier, in_context: InContext) -> None:
    in_context(Context(offered=(COST, DURATION)))
    assert process(classifier, sure("none of these", ("greet", 0.9)))["intent"]["name"] == "greet"


@pytest.mark.parametrize("words", ["What it costs", "the second one", "😀", ""])
def test_a_button_is_certain_whatever_its_words(
    classifier: ChoiceClassifier, words: str, in_context: InContext
) -> None:
    in_context(Context(offered=(COST, DURATION)))
    message = unsure(words, (WORK, 0.3))
    message.set("metadata", {"topic": COST})
    result = process(classifier, message)
    assert result["intent"] == {"name": "cost", "confidence": 1.0}
    assert result["topics"] == [COST]


# --------------------------------------------------------------------------- "that's not what I meant"

MISSED = ("not_what_i_meant", 0.9)


def test_what_else_it_might_have_been_is_offered(classifier: ChoiceClassifier, in_context: InContext) -> None:
    in_context(Context(topic=COST, alternatives=(DURATION, WORK)))
    result = process(classifier, sure("that's not what i meant", MISSED, (COST, 0.1)))
    assert result["intent"]["name"] == "nlu_fallback"
    assert result["offered"] == [DURATION, WORK]
    assert result["topics"] == []


def test_of_what_else_it_might_have_been_the_same_may_be_offered(
    classifier: ChoiceClassifier, in_context: InContext
) -> None:
    in_context(Context(topic=COST, alternatives=(CRISIS, DURATION, PETS, WORK, SAFETY, "session/feelings")))
    assert process(classifier, sure("wrong", MISSED))["offered"] == [DURATION, WORK, SAFETY]


@pytest.mark.parametrize("alternatives", [(), (CRISIS, PETS)])
def test_without_anything_else_it_is_only_a_miss(
    classifier: ChoiceClassifier, alternatives: "tuple[str, ...]", in_context: InContext
) -> None:
    in_context(Context(topic=COST, alternatives=alternatives))
    result = process(classifier, sure("that's not what i meant", MISSED))
    assert result["intent"]["name"] == "not_what_i_meant"
    assert "offered" not in result
