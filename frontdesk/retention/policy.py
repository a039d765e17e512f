"""How long each kind of record is kept: what the settings say."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from frontdesk.settings import Settings


class Kind(StrEnum):
    """What is deleted by age, under the name that the command line gives it."""

    CONVERSATIONS = "conversations"
    MEMORIES = "memories"
    DRAFTS = "drafts"
    LEADS = "leads"
    SPAM = "spam"
    CONSENTS = "consents"
    RECEIPTS = "sms-receipts"
    NOTIFICATIONS = "notifications"
    SIGN_INS = "sign-ins"


@dataclass(frozen=True)
class Policy:
    """How long what nobody needs any more is kept; None: until somebody deletes it."""

    conversations: timedelta | None
    closed_leads: timedelta | None
    spam: timedelta | None
    consents: timedelta | None
    receipts: timedelta | None
    notifications: timedelta | None
    failed_notifications: timedelta | None

    @classmethod
    def of(cls, settings: Settings) -> "Policy":
        """Return what the settings say."""
        return cls(
            conversations=_days(settings.keep_conversations_days),
            closed_leads=_days(settings.keep_closed_leads_days),
            spam=_days(settings.keep_spam_days),
            consents=_days(settings.keep_consents_days),
            receipts=_days(settings.keep_sms_receipts_days),
            notifications=_days(settings.keep_notifications_days),
            failed_notifications=_days(settings.keep_failed_notifications_days),
        )


def _days(days: int) -> timedelta | None:
    return timedelta(days=days) if days else None
