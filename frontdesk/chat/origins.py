"""Which websites may use the chat API from their visitors' browsers."""

from dataclasses import dataclass
from urllib.parse import urlsplit


class ForeignOrigin(Exception):
    """A browser's request comes from a page of a site that nobody allowed."""


@dataclass(frozen=True)
class AllowedOrigins:
    """The sites that ALLOWED_ORIGINS names, as browsers write them; our own pages are always allowed."""

    origins: frozenset[str]

    @classmethod
    def of(cls, listed: str, public_url: str | None) -> "AllowedOrigins":
        """Read the setting: origins separated by commas."""
        origins = {origin.strip().rstrip("/").lower() for origin in listed.split(",") if origin.strip()}
        if public_url:
            parts = urlsplit(public_url)
            origins.add(f"{parts.scheme}://{parts.netloc}".lower())
        return cls(frozenset(origins))

    def check(self, origin: str | None, host: str | None) -> None:
        """Raise ForeignOrigin unless a request's `Origin` may use the chat. Programs that are no browsers send none."""
        if origin is None or origin.lower() in self.origins:
            return
        if urlsplit(origin).netloc.lower() != (host or "").lower():
            raise ForeignOrigin

    def frame_ancestors(self) -> str:
        """Return who may show the chat's own page in a frame, as a Content-Security-Policy says it."""
        return " ".join(["'self'", *sorted(self.origins)])
