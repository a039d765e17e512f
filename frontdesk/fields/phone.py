"""The phone number, stored as E.164. US and Canada unless a country code says otherwise."""

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, PhoneNumberType

from frontdesk.fields.reading import Accepted, NotAnAnswer, Reading, Refused, tidy

DEFAULT_REGION = "US"
FEWEST_DIGITS = 5
LONGEST_EXTENSION = 7
CANNOT_BE_CALLED_BACK = frozenset(
    {
        PhoneNumberType.TOLL_FREE,
        PhoneNumberType.PREMIUM_RATE,
        PhoneNumberType.SHARED_COST,
        PhoneNumberType.UAN,
        PhoneNumberType.VOICEMAIL,
    }
)


def read_phone(text: str) -> Reading:
    """Return the first callable number in a text, as E.164 with `;ext=` when there is an extension."""
    said = tidy(text)
    refused = None
    for match in phonenumbers.PhoneNumberMatcher(said, DEFAULT_REGION):
        reading = _callable(match.number)
        if isinstance(reading, Accepted):
            return reading
        refused = refused or reading
    if refused is not None:
        return refused
    digits = sum(character.isdigit() for character in said)
    if digits < FEWEST_DIGITS:
        return NotAnAnswer("utter_invalid_phone")
    try:
        number = phonenumbers.parse(said, DEFAULT_REGION)
    except NumberParseException:
        return Refused("utter_invalid_phone")
    if not phonenumbers.is_valid_number(number):
        return Refused("utter_invalid_phone")
    return _callable(number)


def _callable(number: PhoneNumber) -> Reading:
    if phonenumbers.number_type(number) in CANNOT_BE_CALLED_BACK:
        return Refused("utter_invalid_phone_kind")
    e164: str = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    if not number.extension:
        return Accepted(e164)
    if len(number.extension) > LONGEST_EXTENSION:
        return Refused("utter_invalid_phone")
    return Accepted(f"{e164};ext={number.extension}")
