"""One at a time: of a conversation's messages, and of a phone number's texts.

Without Redis, within this process. With it, over all front desks: whoever has a turn holds a key that runs out, and
renews it, so that one that is killed holds up its conversations for a few seconds and no longer. A turn may thus be
lost to another front desk in rare cases (a machine that stood still). Nothing but the order depends on it: Rasa and the
transcript take a message once, whoever brings it.
"""

import asyncio
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Self

import structlog

from frontdesk.settings import Settings

if TYPE_CHECKING:
    from redis.asyncio.lock import Lock

log = structlog.get_logger(__name__)

# Whoever does not renew its turn for so long has lost it.
LEASE_SECONDS = 4.0
RENEW_EVERY_SECONDS = 1.0
LOOK_EVERY_SECONDS = 0.02
LONGEST_ASK_SECONDS = 1.0
REST_SECONDS = 5.0


class SharedTurns:
    """The turns of all front desks, in Redis; while it is down, everybody has theirs."""

    def __init__(self, redis_url: str, prefix: str) -> None:
        # Not imported where there is no Redis. Its own way to try again sleeps for seconds.
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        self._redis: Redis = Redis.from_url(
            redis_url,
            socket_timeout=LONGEST_ASK_SECONDS,
            socket_connect_timeout=LONGEST_ASK_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._prefix = prefix
        self._rests_until = 0.0

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """Return the turns of these settings, or None without REDIS_URL. Redis is asked with the first turn."""
        url = settings.redis_url
        return cls(url.get_secret_value(), settings.redis_prefix) if url else None

    @asynccontextmanager
    async def turn(self, key: str, longest_wait: float) -> AsyncIterator[None]:
        """Hold a turn; one that does not come within `longest_wait` seconds is taken all the same."""
        lock = await self._acquired(key, longest_wait)
        if lock is None:
            yield
            return
        renewing = asyncio.create_task(_renew(lock))
        try:
            yield
        finally:
            renewing.cancel()
            await self._release(lock)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def _acquired(self, key: str, longest_wait: float) -> "Lock | None":
        from redis.exceptions import RedisError

        now = asyncio.get_running_loop().time
        if now() < self._rests_until:
            return None
        lock = self._redis.lock(
            f"{self._prefix}:{key}",
            timeout=LEASE_SECONDS,
            sleep=LOOK_EVERY_SECONDS,
            blocking_timeout=longest_wait,
            thread_local=False,
        )
        try:
            if await lock.acquire():
                return lock
            log.warning("turn_not_free", seconds=longest_wait)
        except (RedisError, OSError) as error:
            self._rests_until = now() + REST_SECONDS
            log.warning("redis_unavailable", for_="turns", error=type(error).__name__)
        return None

    async def _release(self, lock: "Lock") -> None:
        from redis.exceptions import RedisError

        # Taken over, or Redis is down: it runs out.
        with suppress(RedisError, OSError):
            await lock.release()


class Turns:
    """Whose turn it is, for each key: in this process in the order they came."""

    def __init__(self, purpose: str, shared: SharedTurns | None = None, longest_wait: float = 60.0) -> None:
        self._purpose = purpose
        self._shared = shared
        self._longest_wait = longest_wait
        self._here: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    def is_taken(self, key: str) -> bool:
        """Tell whether somebody in this process has the turn."""
        lock = self._here.get(key)
        return lock is not None and lock.locked()

    @asynccontextmanager
    async def turn(self, key: str) -> AsyncIterator[None]:
        """Wait for the turn and hold it."""
        lock = self._here.setdefault(key, asyncio.Lock())
        async with lock:
            if self._shared is None:
                yield
                return
            async with self._shared.turn(f"{self._purpose}:{key}", self._longest_wait):
                yield


async def _renew(lock: "Lock") -> None:
    from redis.exceptions import LockError, RedisError

    while True:
        await asyncio.sleep(RENEW_EVERY_SECONDS)
        try:
            await lock.reacquire()
        except LockError:
            return  # somebody else has it
        except (RedisError, OSError):
            continue
