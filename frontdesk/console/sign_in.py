"""The console's pages for signing in: the password, the second factor, the one-time link."""

import ipaddress
from datetime import timedelta

import structlog
from anyio import to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from frontdesk.audit.log import Action, record
from frontdesk.console import accounts, drafts, links, second_factor, sessions
from frontdesk.console.guard import (
    CODE,
    DEVICE_COOKIE,
    HOME,
    SECOND_FACTOR,
    ConsoleDep,
    ConsoleRoute,
    FormDep,
    HalfSignedIn,
    PageRefused,
    SigningInDep,
    delete_cookies,
    is_secure,
    not_found,
    place,
    session_token,
    set_cookies,
    signed_in,
)
from frontdesk.console.models import Staff, Stage
from frontdesk.console.rendering import render
from frontdesk.console.sessions import SignedIn, SignedOut
from frontdesk.console.state import Console
from frontdesk.limits import TooManyRequests
from frontdesk.metrics import REFUSED
from frontdesk.settings import is_loopback

log = structlog.get_logger(__name__)

SIGN_IN = "/staff/sign-in"
LINK = "/staff/sign-in/link"
NOBODY = "not signed in"
WRONG = "The e-mail address or the password is not right."
WRONG_CODE = "The code is not right, or was used already. Wait for the next one on your phone."

router = APIRouter(route_class=ConsoleRoute, include_in_schema=False)


@router.get(SIGN_IN)
async def show_sign_in(request: Request, console: ConsoleDep) -> Response:
    """Show the form, or the requests to somebody who is signed in."""
    try:
        await signed_in(request, console)
    except (SignedOut, HalfSignedIn):
        request.state.signed_in = None
        return await run_in_threadpool(_form, request, console, request.query_params.get("next", ""))
    return RedirectResponse(HOME, status_code=303)


@router.post(SIGN_IN)
async def sign_in(request: Request, console: ConsoleDep, form: FormDep) -> Response:
    """Take the password. Errors: 401 wrong e-mail or password, 429 too many tries."""
    email, password, kept = form.get("email", ""), form.get("password", ""), form.get("text", "")
    account, next_page = accounts.account_name(email)[: accounts.LONGEST_EMAIL], place(form.get("next", ""))
    try:
        _count(request, console, account)
        staff = await to_thread.run_sync(
            accounts.authenticate, console.database, email, password, limiter=console.passwords
        )
    except accounts.WrongCredentials:
        log.warning("staff_sign_in_refused", reason="wrong_credentials")
        await run_in_threadpool(_note_refused, console, account)
        return await run_in_threadpool(_form, request, console, next_page, 401, email, WRONG, kept)
    except TooManyRequests as wait:
        return await _too_many(request, console, wait, next_page, email, kept)
    token, stage = await run_in_threadpool(_start, request, console, staff, next_page, kept)
    following = "" if next_page == HOME else f"?next={next_page}"
    where = {Stage.CODE: f"{CODE}{following}", Stage.SET_UP: SECOND_FACTOR}.get(stage, next_page)
    response = RedirectResponse(where, status_code=303)
    set_cookies(request, console, response, token)
    if stage is Stage.DONE:
        _remember(request, console, response, staff.email)
    return response


@router.get(CODE)
def show_code(request: Request, staff: SigningInDep) -> Response:
    """Ask for the second factor; whoever need not give one goes on."""
    next_page = place(request.query_params.get("next", ""))
    if staff.stage is not Stage.CODE:
        return RedirectResponse(next_page if staff.stage is Stage.DONE else SECOND_FACTOR, status_code=303)
    return render(request, "code.html", next_page=next_page, error=None)


