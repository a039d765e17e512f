"""The console's insight: what is asked, what gets no answer, and how long requests wait; each chart also as CSV."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from fastapi import APIRouter, Request, Response

from frontdesk.console.charts import Bar, columns, rows
from frontdesk.console.conversations import ANSWERS
from frontdesk.console.guard import ConsoleDep, ConsoleRoute, not_found
from frontdesk.console.permissions import ReviewerDep
from frontdesk.console.rendering import CHANNELS, render
from frontdesk.console.state import Console
from frontdesk.processes import PROJECT
from frontdesk.review.counting import Counts, Range, count
from frontdesk.review.topics import topics

PAGE = "/staff/insight"
USUAL_DAYS, MOST_DAYS = 30, 731
TOPICS_DRAWN = 15
PRESETS = (("7 days", 7), ("30 days", 30), ("90 days", 90), ("A year", 365))
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

router = APIRouter(route_class=ConsoleRoute, include_in_schema=False)

_Row = Sequence[Any]
# Each chart's columns and rows. None holds a patient's words.
_TABLES: dict[str, tuple[_Row, Callable[[Counts], Iterable[_Row]]]] = {
    "questions": (
        ("day", "questions", "answered", "share answered"),
        lambda counts: (
            (day.isoformat(), asked, right, _share(right, asked)) for day, asked, right in counts.questions
        ),
    ),
    "topics": (("topic", "questions"), lambda counts: counts.topics),
    "unanswered": (
        ("nearest topic", "messages"),
        lambda counts: ((group.near or "none", group.count) for group in counts.unanswered),
    ),
    "channels": (("channel", "requests"), lambda counts: counts.channels),
    "hours": (("hour", "requests"), lambda counts: counts.hours),
    "first-contact": (("time to first contact", "requests"), lambda counts: counts.waits),
}


@router.get(PAGE)
def show_insight(request: Request, console: ConsoleDep, _staff: ReviewerDep) -> Response:
    """Show what happened from one day to another; without days, in the last thirty. Errors: 404 for what is no day."""
    days, counts = _counted(request, console)
    today = days.day_of(console.now())
    return render(
        request,
        "insight.html",
        days=days,
        counts=counts,
        share=_percent(counts.answered, counts.asked),
        charts=_charts(counts),
        tables={name: (heading, list(of(counts))) for name, (heading, of) in _TABLES.items()},
        presets=[(name, today - timedelta(days=back - 1), today) for name, back in PRESETS],
        title_of=lambda topic: ANSWERS.title(topic) or topic,
        channels=CHANNELS,
    )


@router.get(f"{PAGE}/{{name}}.csv")
def download(request: Request, console: ConsoleDep, _staff: ReviewerDep, name: str) -> Response:
    """Return the numbers of a chart as CSV. Errors: 404."""
    if name not in _TABLES:
        raise not_found()
    days, counts = _counted(request, console)
    heading, of = _TABLES[name]
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(heading)
    writer.writerows([_safe(cell) for cell in row] for row in of(counts))
    file = f"{name}-{days.first}-{days.last}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{file}"'}
    return Response(written.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


def _counted(request: Request, console: Console) -> tuple[Range, Counts]:
    days = _range(request.query_params, console.now().astimezone(console.zone).date(), console)
    with console.database.session() as session:
        return days, count(session, days, topics(PROJECT, ANSWERS))


def _range(asked: Mapping[str, str], today: date, console: Console) -> Range:
    try:
        last = date.fromisoformat(asked["to"]) if asked.get("to") else today
        first = date.fromisoformat(asked["from"]) if asked.get("from") else last - timedelta(days=USUAL_DAYS - 1)
        first, last = min(first, last), max(first, last)
        if (last - first).days >= MOST_DAYS:
            first = last - timedelta(days=MOST_DAYS - 1)
        return Range(first, last, console.zone)
    except (ValueError, OverflowError) as error:
        raise not_found() from error


def _charts(counts: Counts) -> dict[str, Any]:
    days = [Bar(f"{day:%b} {day.day}", asked, right) for day, asked, right in counts.questions]
    named = [Bar(ANSWERS.title(topic) or topic, number) for topic, number in counts.topics[:TOPICS_DRAWN]]
    through = [Bar(CHANNELS.get(name, name), number) for name, number in counts.channels]
    hours = [Bar(_hour(hour), number) for hour, number in counts.hours]
    near = [Bar(ANSWERS.title(group.near) or group.near or "No topic", group.count) for group in counts.unanswered]
    waits = [Bar(name.capitalize(), number) for name, number in counts.waits]
    return {
        "questions": columns("Questions a day, and how many of them were answered", days),
        "topics": rows("Topics, the most asked first", named),
        "unanswered": rows("Messages without an answer, by the topic they are nearest to", near[:TOPICS_DRAWN]),
        "channels": rows("Requests by channel", through),
        "hours": columns("Requests by the hour of the day", hours),
        "first-contact": rows("Requests by how long they waited for a first contact", waits),
    }


def _hour(hour: int) -> str:
    return f"{hour % 12 or 12} {'AM' if hour < 12 else 'PM'}"


def _share(part: int, of: int) -> str:
    return f"{part / of:.3f}" if of else ""


def _percent(part: int, of: int) -> str:
    return f"{100 * part / of:.0f} %" if of else "–"


def _safe(cell: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
