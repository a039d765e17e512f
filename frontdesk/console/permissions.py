"""Who may review conversations, and who may change what patients are told: the one place that says so."""

from typing import Annotated

from fastapi import Depends

from frontdesk.console.guard import at_least
from frontdesk.console.models import Role
from frontdesk.console.sessions import SignedIn

REVIEWERS = EDITORS = Role.MANAGER


def can_review(staff: SignedIn) -> bool:
    """Tell whether somebody may read all conversations, review them and see what was counted."""
    return staff.role.includes(REVIEWERS)


def can_edit_content(staff: SignedIn) -> bool:
    """Tell whether somebody may change the clinic's facts and propose wording."""
    return staff.role.includes(EDITORS)


ReviewerDep = Annotated[SignedIn, Depends(at_least(REVIEWERS))]
EditorDep = Annotated[SignedIn, Depends(at_least(EDITORS))]
