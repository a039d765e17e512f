"""What a destination has to do, and how it says that it could not."""

from typing import Protocol

from frontdesk.outbox.notices import Notice


class DeliveryFailed(Exception):
    """A destination did not take a notice.

    `kind` is a fixed name such as `http_503`, kept and shown; never what a server answered. `is_final` is true when
    the same attempt will most likely fail again.
    """

    def __init__(self, kind: str, is_final: bool = False) -> None:
        super().__init__(kind)
        self.kind = kind
        self.is_final = is_final


class Destination(Protocol):
    """One place that is told. Sending may take as long as the lease, and happens more than once now and then."""

    @property
    def name(self) -> str:
        """Name it as deliveries do: `email:ADDRESS` or `webhook`."""
        ...

    def send(self, notice: Notice) -> None:
        """Deliver a notice; raise DeliveryFailed unless the destination has taken it."""
        ...
