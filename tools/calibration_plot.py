"""Draw a calibration plot, for `./ketalink evaluate --plot`. Runs in Rasa's environment, which has matplotlib.

.venv/rasa/bin/python tools/calibration_plot.py FILE.svg < calibration.json

In: `{"model": "…", "calibration_error": 0.04, "bins": [{"low", "high", "count", "confidence", "right"}, …]}`.
"""

import json
import sys

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

INK, GRAY = "#1f4e79", "#9aa5b1"


def draw(content: dict, file: str) -> None:
    """Draw the share that was right over confidence, and below it how many guesses there are of each confidence."""
    bins = content["bins"]
    # The same numbers make the same file, so that one under version control changes only with them.
    matplotlib.rcParams.update({"svg.hashsalt": "ketalink", "font.size": 10})
    figure, (upper, lower) = plt.subplots(2, 1, figsize=(5, 6), sharex=True, height_ratios=(4, 1), layout="constrained")
    upper.plot([0, 1], [0, 1], linestyle="--", color=GRAY, label="as sure as right")
    upper.plot(
        [one["confidence"] for one in bins], [one["right"] for one in bins], marker="o", color=INK, label="the model"
    )
    upper.set(ylabel="share right", xlim=(0, 1), ylim=(0, 1.02))
    upper.set_title(f"{content['model']}: expected calibration error {content['calibration_error']:.3f}")
    upper.legend(loc="upper left", frameon=False)
    lower.bar(
        [one["low"] for one in bins],
        [one["count"] for one in bins],
        width=[one["high"] - one["low"] for one in bins],
        align="edge",
        color=INK,
        edgecolor="white",
    )
    lower.set(xlabel="confidence", ylabel="questions")
    figure.savefig(file, format="svg", metadata={"Date": None})


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: calibration_plot.py FILE.svg < calibration.json")
    draw(json.load(sys.stdin), sys.argv[1])
