"""What is wrong with a wording before anybody reviews it: by the rules that every answer in `data/answers/` keeps."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from frontdesk.content.answers import CLINIC, Wording
from frontdesk.content.claims import forbidden_claims
from frontdesk.content.reading import HARDEST_GRADE, GradeUnknown, reading_grade
from frontdesk.sms.segments import GSM, GSM_7, encoding, segments

# Of the answer on the page, with the facts that are known now.
WORDS_OF_A_TOPIC, WORDS_OF_BEYOND = (45, 90), (15, 45)
SEGMENTS = {"crisis": 3, "beyond": 1}
SEGMENTS_OF_OTHERS = 2
_CRISIS = {"crisis/suicidal_now": ("988", 15), "crisis/medical_emergency": ("911", 5)}


@dataclass(frozen=True)
class Linted:
    """A wording as a patient would read it, its measures, and what has to be mended before it can be proposed."""

    said: str
    words: int
    grade: float | None  # None: it cannot be measured here
    segments: int
    problems: tuple[str, ...]


def lint(wording: Wording, text: str, facts: Mapping[str, str]) -> Linted:
    """Look at other words for a wording, with the clinic's facts as they are."""
    text = " ".join(text.split())
    said = Wording(wording.topic, wording.channel, text, wording.metadata, wording.file).said(facts)
    try:
        grade: float | None = round(reading_grade(said), 1)
    except GradeUnknown:
        grade = None
    count = segments(said)
    problems = tuple(_problems(wording, text, said, grade, count))
    return Linted(said, len(said.split()), grade, count, problems)


def _problems(wording: Wording, text: str, said: str, grade: float | None, count: int) -> Iterator[str]:
    if not text:
        yield "It is empty."
        return
    if text == wording.text:
        yield "These are the words that are there now."
    for sentence in forbidden_claims(said):
        yield f"Nobody may claim this: “{sentence}”"
    if (CLINIC in wording.text) != (CLINIC in text):
        yield (
            "The place of the clinic's facts, {clinic}, has to stay in it."
            if CLINIC in wording.text
            else "{clinic} has no facts to fill in here."
        )
    left = text.replace(CLINIC, "")
    if "{" in left or "}" in left:
        yield "Curly braces stand for facts: there is none but {clinic}."
    if not said.endswith((".", "!", "?", ".”", '."', ".)")):
        yield "The last sentence has no end."
    if grade is not None and grade > HARDEST_GRADE:
        yield f"It reads at grade {grade}; {HARDEST_GRADE:g} is the most. Shorter sentences and plainer words help."
    number, first = _CRISIS.get(wording.topic, ("", 0))
    if number and number not in " ".join(said.split()[:first]):
        yield f"{number} has to be among the first {first} words."
    group = wording.topic.partition("/")[0]
    if wording.channel == "sms":
        yield from _sms_problems(said, count, SEGMENTS.get(group, SEGMENTS_OF_OTHERS))
    else:
        fewest, most = WORDS_OF_BEYOND if group == "beyond" else WORDS_OF_A_TOPIC
        if not fewest <= len(said.split()) <= most:
            yield f"It has {len(said.split())} words; an answer on the page has {fewest} to {most}."


def _sms_problems(said: str, count: int, most: int) -> Iterator[str]:
    if encoding(said) is not GSM:
        strange = " ".join(sorted(set(said) - GSM_7))
        yield f"These characters make a text message dearer: {strange}"
    if count > most:
        yield f"It is sent as {count} text messages; {most} is the most here."
