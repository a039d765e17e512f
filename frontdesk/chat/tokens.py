"""The session token: signed, expiring, and the only way back into a conversation."""

from itsdangerous import BadData, SignatureExpired, URLSafeTimedSerializer

_SALT = "ketalink.chat.session"


class BadToken(Exception):
    """A token is forged, foreign or damaged."""


class ExpiredToken(BadToken):
    """A token is ours, but too old."""


class SessionTokens:
    """Makes and reads session tokens."""

    def __init__(self, secret: str, hours: float) -> None:
        self._serializer = URLSafeTimedSerializer(secret, salt=_SALT)
        self._seconds = int(hours * 3600)

    def issue(self, conversation_id: str) -> str:
        """Return a token for a conversation, valid from now."""
        token: str = self._serializer.dumps(conversation_id)
        return token

    def read(self, token: str) -> str:
        """Return the conversation's id; raise ExpiredToken or BadToken."""
        try:
            conversation_id = self._serializer.loads(token, max_age=self._seconds)
        except SignatureExpired as error:
            raise ExpiredToken from error
        except BadData as error:
            raise BadToken from error
        if not isinstance(conversation_id, str):
            raise BadToken
        return conversation_id
