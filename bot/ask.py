"""`python -m bot.ask MODEL`: the reply to one message, without server or action server.

In, on standard input: `{"text"}`. Out, one JSON line: `{"messages": [...], "understood": {...}}` as bot.channel
answers, or `{"error": "..."}` when the reply needs the action server.
"""

import asyncio
import json
import sys

from rasa.core.channels.channel import UserMessage
from rasa.utils.endpoints import EndpointConfig

from bot.channel import FrontDeskOutput, as_plain_text
from bot.offline import JsonLines, argument, load
from bot.parse import understood
from bot.responses import ClinicResponseGenerator
from bot.turn import Turn, current_turn


async def main() -> None:
    """Answer the one message."""
    replies = JsonLines()
    text = as_plain_text(json.loads(sys.stdin.readline())["text"])
    agent = load(argument(), generator=ClinicResponseGenerator(EndpointConfig()))
    turn = Turn()
    current_turn.set(turn)
    output = FrontDeskOutput("widget")
    await agent.handle_message(UserMessage(text, output_channel=output, sender_id="ask"))
    if turn.failures or not output.messages:
        replies.write({"error": "This needs the whole assistant: start it with ./ketalink serve."})
        return
    replies.write(
        {"messages": output.messages, "understood": understood(await agent.parse_message(text), agent.domain)}
    )


if __name__ == "__main__":
    asyncio.run(main())
