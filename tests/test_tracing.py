"""Traces: where the time of a message went, for a collector, and nothing that a patient wrote."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from sqlalchemy import exc

from frontdesk import tracing
from frontdesk.app import create_app
from frontdesk.settings import PROJECT, Settings
from tests.conftest import free_ports
from tests.sms.running import RasaStandIn

CANARY = "zebulonquixworth 516-555-0142"
# Every attribute there may be, and every word it may have.
ALLOWED = {"channel": {"widget", "sms"}, "error.type": {"RasaUnavailable", "AssistantUnavailable", "OperationalError"}}


class Collector:
    """Takes what OpenTelemetry's exporter sends."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                collector.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                assert self.path == "/v1/traces"
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def spans(self) -> list[Span]:
        requests = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        return [
            span
            for request in requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.stop()


def settings(folder: Path, database_url: str, rasa_port: int, endpoint: str | None) -> Settings:
    return Settings(
        _env_file=None,  # type: ignore[call-arg]
        data_dir=folder,
        database_url=database_url,
        rasa_port=rasa_port,
        actions_port=free_ports(1)[0],
        otel_exporter_otlp_endpoint=endpoint,
    )


def test_a_message_is_traced_stage_by_stage(tmp_path: Path, sqlite_url: str, collector: Collector) -> None:
    (rasa_port,) = free_ports(1)
    rasa = RasaStandIn(rasa_port)
    with TestClient(create_app(settings(tmp_path, sqlite_url, rasa_port, collector.url))) as client:
        assert client.post("/api/chat", json={"text": CANARY}).status_code == 200
    rasa.stop()
    (turn,) = [span for span in collector.spans if span.name == "turn"]
    within = [span.name for span in collector.spans if span.parent_span_id == turn.span_id]
    assert sorted(within) == ["guard", "rasa", "store", "store"]
    assert {span.trace_id for span in collector.spans if span.parent_span_id} == {turn.trace_id}


def test_nothing_a_patient_wrote_is_in_a_trace_not_even_of_a_failure(
    tmp_path: Path, sqlite_url: str, collector: Collector
) -> None:
    (rasa_port,) = free_ports(1)  # nobody listens there
    with TestClient(create_app(settings(tmp_path, sqlite_url, rasa_port, collector.url))) as client:
        assert client.post("/api/chat", json={"text": CANARY.split()[0]}).status_code == 503
        with pytest.raises(exc.OperationalError), tracing.span("store"):
            raise exc.OperationalError(CANARY, {"text": CANARY}, Exception(CANARY))
    assert {span.name for span in collector.spans} == {"guard", "rasa", "store", "turn"}
    sent = b"".join(collector.bodies)
    for word in CANARY.split():
        assert word.encode() not in sent
    for span in collector.spans:
        assert not span.events
        assert not span.status.message
        for attribute in span.attributes:
            assert attribute.value.string_value in ALLOWED[attribute.key]


def test_a_collector_that_is_down_stops_nothing(tmp_path: Path, sqlite_url: str) -> None:
    (rasa_port, nobody) = free_ports(2)
    rasa = RasaStandIn(rasa_port)
    endpoint = f"http://127.0.0.1:{nobody}"
    with TestClient(create_app(settings(tmp_path, sqlite_url, rasa_port, endpoint))) as client:
        assert client.post("/api/chat", json={"text": "hello"}).status_code == 200
    rasa.stop()


def test_nothing_that_makes_or_sends_traces_is_imported_without_an_endpoint() -> None:
    script = (
        "import sys, frontdesk.app; parts = ('opentelemetry.sdk', 'opentelemetry.exporter'); "
        "print([name for name in sys.modules if name.startswith(parts)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"
