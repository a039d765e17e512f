"""What patients are told and what the assistant learns from: complete, consistent, without a forbidden claim."""

import json
import re
import string
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from frontdesk.content.claims import forbidden_claims
from frontdesk.content.reading import HARDEST_GRADE, reading_grade
from frontdesk.sms.compose import GSM_7

PROJECT = Path(__file__).resolve().parents[2]
DATA = PROJECT / "data"
CLINIC = "{clinic}"
# How many words an answer on the page has with the profile as it is, and how many at most when the clinic fills it in.
WORDS_OF_A_TOPIC, WORDS_OF_BEYOND, MOST_WORDS = (45, 90), (15, 45), 110
LONGEST_TITLE = 30
FEWEST_EXAMPLES, FEWEST_EXAMPLES_OF_TALK = 25, 15
MARKS = ([], ["verdict"], ["information"], ["verdict", "information"])


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
# The list the clinic's clinicians agreed on. `beyond` is not in it: those answers say what is not answered.
AGREED_TOPICS = (Path(__file__).parent / "topics.txt").read_text(encoding="utf-8").split()


def is_sms(wording: dict[str, Any]) -> bool:
    return wording.get("channel") == "sms"


def for_answers(answers: list[tuple[str, dict[str, Any]]]) -> pytest.MarkDecorator:
    ids = [f"{topic} sms" if is_sms(wording) else topic for topic, wording in answers]
    return pytest.mark.parametrize(("topic", "wording"), answers, ids=ids)


each_answer = for_answers(ANSWERS)
each_answer_on_the_page = for_answers([(topic, wording) for topic, wording in ANSWERS if not is_sms(wording)])
each_answer_by_sms = for_answers([(topic, wording) for topic, wording in ANSWERS if is_sms(wording)])
each_pair = pytest.mark.parametrize(
    ("topic", "wordings"),
    [
        (name.removeprefix("utter_"), wordings)
        for content in ANSWER_FILES.values()
        for name, wordings in content["responses"].items()
    ],
    ids=list(dict.fromkeys(TOPICS)),
)
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


def in_words(value: Any) -> str:
    """A value of the profile as it stands in a sentence: a list is "a, b and c"."""
    if not isinstance(value, list):
        return str(value)
    return " and ".join(filter(None, [", ".join(value[:-1]), value[-1]]))


def said(wording: dict[str, Any], profile: Mapping[str, Any]) -> str:
    """The answer as a patient would read it with this profile."""
    known = {key: in_words(value) for key, value in profile.items() if value not in (None, "", [])}
    metadata = wording.get("metadata", {})
    sentences = [
        fact["say"].format_map(known) if set(fact["needs"]) <= set(known) else fact.get("otherwise", "")
        for fact in metadata.get("facts", [])
    ]
    about_the_clinic = " ".join(filter(None, sentences)) or metadata.get("if_unknown", "")
    return str(wording["text"]).replace(CLINIC, about_the_clinic)


