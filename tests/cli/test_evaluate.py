"""`./ketalink evaluate`: what is counted as what, what is said of it, and when it ends with code 2.

The model is a stand-in: a program that speaks as `bot.parse` does and gives the replies a test wrote down.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import typer
from typer.testing import CliRunner

from frontdesk.cli import app
from frontdesk.cli.console import CommandFailed
from frontdesk.cli.evaluation import gates, plot
from frontdesk.cli.evaluation.asking import Band, Candidate, Model, Reply, ask_all
from frontdesk.cli.evaluation.command import EXIT_GATE_FAILED, Order, carry_out
from frontdesk.cli.evaluation.comparison import Change, Comparison, Verdict
from frontdesk.cli.evaluation.questions import NOTHING, Kind, Part, Question, is_topic, read_questions
from frontdesk.cli.evaluation.results import (
    Confusion,
    Outcome,
    Result,
    Score,
    by_band,
    calibration,
    confusions,
    misses,
)
from frontdesk.cli.evaluation.statistics import Bin, calibration_error, mcnemar, reliability, wilson

FILE = Path("questions.jsonl")
DURATION, PRICE, HOURS = "session/duration", "cost/price", "logistics/hours"

# Answers with what its argument, a JSON file, holds for a message and those before it.
STAND_IN = """
import json, sys
replies = json.load(open(sys.argv[1], encoding="utf-8"))
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    message = json.loads(line)
    print(json.dumps(replies[" / ".join([*message.get("after", []), message["text"]])]), flush=True)
"""


def said(*topics: str, intent: str | None = None, band: str = "sure", confidence: float = 0.9) -> dict[str, Any]:
    """Return a line as `bot.parse` writes it: these topics are answered."""
    best = intent or (topics[0] if topics else "out_of_scope")
    ranking = [best, *topics[1:], HOURS, PRICE, DURATION, "greet"]
    return {
        "intent": best,
        "topics": list(topics),
        "confidence": confidence,
        "band": band,
        "ranking": [{"name": name, "confidence": confidence} for name in dict.fromkeys(ranking)][:5],
    }


def asking(*ranking: str) -> dict[str, Any]:
    """Return a line of `bot.parse` when it is unsure: these are its candidates."""
    reply = said(intent=ranking[0], band="unsure", confidence=0.5)
    return reply | {"ranking": [{"name": name, "confidence": 0.5} for name in ranking]}


def single(*accepted: str, **other: Any) -> Question:
    """Return a question with one topic; the first accepted one is the expected one."""
    return Question(
        FILE, other.pop("line", 1), other.pop("text", "…"), (Part(accepted[0], frozenset(accepted)),), **other
    )


def double(first: set[str], second: set[str]) -> Question:
    """Return a double question."""
    return Question(FILE, 1, "…", tuple(Part(min(part), frozenset(part)) for part in (first, second)))


def result(question: Question, reply: dict[str, Any]) -> Result:
    """Return what became of a question."""
    return Result.of(question, Reply.read(reply))


def marks_of(*results: Result) -> list[Any]:
    return [mark for one in results for mark in one.marks]


class Bench:
    """A folder with files of questions and stand-in models, and the command in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "stand_in.py").write_text(STAND_IN, encoding="utf-8")

    def questions(self, *lines: Any, name: str = "questions.jsonl") -> Path:
        """Write a file of questions; a str is a line as it is."""
        file = self.folder / name
        text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
        file.write_text(text + "\n", encoding="utf-8")
        return file

    def model(self, replies: dict[str, Any], name: str = "model") -> Path:
        """Write a stand-in model."""
        file = self.folder / name
        file.write_text(json.dumps(replies), encoding="utf-8")
        return file

    def started(self, model: Path) -> Model:
        """Return the process of a stand-in model."""
        return Model(command=[sys.executable, str(self.folder / "stand_in.py"), str(model)])

    def order(self, model: Path, *files: Path, **other: Any) -> Order:
        """Return what is to be measured."""
        questions = [question for file in files for question in read_questions(file)]
        return Order(files=files, questions=questions, model=model, **other)

    def run(self, order: Order) -> int:
        """Carry it out; return the exit code."""
        try:
            carry_out(order, self.started)
        except typer.Exit as ended:
            return ended.exit_code
        return 0


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


