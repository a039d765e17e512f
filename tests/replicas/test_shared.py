"""What two front desks keep together in Redis: limits, and whose turn it is."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from frontdesk.limits import Counters, MessageLimit, TooManyRequests
from frontdesk.turns import LEASE_SECONDS, SharedTurns, Turns
from tests.replicas.cluster import redis_server

NO_REDIS = "redis://127.0.0.1:1/0"


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis of its own."""
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


def passes(limit: MessageLimit, sender: str) -> bool:
    try:
        limit.count(sender)
    except TooManyRequests as wait:
        assert 0 < wait.retry_after_seconds <= 60
        return False
    return True


def test_front_desks_count_together(redis_url: str) -> None:
    desks = [MessageLimit(3, "chat", Counters(redis_url, "clinic")) for _ in range(2)]
    assert [passes(desks[number % 2], "203.0.113.9") for number in range(5)] == [True, True, True, False, False]
    assert passes(desks[0], "203.0.113.10")


def test_what_is_limited_differently_is_counted_apart(redis_url: str) -> None:
    counters = Counters(redis_url, "apart")
    assert passes(MessageLimit(1, "sms", counters), "a") and passes(MessageLimit(1, "sms told", counters), "a")
    assert passes(MessageLimit(1, "sms", Counters(redis_url, "other")), "a")  # another clinic's
    assert not passes(MessageLimit(1, "sms", counters), "a")


def test_while_redis_is_down_each_counts_by_itself_and_soon() -> None:
    limit = MessageLimit(2, "chat", Counters(NO_REDIS, "clinic"))
    began = time.monotonic()
    assert [passes(limit, "a") for _ in range(3)] == [True, True, False]
    assert time.monotonic() - began < 1


def run(seconds: float, *handlers: "tuple[Turns, list[str], str]") -> None:
    async def handle(turns: Turns, log: list[str], name: str) -> None:
        async with turns.turn("c1"):
            log.append(f"{name} in")
            await asyncio.sleep(seconds)  # a message takes a moment
            log.append(f"{name} out")

    async def all_of_them() -> None:
        await asyncio.gather(*(handle(*one) for one in handlers))

    asyncio.run(asyncio.wait_for(all_of_them(), 30))


def test_front_desks_take_turns(redis_url: str) -> None:
    log: list[str] = []
    run(0.01, *((Turns("chat", SharedTurns(redis_url, "clinic")), log, f"{number}") for number in range(8)))
    assert [entry.split()[1] for entry in log] == ["in", "out"] * 8


def test_a_turn_longer_than_the_lease_is_kept(redis_url: str) -> None:
    log: list[str] = []
    run(LEASE_SECONDS + 0.5, *((Turns("chat", SharedTurns(redis_url, "long")), log, f"{number}") for number in "ab"))
    assert [entry.split()[1] for entry in log] == ["in", "out", "in", "out"]


def test_the_turn_of_a_front_desk_that_died_runs_out(redis_url: str) -> None:
    async def waited() -> float:
        dead = SharedTurns(redis_url, "dead")
        assert await dead._acquired("chat:c1", 1) is not None  # and then nothing: neither renewed nor given back
        began = time.monotonic()
        async with Turns("chat", SharedTurns(redis_url, "dead")).turn("c1"):
            return time.monotonic() - began

    assert asyncio.run(waited()) < LEASE_SECONDS + 1


def test_while_redis_is_down_a_front_desk_keeps_the_order_by_itself() -> None:
    log: list[str] = []
    turns = Turns("chat", SharedTurns(NO_REDIS, "clinic"))
    run(0.01, *((turns, log, str(number)) for number in range(4)))
    assert log == [f"{number} {what}" for number in range(4) for what in ("in", "out")]
