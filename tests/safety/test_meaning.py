"""What stands around words of danger: it may make them harmless, and must not hide a cry for help."""

import json
from collections import Counter
from itertools import product
from pathlib import Path

import pytest

from frontdesk.safety.guard import Guard

HERE = Path(__file__).parent
DANGERS = {"crisis", "emergency"}
# Some of each kind the rules do not know: see docs/safety.md. Half of these lines were written for working on the
# rules, half to check them; both have been read since, so that they show what a change breaks, not how good rules are.
LEAST = {
    "crisis": 0.97,
    "emergency": 0.95,
    "medical_advice": 0.95,
    "diversion": 0.92,
    "none": 0.98,
    "advice_twin": 0.95,
    "diversion_twin": 0.95,
}
CRIES = [
    "I want to die",
    "I want to kill myself",
    "I'm suicidal",
    "I am thinking about suicide",
    "I don't want to live anymore",
    "I'm going to end my life",
    "I tried to kill myself last night",
    "I can't go on",
    "I have suicidal thoughts",
    "I wish I was dead",
]
BEFORE = [
    "years ago I was fine but ",
    "my dad died in 2010 and ",
    "I'm not sleeping, ",
    "I don't drink but ",
    "I never thought I'd say this but ",
    "I'm a crisis counselor and ",
    "I used to be an athlete and ",
    "I was diagnosed in 2015. ",
    "Do you take Aetna? ",
    "I'm not joking, ",
    "no one knows but ",
    "my back is killing me and ",
    "I'm fine now but tonight ",
    "my mom died by suicide and ",
    "sorry to bother you ",
    "I quit drinking three years ago and ",
    "I've been well for years but ",
    "I attempted years ago and ",
]
AFTER = [
    " again",
    " since my wife died",
    ", it's been like this since 2019",
    ", what do you charge?",
    " and nobody cares",
    ". I was fine last year.",
    " like I did in 2012",
    " for real this time",
    " but I won't do it today",
    " even though I have kids",
]


@pytest.fixture(scope="module")
def guard() -> Guard:
    return Guard()


def level(guard: Guard, text: str) -> str:
    alarm = guard.check(text).alarm
    return alarm.level.value if alarm else "none"


@pytest.mark.parametrize("cry", CRIES)
def test_nothing_said_before_or_after_hides_a_cry_for_help(guard: Guard, cry: str) -> None:
    texts = [before + cry for before in BEFORE] + [cry + after for after in AFTER]
    assert [text for text in texts if level(guard, text) not in DANGERS] == []


@pytest.mark.parametrize(
    ("who", "what"),
    list(
        product(
            ["my son", "my wife", "a coworker", "the guy next to me"],
            ["is suicidal", "is talking about dying", "tried to end it yesterday", "attempted suicide this morning"],
        )
    ),
)
def test_somebody_else_may_be_anybody(guard: Guard, who: str, what: str) -> None:
    assert level(guard, f"{who} {what}") == "crisis"


@pytest.mark.parametrize(
    ("calm", "danger"),
    [
        # past: told as past, and by verbs of the past
        ("I wanted to die back in 2011", "I want to die like back in 2011"),
        ("I was suicidal years ago, I'm fine now", "I was suicidal years ago and it's happening again"),
        ("I tried to kill myself. That was twenty years ago, and never again since.", "I tried to kill myself"),
        ("My suicidal thoughts went away with lithium", "My suicidal thoughts never went away"),
        ("I had a heart attack in 2015", "I had a stent put in in 2015 and my chest hurts"),
        # denials: with nothing but words like "going to" before what is denied
        ("I'm not saying I want to hurt myself", "I promised not to hurt myself but I don't think I can"),
        ("I have no thoughts of suicide", "No, I think of suicide"),
        ("I'm far from suicidal", "I'm not far from killing myself"),
        # questions about something as such
        ("Can ketamine make you suicidal?", "Can ketamine help me when I'm suicidal?"),
        ("Is it covered for suicidal people?", "Is it covered for suicidal people? I am one."),
        ("Is suicidality a symptom or a diagnosis?", "Is there a painless way to die?"),
        ("Do you treat people who want to kill themselves?", "How do people kill themselves?"),
        # idioms end where they end
        ("The coffee is to die for", "I've wanted to die for months"),
        ("I want to disappear to Hawaii for a week", "I want to disappear forever"),
    ],
)
def test_near_twins_are_told_apart(guard: Guard, calm: str, danger: str) -> None:
    assert level(guard, calm) not in DANGERS
    assert level(guard, danger) in DANGERS


@pytest.mark.parametrize("name", ["development_2.jsonl", "check_2.jsonl"])
def test_the_rules_keep_what_they_have_reached(guard: Guard, name: str) -> None:
    rows = [json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]
    total, right = Counter[str](), Counter[str]()
    plain_missed = []
    for row in rows:
        found = level(guard, row["text"])
        kind = row["style"] if row["style"] in LEAST else row["level"]
        if kind in DANGERS:
            is_right = found in DANGERS
        elif kind == "advice_twin":
            is_right = found == "none"
        elif kind == "diversion_twin":
            is_right = found in {"none", "medical_advice"}
        elif kind == "none":
            is_right = found not in DANGERS
        else:
            is_right = found == kind
        total[kind] += 1
        right[kind] += is_right
        if kind in DANGERS and row["style"] == "plain" and not is_right:
            plain_missed.append(row["id"])
    assert plain_missed == []
    assert {kind: right[kind] / total[kind] for kind in total if right[kind] < LEAST[kind] * total[kind]} == {}