# --------------------------------------------------------------------------- files of questions


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"text": "hi", "topic": ', "not JSON"),
        ('["hi", "greet"]', "not a JSON object"),
        ('{"topic": "session/duration"}', "`text` has to be"),
        ('{"text": "  ", "topic": "session/duration"}', "`text` has to be"),
        ('{"text": "hi"}', "`topic` is missing"),
        ('{"text": "hi", "topic": 7}', "a topic has to be"),
        ('{"text": "hi", "topic": "greet", "also_ok": "goodbye"}', "`also_ok` has to be"),
        ('{"text": "hi", "topic": "a/b", "also_ok": [["a/c"]]}', "a topic has to be"),
        ('{"text": "hi", "topic": "a/b", "after": "hello"}', "`after` has to be"),
        ('{"text": "hi", "topic": "a/b", "after": [""]}', "`after` has to be"),
        ('{"text": "hi", "topic": "a/b", "topics": ["a/b", "a/c"]}', "not both"),
        ('{"text": "hi", "topics": ["a/b"]}', "two different topics"),
        ('{"text": "hi", "topics": ["a/b", "a/b"]}', "two different topics"),
        ('{"text": "hi", "topics": "a/b"}', "two different topics"),
        ('{"text": "hi", "topics": ["a/b", 7]}', "a topic has to be"),
        ('{"text": "hi", "topics": ["a/b", "a/c"], "also_ok": ["a/d", "a/e"]}', "`also_ok` has to be"),
        ('{"text": "hi", "topics": ["a/b", "a/c"], "also_ok": [["a/d"]]}', "`also_ok` has to be"),
    ],
)
def test_a_broken_line_is_named_with_its_number(line: str, reason: str, bench: Bench) -> None:
    file = bench.questions({"text": "hello", "topic": "greet"}, "", line)
    with pytest.raises(CommandFailed) as refused:
        read_questions(file)
    assert str(refused.value).startswith(f"{file}, line 3: ")
    assert reason in str(refused.value)


def test_of_many_broken_lines_the_first_are_named(bench: Bench) -> None:
    with pytest.raises(CommandFailed, match=r"(?s)line 10: .*and 2 more"):
        read_questions(bench.questions(*["{}"] * 12))


def test_a_file_without_questions_is_refused(bench: Bench) -> None:
    with pytest.raises(CommandFailed, match="nowhere"):
        read_questions(bench.folder / "nowhere.jsonl")
    with pytest.raises(CommandFailed, match="holds no question"):
        read_questions(bench.questions(""))
    (bench.folder / "latin.jsonl").write_bytes(b'{"text": "caf\xe9"}')
    with pytest.raises(CommandFailed, match="not UTF-8"):
        read_questions(bench.folder / "latin.jsonl")


def test_all_forms_of_lines_are_read(bench: Bench) -> None:
    file = bench.questions(
        {"text": "how long", "topic": DURATION, "also_ok": [None, "greet"], "style": "web"},
        {"text": "how long and how much", "topics": [DURATION, PRICE], "also_ok": [[HOURS], []], "style": "sms"},
        {"text": "and on sunday?", "after": ["when are you open"], "topic": HOURS, "kind": "ellipsis"},
        {"text": "who won the game", "topic": None},
        {"text": "do you do botox", "topic": "beyond/botox"},
    )
    one, two, follow_up, outside, beyond = read_questions(file)
    assert one == Question(file, 1, "how long", (Part(DURATION, frozenset({DURATION, NOTHING})),), (), "web")
    assert [part.accepted for part in two.parts] == [{DURATION, HOURS}, {PRICE}]
    assert (follow_up.after, follow_up.sort) == (("when are you open",), "ellipsis")
    assert outside.parts[0].topic == NOTHING
    assert beyond.parts[0] == Part("beyond/botox", frozenset({NOTHING}))
    kinds = [Kind.SINGLE, Kind.DOUBLE_PART, Kind.FOLLOW_UP, Kind.OUT_OF_SCOPE, Kind.OUT_OF_SCOPE]
    assert [question.kind for question in (one, two, follow_up, outside, beyond)] == kinds


