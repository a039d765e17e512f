"""How a message says, in Rasa's terms, which topics it is about."""

from typing import Any, Dict, List, Sequence, Tuple

from rasa.nlu.constants import (
    RESPONSE_SELECTOR_PREDICTION_KEY,
    RESPONSE_SELECTOR_PROPERTY_NAME,
    RESPONSE_SELECTOR_RANKING_KEY,
    RESPONSE_SELECTOR_RETRIEVAL_INTENTS,
    RESPONSE_SELECTOR_UTTER_ACTION_KEY,
)
from rasa.shared.nlu.constants import (
    INTENT,
    INTENT_NAME_KEY,
    INTENT_RANKING_KEY,
    INTENT_RESPONSE_KEY,
    PREDICTED_CONFIDENCE_KEY,
)
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.util import intent_response_key_to_template_key

from bot.turn import TOPICS

SEVERAL_QUESTIONS = "utter_several_questions"

Ranking = Sequence[Tuple[str, float]]


def set_result(message: Message, ranking: Ranking, answered: Sequence[str], topics: Sequence[str]) -> None:
    """Set intent, ranking, the response selector's property and the answered topics.

    Args:
        message: is changed.
        ranking: topics with their confidence, best first.
        answered: the topics to answer, in order; one, several for several questions, none for talk.
        topics: all that the classifier knows.
    """
    best = answered[0] if answered else ranking[0][0]
    confidence = dict(ranking)[best]
    group = group_of(best)
    message.set(INTENT, {INTENT_NAME_KEY: group, PREDICTED_CONFIDENCE_KEY: confidence}, add_to_output=True)
    message.set(
        INTENT_RANKING_KEY,
        [{INTENT_NAME_KEY: name, PREDICTED_CONFIDENCE_KEY: sure} for name, sure in ranking],
        add_to_output=True,
    )
    selected: Dict[str, Any] = {
        RESPONSE_SELECTOR_RETRIEVAL_INTENTS: sorted({group_of(topic) for topic in topics if is_retrieval(topic)})
    }
    if is_retrieval(best):
        several = len(answered) > 1
        # Without the wording, which the domain has: the tracker would keep it with every message.
        selected[group] = {
            RESPONSE_SELECTOR_PREDICTION_KEY: {
                INTENT_RESPONSE_KEY: best,
                PREDICTED_CONFIDENCE_KEY: confidence,
                RESPONSE_SELECTOR_UTTER_ACTION_KEY: SEVERAL_QUESTIONS
                if several
                else intent_response_key_to_template_key(best),
            },
            RESPONSE_SELECTOR_RANKING_KEY: _ranking_in(group, ranking),
        }
    message.set(RESPONSE_SELECTOR_PROPERTY_NAME, selected, add_to_output=True)
    message.set(TOPICS, list(answered), add_to_output=True)


def _ranking_in(group: str, ranking: Ranking) -> List[Dict[str, Any]]:
    return [
        {INTENT_RESPONSE_KEY: name, PREDICTED_CONFIDENCE_KEY: sure}
        for name, sure in ranking
        if is_retrieval(name) and group_of(name) == group
    ]


def group_of(topic: str) -> str:
    """Return the intent that Rasa's rules know: `session` for `session/duration`, `greet` for `greet`."""
    return str(Message.separate_intent_response_key(topic)[0])


def is_retrieval(topic: str) -> bool:
    """Whether the topic is one answer of a group."""
    return Message.separate_intent_response_key(topic)[1] is not None
