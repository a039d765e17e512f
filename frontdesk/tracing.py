"""Traces by OpenTelemetry: where a message's time went, when OTEL_EXPORTER_OTLP_ENDPOINT is set.

A span has a fixed name and fixed attributes: never a patient's words, number or conversation. Of an exception it has
the kind alone, because the text of one may hold anything. OpenTelemetry's SDK and exporter are imported only when
traces are configured: that takes half a second.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

SERVICE = "ketalink-frontdesk"
PATH = "/v1/traces"
# A collector that is down must not hold up the end of the process.
TIMEOUT_SECONDS = 2.0


class Tracing:
    """Sends spans to a collector, in a thread of its own; what it cannot take is dropped."""

    def __init__(self, provider: "TracerProvider") -> None:
        self._provider = provider
        self._tracer: Tracer = provider.get_tracer("ketalink")

    @classmethod
    def to(cls, endpoint: str) -> "Tracing":
        """Make one for a collector's address."""
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        provider = TracerProvider(resource=Resource.create({"service.name": SERVICE}), shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=endpoint.rstrip("/") + PATH, timeout=TIMEOUT_SECONDS)
        provider.add_span_processor(BatchSpanProcessor(exporter))
        return cls(provider)

    @contextmanager
    def span(self, name: str, attributes: dict[str, str]) -> Iterator[None]:
        """Trace what is done within; its spans become children of this one."""
        with self._tracer.start_as_current_span(
            name, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as current:
            try:
                yield
            except BaseException as error:
                current.set_attribute("error.type", type(error).__name__)
                raise

    def stop(self) -> None:
        """Send what is left, if the collector takes it."""
        self._provider.shutdown()


_current: Tracing | None = None


def use(tracing: Tracing | None) -> None:
    """Have `span` trace from now on, or no longer."""
    global _current
    _current = tracing


def span(name: str, **attributes: str) -> AbstractContextManager[None]:
    """Trace what is done within, if traces are configured; attributes are fixed words."""
    return _Nothing() if _current is None else _current.span(name, attributes)


class _Nothing:
    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass
