"""What patients are told and what the assistant learns from: complete, consistent, without a forbidden claim."""

import json
import re
import string
import unicodedata
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]
DATA = PROJECT / "data"
CLINIC = "{clinic}"
FEWEST_WORDS, MOST_WORDS = 45, 90
FEWEST_EXAMPLES = 15


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


ANSWER_FILES = {path: load(path) for path in sorted((DATA / "answers").glob("*.yml"))}
EXAMPLE_FILES = {path: load(path) for path in sorted((DATA / "nlu").rglob("*.yml"))}
DOMAIN = load(PROJECT / "domain.yml")
PROFILE: dict[str, Any] = load(DATA / "clinic.yml")
SOURCES = load(DATA / "sources.yml")
# Each wording of each answer, as (topic, wording).
ANSWERS: list[tuple[str, dict[str, Any]]] = [
    (name.removeprefix("utter_"), wording)
    for content in ANSWER_FILES.values()
    for name, wordings in content["responses"].items()
    for wording in wordings
]
TOPICS = [topic for topic, _wording in ANSWERS]
each_answer = pytest.mark.parametrize(("topic", "wording"), ANSWERS, ids=TOPICS)
each_example_file = pytest.mark.parametrize(
    "path", EXAMPLE_FILES, ids=[path.relative_to(DATA / "nlu").with_suffix("").as_posix() for path in EXAMPLE_FILES]
)


def placeholders(text: str) -> set[str]:
    return {name for _text, name, _spec, _conversion in string.Formatter().parse(text) if name is not None}


def examples(content: dict[str, Any]) -> Iterator[str]:
    for entry in content["nlu"]:
        for line in entry["examples"].splitlines():
            assert line.startswith("- "), f"{entry['intent']}: {line!r} is no example"
            yield line.removeprefix("- ").strip()


