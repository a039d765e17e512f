"""Each field of an appointment request, read from what people really write, and from what others try."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frontdesk.fields.email import read_email
from frontdesk.fields.name import LONGEST_NAME, read_name, respelled
from frontdesk.fields.patient_type import read_patient_type
from frontdesk.fields.phone import mended_phone, read_phone, whose_phone
from frontdesk.fields.reading import (
    Accepted,
    Doubtful,
    NotAnAnswer,
    Refused,
    is_conditional,
    is_no,
    is_skip,
    is_undecided,
    is_yes,
    looks_like_question,
)
from frontdesk.fields.reason import LONGEST_REASON, read_reason
from frontdesk.fields.when import LONGEST, NO_PREFERENCE, read_preferred_time

TODAY = date(2026, 11, 22)  # a Sunday

# --------------------------------------------------------------------------- name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Ana Ruiz", "Ana Ruiz"),
        ("Will Dye", "Will Dye"),
        ("Will Dye Smith", "Will Dye Smith"),
        ("May Chen Lee", "May Chen Lee"),
        ("Do Kwon", "Do Kwon"),
        ("o'brien-smith", "o'brien-smith"),
        ("Siobhán O’Neil", "Siobhán O’Neil"),
        ("José Ñandú", "José Ñandú"),
        ("Jose\u0301 N\u0303andu\u0301", "José Ñandú"),
        ("cher", "cher"),
        ("Dr. J. R. Smith", "Dr. J. R. Smith"),
        ("Smith, John", "Smith, John"),
        ("Nguyễn Văn An", "Nguyễn Văn An"),
        ("李小龍", "李小龍"),
        ("राम कुमार", "राम कुमार"),
        ("علی\u200cرضا حسینی", "علی\u200cرضا حسینی"),
        ("it's maria de la cruz", "maria de la cruz"),
        ("hi, my name is Jordan Lee.", "Jordan Lee"),
        ("My full name's Jordan Lee", "Jordan Lee"),
        ("I’m Jordan Lee", "Jordan Lee"),
        ("this is Jordan Lee calling", "Jordan Lee"),
        ("sure, Jordan Lee please", "Jordan Lee"),
        ("Yes Smith", "Yes Smith"),
        ('  "Jordan\n\tLee"  ', "Jordan Lee"),
        ("\u202eJordan\u200b Lee", "Jordan Lee"),
        ("x" * LONGEST_NAME, "x" * LONGEST_NAME),
    ],
)
def test_a_name_is_kept_as_it_was_typed(text: str, name: str) -> None:
    assert read_name(text) == Accepted(name)


@pytest.mark.parametrize(
    "text",
    [
        "", "   ", "\u200b", "...", "12345", "Agent 47", "ana@example.com",
        "Ana Ruiz, 516-555-0142",
        "why do you need it", "Is this private?", "will it hurt", "may I ask something", "do you take insurance",
        "yes", "OK", "sure", "hi", "Hello!", "no", "thank you", "good morning", "never mind", "my name is", "its me",
        "I want to come in on Tuesday", "I don’t want to say", "none of your business", "i would rather call instead",
        "my sister and my brother and their friends too",
    ],
)  # fmt: skip
def test_what_is_no_name_is_not_taken_for_one(text: str) -> None:
    assert read_name(text) == NotAnAnswer("utter_invalid_full_name")


@pytest.mark.parametrize(
    "text",
    [
        "x" * 300, "😀", "🙂🙂🙂", "=cmd|' /C calc'!A0", "=Ana", "+Ana", "@Ana", "-2+3",
        "Robert'); DROP TABLE leads;--",
        "robert drop table leads", "' OR '1'='1", "<script>alert(1)</script>", "<b>Ana</b>", "{full_name}",
        "Ana {{7*7}}",
    ],
)  # fmt: skip
def test_an_endless_name_a_formula_a_program_and_a_row_of_emoji_are_refused(text: str) -> None:
    assert read_name(text) == Refused("utter_invalid_full_name")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Maria, but everybody calls me Mia", "Maria"),
        ("Ana Ruiz, please call me Ana", "Ana Ruiz"),
        ("Robert (Bob) Smith", "Robert Smith"),
        ('Robert "Bob" Smith', "Robert Smith"),
        ("this is Dr. O'Brien", "Dr. O'Brien"),
        ("May Day", "May Day"),
        ("Łukasz", "Łukasz"),
        ("李明", "李明"),
        ("Владимир", "Владимир"),
    ],
)
def test_a_name_beside_a_nickname_or_a_title(text: str, name: str) -> None:
    assert read_name(text) == Accepted(name)


@pytest.mark.parametrize(
    ("name", "text", "mended"),
    [
        ("Catherine Lee", "it's spelled Kathryn", "Kathryn Lee"),
        ("Catherine Lee", "it’s spelled kathryn", "Kathryn Lee"),
        ("Catherine Lee", "with a K: Kathryn", "Kathryn Lee"),
        ("Catherine Lee", "Kathryn with a K", "Kathryn Lee"),
        ("Catherine Lee", "spelled K-A-T-H-R-Y-N", "Kathryn Lee"),
        ("Ana Johnson", "no, Jonsen with e n", "Ana Jonsen"),
        ("Ana Ruis", "Ruiz with a z", "Ana Ruiz"),
        ("Ana Ruis", "Ruiz, not Ruis", "Ana Ruiz"),
        ("Ana Ruis", "not Ruis, Ruiz", "Ana Ruiz"),
        ("Ana Ruis", "no, it's ruiz", "Ana Ruiz"),
        ("ana ruis", "it's ruiz", "ana ruiz"),
        ("Ana Lee", "with two n's: Anna", "Anna Lee"),
        ("Jon", "it's spelled J o h n", "John"),
        ("Sean O'Bryan", "It's spelled O'Brien", "Sean O'Brien"),
        ("Ana Ruiz", "you spelled it wrong", None),
        ("Ana Ruiz", "that's wrong", None),
        ("Ana Ruiz", "no, mornings", None),
        ("Ana Ruiz", "no problem", None),
        ("Ana Ruiz", "it's tuesday", None),
        ("Ana Ruiz", "yes that's right", None),
        ("Ana Ruiz", "", None),
        ("", "it's spelled Ana", None),
    ],
)
def test_the_word_of_a_name_that_is_meant_is_spelled_anew(name: str, text: str, mended: str | None) -> None:
    assert respelled(name, text) == mended


# --------------------------------------------------------------------------- phone


@pytest.mark.parametrize(
    "text",
    [
        "516-555-0142", "(516) 555-0142", "5165550142", "1 516 555 0142", "+1 516.555.0142", "516–555–0142",
        "5 1 6 5 5 5 0 1 4 2", "my number is 516 555 0142, thanks", "516-555-0142 (cell)", "1-516-555-0142 after 5",
        "516-555-0142 or 516-555-0143", "800-555-0142 or 516-555-0142", "on 12/01/2026 call 516-555-0142",
        "=516-555-0142", "5165550142'); DROP TABLE leads;--", "<b>516-555-0142</b>",
        "\u202d516-555\u200b-0142", "５１６５５５０１４２",
    ],
)  # fmt: skip
def test_a_phone_number_is_stored_as_e164(text: str) -> None:
    assert read_phone(text) == Accepted("+15165550142")


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("416-555-0142", "+14165550142"),  # Canada
        ("+49 30 555 0142", "+49305550142"),
        ("011 49 30 555 0142", "+49305550142"),
        ("516-555-0142 ext 5", "+15165550142;ext=5"),
        ("516-555-0142 x12", "+15165550142;ext=12"),
    ],
)
def test_a_country_code_and_an_extension_are_kept(text: str, stored: str) -> None:
    assert read_phone(text) == Accepted(stored)


@pytest.mark.parametrize(
    "text", ["800-555-0142", "1-888-555-0142", "+1 877 555 0142", "900-555-0142", "1-800-FLOWERS", "800 555 CARE"]
)
def test_toll_free_and_premium_numbers_are_refused_with_a_reason(text: str) -> None:
    assert read_phone(text) == Refused("utter_invalid_phone_kind")


@pytest.mark.parametrize(
    ("text", "response"),
    [
        ("555-0142", "utter_invalid_phone_short"),
        ("516-555-014", "utter_invalid_phone_short"),
        ("11501-1234", "utter_invalid_phone_short"),
        ("+44 20 79", "utter_invalid_phone_short"),
        ("516-555-01422", "utter_invalid_phone_long"),
        ("1" * 300, "utter_invalid_phone_long"),
        ("911", "utter_invalid_phone_emergency"),
        ("988", "utter_invalid_phone_emergency"),
        ("my number is 411", "utter_invalid_phone_emergency"),
        ("1-516-FLOWERS", "utter_invalid_phone"),
        ("516-555-O142", "utter_invalid_phone"),
        ("111-555-0142", "utter_invalid_phone"),
        ("0000000000", "utter_invalid_phone"),
        ("12/01/2026", "utter_invalid_phone"),
        ("516-555-0142 ext 123456789", "utter_invalid_phone"),
    ],
)
def test_an_incomplete_or_impossible_number_is_refused_with_what_is_wrong_with_it(text: str, response: str) -> None:
    assert read_phone(text) == Refused(response)


@pytest.mark.parametrize("text", ["", "five one six", "why do you need it?", "😀", "no", "not 516-555-0142"])
def test_what_is_no_number_is_not_taken_for_one(text: str) -> None:
    assert read_phone(text) == NotAnAnswer("utter_invalid_phone")


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("516-555-0142, sorry 516-555-0143", "+15165550143"),
        ("my number isn't 516-555-0142 anymore, it's 516-555-0143", "+15165550143"),
        ("not 516-555-0142 but 516-555-0143", "+15165550143"),
        ("between 2 and 4 516 555 0143", "+15165550143"),
    ],
)
def test_of_two_numbers_the_one_that_is_meant_is_taken(text: str, stored: str) -> None:
    assert read_phone(text) == Accepted(stored)


def test_a_number_is_kept_as_it_was_typed_too() -> None:
    reading = read_phone("it's (516) 555-0142 x5, thanks")
    assert isinstance(reading, Accepted)
    assert reading.typed == "(516) 555-0142 x5"


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("sorry, 0143 not 0142", "+15165550143"),
        ("not 0142, 0143", "+15165550143"),
        ("0143 instead of 0142", "+15165550143"),
        ("it ends in 0199", "+15165550199"),
        ("the last four are 0199", "+15165550199"),
        ("718 not 516", "+17185550142"),
        ("0143 not 0144", None),
        ("yes", None),
        ("", None),
    ],
)
def test_some_digits_of_a_number_are_mended(text: str, mended: str | None) -> None:
    assert mended_phone("+15165550142", text) == mended
    assert mended_phone("+15165550142;ext=5", text) == (f"{mended};ext=5" if mended else None)


@pytest.mark.parametrize(
    ("text", "whose"),
    [
        ("it's my cell", "mine"), ("mine", "mine"), ("my work number", "mine"), ("call me", "mine"),
        ("it’s my own", "mine"), ("not hers, mine", "mine"),
        ("that's her number", "theirs"), ("hers", "theirs"), ("his cell", "theirs"), ("my mom's number", "theirs"),
        ("my moms cell", "theirs"), ("call my husband", "theirs"), ("not mine", "theirs"), ("my husband's", "theirs"),
        ("the number of my son", "theirs"), ("the patient's phone", "theirs"), ("it's his", "theirs"),
        ("516-555-0142", None), ("yes", None), ("", None), ("my husband told me", None), ("my cell or her cell", None),
    ],
)  # fmt: skip
def test_whose_number_it_is(text: str, whose: str | None) -> None:
    assert whose_phone(text) == whose


# --------------------------------------------------------------------------- email


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ana@example.com", "ana@example.com"),
        ("Ana.Ruiz+clinic@Example.COM", "Ana.Ruiz+clinic@example.com"),
        ("it's ana@example.com.", "ana@example.com"),
        ("(ana@example.com), thanks!", "ana@example.com"),
        ("mailto:ana@example.com", "ana@example.com"),
        ("'ana@example.com'", "ana@example.com"),
        ("o'brien@example.com", "o'brien@example.com"),
        ("can you use ana@example.com?", "ana@example.com"),
        ("ana@example.com or ana@example.org", "ana@example.com"),
        ("ana @ example.com", "ana@example.com"),
        ("ana at example dot com", "ana@example.com"),
        ("it's ana dot ruiz at gmail dot com", "ana.ruiz@gmail.com"),
        ("ana underscore ruiz at yahoo.com", "ana_ruiz@yahoo.com"),
        ("ana@gmail dot com", "ana@gmail.com"),
        ("not ana@example.com, anna@example.com", "anna@example.com"),
        ("ana@yahoo.co.uk", "ana@yahoo.co.uk"),
        ("ana@mail.com", "ana@mail.com"),
        ("ana@gmx.de", "ana@gmx.de"),
        ("ana@aol.com", "ana@aol.com"),
        ("josé@exämple.com", "josé@exämple.com"),
        ("\u200bana@example.com\u200b", "ana@example.com"),
    ],
)
def test_an_address_is_found_and_normalised(text: str, address: str) -> None:
    assert read_email(text) == Accepted(address)


@pytest.mark.parametrize(
    "text",
    [
        "ana@", "ana@example", "ana@localhost", "ana@example..com", "ana..ruiz@example.com",
        ".ana@example.com", "a@b@example.com", "ana@[192.168.0.1]", "a" * 300 + "@example.com",
        "ana@" + "a" * 300 + ".com",
    ],
)  # fmt: skip
def test_a_broken_address_is_refused(text: str) -> None:
    assert read_email(text) == Refused("utter_invalid_email")


@pytest.mark.parametrize(
    "text", ["", "ana example.com", "@example.com", "what is it for?", "email me at home", "meet me @ noon"]
)
def test_what_is_no_address_is_not_taken_for_one(text: str) -> None:
    assert read_email(text) == NotAnAnswer("utter_invalid_email")


@pytest.mark.parametrize(
    ("text", "typed", "meant"),
    [
        ("ana@gmial.com", "ana@gmial.com", "ana@gmail.com"),
        ("my email is ana@yaho.com", "ana@yaho.com", "ana@yahoo.com"),
        ("ana@hotmail.con", "ana@hotmail.con", "ana@hotmail.com"),
        ("ana@gmail.co", "ana@gmail.co", "ana@gmail.com"),
        ("ana@icould.com", "ana@icould.com", "ana@icloud.com"),
        ("ana@outlok.com", "ana@outlok.com", "ana@outlook.com"),
        ("ana@gnail.con", "ana@gnail.con", "ana@gmail.com"),
        ("ana@aol.con", "ana@aol.con", "ana@aol.com"),
        ("ana at gmial dot com", "ana@gmial.com", "ana@gmail.com"),
        ("ana@gmail", None, "ana@gmail.com"),
        ("ana@gmail,com", None, "ana@gmail.com"),
    ],
)
def test_a_likely_slip_of_a_well_known_domain_is_asked_about(text: str, typed: str | None, meant: str) -> None:
    assert read_email(text) == Doubtful(typed, meant, "utter_doubtful_email")


# --------------------------------------------------------------------------- patient type


@pytest.mark.parametrize(
    ("text", "patient_type"),
    [
        ("new", "new"),
        ("I'm a new patient", "new"),
        ("NEW.", "new"),
        ("first time", "new"),
        ("no, I’ve never been there", "new"),
        ("not an existing patient", "new"),
        ("haven't been treated", "new"),
        ("not yet", "new"),
        ("existing", "existing"),
        ("I'm an existing patient", "existing"),
        ("returning patient, not new", "existing"),
        ("i'm not a new patient", "existing"),
        ("I've been there before", "existing"),
        ("Yes, I was treated in 2024", "existing"),
        ("I had two infusions there", "existing"),
        ("I haven't been in years", "existing"),
        ("not in a while but yes, existing", "existing"),
    ],
)
def test_patient_type(text: str, patient_type: str) -> None:
    assert read_patient_type(text) == Accepted(patient_type)


@pytest.mark.parametrize(
    "text",
    [
        "", "yes", "no", "both", "I'm new but my husband is existing", "renewed", "New York", "is there a difference?",
        "not sure", "new " * 15,
    ],
)  # fmt: skip
def test_an_unclear_patient_type_is_asked_again(text: str) -> None:
    assert read_patient_type(text) == NotAnAnswer("utter_invalid_patient_type")


# --------------------------------------------------------------------------- reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("depression that pills did not help", "depression that pills did not help"),
        ("  pain\n\n in my back ", "pain in my back"),
        ("nothing has helped so far", "nothing has helped so far"),
        ("my back is killing me", "my back is killing me"),
        ("Can't get out of bed since March", "Can't get out of bed since March"),
        ("Could not sleep for weeks", "Could not sleep for weeks"),
        ("would like to feel like myself", "would like to feel like myself"),
        ("what my doctor calls chronic pain", "what my doctor calls chronic pain"),
        ("When I sit my back hurts", "When I sit my back hurts"),
        ('=HYPERLINK("x")', '=HYPERLINK("x")'),
        ("<b>pain</b> {clinic} 0[", "<b>pain</b> {clinic} 0["),
        ("x" * LONGEST_REASON, "x" * LONGEST_REASON),
    ],
)
def test_the_reason_is_kept_in_the_persons_words(text: str, reason: str) -> None:
    assert read_reason(text) == Accepted(reason)


@pytest.mark.parametrize("text", ["why do you ask?", "do you treat ptsd", "how much does it cost", "", "\u200b"])
def test_a_question_is_no_reason(text: str) -> None:
    assert isinstance(read_reason(text), NotAnAnswer)


def test_a_story_is_asked_to_be_shorter() -> None:
    assert read_reason("x" * (LONGEST_REASON + 1)) == Refused("utter_invalid_reason")


# --------------------------------------------------------------------------- preferred time


def when(text: str, today: date = TODAY) -> Any:
    reading = read_preferred_time(text, today)
    return reading.value if isinstance(reading, Accepted) else type(reading)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("today", "2026-11-22"), ("tonight", "2026-11-22"), ("tomorrow", "2026-11-23"), ("tmrw", "2026-11-23"),
        ("the day after tomorrow", "2026-11-24"),
        ("tuesday", "2026-11-24"), ("Tues.", "2026-11-24"), ("thurs", "2026-11-26"), ("=tuesday", "2026-11-24"),
        ("this Tuesday", "2026-11-24"), ("coming saturday", "2026-11-28"), ("sunday", "2026-11-29"),
        ("next Tuesday", "2026-12-01"), ("next tues", "2026-12-01"), ("next sunday", "2026-11-29"),
        ("tuesday of next week", "2026-12-01"),
        ("Tuesday after 3", "2026-11-24"), ("tuesday around 2", "2026-11-24"), ("half past 4 tomorrow", "2026-11-23"),
        ("i am free tuesday", "2026-11-24"), ("I may come Tuesday", "2026-11-24"),
        ("can I come Tuesday?", "2026-11-24"), ("how about next Tuesday?", "2026-12-01"),
        ("is Friday ok", "2026-11-27"),
        ("12/1", "2026-12-01"), ("12/1/26", "2026-12-01"), ("12-01-2026", "2026-12-01"), ("2026-12-01", "2026-12-01"),
        ("December 1", "2026-12-01"), ("Dec. 1st at 3pm", "2026-12-01"), ("1 December", "2026-12-01"),
        ("the 1st of December", "2026-12-01"), ("Tuesday, December 1", "2026-12-01"), ("tuesday the 1st", "2026-12-01"),
        ("Jan 5", "2027-01-05"), ("January 5, 2027", "2027-01-05"), ("the 5th", "2026-12-05"),
        ("29 February 2028", "2028-02-29"),
    ],
)  # fmt: skip
def test_a_plainly_named_day_is_understood(text: str, day: str) -> None:
    understood = when(text)
    assert (understood["date"], understood["text"]) == (day, text)


@pytest.mark.parametrize(
    "text",
    [
        "any day but Monday", "any day except friday", "not Tuesday", "Tuesday doesn’t work", "cant do tuesday",
        "I'm busy Tuesday", "Tuesdays", "Fridays at 2", "every tuesday", "any Tuesday",
        "Tuesday or Wednesday", "mon-fri", "tuesday through friday", "after tuesday", "before Friday", "by friday",
        "tomorrow or the day after", "Tuesday or later", "two weeks from Tuesday", "a week from today",
        "tuesday after next", "a Tuesday in December", "first Tuesday of December", "the week of Dec 1",
        "December 1-5", "Dec 1 or 2", "12/1-12/5", "11/24 or 11/25", "Monday, December 1",
        "next week", "weekends", "asap", "any time", "24/7", "after 3", "in may", "maybe 3", "not sure yet",
        "after Christmas", "first available",
    ],
)  # fmt: skip
def test_what_is_excluded_or_left_open_names_no_day_and_keeps_the_words(text: str) -> None:
    understood = when(text)
    assert (understood["date"], understood["text"]) == (None, text)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("mornings are best", "morning"), ("Tuesday morning", "morning"), ("before noon", "morning"),
        ("tuesday am", "morning"), ("10am", "morning"), ("9 a.m.", "morning"),
        ("afternoons", "afternoon"), ("after lunch", "afternoon"), ("Dec 1, 2pm", "afternoon"),
        ("after work", "evening"), ("6:30 pm", "evening"), ("tonight", "evening"),
        ("I am free Tuesday", None), ("after 3pm", None), ("9am-2pm", None), ("morning or evening", None),
        ("not mornings", None), ("any time but mornings", None), ("tuesday", None),
    ],
)  # fmt: skip
def test_the_part_of_the_day_is_understood_when_there_is_one(text: str, part: str | None) -> None:
    assert when(text)["part_of_day"] == part


@pytest.mark.parametrize(
    "text",
    [
        "yesterday", "last Tuesday", "last week", "two days ago", "11/21/2026", "2026-11-21", "January 5, 2020",
        "10/10/1990", "nov 21", "30 February", "February 30", "feb 29", "2/30", "Sep 31", "13/1", "0/0", "99/99/9999",
        "2026-13-01", "0000-01-01", "the 32nd", "tuesday " * (LONGEST // 8 + 1),
    ],
)  # fmt: skip
def test_a_day_that_is_past_or_does_not_exist_is_refused(text: str) -> None:
    assert when(text) is Refused


@pytest.mark.parametrize(
    "text",
    [
        "", "😀", "banana", "monitor", "satisfied", "sunny", "does it hurt", "what times do you have?",
        "are you open on Tuesday?", "can I eat in the morning?", "how early do you open on mondays",
    ],
)  # fmt: skip
def test_what_names_no_time_is_not_taken_for_one(text: str) -> None:
    assert when(text) is NotAnAnswer


def test_no_preference_is_a_preference_too() -> None:
    assert when("skip") == {"text": NO_PREFERENCE, "date": None, "part_of_day": None, "understood": ""}


@pytest.mark.parametrize(
    ("text", "understood"),
    [
        ("next Tuesday morning", "Tuesday, December 1, 2026, in the morning"),
        ("Tuesday at 10:30", "Tuesday, November 24, 2026, at 10:30 am"),
        ("tomorrow at noon", "Monday, November 23, 2026, at noon"),
        ("Tuesday around 2", "Tuesday, November 24, 2026, around 2 pm"),
        ("saturday at 7", "Saturday, November 28, 2026, at 7"),  # of the morning or the evening: who knows
        ("i am free tuesday from 2 to 4", "Tuesday, November 24, 2026, between 2 and 4 pm"),
        ("any day but Monday", "any day but Monday"),
        ("Tuesday doesn’t work", "any day but Tuesday"),
        ("i can't do mondays or fridays", "any day but Monday or Friday"),
        ("mornings but not Mondays", "any day but Monday, in the morning"),
        ("Mon to Wed, after 3", "Monday to Wednesday, after 3 pm"),
        ("tue-thu 9am-2pm", "Tuesday to Thursday, between 9 am and 2 pm"),
        ("between 11 and 2 pm", "between 11 am and 2 pm"),
        ("between 2 and 4", "between 2 and 4 pm"),
        ("9 to noon", "between 9 am and noon"),
        ("no later than 4 pm", "before 4 pm"),
        ("Mondays and Wednesdays", "any Monday or Wednesday"),
        ("Monday, Tuesday or Friday afternoon", "Monday, Tuesday or Friday, in the afternoon"),
        ("Monday or Tuesday, but not in the morning", "Monday or Tuesday, not in the morning"),
        ("not mornings", "not in the morning"),
        ("mornings are best", "in the morning"),
        ("asap", "as soon as possible"),
        ("as soon as possible, mornings", "as soon as possible, in the morning"),
        ("first available", "as soon as possible"),
        ("weekends", "weekends"),
        ("weekdays after 5", "weekdays, after 5 pm"),
        ("any time", "any time"),
        ("next week", "the week of Monday, November 30, 2026"),
        ("not Tuesday, Wednesday", "Wednesday, November 25, 2026"),
        ("Wednesday instead of Tuesday", "Wednesday, November 25, 2026"),
        ("tuesday, no wait, wednesday", "Wednesday, November 25, 2026"),
        # What fits no form is left to the words.
        ("evenings and weekends", ""),
        ("Monday morning or Wednesday afternoon", ""),
        ("i work nights", ""),
        ("I'm busy Tuesday", ""),
        ("in 2 weeks", ""),
        ("not sure yet", ""),
    ],
)
def test_what_was_understood_is_said_in_short_english(text: str, understood: str) -> None:
    assert when(text)["understood"] == understood


@pytest.mark.parametrize("text", ["i work nights", "I work mornings", "she works evenings"])
def test_when_somebody_works_is_no_time_that_suits(text: str) -> None:
    assert when(text)["part_of_day"] is None


@pytest.mark.parametrize(
    "text",
    [
        "do you have anything on Tuesday?", "is there something for tuesday morning?",
        "actually can i come tuesday instead?", "can you make that tuesday?", "could we change it to Tuesday?",
    ],
)  # fmt: skip
def test_asking_whether_there_is_something_on_a_day_names_the_day(text: str) -> None:
    assert when(text)["date"] == "2026-11-24"


@pytest.mark.parametrize(
    ("today", "text", "day"),
    [
        (date(2026, 12, 31), "tomorrow", "2027-01-01"),
        (date(2026, 12, 31), "the 1st", "2027-01-01"),
        (date(2027, 12, 15), "Feb 29", "2028-02-29"),
        (date(2026, 11, 28), "next Sunday", "2026-11-29"),
        (date(2026, 11, 28), "next Saturday", "2026-12-05"),
        (date(2026, 11, 23), "monday", "2026-11-30"),
    ],
)
def test_days_over_the_turn_of_a_week_a_month_and_a_year(today: date, text: str, day: str) -> None:
    assert when(text, today)["date"] == day


# --------------------------------------------------------------------------- yes, no, skip, a question


@pytest.mark.parametrize(
    "text",
    [
        "yes", "Yes, contact me", "OK!", "sure", "y", "yeah that’s fine", "sí", "go ahead", "yep thats right",
        "sure why not", "sure, why not?", "👍", "👍🏽", "ok 👍", "absolutely", "sounds good", "yes no problem",
    ],
)  # fmt: skip
def test_yes(text: str) -> None:
    assert is_yes(text)
    assert not is_no(text)


@pytest.mark.parametrize("text", ["no", "No.", "nope", "no thanks", "👎", "I don’t want that", "please don't", "n"])
def test_no(text: str) -> None:
    assert is_no(text)
    assert not is_yes(text)


@pytest.mark.parametrize(
    "text",
    [
        "yes but only by email", "ok no", "fine, but no texts", "of course not", "right now I'm busy", "yes?", "no?",
        "no problem", "I don’t mind", "I don't know", "not sure", "banana", "",
    ],
)  # fmt: skip
def test_neither_yes_nor_no(text: str) -> None:
    assert not is_yes(text)
    assert not is_no(text)


def test_a_condition_and_an_open_answer_are_told_apart() -> None:
    assert is_conditional("only by email")
    assert not is_conditional("by email please")
    assert is_undecided("no problem")
    assert not is_undecided("no way")


@pytest.mark.parametrize(
    "text", ["skip", "Skip it please", "pass", "no thanks", "I’d rather not say", "I don’t have an email", "n/a"]
)
def test_skip(text: str) -> None:
    assert is_skip(text)


@pytest.mark.parametrize("text", ["skip the pain part", "nothing has helped", "no, it's ana@example.com", ""])
def test_no_skip(text: str) -> None:
    assert not is_skip(text)


@pytest.mark.parametrize(
    "text", ["why", "does it hurt", "Is it safe", "what's the cost of this", "how long does it take"]
)
def test_a_question_mark_is_not_needed(text: str) -> None:
    assert looks_like_question(text + "?")
    assert looks_like_question(text) is (len(text.split()) >= 3)


@pytest.mark.parametrize(
    "text", ["can't sleep at night", "is not good for me", "may have ptsd", "am free all week", "when I sit it hurts"]
)
def test_a_statement_may_begin_like_a_question(text: str) -> None:
    assert not looks_like_question(text)


# --------------------------------------------------------------------------- whatever is typed

READERS = {
    "full_name": read_name,
    "phone": read_phone,
    "email": read_email,
    "patient_type": read_patient_type,
    "reason": read_reason,
    "preferred_time": lambda text: read_preferred_time(text, TODAY),
}
ANYTHING = st.text(max_size=120) | st.lists(
    st.sampled_from(
        ["Ana", "O'Brien", "it's", "my name is", "spelled", "516-555-0142", "x12", "+", "ana@gmial.com", "ana", "at",
         "gmail", "dot com", "@", "new", "not", "tuesday", "next", "any day but", "to", "after 3", "12/1", "2pm",
         "the 31st",
         "May", "asap", "?", ",", "\n", "😀", "=", "\u200d", "\u0301", "’", "skip", "no", "(", ")", '"']
    ),
    max_size=10,
).map(" ".join)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(ANYTHING)
def test_no_text_breaks_a_reader(text: str) -> None:
    for read in READERS.values():
        read(text)
    for tell in (is_yes, is_no, is_skip, is_undecided, is_conditional, looks_like_question, whose_phone):
        tell(text)
    respelled("Ana Ruiz", text)
    mended_phone("+15165550142", text)
    assert not (is_yes(text) and is_no(text))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(READERS)), ANYTHING)
def test_what_was_accepted_reads_the_same_again(field: str, text: str) -> None:
    reading = READERS[field](text)
    if isinstance(reading, Accepted) and reading.value != "":
        value = reading.value["text"] if field == "preferred_time" else reading.value
        again = READERS[field](value.replace(";ext=", " ext ") if field == "phone" else value)
        if reading.value == {"text": NO_PREFERENCE, "date": None, "part_of_day": None, "understood": ""}:
            assert isinstance(again, Accepted)
        else:
            assert again == reading
