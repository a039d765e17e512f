"""Right, wrong and declined as stacked bars: what a reader sees first of a comparison."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure  # and not pyplot, which would look for a screen

from benchmarks.nlu.report import TRIAL_WARNING
from benchmarks.nlu.results import CLEAN, NOISY, Pair, Result, pairs

# Okabe and Ito (2008): told apart with any color vision. The hatching also survives a black and white printer.
_PARTS = (
    ("right", "right", "#0072B2", "white", ""),
    ("declined", "declined", "#D9D9D9", "black", ""),
    ("wrong", "another topic answered", "#E69F00", "black", "////"),
)
_NARROWEST_LABELLED = 3.5  # percent; a narrower part has no room for its figure
_BAR_INCHES = 0.36
_TITLE_INCHES = 0.75
_WIDTH_INCHES = 7.5


def draw(results: Sequence[Result], path: Path) -> None:
    """Write an SVG with a panel for each data set: questions in scope, clean and noisy, each pipeline."""
    panels = [(pair, _bars(pair)) for pair in pairs(results)]
    heights = [_BAR_INCHES * len(bars) + _TITLE_INCHES for _, bars in panels]
    # The same results give the same file; text stays text, which screen readers and search can read.
    with rc_context({"svg.hashsalt": "benchmarks.nlu", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(_WIDTH_INCHES, sum(heights) + 0.5), layout="constrained")
        axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)
        for ax, (pair, bars) in zip(axes[:, 0], panels, strict=True):
            _panel(ax, pair, bars)
        trial = [TRIAL_WARNING.strip("*")] if any(result.trial for result in results) else []
        figure.supxlabel("\n".join(["% of the questions in scope", *trial]), fontsize=9)
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=len(_PARTS), frameon=False)
        figure.savefig(path, format="svg", metadata={"Date": None})


def _bars(pair: Pair) -> list[tuple[str, Result, str]]:
    """Return label, result and noise of each bar, from the top."""
    return [
        (f"{result.pipeline}, {noise}", result, noise)
        for noise in (CLEAN, NOISY)
        for result in (pair.stock, pair.ours)
        if result
    ]


def _panel(ax: Axes, pair: Pair, bars: Sequence[tuple[str, Result, str]]) -> None:
    places = range(len(bars))
    left = [0.0] * len(bars)
    for name, label, color, ink, hatch in _PARTS:
        shares = [result.share(noise, name) for _, result, noise in bars]
        widths = [100 * share.share if share else 0.0 for share in shares]
        ax.barh(places, widths, left=left, color=color, label=label, hatch=hatch, edgecolor="white", linewidth=0.8)
        for place, start, width in zip(places, left, widths, strict=True):
            if width >= _NARROWEST_LABELLED:
                box = {"facecolor": color, "edgecolor": "none", "pad": 0.8} if hatch else None
                ax.text(start + width / 2, place, f"{width:.0f}", ha="center", va="center", color=ink, bbox=box)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    ax.set_yticks(places, [label for label, _, _ in bars])
    ax.invert_yaxis()
    ax.set_xlim(0, 100)
    ax.set_title(pair.any.data_set, loc="left", fontsize=10)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