@router.post(CODE)
def take_code(request: Request, console: ConsoleDep, staff: SigningInDep, form: FormDep) -> Response:
    """Take the second factor. Errors: 401 wrong code, 429 too many tries."""
    next_page = place(form.get("next", ""))
    if staff.stage is not Stage.CODE:
        return RedirectResponse(next_page, status_code=303)
    device = console.devices.read(request.cookies.get(DEVICE_COOKIE))
    known = device if device and device.knows(staff.email) else None
    try:
        console.code_limit.count(f"{staff.staff_id} {known.name if known else ''}")
    except TooManyRequests as wait:
        error = f"Too many tries. Please wait {wait.retry_after_seconds} seconds."
        response: Response = render(request, "code.html", status_code=429, next_page=next_page, error=error)
        response.headers["Retry-After"] = str(wait.retry_after_seconds)
        return response
    token = _finish(request, console, staff, form.get("code", ""))
    if token is None:
        return _wrong_code(request, console, staff, next_page)
    log.info("staff_signed_in", staff_id=staff.staff_id)
    response = RedirectResponse(next_page, status_code=303)
    set_cookies(request, console, response, token)
    _remember(request, console, response, staff.email)
    return response


@router.get(LINK)
def show_link(request: Request, console: ConsoleDep) -> Response:
    """Ask whether to sign in by a one-time link: opening it alone, as mail programs do, must not use it up."""
    _require_local(request, console)
    return render(request, "link.html", token=request.query_params.get("token", ""))


@router.post(LINK)
def use_link(request: Request, console: ConsoleDep, form: FormDep) -> Response:
    """Sign the local admin in. Errors: 403 when it was used already, or is not for here."""
    _require_local(request, console)
    now = console.now()
    with console.database.session() as session:
        staff = links.use(session, form.get("token", ""), now)
        if staff is None:
            raise _link_refused("It was used already, or is more than an hour old: start the assistant again.")
        token = sessions.start(session, staff.id, now, browser=request.headers.get("user-agent", ""))
        record(session, now, staff.email, Action.SIGNED_IN, staff.id, by="one-time link")
    response = RedirectResponse(HOME, status_code=303)
    set_cookies(request, console, response, token)
    return response


@router.post("/staff/sign-out")
def sign_out(request: Request, console: ConsoleDep, staff: SigningInDep) -> Response:
    """End this sign-in, or what there is of it so far."""
    with console.database.session() as session:
        sessions.end(session, session_token(request, console) or "")
        record(session, console.now(), staff.email, Action.SIGNED_OUT, staff.staff_id)
    response = RedirectResponse(f"{SIGN_IN}?ended=asked", status_code=303)
    delete_cookies(response)
    return response


def _count(request: Request, console: Console, account: str) -> None:
    """Count a try; raise TooManyRequests. A browser that signed in to the account before is counted by itself."""
    device = console.devices.read(request.cookies.get(DEVICE_COOKIE))
    if device and device.knows(account):
        console.device_limit.count(f"{device.name} {account}")
        return
    console.address_limit.count(_network(request))
    console.account_limit.count(account)


async def _too_many(
    request: Request, console: Console, wait: TooManyRequests, next_page: str, email: str, kept: str
) -> Response:
    log.warning("staff_sign_in_refused", reason="too_many")
    error = f"Too many tries. Please wait {wait.retry_after_seconds} seconds, then sign in again."
    response = await run_in_threadpool(_form, request, console, next_page, 429, email, error, kept)
    response.headers["Retry-After"] = str(wait.retry_after_seconds)
    return response


def _form(
    request: Request,
    console: Console,
    next_page: str,
    status: int = 200,
    email: str = "",
    error: str | None = None,
    kept: str = "",
) -> Response:
    if error:
        REFUSED.labels(str(status)).inc()
    return render(
        request,
        "sign_in.html",
        status_code=status,
        email=email,
        error=error,
        kept=kept or None,
        next_page=place(next_page),
        ended=request.query_params.get("ended") if not error else None,
        longest_hours=sessions.LONGEST // timedelta(hours=1),
        hint=accounts.first_sign_in_hint(console.database),
    )


