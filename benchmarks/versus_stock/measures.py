"""What is measured of both while they run, in turns: one is idle while the other is asked."""

import itertools
import os
import platform
import statistics
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.conversation.length import QUESTIONS
from benchmarks.versus_stock import filling
from benchmarks.versus_stock.assistants import Assistant, NoAnswer, Ours, Stock, Talk
from benchmarks.versus_stock.projects import PROJECT, BenchmarkFailed, Say
from frontdesk.cli.evaluation.asking import Band, Candidate
from frontdesk.cli.evaluation.asking import Reply as Understood
from frontdesk.cli.evaluation.questions import Question, is_topic, read_questions
from frontdesk.cli.evaluation.results import Mark, Result, Score

HELD_OUT, OUT_OF_SCOPE = (
    PROJECT / "tests" / "understanding" / f"{name}.jsonl" for name in ("questions", "out_of_scope")
)
AT_ONCE = 50  # questions to one, before the other has its turn
# After asking for an appointment: name, phone, email, new or existing, reason, time, consent, "shall I send it?".
ANSWERS = (
    "{name}",
    "{phone}",
    "maria@example.com",
    "I'm a new patient",
    "depression that pills did not help",
    "mornings",
    "yes",
    "yes",
)
FIRST_NAMES = ("Maria", "James", "Linda", "Robert", "Susan", "David", "Karen", "Peter", "Laura", "Daniel")
LAST_NAMES = ("Rivera", "Chen", "Novak", "Okafor", "Schmidt", "Rossi", "Haddad", "Larsen", "Kowalski", "Moreau")
SETTLING_SECONDS = 5.0
BEFORE_EARLY = 5  # turns; the eleven that are timed are those about the tenth
STORED_ROUNDS = 3

Figures = dict[str, Any]
Both = Mapping[str, Assistant]


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    seconds: float  # of a block
    rounds: int
    visitors: int
    pairs: int
    late_turn: int
    stored: Sequence[int]
    questions: int | None


@dataclass
class Block:
    """One kind of visitor, so many at once, for a while."""

    messages: list[float] = field(default_factory=list)  # milliseconds
    requests: list[float] = field(default_factory=list)  # milliseconds of a whole one
    in_time: int = 0  # messages answered before the block was over
    seconds: float = 0.0
    processor_seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))  # by process
    all_messages: int = 0  # the ones after the end too
    broken: Counter[str] = field(default_factory=Counter)

    def __iadd__(self, other: "Block") -> "Block":
        """Add another block of the same kind."""
        self.messages += other.messages
        self.requests += other.requests
        self.in_time += other.in_time
        self.seconds += other.seconds
        for name, seconds in other.processor_seconds.items():
            self.processor_seconds[name] += seconds
        self.all_messages += other.all_messages
        self.broken += other.broken
        return self

    def figures(self, name: str) -> Figures:
        """Return what is reported; raise BenchmarkFailed when nothing was answered."""
        if not self.all_messages:
            raise BenchmarkFailed(f"{name}: not one answer. {dict(self.broken)}")
        processor_ms = {name: 1000 * taken / self.all_messages for name, taken in self.processor_seconds.items()}
        found = {
            "messages": self.all_messages,
            "per_second": self.in_time / self.seconds,
            "turn_ms": spread(self.messages),
            "processor_ms": sum(processor_ms.values()),
            "processor_ms_by_process": processor_ms,
            "broken": self.broken.total(),
            "broken_by": dict(self.broken),
        }
        return found | ({"request_ms": spread(self.requests)} if self.requests else {})


def spread(milliseconds: Sequence[float]) -> Figures:
    """Return median, 95th percentile and how many there are."""
    if not milliseconds:
        return {"p50": None, "p95": None, "count": 0}
    ordered = sorted(milliseconds)
    return {
        "p50": statistics.median(ordered),
        "p95": ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))],
        "count": len(ordered),
    }


# --------------------------------------------------------------------------- visitors

Visit = Callable[[Assistant, int, Callable[[], None], Callable[[float], None]], None]


def ask(assistant: Assistant, number: int, heard: Callable[[], None], _: Callable[[float], None]) -> None:
    """Ask every question of the list, in one conversation, another one first each time; `heard` after each answer."""
    talk = assistant.talk()
    try:
        for place in range(len(QUESTIONS)):
            talk.say(QUESTIONS[(number + place) % len(QUESTIONS)])
            heard()
    finally:
        talk.close()


