"""Asking for the name and the phone, in words that fit for whom the visit is and what is known already."""

from rasa_sdk.events import EventType
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.interfaces import Action, Tracker
from rasa_sdk.types import DomainDict

from actions.review import readable_phone
from actions.run import About


class ActionAskFullName(Action):
    """Ask for the name, and in the same breath for the phone if it is not known yet."""

    def name(self) -> str:
        """Name it as Rasa expects for the slot `full_name`."""
        return "action_ask_full_name"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        """Ask."""
        about = About.of(tracker.current_slot_values())
        if about.for_other:
            dispatcher.utter_message(response="utter_ask_full_name_of_other")
        elif about.texting_from or tracker.get_slot("phone") or tracker.get_slot("requested_slot") == "full_name":
            # Asked again, one thing at a time.
            dispatcher.utter_message(response="utter_ask_full_name_alone")
        else:
            dispatcher.utter_message(response="utter_ask_full_name")
        return []


class ActionAskPhone(Action):
    """Ask for the phone, and whose it is when the visit is for somebody else; by text, whether it is this one."""

    def name(self) -> str:
        """Name it as Rasa expects for the slot `phone`."""
        return "action_ask_phone"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        """Ask."""
        about = About.of(tracker.current_slot_values())
        if about.texting_from:
            number = readable_phone(about.texting_from)
            dispatcher.utter_message(response="utter_ask_phone_known", number=number)
        else:
            dispatcher.utter_message(response="utter_ask_phone_for_other" if about.for_other else "utter_ask_phone")
        return []


class ActionAskEmail(Action):
    """Ask for the address, or whether the one that was given is misspelled."""

    def name(self) -> str:
        """Name it as Rasa expects for the slot `email`."""
        return "action_ask_email"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        """Ask."""
        suggested = About.of(tracker.current_slot_values()).suggested_email
        if suggested:
            dispatcher.utter_message(response="utter_doubtful_email", suggestion=suggested)
        else:
            dispatcher.utter_message(response="utter_ask_email")
        return []
