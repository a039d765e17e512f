"""What a request can be found by, as keyed hashes; names and addresses are made alike first."""

import re
import unicodedata
from collections.abc import Iterator

from frontdesk.leads.models import KeyKind
from frontdesk.lookup import Lookup

# How many of a number's last digits it is found by: what people remember of it, and the number without its area code.
PHONE_ENDS = (4, 7)

# Letters that Unicode does not take apart into a letter and a mark.
_PLAIN_LETTERS = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h"}
)
_BETWEEN_WORDS = re.compile(r"[^\w]+|_+")
_APOSTROPHES = re.compile(r"['’‘ʻʼ`´]")
_HYPHENS = re.compile(r"[-‐‑–·]+")
_EXTENSION = ";ext="


def name_words(name: str) -> list[str]:
    """Return the words of a name as they are compared: `["jose", "obrien", "nunez"]` for "José O'Brien-Núñez"."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold())
    letters = "".join(character for character in plain if not unicodedata.combining(character))
    joined = _APOSTROPHES.sub("", letters).translate(_PLAIN_LETTERS)
    return [word for word in _BETWEEN_WORDS.split(joined) if word]


def phone_key(lookup: Lookup, phone: str) -> str:
    """Return the key of an E.164 number, without its extension."""
    return lookup.key(KeyKind.PHONE, phone.partition(_EXTENSION)[0])


def phone_end_key(lookup: Lookup, digits: str) -> str:
    """Return the key of a number's last digits, as many of them as PHONE_ENDS has."""
    return lookup.key(KeyKind.PHONE_END, digits)


def email_key(lookup: Lookup, email: str) -> str:
    """Return the key of an e-mail address, whatever its capitals."""
    return lookup.key(KeyKind.EMAIL, unicodedata.normalize("NFC", email.strip()).casefold())


def name_key(lookup: Lookup, name: str) -> str:
    """Return the key of a whole name: the same for "Maria Cruz" and "CRUZ, María"."""
    return lookup.key(KeyKind.NAME, " ".join(sorted(name_words(name))))


def name_word_key(lookup: Lookup, word: str) -> str:
    """Return the key of a word of `name_words`."""
    return lookup.key(KeyKind.NAME_WORD, word)


def keys_of(lookup: Lookup, full_name: str, phone: str, email: str | None) -> dict[str, KeyKind]:
    """Return every key under which a request is found."""
    return dict(_keys(lookup, full_name, phone, email))


def _keys(lookup: Lookup, full_name: str, phone: str, email: str | None) -> Iterator[tuple[str, KeyKind]]:
    yield phone_key(lookup, phone), KeyKind.PHONE
    for end in PHONE_ENDS:
        yield phone_end_key(lookup, phone.partition(_EXTENSION)[0][-end:]), KeyKind.PHONE_END
    if email:
        yield email_key(lookup, email), KeyKind.EMAIL
    words = name_words(full_name)
    if words:
        yield name_key(lookup, full_name), KeyKind.NAME
    # Somebody who looks for "Annemarie" means "Anne-Marie" too.
    hyphenated = (_HYPHENS.sub("", part) for part in full_name.split() if _HYPHENS.search(part))
    for word in {*words, *(joined for part in hyphenated for joined in name_words(part))}:
        yield name_word_key(lookup, word), KeyKind.NAME_WORD
