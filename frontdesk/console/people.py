"""Staff and their roles: for admins. Nobody changes their own role, and there is always an admin."""

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from frontdesk.audit.log import Action, record
from frontdesk.console import accounts, second_factor, sessions
from frontdesk.console.guard import (
    AdminDep,
    ConsoleDep,
    ConsoleRoute,
    FormDep,
    PageRefused,
    not_found,
    row_id,
)
from frontdesk.console.models import Role, Staff
from frontdesk.console.rendering import render
from frontdesk.console.sessions import SignedIn
from frontdesk.console.state import Console
from frontdesk.metrics import REFUSED

log = structlog.get_logger(__name__)

PAGE = "/staff/people"
TO_PEOPLE = (PAGE, "Back to the staff")
ROLES = {role.value: role for role in Role}

router = APIRouter(route_class=ConsoleRoute, include_in_schema=False)


@router.get(PAGE)
def show_people(request: Request, console: ConsoleDep, admin: AdminDep) -> Response:
    """Show every account."""
    return _page(request, console)


@router.post(PAGE)
async def add_person(request: Request, console: ConsoleDep, admin: AdminDep, form: FormDep) -> Response:
    """Make an account and show its password, once. Errors: 422 an address that cannot be used or is taken."""
    email, role = form.get("email", ""), ROLES.get(form.get("role", ""))
    if role is None:
        raise _no_such_role()
    password = accounts.random_password()
    try:
        account = await run_in_threadpool(_add, console, admin, email, password, role)
    except accounts.EmailTaken as error:
        problem = f"{error} has an account already."
    except accounts.UnusableEmail as error:
        problem = f"This is no e-mail address: {error}"
    else:
        return await run_in_threadpool(_page, request, console, 200, None, "", (account.email, password))
    REFUSED.labels("422").inc()
    return await run_in_threadpool(_page, request, console, 422, problem, email)


@router.post(f"{PAGE}/{{staff_id}}/role")
def change_role(console: ConsoleDep, admin: AdminDep, staff_id: str, form: FormDep) -> Response:
    """Give somebody else another role. Errors: 400 no such role, 404, 409 one's own, or the last admin's."""
    role = ROLES.get(form.get("role", ""))
    if role is None:
        raise _no_such_role()
    with console.database.session() as session:
        try:
            before = accounts.change_role(session, admin.staff_id, row_id(staff_id), role)
        except accounts.AccountNotFound as error:
            raise not_found() from error
        except accounts.NotAllowed as error:
            raise PageRefused(409, "The role was not changed", str(error), TO_PEOPLE) from error
        record(session, console.now(), admin.email, Action.ROLE_CHANGED, staff_id, before=before, after=role.value)
    log.info("staff_role_changed", staff_id=admin.staff_id, account=staff_id, role=role.value)
    return RedirectResponse(PAGE, status_code=303)


@router.post(f"{PAGE}/{{staff_id}}/disable")
def disable(console: ConsoleDep, admin: AdminDep, staff_id: str) -> Response:
    """Let somebody else in no more, from now on. Errors: 404, 409 oneself, or the last admin."""
    now = console.now()
    with console.database.session() as session:
        try:
            accounts.disable(session, admin.staff_id, row_id(staff_id), now)
        except accounts.AccountNotFound as error:
            raise not_found() from error
        except accounts.NotAllowed as error:
            raise PageRefused(409, "The account was not switched off", str(error), TO_PEOPLE) from error
        record(session, now, admin.email, Action.ACCOUNT_DISABLED, staff_id)
    return RedirectResponse(PAGE, status_code=303)


@router.post(f"{PAGE}/{{staff_id}}/enable")
def enable(console: ConsoleDep, admin: AdminDep, staff_id: str) -> Response:
    """Let somebody in again. Errors: 404."""
    with console.database.session() as session:
        account = _other(console, session, admin, staff_id)
        account.disabled_at = None
        record(session, console.now(), admin.email, Action.ACCOUNT_ENABLED, account.id)
    return RedirectResponse(PAGE, status_code=303)


@router.post(f"{PAGE}/{{staff_id}}/sign-out")
def sign_somebody_out(console: ConsoleDep, admin: AdminDep, staff_id: str) -> Response:
    """End all of somebody else's sign-ins. Errors: 404."""
    with console.database.session() as session:
        account = _other(console, session, admin, staff_id)
        count = sessions.end_all(session, account.id)
        record(session, console.now(), admin.email, Action.SESSION_ENDED, account.id, count=count)
    return RedirectResponse(PAGE, status_code=303)


@router.post(f"{PAGE}/{{staff_id}}/second-factor/remove")
def remove_second_factor(console: ConsoleDep, admin: AdminDep, staff_id: str) -> Response:
    """Take away the second factor of somebody who lost phone and codes, and sign them out. Errors: 404."""
    with console.database.session() as session:
        account = _other(console, session, admin, staff_id)
        second_factor.remove(session, account.id)
        sessions.end_all(session, account.id)
        record(session, console.now(), admin.email, Action.SECOND_FACTOR_REMOVED, account.id)
    return RedirectResponse(PAGE, status_code=303)


def _add(console: Console, admin: SignedIn, email: str, password: str, role: Role) -> Staff:
    with console.database.session() as session:
        account = accounts.create_account(session, email, password, role)
        record(session, console.now(), admin.email, Action.ACCOUNT_ADDED, account.id, role=role.value)
        return account


def _other(console: Console, session: Session, admin: SignedIn, staff_id: str) -> Staff:
    """Return somebody else's account; raise PageRefused 404 or 409."""
    account = session.get(Staff, row_id(staff_id))
    if account is None:
        raise not_found()
    if account.id == admin.staff_id:
        raise PageRefused(
            409, "This is your own account", "Use the page Account for it.", ("/staff/account", "Account")
        )
    return account


def _no_such_role() -> PageRefused:
    return PageRefused(400, "There is no such role", "Nothing was changed. Use the page's buttons.", TO_PEOPLE)


def _page(
    request: Request,
    console: Console,
    status: int = 200,
    error: str | None = None,
    typed: str = "",
    made: tuple[str, str] | None = None,
) -> Response:
    with console.database.session() as session:
        people = [(each, second_factor.is_set_up(session, each.id)) for each in accounts.everyone(session)]
    return render(request, "people.html", status_code=status, people=people, error=error, typed=typed, made=made)
