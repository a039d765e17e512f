"""The component of Rasa's pipeline that spells messages out before the others read them."""

import json
from typing import Any, Dict, List, Optional

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.shared.exceptions import RasaException
from rasa.shared.nlu.constants import TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from bot.nlu import language_files, spelling
from bot.nlu.fingerprint import fingerprint
from bot.nlu.language_files import LanguageFileError
from bot.nlu.spelling import Normalizer, SpelledOut, SpellingRules
from bot.turn import current_context

DATA_FILE = "spelling.json"
SPELLED_OUT = "spelled_out"
CONTEXT_SPELLED_OUT = "context_spelled_out"


class MessageNormalizerError(RasaException):
    """The spelling cannot be learnt or loaded; the message says what to do."""


def spelled_out(message: Message) -> SpelledOut:
    """Return a message's text as MessageNormalizer left it, else as it was written."""
    text = message.get(TEXT) or ""
    found = message.get(SPELLED_OUT)
    # As it was written, each character stands for itself.
    return found if found is not None else SpelledOut.join((at, at + 1, text[at]) for at in range(len(text)))


def context_spelled_out(message: Message) -> str:
    """Return the question before the message in ordinary spelling; empty when there is none."""
    return message.get(CONTEXT_SPELLED_OUT) or ""


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_FEATURIZER, is_trainable=True)
class MessageNormalizer(GraphComponent):
    """Put a message in ordinary spelling beside its text, which stays as the patient wrote it.

    Words of the training examples, and names in `data/language/entities.yml`, are what a misspelled word is
    most likely taken for.
    """

    @classmethod
    def required_components(cls) -> List[type]:
        """Nothing has to come first."""
        return []

    @staticmethod
    def get_default_config() -> Dict[str, Any]:
        """There is nothing to configure: the lists are in `data/language/`."""
        return {}

    @classmethod
    def fingerprint_addon(cls, config: Dict[str, Any]) -> Optional[str]:
        """Train again when the rules of spelling change, in code or in data."""
        return fingerprint(
            __file__, spelling, language_files, language_files.SPELLING_FILE, language_files.ENTITIES_FILE
        )

    @classmethod
    def create(
        cls,
        config: Dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> "MessageNormalizer":
        """Make an untrained component."""
        return cls(model_storage, resource)

    @classmethod
    def load(
        cls,
        config: Dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> "MessageNormalizer":
        """Bring back a trained component; raises MessageNormalizerError rather than come back without words."""
        try:
            with model_storage.read_from(resource) as folder:
                data = json.loads((folder / DATA_FILE).read_text(encoding="utf-8"))
            return cls(model_storage, resource, Normalizer(SpellingRules(data["rules"]), data["own"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise MessageNormalizerError(
                f"The spelling of the trained model cannot be loaded: {error!r}. Train again with `./ketalink train`."
            ) from error

    def __init__(
        self, model_storage: ModelStorage, resource: Resource, normalizer: Optional[Normalizer] = None
    ) -> None:
        self._model_storage = model_storage
        self._resource = resource
        self._normalizer = normalizer

    def train(self, training_data: TrainingData) -> Resource:
        """Collect the words of the examples, keep them in the model archive."""
        try:
            rules = language_files.spelling_rules()
            entities = language_files.entities()
        except LanguageFileError as error:
            raise MessageNormalizerError(str(error)) from error
        texts = [example.get(TEXT) for example in training_data.intent_examples if example.get(TEXT)]
        terms = [term for values in entities.values() for value, others in values.items() for term in (value, *others)]
        own = spelling.own_words(texts, terms, spelling.english_words())
        self._normalizer = Normalizer(rules, own)
        with self._model_storage.write_to(self._resource) as folder:
            content = {"rules": rules.content, "own": self._normalizer.own}
            (folder / DATA_FILE).write_text(json.dumps(content), encoding="utf-8")
        return self._resource

    def process_training_data(self, training_data: TrainingData) -> TrainingData:
        """Spell out the training examples."""
        for example in training_data.training_examples:
            self._spell_out(example)
        return training_data

    def process(self, messages: List[Message]) -> List[Message]:
        """Put each message's ordinary spelling beside its text, and that of the question before it."""
        before = current_context.get().text
        for message in messages:
            self._spell_out(message)
            if before:
                message.set(CONTEXT_SPELLED_OUT, self._trained()(before))
        return messages

    def _spell_out(self, message: Message) -> None:
        text = message.get(TEXT)
        if text:
            message.set(SPELLED_OUT, self._trained().spelled_out(text))

    def _trained(self) -> Normalizer:
        if self._normalizer is None:
            raise MessageNormalizerError("The normalizer was asked before it was trained.")
        return self._normalizer
