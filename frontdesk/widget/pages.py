"""The widget's files, a page of the chat alone, and demo pages that embed it.

`GET /widget.js` is the loader, `GET /widget/chat.js` what it fetches; `GET /chat` is the chat as a page of its own, for
a link or a frame. `GET /` embeds it the common way, `/demo/strict` under the strictest policy a site can have, and
`/demo/hostile` on a page whose style sheet would disfigure it.
"""

import secrets
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response
from fastapi.templating import Jinja2Templates

HERE = Path(__file__).parent
STATIC = HERE / "static"
templates = Jinja2Templates(HERE / "templates")

# Lit asks for the one policy that it makes its templates by: none of them holds a word from the network.
TRUSTED_TYPES = "require-trusted-types-for 'script'; trusted-types lit-html"
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    f"base-uri 'none'; form-action 'self'; {TRUSTED_TYPES}; "
)
_NO_FRAMES = "frame-ancestors 'none'"
_A_YEAR = "public, max-age=31536000, immutable"

router = APIRouter(include_in_schema=False)


@router.get("/")
async def demo_page(request: Request) -> Response:
    """Show the demo page."""
    return _page(request, "index.html", PAGE_POLICY + _NO_FRAMES)


@router.get("/chat")
async def chat_page(request: Request) -> Response:
    """Show the chat alone; sites that may embed it may also show it in a frame."""
    ancestors = request.app.state.chat.origins.frame_ancestors()
    return _page(request, "chat.html", f"{PAGE_POLICY}frame-ancestors {ancestors}")


@router.get("/demo/strict")
async def strict_page(request: Request) -> Response:
    """Show the widget under a policy that trusts one script by a number used once, and what that script loads."""
    nonce = secrets.token_urlsafe(18)
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}' 'strict-dynamic'; style-src 'nonce-{nonce}'; "
        f"connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; {TRUSTED_TYPES}; {_NO_FRAMES}"
    )
    return _page(request, "strict.html", policy, nonce=nonce)


@router.get("/demo/hostile")
async def hostile_page(request: Request) -> Response:
    """Show the widget on a page whose style sheet means every element it can reach."""
    return _page(request, "hostile.html", PAGE_POLICY + _NO_FRAMES)


@router.get("/widget.js")
async def loader() -> FileResponse:
    """Return the loader for embedding on any page."""
    return _file("widget.js", "text/javascript", "no-cache")


@router.get("/widget/chat.js")
async def chat(v: str = "") -> FileResponse:
    """Return the chat itself; the loader asks for its version `v`, so it can be kept for ever."""
    return _file("chat.js", "text/javascript", _A_YEAR if v else "no-cache")


@router.get("/page.css")
async def page_style() -> FileResponse:
    """Return the demo pages' style."""
    return _file("page.css", "text/css", "no-cache")


@router.get("/demo/hostile.css")
async def hostile_style() -> FileResponse:
    """Return the style sheet of the hostile page."""
    return _file("hostile.css", "text/css", "no-cache")


def _page(request: Request, name: str, policy: str, **values: Any) -> Response:
    clinic = request.app.state.clinic
    known = {"clinic_name": clinic.name, "service_area": clinic.service_area, "phone": clinic.phone}
    page = templates.TemplateResponse(request, name, known | values)
    page.headers["Content-Security-Policy"] = policy
    page.headers["Cache-Control"] = "no-cache"
    return page


def _file(name: str, media_type: str, cache: str) -> FileResponse:
    # A script of another site's page is fetched as a module, and so asks who may read it: everybody.
    headers = {
        "Cache-Control": cache,
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Access-Control-Allow-Origin": "*",
    }
    return FileResponse(STATIC / name, media_type=media_type, headers=headers)