def request(assistant: Assistant, number: int, heard: Callable[[], None], done: Callable[[float], None]) -> None:
    """Make a whole appointment request, for one person of ten thousand."""
    others, last = divmod(number, 100)
    name = f"{FIRST_NAMES[others % 10]} {LAST_NAMES[others // 10 % 10]}"
    talk = assistant.talk()
    try:
        began = time.perf_counter()
        reply = talk.begin_request()
        heard()
        for answer in ANSWERS:
            reply = talk.say(answer.format(name=name, phone=f"516-555-0{100 + last}"))
            heard()
        if not reply.is_saved:
            raise NoAnswer("the request was not confirmed")
        done(1000 * (time.perf_counter() - began))
    finally:
        talk.close()


_visits = itertools.count()  # of all blocks, so that each request is another person's


class _Stop(Exception):
    """The block is over."""


def block(assistant: Assistant, visit: Visit, visitors: int, seconds: float) -> Block:
    """Have visitors come one after the other, so many at once. A request that was begun is finished and counted."""
    result, guard = Block(seconds=seconds), threading.Lock()
    ends = time.perf_counter() + seconds
    began_processor = assistant.processor_seconds()

    def stay() -> None:
        while time.perf_counter() < ends:
            with guard:
                number = next(_visits)
            latest = time.perf_counter()

            def heard() -> None:
                nonlocal latest
                now = time.perf_counter()
                with guard:
                    result.messages.append(1000 * (now - latest))
                    result.in_time += now <= ends
                    result.all_messages += 1
                latest = now
                if visit is ask and now > ends:
                    raise _Stop

            def done(milliseconds: float) -> None:
                with guard:
                    result.requests.append(milliseconds)

            try:
                visit(assistant, number, heard, done)
            except _Stop:
                return
            except NoAnswer as error:
                with guard:
                    result.broken[str(error)] += 1
                time.sleep(0.05)  # what refuses at once shall not be asked a thousand times

    with ThreadPoolExecutor(visitors) as pool:
        for future in [pool.submit(stay) for _ in range(visitors)]:
            future.result()
    for name, taken in assistant.processor_seconds().items():
        result.processor_seconds[name] = taken - began_processor.get(name, 0.0)
    return result


def warm_up(assistant: Assistant) -> None:
    """Have it fill its caches: every question twice, and two requests."""
    for number in range(2):
        for visit in (ask, request):
            try:
                visit(assistant, number, lambda: None, lambda _: None)
            except NoAnswer as error:
                raise BenchmarkFailed(f"{assistant.name}, warming up: {error}; see {assistant.log}") from error


def in_turns(both: Both, round_number: int) -> Iterator[Assistant]:
    """Yield both, each first every other time."""
    order = list(both.values())
    yield from order if round_number % 2 else reversed(order)


# --------------------------------------------------------------------------- the parts


def speed(both: Both, scale: Scale, say: Say) -> Figures:
    """Turns and whole requests, with one visitor and with several at once."""
    kinds: dict[str, tuple[Visit, int]] = {
        f"{kind}, {visitors} at once": (visit, visitors)
        for visitors in (1, scale.visitors)
        for kind, visit in (("questions", ask), ("requests", request))
    }
    blocks = {name: {kind: Block() for kind in kinds} for name in both}
    for number in range(scale.rounds):
        for kind, (visit, visitors) in kinds.items():
            for assistant in in_turns(both, number):
                blocks[assistant.name][kind] += block(assistant, visit, visitors, scale.seconds)
        say(f"speed: round {number + 1} of {scale.rounds}")
    return {name: {kind: one.figures(name) for kind, one in found.items()} for name, found in blocks.items()}


def memory(assistant: Assistant, scale: Scale) -> Figures:
    """What it takes when it has answered a few, and after visitors at once; nothing else may run."""
    warm_up(assistant)
    time.sleep(SETTLING_SECONDS)
    idle = sum(assistant.memory_mib().values())
    for visit in (ask, request):
        block(assistant, visit, scale.visitors, scale.seconds)
    time.sleep(SETTLING_SECONDS)
    loaded = assistant.memory_mib()
    return {"idle_mib": idle, "loaded_mib": sum(loaded.values()), "loaded_mib_by_process": loaded}


