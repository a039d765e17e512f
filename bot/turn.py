"""One turn of a conversation: whether all of it worked, and what was understood.

Rasa goes on when a custom action or a response fails, with the action's events lost. The channel
must know, because half a turn may neither be answered nor remembered: the tracker store asks
`Turn.failures` before it saves, and the channel before it replies.
"""

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from rasa.core.actions.action import ActionExecutionRejection
from rasa.utils.endpoints import ClientResponseError, EndpointConfig


@dataclass
class Turn:
    """What happened while one message was handled."""

    failures: list[str] = field(default_factory=list)
    understood: dict[str, Any] = field(default_factory=dict)


current_turn: ContextVar[Turn | None] = ContextVar("current_turn", default=None)


def note_failure(what: str) -> None:
    """Record that `what` failed in the current turn, if there is one (there is none in `rasa shell`)."""
    turn = current_turn.get()
    if turn is not None:
        turn.failures.append(what)


class WatchedActionEndpoint(EndpointConfig):
    """The action server's endpoint, which notes a call that failed.

    Status 400 is no failure: that is how an action server rejects an execution.
    """

    @classmethod
    def watching(cls, endpoint: EndpointConfig) -> "WatchedActionEndpoint":
        """Return `endpoint` as a watched one; itself if it is already."""
        if isinstance(endpoint, cls):
            return endpoint
        watched = cls.__new__(cls)
        watched.__dict__.update(endpoint.__dict__)
        return watched

    async def request(self, *args: Any, **kwargs: Any) -> Any | None:
        """Send a request as EndpointConfig does."""
        try:
            return await super().request(*args, **kwargs)
        except ActionExecutionRejection:
            raise
        except ClientResponseError as error:
            if error.status != 400:
                note_failure("action_server")
            raise
        except Exception:
            note_failure("action_server")
            raise