# What a clinic might well write, in few words, for every key of the profile.
SAMPLE_PROFILE: dict[str, Any] = {
    "name": "Ketalink Ketamine Center",
    "short_name": "Ketalink",
    "service_area": "Long Island, NY",
    "conditions_treated": [
        "treatment-resistant depression",
        "bipolar disorder (depressed phase)",
        "PTSD",
        "chronic pain",
    ],
    "infusion_minutes_min": 45,
    "infusion_minutes_max": 60,
    "driver_policy": "someone must drive you home",
    "work_guidance": "rest for the remainder of the day",
    "new_patient_steps": "request an appointment online or by phone",
    "phone": "516-555-0142",
    "phone_hours": "Mon-Fri 9am-5pm",
    "after_hours_phone": "516-555-0143",
    "email": "hello@clinic.example",
    "contact_url": "https://clinic.example/contact",
    "booking_url": "https://clinic.example/book",
    "patient_portal_url": "https://clinic.example/portal",
    "privacy_policy_url": "https://clinic.example/privacy",
    "address": "12 Main St, Garden City, NY 11530",
    "directions": "five minutes on foot from the train",
    "parking": "free lot behind the building",
    "accessibility": "ramp and elevator",
    "hours": "Mon-Fri 9am-5pm",
    "holiday_hours": "closed on federal holidays",
    "languages": ["English", "Spanish"],
    "interpreter": "by phone, if you ask ahead",
    "telehealth_offered": "follow-ups can be by video",
    "providers": "two doctors and three nurses",
    "supervising_provider": "a doctor on site",
    "price_consultation": "$200",
    "price_infusion": "$450",
    "price_series": "$2,500",
    "price_booster": "$450",
    "insurance_accepted": "consultation: most plans; infusions: none",
    "superbill": "given on request",
    "payment_methods": "cash, card or check",
    "payment_plans": "monthly, no interest",
    "deposit_policy": "$50 per visit",
    "discounts": "10% for veterans",
    "hsa_fsa_accepted": "both accepted",
    "conditions_not_treated": ["schizophrenia"],
    "min_age": "18 and up",
    "max_age": "no upper limit",
    "referral_required": "not needed",
    "pregnancy_policy": "no infusions in pregnancy",
    "spravato_offered": "not offered",
    "at_home_offered": "not offered",
    "evaluation_steps": "a call, then a visit",
    "required_tests": "an ECG if over 50",
    "records_required": "your last visit notes",
    "consent_process": "a nurse goes over it with you",
    "eating_rules": "no food for 6 hours before",
    "drinking_rules": "water until 2 hours before",
    "alcohol_drug_rules": "none for 24 hours before",
    "medication_instructions": "a nurse calls you first",
    "what_to_bring": "ID and warm socks",
    "existing_patient_steps": "call the front desk",
    "visit_minutes_total": 120,
    "recovery_minutes": 30,
    "pain_infusion_minutes": 120,
    "monitoring_devices": "pulse, oxygen and blood pressure",
    "music_policy": "bring headphones",
    "comfort_items": "blankets and eye masks",
    "restroom_policy": "staff walk you there",
    "companion_policy": "one adult may stay",
    "driving_wait": "24 hours",
    "rideshare_policy": "only with an adult",
    "aftercare_instructions": "rest at home",
    "aftercare_alcohol_wait": "48 hours",
    "series_plan": "six in three weeks",
    "maintenance_policy": "as needed",
    "success_tracking": "a mood form each visit",
    "cancellation_policy": "24 hours' notice or $50",
    "late_policy": "after 15 minutes, call first",
    "chat_data_policy": "kept 30 days for staff",
}
MOST_KEYS_TRIED_IN_EVERY_WAY = 10


def variants(wording: dict[str, Any]) -> Iterator[str]:
    """The wording with each choice of the facts it asks for known and the others not.

    Beyond ten facts, which would be thousands of choices: none, each alone, each two, and all.
    """
    keys = sorted({key for fact in wording.get("metadata", {}).get("facts", []) for key in fact["needs"]})
    sizes = range(len(keys) + 1) if len(keys) <= MOST_KEYS_TRIED_IN_EVERY_WAY else (0, 1, 2, len(keys))
    for size in sizes:
        for known in combinations(keys, size):
            yield said(wording, {key: SAMPLE_PROFILE[key] for key in known})


# --------------------------------------------------------------------------- answers


def test_an_answer_file_holds_the_answers_of_its_group_and_nothing_else() -> None:
    for path, content in ANSWER_FILES.items():
        assert set(content) == {"version", "responses"}, path.name
        assert {name.split("/")[0] for name in content["responses"]} == {f"utter_{path.stem}"}, path.name


def test_no_answer_is_there_twice() -> None:
    names = [name for content in ANSWER_FILES.values() for name in content["responses"]]
    assert [name for name, count in Counter(names).items() if count > 1] == []


