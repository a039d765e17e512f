"""The words for days and hours in a text, in order, and in short English what they surely come to together.

Each expression becomes one letter, so that what people mean by several of them is a small regular expression over
letters: "D-D" is a weekday, a "to" and a weekday. What fits no form is not understood, and stays words.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise

from spacy.tokens import Doc, Token

from frontdesk.fields.days import EXCLUDES, explicit_places
from frontdesk.fields.phrases import NUMBER, Phrases, read_tokens, several, token_places

_DAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_DAYS = (
    *("monday|mon", "tuesday|tues|tue", "wednesday|weds|wed", "thursday|thurs|thur|thu", "friday|fri"),
    *("saturday|sat", "sunday|sun"),
)
_PLURALS = ("mondays", "tuesdays", "wednesdays", "thursdays", "fridays", "saturdays", "sundays")
_MONTH = (
    "january|jan|february|feb|march|april|apr|may|june|july|august|aug|september|sept|"
    "october|oct|november|nov|december|dec"
)

# A letter of the forms below, a dot, and a value where the letter has several.
_EXPRESSIONS = {
    **{
        f"D.{number}": [names, f"next|this|coming {names}", f"this coming {names}", f"the {names} after next"]
        for number, names in enumerate(_DAYS)
    },
    **{f"S.{number}": [name, f"every|any {_DAYS[number]}"] for number, name in enumerate(_PLURALS)},
    "T": [
        *("today", "tonight", "tomorrow", "tomorrow night", "this morning|afternoon|evening"),
        "the? day after tomorrow",
    ],
    "P.morning": ["morning", "a . m .", "a . m", "before lunch|noon|work", "early in the day", "early|late morning"],
    "P.afternoon": ["afternoon", "aft|aftn", "after lunch", "midday", "late|early afternoon"],
    "P.evening": ["evening", "night|nights", "after work|school", "late|early evening"],
    "K": [
        *("# am|pm|oclock", "# a|p . m .", "# a|p . m", "# a|p", "noon"),
        "# in the morning|afternoon|evening",
    ],
    "N": ["#"],
    "G": [
        "good|lovely|nice|great morning|afternoon|evening|night|weekend",
        "last night",
        "day and night",
        "how|what about",
    ],
    "-": ["to|through|thru|until|till|til", "-", "–", "—"],
    "&": ["and|or|n", "/", "&", "and / or", ", and|or"],
    ",": [","],
    "b": ["between|btw|btwn|from"],
    "a": ["after|past", "later than", "no|not earlier than", "any time after", "anytime after", "starting at"],
    "f": ["before|by", "earlier than", "no|not later than"],
    "r": ["at|around|about", "@"],
    "x": [
        *("but|except|not|no|besides|excluding|avoid|never", "except for", "but not|no", "other than"),
        *("anything but", "any time but", "anytime but", "just|only? not", "and|or not", ", not|but|except|no"),
        *(", but not|no", "not on", "but not on|in", "i? cant|cannot do|make|come", "i? dont want"),
    ],
    "X": [
        *("doesnt|dont|wont work", "does|do|will not work", "is|are bad|out|impossible", "is|are no good"),
        *("is|are not good|possible", "isnt|arent good|possible"),
    ],
    "y": ["any|every day", "anyday|everyday", "all week", "any of the days"],
    "z": ["any time", "anytime", "whenever", "no preference", "any time of day", "any hour"],
    "q": [
        *(
            "asap",
            "as soon as possible",
            "as soon as you can",
            "soon as possible",
            "as early as possible",
            "right away",
        ),
        *("soonest", "the earliest", "earliest possible|available?", "urgently", "the sooner the better"),
        *("first|next available", "the? first|next available|open? opening|slot|appointment"),
    ],
    "W": ["weekend|weekends", "the|a weekend", "on|over? weekends"],
    "w": ["weekdays|weekday", "any weekday", "during the week", "work|working days"],
    "k": ["next week"],
    "M": [
        *("next|this month|year", "this week", "later this week|month", "the week after next", "the week of"),
        *("the? end|beginning|middle|start of the month", "next few|couple weeks|days"),
        *("in # week|weeks|day|days|month|months", "in a|two|three|four|few|couple week|weeks|month|months"),
        *("in a couple|few of? weeks|days", "in spring|summer|fall|winter"),
        *("after christmas|thanksgiving|easter", "after the holidays|holiday", "after new years"),
        *(f"in|next|this|early|late|mid {_MONTH}", f"the? end|beginning|middle|start of {_MONTH}"),
    ],
}
_GLUE = several(
    "on in the at for during of only please maybe ideally preferably any is are best better good great fine works",
    "work ok okay early late a time times day days either or half pretty much really also would be then",
)
_LONGEST_GLUE = 3
# What makes an expression of time, besides joints and bare numbers.
_CORE = frozenset("DSTEPKWwkyzqM")
# Short forms that are words too: "I sat", "may", "sun".
_ALSO_WORDS = several("sat sun wed mon may march jan april june august")
_BEFORE_VERBS = several("i we you he she they it who that and just the")


@dataclass(frozen=True)
class Item:
    """One expression: its letter, its value if the letter has several, and the tokens it is made of."""

    letter: str
    value: str
    start: int
    end: int


_CLOCK = re.compile(r"(?P<hour>\d{1,2})(?::(?P<minutes>[0-5]\d))?\s*(?:(?P<half>[ap])(?:\b|m\b))?")
_NO_LATER = re.compile(r"\bnot? (?:later|earlier) than\b", re.IGNORECASE)  # excludes nothing
_HALF_OF = {"morning": "am", "afternoon": "pm", "evening": "pm"}

_PHRASES = Phrases(_EXPRESSIONS)


def time_items(said: str, doc: Doc) -> list[Item]:
    """Return the expressions of time in a text, and the joints between them, in order."""
    places = token_places(said)
    dates = [Item("E", "", *_tokens_between(places, start, end)) for start, end in explicit_places(said)]
    dated = frozenset(index for item in dates for index in range(item.start, item.end))
    items = list(dates)
    for phrase in _PHRASES.longest(doc, dated):
        letter, _, value = phrase.label.partition(".")
        if letter != "G" and not _is_another_word(doc, phrase.start, phrase.end):
            items.append(Item(letter, value, phrase.start, phrase.end))
    items.sort(key=lambda item: item.start)
    return _with_hours(items, doc)


def time_runs(said: str, doc: Doc) -> list[tuple[int, int]]:
    """Return where expressions of time that belong together stand, by tokens: from the first to the last of them."""
    runs: list[list[Item]] = []
    for item in time_items(said, doc):
        if runs and _joined(doc, runs[-1][-1].end, item.start):
            runs[-1].append(item)
        else:
            runs.append([item])
    found = []
    for run in runs:
        # A joint at either end joins nothing; "not" and "after" in front belong to it, as "doesn't work" does behind.
        while run and run[-1].letter not in _CORE | {"X"}:
            run.pop()
        while run and run[0].letter in "-&,NX":
            run.pop(0)
        if any(item.letter in _CORE for item in run):
            found.append((run[0].start, run[-1].end))
    return found


def understood(said: str, today: date, day: date | None) -> str:
    """Return in short English what a text about times surely means, or an empty string.

    Args:
        said: a tidy text that a preferred time was read from.
        today: the date in the clinic's time zone.
        day: the one day that was read from it, if there is one.
    """
    doc = read_tokens(said)
    items = time_items(said, doc)
    core = [item for item in items if item.letter in _CORE | {"X", "x"}]
    # "I'm busy Tuesday" excludes in words that are no form.
    if not core or (EXCLUDES.search(_NO_LATER.sub("", said)) and not any(item.letter in "xX" for item in items)):
        return _day(day)
    items = [item for item in items if core[0].start <= item.start or item.letter in "abfrx"]
    while items and items[-1].letter in "-&,xbafrN":
        items.pop()
    if not all(_joined(doc, one.end, other.start) for one, other in pairwise(items)):
        return _day(day) if day else ""
    return _phrase(items, today, day) or _day(day)


_DAY_FORMS: tuple[tuple[str, str], ...] = (
    # name, form; the first that fits counts
    # "Not Tuesday, Wednesday" may mean either; "any day but Tuesday, Wednesday" does not.
    ("excluded", r"yx[DS](?:[&,x]+[DS])*|x[DS](?:,x?[DS])*(?:&x?[DS]|x[DS])+|x[DS]|(?:[DS][&,]+)*[DS]X"),
    ("weekends_out", r"y?xW|WX"),
    ("range", r"b?D-D|bD&D"),
    ("several", r"D(?:[&,]+D)+"),
    ("every", r"S(?:[&,]+S)*"),
    ("any_day", r"y"),
    ("weekends", r"W"),
    ("weekdays", r"w"),
    ("next_week", r"k"),
)
_TIME_FORMS: tuple[tuple[str, str], ...] = (
    ("not_parts", r"z?xP(?:[&,]+x?P)*|(?:P[&,]+)*PX"),
    ("between", r"b?K(?:-|&)K"),
    ("after", r"[ab]K"),
    ("before", r"[f-]K"),
    ("at", r"r?K"),
    ("parts", r"P(?:[&,]+P)*"),
    ("any_time", r"z"),
)


def _phrase(items: list[Item], today: date, day: date | None) -> str:
    soon = [index for index, item in enumerate(items) if item.letter == "q"]
    if not soon:
        return _day_and_time(items, today, day)
    if len(soon) > 1 or day is not None:
        return ""
    before, after = items[: soon[0]], items[soon[0] + 1 :]
    if before and after:
        return ""
    # "As soon as possible, mornings": the joint is of no matter.
    rest = before or after
    while rest and rest[0].letter in "&,":
        rest.pop(0)
    while rest and rest[-1].letter in "&,":
        rest.pop()
    said = _day_and_time(rest, today, day) if rest else ""
    if rest and not said:
        return ""
    return f"as soon as possible, {said}" if said else "as soon as possible"


def _day_and_time(items: list[Item], today: date, day: date | None) -> str:
    letters = "".join(item.letter for item in items)
    if day is not None:
        forms: tuple[tuple[str, str], ...] = (("date", r"[DTE](?:[,r]*[DTE])*"),)
    else:
        forms = _DAY_FORMS
    day_form = "|".join(f"(?P<{name}>{form})" for name, form in forms)
    time_form = "|".join(f"(?P<{name}>{form})" for name, form in _TIME_FORMS)
    fits = re.fullmatch(rf"(?:{day_form}),?(?:{time_form})?", letters) or re.fullmatch(
        rf"(?:{time_form})(?:,?(?:{day_form}))?", letters
    )
    if fits is None:
        return ""
    parts = []
    for name, group in fits.groupdict().items():
        if group is not None:
            chosen = items[slice(*fits.span(name))]
            parts.append((name in _TIME_NAMES, _day(day) if name == "date" else _SAYINGS[name](chosen, today)))
    # The day comes first, whatever came first in the text.
    return ", ".join(said for _is_time, said in sorted(parts, key=lambda part: part[0]))


_SAYINGS: dict[str, Callable[[list[Item], date], str]] = {
    "excluded": lambda items, today: f"any day but {_days(items)}",
    "weekends_out": lambda items, today: "not on weekends",
    "range": lambda items, today: " to ".join(_DAY_NAMES[int(item.value)] for item in items if item.letter == "D"),
    "several": lambda items, today: _days(items),
    "every": lambda items, today: f"any {_days(items)}",
    "any_day": lambda items, today: "any day",
    "weekends": lambda items, today: "weekends",
    "weekdays": lambda items, today: "weekdays",
    "next_week": lambda items, today: f"the week of {_day(_monday_of_next_week(today))}",
    "not_parts": lambda items, today: f"not in the {_parts(items)}",
    "between": lambda items, today: _between(*_hours(items)),
    "after": lambda items, today: f"after {_hours(items)[0]}",
    "before": lambda items, today: f"before {_hours(items)[0]}",
    "at": lambda items, today: f"{'around' if items[0].value == 'around' else 'at'} {_hours(items)[0]}",
    "parts": lambda items, today: f"in the {_parts(items)}",
    "any_time": lambda items, today: "any time",
}
_TIME_NAMES = frozenset(name for name, _form in _TIME_FORMS)


def _days(items: list[Item]) -> str:
    return _listed([_DAY_NAMES[int(item.value)] for item in items if item.letter in "DS"])


def _parts(items: list[Item]) -> str:
    return _listed([item.value for item in items if item.letter == "P"])


def _listed(names: list[str]) -> str:
    names = list(dict.fromkeys(names))
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]


def _day(day: date | None) -> str:
    return f"{day:%A}, {day:%B} {day.day}, {day.year}" if day else ""


def _monday_of_next_week(today: date) -> date:
    # A week begins on Sunday here, as `read_date` has it for "next Tuesday".
    return today + timedelta(days=8 - (today.weekday() + 1) % 7)


# --------------------------------------------------------------------------- hours

_OPENS, _CLOSES = 8, 7
"""Of an hour without am or pm, 8 to 11 are taken for the morning, 12 and 1 to 6 for the afternoon; 7 is left open."""


def _with_hours(items: list[Item], doc: Doc) -> list[Item]:
    """Give each hour its value, "2:30pm", or "2:30" when no half of the day is said; make hours of bare numbers."""
    timed: list[Item] = []
    for index, item in enumerate(items):
        if item.letter == "r":
            about = doc[item.start].norm_ in ("around", "about", "like")
            timed.append(replace(item, value="around" if about else "at"))
        elif item.letter == "K" or (item.letter == "N" and _is_an_hour(items, index, timed)):
            clock = _clock(" ".join(_digits(token) for token in doc[item.start : item.end]))
            timed.append(replace(item, letter="K" if clock else "N", value=clock))
        else:
            timed.append(item)
    return timed


def _digits(token: Token) -> str:
    return str(token.text if token.norm_ == NUMBER else token.norm_)


def _is_an_hour(items: list[Item], index: int, before: list[Item]) -> bool:
    """Tell whether a bare number is an hour: after "at", "before" and the like, or one of two in "2 to 4"."""
    if before and before[-1].letter in "abfr":
        return True
    if len(before) > 1 and before[-1].letter in "-&" and before[-2].letter == "K":
        return True
    following = "".join(item.letter for item in items[index + 1 : index + 3])
    return following in ("-K", "-N")


def _clock(said: str) -> str:
    if said == "noon":
        return "12:00pm"
    match = _CLOCK.match(said)
    if match is None or not 1 <= int(match["hour"]) <= 12:
        return ""
    half = f"{match['half']}m" if match["half"] else _HALF_OF.get(said.split()[-1], "")
    return f"{int(match['hour'])}:{match['minutes'] or '00'}{half}"


def _hours(items: list[Item]) -> list[str]:
    """Return the hours as they are read: "between 2 and 4 pm" says pm of both, "11 to 2 pm" of the second alone."""
    values = [item.value for item in items if item.letter == "K"]
    if len(values) == 2 and values[1].endswith("m") and not values[0].endswith("m"):
        first, second = (int(value.partition(":")[0]) % 12 for value in values)
        half = values[1][-2:] if first <= second else ""
        values[0] = values[0] + half
    return [_read_back(value) for value in values]


def _between(first: str, second: str) -> str:
    if first[-3:] == second[-3:] in (" am", " pm"):
        first = first[:-3]
    return f"between {first} and {second}"


def _read_back(value: str) -> str:
    clock, half = (value[:-2], value[-2:]) if value.endswith("m") else (value, "")
    hour = int(clock.partition(":")[0])
    if not half and hour != _CLOSES:
        half = "am" if _OPENS <= hour <= 11 else "pm"
    return "noon" if (clock, half) == ("12:00", "pm") else f"{clock.removesuffix(':00')} {half}".strip()


# --------------------------------------------------------------------------- what belongs together


def _joined(doc: Doc, start: int, end: int) -> bool:
    """Tell whether between two expressions stand only words that join them."""
    between = doc[start:end]
    return len(between) <= _LONGEST_GLUE and all(token.norm_ in _GLUE for token in between)


def _is_another_word(doc: Doc, start: int, end: int) -> bool:
    """Tell whether a short name of a day or month is a verb or a noun: "I sat", "we may"."""
    if end - start != 1 or doc[start].norm_ not in _ALSO_WORDS:
        return False
    return start > 0 and doc[start - 1].norm_ in _BEFORE_VERBS and not doc[start].text[0].isupper()


def _tokens_between(places: list[tuple[int, int]], start: int, end: int) -> tuple[int, int]:
    inside = [index for index, (first, last) in enumerate(places) if first < end and start < last]
    return inside[0], inside[-1] + 1
