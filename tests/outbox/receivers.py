"""Those who are notified: a mail server and a program with a webhook, both real, both in this process."""

import asyncio
import base64
import json
import threading
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from types import TracebackType
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from standardwebhooks import Webhook, WebhookVerificationError

WEBHOOK_SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()


class MailServer:
    """A mail server on loopback that keeps what it takes.

    `refusals` are the answers to the next recipients, `550 No such mailbox` for example. With `password` set nobody
    sends without signing in; with `certificate` only after STARTTLS, or, if `is_implicit`, encrypted from the first
    byte. A silent one takes connections and says nothing.
    """

    def __init__(
        self,
        certificate: SSLContext | None = None,
        password: str | None = None,
        is_implicit: bool = False,
        is_silent: bool = False,
    ) -> None:
        self.sign_ins = 0
        self.messages: list[EmailMessage] = []
        self.refusals: list[str] = []
        self.raw: list[bytes] = []
        options: dict[str, Any] = {}
        if certificate is not None and not is_implicit:
            options |= {"tls_context": certificate, "require_starttls": True}
        if password is not None:
            self._password = password.encode()
            options |= {
                "authenticator": self._authenticate,
                "auth_required": True,
                # aiosmtpd does not see a connection that is encrypted from the first byte as such.
                "auth_require_tls": certificate is not None and not is_implicit,
            }
        # Not aiosmtpd's Controller: it cannot take whatever port is free.
        self._loop = asyncio.new_event_loop()
        serving = self._loop.create_server(
            asyncio.Protocol if is_silent else lambda: SMTP(self, hostname="mail.example", loop=self._loop, **options),
            "127.0.0.1",
            0,
            ssl=certificate if is_implicit else None,
        )
        self._server = self._loop.run_until_complete(serving)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> "MailServer":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # In its own thread: a connection may be coming or going at this moment.
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def ids(self) -> list[str]:
        """The Message-IDs of what came, in order."""
        return [message["Message-ID"] for message in self.messages]

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Answer to a recipient."""
        if self.refusals:
            return self.refusals.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Keep a message."""
        content = envelope.original_content or b""
        self.raw.append(content)
        self.messages.append(message_from_bytes(content, policy=policy.default))  # type: ignore[arg-type]
        return "250 OK"

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        succeeded = data.password == self._password
        self.sign_ins += 1
        return AuthResult(success=succeeded, handled=False)


@dataclass
class Call:
    """One request that came to the webhook."""

    headers: dict[str, str]
    body: bytes

    def verified(self) -> dict[str, Any]:
        """Return its JSON; raise WebhookVerificationError unless it was signed with our secret."""
        verified: dict[str, Any] = Webhook(WEBHOOK_SECRET).verify(self.body, self.headers)
        return verified


@dataclass
class Receiver:
    """A program with a webhook on loopback that keeps what it is told.

    What is not signed with our secret gets 401. `answers` are the statuses of the next answers, after them 204; while
    `may_answer` is cleared there is none.
    """

    answers: list[int] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    certificate: SSLContext | None = None

    def __post_init__(self) -> None:
        self.may_answer = threading.Event()
        self.may_answer.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                call = Call({name.lower(): value for name, value in self.headers.items()}, body)
                receiver.calls.append(call)
                receiver.may_answer.wait(60)
                try:
                    call.verified()
                except WebhookVerificationError:
                    status = 401
                else:
                    status = receiver.answers.pop(0) if receiver.answers else 204
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, format: str, *arguments: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if self.certificate is not None:
            self._server.socket = self.certificate.wrap_socket(self._server.socket, server_side=True)

    def __enter__(self) -> "Receiver":
        threading.Thread(target=self._server.serve_forever, daemon=True, kwargs={"poll_interval": 0.05}).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.may_answer.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where it listens."""
        scheme = "https" if self.certificate else "http"
        return f"{scheme}://127.0.0.1:{self._server.server_port}/hooks/ketalink?token=only-ours"

    @property
    def ids(self) -> list[str]:
        """The ids of the events that came, in order."""
        return [call.headers["webhook-id"] for call in self.calls]

    @property
    def told(self) -> list[dict[str, Any]]:
        """What came, as JSON."""
        return [json.loads(call.body) for call in self.calls]