def normalised(text: str) -> str:
    """A text without what nobody would call a difference: case, accents' encoding, punctuation, spaces."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    return " ".join(re.sub(r"[^\w\s]", "", folded).split())


def said(wording: dict[str, Any], profile: dict[str, Any]) -> str:
    """The answer as a patient would read it with this profile."""
    known = {
        key: ", ".join(value) if isinstance(value, list) else str(value)
        for key, value in profile.items()
        if value not in (None, "", [])
    }
    metadata = wording["metadata"]
    sentences = [
        fact["say"].format_map(known) if set(fact["needs"]) <= set(known) else fact.get("otherwise", "")
        for fact in metadata.get("facts", [])
    ]
    about_the_clinic = " ".join(filter(None, sentences)) or metadata.get("if_unknown", "")
    return str(wording["text"]).replace(CLINIC, about_the_clinic)


# --------------------------------------------------------------------------- answers


def test_an_answer_file_holds_the_answers_of_its_group_and_nothing_else() -> None:
    for path, content in ANSWER_FILES.items():
        assert set(content) == {"version", "responses"}, path.name
        assert {name.split("/")[0] for name in content["responses"]} == {f"utter_{path.stem}"}, path.name


def test_no_answer_is_there_twice() -> None:
    names = [name for content in ANSWER_FILES.values() for name in content["responses"]]
    assert [name for name, count in Counter(names).items() if count > 1] == []


@each_answer
def test_an_answer_says_what_it_is_and_rests_on(topic: str, wording: dict[str, Any]) -> None:
    assert {"text", "metadata"} <= set(wording) <= {"text", "metadata", "channel", "buttons"}
    metadata = wording["metadata"]
    required = {"kind", "sources", "reviewed_by", "reviewed_on"}
    assert required <= set(metadata) <= required | {"facts", "if_unknown", "level"}
    if topic.startswith("crisis/"):
        assert metadata["kind"] == "safety"
        assert metadata["level"] in ("crisis", "emergency")
    else:
        assert metadata["kind"] == "answer"
        assert metadata.get("level") in (None, "medical_advice", "diversion")
    assert metadata["sources"]
    assert set(metadata["sources"]) <= set(SOURCES)


@each_answer
def test_a_review_has_a_name_and_a_day_or_neither(topic: str, wording: dict[str, Any]) -> None:
    by, on = wording["metadata"]["reviewed_by"], wording["metadata"]["reviewed_on"]
    if by is None:
        assert on is None
    else:
        assert by.strip()
        assert isinstance(on, date)
        assert on <= date.today()


@each_answer
def test_an_answer_only_says_facts_the_profile_can_hold(topic: str, wording: dict[str, Any]) -> None:
    metadata = wording["metadata"]
    speaks_of_the_clinic = CLINIC in wording["text"]
    assert placeholders(wording["text"]) == ({"clinic"} if speaks_of_the_clinic else set())
    assert bool(metadata.get("facts")) is speaks_of_the_clinic
    assert bool(metadata.get("if_unknown")) is speaks_of_the_clinic
    assert placeholders(metadata.get("if_unknown", "")) == set()
    for fact in metadata.get("facts", []):
        assert {"needs", "say"} <= set(fact) <= {"needs", "say", "otherwise"}
        assert fact["needs"]
        assert set(fact["needs"]) <= set(PROFILE)
        assert placeholders(fact["say"]) <= set(fact["needs"])
        assert placeholders(fact.get("otherwise", "")) == set()


@each_answer
@pytest.mark.parametrize("known", ["as it is", "empty"])
def test_an_answer_is_neither_too_short_nor_too_long(topic: str, wording: dict[str, Any], known: str) -> None:
    words = len(said(wording, PROFILE if known == "as it is" else {}).split())
    assert words <= MOST_WORDS
    assert words >= FEWEST_WORDS or known == "empty"


def test_crisis_and_emergency_say_first_whom_to_call() -> None:
    crisis, emergency = (
        next(wording["text"] for topic, wording in ANSWERS if topic == name)
        for name in ("crisis/suicidal_now", "crisis/medical_emergency")
    )
    assert "988" in " ".join(crisis.split()[:15])
    assert "911" in " ".join(emergency.split()[:5])
    for text in (crisis, emergency):
        assert CLINIC not in text
        assert "appointment" not in text


# --------------------------------------------------------------------------- topics and their examples


def test_every_topic_has_an_answer_and_every_answer_a_topic() -> None:
    asked = {entry["intent"] for content in EXAMPLE_FILES.values() for entry in content["nlu"]}
    assert {intent for intent in asked if "/" in intent} == set(TOPICS)
    assert {intent.split("/")[0] for intent in asked} == set(DOMAIN["intents"])


@each_example_file
def test_one_topic_a_file_named_like_it_with_its_border_and_enough_examples(path: Path) -> None:
    content = EXAMPLE_FILES[path]
    assert set(content) == {"version", "nlu"}
    (entry,) = content["nlu"]
    assert set(entry) == {"intent", "examples"}
    name = path.relative_to(DATA / "nlu").with_suffix("").as_posix()
    assert entry["intent"] == name.removeprefix("talk/")
    assert path.read_text(encoding="utf-8").startswith("# ")
    assert len({normalised(text) for text in examples(content)}) >= FEWEST_EXAMPLES


def test_no_example_is_there_twice() -> None:
    texts = Counter(
        " ".join(text.casefold().split()) for content in EXAMPLE_FILES.values() for text in examples(content)
    )
    assert [text for text, count in texts.items() if count > 1] == []


def test_no_example_holds_what_looks_like_a_persons_data() -> None:
    telling = re.compile(r"\S@\S|\d{3}\W{0,2}\d{3}\W?\d{4}")
    texts = [text for content in EXAMPLE_FILES.values() for text in examples(content)]
    assert [text for text in texts if telling.search(text) and "555-01" not in text] == []


# --------------------------------------------------------------------------- wording held out for measuring

HELD_OUT = sorted((PROJECT / "tests" / "understanding").glob("*.jsonl"))


def held_out() -> set[str]:
    lines = [line for path in HELD_OUT for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return {normalised(json.loads(line)["text"]) for line in lines}


def test_no_held_out_wording_is_learnt() -> None:
    learnt = {normalised(text) for content in EXAMPLE_FILES.values() for text in examples(content)}
    assert len(held_out()) >= 200
    assert held_out() & learnt == set()


def test_conversation_tests_use_words_of_their_own() -> None:
    learnt = {normalised(text) for content in EXAMPLE_FILES.values() for text in examples(content)}
    spoken = {
        normalised(step["user"])
        for path in (PROJECT / "tests" / "conversations").glob("test_*.yml")
        for story in load(path)["stories"]
        for step in story["steps"]
        if "user" in step
    }
    whole_sentences = {text for text in spoken if len(text.split()) > 2}
    assert len(whole_sentences) >= 15
    assert whole_sentences & (learnt | held_out()) == set()


# --------------------------------------------------------------------------- claims nobody may make

NEGATION = r"(?:not|no|never|cannot|\w+n['’]t)"
# Each is a claim and what, in the same sentence, turns it into its opposite.
CLAIMS = (
    (r"\bcur(?:e|es|ed|ing)\b", rf"\b{NEGATION}\b[^,;]{{0,20}}\bcur"),
    (r"\bguarante", rf"\b{NEGATION}\b[^,;]{{0,30}}\bguarante"),
    (r"\b(?:not|non|never|\w+n['’]t)[\s-](?:\w+\s)?(?:addictive|habit[\s-]forming)", None),
    (r"\b(?:100\s?%|100 percent|completely|totally|perfectly|entirely) safe", rf"\b{NEGATION}\b[^,;]{{0,25}}safe"),
    (r"\b(?:no|without|zero) (?:side effects|risks?)\b|risk[\s-]free", None),
    (
        r"\bworks for (?:everyone|everybody|all)\b|\balways works\b|\bmiracle",
        rf"\b{NEGATION}\b[^,;]{{0,20}}(?:work|mir)",
    ),
    (r"\d\s*(?:mg|mcg|µg|ml|cc|milligrams?|micrograms?|millilit(?:er|re)s?)\b|\bmg\b|\bmilligram|\bmicrogram", None),
    (
        r"\b(?:stop|skip|halve|double|lower|raise|start|quit)\b(?: taking| using)? (?:your|any|all|the)? ?"
        r"(?:\w+ )?(?:medicines?|medications?|meds|pills?|dose)\b",
        rf"\b(?:{NEGATION}|without|before|ask|whether|if|decides?|tell you)\b[^;]*"
        r"\b(?:stop|skip|halve|double|lower|raise|start|quit)\b",
    ),
    (r"\byou (?:qualify|are eligible|are a (?:good )?candidate)\b", r"\b(?:whether|if|not|can['’]t|decides?)\b"),
)
APPROVED = re.compile(r"\bapprov", re.IGNORECASE)
CONDITIONS = re.compile(
    r"\b(?:depress\w*|ptsd|anxiety|ocd|pain|bipolar|mental|mood|suicid\w*|these|them)\b", re.IGNORECASE
)
OTHER_DRUG = re.compile(r"\b(?:spravato|esketamine)\b", re.IGNORECASE)
NOT_APPROVED = re.compile(rf"\b{NEGATION}\b[^;]{{0,25}}\bapprov|\bunapproved\b", re.IGNORECASE)


def forbidden_claims(text: str) -> list[str]:
    """The sentences of a text that claim what may not be claimed."""
    found = []
    before = ""
    for sentence in re.split(r"(?<=[.!?])\s+|(?<=[.!?][\"”])\s+", " ".join(text.split())):
        for claim, opposite in CLAIMS:
            if re.search(claim, sentence, re.IGNORECASE) and not (
                opposite and re.search(opposite, sentence, re.IGNORECASE)
            ):
                found.append(sentence)
        approves = APPROVED.search(sentence) and CONDITIONS.search(sentence) and not NOT_APPROVED.search(sentence)
        if approves and not OTHER_DRUG.search(f"{before} {sentence}"):
            found.append(sentence)
        before = sentence
    return found


@pytest.mark.parametrize(
    "text",
    [
        "Ketamine cures depression.",
        "Relief is guaranteed.",
        "It is FDA-approved for depression.",
        "IV ketamine has been approved by the FDA for PTSD and chronic pain.",
        "It is not addictive.",
        "Ketamine isn’t habit-forming.",
        "It is 100% safe.",
        "There are no side effects.",
        "It works for everyone.",
        "The usual dose is 0.5 mg per kilogram.",
        "You get 35 milligrams over an hour.",
        "Stop taking your medication the day before.",
        "Skip your morning pills.",
        "Good news: you qualify.",
    ],
)
def test_a_forbidden_claim_is_recognised(text: str) -> None:
    assert forbidden_claims(f"First this. {text} Then that.") == [text]


@pytest.mark.parametrize(
    "text",
    [
        "It is a treatment and not a cure.",
        "Nobody can promise that, and relief is not guaranteed.",
        "The FDA has not approved ketamine for depression.",
        "These products are not FDA-approved for any mental health condition.",
        "Spravato is FDA-approved for certain adults with depression.",
        "Ketamine can be addictive.",
        "No treatment is 100% safe.",
        "Please don't stop taking your medication on your own.",
        "Only the care team can say whether you qualify.",
        "It was approved in 1970 as an anesthetic.",
    ],
)
def test_its_opposite_may_be_said(text: str) -> None:
    assert forbidden_claims(text) == []


def all_wordings() -> Iterator[tuple[str, str]]:
    """Every text a patient may read, by its name."""
    responses = [
        (name, wording)
        for content in (*ANSWER_FILES.values(), DOMAIN)
        for name, wordings in content["responses"].items()
        for wording in wordings
    ]
    for name, wording in responses:
        metadata = wording.get("metadata", {})
        pieces = [wording["text"], metadata.get("if_unknown", "")]
        for fact in metadata.get("facts", []):
            pieces += [fact["say"], fact.get("otherwise", "")]
        yield name, " ".join(pieces)
    for name, text in load(DATA / "sms.yml")["texts"].items():
        yield f"sms {name}", text
    yield "clinic.yml", ". ".join(str(value) for value in PROFILE.values() if value)


WORDINGS = list(all_wordings())


@pytest.mark.parametrize("text", [text for _name, text in WORDINGS], ids=[name for name, _text in WORDINGS])
def test_nothing_forbidden_is_claimed(text: str) -> None:
    assert forbidden_claims(text) == []
