"""Charts as SVG within the page: drawn on the server, without a script or a style of their own."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 200, 36, 22, 12
ROW, LABEL = 26, 220
MOST_LABELS = 8


@dataclass(frozen=True)
class Bar:
    """One bar: what it is of, its height, and how much of that is drawn in the second color."""

    label: str
    value: int
    part: int = 0


def columns(title: str, bars: Sequence[Bar]) -> Markup:
    """Return upright bars, for days or hours. Whoever does not see it reads the table beside it."""
    most = max((bar.value for bar in bars), default=0) or 1
    step = (WIDTH - LEFT) / max(len(bars), 1)
    height = HEIGHT - BOTTOM - TOP
    every = -(-len(bars) // MOST_LABELS)
    parts = [
        _open(title, HEIGHT),
        _text(LEFT - 6, TOP + 4, str(most), "end"),
        _text(LEFT - 6, HEIGHT - BOTTOM, "0", "end"),
    ]
    parts.append(f'<line class="axis" x1="{LEFT}" y1="{HEIGHT - BOTTOM}" x2="{WIDTH}" y2="{HEIGHT - BOTTOM}"/>')
    for number, bar in enumerate(bars):
        x, wide = LEFT + number * step, max(step * 0.8, 1)
        for value, kind in ((bar.value, "bar"), (bar.part, "part")):
            tall = height * value / most
            if value:
                parts.append(_rect(x + step * 0.1, HEIGHT - BOTTOM - tall, wide, tall, kind))
        if number % every == 0:
            parts.append(_text(x + step / 2, HEIGHT - 6, bar.label, "middle"))
    return Markup("".join([*parts, "</svg>"]))  # noqa: S704 # what is not ours is escaped in _text


def rows(title: str, bars: Sequence[Bar]) -> Markup:
    """Return lying bars with their names, for topics."""
    most = max((bar.value for bar in bars), default=0) or 1
    parts = [_open(title, len(bars) * ROW)]
    for number, bar in enumerate(bars):
        y = number * ROW
        wide = (WIDTH - LABEL - 48) * bar.value / most
        parts.append(_text(LABEL - 8, y + 17, bar.label, "end"))
        if bar.value:
            parts.append(_rect(LABEL, y + 4, max(wide, 1), ROW - 8, "bar"))
        parts.append(_text(LABEL + wide + 6, y + 17, str(bar.value), "start"))
    return Markup("".join([*parts, "</svg>"]))  # noqa: S704 # what is not ours is escaped in _text


def _open(title: str, height: int) -> str:
    return f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">'


def _rect(x: float, y: float, wide: float, tall: float, kind: str) -> str:
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{tall:.1f}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
