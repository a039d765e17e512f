"""How people spell: what is put right, what stays, and where each part was in the message as it was written."""

import pytest

from bot.nlu.language_files import entities, spelling_rules
from bot.nlu.spelling import FEWEST_OWN, Normalizer, SpelledOut, SpellingRules, english_words, own_words

EXAMPLES = [
    "how long does one infusion take",
    "when do i stop eating before the infusion",
    "does a ketamine infusion help with depression",
    "can i drive home after the infusion",
    "how much does the ketamine cost",
]


@pytest.fixture(scope="module")
def normalizer() -> Normalizer:
    """The project's own lists, with a handful of examples."""
    terms = [term for values in entities().values() for value, others in values.items() for term in (value, *others)]
    return Normalizer(spelling_rules(), own_words(EXAMPLES, terms, english_words()))


# --------------------------------------------------------------------------- short forms and what depends on neighbours


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("u", "you"),
        ("wats ur # ppl", "what is your # people"),
        ("thx :)", "thanks :)"),
        ("B4", "before"),
        ("U R l8", "you are late"),
        ("w/o meds", "without meds"),
        ("w/ my mom", "with my mom"),
        ("w/my mom", "with my mom"),
        ("b/c it hurts", "because it hurts"),
        ("idk, hbp?", "I do not know, high blood pressure?"),
        ("dont", "don't"),
    ],
)
def test_short_forms_are_written_out(normalizer: Normalizer, written: str, read: str) -> None:
    assert normalizer(written) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("need 2 stop eating b4", "need to stop eating before"),
        ("is it ok 4 my teen", "is it ok for my teen"),
        ("im 2 scared", "I am too scared"),
        ("me 2", "me too"),
        ("y is it", "why is it"),
        ("can i c him", "can i see him"),
        ("does k help", "does ketamine help"),
        ("im on k now", "I am on ketamine now"),  # `on` would be "true" in YAML
        ("pain n depression", "pain and depression"),
    ],
)
def test_a_letter_or_digit_stands_for_a_word_where_its_neighbours_say_so(
    normalizer: Normalizer, written: str, read: str
) -> None:
    assert normalizer(written) == read


@pytest.mark.parametrize(
    "written", ["room 4", "i am in room 4", "2 weeks", "for 2 weeks", "i have 2 kids", "2", "4", "24/7", "n", "a b c"]
)
def test_elsewhere_a_letter_or_digit_is_only_itself(normalizer: Normalizer, written: str) -> None:
    assert normalizer(written) == written


# --------------------------------------------------------------------------- misspelled words


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("ketemine", "ketamine"),
        ("ketamin", "ketamine"),
        ("ketamien", "ketamine"),
        ("kketamine", "ketamine"),
        ("fibromyalga", "fibromyalgia"),
        ("fybromyalgia", "fibromyalgia"),
        ("fibromialgia", "fibromyalgia"),
        ("depresion", "depression"),
        ("deppression", "depression"),
        ("anxeity", "anxiety"),
        ("biplar", "bipolar"),
        ("sezures", "seizures"),
        ("lamotrigene", "lamotrigine"),
        ("infuson", "infusion"),
        ("wellbutin", "wellbutrin"),
        ("xanex", "xanax"),
        ("howw lng b4 i can driv?", "how long before i can drive?"),
    ],
)
def test_a_misspelled_word_is_put_right(normalizer: Normalizer, written: str, read: str) -> None:
    assert normalizer(written) == read


@pytest.mark.parametrize(
    "written", ["I live in Islip", "is Karen there", "i like O'Brien", "where is Patchogue", "naïve café", "3.5mg"]
)
def test_what_is_no_slip_stays(normalizer: Normalizer, written: str) -> None:
    assert normalizer(written) == written


@pytest.mark.parametrize("name", ["Priya", "Zbigniew", "Kaplowitz", "Nguyen", "Farrukh"])
def test_a_name_inside_a_sentence_is_not_taken_for_a_word(normalizer: Normalizer, name: str) -> None:
    assert normalizer(f"my name is {name}").casefold() == f"my name is {name}".casefold()


def test_a_capital_does_not_save_a_slip_in_a_word_of_ours(normalizer: Normalizer) -> None:
    assert normalizer("is Ketemine safe for Fibromyalga").casefold() == "is ketamine safe for fibromyalgia"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("HOW LONG IS IT", "how long is it"),
        ("IS KETEMINE OK 4 MY TEEN", "is ketamine ok for my teen"),
        ("WHERE IS ISLIP", "where is islip"),
        ("I HAVE PTSD", "i have ptsd"),
        ("I have PTSD and OCD", "I have PTSD and OCD"),  # some capitals are no shouting
    ],
)
def test_all_capitals_read_like_small_letters(normalizer: Normalizer, written: str, read: str) -> None:
    assert normalizer(written) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("howlongdoesittake", "how long does it take"),
        ("HOWMUCHISIT?", "how much is it?"),
        ("ketamineinfusioncost", "ketamine infusion cost"),
        ("antidepressants", "antidepressants"),
        ("qzxvwkjhpqzxv", "qzxvwkjhpqzxv"),
    ],
)
def test_words_run_together_are_taken_apart(normalizer: Normalizer, written: str, read: str) -> None:
    assert normalizer(written) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("hooow looong", "how long"),
        ("sooo good", "so good"),
        ("pleeeease heeelp", "please help"),
        ("noooo", "no"),
        ("uuu", "you"),
        ("fibroooo", "fibro"),
        ("need bottles", "need bottles"),  # a double letter is not stretched
    ],
)
def test_stretched_letters_are_let_go(normalizer: Normalizer, written: str, read: str) -> None:
    assert normalizer(written) == read


