"""The e-mail address; it may be skipped."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from email_validator import EmailNotValidError, validate_email

from frontdesk.fields.mending import is_denied, is_mended
from frontdesk.fields.reading import (
    SKIPPED,
    Accepted,
    Doubtful,
    NotAnAnswer,
    Reading,
    Refused,
    is_skip,
    tidy,
)

DOUBTFUL = "utter_doubtful_email"

# An apostrophe may stand within an address (o'brien@...), quotes and brackets only around it.
_PART = r"[^\s<>,;:()\"“”]"
# "ana @ example.com": the spaces are not meant.
_ADDRESS = re.compile(rf"{_PART}+(?:\s?@\s?(?=[\w-]+\.\w)|@){_PART}*(?:,(?:com|net|org|edu)\b)?")
_QUOTES = "'’‘"

# Providers that most people use. Their names are told from slips by one letter; the short ones are too near others.
_PROVIDERS = {
    **dict.fromkeys(("gmail", "yahoo", "hotmail", "outlook", "icloud", "protonmail", "googlemail"), "com"),
    **dict.fromkeys(("comcast", "verizon", "optonline", "earthlink", "sbcglobal", "bellsouth"), "net"),
}
_SHORT_PROVIDERS = {"aol": "com", "msn": "com", "live": "com", "ymail": "com", "att": "net", "cox": "net"}
_TAKEN = frozenset({"gmail", "mail", "email", "ymail", "zmail", "fmail", "cloud", "yahoos"})
_FAR_SLIPS = {"icould": "icloud", "hotmal": "hotmail", "gmali": "gmail", "gamli": "gmail"}
_WRONG_ENDINGS = frozenset(
    {"con", "cm", "co", "om", "comm", "cim", "vom", "xom", "ocm", "cpm", "coom", "cmo", "come", "c0m", "nom", "con.com"}
    | {"com.com", "cok", "coml", "net.com", "ne", "nte", "met", "nett", "bet"}
)

_DOT, _AT = r"(?:\.|\s+dot\s+|\s+period\s+)", r"\s+at\s+"
_MARK = r"(?:[._+-]|\s+(?:dot|period|underscore|dash|hyphen|minus|plus)\s+)"
_ENDING = r"(?:com|net|org|edu|gov|us|io|me|co|ca|uk|mx|info|biz)"
_SPOKEN = re.compile(
    rf"\b(?P<local>[a-z0-9]+(?:{_MARK}[a-z0-9]+)*){_AT}(?P<domain>[a-z0-9-]+(?:{_DOT}[a-z0-9-]+)*{_DOT}{_ENDING})\b"
    rf"|\b(?P<local_2>[a-z0-9]+(?:{_MARK}[a-z0-9]+)*)\s?@\s?(?P<domain_2>[a-z0-9-]+(?:\s+dot\s+[a-z0-9-]+)+)\b",
    re.IGNORECASE,
)
_GOES_ON = re.compile(r"\s+dot\s", re.IGNORECASE)
_SAID = {"dot": ".", "period": ".", "underscore": "_", "dash": "-", "hyphen": "-", "minus": "-", "plus": "+"}
_SAID_WORD = re.compile(rf"\s+({'|'.join(_SAID)})\s+", re.IGNORECASE)
# "Email me at work dot com" is no address of somebody called "me".
_NO_LOCALS = frozenset(
    {
        "me",
        "us",
        "you",
        "it",
        "him",
        "her",
        "them",
        "be",
        "am",
        "is",
        "are",
        "was",
        "found",
        "look",
        "online",
        "reached",
    }
    | {"contact", "reach", "email", "text", "call", "work", "works", "home", "saw", "see", "article", "site", "website"}
)


class Found(NamedTuple):
    """An address in a text: what it comes to, and where it stands."""

    reading: Accepted | Doubtful | Refused
    start: int
    end: int


def read_email(text: str) -> Reading:
    """Return the address in a text, normalised; its domain is not looked up.

    A likely slip of a well-known domain is `Doubtful`; its `value` is None when what was typed can be no address.
    """
    said = tidy(text)
    found = list(find_emails(said))
    taken = choose_email(said, found)
    if taken is not None:
        return taken.reading
    if found and isinstance(found[0].reading, Refused):
        return found[0].reading
    return Accepted(SKIPPED) if not found and is_skip(text) else NotAnAnswer("utter_invalid_email")


def find_emails(said: str) -> Iterator[Found]:
    """Yield the addresses in a tidy text, sound or not, in their order; spoken ones when none is typed."""
    found = False
    for match in _ADDRESS.finditer(said):
        typed = match.group().rstrip(_QUOTES + ".!?")
        start = match.start() + len(typed) - len(typed.lstrip(_QUOTES))
        typed = typed.lstrip(_QUOTES)
        if typed.startswith("@") or _GOES_ON.match(said, match.end()):
            continue
        found = True
        yield Found(_judged(typed.replace(" ", ""), typed), start, start + len(typed))
    if found:
        return
    for match in _SPOKEN.finditer(said):
        local, domain = match["local"] or match["local_2"], match["domain"] or match["domain_2"]
        if local.casefold() not in _NO_LOCALS:
            yield Found(_judged(f"{_typed(local)}@{_typed(domain)}".lower(), match.group()), match.start(), match.end())


def is_of_a_provider(address: str) -> bool:
    """Tell whether an address is with a provider that most people use."""
    name, _, ending = address.rpartition("@")[2].partition(".")
    return (_PROVIDERS | _SHORT_PROVIDERS).get(name) == ending


def choose_email(said: str, found: list[Found]) -> Found | None:
    """Return which of the addresses in a text is given: the first, or what mends it; None when none is sound."""
    taken: Found | None = None
    for address in found:
        if isinstance(address.reading, Refused) or is_denied(said, address.start, address.end):
            continue
        if taken is None or is_mended(said[taken.end : address.start]):
            taken = address
    return taken


def _typed(spoken: str) -> str:
    return _SAID_WORD.sub(lambda match: _SAID[match[1].lower()], spoken)


def _judged(address: str, typed: str) -> Accepted | Doubtful | Refused:
    local, _, domain = address.rpartition("@")
    meant = _meant_domain(domain)
    suggestion = _normalised(f"{local}@{meant}") if meant else None
    value = _normalised(address)
    if suggestion is not None and suggestion != value:
        return Doubtful(value, suggestion, DOUBTFUL)
    return Accepted(value, typed) if value is not None else Refused("utter_invalid_email")


def _normalised(address: str) -> str | None:
    try:
        return validate_email(address, check_deliverability=False).normalized
    except EmailNotValidError:
        return None


def _meant_domain(domain: str) -> str | None:
    """Return the well-known domain that one is a likely slip of, or None when it is none."""
    name, _, ending = domain.casefold().replace(",", ".").partition(".")
    provider = _provider(name)
    if provider is None:
        return None
    usual = (_PROVIDERS | _SHORT_PROVIDERS)[provider]
    if provider != name and ending in ("", usual):
        return f"{provider}.{usual}"
    if ending in _WRONG_ENDINGS or ending == "" or "," in domain:
        return f"{provider}.{usual}"
    # "gmial.co.uk": only the name is wrong.
    return f"{provider}.{ending}" if provider != name else None


def _provider(name: str) -> str | None:
    if name in _PROVIDERS or name in _SHORT_PROVIDERS:
        return name
    if name in _TAKEN:
        return None
    if name in _FAR_SLIPS:
        return _FAR_SLIPS[name]
    return next((provider for provider in _PROVIDERS if _is_slip(name, provider)), None)


def _is_slip(typed: str, meant: str) -> bool:
    """Tell whether one letter is missing, too many, another one, or exchanged with its neighbour."""
    if abs(len(typed) - len(meant)) > 1:
        return False
    if len(typed) == len(meant):
        apart = [at for at, (a, b) in enumerate(zip(typed, meant, strict=True)) if a != b]
        if len(apart) == 2:
            first, second = apart
            return second == first + 1 and typed[first] == meant[second] and typed[second] == meant[first]
        return len(apart) == 1
    longer, shorter = (typed, meant) if len(typed) > len(meant) else (meant, typed)
    return any(longer[:at] + longer[at + 1 :] == shorter for at in range(len(longer)))
