"""One turn of a conversation: what went before it, whether all of it worked, and what was understood.

Rasa goes on when a custom action or a response fails, with the action's events lost. The channel
must know, because half a turn may neither be answered nor remembered: the tracker store asks
`Turn.failures` before it saves, and the channel before it replies.
"""

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Optional

from rasa.core.actions.action import ActionExecutionRejection
from rasa.utils.endpoints import ClientResponseError, EndpointConfig

# What a message was understood as, kept with it in the tracker (keys of its parse data).
TOPICS = "topics"  # those answered
OFFERED = "offered"  # those the reply asks to choose from ("did you mean")
ASKS_FOR_VERDICT = "asks_for_verdict"  # about this one person, which only the care team can give
CHOSEN_FROM = "chosen_from"  # those it was chosen from
DENIES_DANGER = "denies_danger"  # in a message's metadata: the front desk's rules have read it as a denial
_LOOKED_BACK = 3  # messages; thanks and the like may come between a question and what follows it


@dataclass(frozen=True)
class Context:
    """What a message may refer to."""

    topic: str | None = None  # of the latest question that was answered
    text: str | None = None  # that question's words
    offered: tuple[str, ...] = ()  # topics to choose from that are still open
    chosen: tuple[str, ...] = ()  # of these, the ones that were answered
    alternatives: tuple[str, ...] = ()  # what the latest message might have meant besides what was answered

    @classmethod
    def of(cls, messages: Sequence[Mapping[str, Any]]) -> "Context":
        """Return the context that earlier messages make, given their parse data, the latest first."""
        if not messages:
            return cls()
        latest = messages[0]
        answered = next((message for message in messages[:_LOOKED_BACK] if _may_be_followed_up(message)), {})
        ranked = [entry["name"] for entry in latest.get("intent_ranking") or [] if "/" in (entry.get("name") or "")]
        topics = tuple(latest.get(TOPICS) or ())
        return cls(
            topic=answered[TOPICS][-1] if answered else None,
            text=answered.get("text"),
            offered=tuple(latest.get(OFFERED) or latest.get(CHOSEN_FROM) or ()),
            chosen=topics if latest.get(CHOSEN_FROM) else (),
            alternatives=tuple(name for name in ranked if name not in topics) if topics else (),
        )


def _may_be_followed_up(message: Mapping[str, Any]) -> bool:
    """Whether it was a question with an answer; a crisis is none."""
    topics = message.get(TOPICS)
    return bool(topics) and not topics[-1].startswith("crisis/")


@dataclass
class Turn:
    """What happened while one message was handled."""

    failures: list[str] = field(default_factory=list)
    understood: dict[str, Any] = field(default_factory=dict)
    # The front desk's id of the message; looked for once, when the conversation is read.
    message_id: Optional[str] = None


class AlreadyAnswered(BaseException):
    """The message of this turn was heard before: whoever brought it then never got, or never passed on, the reply.

    Not an Exception: FailSafeTrackerStore, through which it goes, would make an empty conversation of it.
    """

    def __init__(self, messages: list[dict[str, Any]], understood: dict[str, Any]) -> None:
        super().__init__()
        self.messages = messages
        self.understood = understood


current_turn: ContextVar[Turn | None] = ContextVar("current_turn", default=None)
# Set when the tracker is read, which is before its new message is understood.
current_context: ContextVar[Context] = ContextVar("current_context", default=Context())  # noqa: B039 # frozen


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