def _start(request: Request, console: Console, staff: Staff, next_page: str, kept: str) -> tuple[str, Stage]:
    """Begin a sign-in whose password was right; return its token and how far it has come."""
    now = console.now()
    old = session_token(request, console)
    with console.database.session() as session:
        if old:
            sessions.end(session, old)
        if second_factor.is_set_up(session, staff.id):
            stage = Stage.CODE
        else:
            stage = Stage.SET_UP if console.needs_second_factor else Stage.DONE
        token = sessions.start(session, staff.id, now, stage, request.headers.get("user-agent", ""))
        drafts.keep(session, staff.id, next_page, kept, now)
        if stage is Stage.DONE:
            record(session, now, staff.email, Action.SIGNED_IN, staff.id, by="password")
            log.info("staff_signed_in", staff_id=staff.id)
    return token, stage


def _finish(request: Request, console: Console, staff: SignedIn, code: str) -> str | None:
    """Return the token of a whole sign-in for a right code, None for a wrong one."""
    now = console.now()
    with console.database.session() as session:
        if second_factor.check(session, staff.staff_id, code, now):
            by = "password and code"
        elif second_factor.use_recovery_code(session, staff.staff_id, code):
            by = "password and recovery code"
        else:
            return None
        # A new token: whoever saw the half of the way has nothing.
        sessions.end(session, session_token(request, console) or "")
        token = sessions.start(session, staff.staff_id, now, browser=request.headers.get("user-agent", ""))
        record(session, now, staff.email, Action.SIGNED_IN, staff.staff_id, by=by)
    return token


def _wrong_code(request: Request, console: Console, staff: SignedIn, next_page: str) -> Response:
    with console.database.session() as session:
        left = sessions.count_wrong_code(session, staff.session_id)
        record(session, console.now(), staff.email, Action.SIGN_IN_REFUSED, staff.staff_id, reason="code")
    log.warning("staff_sign_in_refused", reason="wrong_code", staff_id=staff.staff_id)
    if left:
        REFUSED.labels("401").inc()
        return render(request, "code.html", status_code=401, next_page=next_page, error=WRONG_CODE)
    request.state.signed_in = None
    error = f"{sessions.MOST_WRONG_CODES} wrong codes. Please begin again."
    response = _form(request, console, next_page, 401, "", error)
    delete_cookies(response)
    return response


def _note_refused(console: Console, account: str) -> None:
    """Note a wrong password; what was typed for an address is not kept, it may be a password."""
    with console.database.session() as session:
        staff = accounts.find(session, account)
        record(
            session,
            console.now(),
            staff.email if staff else NOBODY,
            Action.SIGN_IN_REFUSED,
            staff.id if staff else None,
            reason="password",
        )


def _remember(request: Request, console: Console, response: Response, email: str) -> None:
    device = console.devices.read(request.cookies.get(DEVICE_COOKIE))
    response.set_cookie(
        DEVICE_COOKIE,
        console.devices.remember(device, email),
        max_age=round(console.devices.seconds),
        path=SIGN_IN,
        httponly=True,
        samesite="strict",
        secure=is_secure(request, console),
    )


def _require_local(request: Request, console: Console) -> None:
    """Raise PageRefused unless this machine's own browser asks, and nobody else could."""
    if not console.is_local:
        raise not_found()
    client = request.client.host if request.client else ""
    if not is_loopback(client) or not is_loopback(request.url.hostname or ""):
        raise _link_refused("It works in a browser on the machine itself alone.")


def _link_refused(detail: str) -> PageRefused:
    return PageRefused(403, "This link does not sign in", detail, (SIGN_IN, "Sign in"))


def _network(request: Request) -> str:
    """Return whom to count: an IPv4 address, or the /64 from which one IPv6 customer can choose."""
    host = request.client.host if request.client else "unknown"
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if address.version == 4 or address.ipv4_mapped:
        return host
    return str(ipaddress.ip_network((address, 64), strict=False))