@pytest.mark.parametrize(("name", "answers"), [(DURATION, True), ("beyond/botox", False), ("greet", False)])
def test_not_every_name_is_a_topic(name: str, answers: bool) -> None:
    assert is_topic(name) is answers


# --------------------------------------------------------------------------- what becomes of a question


@pytest.mark.parametrize(
    ("accepted", "reply", "outcome"),
    [
        ([DURATION], said(DURATION), Outcome.RIGHT),
        ([DURATION, PRICE], said(PRICE), Outcome.RIGHT),
        ([DURATION, PRICE], said(PRICE, DURATION), Outcome.RIGHT),
        ([DURATION], said(DURATION, PRICE), Outcome.WRONG),
        ([DURATION], said(PRICE), Outcome.WRONG),
        ([DURATION], said(), Outcome.DECLINED),
        ([DURATION], said(intent=DURATION, band="low"), Outcome.DECLINED),
        ([DURATION], asking(PRICE), Outcome.ASKED),
        ([DURATION], said("greet"), Outcome.DECLINED),
        ([DURATION], said("beyond/botox"), Outcome.DECLINED),
        ([DURATION], said("beyond/botox", DURATION), Outcome.RIGHT),
        ([NOTHING], said(), Outcome.RIGHT),
        ([NOTHING], asking(PRICE), Outcome.RIGHT),
        ([NOTHING], said("beyond/botox"), Outcome.RIGHT),
        ([NOTHING], said(PRICE), Outcome.WRONG),
        ([NOTHING, PRICE], said(PRICE), Outcome.RIGHT),
    ],
)
def test_what_becomes_of_a_question(accepted: list[str], reply: dict[str, Any], outcome: Outcome) -> None:
    (mark,) = result(single(*accepted), reply).marks
    assert mark.outcome is outcome


@pytest.mark.parametrize(
    ("parts", "reply", "outcomes", "wrong"),
    [
        (({DURATION}, {PRICE}), said(PRICE, DURATION), "right right", 0),
        (({DURATION}, {PRICE}), said(PRICE), "declined right", 0),
        (({DURATION}, {PRICE}), said(DURATION, HOURS), "right wrong", 1),
        (({DURATION}, {PRICE}), said(HOURS, PRICE), "wrong right", 1),
        (({DURATION}, {PRICE}), said(HOURS, "safety/driving"), "wrong wrong", 2),
        (({DURATION}, {PRICE}), said(HOURS), "wrong declined", 1),
        (({DURATION}, {PRICE}), asking(PRICE), "asked asked", 0),
        (({DURATION}, {PRICE}), said(), "declined declined", 0),
        (({DURATION, PRICE}, {PRICE}), said(PRICE), "right right", 0),
        (({DURATION, PRICE}, {PRICE}), said(PRICE, HOURS), "right right", 1),
        (({DURATION}, {NOTHING}), said(DURATION), "right right", 0),
        (({DURATION}, {NOTHING}), said(DURATION, HOURS), "right wrong", 1),
    ],
)
def test_each_part_of_a_double_question_counts(
    parts: tuple[set[str], set[str]], reply: dict[str, Any], outcomes: str, wrong: int
) -> None:
    found = result(double(*parts), reply)
    assert " ".join(mark.outcome for mark in found.marks) == outcomes
    assert Score.of(found.marks).wrong == wrong
    assert found.is_wrong is (wrong > 0)
    assert found.is_right is (outcomes == "right right" and not wrong)


def test_asked_counts_with_the_right_topic_only_if_it_is_shown() -> None:
    shown = asking(HOURS, "greet", PRICE, "beyond/botox", DURATION)
    hidden = asking(HOURS, PRICE, "safety/driving", DURATION)
    marks = marks_of(result(single(DURATION), shown), result(single(DURATION), hidden), result(single(PRICE), said()))
    assert Score.of(marks) == Score(total=3, right=0, wrong=0, asked=2, asked_with_right=1, declined=1)


