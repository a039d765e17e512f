"""Wording of replies: the reviewed answers, completed with the clinic's own facts.

Named in `endpoints.yml` as the response generator. An answer in `data/answers/` may hold `{clinic}`;
its `metadata.facts` say which sentence each fact of the profile adds, and `metadata.if_unknown` what
is said when the clinic gave none of them. Nothing else is ever added to the reviewed words.

Buttons that stand for a topic (`{title, payload, topic}`) are made here: the two related topics after an answer, and
the topics offered when a message was not clear.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from rasa.core.nlg import TemplatedNaturalLanguageGenerator
from rasa.shared.core.domain import Domain
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.utils.endpoints import EndpointConfig

from bot.clinic import ClinicProfile
from bot.nlu.result import SEVERAL_QUESTIONS
from bot.turn import OFFERED, TOPICS, note_failure

CLINIC_PLACEHOLDER = "{clinic}"
FALLBACK, DID_YOU_MEAN = "utter_default", "utter_did_you_mean"
SMS = "sms"
NONE_OF_THESE = {"title": "None of these", "payload": "None of these"}


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
            response = await self._generate(utter_action, tracker, output_channel, **kwargs)
        except Exception:
            note_failure(utter_action)
            raise
        if response is None:
            note_failure(utter_action)
        return response

    async def _generate(
        self, utter_action: str, tracker: DialogueStateTracker, output_channel: str, **kwargs: Any
    ) -> dict[str, Any] | None:
        message = tracker.latest_message
        parsed: Mapping[str, Any] = (message.parse_data or {}) if message is not None else {}
        if utter_action == FALLBACK and parsed.get(OFFERED):
            response = await super().generate(DID_YOU_MEAN, tracker, output_channel, **kwargs)
            return response and {**response, "buttons": [*self._buttons(parsed[OFFERED]), NONE_OF_THESE]}
        if utter_action == SEVERAL_QUESTIONS:
            return await self._several(parsed[TOPICS], tracker, output_channel, **kwargs)
        response = await super().generate(utter_action, tracker, output_channel, **kwargs)
        related = (response or {}).get("metadata", {}).get("related")
        if response and related and output_channel != SMS and not tracker.active_loop_name:
            return {**response, "buttons": [*(response.get("buttons") or []), *self._buttons(related)]}
        return response

    async def _several(
        self, topics: Sequence[str], tracker: DialogueStateTracker, output_channel: str, **kwargs: Any
    ) -> dict[str, Any] | None:
        """Return the answers to several topics as one message, which says which they are."""
        answers = [
            await super(ClinicResponseGenerator, self).generate(f"utter_{topic}", tracker, output_channel, **kwargs)
            for topic in topics
        ]
        found = [answer for answer in answers if answer is not None]
        if len(found) < len(answers):
            return None
        sources = [source for answer in found for source in (answer.get("metadata") or {}).get("sources") or []]
        return {
            "text": "\n\n".join(answer["text"].strip() for answer in found),
            "metadata": {"kind": "answer", "sources": list(dict.fromkeys(sources)), "topics": list(topics)},
        }

    def _buttons(self, topics: Sequence[str]) -> list[dict[str, str]]:
        """Return a button for each topic that has a title."""
        titles = {topic: self._title(topic) for topic in topics}
        return [{"title": title, "payload": title, "topic": topic} for topic, title in titles.items() if title]

    def _title(self, topic: str) -> str:
        wordings = self.responses.get(f"utter_{topic}") or [{}]
        return str((wordings[0].get("metadata") or {}).get("title") or "")

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
            response["text"] = text.strip()
            filled_slots = {
                **filled_slots,
                **{f"clinic_{key}": value for key, value in facts.items()},
            }
        return self._fill_response(response, filled_slots, **kwargs)
