"""Errors of the HTTP API as `application/problem+json`, in plain words."""

from typing import Any

from fastapi.responses import JSONResponse

from frontdesk.metrics import REFUSED


class Problem(Exception):
    """A request that is answered with an error."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        headers: dict[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.detail = detail
        self.headers = headers
        self.extra = extra

    def response(self) -> JSONResponse:
        """Return the answer."""
        REFUSED.labels(str(self.status)).inc()
        return JSONResponse(
            {
                "type": "about:blank",
                "title": self.title,
                "status": self.status,
                "detail": self.detail,
                **self.extra,
            },
            status_code=self.status,
            headers=self.headers,
            media_type="application/problem+json",
        )
