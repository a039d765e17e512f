"""What stands before and after every page of the console.

Every answer carries the strict headers. Every POST has to come from a page of this site. Every page but the
sign-in needs somebody signed in, and every POST of theirs the token that was put into their forms.
"""

import hmac
import re
from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode

import structlog
from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from frontdesk.console import sessions
from frontdesk.console.models import Role, Stage
from frontdesk.console.rendering import render
from frontdesk.console.sessions import SignedIn, SignedOut
from frontdesk.console.state import Console
from frontdesk.metrics import REFUSED

log = structlog.get_logger(__name__)

HOME = "/staff"
SIGN_IN = "/staff/sign-in"
COOKIE = "ketalink_staff"
# Where there is https: a name that no other site of the same domain can set a cookie by.
SECURE_COOKIE = f"__Host-{COOKIE}"
DEVICE_COOKIE = "ketalink_staff_device"
CODE = "/staff/sign-in/code"
SECOND_FACTOR = "/staff/second-factor"
# A note of 4,000 characters is 48,000 bytes at most; one that is too long is still read and given back.
LARGEST_FORM = 256_000
MOST_FIELDS = 20
_FORM_TYPE = "application/x-www-form-urlencoded"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?", re.IGNORECASE)
# Where one comes back to after signing in.
_PLACES = re.compile(
    r"/staff(/(?:leads|conversations)/[0-9a-f]{32}"
    r"|/(?:notifications|account|people|audit|system|conversations|review|content|insight)(?![\w-])(?!/))?"
)
# What open pages ask for without anybody's doing.
_ASKED_BY_ITSELF = frozenset({"/staff/alarms"})
_ROW_ID = re.compile(r"[0-9a-f]{32}")

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    # With `no-referrer` browsers send `Origin: null` with a form: all of them would look foreign.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class HalfSignedIn(Exception):
    """The password was right, and something is still to do, on `page`."""

    def __init__(self, page: str) -> None:
        super().__init__(page)
        self.page = page


class PageRefused(Exception):
    """A request that is answered with a page saying why not and what to do instead.

    `kept` is what the person had typed, given back to them.
    """

    def __init__(self, status: int, title: str, detail: str, back: tuple[str, str], kept: str | None = None) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.detail = detail
        self.back = back
        self.kept = kept


TO_LIST = (HOME, "Back to the requests")


def not_found() -> PageRefused:
    """Return the refusal of an address that leads nowhere."""
    return PageRefused(404, "There is nothing here", "The address is wrong, or the request was deleted.", TO_LIST)


def row_id(part: str) -> str:
    """Return the id in an address; raise PageRefused 404 for what cannot be one."""
    if not _ROW_ID.fullmatch(part):
        raise not_found()
    return part


class ConsoleRoute(APIRoute):
    """A route of the console: foreign POSTs are refused, errors become pages, all answers get the headers."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the route's own handler."""
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                if request.method not in _SAFE_METHODS:
                    _refuse_foreign(request)
                response = await handle(request)
            except SignedOut as error:
                response = await _to_sign_in(request, error)
            except HalfSignedIn as error:
                response = RedirectResponse(error.page, status_code=303)
            except PageRefused as error:
                response = _refusal(request, error)
            except (RequestValidationError, HTTPException):
                response = _refusal(request, not_found())
            except SQLAlchemyError as error:
                log.error("database_unavailable", error=type(error).__name__)
                response = _refusal(request, _database_down(request))
            for name, value in HEADERS.items():
                response.headers[name] = value
            response.headers.setdefault("Cache-Control", "no-store")
            return response

        return guarded


def get_console(request: Request) -> Console:
    """Return the application's Console."""
    console: Console = request.app.state.console
    return console


ConsoleDep = Annotated[Console, Depends(get_console)]


async def read_form(request: Request) -> Mapping[str, str]:
    """Return the fields of a form; raise PageRefused 400 or 413."""
    known: Mapping[str, str] | None = getattr(request.state, "form", None)
    if known is not None:
        return known
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            raise PageRefused(
                413,
                "That was too much at once",
                "Go back in your browser, shorten it and send it again.",
                TO_LIST,
            )
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and content_type != _FORM_TYPE:
        raise _unreadable()
    try:
        fields = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="replace")
    except ValueError as error:
        raise _unreadable() from error
    form = {name: _plain(value) for name, value in fields}
    request.state.form = form
    return form


FormDep = Annotated[Mapping[str, str], Depends(read_form)]


async def signed_in(request: Request, console: ConsoleDep) -> SignedIn:
    """Return who makes this request; raise SignedOut, HalfSignedIn, or PageRefused 403 for a POST without its token."""
    staff = await signing_in(request, console)
    if staff.stage is not Stage.DONE:
        raise HalfSignedIn(CODE if staff.stage is Stage.CODE else SECOND_FACTOR)
    return staff


async def signing_in(request: Request, console: ConsoleDep) -> SignedIn:
    """Return who makes this request, though their sign-in may lack its second factor; raise as `signed_in` does."""
    token = session_token(request, console)
    if not token:
        raise SignedOut
    staff = await run_in_threadpool(_resume, console, token, request.url.path not in _ASKED_BY_ITSELF)
    request.state.signed_in = staff
    if request.method not in _SAFE_METHODS:
        form = await read_form(request)
        if not hmac.compare_digest(form.get("csrf", "").encode(), staff.csrf_token.encode()):
            log.warning("staff_form_refused", reason="csrf", staff_id=staff.staff_id)
            raise PageRefused(
                403,
                "This form is out of date",
                "Nothing was changed. You have signed in since you opened it: open the page again.",
                (place(request.url.path), "Open the page again"),
                kept=_typed(form),
            )
    return staff