# --------------------------------------------------------------------------- whatever else is sent


@pytest.mark.parametrize(
    "written",
    ["", "   ", "\n\t", "😀", "👍🏽👩‍👩‍👧", "?!…", "$$?", "你好", "Привет, как дела", "مرحبا", "e-mail", "http://x.example/y",
     "maria@example.com", "516-555-0100"],
)  # fmt: skip
def test_what_is_not_understood_stays(normalizer: Normalizer, written: str) -> None:
    assert normalizer(written) == written


def test_words_between_emoji_are_read_all_the_same(normalizer: Normalizer) -> None:
    assert normalizer("😀😀 howw lng?? 😀") == "😀😀 how long?? 😀"


def test_a_very_long_message_is_read_to_its_end(normalizer: Normalizer) -> None:
    assert normalizer("howw lng " * 2_000) == "how long " * 2_000
    assert normalizer("zxqv" * 5_000 + " b4 u") == "zxqv" * 5_000 + " before you"
    assert normalizer("a" * 5_000 + " b4 u").endswith(" before you")


def test_a_message_reads_the_same_each_time(normalizer: Normalizer) -> None:
    assert [normalizer("ketemine b4 fibromyalga") for _ in range(3)] == ["ketamine before fibromyalgia"] * 3


# --------------------------------------------------------------------------- where it was


def at(spelled: SpelledOut, word: str, original: str) -> str:
    """Return what the original has where `word` is in ordinary spelling."""
    start = spelled.text.index(word)
    first, last = spelled.original_span(start, start + len(word))
    return original[first:last]


@pytest.mark.parametrize(
    ("written", "word", "was"),
    [
        ("need help 4 my fibromyalga b4 monday", "fibromyalgia", "fibromyalga"),
        ("need help 4 my fibromyalga b4 monday", "before", "b4"),
        ("is hbp ok", "blood", "hbp"),
        ("is hbp ok", "high blood pressure", "hbp"),
        ("bad hi blod presure here", "blood pressure", "blod presure"),
        ("idk if ketemine is ok", "ketamine", "ketemine"),
        ("😀😀 IS KETEMINE OK", "ketamine", "KETEMINE"),
        ("w/my depresion", "depression", "depresion"),
        ("ketamineinfusioncost??", "infusion", "ketamineinfusioncost"),
        ("İİİİİİ KETEMINE B4", "ketamine", "KETEMINE"),  # in small letters this takes two characters
    ],
)
def test_each_word_is_found_again_in_the_message_as_it_was_written(
    normalizer: Normalizer, written: str, word: str, was: str
) -> None:
    assert at(normalizer.spelled_out(written), word, written) == was


@pytest.mark.parametrize(
    "written", ["", "b4 u", "İİİİİİİ B4 U", "😀 wats   fibro\n?", "w/my mom", "howlongdoesittake!"]
)
def test_the_parts_cover_the_whole_message_and_its_spelling(normalizer: Normalizer, written: str) -> None:
    spelled = normalizer.spelled_out(written)
    at_spelled = at_written = 0
    for start, end, first, last in spelled.origins:
        assert (start, first) == (at_spelled, at_written)
        assert start <= end
        assert first <= last
        at_spelled, at_written = end, last
    assert (at_spelled, at_written) == (len(spelled.text), len(written))


def test_nothing_is_nowhere() -> None:
    assert SpelledOut.join([]).original_span(0, 0) == (0, 0)


# --------------------------------------------------------------------------- which words are ours


def own(texts: "list[str]", terms: "tuple[str, ...]" = ()) -> "set[str]":
    return set(own_words(texts, terms, {"infusion": 10, "help": 10, "with": 10}))


def test_a_word_that_english_lacks_is_ours_when_enough_examples_have_it() -> None:
    assert "zarquon" not in own(["zarquon"] * (FEWEST_OWN - 1))
    assert "zarquon" in own(["zarquon"] * FEWEST_OWN)
    assert "zarquon" not in own(["zarquon zarquon zarquon"])  # one example


def test_a_slip_is_not_ours_however_often_it_is_made() -> None:
    assert own(["infusion help"] * 9 + ["infuson help"] * 4) == {"infusion", "help"}


def test_a_name_from_a_list_is_always_ours_and_short_words_never_are() -> None:
    assert own([], ("Spravato nasal spray", "ECT")) == {"spravato", "nasal", "spray"}


def test_our_own_word_wins_over_an_english_one_that_is_as_near() -> None:
    rules = SpellingRules({"short_forms": {}, "in_context": []})
    assert Normalizer(rules, {"infusion": 2})("infusin") == "infusion"
    assert Normalizer(rules, {"carpet": 1})("carpwt") == "carpet"
