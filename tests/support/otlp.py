"""A receiver of OTLP traces over HTTP that keeps what it gets, checked against the official protobuf definitions."""

from __future__ import annotations

import http.server
import threading
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as OtlpSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status


@dataclass
class Span:
    trace: str
    id: str
    parent: str
    name: str
    kind: str
    start_ns: int
    end_ns: int
    failed: bool
    attributes: dict[str, Any]


def value_of(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))


class OtlpReceiver:
    """`status` is what it answers; while `hang` is cleared, it does not."""

    def __init__(self, port: int = 0) -> None:
        self.status, self.resource, self.headers = 200, {}, {}
        self.spans: list[Span] = []
        self.refused = 0
        self.hang = threading.Event()
        self.hang.set()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.hang.wait(30)
                receiver.headers = {k.lower(): v for k, v in self.headers.items()}
                status = receiver.take(self.path, body) if receiver.status == 200 else receiver.status
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.hang.set()
        self._server.shutdown()
        self._server.server_close()

    def take(self, path: str, body: bytes) -> int:
        if path != "/v1/traces" or self.headers.get("content-type") != "application/x-protobuf":
            self.refused += 1
            return 404
        request = ExportTraceServiceRequest()
        request.ParseFromString(body)
        for resource in request.resource_spans:
            self.resource = {a.key: value_of(a.value) for a in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [self._span(span) for span in scope.spans]
        return 200

    @staticmethod
    def _span(span: OtlpSpan) -> Span:
        assert len(span.trace_id) == 16 and len(span.span_id) == 8 and len(span.parent_span_id) in (0, 8)
        return Span(
            trace=span.trace_id.hex(),
            id=span.span_id.hex(),
            parent=span.parent_span_id.hex(),
            name=span.name,
            kind=OtlpSpan.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
            start_ns=span.start_time_unix_nano,
            end_ns=span.end_time_unix_nano,
            failed=span.status.code == Status.STATUS_CODE_ERROR,
            attributes={a.key: value_of(a.value) for a in span.attributes},
        )

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]