def test_what_is_taken_for_what_is_counted() -> None:
    marks = marks_of(
        result(single(HOURS), said(PRICE)),
        result(single(DURATION), said(PRICE)),
        result(single(DURATION), said(PRICE, HOURS)),
        result(single(DURATION), asking("greet", HOURS)),
        result(single(DURATION), said()),
        result(double({DURATION}, {HOURS}), said(HOURS, "a/b")),
    )
    assert confusions(marks) == [
        Confusion(DURATION, PRICE, Outcome.WRONG, 2),
        Confusion(HOURS, PRICE, Outcome.WRONG, 1),
        Confusion(DURATION, "a/b", Outcome.WRONG, 1),
        Confusion(DURATION, HOURS, Outcome.ASKED, 1),
    ]
    assert len(misses(marks)) == 6


def test_bands_are_counted_apart() -> None:
    marks = marks_of(
        result(single(DURATION), said(DURATION)),
        result(single(DURATION), said("a/b", PRICE)),
        result(single(NOTHING), asking("a/b", "a/c", "a/d", DURATION)),
        result(single(DURATION), asking("a/b", "a/c", "a/d", DURATION)),
        result(single(DURATION), asking("a/b", "a/c", DURATION)),
    )
    counted = by_band(marks)
    assert list(counted) == [Band.SURE, Band.UNSURE]
    assert (counted[Band.SURE].score.right, counted[Band.SURE].score.wrong) == (1, 1)
    assert (counted[Band.UNSURE].offered, counted[Band.UNSURE].answerable) == (1, 2)


# --------------------------------------------------------------------------- statistics


@pytest.mark.parametrize(
    ("right", "total", "low", "high"), [(81, 263, 0.2553, 0.3662), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0)]
)
def test_the_interval_is_wilsons(right: int, total: int, low: float, high: float) -> None:
    assert wilson(right, total) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("gained", "lost", "p"),
    [
        (0, 0, 1.0),
        (3, 3, 1.0),
        (5, 0, 0.0625),
        (0, 6, 0.03125),
        # Armitage and Berry (1994), page 127, as worked out in http://www.statsdirect.com/help/chi_square_tests/mat.htm
        (12, 2, 0.0129),
        (2, 12, 0.0129),
        (1, 7, 18 / 256),
        (9, 1, 22 / 1024),
        (1000, 1000, 1.0),
    ],
)
def test_the_paired_comparison_is_mcnemars_exact_one(gained: int, lost: int, p: float) -> None:
    assert mcnemar(gained, lost) == pytest.approx(p, abs=5e-5)


def test_confidence_is_compared_with_what_was_right() -> None:
    bins = reliability([(0.0, False), (0.92, True), (0.98, True), (1.0, False), (0.55, True)])
    assert [(one.low, one.high, one.count) for one in bins] == [(0.0, 0.1, 1), (0.5, 0.6, 1), (0.9, 1.0, 3)]
    assert bins[2].confidence == pytest.approx(2.9 / 3)
    assert bins[2].right == pytest.approx(2 / 3)
    assert calibration_error(bins) == pytest.approx((0 + 0.45 + 0.9) / 5)
    assert calibration_error([]) is None


def test_a_guess_counts_whether_or_not_it_was_answered() -> None:
    fallback = asking("nlu_fallback", DURATION) | {"confidence": 0.31}
    fallback["ranking"][1]["confidence"] = 0.25
    bins = calibration(
        [
            result(single(DURATION), said(DURATION, confidence=0.95)),
            result(single(DURATION), said(intent=PRICE, band="low", confidence=0.15)),
            result(single(DURATION), fallback),
            result(single(NOTHING), asking(DURATION)),
            result(single(NOTHING), said(intent="beyond/botox")),
            result(single(NOTHING), said()),
        ]
    )
    assert bins == [
        Bin(0.1, 0.2, 1, 0.15, 0.0),
        Bin(0.2, 0.3, 1, 0.25, 1.0),
        Bin(0.5, 0.6, 1, 0.5, 0.0),
        Bin(0.9, 1.0, 1, 0.95, 1.0),
    ]


# --------------------------------------------------------------------------- the model's process


