"""Deleting by age: what may go by now, and its deletion from every store."""

from collections.abc import Callable, Collection
from datetime import datetime

from frontdesk.db import Database
from frontdesk.retention.files import leave_nothing_behind
from frontdesk.retention.policy import Kind, Policy
from frontdesk.retention.rules import Rule, rules
from frontdesk.trackers import Trackers

# Told of a kind, and of how many records of it went so far.
Progress = Callable[[Kind, int], None]


class Purge:
    """Everything that has an age limit. What was deleted stays deleted when it is interrupted; another run goes on."""

    def __init__(self, database: Database, trackers: Trackers, policy: Policy) -> None:
        self._database = database
        self._trackers = trackers
        self.rules: list[Rule] = rules(database, trackers, policy)

    def due(self, now: datetime, kinds: Collection[Kind] = tuple(Kind)) -> dict[Kind, int]:
        """Return how many records of each kind may go."""
        return {rule.kind: rule.count(now) for rule in self.rules if rule.kind in kinds}

    def run(
        self, now: datetime, kinds: Collection[Kind] = tuple(Kind), progress: Progress = lambda kind, count: None
    ) -> dict[Kind, int]:
        """Delete what may go, and return how many records of each kind that were."""
        gone: dict[Kind, int] = {}
        for rule in self.rules:
            if rule.kind not in kinds:
                continue
            gone[rule.kind] = 0
            for count in rule.delete(now):
                gone[rule.kind] += count
                progress(rule.kind, gone[rule.kind])
        return gone

    def clean_files(self) -> None:
        """Leave nothing of what was deleted in SQLite's files; raise FilesNotCleaned."""
        leave_nothing_behind(self._database)
        if self._trackers.exist():
            leave_nothing_behind(self._trackers.database)
