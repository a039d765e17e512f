"""What a message means after the question before it."""

import pytest

from bot.nlu.follow_up import LONG, SIGNALS, WEIGHTS, in_context, likelihood, words_say
from bot.nlu.reading import NamedThing, Reader

READER = Reader(
    {
        "condition": {"fibromyalgia": ["fibro"], "ptsd": []},
        "medicine": {"ssri": ["zoloft"], "lithium": []},
        "person": {"my child": ["my son"], "my partner": ["my wife"]},
        "day": {"monday": [], "friday": []},
    }
)


def named(text: str) -> "list[NamedThing]":
    return READER.named(READER.read(text))


def readings(text: str, before: str) -> "list[str]":
    return in_context(text, named(text), before, named(before))


# --------------------------------------------------------------------------- how likely it is one


def signals(text: str, alone: float, after: float, same_group: bool = True, no_answer: bool = False) -> "list[float]":
    return [*words_say(text), alone, after, float(same_group), float(no_answer), 0.0]


def test_there_is_a_weight_for_each_signal() -> None:
    assert len(signals("and then?", 0.1, 0.9)) == len(SIGNALS) == len(WEIGHTS)


@pytest.mark.parametrize("text", ["and then?", "how long does that last", "what about her", "why", "and for my son?"])
def test_short_words_that_point_back_are_a_follow_up(text: str) -> None:
    assert likelihood(signals(text, alone=0.2, after=0.8)) > 0.9


@pytest.mark.parametrize(
    "text",
    [
        "how much would the whole treatment cost me with the insurance my employer offers",
        "please tell me the address of the clinic and the hours on a saturday morning in december",
    ],
)
def test_a_long_question_that_is_sure_by_itself_is_none(text: str) -> None:
    assert likelihood(signals(text, alone=0.95, after=0.6, same_group=False)) < 0.1


def test_it_is_likelier_the_less_a_message_says_by_itself() -> None:
    chances = [likelihood(signals("what about that", alone, 0.5, False)) for alone in (0.9, 0.5, 0.1)]
    assert chances == sorted(chances)
    assert all(0 < chance < 1 for chance in chances)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("And then?", [1.0, 1.0, 1.0, 0.2]),
        ("what about friday", [1.0, 1.0, 0.0, 0.3]),
        ("how long does that last", [1.0, 0.0, 1.0, 0.5]),
        ("how much does one infusion cost here", [0.0, 0.0, 1.0, 0.7]),
        ("  but why", [1.0, 1.0, 0.0, 0.2]),
        ("android phones", [1.0, 0.0, 0.0, 0.2]),  # "and" is a word here, not a beginning
        ("", [1.0, 0.0, 0.0, 0.0]),
        ("👍", [1.0, 0.0, 0.0, 0.0]),
        ("word " * 400, [0.0, 0.0, 0.0, LONG / 10]),
    ],
)
def test_the_words_of_a_message_speak_for_or_against(text: str, says: "list[float]") -> None:
    assert words_say(text) == pytest.approx(says)


# --------------------------------------------------------------------------- how it reads


@pytest.mark.parametrize("before", ["how long is it", "how long is it?", "how long is it?! ", "how long is it ..."])
def test_it_is_read_after_the_words_of_the_question(before: str) -> None:
    assert readings("and then?", before) == ["how long is it, and then?"]


@pytest.mark.parametrize(
    ("text", "before", "full"),
    [
        ("and for ptsd?", "does it help with fibro at all?", "does it help with ptsd at all?"),
        ("what about Zoloft", "can i take lithium", "can i take Zoloft"),
        ("and my wife?", "can my son come too", "can my wife come too"),
    ],
)
def test_what_is_named_takes_the_place_of_what_was(text: str, before: str, full: str) -> None:
    joined, swapped = readings(text, before)
    assert joined.endswith(text)
    assert swapped == full


@pytest.mark.parametrize(
    ("text", "before"),
    [
        ("and with zoloft?", "does it help with fibro"),  # another kind of thing
        ("and on friday?", "are you open on monday"),  # an answer does not depend on the day
        ("and for ptsd?", "how long is it"),
        ("how long", "does it help with fibro"),
    ],
)
def test_nothing_else_is_put_in_its_place(text: str, before: str) -> None:
    assert len(readings(text, before)) == 1


def test_only_one_thing_is_put_in_its_place() -> None:
    joined, swapped = readings("ptsd and zoloft?", "fibro and lithium, is that ok")
    assert joined == "fibro and lithium, is that ok, ptsd and zoloft?"
    assert swapped == "ptsd and lithium, is that ok"
