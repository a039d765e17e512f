"""One's own account: password, second factor, recovery codes, and where one is signed in."""

import structlog
from anyio import to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from frontdesk.audit.log import Action, record
from frontdesk.console import accounts, second_factor, sessions
from frontdesk.console.guard import (
    HOME,
    SECOND_FACTOR,
    ConsoleDep,
    ConsoleRoute,
    FormDep,
    PageRefused,
    SignedInDep,
    SigningInDep,
    not_found,
    row_id,
    session_token,
    set_cookies,
)
from frontdesk.console.models import Stage
from frontdesk.console.rendering import render
from frontdesk.console.sessions import SignedIn
from frontdesk.console.state import Console
from frontdesk.limits import TooManyRequests

log = structlog.get_logger(__name__)

PAGE = "/staff/account"
TO_ACCOUNT = (PAGE, "Back to your account")
WRONG_CODE = "The code is not right. It changes every half minute: type the one your app shows now."
_TOO_MANY = "Too many tries"

# For those who are signed in.
router = APIRouter(route_class=ConsoleRoute, include_in_schema=False)
# For those too who have to set up their second factor before they are.
set_up_pages = APIRouter(route_class=ConsoleRoute, include_in_schema=False)
# Says how long one stays signed in; asking is no sign of life.
clock_pages = APIRouter(route_class=ConsoleRoute, include_in_schema=False)


@router.get(PAGE)
def show_account(request: Request, console: ConsoleDep, staff: SignedInDep) -> Response:
    """Show the account and where it is signed in."""
    return _page(request, console, staff)


@router.post(f"{PAGE}/password")
async def change_password(request: Request, console: ConsoleDep, staff: SignedInDep, form: FormDep) -> Response:
    """Set a new password; signs out everywhere else. Errors: 422 wrong old one or unusable new one, 429."""
    old, new = form.get("old", ""), form.get("new", "")
    try:
        console.code_limit.count(f"{staff.staff_id} password")
        await to_thread.run_sync(accounts.authenticate, console.database, staff.email, old, limiter=console.passwords)
        await run_in_threadpool(_set_password, console, staff, new)
    except accounts.WrongCredentials:
        error = "The old password is not right. It stays as it was."
    except accounts.UnusablePassword as unusable:
        error = f"{unusable} The old one stays."
    except TooManyRequests as wait:
        raise PageRefused(429, _TOO_MANY, f"Please wait {wait.retry_after_seconds} seconds.", TO_ACCOUNT) from wait
    else:
        # Setting it ended every sign-in; this one begins anew.
        token = await run_in_threadpool(_start, request, console, staff)
        response: Response = RedirectResponse(f"{PAGE}?done=password", status_code=303)
        set_cookies(request, console, response, token)
        return response
    return await run_in_threadpool(_page, request, console, staff, 422, error)


@router.post(f"{PAGE}/sessions/{{session_id}}/end")
def end_session(console: ConsoleDep, staff: SignedInDep, session_id: str) -> Response:
    """End one of one's own sign-ins. Errors: 404 not one's own, or over."""
    with console.database.session() as session:
        if not sessions.end_one(session, staff.staff_id, row_id(session_id)):
            raise not_found()
        record(session, console.now(), staff.email, Action.SESSION_ENDED, staff.staff_id)
    return RedirectResponse(f"{PAGE}#sessions", status_code=303)


@router.post(f"{PAGE}/sessions/end")
def end_other_sessions(console: ConsoleDep, staff: SignedInDep) -> Response:
    """End all of one's own sign-ins but this one."""
    with console.database.session() as session:
        count = sessions.end_all(session, staff.staff_id, but=staff.session_id)
        record(session, console.now(), staff.email, Action.SESSION_ENDED, staff.staff_id, count=count)
    return RedirectResponse(f"{PAGE}#sessions", status_code=303)


@router.post(f"{PAGE}/recovery-codes")
def new_recovery_codes(request: Request, console: ConsoleDep, staff: SignedInDep, form: FormDep) -> Response:
    """Make new recovery codes and show them, once. Errors: 422 wrong code."""
    with console.database.session() as session:
        _require_code(console, session, staff, form.get("code", ""))
        codes = second_factor.make_codes(session, staff.staff_id)
        record(session, console.now(), staff.email, Action.CODES_MADE, staff.staff_id)
    return render(request, "recovery_codes.html", codes=codes, is_new=False)


@router.post(f"{PAGE}/second-factor/remove")
def remove_second_factor(console: ConsoleDep, staff: SignedInDep, form: FormDep) -> Response:
    """Take the second factor away, to set up another one. Errors: 422 wrong code."""
    with console.database.session() as session:
        _require_code(console, session, staff, form.get("code", ""))
        second_factor.remove(session, staff.staff_id)
        record(session, console.now(), staff.email, Action.SECOND_FACTOR_REMOVED, staff.staff_id)
    return RedirectResponse(SECOND_FACTOR, status_code=303)


