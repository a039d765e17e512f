"""The phone number, stored as E.164. US and Canada unless a country code says otherwise."""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

import phonenumbers
from phonenumbers import (
    NumberParseException,
    PhoneNumber,
    PhoneNumberFormat,
    PhoneNumberType,
    ValidationResult,
)

from frontdesk.fields.mending import is_denied, is_mended
from frontdesk.fields.people import RELATIVE
from frontdesk.fields.reading import Accepted, NotAnAnswer, Reading, Refused, straight, tidy, words

DEFAULT_REGION = "US"
FEWEST_DIGITS = 5
FEWEST_IN_FULL = 10
MOST_IN_FULL = 11  # with the 1 in front
LONGEST_EXTENSION = 7
MOST_WORDS_AROUND_A_SHORT_CODE = 4
CANNOT_BE_CALLED_BACK = frozenset(
    {
        PhoneNumberType.TOLL_FREE,
        PhoneNumberType.PREMIUM_RATE,
        PhoneNumberType.SHARED_COST,
        PhoneNumberType.UAN,
        PhoneNumberType.VOICEMAIL,
    }
)
# Emergency, crisis, directory assistance and the like, here and abroad.
_SHORT_CODES = frozenset({"911", "988", "112", "999", "000", "211", "311", "411", "511", "611", "711", "811"})
_WRITTEN = re.compile(r"[+(]*\d.*\d", re.DOTALL)
# A number in words of the keypad: "1-800-FLOWERS".
_IN_LETTERS = re.compile(r"(?:\+?1[\s.-]*)?\(?(?P<area>[2-9]\d\d)\)?[\s.-]*(?=[\dA-Z-]*[A-Z]{3})[\dA-Z-]{7,}", re.I)
# The library takes the 4 of "at 4 516 555 0142" for a part of the number.
_AFTER_AN_HOUR = re.compile(
    r"\b(?:and|at|to|after|before|by|until|till|past)\s\d{1,2}\s(?P<number>\(?[2-9]\d\d\)?[\s.-]?\d{3}[\s.-]?\d{4})(?!\d)",
    re.IGNORECASE,
)
_DATE = re.compile(r"\b\d{1,2}/\d{1,2}(?:/\d{2,4})?\b")
_LETTER_AMONG_DIGITS = re.compile(r"(?<=\d)[\s.-]*[A-Z](?=[\s.-]*\d)", re.IGNORECASE)

_NUMBER = r"(?:\w+\s+)?(?:cell|phone|number|mobile|cellphone|landline|line|home|work|one|digits)s?\b"
_NOT_MINE = re.compile(rf"\b(?:not|isn'?t)\s+(?:my\s+{_NUMBER}|mine)\b", re.IGNORECASE)
_NOT_THEIRS = re.compile(rf"\b(?:not|isn'?t)\s+(?:(?:her|his|their)\s+{_NUMBER}|hers|his|theirs)\b", re.IGNORECASE)
_THEIRS = re.compile(
    rf"\b(?:(?:her|his|their|the\s+patient'?s|my\s+{RELATIVE}(?:'?s)?)\s+(?:own\s+)?{_NUMBER}|hers|theirs|"
    rf"(?:it'?s|is|that'?s)\s+his(?=\W*$)|my\s+{RELATIVE}'s(?=\W*$)|"
    rf"(?:call|text|reach)\s+(?:him|her|them|my\s+{RELATIVE})\b|"
    rf"{_NUMBER}\s+of\s+my\s+{RELATIVE})|^\W*his\W*$",
    re.IGNORECASE,
)
_MINE = re.compile(
    rf"\b(?:mine|my\s+own|my\s+(?:own\s+)?(?!{RELATIVE}){_NUMBER}|(?:call|text|reach)\s+me)\b", re.IGNORECASE
)
_MENDED = re.compile(
    r"(?<!\d)(?P<right>\d{2,9})\s*(?:,|-|–|—)?\s*(?:and\s+)?(?:not|instead\s+of|rather\s+than)\s+(?P<wrong>\d{2,9})(?!\d)|"
    r"\bnot\s+(?P<wrong_first>\d{2,9})\s*(?:,|;|-|–|—)?\s*(?:but\s+|it'?s\s+)?(?P<right_last>\d{2,9})(?!\d)",
    re.IGNORECASE,
)
_LAST_DIGITS = re.compile(
    r"\b(?:ends?\s+(?:in|with)|ending\s+(?:in|with)|last\s+(?:four|4)(?:\s+digits)?\s+(?:are|is))\s+(?P<right>\d{4})(?!\d)",
    re.IGNORECASE,
)


class Found(NamedTuple):
    """A number in a text: what it comes to, and where it stands."""

    reading: Accepted | Refused
    start: int
    end: int


def read_phone(text: str) -> Reading:
    """Return the callable number in a text, as E.164 with `;ext=` when there is an extension.

    Of several the first one counts, unless a later one mends it. `typed` is the number as it was typed.
    """
    said = tidy(text)
    found = list(find_phones(said))
    taken = choose_phone(said, found)
    if taken is not None:
        return taken.reading
    if found:
        # What is said not to be the number is no wrong answer, but none.
        refused = (number.reading for number in found if isinstance(number.reading, Refused))
        return next(refused, NotAnAnswer("utter_invalid_phone"))
    return _whole(said)


