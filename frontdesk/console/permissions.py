"""Who may review what was understood, and who may change what patients are told: the one place that says so."""

from typing import Annotated

from fastapi import Depends

from frontdesk.console.guard import TO_LIST, PageRefused, SignedInDep
from frontdesk.console.models import Role
from frontdesk.console.sessions import SignedIn

REVIEWERS = frozenset(Role)
EDITORS = frozenset(Role)


def can_review(staff: SignedIn) -> bool:
    """Tell whether somebody may read all conversations, review them and see what was counted."""
    return staff.role in REVIEWERS


def can_edit_content(staff: SignedIn) -> bool:
    """Tell whether somebody may change the clinic's facts and propose wording."""
    return staff.role in EDITORS


def reviewer(staff: SignedInDep) -> SignedIn:
    """Return who makes this request; raise PageRefused 403 unless they may review."""
    if not can_review(staff):
        raise _refused("Conversations are reviewed by those whom the clinic's administrator lets do it.")
    return staff


def editor(staff: SignedInDep) -> SignedIn:
    """Return who makes this request; raise PageRefused 403 unless they may change what patients are told."""
    if not can_edit_content(staff):
        raise _refused("What patients are told is changed by those whom the clinic's administrator lets do it.")
    return staff


ReviewerDep = Annotated[SignedIn, Depends(reviewer)]
EditorDep = Annotated[SignedIn, Depends(editor)]


def _refused(detail: str) -> PageRefused:
    return PageRefused(403, "This page is not for your account", f"{detail} Nothing was changed.", TO_LIST)
