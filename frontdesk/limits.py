"""How many messages a minute one sender may write. The counting is done by the `limits` library."""

import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter


class TooManyRequests(Exception):
    """A sender has to wait."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(f"wait {retry_after_seconds} s")
        self.retry_after_seconds = retry_after_seconds


class MessageLimit:
    """A moving window of one minute for each sender; a limit of 0 lets everything pass."""

    def __init__(self, per_minute: int, purpose: str) -> None:
        self._item = RateLimitItemPerMinute(per_minute) if per_minute else None
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._purpose = purpose

    def count(self, sender: str) -> None:
        """Count one message of `sender`; raise TooManyRequests when that is one too many."""
        if self._item is None or self._limiter.hit(self._item, self._purpose, sender):
            return
        window = self._limiter.get_window_stats(self._item, self._purpose, sender)
        raise TooManyRequests(max(1, math.ceil(window.reset_time - time.time())))