@each_pair
def test_an_answer_has_one_wording_for_the_page_and_one_for_sms(topic: str, wordings: list[dict[str, Any]]) -> None:
    assert [wording.get("channel") for wording in wordings] == [None, "sms"]
    on_the_page, by_sms = (wording["metadata"] for wording in wordings)
    for key in ("kind", "level", "sources"):
        assert by_sms.get(key) == on_the_page.get(key), key


@each_answer
def test_an_answer_says_what_it_is_and_rests_on(topic: str, wording: dict[str, Any]) -> None:
    assert {"text", "metadata"} <= set(wording) <= {"text", "metadata", "channel", "buttons"}
    metadata = wording["metadata"]
    required = {"kind", "sources", "reviewed_by", "reviewed_on"}
    only_on_the_page = set() if is_sms(wording) else {"title", "related"}
    assert required <= set(metadata) <= required | {"facts", "if_unknown", "level"} | only_on_the_page
    if topic.startswith("crisis/"):
        assert metadata["kind"] == "safety"
        assert metadata["level"] in ("crisis", "emergency")
    elif topic.startswith("beyond/"):
        assert metadata["kind"] == "fallback"
        assert "level" not in metadata
    else:
        assert metadata["kind"] == "answer"
        assert metadata.get("level") in (None, "medical_advice", "diversion")
    assert metadata["sources"]
    assert set(metadata["sources"]) <= set(SOURCES)


@each_answer_on_the_page
def test_an_answer_has_a_title_that_fits_a_button(topic: str, wording: dict[str, Any]) -> None:
    title = wording["metadata"]["title"]
    assert title == title.strip()
    assert 0 < len(title) <= LONGEST_TITLE


def test_no_two_answers_have_the_same_title() -> None:
    titles = Counter(wording["metadata"]["title"].casefold() for _topic, wording in ANSWERS if not is_sms(wording))
    assert [title for title, count in titles.items() if count > 1] == []


@each_answer_on_the_page
def test_a_topic_leads_on_to_two_others(topic: str, wording: dict[str, Any]) -> None:
    related = wording["metadata"].get("related", [])
    if topic.startswith(("crisis/", "beyond/")):
        assert "related" not in wording["metadata"]  # whom to call or ask, and nothing besides
    else:
        assert len(related) == len(set(related)) == 2
        assert set(related) <= set(TOPICS) - {topic}
        assert not [other for other in related if other.startswith(("crisis/", "beyond/"))]


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


# --------------------------------------------------------------------------- how an answer reads


def test_there_is_a_sample_of_every_fact() -> None:
    assert set(SAMPLE_PROFILE) == set(PROFILE)


@each_answer_on_the_page
def test_an_answer_is_neither_too_short_nor_too_long(topic: str, wording: dict[str, Any]) -> None:
    fewest, most = WORDS_OF_BEYOND if topic.startswith("beyond/") else WORDS_OF_A_TOPIC
    assert fewest <= len(said(wording, PROFILE).split()) <= most
    assert max(len(text.split()) for text in variants(wording)) <= MOST_WORDS


SENTENCE_END = re.compile(r"(?<!U\.S\.)(?<=[.!?])[\"”)]?\s+")
# A space or a mark before a mark, or inside a bracket: what an empty place leaves behind.
DANGLING = re.compile(r"\s[.,;:!?)]|\(\s|[,;:(]\s*[.,;:!?)]|[.!?]\s*[.,;:]|[!?][!?]")


@each_answer
def test_an_answer_is_in_whole_sentences_whatever_the_clinic_filled_in(topic: str, wording: dict[str, Any]) -> None:
    start = r"[\"“(¿]?[A-Z0-9]" if is_sms(wording) else r"[\"“(¿]?[A-Z]"
    for text in variants(wording):
        assert placeholders(text) == set(), text
        assert "  " not in text, text
        assert text == text.strip()
        assert not DANGLING.search(text), text
        sentences = SENTENCE_END.split(text)
        assert [sentence for sentence in sentences if not re.match(start, sentence)] == [], text
        assert re.search(r"[.!?][\"”)]?$", text), text
        assert len(set(sentences)) == len(sentences), text


