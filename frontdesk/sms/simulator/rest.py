"""The simulator's REST API over HTTP: `/2010-04-01/Accounts/SID/Messages.json` and `…/Messages/SID.json`."""

import base64
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from frontdesk.sms.simulator.messages import API_VERSION
from frontdesk.sms.simulator.twilio import WRONG_TOKEN, ApiError, Loss, TwilioSimulator

_PATH = re.compile(rf"/{API_VERSION}/Accounts/(?P<account>\w+)/Messages(?:/(?P<sid>\w+))?\.json")
_NOT_FOUND = ApiError(404, 20404, "The requested resource was not found")


class RestApi:
    """Serves a simulator's API on loopback; port 0 takes a free one."""

    def __init__(self, simulator: TwilioSimulator, port: int = 0) -> None:
        class Handler(_Handler):
            twilio = simulator

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """The address for TWILIO_API_URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "RestApi":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    twilio: TwilioSimulator
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Send a text."""
        length = int(self.headers.get("Content-Length") or 0)
        form = dict(parse_qsl(self.rfile.read(length).decode(), keep_blank_values=True))
        loss = self._fault()
        if loss is Loss.BEFORE:
            return
        try:
            if self._path()["sid"] is not None:
                raise _NOT_FOUND
            text = self.twilio.create(form, self._is_signed_in())
        except ApiError as error:
            self._refuse(error)
            return
        if loss is Loss.AFTER:
            return
        self._answer(201, text.resource(self.twilio.account))

    def do_GET(self) -> None:
        """Show a text, or the latest ones."""
        if self._fault() is not None:
            return
        try:
            sid = self._path()["sid"]
            if not self._is_signed_in():
                raise WRONG_TOKEN
            if sid is None:
                self._answer(200, self._listed())
                return
            text = self.twilio.find(sid)
            if text is None:
                raise _NOT_FOUND
            self._answer(200, text.resource(self.twilio.account))
        except ApiError as error:
            self._refuse(error)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: requests hold numbers."""

    def _path(self) -> dict[str, str | None]:
        match = _PATH.fullmatch(urlsplit(self.path).path)
        if match is None or match["account"] != self.twilio.account:
            raise _NOT_FOUND
        return match.groupdict()

    def _is_signed_in(self) -> bool:
        expected = base64.b64encode(f"{self.twilio.account}:{self.twilio.token}".encode()).decode()
        return self.headers.get("Authorization") == f"Basic {expected}"

    def _fault(self) -> Loss | None:
        """Do what was planned to go wrong with this request; return how it is lost, if it is."""
        if not self.twilio.faults:
            return None
        fault = self.twilio.faults.popleft()
        if isinstance(fault, ApiError):
            self._refuse(fault)
            return Loss.BEFORE
        self.close_connection = True
        return fault

    def _listed(self) -> dict[str, Any]:
        query = dict(parse_qsl(urlsplit(self.path).query))
        size = min(int(query.get("PageSize", "50")), 1_000)
        wanted = [
            text
            for text in reversed(self.twilio.texts)
            if query.get("To") in (None, text.to)
            and query.get("From") in (None, text.sender)
            and query.get("DateSent>", "") <= f"{text.created_at:%Y-%m-%dT%H:%M:%SZ}" <= query.get("DateSent<", "9")
        ]
        page = int(query.get("Page", "0"))
        shown = wanted[page * size : (page + 1) * size]
        kept = {name: value for name, value in query.items() if name not in ("Page", "PageToken", "PageSize")}
        address = f"{urlsplit(self.path).path}?{urlencode({**kept, 'PageSize': size})}"
        more = len(wanted) > (page + 1) * size
        return {
            "messages": [text.resource(self.twilio.account) for text in shown],
            "page": page,
            "page_size": size,
            "start": page * size,
            "end": page * size + len(shown) - 1,
            "uri": self.path,
            "first_page_uri": f"{address}&Page=0",
            "previous_page_uri": None,
            "next_page_uri": f"{address}&Page={page + 1}&PageToken=PA0" if more else None,
        }

    def _refuse(self, error: ApiError) -> None:
        link = f"https://www.twilio.com/docs/errors/{error.code}"
        content = {"code": error.code, "message": error.message, "more_info": link, "status": error.status}
        self._answer(error.status, content)

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
