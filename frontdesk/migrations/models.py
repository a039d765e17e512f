"""Every model, imported so that the metadata is whole."""

from frontdesk import key_check
from frontdesk.audit import models as audit
from frontdesk.chat import models as chat
from frontdesk.console import models as console
from frontdesk.leads import models as leads
from frontdesk.outbox import models as outbox
from frontdesk.sms import models as sms

__all__ = ["audit", "chat", "console", "key_check", "leads", "outbox", "sms"]
