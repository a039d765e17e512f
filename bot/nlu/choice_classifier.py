"""The last component of the pipeline: choices from what was offered, and what to offer when nothing is sure."""

from typing import Any, Dict, List, Optional, Sequence

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.nlu.constants import RESPONSE_SELECTOR_PROPERTY_NAME, RESPONSE_SELECTOR_RETRIEVAL_INTENTS
from rasa.shared.constants import DEFAULT_NLU_FALLBACK_INTENT_NAME
from rasa.shared.nlu.constants import (
    INTENT,
    INTENT_NAME_KEY,
    INTENT_RANKING_KEY,
    METADATA,
    PREDICTED_CONFIDENCE_KEY,
    TEXT,
)
from rasa.shared.nlu.training_data.message import Message

from bot.nlu import choices, interpreter, result
from bot.nlu.choices import Choice, choose
from bot.nlu.fingerprint import fingerprint
from bot.nlu.interpreter import DANGER, is_answer
from bot.nlu.result import set_result
from bot.turn import CHOSEN_FROM, OFFERED, TOPICS, current_context

MOST_OFFERED = 3
CHOSEN_TOPIC = "topic"  # the key of a message's metadata: the button says so, so it is certain
NOT_WHAT_I_MEANT = "not_what_i_meant"


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=False)
class ChoiceClassifier(GraphComponent, IntentClassifier):
    """Read "the second one" after "did you mean", and prepare "did you mean" when the topic is not sure.

    Comes after FallbackClassifier, whose checks would undo a choice. What was rejected falls into two bands: above
    `offer_above` the best topics are offered (`offered` in the parse result), below it nothing is.
    """

    @classmethod
    def required_components(cls) -> List[type]:
        """Any intent classifier may have come before."""
        return [IntentClassifier]

    @staticmethod
    def get_default_config() -> Dict[str, Any]:
        """How sure (0.5 is the reject point) the best topic must be to be offered."""
        return {"offer_above": 0.2}

    @classmethod
    def fingerprint_addon(cls, config: Dict[str, Any]) -> Optional[str]:
        """Change with the modules beside this one."""
        return fingerprint(__file__, choices, interpreter, result)

    @classmethod
    def create(
        cls,
        config: Dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> "ChoiceClassifier":
        """Make the component; there is nothing to train."""
        return cls(config)

    def __init__(self, config: Dict[str, Any]) -> None:
        self._offer_above = float(config["offer_above"])

    def process(self, messages: List[Message]) -> List[Message]:
        """Replace the intent where something was chosen, and say what may be offered."""
        for message in messages:
            self._choose(message) or self._offer(message)
        return messages

    def _choose(self, message: Message) -> bool:
        context = current_context.get()
        pressed = (message.get(METADATA) or {}).get(CHOSEN_TOPIC)
        if pressed:
            choice: Optional[Choice] = Choice(answered=(pressed,))
        else:
            choice = choose(message.get(TEXT) or "", context.offered, context.chosen)
        if choice is None:
            return False
        if choice.answered:
            _set_topics(message, choice.answered)
            message.set(CHOSEN_FROM, list(context.offered), add_to_output=True)
        else:
            _set_offer(message, choice.offered)
        return True

    def _offer(self, message: Message) -> None:
        intent = (message.get(INTENT) or {}).get(INTENT_NAME_KEY)
        alternatives = [topic for topic in current_context.get().alternatives if _may_be_offered(topic)]
        if intent == NOT_WHAT_I_MEANT and alternatives:
            _set_offer(message, alternatives[:MOST_OFFERED])
        elif intent == DEFAULT_NLU_FALLBACK_INTENT_NAME:
            message.set(TOPICS, [], add_to_output=True)
            ranked = {
                entry[INTENT_NAME_KEY]: entry[PREDICTED_CONFIDENCE_KEY]
                for entry in message.get(INTENT_RANKING_KEY) or []
                if _may_be_offered(entry[INTENT_NAME_KEY])
            }
            if max(ranked.values(), default=0.0) >= self._offer_above:
                # The others may be less sure: the best is what makes it worth asking.
                near = [topic for topic, sure in ranked.items() if sure >= self._offer_above / 4]
                message.set(OFFERED, near[:MOST_OFFERED], add_to_output=True)


def _may_be_offered(topic: str) -> bool:
    return is_answer(topic) and not topic.startswith(DANGER)


def _set_offer(message: Message, topics: Sequence[str]) -> None:
    message.set(
        INTENT, {INTENT_NAME_KEY: DEFAULT_NLU_FALLBACK_INTENT_NAME, PREDICTED_CONFIDENCE_KEY: 1.0}, add_to_output=True
    )
    message.set(TOPICS, [], add_to_output=True)
    message.set(OFFERED, list(topics), add_to_output=True)


def _set_topics(message: Message, topics: Sequence[str]) -> None:
    selected = message.get(RESPONSE_SELECTOR_PROPERTY_NAME) or {}
    groups = [f"{group}/" for group in selected.get(RESPONSE_SELECTOR_RETRIEVAL_INTENTS, [])]
    set_result(message, [(topic, 1.0) for topic in topics], topics, [*groups, *topics])
