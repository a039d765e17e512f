"""Takes what waits in the outbox to where it has to go: at least once, and a repeat with the same id.

A transaction before sending takes a lease, one after it notes what happened; none is open meanwhile. Killed in
between, the lease runs out and somebody sends again.
"""

import os
import random
import secrets
import socket
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog

from frontdesk.db import Database, utc_now
from frontdesk.metrics import (
    NOTIFICATIONS,
    NOTIFICATIONS_GIVEN_UP,
    NOTIFICATIONS_WAITING,
    NOTIFICATIONS_WAITING_SECONDS,
)
from frontdesk.outbox import store
from frontdesk.outbox.destination import FIRST_PAUSE, DeliveryFailed, Destination, NotNow
from frontdesk.outbox.models import OutboxDelivery
from frontdesk.outbox.notices import Notice, describe

log = structlog.get_logger(__name__)

LONGEST_PAUSE = timedelta(hours=1)
# Longer than a mail server that answers each of its ten steps at the last moment.
LEASE = timedelta(minutes=2)
# What will most likely fail again is tried this often: somebody may be mending it.
ATTEMPTS_IF_FINAL = 5


class Worker:
    """Sends what is due. Any number of workers may share a database, in any number of processes."""

    def __init__(
        self,
        database: Database,
        destinations: Sequence[Destination],
        attempts: int,
        clock: Callable[[], datetime] = utc_now,
        lease_for: timedelta = LEASE,
    ) -> None:
        self._database = database
        self.destinations = {destination.name: destination for destination in destinations}
        self._attempts = attempts
        self._clock = clock
        self._lease_for = lease_for
        self._owner = f"{socket.gethostname()[:32]}:{os.getpid()}:{secrets.token_hex(4)}"

    def run_once(self) -> int:
        """Send everything that is due, one destination after the other; return how many attempts that were."""
        attempts = 0
        for name in self.look():
            while self.deliver_next(name):
                attempts += 1
        return attempts

    def look(self) -> set[str]:
        """Spread new events to the destinations, and return those of them for which something is due."""
        now = self._clock()
        with self._database.session() as session:
            while store.spread(session, self.destinations, now) == store.SPREAD_AT_ONCE:
                pass
            given_up = store.give_up_unknown(session, self.destinations, now)
            oldest = store.oldest_waiting(session)
            waiting, dead = store.count_waiting(session), store.count_given_up(session)
            due = store.due_destinations(session, now)
        NOTIFICATIONS_WAITING_SECONDS.set((now - oldest).total_seconds() if oldest else 0)
        NOTIFICATIONS_WAITING.set(waiting)
        NOTIFICATIONS_GIVEN_UP.set(dead)
        if given_up:
            log.warning("notifications_given_up", error=store.NOT_CONFIGURED, count=given_up)
        return due & self.destinations.keys()

    def deliver_next(self, name: str) -> bool:
        """Make one attempt at the next delivery to a destination; return False when there is none."""
        now = self._clock()
        with self._database.session() as session:
            delivery = store.lease(session, name, self._owner, now, self._lease_for)
            notice = describe(session, delivery.event) if delivery else None
            if delivery is None:
                return False
            if notice is None:
                # The request was deleted; there is nothing to tell.
                store.drop(session, delivery.id)
                return True
        error = self._send(self.destinations[name], notice)
        now = self._clock()
        if isinstance(error, NotNow):
            with self._database.session() as session:
                store.postpone(session, delivery.id, self._owner, error.kind, error.until)
            return True
        again_at = self._again_at(delivery, error, now) if error else None
        with self._database.session() as session:
            if error is None:
                store.mark_delivered(session, delivery.id, now)
            else:
                store.mark_failed(session, delivery.id, self._owner, error.kind, now, again_at)
        self._report(delivery, error, has_ended=error is not None and again_at is None)
        return True

    def _send(self, destination: Destination, notice: Notice) -> DeliveryFailed | NotNow | None:
        try:
            destination.send(notice)
        except (DeliveryFailed, NotNow) as error:
            return error
        except Exception as error:
            # Whatever it is: the next destination and the next notice must not wait for it.
            return DeliveryFailed(f"unforeseen_{type(error).__name__}"[:64])
        return None

    def _again_at(self, delivery: OutboxDelivery, error: DeliveryFailed, now: datetime) -> datetime | None:
        most = min(self._attempts, ATTEMPTS_IF_FINAL) if error.is_final else self._attempts
        return now + pause(delivery.attempts, error.first_pause) if delivery.attempts < most else None

    def _report(self, delivery: OutboxDelivery, error: DeliveryFailed | None, has_ended: bool) -> None:
        through = delivery.destination.partition(":")[0]
        outcome = "delivered" if error is None else "given_up" if has_ended else "failed"
        NOTIFICATIONS.labels(delivery.event.kind.value, through, outcome).inc()
        write = log.info if error is None else log.error if has_ended else log.warning
        write(
            f"notification_{outcome}",
            event_id=delivery.event_id,
            through=through,
            attempts=delivery.attempts,
            **({"error": error.kind} if error else {}),
        )


def pause(attempts: int, first: timedelta = FIRST_PAUSE) -> timedelta:
    """Return how long to wait after this many attempts: `first` doubling to an hour, a fifth more or less.

    The fifth is by chance, so that what failed together does not come back together.
    """
    times: int = 2 ** min(attempts - 1, 20)
    return min(first * times, LONGEST_PAUSE) * random.uniform(0.8, 1.2)  # noqa: S311 # no secret
