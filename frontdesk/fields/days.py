"""Reading the one day a text names: plain forms only.

A date library guesses where people are vague. What is excluded ("any day but Monday"), left open ("after Tuesday",
"the first week of December") or contradicts itself ("Monday, December 1" in a year when that is a Tuesday) is no day.
"""

import re
from datetime import date, timedelta

from frontdesk.fields.reading import any_of

# A day without a year that was this recently is taken for a slip, not for a day next year.
RECENT = timedelta(days=90)

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

WEEKDAY_NAME = (
    r"(?:monday|mon|tuesday|tues|tue|wednesday|weds|wed|thursday|thurs|thur|thu|friday|fri|saturday|sat|sunday|sun)"
)
MONTH_NAME = (
    r"(?:january|jan|february|feb|march|mar|april|apr|may|june|jun|july|jul|august|aug|"
    r"september|sept|sep|october|oct|november|nov|december|dec)"
)
_DAY = r"(?P<day>\d{1,2})"
_TH = r"(?:st|nd|rd|th)"
_YEAR = r"(?:,?\s+(?P<year>\d{4}))?"
# What makes a number an hour: "Dec 1, 2pm" is one day.
_HOUR = r"(?::|\s*[ap]\.?m\b)"
_TO = r"(?:-|–|to|through|thru|or|and|,|&)"


def _form(*parts: str) -> re.Pattern[str]:
    return re.compile("".join(parts), re.IGNORECASE)


_EXPLICIT = (
    _form(r"\b(?P<year>\d{4})-(?P<month>\d{1,2})-", _DAY, r"\b"),
    _form(r"\b(?P<month>\d{1,2})/", _DAY, r"(?:/(?P<year>\d{4}|\d{2}))?\b"),
    _form(r"\b(?P<month>\d{1,2})(?P<by>[.-])", _DAY, r"(?P=by)(?P<year>\d{4})\b"),
    _form(rf"\b(?P<month>{MONTH_NAME})\.?\s+(?:the\s+)?", _DAY, rf"{_TH}?\b(?!{_HOUR})", _YEAR),
    _form(r"\b", _DAY, rf"{_TH}?\s+(?:of\s+)?(?P<month>{MONTH_NAME})\b\.?", _YEAR),
)
_DAY_OF_MONTH = _form(
    r"\bthe\s+", _DAY, rf"{_TH}\b(?!\s+(?:of|available|appointment|opening|slot|thing|one|week|time|visit|half)\b)"
)
_WEEKDAY = _form(rf"\b(?:(?P<which>next|this|coming)\s+)?(?P<name>{WEEKDAY_NAME})(?P<several>s)?\b")
_SEVERAL_PARTS = _form(rf"\b{WEEKDAY_NAME}\s+(?:mornings|afternoons|evenings|nights)\b")
_MONTH = any_of(MONTH_NAME)
# "May" and "march" are verbs too, unless something makes months of them.
_MONTHS_ALSO_VERBS = frozenset({"may", "mar", "march"})
_SURELY_A_MONTH = _form(r"\b(?:in|of|this|next|by|late|early|mid)[\s-](?:may|march)\b|^(?:may|march)\W*$")

_DAY_AFTER_TOMORROW = any_of(r"(?:the )?day after tomorrow")
_OVERMORROW = "overmorrow"  # the same in one word, which holds no "after"
_TOMORROW = any_of("tomorrow", "tmrw", "tmr", "tomorow", "tommorow", "tommorrow")
_TODAY = any_of("today", "tonight", "this (?:morning|afternoon|evening)")
_NEXT_WEEK = any_of("next week")
_ALWAYS = any_of(r"24\s*/\s*7")

EXCLUDES = any_of(
    r"not|no|but|except|never|cannot|besides|other than|avoid|\w+n['’]t|cant|wont|dont|doesnt|isnt",
    r"busy|away|unavailable|out of town|bad|worst|(?:i|he|she|we|they) works?",
)
PAST = any_of(
    r"yesterday|ago|last (?:week|month|year)(?! (?:of|in)\b)|last night",
    rf"last {WEEKDAY_NAME}|(?:this|the) past {WEEKDAY_NAME}",
)
_ONE_DAY = rf"(?:{WEEKDAY_NAME}|{MONTH_NAME}\b(?!\s+(?:be|work))|\d{{1,2}}/\d{{1,2}}|\d{{1,2}}{_TH}|today|tomorrow)\b"
# One day is named, and another one, or a stretch of days, is meant.
_LEAVES_OPEN = (
    any_of(
        r"(?:after|before|until|till|by|from|since|past|around|(?<!what )(?<!how )about)\s+"
        rf"(?:(?:the|next|this|coming)\s+)*{_ONE_DAY}"
    ),
    any_of("every|each|onwards?|starting|beginning|after next", "or (?:so|later|earlier|after|any|the day)"),
    any_of(r"any(?!\s*time)", "(?<!next )(?<!this )weeks?", "months?|years?"),
    any_of(rf"(?:first|second|third|fourth|last)\s+(?:{WEEKDAY_NAME}|day|half|part)"),
    any_of(rf"(?<!\d )(?<!st )(?<!nd )(?<!rd )(?<!th )(?:early|mid|late|end|middle|of|in|during)[\s-]+"
           rf"(?:the\s+)?{MONTH_NAME}\b(?!\s+\d)"),
    _form(rf"\b{MONTH_NAME}\.?\s+\d{{1,2}}{_TH}?\s*{_TO}\s*\d{{1,2}}{_TH}?\b(?!{_HOUR})"),
    _form(rf"\b\d{{1,2}}/\d{{1,2}}\s*{_TO}\s*\d{{1,2}}\b(?!/|{_HOUR})"),
)  # fmt: skip


