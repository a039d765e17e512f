"""One message of a conversation at a time, over all Rasa servers; named in the endpoints when REDIS_URL is set.

Rasa's own RedisLockStore hands out numbered tickets. Two servers may draw the same number, whoever waits looks again
once a second, and a server that is killed leaves its ticket for a minute; a ticket that runs out while its owner waits
makes that one wait for ever, or until its number comes up again, long after its message was answered. Here a turn is a
key in Redis that its owner renews, and that is gone a few seconds after its owner.
"""

import asyncio
import logging
import weakref
from contextlib import asynccontextmanager, suppress
from typing import AsyncGenerator, Optional

from rasa.core.lock import TicketLock
from rasa.core.lock_store import LOCK_LIFETIME, LockError, LockStore
from rasa.shared.exceptions import InvalidConfigException
from rasa.utils.endpoints import EndpointConfig
from redis.asyncio import Redis
from redis.asyncio.lock import Lock
from redis.exceptions import LockError as LostLock
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

# Whoever does not renew its turn for so long has lost it.
LEASE_SECONDS = 4.0
RENEW_EVERY_SECONDS = 1.0
LOOK_EVERY_SECONDS = 0.02
LONGEST_ASK_SECONDS = 1.0
REST_SECONDS = 5.0


class ConversationLockStore(LockStore):
    """Turns in Redis. While Redis is down they are this server's alone: a message is still not heard twice."""

    def __init__(self, endpoint_config: EndpointConfig) -> None:
        if not endpoint_config.url:
            raise InvalidConfigException("`lock_store` has no `url`: ./ketalink serve writes it when REDIS_URL is set.")
        self._redis = Redis.from_url(
            endpoint_config.url, socket_timeout=LONGEST_ASK_SECONDS, socket_connect_timeout=LONGEST_ASK_SECONDS
        )
        self._prefix = endpoint_config.kwargs.get("key_prefix") or "ketalink"
        self._here: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._rests_until = 0.0
        super().__init__()

    @asynccontextmanager
    async def lock(
        self,
        conversation_id: str,
        lock_lifetime: float = LOCK_LIFETIME,
        wait_time_in_seconds: float = 1,
    ) -> AsyncGenerator[TicketLock, None]:
        """Hold the conversation's turn; raise LockError when it does not come within `lock_lifetime` seconds."""
        here = self._here.setdefault(conversation_id, asyncio.Lock())
        async with here:
            lock = await self._acquired(conversation_id, lock_lifetime)
            renewing = asyncio.create_task(_renew(lock)) if lock is not None else None
            try:
                yield self.create_lock(conversation_id)
            finally:
                if lock is not None and renewing is not None:
                    renewing.cancel()
                    # Taken over, or Redis is down: it runs out.
                    with suppress(RedisError, OSError):
                        await lock.release()

    async def _acquired(self, conversation_id: str, longest_wait: float) -> Optional[Lock]:
        now = asyncio.get_running_loop().time
        if now() < self._rests_until:
            return None
        lock = self._redis.lock(
            f"{self._prefix}:rasa:{conversation_id}",
            timeout=LEASE_SECONDS,
            sleep=LOOK_EVERY_SECONDS,
            blocking_timeout=longest_wait,
            thread_local=False,
        )
        try:
            if await lock.acquire():
                return lock
        except (RedisError, OSError) as error:
            self._rests_until = now() + REST_SECONDS
            logger.warning("redis_unavailable for=turns error=%s", type(error).__name__)
            return None
        raise LockError(f"Could not acquire lock for conversation_id '{conversation_id}'.")


async def _renew(lock: Lock) -> None:
    while True:
        await asyncio.sleep(RENEW_EVERY_SECONDS)
        try:
            await lock.reacquire()
        except LostLock:
            return  # somebody else has it
        except (RedisError, OSError):
            continue
