"""The console's routes, as the application has them."""

from collections.abc import Iterator

from fastapi.routing import APIRoute, APIRouter


def routes_of(router: APIRouter) -> Iterator[APIRoute]:
    """Yield every route of a router and of those included in it."""
    for route in router.routes:
        if isinstance(route, APIRoute):
            yield route
        elif inner := getattr(route, "original_router", None):
            yield from routes_of(inner)