@each_answer
def test_what_is_said_about_the_clinic_is_whole_sentences_too(topic: str, wording: dict[str, Any]) -> None:
    metadata = wording["metadata"]
    pieces = [piece for fact in metadata.get("facts", []) for piece in (fact["say"], fact.get("otherwise", ""))]
    around = wording["text"].split(CLINIC)
    for piece in filter(None, (piece.strip() for piece in (*pieces, metadata.get("if_unknown", ""), *around))):
        assert re.match(r"[\"“(¿]?[A-Z{0-9]", piece), piece
        assert re.search(r"[.!?][\"”)]?$", piece), piece


# Those in GSM-7's second table: sent as two characters (3GPP TS 23.038, 6.2.1.1).
EXTENDED = frozenset("^{}\\[~]|€")
SEGMENTS = {"crisis": 3, "beyond": 1}
SEGMENTS_OF_OTHERS = 2


def segments(text: str) -> int:
    """How many SMS a GSM-7 text is sent, and paid for, as.

    Source: Twilio, "What the Heck is a Segment?": one of up to 160 characters, or several of 153.
    """
    length = sum(2 if character in EXTENDED else 1 for character in text)
    return 1 if length <= 160 else -(-length // 153)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a" * 160, 1), ("a" * 161, 2), ("a" * 306, 2), ("a" * 307, 3), ("€" * 80, 1), ("€" * 80 + "a", 2)],
)
def test_segments_are_counted_as_the_carrier_does(text: str, expected: int) -> None:
    assert segments(text) == expected


@each_answer_by_sms
def test_an_answer_by_sms_is_short_and_plain_whatever_the_clinic_filled_in(topic: str, wording: dict[str, Any]) -> None:
    most = SEGMENTS.get(topic.split("/")[0], SEGMENTS_OF_OTHERS)
    for text in variants(wording):
        assert set(text) - GSM_7 == set(), text
        assert segments(text) <= most, f"{len(text)} characters: {text}"


def test_other_replies_by_sms_are_short_and_plain_too() -> None:
    texts = [
        (name, text)
        for name, wordings in DOMAIN["responses"].items()
        for wording in wordings
        if is_sms(wording)
        for text in variants(wording)
    ]
    assert [name for name, text in texts if set(text) - GSM_7 or segments(text) > SEGMENTS_OF_OTHERS] == []


def test_a_hard_text_is_recognised_and_a_plain_one_is_not() -> None:
    hard = "Administration necessitates continuous physiological monitoring, notwithstanding previous tolerability."
    assert reading_grade(hard) > HARDEST_GRADE
    assert reading_grade("Ketamine can make you sleepy, so the team stays with you.") < HARDEST_GRADE


@each_answer
def test_an_answer_can_be_read_by_most_people(topic: str, wording: dict[str, Any]) -> None:
    text = said(wording, PROFILE)
    assert reading_grade(text) <= HARDEST_GRADE, text


# --------------------------------------------------------------------------- crisis and emergency


def test_crisis_and_emergency_say_first_whom_to_call() -> None:
    crisis, emergency = (
        [wording["text"] for topic, wording in ANSWERS if topic == name]
        for name in ("crisis/suicidal_now", "crisis/medical_emergency")
    )
    assert all("988" in " ".join(text.split()[:15]) for text in crisis)
    assert all("911" in " ".join(text.split()[:5]) for text in emergency)
    for text in (*crisis, *emergency):
        assert CLINIC not in text
        assert "appointment" not in text


# --------------------------------------------------------------------------- topics and their examples


def test_every_agreed_topic_has_an_answer() -> None:
    assert len(AGREED_TOPICS) == len(set(AGREED_TOPICS))
    assert {topic for topic in TOPICS if not topic.startswith("beyond/")} == set(AGREED_TOPICS)


