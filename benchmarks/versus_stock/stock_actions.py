"""The action server of the stock project: keeps a request in SQLite. Copied there as `actions/actions.py`.

Plain rasa-sdk, as its documentation shows it: no check of what was typed, nothing encrypted, nobody told.
"""

import os
import sqlite3
import uuid
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import AllSlotsReset
from rasa_sdk.executor import CollectingDispatcher

FIELDS = ("full_name", "phone", "email", "patient_type", "reason", "preferred_time", "consent")


class ActionSaveRequest(Action):
    """Keep what the form collected and say its reference."""

    def name(self) -> str:
        """Return the name in the domain."""
        return "action_save_request"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> list[dict[str, Any]]:
        """Save, answer, and empty the form."""
        reference = uuid.uuid4().hex[:8]
        connection = sqlite3.connect(os.environ["REQUESTS_FILE"], timeout=10)
        try:
            with connection:
                connection.execute(f"CREATE TABLE IF NOT EXISTS requests (reference, {', '.join(FIELDS)})")
                values = (reference, *(tracker.get_slot(name) for name in FIELDS))
                connection.execute(f"INSERT INTO requests VALUES ({', '.join('?' * len(values))})", values)  # noqa: S608
        finally:
            connection.close()
        dispatcher.utter_message(response="utter_request_saved", lead=reference)
        return [AllSlotsReset()]
