"""When a visit would suit: the person's words, and of these only what they surely mean.

A date library guesses where these phrases are vague, so a day is read from plain forms only, and whatever
is excluded ("any day but Monday") or left open stays in the words alone. The person confirms it later.
"""

import re
from datetime import date, timedelta

from actions.fields.reading import (
    Accepted,
    NotAnAnswer,
    Reading,
    Refused,
    is_skip,
    looks_like_question,
)

LONGEST = 300
NO_PREFERENCE = "no preference"

_WEEKDAYS = (
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
)
_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_WEEKDAY = re.compile(
    r"\b(?:(?P<which>next|this|coming)\s+)?(?P<day>mon|tue|tues|wed|weds|thu|thur|thurs|fri|sat|sun)"
    r"(?:day|sday|nesday|rsday|urday)?s?\b",
    re.IGNORECASE,
)
_MONTH_DAY = re.compile(
    r"\b(?P<month>jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec)[a-z]*\.?\s+(?P<day>\d{1,2})(?:st|nd|rd|th)?\b",
    re.IGNORECASE,
)
_NUMERIC = re.compile(
    r"\b(?P<month>\d{1,2})/(?P<day>\d{1,2})(?:/(?P<year>\d{4}|\d{2}))?\b"
)
_ISO = re.compile(r"\b(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})\b")
_EXCLUDES = re.compile(
    r"\b(not|no|but|except|never|can'?t|cannot|won'?t|besides|other than|avoid)\b",
    re.IGNORECASE,
)
_PAST = re.compile(
    r"\b(yesterday|last (week|month|year|" + "|".join(_WEEKDAYS) + r")|ago)\b",
    re.IGNORECASE,
)
_PARTS = (
    (
        "morning",
        re.compile(
            r"\b(mornings?|a\.?m\.?|before noon|early in the day|before lunch)\b",
            re.IGNORECASE,
        ),
    ),
    (
        "afternoon",
        re.compile(r"\b(afternoons?|after lunch|after noon|midday)\b", re.IGNORECASE),
    ),
    (
        "evening",
        re.compile(r"\b(evenings?|after work|tonight|nights?)\b", re.IGNORECASE),
    ),
)
_OPEN = re.compile(
    r"\b(any ?time|whenever|any day|flexible|no preference|asap|as soon as possible|soon|earliest|weekend|weekday|"
    r"week|month|today|tomorrow|noon|lunch|o'?clock|\d{1,2}(:\d{2})?\s*(am|pm)?)s?\b",
    re.IGNORECASE,
)


def read_preferred_time(text: str, today: date) -> Reading:
    """Return `{"text", "date", "part_of_day"}`; `date` is an ISO date or None.

    Args:
        text: what the person wrote.
        today: the date in the clinic's time zone.
    """
    said = " ".join(text.split())
    if is_skip(said):
        return Accepted({"text": NO_PREFERENCE, "date": None, "part_of_day": None})
    if looks_like_question(said):
        return NotAnAnswer("utter_invalid_preferred_time")
    if len(said) > LONGEST or _PAST.search(said):
        return Refused("utter_invalid_preferred_time")
    try:
        day = read_date(said, today)
    except ValueError:
        return Refused("utter_invalid_preferred_time")
    if day is not None and day < today:
        return Refused("utter_invalid_preferred_time")
    part = read_part_of_day(said)
    if (
        day is None
        and part is None
        and not (_OPEN.search(said) or _WEEKDAY.search(said) or _mentions_part(said))
    ):
        return NotAnAnswer("utter_invalid_preferred_time")
    return Accepted(
        {"text": said, "date": day.isoformat() if day else None, "part_of_day": part}
    )


def read_part_of_day(text: str) -> str | None:
    """Return the one part of the day a text names, or None when it names none, several or an exclusion."""
    if _EXCLUDES.search(text):
        return None
    named = [part for part, pattern in _PARTS if pattern.search(text)]
    return named[0] if len(named) == 1 else None


def read_date(text: str, today: date) -> date | None:
    """Return the one day a text names, or None; raise ValueError for a day that does not exist."""
    if _EXCLUDES.search(text):
        return None
    named = {day for day in (*_explicit(text, today), *_relative(text, today))}
    return named.pop() if len(named) == 1 else None


def _explicit(text: str, today: date) -> list[date]:
    days = []
    for match in _ISO.finditer(text):
        days.append(date(int(match["year"]), int(match["month"]), int(match["day"])))
    for match in _NUMERIC.finditer(text):
        month, day = int(match["month"]), int(match["day"])
        if match["year"]:
            year = int(match["year"])
            days.append(date(year + 2000 if year < 100 else year, month, day))
        else:
            days.append(_coming(month, day, today))
    for match in _MONTH_DAY.finditer(text):
        abbreviation = match["month"].lower()[:3]
        month = next(
            number
            for number, name in enumerate(_MONTHS, 1)
            if name.startswith(abbreviation)
        )
        days.append(_coming(month, int(match["day"]), today))
    return days


def _coming(month: int, day: int, today: date) -> date:
    """Return the next such day: this year's, or next year's once that is past."""
    # 2024 is a leap year: tells 30 February, which never exists, from 29 February, which may.
    date(2024, month, day)
    this_year = date(today.year, month, day)
    return this_year if this_year >= today else date(today.year + 1, month, day)


def _relative(text: str, today: date) -> list[date]:
    days = []
    lowered = text.lower()
    if re.search(r"\bday after tomorrow\b", lowered):
        days.append(today + timedelta(days=2))
    elif re.search(r"\b(tomorrow|tmrw|tmr|tomorow|tommorow)\b", lowered):
        days.append(today + timedelta(days=1))
    if re.search(r"\b(today|tonight)\b", lowered):
        days.append(today)
    for match in _WEEKDAY.finditer(text):
        if match.group().lower().endswith("s") and match["day"].lower() not in (
            "tues",
            "weds",
            "thurs",
        ):
            return []  # "Tuesdays" is no one day
        weekday = next(
            index
            for index, name in enumerate(_WEEKDAYS)
            if name.startswith(match["day"].lower()[:3])
        )
        ahead = (weekday - today.weekday()) % 7
        if (match["which"] or "").lower() == "next":
            # In the US a week begins on Sunday: "next Tuesday" is the Tuesday of the week after this one.
            sunday = today - timedelta(days=(today.weekday() + 1) % 7)
            days.append(sunday + timedelta(days=7 + (weekday + 1) % 7))
        else:
            days.append(today + timedelta(days=ahead or 7))
    return days


def _mentions_part(text: str) -> bool:
    return any(pattern.search(text) for _part, pattern in _PARTS)
