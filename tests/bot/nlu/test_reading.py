"""What is read from a message: the questions it is made of, and what it names, found again in the patient's words."""

import pytest

from bot.nlu.language_files import entities, spelling_rules
from bot.nlu.reading import MOST_PARTS, MOST_SPLITS, Reader, Split
from bot.nlu.spelling import Normalizer, english_words, own_words

STORY = (
    "I have had depression for about ten years now, and my sister told me about this place because her friend came "
    "here last spring. We talked for a long time that evening, and I could not sleep. "
) * 9


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader(entities())


@pytest.fixture(scope="module")
def normalizer() -> Normalizer:
    terms = [term for values in entities().values() for value, others in values.items() for term in (value, *others)]
    return Normalizer(spelling_rules(), own_words([], terms, english_words()))


def questions(reader: Reader, text: str) -> "list[str]":
    return reader.questions(reader.read(text))


def phrases(reader: Reader, text: str) -> "list[str]":
    return reader.phrases(reader.read(text))


# --------------------------------------------------------------------------- the questions


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("how long does it take and what does it cost", ["how long does it take", "what does it cost"]),
        ("How long does it take? What does it cost?", ["How long does it take?", "What does it cost?"]),
        ("what does it cost, and do you take insurance?", ["what does it cost", "do you take insurance?"]),
        ("do you take medicare also is there parking", ["do you take medicare", "is there parking"]),
        ("does it hurt, will i be awake", ["does it hurt", "will i be awake"]),
        ("is it covered by insurance; how do i pay", ["is it covered by insurance", "how do i pay"]),
        (
            "tell me about the price and also where are you located",
            ["tell me about the price", "where are you located"],
        ),
        ("how much and how long", ["how much", "how long"]),
        ("how long is it / how much is it", ["how long is it", "how much is it"]),
        ("does it hurt? will i be awake and can i drive", ["does it hurt?", "will i be awake", "can i drive"]),
    ],
)
def test_two_questions_are_two_parts(reader: Reader, text: str, parts: "list[str]") -> None:
    assert questions(reader, text) == parts


@pytest.mark.parametrize(
    "text",
    [
        "can i eat or drink before",
        "can i drive home and go to work",
        "is it a drip or is it a shot",
        "will it help with pain and depression",
        "what should i wear and bring",
        "what if i feel sick and throw up",
        "can I drive if I feel fine",
        "what happens when I wake up",
        "is it true that it is used on horses and that it's illegal",
        "do you know what it costs",
        "should i stop it because i take lithium",
        "how long does it take",
        "hours",
    ],
)
def test_one_question_stays_one(reader: Reader, text: str) -> None:
    assert len(questions(reader, text)) <= 1


@pytest.mark.parametrize(
    "text",
    [
        "I have PTSD and my wife has bipolar. Can you help both of us?",
        "My doctor told me about it. I have tried everything. How long does it take?",
        "my mother came here and she liked it. is it safe",
    ],
)
def test_what_is_told_around_a_question_is_no_part(reader: Reader, text: str) -> None:
    (part,) = questions(reader, text)
    assert text.endswith(part)


def test_a_story_has_no_questions_but_those_at_its_end(reader: Reader) -> None:
    assert len(STORY.split()) > 300
    assert questions(reader, STORY) == []
    asked = questions(reader, f"{STORY}How long does it take and what does it cost?")
    assert asked == ["How long does it take", "what does it cost?"]


def test_more_questions_than_can_be_answered_at_once_are_not_split(reader: Reader) -> None:
    asked = ["how much is it?", "will i be awake?", "do i need a ride?", "is it safe?"]
    assert questions(reader, " ".join(asked[:MOST_PARTS])) == asked[:MOST_PARTS]
    assert questions(reader, " ".join(asked)) == []


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("price and parking?", ["price", "parking?"]),
        ("price, parking, hours", ["price", "parking", "hours"]),
        ("cost + address", ["cost", "address"]),
        ("hours", []),
        ("price, parking, hours, address", []),
    ],
)
def test_a_list_of_words_may_be_a_list_of_questions(reader: Reader, text: str, parts: "list[str]") -> None:
    assert phrases(reader, text) == parts


@pytest.mark.parametrize(
    "text", ["", " ", "\n", "😀", "👍🏽 👍🏽", "?", "...", ", , ,", "and and and", "🙏 and 🙏", "你好吗"]
)
def test_what_has_no_words_has_no_parts_and_names_nothing(reader: Reader, text: str) -> None:
    doc = reader.read(text)
    assert len(reader.questions(doc)) <= 1
    assert reader.phrases(doc) == []
    assert reader.named(doc) == []


