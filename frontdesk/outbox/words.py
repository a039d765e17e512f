"""Destinations and errors in plain words, for staff and operators."""

import re

from frontdesk.outbox import email, store, webhook

_ERRORS = {
    "timeout": "it did not answer in time",
    "no_connection": "it could not be reached",
    "connection_lost": "the connection broke off",
    "certificate_not_trusted": "its certificate is not trusted",
    "tls_failed": "no encrypted connection could be made",
    "smtp_sign_in_refused": "the mail server refused the user name and password",
    "smtp_not_supported": "the mail server does not offer the encryption or sign-in that is set",
    store.QUIET_HOURS: "it waits for the morning: texts that are no replies are not sent at night",
    "in_turn": "an earlier text to the same number goes first",
    "twilio_20003": "Twilio refused the account's token",
    "twilio_20429": "Twilio asked to send more slowly",
    store.NOT_CONFIGURED: "it is not in the settings any more",
}
_ANSWER = re.compile(r"(http|smtp|twilio)_([0-9]{3,5})")
_WHO_ANSWERED = {
    "http": "it answered with",
    "smtp": "the mail server answered with",
    "twilio": "Twilio answered with error",
}


def destination_name(destination: str) -> str:
    """Return an e-mail address, `the webhook`, or `the patient by text`."""
    if destination == store.SMS:
        return "the patient by text"
    return "the webhook" if destination == webhook.NAME else destination.removeprefix(email.PREFIX)


def error_words(kind: str | None) -> str:
    """Say what an error was: `the mail server answered with 550`."""
    if kind is None:
        return "it was interrupted"
    answer = _ANSWER.fullmatch(kind)
    if answer and kind not in _ERRORS:
        return f"{_WHO_ANSWERED[answer[1]]} {answer[2]}"
    return _ERRORS.get(kind, "something unforeseen happened; the log has more")
