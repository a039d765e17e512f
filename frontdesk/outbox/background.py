"""Runs a worker inside the front desk: one thread looks, and each destination has one of its own that sends."""

import threading
import time

import structlog
from sqlalchemy.orm import Session

from frontdesk.metrics import Failure, report
from frontdesk.outbox import store
from frontdesk.outbox.worker import Worker

log = structlog.get_logger(__name__)

# Requests are saved by another process, the action server: they are noticed by looking.
LOOK_EVERY_SECONDS = 1.0
# After an error, of the database for example.
REST_SECONDS = 5.0
# Sending that takes longer than this when the front desk stops is done again by whoever comes next.
STOP_WITHIN_SECONDS = 3.0


class Background:
    """The threads of a worker. A destination that hangs holds up its own thread and no other."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._stopping = threading.Event()
        self._nudged = threading.Event()
        self._due = {name: threading.Event() for name in worker.destinations}
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to look and to send."""
        # Daemons: one that hangs in a server's answer must not keep the process.
        self._threads = [threading.Thread(target=self._look, name="outbox", daemon=True)]
        for number, name in enumerate(self._due, start=1):
            sender = threading.Thread(target=self._deliver, args=[name], name=f"outbox-{number}", daemon=True)
            self._threads.append(sender)
        for thread in self._threads:
            thread.start()

    def committed(self, session: Session) -> None:
        """Look now if this session added an event, or had something tried again."""
        if session.info.pop(store.ADDED, False):
            self._nudged.set()

    def stop(self) -> None:
        """Finish what is being sent, begin nothing new."""
        self._stopping.set()
        for event in (self._nudged, *self._due.values()):
            event.set()
        deadline = time.monotonic() + STOP_WITHIN_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _look(self) -> None:
        while not self._stopping.is_set():
            self._nudged.clear()
            pause = LOOK_EVERY_SECONDS
            try:
                for name in self._worker.look():
                    self._due[name].set()
            except Exception as error:
                # Whatever it is, a thread that ended would tell nobody anything any more.
                report(log, Failure.OUTBOX_FAILED, error=type(error).__name__)
                pause = REST_SECONDS
            self._nudged.wait(pause)

    def _deliver(self, name: str) -> None:
        due = self._due[name]
        while not self._stopping.is_set():
            due.wait()
            due.clear()
            try:
                while not self._stopping.is_set() and self._worker.deliver_next(name):
                    pass
            except Exception as error:
                report(log, Failure.OUTBOX_FAILED, error=type(error).__name__)