# --------------------------------------------------------------------------- the ways to take a text apart


@pytest.mark.parametrize(
    ("text", "parts", "at_clauses"),
    [
        ("how long is it and does it hurt", ("how long is it", "does it hurt"), True),
        ("I take lithium. Is that a problem?", ("I take lithium.", "Is that a problem?"), True),
        (
            "my mom takes blood thinners, is that ok and would somebody have to drive her",
            ("my mom takes blood thinners, is that ok", "would somebody have to drive her"),
            True,
        ),
        ("how does it compare with ect and with tms", ("how does it compare with ect", "with tms"), False),
        ("price, parking, hours", ("price", "parking", "hours"), False),
        ("price, parking, hours", ("price", "parking, hours"), False),
    ],
)
def test_a_text_may_be_taken_apart(reader: Reader, text: str, parts: "tuple[str, ...]", at_clauses: bool) -> None:
    assert (parts, at_clauses) in [(split.parts, split.at_clauses) for split in reader.splits(reader.read(text))]


def test_what_only_tells_is_no_question(reader: Reader) -> None:
    both, told = (
        reader.splits(reader.read(text))[0]
        for text in ("Is it safe? Does it hurt?", "I take lithium for years. Does it hurt?")
    )
    assert (both.each_asks, told.each_asks) == (True, False)


def test_what_is_most_likely_two_questions_comes_first(reader: Reader) -> None:
    first, *_rest = reader.splits(reader.read("I have PTSD, migraines. How long does it take and what does it cost?"))
    assert first == Split(("How long does it take", "what does it cost?"), at_clauses=True, each_asks=True)


@pytest.mark.parametrize("text", ["", "?", "hours", "how much is it", "is it safe? is it far? is it new? is it old?"])
def test_one_question_or_too_many_are_not_taken_apart(reader: Reader, text: str) -> None:
    assert reader.splits(reader.read(text)) == []


def test_a_long_text_is_not_taken_apart_in_ever_more_ways(reader: Reader) -> None:
    assert 0 < len(reader.splits(reader.read(STORY))) <= MOST_SPLITS


# --------------------------------------------------------------------------- what is named


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("does it help with fibro", [("condition", "fibromyalgia", "fibro")]),
        ("I take Lexapro and XANAX", [("medicine", "ssri", "Lexapro"), ("medicine", "benzodiazepine", "XANAX")]),
        ("is tuesday morning ok", [("day", "tuesday", "tuesday"), ("part_of_day", "morning", "morning")]),
        ("migraines, my son", [("condition", "migraine", "migraines"), ("person", "my child", "my son")]),
        ("treatment resistant depression", [("condition", "depression", "treatment resistant depression")]),
        ("how long does it take", []),
        ("an addition", []),  # no word inside another one
    ],
)
def test_conditions_medicines_days_and_people_are_recognised(
    reader: Reader, text: str, named: "list[tuple[str, str, str]]"
) -> None:
    assert [
        (thing.entity, thing.value, text[thing.start : thing.end]) for thing in reader.named(reader.read(text))
    ] == named


@pytest.mark.parametrize(
    ("written", "value", "was"),
    [
        ("does it help w/ fibromyalga", "fibromyalgia", "fibromyalga"),
        ("👋 hi, 4 my depresion n anxeity pls", "depression", "depresion"),
        ("👋 hi, 4 my depresion n anxeity pls", "anxiety", "anxeity"),
        ("is hbp a problem", "high blood pressure", "hbp"),
        ("i hav high blod presure n stuff", "high blood pressure", "high blod presure"),
        ("I TAKE WELLBUTIN", "antidepressant", "WELLBUTIN"),
        ("c u 2moro", "tomorrow", "2moro"),
    ],
)
def test_a_misspelled_name_is_found_where_the_patient_wrote_it(
    reader: Reader, normalizer: Normalizer, written: str, value: str, was: str
) -> None:
    spelled = normalizer.spelled_out(written)
    found = {
        thing.value: spelled.original_span(thing.start, thing.end) for thing in reader.named(reader.read(spelled.text))
    }
    start, end = found[value]
    assert written[start:end] == was


def test_in_a_story_every_mention_is_found(reader: Reader) -> None:
    found = reader.named(reader.read(STORY))
    assert {(thing.value, STORY[thing.start : thing.end]) for thing in found} == {
        ("depression", "depression"),
        ("my relative", "my sister"),
        ("evening", "evening"),
    }
    assert len(found) == 27