@set_up_pages.get(SECOND_FACTOR)
def show_set_up(request: Request, console: ConsoleDep, staff: SigningInDep) -> Response:
    """Show what to put into an authenticator app."""
    return _set_up(request, console, staff)


@set_up_pages.get(f"{SECOND_FACTOR}/picture.svg")
def show_picture(console: ConsoleDep, staff: SigningInDep) -> Response:
    """Return the QR code, as long as no code of it was typed. Errors: 404."""
    with console.database.session() as session:
        secret = None if staff.stage is Stage.CODE else second_factor.begin(session, staff.staff_id)
    if secret is None:
        raise not_found()
    picture = second_factor.picture(secret, staff.email, console.clinic.name)
    return Response(picture, media_type="image/svg+xml")


@set_up_pages.post(SECOND_FACTOR)
def confirm_set_up(request: Request, console: ConsoleDep, staff: SigningInDep, form: FormDep) -> Response:
    """Take the first code of the app: from now on it is asked for. Shows the recovery codes. Errors: 422 wrong code."""
    _refuse_code_stage(staff)
    now = console.now()
    _count(console, staff)
    with console.database.session() as session:
        codes = second_factor.confirm(session, staff.staff_id, form.get("code", ""), now)
        if codes is not None:
            record(session, now, staff.email, Action.SECOND_FACTOR_SET, staff.staff_id)
            sessions.end(session, session_token(request, console) or "")
            token = sessions.start(session, staff.staff_id, now, browser=request.headers.get("user-agent", ""))
            if staff.stage is not Stage.DONE:
                record(session, now, staff.email, Action.SIGNED_IN, staff.staff_id, by="password and new code")
            request.state.signed_in = sessions.resume(session, token, now)
    if codes is None:
        return _set_up(request, console, staff, 422, WRONG_CODE)
    response = render(request, "recovery_codes.html", codes=codes, is_new=True)
    set_cookies(request, console, response, token)
    return response


@clock_pages.get("/staff/session")
def session_left(request: Request, console: ConsoleDep) -> Response:
    """Return the seconds until one is signed out, 0 when one is; asking does not put it off."""
    with console.database.session() as session:
        left = sessions.time_left(session, session_token(request, console) or "", console.now())
    return JSONResponse({"seconds": int(left.total_seconds())})


@router.post("/staff/session")
def stay_signed_in(staff: SignedInDep) -> Response:
    """Stay signed in: asking with the token of one's own page is a sign of life."""
    return JSONResponse({"seconds": int(sessions.IDLE.total_seconds())})


def _page(
    request: Request, console: Console, staff: SignedIn, status: int = 200, password_error: str | None = None
) -> Response:
    with console.database.session() as session:
        return render(
            request,
            "account.html",
            status_code=status,
            has_second_factor=second_factor.is_set_up(session, staff.staff_id),
            codes_left=second_factor.codes_left(session, staff.staff_id),
            must_have=console.needs_second_factor,
            sign_ins=sessions.of(session, staff.staff_id, console.now()),
            password_error=password_error,
            shortest=accounts.SHORTEST_PASSWORD,
            done=request.query_params.get("done"),
        )


def _set_up(
    request: Request, console: Console, staff: SignedIn, status: int = 200, error: str | None = None
) -> Response:
    _refuse_code_stage(staff)
    with console.database.session() as session:
        secret = second_factor.begin(session, staff.staff_id)
    if secret is None:
        return RedirectResponse(PAGE if staff.stage is Stage.DONE else HOME, status_code=303)
    return render(
        request,
        "second_factor.html",
        status_code=status,
        secret=second_factor.readable(secret),
        must_have=staff.stage is Stage.SET_UP,
        error=error,
    )


def _refuse_code_stage(staff: SignedIn) -> None:
    """Raise PageRefused: whoever has a second factor and has not given it sets up no other one."""
    if staff.stage is Stage.CODE:
        raise PageRefused(403, "Your code is missing", "Sign in with it first.", (HOME, "Go on"))


def _require_code(console: Console, session: Session, staff: SignedIn, code: str) -> None:
    _count(console, staff)
    if not second_factor.check(session, staff.staff_id, code, console.now()):
        raise PageRefused(422, "The code is not right", f"Nothing was changed. {WRONG_CODE}", TO_ACCOUNT)


def _count(console: Console, staff: SignedIn) -> None:
    try:
        console.code_limit.count(f"{staff.staff_id} signed in")
    except TooManyRequests as wait:
        raise PageRefused(429, _TOO_MANY, f"Please wait {wait.retry_after_seconds} seconds.", TO_ACCOUNT) from wait


def _set_password(console: Console, staff: SignedIn, new: str) -> None:
    with console.database.session() as session:
        accounts.set_password(session, staff.email, new)
        record(session, console.now(), staff.email, Action.PASSWORD_CHANGED, staff.staff_id)


def _start(request: Request, console: Console, staff: SignedIn) -> str:
    with console.database.session() as session:
        return sessions.start(session, staff.staff_id, console.now(), browser=request.headers.get("user-agent", ""))