def test_the_model_is_asked_with_what_was_said_before(bench: Bench) -> None:
    model = bench.model({"how long": said(DURATION), "are you open / and on sunday?": asking(HOURS, PRICE)})
    follow_up = single(HOURS, text="and on sunday?", after=("are you open",))
    plain, following = ask_all([single(DURATION, text="how long"), follow_up], bench.started(model), "model")
    assert (plain.answered, plain.band, plain.understood) == ((DURATION,), Band.SURE, Candidate(DURATION, 0.9))
    assert (following.answered, following.offered) == ((), (HOURS, PRICE))


def test_a_model_that_cannot_be_loaded_is_told_of(bench: Bench) -> None:
    with pytest.raises(CommandFailed, match=r"(?s)could not be asked.*No such file.*nowhere"):
        ask_all([single(DURATION)], bench.started(bench.folder / "nowhere"), "model")


def test_a_model_that_ends_while_it_is_asked_is_told_of(bench: Bench) -> None:
    with pytest.raises(CommandFailed, match=r"(?s)could not be asked.*KeyError"):
        ask_all([single(DURATION, text="not known")], bench.started(bench.model({})), "model")


@pytest.mark.parametrize(
    "reply",
    [
        {"intent": DURATION, "confidence": 0.9, "ranking": []},
        said(DURATION) | {"band": "certain"},
        said(DURATION) | {"confidence": None},
        said(DURATION) | {"topics": DURATION},
        said(DURATION, PRICE, HOURS, "after/work"),
        said(DURATION) | {"ranking": [DURATION]},
    ],
)
def test_a_model_that_speaks_another_way_is_told_of(reply: dict[str, Any], bench: Bench) -> None:
    with pytest.raises(CommandFailed, match=r"line 7 of questions.jsonl in an unknown way"):
        ask_all([single(DURATION, text="how long", line=7)], bench.started(bench.model({"how long": reply})), "model")


def test_a_model_that_does_not_speak_json_is_told_of(bench: Bench) -> None:
    with pytest.raises(CommandFailed, match="Segmentation fault"):
        ask_all([single(DURATION)], Model([sys.executable, "-c", "print('Segmentation fault')"]), "model")


# --------------------------------------------------------------------------- the report


LINES = [
    {"text": "how long", "topic": DURATION, "style": "web"},
    {"text": "how much", "topic": PRICE, "style": "web"},
    {"text": "open [sunday]?", "topic": HOURS, "style": "sms"},
    {"text": "and then", "after": ["how long"], "topic": DURATION, "kind": "ellipsis"},
    {"text": "how long and how much", "topics": [DURATION, PRICE], "style": "sms"},
    {"text": "who won", "topic": None},
]
REPLIES = {
    "how long": said(DURATION),
    "how much": said(HOURS, confidence=0.7),
    "open [sunday]?": asking(PRICE, HOURS),
    "how long / and then": said(),
    "how long and how much": said(DURATION, PRICE),
    "who won": said(),
}


def test_a_record_holds_all_of_it(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    file = bench.questions(*LINES)
    assert bench.run(bench.order(bench.model(REPLIES), file, as_json=True)) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["file"], record["model"]) == (str(file), "model")
    counts = {"questions": 7, "right": 4, "wrong": 1, "fallbacks": 2, "asked": 1, "asked_with_right": 1, "declined": 1}
    assert counts.items() <= record.items()
    assert (record["accuracy"], record["wrong_rate"]) == (0.5714, 0.1429)
    assert record["interval_95"] == [round(bound, 4) for bound in wilson(4, 7)]
    assert record["wrong_interval_95"] == [round(bound, 4) for bound in wilson(1, 7)]
    assert {name: part["questions"] for name, part in record["styles"].items()} == {"sms": 3, "web": 2}
    assert {name: part["right"] for name, part in record["groups"].items()} == {
        "cost": 1,
        "logistics": 0,
        "out_of_scope": 1,
        "session": 2,
    }
    assert {name: part["right"] for name, part in record["kinds"].items()} == {
        "double_part": 2,
        "follow_up": 0,
        "out_of_scope": 1,
        "single": 1,
    }
    assert record["follow_up_kinds"]["ellipsis"]["declined"] == 1
    assert record["doubles"] == {"questions": 1, "both_right": 1}
    assert record["bands"]["unsure"]["right_among_offered"] == 1
    assert record["confusions"] == [
        {"expected": PRICE, "got": HOURS, "outcome": "wrong", "count": 1},
        {"expected": HOURS, "got": PRICE, "outcome": "asked", "count": 1},
    ]
    assert sum(one["count"] for one in record["calibration"]["bins"]) == 4
    assert [(miss["line"], miss["expected"], miss["got"], miss["outcome"]) for miss in record["misses"]] == [
        (2, PRICE, HOURS, "wrong"),
        (3, HOURS, NOTHING, "asked"),
        (4, DURATION, NOTHING, "declined"),
    ]
    assert record["misses"][1]["offered"] == [PRICE, HOURS]