def find_phones(said: str) -> Iterator[Found]:
    """Yield the whole numbers in a tidy text, callable or not, in their order."""
    found = False
    for match in phonenumbers.PhoneNumberMatcher(said, DEFAULT_REGION):
        found = True
        yield Found(_callable(match.number, match.raw_string), match.start, match.end)
    if found:
        return
    for after in _AFTER_AN_HOUR.finditer(said):
        number = phonenumbers.parse(after["number"], DEFAULT_REGION)
        if phonenumbers.is_valid_number(number):
            yield Found(_callable(number, after["number"]), after.start("number"), after.end("number"))


def choose_phone(said: str, found: list[Found]) -> Found | None:
    """Return which of the numbers in a text is given: the first, or what mends it; None when none is callable."""
    taken: Found | None = None
    for number in found:
        if not isinstance(number.reading, Accepted) or is_denied(said, number.start, number.end):
            continue
        if taken is None or is_mended(said[taken.end : number.start]):
            taken = number
    return taken


def whose_phone(text: str) -> Literal["mine", "theirs"] | None:
    """Tell whose number a text says it is: of whoever writes ("it's my cell"), or of somebody else ("her number")."""
    said = straight(text)
    if _NOT_MINE.search(said):
        return "theirs"
    if _NOT_THEIRS.search(said):
        return "mine"
    mine, theirs = _MINE.search(said) is not None, _THEIRS.search(said) is not None
    if mine == theirs:
        return None
    return "mine" if mine else "theirs"


def mended_phone(phone: str, text: str) -> str | None:
    """Return a stored number with the digits put right that a text mends ("sorry, 0143 not 0142"), or None.

    Args:
        phone: E.164, perhaps with `;ext=`.
        text: what the person wrote. The digits said to be wrong must be in the number, once.
    """
    said = straight(text)
    number, extension = _split(phone)
    last = _LAST_DIGITS.search(said)
    match = _MENDED.search(said)
    if last is not None:
        digits = number[:-4] + last["right"]
    elif match is not None:
        right = match["right"] or match["right_last"]
        wrong = match["wrong"] or match["wrong_first"]
        if number.count(wrong) != 1 and not number.endswith(wrong):
            return None
        before, _, after = number.rpartition(wrong)
        digits = before + right + after
    else:
        return None
    reading = read_phone(digits)
    if not isinstance(reading, Accepted):
        return None
    return f"{reading.value}{extension}"


def mended_digits(said: str) -> tuple[int, int] | None:
    """Return where a text mends some digits of a number without giving all of it, or None."""
    match = _LAST_DIGITS.search(said) or _MENDED.search(said)
    return match.span() if match else None


def _split(phone: str) -> tuple[str, str]:
    number, mark, extension = phone.partition(";ext=")
    return number, mark + extension


def _whole(said: str) -> Reading:
    """Return why a text without a whole number in it holds none."""
    digits = "".join(str(int(character)) for character in said if character.isdecimal())
    if digits in _SHORT_CODES and len(words(said)) <= MOST_WORDS_AROUND_A_SHORT_CODE:
        return Refused("utter_invalid_phone_emergency")
    lettered = _IN_LETTERS.search(said)
    if lettered is not None:
        return Refused("utter_invalid_phone_kind" if _is_toll_free(lettered["area"]) else "utter_invalid_phone")
    if len(digits) < FEWEST_DIGITS:
        return NotAnAnswer("utter_invalid_phone")
    if _LETTER_AMONG_DIGITS.search(said) or _DATE.search(said):
        return Refused("utter_invalid_phone")
    try:
        number = phonenumbers.parse(said, DEFAULT_REGION)
    except NumberParseException:
        return Refused(_by_length(digits))
    if not phonenumbers.is_valid_number(number):
        return Refused(_why_impossible(number, digits, "+" in said))
    written = _WRITTEN.search(said)
    return _callable(number, written.group() if written else said)


def _why_impossible(number: PhoneNumber, digits: str, has_country_code: bool) -> str:
    if not has_country_code:
        return _by_length(digits)
    reason = phonenumbers.is_possible_number_with_reason(number)
    if reason in (ValidationResult.TOO_SHORT, ValidationResult.IS_POSSIBLE_LOCAL_ONLY):
        return "utter_invalid_phone_short"
    return "utter_invalid_phone_long" if reason == ValidationResult.TOO_LONG else "utter_invalid_phone"


def _by_length(digits: str) -> str:
    if len(digits) < FEWEST_IN_FULL:
        return "utter_invalid_phone_short"
    whole = len(digits) == FEWEST_IN_FULL or (len(digits) == MOST_IN_FULL and digits[0] == "1")
    return "utter_invalid_phone" if whole else "utter_invalid_phone_long"


def _is_toll_free(area: str) -> bool:
    example = phonenumbers.parse(f"{area}5550142", DEFAULT_REGION)
    return phonenumbers.number_type(example) in CANNOT_BE_CALLED_BACK


def _callable(number: PhoneNumber, typed: str) -> Accepted | Refused:
    if phonenumbers.number_type(number) in CANNOT_BE_CALLED_BACK:
        return Refused("utter_invalid_phone_kind")
    e164: str = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    if not number.extension:
        return Accepted(e164, typed)
    if len(number.extension) > LONGEST_EXTENSION:
        return Refused("utter_invalid_phone")
    return Accepted(f"{e164};ext={number.extension}", typed)
