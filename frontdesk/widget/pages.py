"""`GET /`, a demo page that embeds the widget, and `GET /widget.js`, the widget itself."""

from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response
from fastapi.templating import Jinja2Templates

HERE = Path(__file__).parent
STATIC = HERE / "static"
templates = Jinja2Templates(HERE / "templates")

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

router = APIRouter(include_in_schema=False)


@router.get("/")
async def demo_page(request: Request) -> Response:
    """Show the demo page."""
    clinic = request.app.state.clinic
    page = templates.TemplateResponse(
        request,
        "index.html",
        {"clinic_name": clinic.name, "service_area": clinic.service_area, "phone": clinic.phone},
    )
    page.headers["Content-Security-Policy"] = PAGE_POLICY
    page.headers["Cache-Control"] = "no-cache"
    return page


@router.get("/widget.js")
async def widget() -> FileResponse:
    """Return the widget for embedding on any page."""
    return FileResponse(
        STATIC / "widget.js",
        media_type="text/javascript",
        headers={"Cache-Control": "no-cache", "Cross-Origin-Resource-Policy": "cross-origin"},
    )


@router.get("/page.css")
async def page_style() -> FileResponse:
    """Return the demo page's style."""
    return FileResponse(STATIC / "page.css", media_type="text/css", headers={"Cache-Control": "no-cache"})
