"""Ctrl-C ends `./ketalink serve`, whatever it is doing at that moment."""

import signal
from collections.abc import Iterator

import pytest

from frontdesk.cli.serve import Stop

EVERY_SECONDS = 0.0002


@pytest.fixture
def stop() -> Iterator[Stop]:
    """Somebody who presses Ctrl-C thousands of times a second."""
    stop = Stop()
    before = signal.signal(signal.SIGALRM, lambda *_: stop.set())
    signal.setitimer(signal.ITIMER_REAL, EVERY_SECONDS, EVERY_SECONDS)
    yield stop
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_a_signal_in_the_middle_of_waiting_is_heard(stop: Stop) -> None:
    for _ in range(5_000):
        stop.wait(0.00001)

    assert stop.wait(0)


def test_nobody_said_anything() -> None:
    assert not Stop().wait(0.01)
