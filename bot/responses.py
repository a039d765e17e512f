"""Wording of replies: the reviewed answers, completed with the clinic's own facts.

Named in `endpoints.yml` as the response generator. An answer in `data/answers/` may hold `{clinic}`;
its `metadata.facts` say which sentence each fact of the profile adds, and `metadata.if_unknown` what
is said when the clinic gave none of them. Nothing else is ever added to the reviewed words.
"""

import copy
from collections.abc import Mapping
from typing import Any

from rasa.core.nlg import TemplatedNaturalLanguageGenerator
from rasa.shared.core.domain import Domain
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.utils.endpoints import EndpointConfig

from bot.clinic import ClinicProfile
from bot.turn import note_failure

CLINIC_PLACEHOLDER = "{clinic}"


def clinic_sentences(metadata: Mapping[str, Any], facts: Mapping[str, str]) -> str:
    """Return what an answer says about the clinic.

    Args:
        metadata: of the response; `facts` is a list of `{needs: [key], say: text, otherwise: text}`.
        facts: the known facts of the clinic's profile.
    """
    said: list[str] = []
    for entry in metadata.get("facts") or []:
        if all(key in facts for key in entry["needs"]):
            said.append(entry["say"].format_map(facts))
        elif entry.get("otherwise"):
            said.append(entry["otherwise"].format_map(facts))
    return " ".join(said) or metadata.get("if_unknown", "")


class ClinicResponseGenerator(TemplatedNaturalLanguageGenerator):
    """Rasa's own generator over the domain's responses, with the clinic's facts filled in."""

    def __init__(
        self,
        endpoint_config: EndpointConfig | None = None,
        domain: Domain | None = None,
    ) -> None:
        super().__init__((domain or Domain.empty()).responses)
        self._profile = ClinicProfile()

    async def generate(
        self,
        utter_action: str,
        tracker: DialogueStateTracker,
        output_channel: str,
        **kwargs: Any,
    ) -> dict[str, Any] | None:
        """Generate a response; a wording that is missing or broken is noted as a failed turn."""
        try:
            response = await super().generate(utter_action, tracker, output_channel, **kwargs)
        except Exception:
            note_failure(utter_action)
            raise
        if response is None:
            note_failure(utter_action)
        return response

    def generate_from_slots(
        self,
        utter_action: str,
        filled_slots: dict[str, Any],
        output_channel: str,
        **kwargs: Any,
    ) -> dict[str, Any] | None:
        """Pick the wording for the channel, fill in the clinic's facts, then slots and arguments."""
        response = copy.deepcopy(self._random_response_for(utter_action, output_channel, filled_slots))
        if response is None:
            return None
        kwargs.pop("domain_responses", None)
        text = response.get("text")
        if text:
            facts = self._profile.facts()
            if CLINIC_PLACEHOLDER in text:
                text = text.replace(
                    CLINIC_PLACEHOLDER,
                    clinic_sentences(response.get("metadata") or {}, facts),
                )
            response["text"] = text
            filled_slots = {
                **filled_slots,
                **{f"clinic_{key}": value for key, value in facts.items()},
            }
        return self._fill_response(response, filled_slots, **kwargs)
