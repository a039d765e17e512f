"""Purges every night while the front desk runs."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog

from frontdesk.db import utc_now
from frontdesk.metrics import Failure, report
from frontdesk.retention.purge import Purge

log = structlog.get_logger(__name__)

NIGHT_HOUR = 3
LOOK_EVERY = timedelta(minutes=20)
# What should have gone more than a day ago goes by day too: nobody was running at night.
OVERDUE = timedelta(days=1)


def as_of(now: datetime, zone: ZoneInfo) -> datetime:
    """Return the time whose due records go now: at night those of this moment, else those that were missed."""
    return now if now.astimezone(zone).hour == NIGHT_HOUR else now - OVERDUE


class Nightly:
    """One thread. Several front desks may do the same: whoever comes second finds nothing."""

    def __init__(
        self,
        purge: Purge,
        zone: ZoneInfo,
        clock: Callable[[], datetime] = utc_now,
        every: timedelta = LOOK_EVERY,
    ) -> None:
        self._purge = purge
        self._zone = zone
        self._clock = clock
        self._every = every
        self._stopping = threading.Event()
        # A daemon: rewriting a large file must not keep the process; it is done again, or not needed.
        self._thread = threading.Thread(target=self._run, name="purge", daemon=True)

    def start(self) -> None:
        """Begin; the first look comes after a pause, when everything else has started."""
        self._thread.start()

    def stop(self) -> None:
        """End; what is being deleted at the moment is finished or undone."""
        self._stopping.set()

    def look(self) -> int:
        """Delete what has to go now; return how many records that were."""
        gone = {kind.value: count for kind, count in self._purge.run(as_of(self._clock(), self._zone)).items() if count}
        if gone:
            log.info("purged", **gone)
            self._purge.clean_files()
        return sum(gone.values())

    def _run(self) -> None:
        while not self._stopping.wait(self._every.total_seconds()):
            try:
                self.look()
            except Exception as error:
                # Whatever it is, it may be gone the next time; only its kind, for its text may hold data.
                report(log, Failure.PURGE_FAILED, error=type(error).__name__)
