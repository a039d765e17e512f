"""One message of a conversation at a time, over several Rasa servers and a Redis that really runs."""

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
from rasa.core.lock_store import LockError, LockStore
from rasa.shared.exceptions import InvalidConfigException
from rasa.utils.endpoints import EndpointConfig

from bot.lock_store import LEASE_SECONDS, ConversationLockStore


def store(url: "str | None", prefix: str = "test") -> ConversationLockStore:
    """Return the store of one server, made as Rasa makes it from its endpoints."""
    config = EndpointConfig(url=url, type="bot.lock_store.ConversationLockStore", key_prefix=prefix)
    made = LockStore.create(config)
    assert isinstance(made, ConversationLockStore)
    return made


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    """A Redis of its own; without the program a test is skipped, but fails in CI."""
    program = shutil.which("redis-server")
    if program is None:
        message = "Redis is not installed: `apt-get install redis-server`."
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            assert time.monotonic() < deadline, "Redis did not start"
    yield f"redis://127.0.0.1:{port}/0"
    server.terminate()
    server.wait(10)


def run(what: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(what(), 30))


def test_two_servers_take_turns(redis_url: str) -> None:
    async def turns() -> None:
        inside, most = 0, 0

        async def handle(server: ConversationLockStore) -> None:
            nonlocal inside, most
            async with server.lock("c1"):
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0.01)  # a message takes a moment
                inside -= 1

        servers = [store(redis_url), store(redis_url)]
        await asyncio.gather(*(handle(server) for server in servers * 10))
        assert most == 1

    run(turns)


def test_different_conversations_wait_for_nobody(redis_url: str) -> None:
    async def turns() -> None:
        server, other = store(redis_url), store(redis_url)
        async with server.lock("c1"), other.lock("c2"), server.lock("c3"):
            pass

    run(turns)


def test_a_server_that_died_holds_up_its_conversation_for_a_few_seconds_only(redis_url: str) -> None:
    async def turns() -> None:
        dead = store(redis_url)
        assert await dead._acquired("c1", 1) is not None  # and then nothing: neither renewed nor given back
        began = time.monotonic()
        async with store(redis_url).lock("c1"):
            assert time.monotonic() - began < LEASE_SECONDS + 1

    run(turns)


def test_a_turn_longer_than_the_lease_is_kept(redis_url: str) -> None:
    async def turns() -> None:
        async with store(redis_url).lock("c1"):
            with pytest.raises(LockError):
                async with store(redis_url).lock("c1", lock_lifetime=LEASE_SECONDS + 1):
                    pass

    run(turns)


def test_while_redis_is_down_a_server_goes_on_by_itself() -> None:
    async def turns() -> None:
        server = store("redis://127.0.0.1:1/0")
        order: list[int] = []

        async def handle(number: int) -> None:
            async with server.lock("c1"):
                order.append(number)

        await asyncio.gather(*(handle(number) for number in range(5)))
        assert order == [0, 1, 2, 3, 4]

    run(turns)


def test_it_does_not_start_without_an_address() -> None:
    with pytest.raises(InvalidConfigException, match="REDIS_URL"):
        store(None)
