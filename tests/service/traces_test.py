"""Traces to a real receiver of OTLP: what is in them, and what it costs callers when nobody takes them."""

from __future__ import annotations

import json
import time
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

from corbel import Corbel, run
from otlp import OtlpReceiver

MODEL_FILE = Path(__file__).with_name("house-prices.json")
ROW = {"input": {"size": 120, "age": 12}}
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
PREDICT = "/api/v1/ai/models/houses/predict"


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 20) -> Any:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {what}")


def make_model(corbel: Corbel) -> None:
    corbel.call("POST", "/api/v1/ai/models", {"name": "houses", "framework": "xgboost"}).expect(201)
    corbel.call("POST", "/api/v1/ai/models/houses/versions", MODEL_FILE.read_bytes()).expect(201)


class TracesTest(unittest.TestCase):
    def setUp(self) -> None:
        self.receiver = OtlpReceiver()
        self.addCleanup(self.receiver.close)

    def corbel(self, **settings: str) -> Corbel:
        return self.enterContext(Corbel({"traces.endpoint": f"http://127.0.0.1:{self.receiver.port}"} | settings))

    def test_a_callers_trace_has_its_gates_queries_and_inference(self) -> None:
        corbel = self.corbel(**{"traces.samplingRatio": "0"})
        make_model(corbel)
        corbel.call("POST", PREDICT, ROW, **SAMPLED).expect(200)
        corbel.call("GET", "/api/v1/ai/models/houses", **SAMPLED).expect(200)
        corbel.call("PATCH", "/api/v1/ai/models/houses", {"description": "x"}, **SAMPLED).expect(200)
        wait_until(lambda: len([s for s in self.receiver.spans if s.kind == "server"]) == 3, "three calls")
        spans = list(self.receiver.spans)
        self.assertEqual({span.trace for span in spans}, {TRACE})
        self.assertEqual(self.receiver.resource["service.name"], "corbel")
        roots = {span.name: span for span in spans if span.kind == "server"}
        predict = roots["POST /api/v1/ai/models/{model}/predict"]
        self.assertEqual(predict.parent, SPAN)
        self.assertEqual(
            (predict.attributes["http.request.method"], predict.attributes["http.response.status_code"]), ("POST", 200)
        )
        below = {span.name for span in spans if span.parent == predict.id}
        self.assertLessEqual({"gate authenticate", "gate tenant", "gate permission", "gate limit"}, below)
        self.assertIn("inference houses", {span.name for span in spans})
        queries = [span.attributes for span in self.receiver.named("query")]
        self.assertEqual({query["db.system.name"] for query in queries}, {"sqlite"})
        self.assertTrue(any("ml_models" in q["db.query.text"] and "?" in q["db.query.text"] for q in queries))
        change = roots["PATCH /api/v1/ai/models/{model}"]
        commit = self.receiver.named("commit")[0]
        self.assertEqual(commit.parent, change.id)
        self.assertIn(commit.id, {span.parent for span in self.receiver.named("query")})
        for span in spans:
            self.assertLessEqual(span.start_ns, span.end_ns)
            self.assertLess(abs(span.start_ns / 1e9 - time.time()), 60)
        ids = [span.id for span in spans]
        self.assertEqual(len(ids), len(set(ids)))
        self.assertLessEqual({span.parent for span in spans}, {*ids, SPAN})

    def test_a_refusal_is_a_failed_gate(self) -> None:
        corbel = self.corbel()
        corbel.call("GET", "/api/v1/ai/models", key="wrong").expect(401)
        gate = wait_until(lambda: self.receiver.named("gate authenticate"), "the gate")[0]
        self.assertTrue(gate.failed)
        self.assertNotIn("wrong", str(self.receiver.spans))

    def test_callers_decide_for_their_own_and_the_ratio_for_the_rest(self) -> None:
        corbel = self.corbel(**{"traces.samplingRatio": "0"})
        corbel.call("GET", "/api/v1/ai/models").expect(200)
        corbel.call("GET", "/api/v1/ai/models", traceparent=f"00-{TRACE}-{SPAN}-00").expect(200)
        corbel.call("GET", "/api/v1/ai/models", traceparent="nonsense").expect(200)
        corbel.call("GET", "/api/v1/ai/models", **SAMPLED).expect(200)
        wait_until(lambda: self.receiver.spans, "the one that is sampled")
        corbel.stop()  # sends what is left
        self.assertEqual({span.trace for span in self.receiver.spans}, {TRACE})
        self.assertEqual(len([s for s in self.receiver.spans if s.kind == "server"]), 1)

    def test_a_collector_that_hangs_or_is_away_costs_callers_nothing(self) -> None:
        corbel = self.corbel()
        make_model(corbel)
        self.receiver.hang.clear()
        begin = time.monotonic()
        for _ in range(300):
            corbel.call("POST", PREDICT, ROW).expect(200)
        self.assertLess(time.monotonic() - begin, 10)
        self.receiver.hang.set()
        self.receiver.close()
        for _ in range(2000):
            corbel.call("GET", "/health").expect(200)
        wait_until(lambda: corbel.metric("corbel_trace_spans_dropped_total") > 0, "drops that are counted", 30)
        self.assertLess(corbel.log().count("traces are not taken"), 3)
        self.assertEqual(corbel.stop(), 0)

    def test_what_is_left_is_sent_at_the_end(self) -> None:
        corbel = self.corbel()
        corbel.call("GET", "/api/v1/ai/models").expect(200)
        self.assertEqual(corbel.stop(), 0)
        self.assertEqual(len([s for s in self.receiver.spans if s.kind == "server"]), 1)

    def test_the_collector_gets_its_credential_and_the_log_does_not(self) -> None:
        corbel = self.enterContext(
            Corbel(
                {"traces.endpoint": f"127.0.0.1:{self.receiver.port}"},
                {"CORBEL_TRACES_AUTHORIZATION": "Bearer let-me-in"},
            )
        )
        corbel.call("GET", "/health").expect(200)
        wait_until(lambda: self.receiver.spans, "a span")
        self.assertEqual(self.receiver.headers["authorization"], "Bearer let-me-in")
        self.assertNotIn("let-me-in", corbel.log())

    def test_the_address_of_jaeger_becomes_that_of_its_otlp(self) -> None:
        for given in ("http://jaeger:14268/api/traces", "jaeger:6831", "http://jaeger"):
            shown = json.loads(run("config", "--output", "json", JAEGER_ENDPOINT=given).stdout)
            self.assertIn("http://jaeger:4318", json.dumps(shown), given)
        refused = run("config", JAEGER_ENDPOINT="http://user@jaeger:1/ x")
        self.assertEqual(refused.returncode, 78)
        with Corbel(environment={"JAEGER_ENDPOINT": "http://127.0.0.1:14268/api/traces"}) as corbel:
            wait_until(lambda: "traces are sent by OTLP, to http://127.0.0.1:4318" in corbel.log(), "the notice")


if __name__ == "__main__":
    unittest.main()
