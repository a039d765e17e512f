"""The front desk's side of the connection to Rasa."""

from typing import Any

import httpx

from frontdesk.chat.models import Channel
from frontdesk.loopback import tls_for


class RasaUnavailable(Exception):
    """Rasa could not handle a message now; the same message may be sent again later."""


class RasaClient:
    """Sends a visitor's words to Rasa and returns its replies."""

    def __init__(self, url: str, secret: str, timeout_seconds: float) -> None:
        self._http = httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {secret}"},
            timeout=httpx.Timeout(timeout_seconds, connect=2.0),
            limits=httpx.Limits(max_connections=64),
            verify=tls_for(url),
        )

    async def send(
        self,
        conversation_id: str,
        channel: Channel,
        message_id: str,
        text: str,
        topic: str | None = None,
        *,
        denies_danger: bool = False,
    ) -> dict[str, Any]:
        """Return `{"messages": [...], "understood": {...}}`; raise RasaUnavailable when there is no whole reply.

        The same `message_id` again, as the conversation's latest, gets the same reply and is not heard twice. `topic`
        is what a button stands for, which is then certain. `denies_danger`: the model shall see none in it.
        """
        try:
            response = await self._http.post(
                "/message",
                json={
                    "conversation": conversation_id,
                    "channel": channel.value,
                    "id": message_id,
                    "text": text,
                    "topic": topic,
                    "denies_danger": denies_danger,
                },
            )
            response.raise_for_status()
            reply: dict[str, Any] = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise RasaUnavailable(type(error).__name__) from error
        if not reply.get("messages"):
            raise RasaUnavailable("empty reply")
        return reply

    async def forget(self, conversation_id: str) -> None:
        """Have Rasa delete what it keeps of a conversation; raise RasaUnavailable when that is not sure."""
        try:
            (await self._http.delete(f"/conversations/{conversation_id}")).raise_for_status()
        except httpx.HTTPError as error:
            raise RasaUnavailable(type(error).__name__) from error

    async def is_ready(self) -> bool:
        """Tell whether Rasa answers and has its model."""
        try:
            return (await self._http.get("/", timeout=2.0)).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()
