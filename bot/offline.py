"""The trained model alone, without server, database or action server: for `./ketalink evaluate` and `ask`.

A program that uses it speaks JSON lines on its standard output, and nothing else gets there.
"""

import json
import logging
import os
import sys
from typing import Any, Dict, Optional, TextIO

from rasa.core.agent import Agent
from rasa.core.nlg import NaturalLanguageGenerator
from rasa.core.tracker_store import InMemoryTrackerStore
from rasa.shared.core.domain import Domain
from rasa.utils.common import configure_logging_and_warnings
from rasa.utils.log_utils import configure_structlog


class JsonLines:
    """Takes standard output for itself; what libraries print goes to standard error."""

    def __init__(self) -> None:
        self._out: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)

    def write(self, content: Dict[str, Any]) -> None:
        """Write one line and send it off."""
        self._out.write(json.dumps(content) + "\n")
        self._out.flush()


def load(model_path: str, generator: Optional[NaturalLanguageGenerator] = None) -> Agent:
    """Load a model, quietly: below warnings Rasa logs the texts it gets."""
    configure_logging_and_warnings(logging.WARNING)
    configure_structlog(logging.WARNING)
    return Agent.load(model_path, generator=generator, tracker_store=InMemoryTrackerStore(domain=Domain.empty()))


def argument() -> str:
    """Return the only argument: the model's file."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: python -m {__spec__.name if __spec__ else sys.argv[0]} MODEL")
    return sys.argv[1]
