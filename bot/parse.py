"""`python -m bot.parse MODEL`: what the model understands, one JSON line for each on standard input.

In: `{"text", "after": [earlier messages of the conversation], "denies_danger": true}`; all but the text may be missing.
First out: `{"ready": true}`;
then for each line `{"intent": "session/duration", "topics": ["session/duration"], "confidence": 0.93, "band": "sure",
"ranking": [{"name", "confidence"}], "asks_for_verdict": false}`, best first. `topics` are those that would be answered.
`band` is "sure", "unsure" (it would be asked which topic is meant) or "low".
"""

import asyncio
import json
import sys
from typing import Any, Dict, List

from rasa.core.channels.channel import UserMessage
from rasa.shared.constants import DEFAULT_NLU_FALLBACK_INTENT_NAME
from rasa.shared.core.domain import Domain

from bot.channel import as_plain_text
from bot.offline import JsonLines, argument, load
from bot.turn import ASKS_FOR_VERDICT, DENIES_DANGER, OFFERED, TOPICS, Context, current_context

RANKING_LENGTH = 5


def understood(parsed: Dict[str, Any], domain: Domain) -> Dict[str, Any]:
    """Return the part of Rasa's result that says which topics it is about."""
    intent = parsed["intent"]
    name = intent.get("full_retrieval_intent_name") or intent["name"]
    ranking = [entry for entry in parsed.get("intent_ranking", []) if entry["name"] != DEFAULT_NLU_FALLBACK_INTENT_NAME]
    band = "sure" if name != DEFAULT_NLU_FALLBACK_INTENT_NAME else "unsure" if parsed.get(OFFERED) else "low"
    return {
        "intent": name,
        "topics": parsed.get(TOPICS) or _topics_of(name, domain),
        "confidence": intent["confidence"] if band == "sure" else ranking[0]["confidence"] if ranking else 0.0,
        "band": band,
        "ranking": ranking[:RANKING_LENGTH],
        "asks_for_verdict": bool(parsed.get(ASKS_FOR_VERDICT)),
    }


def _topics_of(intent: str, domain: Domain) -> List[str]:
    """Return the topics that the reply to an intent without a topic of its own answers all the same."""
    wordings = domain.responses.get(f"utter_{intent}") or [{}]
    return list((wordings[0].get("metadata") or {}).get("topics") or [])


async def main() -> None:
    """Answer line by line until standard input ends."""
    replies = JsonLines()
    agent = load(argument())
    assert agent.domain is not None  # noqa: S101
    assert agent.processor is not None  # noqa: S101
    replies.write({"ready": True})
    for line in sys.stdin:
        asked = json.loads(line)
        parsed: List[Dict[str, Any]] = []
        metadata = {DENIES_DANGER: True} if asked.get(DENIES_DANGER) else None
        for text in [*(asked.get("after") or []), asked["text"]]:
            current_context.set(Context.of(parsed))
            parsed.insert(0, await agent.processor.parse_message(UserMessage(as_plain_text(text), metadata=metadata)))
        replies.write(understood(parsed[0], agent.domain))


if __name__ == "__main__":
    asyncio.run(main())
