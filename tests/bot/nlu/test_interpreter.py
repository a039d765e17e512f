"""From scores to what a patient gets, with scores that are made up here: which of them are answered, and which not."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from bot.nlu.interpreter import (
    DANGER_IN_FEW_WORDS,
    DANGER_IN_SENTENCE,
    DANGER_IN_SENTENCE_OF_STORY,
    DANGER_IN_WHOLE,
    STORY_WORDS,
    SURE_PART,
    SURE_WHOLE,
    Interpreter,
    Reading,
    Understood,
    is_answer,
)
from bot.nlu.reading import Split
from bot.nlu.topic_model import REJECT_BELOW

COST, DURATION, WORK, PETS, CRISIS = (
    "cost/price",
    "session/duration",
    "after/work",
    "beyond/pets",
    "crisis/suicidal_now",
)
EMERGENCY = "crisis/medical_emergency"
REQUEST, CALLED = "request_appointment", "logistics/phone_contact"
RESCHEDULE = "booking/reschedule_cancel"
TOPICS = [WORK, PETS, COST, CRISIS, "greet", DURATION, EMERGENCY, REQUEST, CALLED, RESCHEDULE]
Scores = Mapping[str, Mapping[str, float]]


def understand(scores: Scores, reading: Reading) -> Understood:
    """Understand a reading with these scores of its texts; a topic that is not listed has 0."""

    def score(texts: Sequence[str]) -> np.ndarray:
        return np.array([[scores[text].get(topic, 0.0) for topic in TOPICS] for text in texts])

    return Interpreter(TOPICS, score).understand(reading)


def clauses(*parts: str) -> Split:
    return Split(parts, at_clauses=True, each_asks=True)


def words(*parts: str) -> Split:
    return Split(parts, at_clauses=False)


# --------------------------------------------------------------------------- one question


@pytest.mark.parametrize("sure", [REJECT_BELOW, 0.7, 1.0])
def test_a_sure_topic_is_answered(sure: float) -> None:
    understood = understand({"how much": {COST: sure, DURATION: 0.4}}, Reading("how much"))
    assert understood.topic == COST
    assert understood.answered == [COST]


@pytest.mark.parametrize("sure", [0.0, 0.2, REJECT_BELOW - 0.001])
def test_an_unsure_topic_is_not_answered_but_ranked(sure: float) -> None:
    understood = understand({"how much": {COST: sure}}, Reading("how much"))
    assert understood.answered == []
    assert dict(understood.ranking)[COST] == sure


def test_talk_is_understood_and_answers_no_topic() -> None:
    understood = understand({"hi": {"greet": 0.9}}, Reading("hi"))
    assert (understood.topic, understood.answered) == ("greet", [])


def test_what_is_beyond_the_subject_has_a_reply_of_its_own() -> None:
    understood = understand({"my dog": {PETS: 0.9}}, Reading("my dog"))
    assert understood.answered == [PETS]


def test_the_ranking_has_every_topic_the_best_first() -> None:
    understood = understand({"how much": {COST: 0.4, DURATION: 0.6, "greet": 0.1}}, Reading("how much"))
    assert [name for name, _sure in understood.ranking[:3]] == [DURATION, COST, "greet"]
    assert {name for name, _sure in understood.ranking} == set(TOPICS)
    assert all(isinstance(sure, float) for _name, sure in understood.ranking)


@pytest.mark.parametrize(
    ("topic", "expected"), [(COST, True), (CRISIS, True), (PETS, False), ("greet", False), ("beyond/x", False)]
)
def test_only_a_topic_of_the_subject_has_an_answer(topic: str, expected: bool) -> None:
    assert is_answer(topic) is expected


# --------------------------------------------------------------------------- two questions

BOTH = Reading("long? much?", splits=(clauses("long?", "much?"),))


def test_two_sure_questions_are_both_answered_in_their_order() -> None:
    scores = {"long? much?": {COST: 0.6, DURATION: 0.4}, "long?": {DURATION: 0.8}, "much?": {COST: 0.9}}
    understood = understand(scores, BOTH)
    assert understood.answered == [DURATION, COST]
    assert understood.ranking[:2] == [(COST, 0.9), (DURATION, 0.8)]
    assert len(understood.ranking) == len(TOPICS)


def test_three_questions_are_answered_too() -> None:
    reading = Reading("all", splits=(clauses("long?", "much?", "work?"),))
    parts = {"long?": {DURATION: 0.9}, "much?": {COST: 0.9}, "work?": {WORK: 0.9}}
    assert understand({"all": {COST: 0.4}, **parts}, reading).answered == [DURATION, COST, WORK]


@pytest.mark.parametrize("unsure", [0.0, 0.3, SURE_PART - 0.001])
def test_an_unsure_part_is_not_answered(unsure: float) -> None:
    whole = {COST: 0.6, DURATION: 0.4}
    scores = {"long? much?": whole, "long?": {DURATION: unsure}, "much?": {COST: 0.9}}
    understood = understand(scores, BOTH)
    assert understood.answered == [COST]
    assert dict(understood.ranking) == {**dict.fromkeys(TOPICS, 0.0), **whole}


@pytest.mark.parametrize("other", ["greet", PETS])
def test_talk_and_what_is_beyond_the_subject_are_no_part_to_answer(other: str) -> None:
    scores = {"long? much?": {COST: 0.6}, "long?": {other: 0.95}, "much?": {COST: 0.9}}
    assert understand(scores, BOTH).answered == [COST]


def test_the_same_topic_twice_is_answered_once() -> None:
    scores = {"long? much?": {COST: 0.8}, "long?": {COST: 0.9}, "much?": {COST: 0.9}}
    assert understand(scores, BOTH).answered == [COST]


def test_words_that_surely_belong_together_are_not_taken_apart() -> None:
    scores = {"back to work and price": {WORK: 1.0}, "back to work": {DURATION: 0.5}, "price": {COST: 0.5}}
    reading = Reading("back to work and price", splits=(words("back to work", "price"),))
    assert understand(scores, reading).answered == [WORK]


def test_when_neither_the_parts_nor_the_whole_are_sure_nothing_is_answered() -> None:
    scores = {"long? much?": {COST: 0.3}, "long?": {DURATION: 0.4}, "much?": {COST: 0.4}}
    assert understand(scores, BOTH).answered == []


def test_the_likeliest_of_several_ways_to_take_a_message_apart_counts() -> None:
    whole = {COST: 0.5, WORK: 0.5}
    sure = {"price": {COST: 0.95}, "work": {WORK: 0.95}, "price and": {COST: 0.7}, "long?": {DURATION: 0.6}}
    reading = Reading("whole", splits=(clauses("price and", "long?"), clauses("price", "work")))
    assert understand({**sure, "whole": whole}, reading).answered == [COST, WORK]
    assert understand({**sure, "whole": {COST: SURE_WHOLE}}, reading).answered == [COST]


def test_both_parts_must_be_about_something_else() -> None:
    scores = {"whole": {COST: 0.6}, "price": {COST: 0.95}, "how much": {COST: 0.95}, "hi": {"greet": 0.95}}
    for parts in (("price", "how much"), ("hi", "price")):
        assert understand(scores, Reading("whole", splits=(clauses(*parts),))).answered == [COST]


# --------------------------------------------------------------------------- danger


@pytest.mark.parametrize("danger", [DANGER_IN_SENTENCE, 0.99])
@pytest.mark.parametrize("parts", [("help me", "much?"), ("much?", "help me")])
@pytest.mark.parametrize("whole", [{COST: 0.9}, {CRISIS: 0.9}, {}])
def test_a_crisis_in_a_part_is_all_that_is_answered(
    parts: "tuple[str, str]", danger: float, whole: "dict[str, float]"
) -> None:
    scores = {"whole": whole, "help me": {CRISIS: danger}, "much?": {COST: 0.95}}
    understood = understand(scores, Reading("whole", sentences=parts))
    assert understood.answered == [CRISIS]
    assert dict(understood.ranking)[CRISIS] == max(danger, whole.get(CRISIS, 0.0))


def test_a_crisis_counts_though_the_other_parts_are_not_sure() -> None:
    scores = {"whole": {COST: 0.3}, "help me": {CRISIS: 0.9}, "what": {COST: 0.1}}
    assert understand(scores, Reading("whole", splits=(words("what", "help me"),))).answered == [CRISIS]


# --------------------------------------------------------------------------- after another question


def after(text: str, before: str, topic: str) -> Reading:
    return Reading(text, in_context=(f"{before}, {text}",), context_topic=topic)


def test_a_message_that_says_little_itself_is_read_after_the_question_before_it() -> None:
    alone = {"and then?": {"greet": 0.2, DURATION: 0.1}}
    in_context = {"how long is it, and then?": {DURATION: 0.9}, "how much is it, and then?": {COST: 0.9}}
    for before, topic in (("how long is it", DURATION), ("how much is it", COST)):
        assert understand({**alone, **in_context}, after("and then?", before, topic)).answered == [topic]
    assert understand(alone, Reading("and then?")).answered == []


def test_a_question_that_stands_by_itself_is_not_bent_by_the_one_before() -> None:
    text = "how much would the whole treatment cost me if i came in twice a month for the next year or two"
    alone = {text: {COST: 0.95}}
    in_context = {f"how long is it, {text}": {DURATION: 0.95}}
    understood = understand({**alone, **in_context}, after(text, "how long is it", DURATION))
    assert understood.answered == [COST]
    assert understood.ranking[0][1] == pytest.approx(0.95, abs=0.05)


def test_without_a_question_before_it_the_scores_are_the_models() -> None:
    scores = {"and then?": {COST: 0.41, DURATION: 0.2}}
    assert dict(understand(scores, Reading("and then?")).ranking) == {
        **dict.fromkeys(TOPICS, 0.0),
        COST: 0.41,
        DURATION: 0.2,
    }


def test_no_score_leaves_its_scale() -> None:
    text, before = "and it?", "how long is it"
    scores = {text: dict.fromkeys(TOPICS, 1.0), f"{before}, {text}": dict.fromkeys(TOPICS, 1.0)}
    assert all(0 <= sure <= 1 for _name, sure in understand(scores, after(text, before, DURATION)).ranking)


def test_two_questions_after_a_question_are_still_two() -> None:
    reading = Reading("whole", splits=(clauses("long?", "much?"),), in_context=("before, whole",), context_topic=WORK)
    scores = {
        "whole": {COST: 0.5, DURATION: 0.5},
        "long?": {DURATION: 0.95},
        "much?": {COST: 0.95},
        "before, whole": {WORK: 0.6},
    }
    assert understand(scores, reading).answered == [DURATION, COST]


def test_danger_in_a_sentence_that_asks_nothing_is_answered_alone() -> None:
    scores = {
        "whole": {COST: 0.8},
        "I want to die.": {CRISIS: 0.9},
        "How much?": {COST: 0.9},
        "How long?": {DURATION: 0.9},
    }
    reading = Reading(
        "whole",
        sentences=("I want to die.", "How much?", "How long?"),
        splits=(clauses("How much?", "How long?"),),
    )
    assert understand(scores, reading).answered == [CRISIS]


@pytest.mark.parametrize(("words", "answered"), [(STORY_WORDS - 1, []), (STORY_WORDS, [CRISIS])])
def test_in_a_story_one_sentence_need_not_be_as_sure(words: int, answered: "list[str]") -> None:
    story = " ".join(["word"] * words)
    scores = {story: {}, "a.": {}, "b.": {CRISIS: DANGER_IN_SENTENCE_OF_STORY}}
    assert understand(scores, Reading(story, sentences=("a.", "b."))).answered == answered


SAID = "a message of more than twelve words, so that the least likelihood is enough here"


@pytest.mark.parametrize(("most", "least"), DANGER_IN_FEW_WORDS)
def test_few_words_have_to_be_surer(most: int, least: float) -> None:
    text = " ".join(["word"] * most)
    assert understand({text: {CRISIS: least - 0.01, COST: 0.3}}, Reading(text)).answered == []
    assert understand({text: {CRISIS: least, COST: 0.3}}, Reading(text)).answered == [CRISIS]


def test_danger_below_the_reject_point_is_answered_all_the_same() -> None:
    understood = understand({SAID: {CRISIS: DANGER_IN_WHOLE, COST: 0.45}}, Reading(SAID))
    assert (understood.answered, dict(understood.ranking)[CRISIS]) == ([CRISIS], max(DANGER_IN_WHOLE, REJECT_BELOW))


def test_danger_that_a_rule_has_found_denied_is_not_read_into_a_message() -> None:
    scores = {"whole": {CRISIS: 0.9, COST: 0.6}}
    assert understand(scores, Reading("whole")).answered == [CRISIS]
    assert understand(scores, Reading("whole", denies_danger=True)).answered == [COST]


def test_danger_in_the_message_as_a_whole_comes_before_its_parts() -> None:
    scores = {SAID: {CRISIS: DANGER_IN_WHOLE, COST: 0.6}, "a": {COST: 0.9}, "b": {DURATION: 0.9}}
    assert understand(scores, Reading(SAID, splits=(clauses("a", "b"),))).answered == [CRISIS]


# --------------------------------------------------------------------------- a request with details

DETAILS = "ana ruiz, a number, mornings"


@pytest.mark.parametrize("scores", [{}, {COST: 0.3}, {CALLED: 0.6}, {WORK: 0.6}, {"greet": 0.9}, {REQUEST: 0.2}])
def test_who_leaves_a_number_wants_to_be_contacted(scores: Mapping[str, float]) -> None:
    understood = understand({DETAILS: scores}, Reading(DETAILS, gives_contact=True))
    assert understood.topic == REQUEST
    assert understood.ranking[0][1] >= REJECT_BELOW
    assert understood.answered == []


@pytest.mark.parametrize("topic", [RESCHEDULE, CRISIS])
def test_a_number_does_not_make_a_request_of_what_is_surely_something_else(topic: str) -> None:
    assert understand({DETAILS: {topic: 0.7}}, Reading(DETAILS, gives_contact=True)).topic == topic


def test_a_question_beside_a_number_is_answered() -> None:
    reading = Reading(DETAILS, gives_contact=True, questions=(DETAILS,))
    assert understand({DETAILS: {COST: 0.7}}, reading).answered == [COST]
    assert understand({DETAILS: {CALLED: 0.7}}, reading).topic == REQUEST


def test_a_wish_in_one_sentence_counts_when_the_whole_is_not_clear() -> None:
    reading = Reading("book me. ten years of it", ("book me.", "ten years of it"))
    scores = {"book me. ten years of it": {WORK: 0.4}, "book me.": {REQUEST: 0.8}, "ten years of it": {WORK: 0.4}}
    assert understand(scores, reading).topic == REQUEST
    clear = {**scores, "book me. ten years of it": {WORK: 0.6}}
    assert understand(clear, reading).topic == WORK