SignedInDep = Annotated[SignedIn, Depends(signed_in)]
SigningInDep = Annotated[SignedIn, Depends(signing_in)]


def at_least(role: Role) -> Callable[[SignedIn], SignedIn]:
    """Return a dependency that lets those pass who have this role or more; raise PageRefused 403."""

    def check(staff: SignedInDep) -> SignedIn:
        if not staff.role.includes(role):
            log.warning("staff_page_refused", reason="role", staff_id=staff.staff_id)
            raise PageRefused(
                403,
                "This is not for your role",
                f"It needs the role {role.value}; yours is {staff.role.value}. Nothing was changed. "
                "An admin can change roles on the page Staff.",
                TO_LIST,
            )
        return staff

    return check


ManagerDep = Annotated[SignedIn, Depends(at_least(Role.MANAGER))]
AdminDep = Annotated[SignedIn, Depends(at_least(Role.ADMIN))]


def session_token(request: Request, console: Console) -> str | None:
    """Return the token of the sign-in that a request's cookie has."""
    token = request.cookies.get(SECURE_COOKIE)
    if token is None and not ((console.public_origin or "").startswith("https://") and is_secure(request, console)):
        token = request.cookies.get(COOKIE)
    return token


def set_cookies(request: Request, console: Console, response: Response, token: str) -> None:
    """Give a browser the cookie of its sign-in."""
    secure = is_secure(request, console)
    name, path = (SECURE_COOKIE, "/") if secure else (COOKIE, HOME)
    response.set_cookie(name, token, path=path, httponly=True, samesite="strict", secure=secure)


def delete_cookies(response: Response) -> None:
    """Take the cookie of a sign-in away, by whichever name."""
    response.delete_cookie(COOKIE, path=HOME)
    response.delete_cookie(SECURE_COOKIE, path="/", secure=True)


def place(path: str) -> str:
    """Return the page of the console that `path` is, or belongs to; the list for any other."""
    page = _PLACES.match(path)
    return page.group() if page else HOME


def is_secure(request: Request, console: Console) -> bool:
    """Tell whether the cookie may insist on https: wherever the console is reached so, or has to be.

    A browser on the machine itself, at `http://127.0.0.1:8000`, may do without: nothing leaves the machine.
    """
    here = f"{request.url.scheme}://{request.headers.get('host', '')}"
    origin = request.headers.get("origin", here)
    if origin.startswith("https://") or here.startswith("https://"):
        return True
    return (console.public_origin or "").startswith("https://") and not _LOOPBACK.fullmatch(origin)


def _resume(console: Console, token: str, is_sign_of_life: bool) -> SignedIn:
    with console.database.session() as session:
        return sessions.resume(session, token, console.now(), is_sign_of_life)


def _refuse_foreign(request: Request) -> None:
    """Raise PageRefused 403 unless the browser says that a page of this site sent the request."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    console = get_console(request)
    host = request.headers.get("host", "").lower()
    # https besides the scheme we see: a proxy that ends TLS may not say so, and nobody can pose as https.
    ours = {console.public_origin, f"{request.url.scheme}://{host}", f"https://{host}"}
    if site in (None, "same-origin") and (origin in ours if origin is not None else site is not None):
        return
    log.warning("staff_form_refused", reason="foreign_site")
    raise PageRefused(
        403,
        "This form came from somewhere else",
        "Nothing was changed. Forms are only accepted from this site's own pages. If you did use one, "
        "PUBLIC_URL may not be the address in your browser: tell whoever runs this system.",
        TO_LIST,
    )


async def _to_sign_in(request: Request, reason: SignedOut) -> Response:
    query = {"next": place(request.url.path)} if place(request.url.path) != HOME else {}
    if reason.expired:
        query["ended"] = "idle"
    address = SIGN_IN + (f"?{urlencode(query, safe='/')}" if query else "")
    response: Response
    if "hx-request" in request.headers:
        response = Response(status_code=204, headers={"HX-Redirect": address})
    elif request.method in _SAFE_METHODS:
        response = RedirectResponse(address, status_code=303)
    else:
        # A redirect would lose what was typed.
        try:
            kept = _typed(await read_form(request))
        except PageRefused:
            kept = None
        REFUSED.labels("401").inc()
        response = render(
            request, "signed_out.html", status_code=401, kept=kept, next_page=place(request.url.path), email=""
        )
    delete_cookies(response)
    return response


def _refusal(request: Request, error: PageRefused) -> Response:
    REFUSED.labels(str(error.status)).inc()
    return render(
        request,
        "refused.html",
        status_code=error.status,
        title=error.title,
        detail=error.detail,
        back=error.back,
        kept=error.kept,
    )


def _database_down(request: Request) -> PageRefused:
    return PageRefused(
        503,
        "The database does not answer",
        "Nothing was changed. Please try again in a minute. If it stays so, tell whoever runs this system.",
        TO_LIST,
        kept=_typed(getattr(request.state, "form", {})),
    )


def _unreadable() -> PageRefused:
    return PageRefused(400, "The form could not be read", "Nothing was changed. Please open the page again.", TO_LIST)


def _typed(form: Mapping[str, str]) -> str | None:
    return form.get("text") or None


def _plain(value: str) -> str:
    """Return text that every database can hold, with line ends as one character."""
    value = value.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(character for character in value if character >= " " or character in "\n\t")
