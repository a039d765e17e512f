"""How many messages a minute one sender may write. The counting is done by the `limits` library."""

import math
import time
from dataclasses import dataclass, field
from typing import Self

import structlog
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter

from frontdesk.settings import Settings

log = structlog.get_logger(__name__)

# Redis is asked by the thread that answers everybody: it has no longer than this, and then a rest.
LONGEST_ASK_SECONDS = 0.25
REST_SECONDS = 5.0


class TooManyRequests(Exception):
    """A sender has to wait."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(f"wait {retry_after_seconds} s")
        self.retry_after_seconds = retry_after_seconds


class Counters:
    """Where is counted: in Redis for all front desks together, and in this process without one or while it is down."""

    def __init__(self, redis_url: str | None = None, prefix: str = "") -> None:
        self._here = MovingWindowRateLimiter(MemoryStorage())
        self._shared = _in_redis(redis_url, prefix) if redis_url else None
        self._rests_until = 0.0

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the counters of these settings. Redis is first asked when something is counted."""
        url = settings.redis_url
        return cls(url.get_secret_value() if url else None, settings.redis_prefix)

    def count(self, item: RateLimitItem, *who: str) -> None:
        """Count one; raise TooManyRequests when that is one too many."""
        if self._shared is not None and time.monotonic() >= self._rests_until:
            try:
                _count(self._shared, item, who)
                return
            except StorageError as error:
                self._rests_until = time.monotonic() + REST_SECONDS
                log.warning("redis_unavailable", for_="limits", error=type(error.storage_error).__name__)
        _count(self._here, item, who)


@dataclass(frozen=True)
class MessageLimit:
    """A moving window of one minute for each sender; a limit of 0 lets everything pass."""

    per_minute: int
    purpose: str
    counters: Counters = field(default_factory=Counters)

    def count(self, sender: str) -> None:
        """Count one message of `sender`; raise TooManyRequests when that is one too many."""
        if self.per_minute:
            self.counters.count(RateLimitItemPerMinute(self.per_minute), self.purpose, sender)


def _count(limiter: MovingWindowRateLimiter, item: RateLimitItem, who: tuple[str, ...]) -> None:
    if not limiter.hit(item, *who):
        window = limiter.get_window_stats(item, *who)
        raise TooManyRequests(max(1, math.ceil(window.reset_time - time.time())))


def _in_redis(url: str, prefix: str) -> MovingWindowRateLimiter:
    # Not imported where there is no Redis. Its own way to try again sleeps for seconds.
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    options = {"socket_timeout": LONGEST_ASK_SECONDS, "socket_connect_timeout": LONGEST_ASK_SECONDS}
    return MovingWindowRateLimiter(
        RedisStorage(url, key_prefix=f"{prefix}:limits", wrap_exceptions=True, retry=Retry(NoBackoff(), 0), **options)  # type: ignore[arg-type]
    )
