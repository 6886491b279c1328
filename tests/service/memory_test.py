"""What happens at the memory that the operator allows."""

from __future__ import annotations

import contextlib
import socket
import time
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from corbel import SANITIZED, Corbel
from unload_test import FEATURES, forest

MODEL_FILE = Path(__file__).with_name("house-prices.json")
MODELS = "/api/v1/ai/models"


class Memory(unittest.TestCase):
    def test_a_model_that_can_never_fit_is_refused_and_costs_no_other_its_place(self) -> None:
        with Corbel(settings={"memory.limitBytes": "64MiB"}) as corbel:
            small = {"input": {"size": 120, "age": 12}}
            corbel.call("POST", MODELS, {"name": "houses", "framework": "xgboost"}).expect(201)
            corbel.call("POST", f"{MODELS}/houses/versions", MODEL_FILE.read_bytes()).expect(201)
            corbel.call("POST", f"{MODELS}/houses/predict", small).expect(200)
            self.assertEqual(self.figures(corbel, "models")["loaded"], 1)

            corbel.call("POST", MODELS, {"name": "big", "framework": "xgboost", "category": "regression"}).expect(201)
            corbel.call("POST", f"{MODELS}/big/versions", forest()).expect(201)
            large = {"input": {f"f{i}": 0.1 for i in range(FEATURES)}}
            answer = corbel.call("POST", f"{MODELS}/big/predict", large).expect(503)
            self.assertEqual(answer.json()["code"], "unavailable")
            self.assertIn("memory.limitBytes", answer.json()["detail"])
            self.assertEqual(self.figures(corbel, "models")["loaded"], 1)
            self.assertLess(self.figures(corbel, "memory")["residentBytes"], 64 << 20)

            corbel.call("POST", f"{MODELS}/houses/predict", small).expect(200)

    @unittest.skipIf(SANITIZED, "sanitizers need a multiple of the memory")
    def test_heavy_work_is_refused_before_memory_is_full_and_health_never(self) -> None:
        with Corbel(settings={"memory.limitBytes": "128MiB"}) as corbel, contextlib.ExitStack() as stalled:
            heavy = {"input": "x" * 100_000}
            path = f"{MODELS}/nothing/predict"
            corbel.call("POST", path, heavy).expect(404)
            level = 0
            for _ in range(12):
                level = self.level_after(corbel, stalled.enter_context(self.half_a_body(corbel, 14 << 20)), level)
                if level >= 3:
                    break
            self.assertGreaterEqual(level, 3)
            answer = corbel.call("POST", path, heavy).expect(503)
            self.assertIn("retry-after", answer.headers)
            self.assertIn("memory", answer.json()["detail"])
            self.assertEqual(corbel.request("GET", "/health").status, 200)
            self.assertGreaterEqual(corbel.metric("corbel_memory_level"), 3)
            stalled.close()
            until = time.monotonic() + 5
            while self.figures(corbel, "memory")["level"] >= 3:
                self.assertLess(time.monotonic(), until)
                time.sleep(0.05)
            corbel.call("POST", path, heavy).expect(404)

    @contextlib.contextmanager
    def half_a_body(self, corbel: Corbel, size: int) -> Iterator[None]:
        """A request whose body stops half way, in the server's memory until the connection ends."""
        with socket.create_connection((corbel.host, corbel.port)) as connection:
            head = f"POST {MODELS}/nothing/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            head += f"Authorization: Bearer {corbel.admin_key}\r\nContent-Length: {2 * size}\r\n\r\n"
            connection.sendall(head.encode() + b'{"input": "' + b"x" * size)
            yield

    def level_after(self, corbel: Corbel, _: None, before: float) -> float:
        """When the server has looked again."""
        until = time.monotonic() + 1
        level = before
        while time.monotonic() < until and level == before:
            level = self.figures(corbel, "memory")["level"]
            time.sleep(0.05)
        return level

    def figures(self, corbel: Corbel, name: str) -> dict[str, Any]:
        health = corbel.call("GET", "/health/detailed").expect(200).json()
        return next(d["figures"] for d in health["dependencies"] if d["name"] == name)


if __name__ == "__main__":
    unittest.main()