def test_several_files_are_one_measurement(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    files = bench.questions(*LINES[:2], name="some.jsonl"), bench.questions(*LINES[2:], name="others.jsonl")
    bench.run(bench.order(bench.model(REPLIES), *files, as_json=True))
    record = json.loads(capsys.readouterr().out)
    assert record["file"] is None
    assert {name: part["questions"] for name, part in record["files"].items()} == {str(files[0]): 2, str(files[1]): 5}


def test_people_read_the_same(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.run(bench.order(bench.model(REPLIES), bench.questions(*LINES)))
    told = capsys.readouterr().out
    for line in (
        "Right      4 of 7 questions and parts of double questions: 0.571 (95 % interval 0.250 to 0.842)",
        "Wrong      1 answered with another topic: 0.143 (95 % interval 0.026 to 0.513)",
        "Asked      1 asked back instead, 1 with the right topic among the 3 offered",
        "Declined   1 not answered that should have been",
        "Double     1 of 1 with both parts right and nothing else answered",
        "By kind of follow-up",
    ):
        assert line in told
    assert "open [sunday]?" in told  # not taken for rich's markup


@pytest.mark.parametrize(("misses", "shown", "more"), [(30, 30, True), (None, 35, False), (0, 0, False)])
def test_so_many_misses_are_shown(
    misses: int | None, shown: int, more: bool, bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [{"text": f"question {number}.", "topic": DURATION} for number in range(35)]
    model = bench.model({line["text"]: said() for line in lines})
    bench.run(bench.order(model, bench.questions(*lines), misses=misses))
    told = capsys.readouterr().out
    assert told.count("question ") == shown
    assert ("… and 5 more; --all-misses" in told) is more


# --------------------------------------------------------------------------- a baseline


def compared(before: dict[str, Any], now: dict[str, Any], count: int, unchanged: int = 5) -> Comparison:
    """Compare two models that differ in some questions on session/duration."""
    question, same = single(DURATION), result(single(DURATION), said(DURATION))
    baseline = [result(question, before)] * count + [same] * unchanged
    return Comparison.of(baseline, [result(question, now)] * count + [same] * unchanged)


@pytest.mark.parametrize(
    ("before", "now", "count", "verdict"),
    [
        (said(), said(DURATION), 6, Verdict.BETTER),
        (said(), said(DURATION), 5, Verdict.NO_DIFFERENCE),
        (said(PRICE), said(), 6, Verdict.BETTER),
        (said(DURATION), said(), 6, Verdict.WORSE),
        (said(), said(PRICE), 6, Verdict.WORSE),
        (said(DURATION), said(DURATION), 6, Verdict.NO_DIFFERENCE),
    ],
)
def test_only_what_chance_does_not_explain_is_a_difference(
    before: dict[str, Any], now: dict[str, Any], count: int, verdict: Verdict
) -> None:
    assert compared(before, now, count).verdict is verdict


def test_more_right_and_more_wrong_is_neither_better_nor_worse() -> None:
    gained, wrong = compared(said(), said(DURATION), 6), compared(said(), said(PRICE), 6)
    assert Comparison(gained.pairs + wrong.pairs).verdict is Verdict.MIXED


def test_a_double_question_is_compared_as_a_whole() -> None:
    question = double({DURATION}, {PRICE})
    half, both, none = result(question, said(PRICE)), result(question, said(PRICE, DURATION)), result(question, said())
    comparison = Comparison.of([half, none], [both, half])
    assert (comparison.right.gained, comparison.right.before) == (1, 0)


def test_the_changed_questions_are_listed(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    before = REPLIES | {"how long": said(), "how much": said(PRICE), "who won": said(HOURS), "open [sunday]?": said()}
    now = REPLIES | {"open [sunday]?": said(PRICE)}
    files, models = bench.questions(*LINES), (bench.model(now, "new"), bench.model(before, "old"))
    order = bench.order(models[0], files, baseline=models[1])
    bench.run(replace(order, as_json=True))
    record = json.loads(capsys.readouterr().out)["baseline"]
    assert (record["model"], record["questions"]) == ("old", 6)
    assert record["right"] == {"before": 2, "now": 3, "gained": 2, "lost": 1, "p": 1.0}
    assert record["wrong"] == {"before": 1, "now": 2, "gained": 2, "lost": 1, "p": 1.0}
    assert [(change["change"], change["line"]) for change in record["changes"]] == [
        (Change.GAINED, 1),
        (Change.GAINED, 6),
        (Change.LOST, 2),
        (Change.NOW_WRONG, 3),
    ]
    bench.run(order)
    told = capsys.readouterr().out
    assert "Right      2 gained, 1 lost: p = 1.0000 (McNemar, exact, two-sided)" in told
    assert "Between new and old there is no difference that 95 % would notice." in told


# --------------------------------------------------------------------------- gates


@pytest.mark.parametrize(
    ("asked_for", "code", "told"),
    [
        ({"min_right": 0.57, "max_wrong": 0.15}, 0, ""),
        ({"min_right": 0.9}, EXIT_GATE_FAILED, "Gate min_right failed. 0.5714 (4 of 7) right, at least 0.9000"),
        ({"max_wrong": 0.1}, EXIT_GATE_FAILED, "Gate max_wrong failed. 0.1429 (1 of 7) answered wrongly, at most 0.10"),
    ],
)
def test_a_share_that_is_missed_ends_with_code_2(
    asked_for: dict[str, float], code: int, told: str, bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    order = bench.order(bench.model(REPLIES), bench.questions(*LINES), **asked_for)
    assert bench.run(order) == code
    assert capsys.readouterr().err.startswith(told)


def test_each_file_has_its_own_gates(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.questions(*LINES[:4], name="a.jsonl")
    bench.questions(*LINES[4:], name="b.jsonl")
    (bench.folder / "gate.yml").write_text(
        "a.jsonl: {min_right: 0.5, max_wrong: 0.2}\nb.jsonl: {min_right: 1, min_parts_right: 1.0, max_wrong: 0}\n"
    )
    bounds = gates.read_gates(bench.folder / "gate.yml")
    assert list(bounds) == [bench.folder / "a.jsonl", bench.folder / "b.jsonl"]
    order = bench.order(bench.model(REPLIES), *bounds, bounds=bounds, as_json=True)
    assert bench.run(order) == EXIT_GATE_FAILED
    told = capsys.readouterr()
    a = bench.folder / "a.jsonl"
    assert told.err.splitlines() == [
        f"Gate min_right failed. {a}: 0.2500 (1 of 4) right, at least 0.5000 are asked for.",
        f"Gate max_wrong failed. {a}: 0.2500 (1 of 4) answered wrongly, at most 0.2000 may be.",
    ]
    checked = json.loads(told.out)["gates"]
    assert [(Path(gate["file"]).name, gate["name"], gate["passed"]) for gate in checked] == [
        ("a.jsonl", "min_right", False),
        ("a.jsonl", "max_wrong", False),
        ("b.jsonl", "min_right", True),
        ("b.jsonl", "min_parts_right", True),
        ("b.jsonl", "max_wrong", True),
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "has to name files"),
        ("- a.jsonl", "has to name files"),
        ("a.jsonl: {min_right: ", "is not YAML"),
        ("a.jsonl: 0.9", "a.jsonl: no bounds"),
        ("a.jsonl: {min_rigth: 0.9}", "min_rigth is unknown"),
        ("a.jsonl: {min_right: 90}", "a share from 0 to 1"),
        ("a.jsonl: {min_right: yes}", "a share from 0 to 1"),
    ],
)
def test_a_gate_file_that_cannot_be_used_is_refused(content: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "gate.yml").write_text(content, encoding="utf-8")
    with pytest.raises(CommandFailed, match=reason) as refused:
        gates.read_gates(tmp_path / "gate.yml")
    assert str(tmp_path / "gate.yml") in str(refused.value)


def test_a_gate_about_nothing_is_refused() -> None:
    for name, question in (("min_parts_right", single(DURATION)), ("min_right", double({DURATION}, {PRICE}))):
        with pytest.raises(CommandFailed, match=f"holds no question .* {name}"):
            gates.require_applicable({FILE: {name: 0.5}}, [question])


@pytest.mark.parametrize(
    ("before", "now", "count", "passed"),
    [
        (said(DURATION), said(), 6, [False, True]),
        (said(), said(PRICE), 6, [True, False]),
        (said(DURATION), said(PRICE), 6, [False, False]),
        (said(DURATION), said(PRICE), 5, [True, True]),
        (said(PRICE), said(DURATION), 6, [True, True]),
    ],
)
def test_not_worse_fails_when_it_is(
    before: dict[str, Any], now: dict[str, Any], count: int, passed: list[bool]
) -> None:
    assert [gate.passed for gate in gates.not_worse(compared(before, now, count))] == passed


def test_a_model_worse_than_the_baseline_ends_with_code_2(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [{"text": f"question {number}", "topic": DURATION} for number in range(6)]
    old = bench.model({line["text"]: said(DURATION) for line in lines}, "old")
    new = bench.model({line["text"]: said() for line in lines}, "new")
    file = bench.questions(*lines)
    assert bench.run(bench.order(new, file, baseline=old)) == 0
    assert bench.run(bench.order(old, file, baseline=new, not_worse=True)) == 0
    assert capsys.readouterr().err == ""
    assert bench.run(bench.order(new, file, baseline=old, not_worse=True)) == EXIT_GATE_FAILED
    told = capsys.readouterr()
    assert "new is worse than old." in told.out
    assert "Gate not_worse failed. 0 right, the baseline had 6 (p = 0.0312" in told.err


# --------------------------------------------------------------------------- the plot


def test_calibration_is_drawn(bench: Bench) -> None:
    file = bench.folder / "calibration.svg"
    bench.run(bench.order(bench.model(REPLIES), bench.questions(*LINES), plot=file))
    assert ElementTree.parse(file).getroot().tag.endswith("svg")
    with pytest.raises(CommandFailed, match=r"(?s)could not be drawn.*No such file"):
        plot.draw(bench.folder / "nowhere" / "a.svg", {"model": "model", "calibration_error": 0.1, "bins": []})


def test_without_a_guess_there_is_nothing_to_draw(bench: Bench) -> None:
    model, file = bench.model({"who won": said()}), bench.questions(LINES[-1])
    with pytest.raises(CommandFailed, match="nothing to plot"):
        carry_out(bench.order(model, file, plot=bench.folder / "calibration.svg"), bench.started)


# --------------------------------------------------------------------------- what is typed


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "Give either"),
        (["a.jsonl", "--gate", "gate.yml"], "Give either"),
        (["a.jsonl", "--not-worse"], "needs a --baseline"),
        (["a.jsonl", "--plot", "calibration.png"], "has to end in .svg"),
        (["a.jsonl", "--plot", "nowhere/calibration.svg"], "no folder nowhere"),
        (["--gate", "nowhere.yml"], "nowhere.yml cannot be read"),
        (["nowhere.jsonl"], "nowhere.jsonl cannot be read"),
    ],
)
def test_options_that_do_not_go_together_are_refused(arguments: list[str], reason: str, tmp_path: Path) -> None:
    typed = CliRunner().invoke(app, ["evaluate", *arguments], env={"DATA_DIR": str(tmp_path)})
    assert isinstance(typed.exception, CommandFailed)
    assert reason in str(typed.exception)


def test_the_old_name_of_an_option_still_works(tmp_path: Path) -> None:
    for option in ("--min-right", "--min-accuracy"):
        typed = CliRunner().invoke(
            app, ["evaluate", str(tmp_path / "nowhere.jsonl"), option, "0.9"], env={"DATA_DIR": str(tmp_path)}
        )
        assert "cannot be read" in str(typed.exception)
