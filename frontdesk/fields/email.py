"""The e-mail address; it may be skipped."""

import re

from email_validator import EmailNotValidError, validate_email

from frontdesk.fields.reading import (
    SKIPPED,
    Accepted,
    NotAnAnswer,
    Reading,
    Refused,
    is_skip,
    tidy,
)

# An apostrophe may stand within an address (o'brien@...), quotes and brackets only around it.
_ADDRESS = re.compile(r"[^\s<>,;:()\"“”]+@[^\s<>,;:()\"“”]*")
_QUOTES = "'’‘"


def read_email(text: str) -> Reading:
    """Return the address in a text, normalised; its domain is not looked up."""
    found = _ADDRESS.search(tidy(text))
    if found is None:
        return Accepted(SKIPPED) if is_skip(text) else NotAnAnswer("utter_invalid_email")
    try:
        address = validate_email(found.group().lstrip(_QUOTES).rstrip(_QUOTES + ".!?"), check_deliverability=False)
    except EmailNotValidError:
        return Refused("utter_invalid_email")
    return Accepted(address.normalized)
