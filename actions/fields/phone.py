"""The phone number, stored as E.164. US and Canada unless a country code says otherwise."""

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType

from actions.fields.reading import Accepted, NotAnAnswer, Reading, Refused

DEFAULT_REGION = "US"
FEWEST_DIGITS = 5
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
    refused = None
    for match in phonenumbers.PhoneNumberMatcher(text, DEFAULT_REGION):
        number = match.number
        if phonenumbers.number_type(number) in CANNOT_BE_CALLED_BACK:
            refused = Refused("utter_invalid_phone_kind")
            continue
        return Accepted(phonenumbers.format_number(number, PhoneNumberFormat.E164))
    if refused is not None:
        return refused
    digits = sum(character.isdigit() for character in text)
    if digits < FEWEST_DIGITS:
        return NotAnAnswer("utter_invalid_phone")
    try:
        number = phonenumbers.parse(text, DEFAULT_REGION)
    except NumberParseException:
        return Refused("utter_invalid_phone")
    if not phonenumbers.is_valid_number(number):
        return Refused("utter_invalid_phone")
    if phonenumbers.number_type(number) in CANNOT_BE_CALLED_BACK:
        return Refused("utter_invalid_phone_kind")
    return Accepted(phonenumbers.format_number(number, PhoneNumberFormat.E164))
