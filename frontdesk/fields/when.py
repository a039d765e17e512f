"""When a visit would suit: the person's words, and of these only what they surely mean. It may be left open."""

import re
from datetime import date

from frontdesk.fields.days import (
    EXCLUDES,
    MONTH_NAME,
    PAST,
    WEEKDAY_NAME,
    names_a_month,
    names_a_weekday,
    read_date,
)
from frontdesk.fields.reading import (
    Accepted,
    NotAnAnswer,
    Reading,
    Refused,
    any_of,
    is_skip,
    looks_like_question,
    straight,
    tidy,
)
from frontdesk.fields.times import understood

LONGEST = 300
NO_PREFERENCE = "no preference"
MOST_WORDS_OF_A_QUESTION = 12

# "Tuesday a.m.", but not "I am free on Tuesday".
_AM = (
    r"a\.m|(?<!\bi )am(?!\s+(?:free|available|off|open|around|able|usually|normally|only|home|in|good|ok|"
    r"flexible|hoping|looking|at|on)\b)"
)
_PARTS = {
    "morning": any_of("mornings?|before noon|early in the day|before lunch", _AM),
    "afternoon": any_of("afternoons?|aftn?|after lunch|after noon|midday"),
    "evening": any_of("evenings?|after work|tonight|nights?"),
}
_CLOCK = re.compile(r"\b(?P<hour>1[0-2]|0?[1-9])(?::[0-5]\d)?\s*(?P<half>[ap])\.?m\b", re.IGNORECASE)
# "After 3pm" may be the evening as well.
_OPEN_CLOCK = re.compile(
    r"\b(?:after|from|past|until|till|between|before|by|later|earlier|to|around)\b|\d\s*(?:[ap]\.?m\.?)?\s*[-–]\s*\d",
    re.IGNORECASE,
)
_VAGUE = (
    any_of(
        "any ?time|any ?day|whenever|whatever|flexible|no preference|(?:wide|am|[’']m|is) open",
        "asap|as soon as possible|soon|sooner|soonest|earliest|now|immediately|right away|later|early|late",
        "(?:first|1st|next) (?:available|opening|thing)",
        "weekends?|weekdays?|weeks?|months?|today|tomorrow|day ?time|all day|noon|lunch(?:time)?|pm|o'?clock",
        "(?:doesn['’]?t|does not|don['’]?t) (?:matter|mind|care)|(?:not|un) ?sure|don['’]?t know|idk",
        "spring|summer|fall|autumn|winter|christmas|thanksgiving|holidays?|new year",
        r"\d{1,2}(?::\d{2})?\s*(?:am|pm)?",
    ),
    re.compile(r"^any\W*$", re.IGNORECASE),
)
_INSTEAD = re.compile(r"[\s,]*\b(?:instead of|rather than)\b[^,;.]*", re.IGNORECASE)
_TAKEN_BACK = re.compile(
    r".*\b(?:no,? wait|wait,? no|wait|oops|i meant?|actually|scratch that|sorry|make (?:it|that))\b[\s,:]*",
    re.IGNORECASE,
)
# "Pretty flexible, but afternoons suit me best": what comes after the "but" is what is meant.
_LIKED = (
    r"best|better|ideal|ideally|preferred|preferably|suits?|works? (?:well|best|better|for me)|"
    r"(?:is|are) (?:good|great|easier|easiest|fine)"
)
_BUT_RATHER = re.compile(
    r"^.*\b(?:but|so)\s+(?=i\s+(?:would\s+|do\s+|[’']?d\s+)?(?:prefer|like)\b|"
    rf".*\b(?:{_LIKED})\b)(?!.*n['’]?t\b)(?!.*\bnot\b)",
    re.IGNORECASE,
)
_NOT_THIS_BUT_THAT = re.compile(
    rf"\bnot {WEEKDAY_NAME}\s*[,;]?\s*(?:but )?(?P<that>{WEEKDAY_NAME})\b|"
    rf"\b(?P<this>{WEEKDAY_NAME})\s*,?\s*not {WEEKDAY_NAME}\b",
    re.IGNORECASE,
)
_A_TIME = (
    r"(?:(?:on|the|next|this|a|early|late|in|at|around|after|before)\s+)*"
    rf"(?:{WEEKDAY_NAME}s?|{MONTH_NAME}|\d{{1,2}}\w*|tomorrow|today|mornings?|afternoons?|evenings?|noon|any ?time|"
    r"weekends?|weekdays?|weeks?|months?)\b"
)
_ADDED = "actually|wait|sorry|ok|okay|so|hi|hello|hey|and|or|then|also|please"
_FREE = (
    r"(?:anything|something|any|an?|the|openings?|slots?|spots?|appointments?|times?|"
    r"availability|available|free|left|open|for)"
)
# "Can I come Tuesday?" names a day as "Tuesday" does; "are you open Tuesday?" asks something.
_ASKS_FOR_A_TIME = tuple(
    re.compile(rf"^\W*(?:(?:{_ADDED})\W+)*{beginning}", re.IGNORECASE)
    for beginning in (
        rf"{_A_TIME}(?:\s+\S+){{0,4}}\W*$",
        rf"(?:how|what) about {_A_TIME}",
        r"(?:can|could|may|would|will) (?:you|u|i|we) (?:please )?(?:make|get|book|schedule|set up|have|give|put) "
        rf"(?:(?:me|us|down|in|an?|my|it|appointment|appt|visit|consultation|slot|spot|for) ){{0,5}}{_A_TIME}",
        rf"(?:do (?:you|u) have|(?:is|are) there|have you got)(?: {_FREE}){{1,4}} {_A_TIME}",
        rf"any(?: {_FREE}){{1,3}} {_A_TIME}",
        rf"(?:can|could|would|will) (?:you|u|i|we) (?:please )?(?:make|change|switch|move) (?:it|that|this)(?: to)? "
        rf"{_A_TIME}",
        r"(?:can|could|may) (?:i|we) (?:come|be seen|visit|stop by|make it)\b",
        rf"(?:can|could|would) (?:you|u|i|we) (?:do|see me|fit me|take me|have|get)(?: in)? {_A_TIME}",
        rf"(?:is|are|would|will|does|do|could) {_A_TIME}.{{0,30}}"
        r"\b(?:ok|okay|work|good|fine|possible|alright|available|free)\b",
    )
)


