"""The session token: signed, expiring, and the only way back into a conversation."""

from dataclasses import dataclass

from itsdangerous import BadData, SignatureExpired, URLSafeTimedSerializer

from frontdesk.db import new_id

_SALT = "ketalink.chat.session"


class BadToken(Exception):
    """A token is forged, foreign or damaged."""


class ExpiredToken(BadToken):
    """A token is ours, but too old."""


@dataclass(frozen=True)
class Session:
    """What a token stands for."""

    conversation_id: str
    may_begin: bool  # the conversation need not be there yet: the first message begins it


class SessionTokens:
    """Makes and reads session tokens.

    An opening token is for a conversation that nobody has written in yet. A client that has one before its first
    message can send that message again when no answer came, and still begins one conversation only.
    """

    def __init__(self, secret: str, hours: float) -> None:
        self._serializer = URLSafeTimedSerializer(secret, salt=_SALT)
        self._seconds = int(hours * 3600)

    def issue(self, conversation_id: str) -> str:
        """Return a token for a conversation, valid from now."""
        token: str = self._serializer.dumps(conversation_id)
        return token

    def opening(self) -> str:
        """Return a token for a conversation that its first message begins. Nothing is stored."""
        token: str = self._serializer.dumps([new_id()])
        return token

    def read(self, token: str) -> Session:
        """Return what the token stands for; raise ExpiredToken or BadToken."""
        try:
            content = self._serializer.loads(token, max_age=self._seconds)
        except SignatureExpired as error:
            raise ExpiredToken from error
        except BadData as error:
            raise BadToken from error
        match content:
            case str():
                return Session(content, may_begin=False)
            case [str(conversation_id)]:
                return Session(conversation_id, may_begin=True)
        raise BadToken