def read_date(text: str, today: date) -> date | None:
    """Return the one day a text names, or None; raise ValueError for one that does not exist or was lately."""
    text = _ALWAYS.sub("any time", text)
    explicit = _explicit(text, today)
    text = _DAY_AFTER_TOMORROW.sub(_OVERMORROW, text)
    if EXCLUDES.search(text) or any(pattern.search(text) for pattern in _LEAVES_OPEN):
        return None
    weekdays = list(_WEEKDAY.finditer(text))
    if any(match["several"] for match in weekdays) or _SEVERAL_PARTS.search(text):
        return None  # "Tuesdays" is no one day, nor is "Tuesday mornings"
    if explicit:
        if len(explicit) > 1:
            return None
        (day,) = explicit
        return day if all(day.weekday() == _weekday(match) for match in weekdays) else None
    if weekdays and names_a_month(text):
        return None  # "a Tuesday in December"
    named = _relative(text, today)
    return named.pop() if len(named) == 1 else None


def explicit_places(text: str) -> list[tuple[int, int]]:
    """Return where a text names days by their number, "December 1" or "12/1", by characters."""
    places: list[tuple[int, int]] = []
    for pattern in (*_EXPLICIT, _DAY_OF_MONTH):
        for match in pattern.finditer(text):
            if not any(match.start() < end and start < match.end() for start, end in places):
                places.append(match.span())
    return sorted(places)


def names_a_weekday(text: str) -> bool:
    """Tell whether a text names a day of the week, or several."""
    return _WEEKDAY.search(text) is not None


def names_a_month(text: str) -> bool:
    """Tell whether a text names a month."""
    named = {match.group().lower() for match in _MONTH.finditer(text)}
    return bool(named - _MONTHS_ALSO_VERBS) or _SURELY_A_MONTH.search(text) is not None


def _explicit(text: str, today: date) -> set[date]:
    days = set()
    for pattern in _EXPLICIT:
        for match in pattern.finditer(text):
            name: str = match["month"]
            month = int(name) if name.isdigit() else 1 + _MONTHS.index(name.lower()[:3])
            days.add(_day(match["year"], month, int(match["day"]), today))
    return days or {_day_of_month(int(match["day"]), today) for match in _DAY_OF_MONTH.finditer(text)}


def _day(year: str | None, month: int, day: int, today: date) -> date:
    if year is None:
        return _coming(month, day, today)
    return date(int(year) + (2000 if len(year) == 2 else 0), month, day)


def _coming(month: int, day: int, today: date) -> date:
    """Return the next such day, this year or next; raise ValueError when there is none or it was lately."""
    for year in (today.year, today.year + 1):
        try:
            candidate = date(year, month, day)
        except ValueError:
            continue  # 29 February is not in every year
        if candidate >= today:
            return candidate
        if today - candidate <= RECENT:
            break
    raise ValueError("no such day is near")


def _day_of_month(day: int, today: date) -> date:
    """Return the next day with that number; raise ValueError when there is none."""
    for ahead in range(3):
        years, month = divmod(today.month - 1 + ahead, 12)
        try:
            candidate = date(today.year + years, month + 1, day)
        except ValueError:
            continue  # not every month has 31 days
        if candidate >= today:
            return candidate
    raise ValueError("no month has such a day")


def _relative(text: str, today: date) -> set[date]:
    days = set()
    if _OVERMORROW in text:
        days.add(today + timedelta(days=2))
    if _TOMORROW.search(text):
        days.add(today + timedelta(days=1))
    if _TODAY.search(text):
        days.add(today)
    # In the US a week begins on Sunday: "next Tuesday" is the Tuesday of the week after this one.
    next_sunday = today + timedelta(days=7 - (today.weekday() + 1) % 7)
    for match in _WEEKDAY.finditer(text):
        weekday = _weekday(match)
        if (match["which"] or "").lower() == "next" or _NEXT_WEEK.search(text):
            days.add(next_sunday + timedelta(days=(weekday + 1) % 7))
        else:
            days.add(today + timedelta(days=(weekday - today.weekday()) % 7 or 7))
    return days


def _weekday(match: re.Match[str]) -> int:
    return _WEEKDAYS.index(match["name"].lower()[:3])
