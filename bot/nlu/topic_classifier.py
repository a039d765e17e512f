"""The component of Rasa's pipeline that says which topic a message is about."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.nlu.constants import (
    RESPONSE_SELECTOR_PREDICTION_KEY,
    RESPONSE_SELECTOR_PROPERTY_NAME,
    RESPONSE_SELECTOR_RANKING_KEY,
    RESPONSE_SELECTOR_RETRIEVAL_INTENTS,
    RESPONSE_SELECTOR_UTTER_ACTION_KEY,
)
from rasa.shared.exceptions import InvalidConfigException, RasaException
from rasa.shared.nlu.constants import (
    INTENT,
    INTENT_NAME_KEY,
    INTENT_RANKING_KEY,
    INTENT_RESPONSE_KEY,
    PREDICTED_CONFIDENCE_KEY,
    TEXT,
)
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData
from rasa.shared.nlu.training_data.util import intent_response_key_to_template_key
from threadpoolctl import threadpool_limits

from bot.nlu import encoder, topic_model
from bot.nlu.encoder import EncoderUnavailable, SentenceEncoder
from bot.nlu.topic_model import TopicModel, TopicModelError

GRAPH_FILE = "encoder.onnx"
ARRAYS_FILE = "topics.npz"
DATA_FILE = "topics.json"


class TopicClassifierError(RasaException):
    """The classifier cannot be trained or loaded; the message says what to do."""


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=True)
class TopicClassifier(GraphComponent, IntentClassifier):
    """Choose among all topics at once: `session/duration` competes with `cost/price` and with `greet`.

    It fills the intent, the ranking, and what Rasa's ResponseSelector would: choosing the group first and the
    answer second would hide an unsure answer behind a sure group. Runs first; FallbackClassifier with a
    threshold of 0.5 and no ambiguity check follows, because the confidence is already scaled to that.
    """

    @classmethod
    def required_components(cls) -> list[type]:
        """Nothing has to come first: the component reads the text itself."""
        return []

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        """How closely to follow the examples, and how many topics the ranking keeps."""
        return {"strength": 10.0, "ranking_length": 10}

    @classmethod
    def fingerprint_addon(cls, config: dict[str, Any]) -> str | None:
        """Train again when this module or those beside it change: Rasa looks at the class alone.

        The encoder's weights are covered as well: `encoder.py` names the only files it accepts.
        """
        sources = [__file__, encoder.__file__, topic_model.__file__]
        return hashlib.sha256(b"".join(Path(source).read_bytes() for source in sources)).hexdigest()

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> "TopicClassifier":
        """Make an untrained component."""
        return cls(config, model_storage, resource)

    @classmethod
    def load(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> "TopicClassifier":
        """Bring back a trained component; raises TopicClassifierError rather than come back untrained."""
        try:
            with model_storage.read_from(resource) as folder:
                data = json.loads((folder / DATA_FILE).read_text(encoding="utf-8"))
                with np.load(folder / ARRAYS_FILE, allow_pickle=False) as stored:
                    arrays = {name: stored[name] for name in stored.files}
                graph = (folder / GRAPH_FILE).read_bytes()
            model = TopicModel.restore(SentenceEncoder(graph), arrays, data)
        except EncoderUnavailable as error:
            raise TopicClassifierError(str(error)) from error
        except (OSError, ValueError, TopicModelError) as error:
            raise TopicClassifierError(
                f"The topics of the trained model cannot be loaded, so nothing would be understood: {error} "
                f"Train again with `./ketalink train`."
            ) from error
        return cls(config, model_storage, resource, model)

    def __init__(
        self,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        model: TopicModel | None = None,
    ) -> None:
        if config["ranking_length"] < 1 or config["strength"] <= 0:
            raise InvalidConfigException("TopicClassifier: `ranking_length` and `strength` must be above zero.")
        self._config = config
        self._model_storage = model_storage
        self._resource = resource
        self._model = model

    def train(self, training_data: TrainingData) -> Resource:
        """Learn the topics from the examples, keep them in the model archive."""
        examples = [example for example in training_data.intent_examples if example.get(TEXT)]
        try:
            sentence_encoder = SentenceEncoder(encoder.build_graph())
            with threadpool_limits(limits=1):  # a second thread of numpy only gets in the way of the first
                self._model = TopicModel.train(
                    sentence_encoder,
                    texts=[example.get(TEXT) for example in examples],
                    topics=[example.get_full_intent() for example in examples],
                    strength=self._config["strength"],
                )
        except (EncoderUnavailable, TopicModelError) as error:
            raise TopicClassifierError(str(error)) from error
        arrays, data = self._model.state()
        with self._model_storage.write_to(self._resource) as folder:
            (folder / GRAPH_FILE).write_bytes(sentence_encoder.graph)
            np.savez(folder / ARRAYS_FILE, **arrays)
            (folder / DATA_FILE).write_text(json.dumps(data), encoding="utf-8")
        return self._resource

    def process(self, messages: list[Message]) -> list[Message]:
        """Set intent, ranking and the response selector's property on each message.

        A message that carries an intent already (`/greet` in a test or in `rasa shell`) keeps it.
        """
        if self._model is None:
            raise TopicClassifierError("The topic classifier was asked before it was trained.")
        for message in messages:
            if not message.get(INTENT):
                self._classify(self._model, message)
        return messages

    def _classify(self, model: TopicModel, message: Message) -> None:
        scores = model.scores([message.get(TEXT) or ""])[0]
        order = np.argsort(-scores, kind="stable")
        best = model.topics[order[0]]
        confidence = float(scores[order[0]])
        ranking = [
            {
                INTENT_NAME_KEY: model.topics[i],
                PREDICTED_CONFIDENCE_KEY: float(scores[i]),
            }
            for i in order[: self._config["ranking_length"]]
        ]
        group = group_of(best)
        message.set(
            INTENT,
            {INTENT_NAME_KEY: group, PREDICTED_CONFIDENCE_KEY: confidence},
            add_to_output=True,
        )
        message.set(INTENT_RANKING_KEY, ranking, add_to_output=True)
        selected: dict[str, Any] = {
            RESPONSE_SELECTOR_RETRIEVAL_INTENTS: sorted({group_of(t) for t in model.topics if is_retrieval(t)})
        }
        if is_retrieval(best):
            # Without the wording, which the domain has: the tracker would keep it with every message.
            selected[group] = {
                RESPONSE_SELECTOR_PREDICTION_KEY: {
                    INTENT_RESPONSE_KEY: best,
                    PREDICTED_CONFIDENCE_KEY: confidence,
                    RESPONSE_SELECTOR_UTTER_ACTION_KEY: intent_response_key_to_template_key(best),
                },
                RESPONSE_SELECTOR_RANKING_KEY: [
                    {
                        INTENT_RESPONSE_KEY: entry[INTENT_NAME_KEY],
                        PREDICTED_CONFIDENCE_KEY: entry[PREDICTED_CONFIDENCE_KEY],
                    }
                    for entry in ranking
                    if is_retrieval(entry[INTENT_NAME_KEY]) and group_of(entry[INTENT_NAME_KEY]) == group
                ],
            }
        message.set(RESPONSE_SELECTOR_PROPERTY_NAME, selected, add_to_output=True)


def group_of(topic: str) -> str:
    """Return the intent that Rasa's rules know: `session` for `session/duration`, `greet` for `greet`."""
    return str(Message.separate_intent_response_key(topic)[0])


def is_retrieval(topic: str) -> bool:
    """Whether the topic is one answer of a group."""
    return Message.separate_intent_response_key(topic)[1] is not None
