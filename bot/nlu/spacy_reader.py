"""The component of Rasa's pipeline that has spaCy read a message: its questions, and what it names."""

import json
from typing import Any, Callable, Dict, List, Optional, Sequence

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.extractors.extractor import EntityExtractorMixin
from rasa.shared.exceptions import RasaException
from rasa.shared.nlu.constants import (
    ENTITIES,
    ENTITY_ATTRIBUTE_END,
    ENTITY_ATTRIBUTE_START,
    ENTITY_ATTRIBUTE_TYPE,
    ENTITY_ATTRIBUTE_VALUE,
    METADATA,
    TEXT,
)
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from bot.nlu import choices, follow_up, language_files
from bot.nlu import reading as reading_module
from bot.nlu.choices import choose
from bot.nlu.fingerprint import fingerprint
from bot.nlu.interpreter import Reading
from bot.nlu.language_files import LanguageFileError
from bot.nlu.normalizer import context_spelled_out, spelled_out
from bot.nlu.reading import Reader, gives_contact
from bot.turn import DENIES_DANGER, current_context

# A longer message is a story: the encoder reads 256 tokens of it, and what is asked mostly comes last.
STORY_WORDS = 120
TOLD_LAST = 50

DATA_FILE = "entities.json"
_ANYTHING = ("one", "another", "a third")
READING = "reading"


class SpacyReaderError(RasaException):
    """The lists cannot be read or loaded; the message says what to do."""


def reading_of(message: Message) -> Reading:
    """Return how SpacyReader reads a message, else its text as one piece."""
    found = message.get(READING)
    return found if found is not None else Reading(spelled_out(message).text)


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.ENTITY_EXTRACTOR, is_trainable=True)
class SpacyReader(GraphComponent, EntityExtractorMixin):
    """Find entities by the lists in `data/language/entities.yml`, and the questions a message is made of.

    Entities keep the places they have in the patient's own words, though they are found in ordinary spelling.
    """

    @classmethod
    def required_components(cls) -> List[type]:
        """MessageNormalizer should come first, but need not."""
        return []

    @staticmethod
    def get_default_config() -> Dict[str, Any]:
        """There is nothing to configure: the lists are in `data/language/`."""
        return {}

    @classmethod
    def fingerprint_addon(cls, config: Dict[str, Any]) -> Optional[str]:
        """Train again when the lists or the way of reading change."""
        return fingerprint(__file__, choices, reading_module, follow_up, language_files, language_files.ENTITIES_FILE)

    @classmethod
    def create(
        cls,
        config: Dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> "SpacyReader":
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
    ) -> "SpacyReader":
        """Bring back a trained component; raises SpacyReaderError rather than come back without its lists."""
        try:
            with model_storage.read_from(resource) as folder:
                entities = json.loads((folder / DATA_FILE).read_text(encoding="utf-8"))
            return cls(model_storage, resource, Reader(entities))
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise SpacyReaderError(
                f"The entities of the trained model cannot be loaded: {error!r}. Train again with `./ketalink train`."
            ) from error

    def __init__(self, model_storage: ModelStorage, resource: Resource, reader: Optional[Reader] = None) -> None:
        self._model_storage = model_storage
        self._resource = resource
        self._reader = reader

    def train(self, training_data: TrainingData) -> Resource:
        """Keep the lists in the model archive; there is nothing to learn."""
        try:
            self._reader = Reader(language_files.entities())
        except LanguageFileError as error:
            raise SpacyReaderError(str(error)) from error
        with self._model_storage.write_to(self._resource) as folder:
            (folder / DATA_FILE).write_text(json.dumps(self._reader.entities), encoding="utf-8")
        return self._resource

    def process(self, messages: List[Message]) -> List[Message]:
        """Set the entities of each message, and how it reads."""
        if self._reader is None:
            raise SpacyReaderError("The reader was asked before it was trained.")
        for message in messages:
            self._read(self._reader, message)
        return messages

    def _read(self, reader: Reader, message: Message) -> None:
        spelled = spelled_out(message)
        doc = reader.read(spelled.text)
        named = reader.named(doc)
        entities = []
        for thing in named:
            start, end = spelled.original_span(thing.start, thing.end)
            entities.append(
                {
                    ENTITY_ATTRIBUTE_TYPE: thing.entity,
                    ENTITY_ATTRIBUTE_START: start,
                    ENTITY_ATTRIBUTE_END: end,
                    ENTITY_ATTRIBUTE_VALUE: thing.value,
                }
            )
        message.set(ENTITIES, message.get(ENTITIES, []) + self.add_extractor_name(entities), add_to_output=True)
        before = context_spelled_out(message)
        readings: List[str] = []
        if before and choose(spelled.text, _ANYTHING) is None:  # "the second one" is not about the question before it
            readings = follow_up.in_context(spelled.text, named, before, reader.named(reader.read(before)))
        message.set(
            READING,
            Reading(
                text=_gist(spelled.text, lambda: reader.questions(doc)),
                sentences=reader.sentences(doc),
                splits=reader.splits(doc),
                in_context=readings,
                context_topic=current_context.get().topic,
                denies_danger=bool((message.get(METADATA) or {}).get(DENIES_DANGER)),
                questions=reader.asking(doc),
                # The normaliser takes the marks out of numbers and addresses.
                gives_contact=gives_contact(message.get(TEXT) or ""),
            ),
        )


def _gist(text: str, questions: Callable[[], Sequence[str]]) -> str:
    """Return the text, or of a story the question at its end, else its last words."""
    words = text.split()
    if len(words) <= STORY_WORDS:
        return text
    clauses = questions()
    return clauses[-1] if clauses and len(clauses[-1].split()) <= TOLD_LAST else " ".join(words[-TOLD_LAST:])
