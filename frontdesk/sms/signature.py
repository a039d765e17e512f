"""Whether a webhook really comes from Twilio."""

from starlette.datastructures import FormData
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

HEADER = "X-Twilio-Signature"


class BadSignature(Exception):
    """A webhook that cannot be trusted; `reason` is a fixed name for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class WebhookSignature:
    """Checks signatures against the address Twilio was given. Without token or address nothing passes."""

    def __init__(self, tokens: str | None, public_url: str | None) -> None:
        # Two tokens, separated by a comma, are valid while the account changes from one to the other.
        self._validators = [RequestValidator(token.strip()) for token in (tokens or "").split(",") if token.strip()]
        self._public_url = (public_url or "").strip().rstrip("/")

    def expect(self, signature: str | None) -> str:
        """Return the signature if it could be checked at all; raise BadSignature."""
        if not self._validators:
            raise BadSignature("no_token")
        if not self._public_url:
            raise BadSignature("no_public_url")
        if not signature:
            raise BadSignature("missing")
        return signature

    def check(self, path: str, query: str, form: FormData, signature: str) -> None:
        """Raise BadSignature unless one of the tokens signed this form for this address."""
        url = f"{self._public_url}{path}" + (f"?{query}" if query else "")
        if not any(validator.validate(url, form, signature) for validator in self._validators):
            raise BadSignature("wrong")
