"""What whole messages say, as people of many kinds write them: every fact in them, and none that is not."""

import time
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frontdesk.fields.facts import find_facts, rest_of
from frontdesk.fields.message import in_lines
from frontdesk.fields.reading import tidy

TODAY = date(2026, 11, 22)  # a Sunday
NUMBER = "+15165550142"


def said(text: str, known: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the facts of a message by field; of a time its words, of a name of somebody else "their_name"."""
    found = {}
    for fact in find_facts(text, TODAY, known):
        name = "their_name" if fact.field == "full_name" and fact.whose == "other" else fact.field
        assert name not in found, f"{name} was found twice"
        found[name] = fact.value["text"] if fact.field == "preferred_time" else fact.value
    return found


def name(value: str, **more: Any) -> dict[str, Any]:
    return {"full_name": value, **more}


def at(value: str, **more: Any) -> dict[str, Any]:
    return {"preferred_time": value, **more}


PHONE = {"phone": NUMBER}

EVERYTHING_AT_ONCE = [
    ("I'm Ana Ruiz, 516-555-0142, mornings are best", name("Ana Ruiz", **PHONE, **at("mornings"))),
    (
        "Hi, my name is John Smith and I have PTSD and nothing helps. I'd like to come in Tuesday mornings. "
        "My number is (516) 555-0142, email john at gmail dot com",
        name("John Smith", reason="I have PTSD and nothing helps", **at("Tuesday mornings"), **PHONE,
             email="john@gmail.com"),
    ),
    (
        "José Núñez, 516-555-0142, jose@example.com, new patient, any day but Monday",
        name("José Núñez", **PHONE, email="jose@example.com", patient_type="new", **at("any day but Monday")),
    ),
    (
        "Ana Ruiz\n516-555-0142\nana@example.com\nTuesday morning",
        name("Ana Ruiz", **PHONE, email="ana@example.com", **at("Tuesday morning")),
    ),
    (
        "Name: Kevin Park\nPhone: 516.555.0142\nEmail: kevin@example.com\nReason: chronic back pain\n"
        "Best time: weekdays after 4",
        name("Kevin Park", **PHONE, email="kevin@example.com", reason="chronic back pain", **at("weekdays after 4")),
    ),
    (
        "hey im marcus johnson 516 555 0142 new patient need appt asap",
        name("marcus johnson", **PHONE, patient_type="new", **at("asap")),
    ),
    (
        "Good morning. This is Patricia O'Neill, I was treated there last spring. Please call me at 516-555-0142. "
        "Afternoons are best for me.",
        name("Patricia O'Neill", patient_type="existing", **PHONE, **at("Afternoons")),
    ),
    (
        "my name is maria de la cruz, my phone number is 516 555 0142 and I'd prefer Thursday afternoon",
        name("maria de la cruz", **PHONE, **at("Thursday afternoon")),
    ),
    (
        "Appointment please! Will Dye, 516-555-0142, will.dye@example.com, between 2 and 4 on weekdays, "
        "existing patient",
        name("Will Dye", **PHONE, email="will.dye@example.com", **at("between 2 and 4 on weekdays"),
             patient_type="existing"),
    ),
    (
        "I would like to make an appointment for my depression. I'm Grace Kim, I've never been there, 516-555-0142, "
        "next Tuesday morning if possible.",
        name("Grace Kim", reason="my depression", patient_type="new", **PHONE, **at("next Tuesday morning")),
    ),
    (
        "Linda Nguyen here, 516-555-0142. Returning patient. Mon to Wed after 3 works.",
        name("Linda Nguyen", **PHONE, patient_type="existing", **at("Mon to Wed after 3")),
    ),
    (
        "I'm Владимир Петров, 516-555-0142, evenings",
        name("Владимир Петров", **PHONE, **at("evenings")),
    ),
    (
        "sarah lee / 516-555-0142 / sarah@example.com / first time",
        name("sarah lee", **PHONE, email="sarah@example.com", patient_type="new"),
    ),
    (
        "Need appointment for my wife, her name is Rosa Diaz, my cell is 516-555-0142, weekends",
        {"for_other": "wife", "their_name": "Rosa Diaz", **PHONE, **at("weekends")},
    ),
    (
        "Thomas Wright. 516-555-0142. I have chronic pain and fibromyalgia. Any time after 3.",
        name("Thomas Wright", **PHONE, reason="I have chronic pain and fibromyalgia", **at("Any time after 3")),
    ),
]  # fmt: skip

TWO_OR_THREE = [
    ("ana ruiz 516 555 0142", name("ana ruiz", **PHONE)),
    ("Ana Ruiz, 516-555-0142", name("Ana Ruiz", **PHONE)),
    ("ANA RUIZ 516-555-0142", name("ANA RUIZ", **PHONE)),
    ("im ana, 516 555 0142", name("ana", **PHONE)),
    ("516-555-0142 Ana Ruiz", name("Ana Ruiz", **PHONE)),
    ("516-555-0142, ana@example.com", {**PHONE, "email": "ana@example.com"}),
    ("ana@example.com and I'm a new patient", {"email": "ana@example.com", "patient_type": "new"}),
    ("Ana Ruiz ana@example.com", name("Ana Ruiz", email="ana@example.com")),
    ("tuesday mornings, 516-555-0142", at("tuesday mornings", **PHONE)),
    ("new patient, tuesday", at("tuesday", patient_type="new")),
    ("I'm an existing patient and mornings work best", at("mornings", patient_type="existing")),
    ("Ana Ruiz, mornings", name("Ana Ruiz", **at("mornings"))),
    ("李明, 516-555-0142", name("李明", **PHONE)),
    ("this is Dr. O'Brien, 516-555-0142", name("Dr. O'Brien", **PHONE)),
    ("my name is May Day and my number is 516-555-0142", name("May Day", **PHONE)),
    ("my name is will dye", name("will dye")),
    ("My name is Łukasz Nowak. 516-555-0142", name("Łukasz Nowak", **PHONE)),
    ("my name's Mary-Jane Watson-Lee, weekends please", name("Mary-Jane Watson-Lee", **at("weekends"))),
    ("it's maria lopez, 516-555-0142", name("maria lopez", **PHONE)),
    ("Xochitl Vargas, 516-555-0142", name("Xochitl Vargas", **PHONE)),
    ("call me Bob, 516-555-0142", name("Bob", **PHONE)),
    ("text me at 516-555-0142, im free friday", at("friday", **PHONE)),
    ("My phone is 516-555-0142 and my email is ana@gmial.com", {**PHONE, "email": "ana@gmial.com"}),
    ("depression, 516-555-0142", {**PHONE, "reason": "depression"}),
    ("I have PTSD, mornings", at("mornings", reason="I have PTSD")),
    ("ana ruiz mornings", name("ana ruiz", **at("mornings"))),
    ("yes, Ana Ruiz, 516-555-0142", name("Ana Ruiz", **PHONE)),
    ("my number is 516-555-0142 ext 12 and the name is Joe Blow", name("Joe Blow", phone=NUMBER + ";ext=12")),
    ("Thanks!\nAna Ruiz\n516-555-0142", name("Ana Ruiz", **PHONE)),
    ("I'm 42, my name is Dana Fox, 516-555-0142", name("Dana Fox", **PHONE)),
    ("You can reach me at 516-555-0142 or ana@example.com", {**PHONE, "email": "ana@example.com"}),
    ("(516)555-0142 between 9 and 11", at("between 9 and 11", **PHONE)),
    ("between 2 and 4 516 555 0142", at("between 2 and 4", **PHONE)),
    ("first visit, thurs or fri, after work", at("thurs or fri, after work", patient_type="new")),
]

CORRECTIONS = [
    ("actually my number is 516-555-0199", {"phone": "+15165550199"}),
    ("no, it's spelled Kathryn", name("Kathryn Lee")),
    ("with a K: Kathryn", name("Kathryn Lee")),
    ("sorry, 0143 not 0142", {"phone": "+15165550143"}),
    ("it ends in 0199", {"phone": "+15165550199"}),
    ("wait, wednesday instead", at("wednesday")),
    ("change my email to ana@example.com", {"email": "ana@example.com"}),
    ("actually my name is Ana Ruiz", name("Ana Ruiz")),
    ("oops, wrong number, it's 516-555-0199", {"phone": "+15165550199"}),
    ("sorry 516-555-0199", {"phone": "+15165550199"}),
    ("No, the number is 516-555-0199", {"phone": "+15165550199"}),
    ("scratch that, mornings", at("mornings")),
    ("actually, afternoons would be better", at("afternoons")),
    ("make it thursday", at("thursday")),
    ("can you make that Friday instead", at("Friday")),
    ("my new number is 516-555-0199", {"phone": "+15165550199"}),
    ("I meant tuesday", at("tuesday")),
    ("Actually I'm an existing patient", {"patient_type": "existing"}),
    ("my email is wrong, it should be ana@example.org", {"email": "ana@example.org"}),
    ("no, Lea with an a", name("Catherine Lea")),
]

CORRECTED_WITHIN = [
    ("516-555-0142, sorry, 516-555-0143", {"phone": "+15165550143"}),
    ("my number isn't 516-555-0142 anymore, it's 516-555-0199", {"phone": "+15165550199"}),
    ("not ana@example.com, anna@example.com", {"email": "anna@example.com"}),
    ("tuesday, no wait, wednesday", at("wednesday")),
    ("Wednesday instead of Tuesday", at("Wednesday instead of Tuesday")),
]

FOR_OTHERS = [
    ("I need an appointment for my mom", "mother"),
    ("on behalf of my husband", "husband"),
    ("my son needs an appointment", "son"),
    ("my son needs to be seen, he has depression", "son"),
    ("It's for my dad", "father"),
    ("for my daughter", "daughter"),
    ("can I book for my wife?", "wife"),
    ("Could I make an appointment for my sister please?", "sister"),
    ("I'm calling for my grandmother", "grandmother"),
    ("not for me, for a friend", "friend"),
    ("My husband would like to schedule a consultation", "husband"),
    ("booking this for someone else", "someone else"),
    ("my older brother wants ketamine treatment", "brother"),
    ("this is for my partner", "partner"),
    ("my husband John Smith needs an appointment", "husband"),
    ("id like to set up a visit for my mother in law", "mother-in-law"),
    ("hi its for my hubby", "husband"),
    ("I'm a therapist and want to make an appointment for a client", "client"),
    ("it's for my mom actually", "mother"),
    ("need appt 4 my mom", None),
    ("my mom needs to know the price", None),
    ("how long is a session, can my husband drive me", None),
    ("my husband needs to drive me to the appointment", None),
    ("can my wife sit with me during the infusion?", None),
    ("my mother had depression", None),
    ("how much is it for my mom?", None),
    ("thank you for my mother's care", None),
    ("my sister told me about you, I need an appointment", None),
    ("I take care of my mom so mornings are hard", None),
    ("is it safe for my son?", None),
    ("for my depression", None),
]

TIMES = [
    ("can I come tuesday?", "tuesday"),
    ("can I come in on Friday afternoon?", "Friday afternoon"),
    ("book me for tuesday at 2 pls", "tuesday at 2"),
    ("any day but Monday", "any day but Monday"),
    ("not mornings", "not mornings"),
    ("mornings don't work for me", "mornings don't work for me"),
    ("I can't do Tuesdays", "I can't do Tuesdays"),
    ("I'm not free Tuesday", "I'm not free Tuesday"),
    ("asap please", "asap"),
    ("as soon as possible", "as soon as possible"),
    ("weekends only", "weekends"),
    ("anytime next week", "anytime next week"),
    ("Mon to Wed", "Mon to Wed"),
    ("I work nights so afternoons are best", "afternoons"),
    ("I have two kids and a job so honestly only evenings would work for me", None),
    ("I have two kids, so only evenings would work for me", "evenings"),
    ("December 1 in the morning would be great", "December 1 in the morning"),
    ("is there anything on 12/1?", "12/1"),
    ("how about next tuesday?", "next tuesday"),
    ("call me after 5", "call me after 5"),
    ("I'd like an appointment for next Tuesday morning", "next Tuesday morning"),
    ("Tuesday works, but not in the morning", "Tuesday works, but not in the morning"),
    ("the first available appointment", "the first available appointment"),
    ("preferably in the afternoon", "afternoon"),
    ("tmrw 10am", "tmrw 10am"),
    ("are you open on Tuesday?", None),
    ("I can't sleep at night", None),
    ("I work nights", None),
    ("I was treated in spring", None),
    ("my pain is worst in the mornings", None),
    ("I sat with my doctor on Monday and he told me about you", None),
    ("my birthday is May 5", None),
    ("dob 5/5/1980", None),
    ("i want to make an appointment today", None),
    ("I've been depressed since March", None),
    ("yesterday", None),
    ("30 February works for me", None),
    ("I may come", None),
    ("I turned 40 in June", None),
    ("what time do you open on monday", None),
    ("do I have to fast in the morning?", None),
    ("the sun is out", None),
]

PATIENTS = [
    ("I've never been there", "new"),
    ("new patient", "new"),
    ("im new", "new"),
    ("this would be my first time", "new"),
    ("I haven't been there before", "new"),
    ("never been to your clinic", "new"),
    ("I was treated in spring", "existing"),
    ("I've been there before", "existing"),
    ("I'm a returning patient", "existing"),
    ("I was treated there two years ago", "existing"),
    ("not a new patient", "existing"),
    ("already a patient", "existing"),
    ("I had infusions with you last year", "existing"),
    ("I had infusions at another clinic", None),
    ("I'm new to this area, do you take insurance", None),
    ("my new number is 516-555-0142", None),
    ("do you accept new patients?", None),
    ("are you taking new patients", None),
    ("I'm not sure if I'm a new patient", None),
    ("New York", None),
    ("I was treated for depression", None),
    ("I've been there, done that with antidepressants", None),
    ("I start a new job in May", None),
    ("I've been treated with Zoloft", None),
    ("I had infusions at Mass General", None),
    ("a 92 year old patient", None),
    ("I've never been in a hospital", None),
    ("I've never been to the hospital", None),
    ("I haven't been there in years", None),
    ("I was treated in 2024", "existing"),
    ("this is the first time I hear of it", None),
]

REASONS = [
    ("for my depression", "my depression"),
    ("I have PTSD and nothing helps", "I have PTSD and nothing helps"),
    ("reason: chronic back pain", "chronic back pain"),
    ("I need help with severe anxiety", "severe anxiety"),
    ("it's for treatment-resistant depression", "treatment-resistant depression"),
    ("I need help because of chronic pain", "chronic pain"),
    ("I've been struggling with depression", "I've been struggling with depression"),
    ("I suffer from migraines", "I suffer from migraines"),
    ("The reason is postpartum depression", "postpartum depression"),
    ("I'm looking for help with my OCD", "my OCD"),
    ("I was diagnosed with bipolar disorder", "I was diagnosed with bipolar disorder"),
    ("does it work for depression?", None),
    ("do you treat PTSD", None),
    ("is ketamine good for anxiety", None),
    ("I don't have depression", None),
    ("my mother had depression", None),
    ("I have bipolar, is that ok?", None),
    ("can I come if I have PTSD?", None),
    ("I have high blood pressure", None),
    ("I'm anxious about the infusion", None),
    ("I read that it helps with depression", None),
    ("my husband says it is not depression", None),
    ("I have a question about anxiety", None),
]

NAMES_THAT_ARE_NONE = [
    "I'm depressed and tired", "I'm in a lot of pain", "im so tired of this", "I'm Really Tired", "I'm free",
    "this is important", "it's urgent", "it's for me", "I'm not sure", "I'm looking for help", "im ready",
    "Hi Sarah, I need an appointment", "Thanks Ana!", "my name is on the list", "my name is spelled wrong",
    "I'm Ana's husband", "my doctor is John Smith, 516-555-0142", "Blue Cross, 516-555-0142",
    "Garden City, 516-555-0142", "chronic pain, 516-555-0142", "call me, 516-555-0142", "call me back, 516-555-0142",
    "hi there, 516-555-0142", "Is this Ana Ruiz?", "back pain 516-555-0142", "I'm American, 516-555-0142",
    "Dear Ana Ruiz, my number is 516-555-0142", "I am Type 2 diabetic", "I'm on Zoloft and Lexapro",
    "im vegan btw 516-555-0142", "I'm a nurse", "my name is private", "Dr. Smith referred me, 516-555-0142",
    "no problem, 516-555-0142", "I'm OK", "it's me again", "im scared", "this is frustrating, 516-555-0142",
    "please call, 516-555-0142", "I'm Blue", "will you call me 516-555-0142", "may I come tuesday",
]  # fmt: skip

WITH_A_QUESTION = [
    ("516-555-0142, how much is it?", PHONE, "how much is it?"),
    ("Ana Ruiz, 516-555-0142. What does it cost?", name("Ana Ruiz", **PHONE), "What does it cost?"),
    ("I'm Ana Ruiz. Do you take Aetna?", name("Ana Ruiz"), "Do you take Aetna?"),
    ("mornings, and do you take insurance?", at("mornings"), "do you take insurance?"),
    ("ana@example.com but why do you need it", {"email": "ana@example.com"}, "why do you need it"),
    ("new patient. does it hurt?", {"patient_type": "new"}, "does it hurt?"),
    ("Does it work for depression? My number is 516-555-0142", PHONE, "Does it work for depression?"),
]

CHATTY = [
    ("Well hello dear, I hope you are having a lovely day. My grandson set up this computer for me. "
     "My name is Dolores Haze and I would so love to come in on a Tuesday.",
     name("Dolores Haze", **at("Tuesday"))),
    ("ok so basically ive been dealing with depression for years and my therapist said ketamine so here i am lol. "
     "its jake by the way", {"reason": "ive been dealing with depression for years"}),
    ("yo its mike 516 555 0142 hmu whenever", name("mike", **PHONE)),
    ("I drive a truck so I'm home only on weekends. Number's 516-555-0142", PHONE),
    ("Veteran here, two tours. PTSD. 516-555-0142.", {**PHONE, "reason": "PTSD"}),
    ("I'm a teacher, so after 3 would be best. Ms. Jones, 516-555-0142", at("after 3", **PHONE)),
    ("u can txt me 516 555 0142 thx", PHONE),
    ("Please have someone call me. Robert Brown 516-555-0142", name("Robert Brown", **PHONE)),
    ("😀 Ana Ruiz 516-555-0142 😀", name("Ana Ruiz", **PHONE)),
    ("hello", {}), ("", {}), ("😀😀😀", {}), ("?", {}), ("I want an appointment", {}),
    ("'; DROP TABLE leads;--", {}), ("=cmd|' /C calc'!A0", {}), ("<b>516-555-0142</b>", PHONE),
]  # fmt: skip


@pytest.mark.parametrize(("text", "facts"), [*EVERYTHING_AT_ONCE, *TWO_OR_THREE, *CORRECTED_WITHIN, *CHATTY])
def test_a_message_says_these_facts_and_no_others(text: str, facts: dict[str, Any]) -> None:
    assert said(text) == facts


@pytest.mark.parametrize(("text", "facts"), CORRECTIONS)
def test_what_mends_something_said_before_is_marked(text: str, facts: dict[str, Any]) -> None:
    known = {"full_name": "Catherine Lee", "phone": NUMBER, "email": "ana@example.com"}
    assert said(text, known) == facts
    assert all(fact.correction for fact in find_facts(text, TODAY, known))


@pytest.mark.parametrize("text", [text for text, _facts in [*EVERYTHING_AT_ONCE, *TWO_OR_THREE]])
def test_what_is_said_for_the_first_time_mends_nothing(text: str) -> None:
    assert not any(fact.correction for fact in find_facts(text, TODAY))


@pytest.mark.parametrize(("text", "person"), FOR_OTHERS)
def test_for_whom_it_is(text: str, person: str | None) -> None:
    assert said(text).get("for_other") == person


@pytest.mark.parametrize(("text", "words"), TIMES)
def test_a_time_is_one_for_a_visit(text: str, words: str | None) -> None:
    assert said(text).get("preferred_time") == words


@pytest.mark.parametrize(("text", "patient_type"), PATIENTS)
def test_new_or_existing(text: str, patient_type: str | None) -> None:
    assert said(text).get("patient_type") == patient_type


@pytest.mark.parametrize(("text", "reason"), REASONS)
def test_a_reason_is_stated_as_one(text: str, reason: str | None) -> None:
    assert said(text).get("reason") == reason


@pytest.mark.parametrize("text", NAMES_THAT_ARE_NONE)
def test_what_somebody_is_or_does_is_no_name(text: str) -> None:
    assert "full_name" not in said(text)


@pytest.mark.parametrize(("text", "facts", "rest"), WITH_A_QUESTION)
def test_a_question_beside_a_fact_is_left_over(text: str, facts: dict[str, Any], rest: str) -> None:
    assert said(text) == facts
    assert rest_of(text, find_facts(text, TODAY)) == rest


@pytest.mark.parametrize(
    ("text", "explicit"),
    [
        ("my name is Ana Ruiz", True),
        ("I'm Ana Ruiz", False),
        ("my number is 516-555-0142", True),
        ("516-555-0142", False),
        ("email me at ana@example.com", True),
        ("ana@example.com", False),
        ("I'd prefer mornings", True),
        ("mornings", False),
    ],
)
def test_whether_a_message_says_what_a_fact_is(text: str, explicit: bool) -> None:
    (fact,) = find_facts(text, TODAY)
    assert fact.explicit is explicit


@pytest.mark.parametrize(
    ("text", "field", "whose"),
    [
        ("I'm Ana Ruiz", "full_name", "self"),
        ("her name is Ana Ruiz", "full_name", "other"),
        ("it's my cell: 516-555-0142", "phone", "self"),
        ("that's her number, 516-555-0142", "phone", "other"),
        ("516-555-0142", "phone", ""),
    ],
)
def test_of_whom_a_name_or_a_number_is(text: str, field: str, whose: str) -> None:
    assert [(fact.field, fact.whose) for fact in find_facts(text, TODAY)] == [(field, whose)]


def test_a_writer_and_a_patient_are_both_named() -> None:
    facts = find_facts("I'm Ana Ruiz, it's for my mom, her name is Rosa Ruiz", TODAY)
    assert [(fact.value, fact.whose) for fact in facts if fact.field == "full_name"] == [
        ("Ana Ruiz", "self"),
        ("Rosa Ruiz", "other"),
    ]


def test_an_address_with_a_likely_slip_comes_with_what_was_probably_meant() -> None:
    (fact,) = find_facts("my email is ana@gmial.com", TODAY)
    assert (fact.value, fact.suggestion) == ("ana@gmial.com", "ana@gmail.com")


def test_a_fact_says_where_it_stands_and_how_it_was_typed() -> None:
    text = "  Hello!\n\nI’m  Ana Ruiz, (516) 555-0142 "
    for fact in find_facts(text, TODAY):
        assert tidy(text)[fact.start : fact.end] == fact.typed
    assert [fact.typed for fact in find_facts(text, TODAY)] == ["Ana Ruiz", "(516) 555-0142"]


ANYTHING = st.text(max_size=200) | st.lists(
    st.sampled_from(
        ["I'm", "my name is", "Ana", "Ruiz", ",", "516-555-0142", "ana@gmial.com", "tuesday", "not", "between 2 and 4",
         "for my mom", "?", "\n", "no", "spelled", "with a K", "I have PTSD", "and", "after", "new patient",
         "0143 not 0142",
         "\u200d", "’", "at", "dot", "-", "12/1", "30 February", "May", "."]
    ),
    max_size=14,
).map(" ".join)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(ANYTHING)
def test_no_message_breaks_it(text: str) -> None:
    facts = find_facts(text, TODAY, {"full_name": "Catherine Lee", "phone": NUMBER})
    whole = tidy(text)
    assert len(in_lines(text)) == len(whole)
    for fact in facts:
        assert 0 <= fact.start < fact.end <= len(whole)
    rest_of(text, facts)


def test_a_long_message_takes_a_few_milliseconds() -> None:
    text = (
        "Hi, my name is John Smith and I have PTSD and nothing helps. I'd like to come in Tuesday mornings, any "
        "week but the next. My number is (516) 555-0142, email john at gmail dot com. I was treated there in spring. "
        "How much is it, and can my husband drive me? Thanks so much, I appreciate it a lot."
    )[:300]
    find_facts(text, TODAY)
    start = time.process_time()
    for _ in range(50):
        find_facts(text, TODAY)
    assert (time.process_time() - start) / 50 < 0.005
