"""The numbers for Prometheus, after some of everything has happened."""

from __future__ import annotations

import re
import socket
import subprocess
import time
import unittest
from pathlib import Path

from corbel import ROOT, Corbel

MODEL_FILE = Path(__file__).with_name("house-prices.json")
PROMTOOL = ROOT / "build/deps/promtool/promtool"
# Names that dashboards have known for long, with units that a new name would not have.
ESTABLISHED = ("ai_service_request_duration_ms", "ai_service_inference_duration_ms")


class Metrics(unittest.TestCase):
    corbel: Corbel

    @classmethod
    def setUpClass(cls) -> None:
        cls.corbel = Corbel(environment={"MAIN_BACKEND_URL": "http://127.0.0.1:9"})
        cls.enterClassContext(cls.corbel)
        cls.corbel.call("POST", "/api/v1/ai/models", {"name": "houses", "framework": "xgboost"}).expect(201)
        cls.corbel.call("POST", "/api/v1/ai/models/houses/versions", MODEL_FILE.read_bytes()).expect(201)
        for _ in range(3):
            row = {"input": {"size": 1, "age": 2}}
            cls.corbel.call("POST", "/api/v1/ai/models/houses/predict", row).expect(200)
        cls.lose_a_model()
        cls.corbel.call("GET", "/api/v1/ai/models/nowhere").expect(404)
        cls.corbel.request("GET", "/nowhere").expect(404)

    @classmethod
    def lose_a_model(cls) -> None:
        """Its file is gone before it is loaded, so that something else has to answer."""
        assert cls.corbel.folder is not None
        known = set((cls.corbel.folder / "objects").rglob("*"))
        fallback = {"configuration": {"fallback": {"prediction": 1}}}
        cls.corbel.call("POST", "/api/v1/ai/models", {"name": "lost", "framework": "xgboost"} | fallback).expect(201)
        cls.corbel.call("POST", "/api/v1/ai/models/lost/versions", MODEL_FILE.read_bytes() + b" ").expect(201)
        for file in set((cls.corbel.folder / "objects").rglob("*")) - known:
            if file.is_file():
                file.unlink()
        answer = cls.corbel.call("POST", "/api/v1/ai/models/lost/predict", {"input": {"size": 1, "age": 2}})
        assert answer.expect(200).json()["degraded"] is True

    def text(self) -> str:
        return self.corbel.call("GET", "/metrics").expect(200).body.decode()

    def test_promtool_finds_nothing_but_the_established_names(self) -> None:
        checked = subprocess.run([PROMTOOL, "check", "metrics"], input=self.text(), capture_output=True, text=True)
        complaints = [c for c in checked.stderr.splitlines() if c and not c.startswith(ESTABLISHED)]
        self.assertEqual(complaints, [])

    def test_predictions_are_counted_by_model(self) -> None:
        self.assertRegex(self.text(), r'ai_service_model_predictions_total\{[^}]*model="houses"[^}]*\} 3\n')

    def test_paths_that_nobody_knows_make_no_labels(self) -> None:
        before = self.text().count("\n")
        for i in range(50):
            self.corbel.request("GET", f"/nowhere/{i}").expect(404)
            self.corbel.call("GET", f"/api/v1/ai/models/nothing-{i}").expect(404)
        self.assertEqual(self.text().count("\n"), before)

    def test_every_metric_of_the_table_is_exposed(self) -> None:
        table = (ROOT / "src/platform/telemetry/metric_table.h").read_text()
        names = re.findall(r'^inline constexpr \w+Spec \w+\{"(\w+)"', table, re.M)
        self.assertGreater(len(names), 20)
        text = self.text()
        for name in names:
            with self.subTest(name):
                self.assertRegex(text, rf"(?m)^{name}(_count)?(\{{.*\}})? [0-9.e+-]+$")

    def test_connections_are_counted_as_they_come_and_are_refused(self) -> None:
        with Corbel(settings={"server.maxConnections": "3"}) as corbel:
            held = [socket.create_connection(("127.0.0.1", corbel.port)) for _ in range(3)]
            for connection in held:
                connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
                self.assertIn(b" 200 ", connection.recv(65536))
            with socket.create_connection(("127.0.0.1", corbel.port)) as refused:
                self.assertIn(b" 503 ", refused.recv(65536))
            held.pop().close()
            until = time.monotonic() + 20
            while (answer := corbel.call("GET", "/metrics")).status != 200 and time.monotonic() < until:
                time.sleep(0.01)
            text = answer.expect(200).body.decode()
            self.assertRegex(text, r"(?m)^corbel_http_connections 3$")
            self.assertRegex(text, r"(?m)^corbel_http_connections_refused_total [1-9]\d*$")
            for connection in held:
                connection.close()

    def test_names_that_dashboards_expect_are_there(self) -> None:
        text = self.text()
        for name in (
            "ai_service_requests_total",
            "ai_service_request_duration_ms_bucket",
            "ai_service_model_predictions_total",
            "ai_service_inference_duration_ms_bucket",
            "ai_service_model_cache_hits_total",
            "ai_inference_time_seconds_bucket",
            "ai_cache_hit_ratio",
            "ai_memory_usage_bytes",
        ):
            self.assertIn(f"\n{name}", text)


if __name__ == "__main__":
    unittest.main()
