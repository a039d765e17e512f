"""When a text may be sent that is no reply: from 8 in the morning to 9 in the evening, the clinic's time.

Source: 47 CFR 64.1200(c)(1) has these hours for calls to homes; texts are counted among them. docs/sms.md
"""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

FROM, UNTIL = time(8), time(21)


def next_allowed(now: datetime, zone: ZoneInfo) -> datetime:
    """Return `now` if it is not at night, else the next morning's first moment."""
    here = now.astimezone(zone)
    if FROM <= here.time() < UNTIL:
        return now
    day = here.date() if here.time() < FROM else here.date() + timedelta(days=1)
    return datetime.combine(day, FROM, zone).astimezone(UTC)
