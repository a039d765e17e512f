"""`python -m bot.parse MODEL`: what the model understands, one JSON line for each on standard input.

In: `{"text"}`. First out: `{"ready": true}`; then for each line
`{"intent": "session/duration", "confidence": 0.93, "ranking": [{"name", "confidence"}]}`, best first.
"""

import asyncio
import json
import sys
from typing import Any, Dict

from bot.channel import as_plain_text
from bot.offline import JsonLines, argument, load

RANKING_LENGTH = 5


def understood(parsed: Dict[str, Any]) -> Dict[str, Any]:
    """Return the part of Rasa's result that says which topic it is."""
    intent = parsed["intent"]
    return {
        "intent": intent.get("full_retrieval_intent_name") or intent["name"],
        "confidence": intent["confidence"],
        "ranking": parsed.get("intent_ranking", [])[:RANKING_LENGTH],
    }


async def main() -> None:
    """Answer line by line until standard input ends."""
    replies = JsonLines()
    agent = load(argument())
    replies.write({"ready": True})
    for line in sys.stdin:
        parsed = await agent.parse_message(as_plain_text(json.loads(line)["text"]))
        replies.write(understood(parsed))


if __name__ == "__main__":
    asyncio.run(main())
