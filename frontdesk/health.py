"""Whether the action server answers."""

import httpx

from frontdesk.loopback import tls_for


class ActionServerProbe:
    """Asks the action server's health route."""

    def __init__(self, url: str) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=2.0, verify=tls_for(url))

    async def is_ready(self) -> bool:
        """Tell whether the action server answers."""
        try:
            return (await self._http.get("/health")).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()