def length(both: Both, scale: Scale, say: Say) -> Figures:
    """Eleven turns about the tenth of one conversation, and eleven up to the late turn of another, in turns."""
    before_late = scale.late_turn - len(QUESTIONS)
    found: dict[str, dict[str, list[float]]] = {name: {"early": [], "late": []} for name in both}
    for number in range(scale.pairs):
        talks = {name: {"early": one.talk(), "late": one.talk()} for name, one in both.items()}
        for name, pair in talks.items():
            for turns, talk in ((before_late, pair["late"]), (BEFORE_EARLY, pair["early"])):
                for turn in range(turns):
                    _timed(talk, QUESTIONS[turn % len(QUESTIONS)], name)
        for place, text in enumerate(QUESTIONS):
            for assistant in in_turns(both, place // 2):
                for which in ("early", "late") if place % 2 else ("late", "early"):
                    found[assistant.name][which].append(_timed(talks[assistant.name][which], text, assistant.name))
        for pair in talks.values():
            for talk in pair.values():
                talk.close()
        say(f"length: pair {number + 1} of {scale.pairs}")
    return {
        name: {which: spread(milliseconds) for which, milliseconds in of.items()} | {"late_turn": scale.late_turn}
        for name, of in found.items()
    }


def stored(both: Both, scale: Scale, say: Say) -> Figures:
    """Questions with so many conversations in the database, and with many more."""
    ours, stock = both["ours"], both["stock"]
    assert isinstance(ours, Ours) and isinstance(stock, Stock)
    fill: dict[str, Callable[[int], int]] = {
        "ours": filling.OurFilling(ours).fill,
        "stock": filling.StockFilling(stock).fill,
    }
    found: dict[str, dict[str, Figures]] = {name: {} for name in both}
    for count in scale.stored:
        for name, fill_one in fill.items():
            began = time.monotonic()
            there = fill_one(count)
            say(f"stored: {name} has {there:,} conversations, {time.monotonic() - began:.0f} s")
        blocks = {name: Block() for name in both}
        for assistant in both.values():
            warm_up(assistant)
        for number in range(STORED_ROUNDS):
            for assistant in in_turns(both, number):
                blocks[assistant.name] += block(assistant, ask, 1, scale.seconds)
        for name, one in blocks.items():
            found[name][str(count)] = one.figures(name)["turn_ms"]
    return found


def understanding(both: Both, scale: Scale, say: Say) -> Figures:
    """Ask every held-out question in a conversation of its own. No question's text is kept."""
    found: dict[str, Figures] = {name: {} for name in both}
    for file in (HELD_OUT, OUT_OF_SCOPE):
        questions = read_questions(file)[: scale.questions]
        marks: dict[str, list[Mark]] = {name: [] for name in both}
        for start in range(0, len(questions), AT_ONCE):
            for assistant in in_turns(both, start // AT_ONCE):
                for question in questions[start : start + AT_ONCE]:
                    marks[assistant.name] += _asked(assistant, question)
            say(f"understanding: {file.stem}, {min(start + AT_ONCE, len(questions))} of {len(questions)}")
        for name, of in marks.items():
            score = Score.of(of)
            found[name][file.stem] = {"total": score.total, "right": score.right, "wrong": score.wrong}
    return found


def _asked(assistant: Assistant, question: Question) -> Sequence[Mark]:
    talk = assistant.talk()
    try:
        for text in question.after:
            talk.say(text)
        topics = talk.say(question.text).topics
    except NoAnswer:
        topics = ()  # nothing was answered: a visitor who gets no reply is declined
    finally:
        talk.close()
    answered = tuple(topic for topic in topics if is_topic(topic))
    return Result.of(question, Understood(Candidate("", 0.0), answered, Band.LOW, ())).marks


def _timed(talk: Talk, text: str, name: str) -> float:
    began = time.perf_counter()
    try:
        talk.say(text)
    except NoAnswer as error:
        raise BenchmarkFailed(f"{name} gave no answer: {error}") from error
    return 1000 * (time.perf_counter() - began)


def machine() -> Figures:
    """Return what figures depend on."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpus": len(os.sched_getaffinity(0)),
        "cpu": models[0] if models else platform.machine(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "python": platform.python_version(),
    }