def test_every_topic_has_an_answer_and_every_answer_a_topic() -> None:
    asked = {entry["intent"] for content in EXAMPLE_FILES.values() for entry in content["nlu"]}
    assert {intent for intent in asked if "/" in intent} == set(TOPICS)
    assert {intent.split("/")[0] for intent in asked} == set(DOMAIN["intents"])


@each_example_file
def test_one_topic_a_file_named_like_it_with_its_border_and_enough_examples(path: Path) -> None:
    content = EXAMPLE_FILES[path]
    assert set(content) == {"version", "nlu"}
    *marked, plain = content["nlu"]  # reviews add to the last block, which says nothing of what is asked for
    assert set(plain) == {"intent", "examples"}
    assert all(set(entry) == {"intent", "metadata", "examples"} for entry in marked)
    asked_for = [entry["metadata"] for entry in marked]
    assert asked_for in ([{"asks_for": kind} for kind in kinds] for kinds in MARKS)
    name = path.relative_to(DATA / "nlu").with_suffix("").as_posix()
    assert {entry["intent"] for entry in content["nlu"]} == {name.removeprefix("talk/")}
    assert path.read_text(encoding="utf-8").startswith("# ")
    fewest = FEWEST_EXAMPLES_OF_TALK if name.startswith("talk/") else FEWEST_EXAMPLES
    assert len({normalised(text) for text in examples(content)}) >= fewest


def test_no_example_is_there_twice() -> None:
    texts = Counter(
        " ".join(text.casefold().split()) for content in EXAMPLE_FILES.values() for text in examples(content)
    )
    assert [text for text, count in texts.items() if count > 1] == []


def test_no_example_holds_what_looks_like_a_persons_data() -> None:
    telling = re.compile(r"\S@\S|\d{3}\W{0,2}\d{3}\W?\d{4}")
    nobodys = re.compile(r"\b[\w.]+@example\.com\b|\b\d{3}\W{0,2}555\W?01\d\d\b")
    texts = [text for content in EXAMPLE_FILES.values() for text in examples(content)]
    assert [text for text in texts if telling.search(nobodys.sub("", text))] == []


# --------------------------------------------------------------------------- wording held out for measuring

HELD_OUT = sorted((PROJECT / "tests" / "understanding").rglob("*.jsonl"))


def held_out() -> set[str]:
    """What is asked in the measurements, normalised: the questions, and what was said before a follow-up."""
    lines = [line for path in HELD_OUT for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    questions = [json.loads(line) for line in lines]
    texts = {normalised(text) for question in questions for text in (question["text"],)}
    return texts - {""}  # of marks alone


# Both tests below name places and not words: who mends an example should not have read the question.


def test_no_held_out_wording_is_learnt() -> None:
    kept_out = held_out()
    assert len(kept_out) >= 200
    learnt = [
        f"{path.relative_to(PROJECT)}:{number}"
        for path in EXAMPLE_FILES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if line.strip().startswith("- ") and normalised(line) in kept_out
    ]
    assert learnt == []


ANNOTATION = re.compile(r"\[([^\]]*)\]\{[^}]*\}")


def test_conversation_tests_use_words_of_their_own() -> None:
    taken = held_out() | {normalised(text) for content in EXAMPLE_FILES.values() for text in examples(content)}
    whole_sentences = [
        (f"{path.name}: {story['story']}", normalised(ANNOTATION.sub(r"\1", step["user"])))
        for path in (PROJECT / "tests" / "conversations").glob("test_*.yml")
        for story in load(path)["stories"]
        for step in story["steps"]
        if "user" in step and len(normalised(step["user"]).split()) > 2
    ]
    assert len({text for _place, text in whole_sentences}) >= 15
    assert [place for place, text in whole_sentences if text in taken] == []


# --------------------------------------------------------------------------- claims nobody may make


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
