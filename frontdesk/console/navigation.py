"""The pages that the bar on top of every page leads to, and whose they are."""

from frontdesk.console.models import Role

PLACES: tuple[tuple[str, str, Role], ...] = (
    ("/staff", "Requests", Role.STAFF),
    ("/staff/conversations", "Conversations", Role.MANAGER),
    ("/staff/insight", "Insight", Role.MANAGER),
    ("/staff/content", "Content", Role.STAFF),
    ("/staff/notifications", "Notifications", Role.STAFF),
    ("/staff/system", "System", Role.MANAGER),
    ("/staff/audit", "Audit", Role.MANAGER),
    ("/staff/people", "Staff", Role.ADMIN),
)


def places(role: Role) -> list[tuple[str, str]]:
    """Return the address and the name of each page for this role. The pages themselves refuse the others."""
    return [(address, name) for address, name, least in PLACES if role.includes(least)]


def above(path: str) -> str:
    """Return the page of the bar that another page belongs to."""
    return next((address for address, _, _ in reversed(PLACES) if path.startswith(address)), PLACES[0][0])
