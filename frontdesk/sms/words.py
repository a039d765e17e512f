"""What became of a text, in plain words for staff."""

_STATUSES = {
    "waiting": "not sent yet",
    "sending": "being sent",
    "accepted": "with Twilio",
    "scheduled": "with Twilio",
    "queued": "with Twilio",
    "sent": "sent, not known to have arrived",
    "delivered": "arrived",
    "read": "read",
    "undelivered": "did not arrive",
    "failed": "could not be sent",
    "canceled": "could not be sent",
    "opted_out": "not sent: the number has opted out of texts",
    "expired": "not sent: it would have come too late",
}
# Source: Twilio's list of errors.
_ERRORS = {
    21211: "Twilio says that this is no phone number",
    21408: "texts to this country are not switched on at Twilio",
    21606: "the number it comes from cannot send texts",
    21610: "the number has opted out of texts",
    21612: "this number cannot be reached from the clinic's",
    21614: "this number cannot get texts",
    30002: "the Twilio account is suspended",
    30003: "the phone is off or out of reach",
    30004: "the phone blocks texts",
    30005: "this number is not in service",
    30006: "a landline, or a carrier that takes no texts",
    30007: "the carrier took it for spam",
    30008: "the carrier did not say why",
    30032: "the clinic's toll-free number is not verified yet",
    30034: "the clinic's number is not registered for texting (A2P 10DLC)",
}


def text_words(status: str, error_code: int | None) -> str:
    """Say what became of a text: `did not arrive: the phone is off or out of reach (30003)`."""
    words = _STATUSES.get(status, "not known")
    if error_code is None or status in ("delivered", "read", "opted_out"):
        return words
    return f"{words}: {_ERRORS.get(error_code, 'see Twilio for the error')} ({error_code})"
