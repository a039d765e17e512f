"""What somebody picks from the topics that were offered, and what only sounds as if it did."""

import pytest

from bot.nlu.choices import Choice, choose

TWO = ("cost/price", "session/duration")
THREE = (*TWO, "after/work")


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ("the second one", 1),
        ("The second one, please.", 1),
        ("2", 1),
        ("#2", 1),
        ("2.", 1),
        ("2)", 1),
        ("number 2!", 1),
        ("option #2", 1),
        ("no. 2", 1),
        ("2nd", 1),
        ("two please", 1),
        ("question two", 1),
        ("b", 1),
        ("option b", 1),
        ("i think the second", 1),
        ("no, sorry, I meant the second one", 1),
        ("tell me about the 2nd one", 1),
        ("let’s go with the middle one", 1),
        ("1", 0),
        ("first", 0),
        ("the first option please", 0),
        ("one", 0),
        ("the top one", 0),
        ("a", 0),
        ("A.", 0),
        ("option a", 0),
        ("a please", 0),
        ("3", 2),
        ("third option", 2),
        ("c", 2),
        ("last one", 2),
        ("the last", 2),
        ("I meant the last one, sorry", 2),
        ("bottom", 2),
        (" \n the   SECOND\tone ", 1),
    ],
)
def test_one_is_picked_by_its_place(said: str, place: int) -> None:
    assert choose(said, THREE) == Choice(answered=(THREE[place],))


def test_the_last_is_the_last_of_those_shown() -> None:
    assert choose("last one", TWO) == Choice(answered=(TWO[1],))


@pytest.mark.parametrize("said", ["both", "Both of them, please", "all", "all of these", "yes, all", "all three"])
def test_all_can_be_picked(said: str) -> None:
    assert choose(said, TWO) == Choice(answered=TWO)
    assert choose(said, THREE) == Choice(answered=THREE)


@pytest.mark.parametrize(
    "said", ["the other one", "no, the other", "other one", "sorry, I meant the other one", "the other question"]
)
def test_the_other_is_what_is_left_and_is_asked_when_several_are(said: str) -> None:
    assert choose(said, TWO, chosen=("cost/price",)) == Choice(answered=("session/duration",))
    assert choose(said, TWO, chosen=("session/duration",)) == Choice(answered=("cost/price",))
    assert choose(said, THREE, chosen=("cost/price",)) == Choice(offered=("session/duration", "after/work"))
    assert choose(said, TWO) == Choice(offered=TWO)
    assert choose(said, TWO, chosen=TWO) is None


@pytest.mark.parametrize("said", ["that one", "yes, this one", "the one please"])
def test_pointing_at_one_is_clear_only_if_there_is_one(said: str) -> None:
    assert choose(said, TWO[:1]) == Choice(answered=TWO[:1])
    assert choose(said, THREE) == Choice(offered=THREE)


@pytest.mark.parametrize(
    "said",
    [
        # turned down
        "none of these", "none", "neither", "neither one", "no", "no one", "something else", "not the first one",
        # one more, or a last question
        "one more question", "one question", "just one question please", "one last question", "last question",
        "one other question", "just a question", "another one", "another question",
        # the end
        "that's all", "no, that's all, thanks", "thats all", "that is all", "is that all",
        # an answer to something else
        "that's a no", "it's a yes", "a no", "one second", "just one second please", "just a second", "yes",
        # the words of a question
        "the second infusion was worse", "how long is the second one", "is the second session longer",
        "is it like the first time", "second thoughts about this", "first of all how much is it", "2 weeks",
        "what are the top side effects", "do both work", "will the last one hurt", "can i bring one friend",
        "i want the other clinic's number", "all day?", "a lot", "b12",
        # nothing
        "", " ", "?", "...", "👍",
    ],
)  # fmt: skip
def test_what_picks_nothing(said: str) -> None:
    assert choose(said, THREE) is None
    assert choose(said, TWO, chosen=TWO[:1]) is None


@pytest.mark.parametrize("said", ["3", "the third one", "c"])
def test_a_place_that_was_not_shown_picks_nothing(said: str) -> None:
    assert choose(said, TWO) is None


@pytest.mark.parametrize("said", ["2", "the other one", "both", "last one", "that one"])
def test_nothing_is_picked_where_nothing_was_offered(said: str) -> None:
    nothing: Choice | None = choose(said, ())
    assert nothing is None


def test_a_long_message_picks_nothing() -> None:
    assert choose("one " * 400 + "question about the second one that i had", THREE) is None
