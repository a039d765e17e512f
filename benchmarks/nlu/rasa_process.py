"""`python -m benchmarks.nlu.rasa_process JOB RESULT`: train one model or ask one, in a process of its own.

So that memory, time and threads are those of one pipeline and nothing else. JOB and RESULT are JSON files. Nothing but
RESULT gets a question's text, and RESULT only topics and figures: what libraries print may be kept and shown.
"""

import asyncio
import json
import logging
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

WARM_UP = 20  # messages; the first ones still fill caches and compile TensorFlow's functions
RANKING_KEPT = 10


def main() -> None:
    """Do the job."""
    job_file, result_file = (Path(argument) for argument in sys.argv[1:])
    job = json.loads(job_file.read_text(encoding="utf-8"))
    _quiet()
    result = {"train": train, "ask": ask}[job.pop("do")](**job)
    result["peak_mib"] = peak_memory()
    result_file.write_text(json.dumps(result), encoding="utf-8")


def train(config: str, data: str, out: str) -> dict[str, Any]:
    """Train from a file of Rasa's JSON format and return the model's path and how many seconds it took."""
    from rasa.model_training import train_nlu

    _check_round_trip(Path(data))
    began = time.perf_counter()
    model = train_nlu(config=config, nlu_data=data, output=out, fixed_model_name="model")
    seconds = time.perf_counter() - began
    if model is None:
        sys.exit("Rasa did not train anything.")
    return {"model": model, "seconds": seconds}


def ask(model: str, texts: Sequence[str], at_least: int) -> dict[str, Any]:
    """Ask a model each text; time at least so many single messages.

    Returns: seconds to load, milliseconds of each message, and for each text `{"topic", "ranking"}`, the ranking as
        pairs of name and confidence, best first.
    """
    from rasa.core.agent import Agent

    began = time.perf_counter()
    agent = Agent.load(model)
    load_seconds = time.perf_counter() - began
    answers, milliseconds = asyncio.run(_ask_all(agent, texts, at_least))
    return {"load_seconds": load_seconds, "milliseconds": milliseconds, "answers": answers}


async def _ask_all(agent: Any, texts: Sequence[str], at_least: int) -> tuple[list[dict[str, Any]], list[float]]:
    for text in texts[:WARM_UP]:
        await _parse(agent, text)
    answers, milliseconds = [], []
    # With few texts, some are asked again: for the time only.
    for number in range(max(len(texts), at_least) if texts else 0):
        began = time.perf_counter()
        parsed = await _parse(agent, texts[number % len(texts)])
        milliseconds.append(1000 * (time.perf_counter() - began))
        if number < len(texts):
            answers.append(understood(parsed))
    return answers, milliseconds


async def _parse(agent: Any, text: str) -> dict[str, Any]:
    try:
        parsed: dict[str, Any] = await agent.parse_message(text)
    except Exception as error:
        # The error itself may quote the question, and questions can be held out.
        sys.exit(f"A question could not be parsed: {type(error).__name__}.")
    return parsed


def understood(parsed: dict[str, Any]) -> dict[str, Any]:
    """Return what a Rasa user sees of the topic: its full name if it is one answer of a group."""
    intent = parsed["intent"]
    full_name = intent.get("full_retrieval_intent_name") or intent.get("name")
    ranking = [
        # Another component than ours may rank groups; then the first group stands for its selected answer.
        (full_name if entry["name"] == intent.get("name") else entry["name"], entry["confidence"])
        for entry in parsed.get("intent_ranking", [])[:RANKING_KEPT]
    ]
    return {"topic": full_name, "ranking": ranking or [(full_name, intent.get("confidence") or 0.0)]}


def peak_memory() -> float:
    """Return the most memory this process has had resident so far, MiB.

    Not `getrusage`: what that says starts, on Linux, at the size of the process that started this one.
    """
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    return int(found[1]) / 1024 if found else float("nan")


def _check_round_trip(data: Path) -> None:
    """Stop unless Rasa reads the examples as they were written: each text, each intent."""
    from rasa.shared.nlu.training_data.loading import load_data

    written = json.loads(data.read_text(encoding="utf-8"))["rasa_nlu_data"]["common_examples"]
    read = load_data(str(data)).intent_examples
    if {(one["text"], one["intent"]) for one in written} != {(one.get("text"), one.get_full_intent()) for one in read}:
        sys.exit("Rasa reads the training examples differently from how they were written.")


def _quiet() -> None:
    """Log warnings only: below that Rasa logs every text, which also takes time that is not understanding."""
    from rasa.utils.common import configure_logging_and_warnings
    from rasa.utils.log_utils import configure_structlog

    configure_logging_and_warnings(logging.WARNING)
    configure_structlog(logging.WARNING)


if __name__ == "__main__":
    main()
