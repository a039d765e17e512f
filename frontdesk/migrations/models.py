"""Every model, imported so that the metadata is whole."""

from frontdesk.chat import models as chat
from frontdesk.console import models as console
from frontdesk.leads import models as leads
from frontdesk.sms import models as sms

__all__ = ["chat", "console", "leads", "sms"]
