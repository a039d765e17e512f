"""The component of Rasa's pipeline that says which topic a message is about."""

import json
import os
from collections.abc import Sequence
from typing import Any
from zipfile import BadZipFile

import numpy as np
from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.shared.exceptions import InvalidConfigException, RasaException
from rasa.shared.nlu.constants import INTENT, METADATA, TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData
from threadpoolctl import threadpool_limits

from bot.nlu import encoder, encoder_graph, interpreter, kernel_regression, network, result, topic_model, verdict
from bot.nlu.encoder import EncoderUnavailable, SentenceEncoder
from bot.nlu.encoder_graph import build_graph
from bot.nlu.fingerprint import fingerprint
from bot.nlu.interpreter import Interpreter
from bot.nlu.normalizer import spelled_out
from bot.nlu.result import set_result
from bot.nlu.spacy_reader import reading_of
from bot.nlu.topic_model import TopicModel, TopicModelError
from bot.turn import ASKS_FOR_VERDICT

GRAPH_FILE = "encoder.onnx"
ARRAYS_FILE = "topics.npz"
DATA_FILE = "topics.json"


class TopicClassifierError(RasaException):
    """The classifier cannot be trained or loaded; the message says what to do."""


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=True)
class TopicClassifier(GraphComponent, IntentClassifier):
    """Choose among all topics at once: `session/duration` competes with `cost/price` and with `greet`.

    It fills the intent, the ranking, and what Rasa's ResponseSelector would: choosing the group first and the
    answer second would hide an unsure answer behind a sure group. MessageNormalizer and SpacyReader should come
    before it; FallbackClassifier with a threshold of 0.5 and no ambiguity check follows, because the confidence is
    already scaled to that.
    """

    @classmethod
    def required_components(cls) -> list[type]:
        """Nothing has to come first: it reads the text itself if nobody has read it before."""
        return []

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        """How many topics the ranking keeps."""
        return {"ranking_length": 10}

    @classmethod
    def fingerprint_addon(cls, config: dict[str, Any]) -> str | None:
        """Train again when this module or those beside it change: Rasa looks at the class alone.

        The encoder's weights are covered as well: `encoder.py` names the only files it accepts.
        """
        return fingerprint(
            __file__, encoder, encoder_graph, network, topic_model, kernel_regression, interpreter, result, verdict
        )

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
        except (OSError, ValueError, BadZipFile, TopicModelError) as error:
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
        if config["ranking_length"] < 1:
            raise InvalidConfigException("TopicClassifier: `ranking_length` must be above zero.")
        self._config = config
        self._model_storage = model_storage
        self._resource = resource
        self._model = model

    def train(self, training_data: TrainingData) -> Resource:
        """Learn the topics from the examples, keep them in the model archive."""
        examples = [example for example in training_data.intent_examples if example.get(TEXT)]
        try:
            sentence_encoder = SentenceEncoder(build_graph())
            with threadpool_limits(limits=os.cpu_count()):
                self._model = TopicModel.train(
                    sentence_encoder,
                    texts=[spelled_out(example).text for example in examples],
                    topics=[example.get_full_intent() for example in examples],
                    marks=[_asks_for(example) for example in examples],
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
        """Set intent, ranking, the response selector's property and the answered topics on each message.

        A message that carries an intent already (`/greet` in a test or in `rasa shell`) keeps it.
        """
        if self._model is None:
            raise TopicClassifierError("The topic classifier was asked before it was trained.")
        for message in messages:
            if not message.get(INTENT):
                self._classify(self._model, message)
        return messages

    def _classify(self, model: TopicModel, message: Message) -> None:
        reading = reading_of(message)
        asks_for_verdict = {reading.text: 0.0}

        def scores(texts: Sequence[str]) -> np.ndarray:
            judged = model.judge(texts)
            asks_for_verdict.update(zip(texts, judged.verdict.tolist(), strict=True))
            return judged.topics

        understood = Interpreter(model.topics, scores).understand(reading)
        set_result(message, understood.ranking[: self._config["ranking_length"]], understood.answered, model.topics)
        message.set(ASKS_FOR_VERDICT, asks_for_verdict[reading.text] >= verdict.VERDICT_FROM, add_to_output=True)


def _asks_for(example: Message) -> str | None:
    """Return what the block of an example says that it asks for (`metadata: {asks_for: …}`)."""
    said = (example.get(METADATA) or {}).get(INTENT)
    return said.get(verdict.ASKS_FOR) if isinstance(said, dict) else None