def read_preferred_time(text: str, today: date) -> Reading:
    """Return `{"text", "date", "part_of_day", "understood"}`; `date` is an ISO date or None.

    `text` is what the person wrote; `understood` says in short English what it surely means, for the read-back, and is
    empty when nothing beyond the words does.

    Args:
        text: what the person wrote.
        today: the date in the clinic's time zone.
    """
    said = tidy(text)
    meant = _mended(said)
    if is_skip(said):
        return Accepted({"text": NO_PREFERENCE, "date": None, "part_of_day": None, "understood": ""})
    asked = looks_like_question(said)
    if asked and not asks_for_a_time(said):
        return NotAnAnswer("utter_invalid_preferred_time")
    if len(said) > LONGEST:
        return Refused("utter_invalid_preferred_time")
    if PAST.search(meant):
        return Refused("utter_invalid_preferred_time")
    try:
        day = read_date(meant, today)
    except ValueError:
        return Refused("utter_invalid_preferred_time")
    if day is not None and day < today:
        return Refused("utter_invalid_preferred_time")
    part = read_part_of_day(meant)
    if day is None and part is None and not _names_a_time(meant) and (asked or not _is_vague(meant)):
        return NotAnAnswer("utter_invalid_preferred_time")
    return Accepted(
        {
            "text": said,
            "date": day.isoformat() if day else None,
            "part_of_day": part,
            "understood": understood(straight(meant), today, day),
        },
        said,
    )


def _mended(said: str) -> str:
    """Return what is left when somebody takes a time back: "Wednesday" of "Wednesday instead of Tuesday"."""
    meant = _INSTEAD.sub("", said).strip() or said
    match = _TAKEN_BACK.search(meant)
    if match is not None and _names_a_time(meant[match.end() :]):
        meant = meant[match.end() :]
    rather = _BUT_RATHER.sub("", meant)
    if rather != meant and _names_a_time(rather):
        meant = rather
    return _NOT_THIS_BUT_THAT.sub(lambda match: match["that"] or match["this"], meant)


def read_part_of_day(text: str) -> str | None:
    """Return the one part of the day a text names, or None when it names none, several or an exclusion."""
    if EXCLUDES.search(text):
        return None
    named = {part for part, pattern in _PARTS.items() if pattern.search(text)}
    if not named and not _OPEN_CLOCK.search(text):
        named = {_part_of(match) for match in _CLOCK.finditer(text)}
    return named.pop() if len(named) == 1 else None


def _part_of(match: re.Match[str]) -> str:
    if match["half"].lower() == "a":
        return "morning"
    return "afternoon" if int(match["hour"]) % 12 < 5 else "evening"


def asks_for_a_time(said: str) -> bool:
    """Tell whether a question asks for a time of one's own: "can I come Tuesday?", but not "are you open Tuesday?"."""
    return len(said.split()) <= MOST_WORDS_OF_A_QUESTION and any(form.match(said) for form in _ASKS_FOR_A_TIME)


def _names_a_time(said: str) -> bool:
    return names_a_weekday(said) or any(pattern.search(said) for pattern in _PARTS.values())


def _is_vague(said: str) -> bool:
    return any(pattern.search(said) for pattern in _VAGUE) or names_a_month(said)
