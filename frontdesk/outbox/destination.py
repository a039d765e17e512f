"""What a destination has to do, and how it says that it could not."""

from datetime import datetime, timedelta
from typing import Protocol

from frontdesk.outbox.notices import Notice

# After a first attempt that failed; twice as long after each further one.
FIRST_PAUSE = timedelta(seconds=30)


class DeliveryFailed(Exception):
    """A destination did not take a notice.

    `kind` is a fixed name such as `http_503`, kept and shown; never what a server answered. `is_final` is true when
    the same attempt will most likely fail again. `first_pause` is how long to wait after the first attempt.
    """

    def __init__(self, kind: str, is_final: bool = False, first_pause: timedelta = FIRST_PAUSE) -> None:
        super().__init__(kind)
        self.kind = kind
        self.is_final = is_final
        self.first_pause = first_pause


class NotNow(Exception):
    """A destination may not take a notice before a time; that is no failure. `kind` is a fixed name."""

    def __init__(self, kind: str, until: datetime) -> None:
        super().__init__(kind)
        self.kind = kind
        self.until = until


class Destination(Protocol):
    """One place that is told. Sending may take as long as the lease, and happens more than once now and then."""

    @property
    def name(self) -> str:
        """Name it as deliveries do: `email:ADDRESS`, `webhook` or `sms`."""
        ...

    def send(self, notice: Notice) -> None:
        """Deliver a notice; raise DeliveryFailed or NotNow unless the destination has taken it."""
        ...
