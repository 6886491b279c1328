"""A model that takes long is stopped when its time is over, and the server goes on."""

from __future__ import annotations

import time
import unittest

from corbel import ROOT, Corbel
from hostile_files import slow_onnx

SETTINGS = {
    "inference.onnxRuntimeLibrary": str(ROOT / "build/deps/onnxruntime/lib/libonnxruntime.so.1"),
    "inference.timeoutMs": "20000",
}
PREDICT = "/api/v1/ai/models/slow/predict"


class Deadline(unittest.TestCase):
    corbel: Corbel

    @classmethod
    def setUpClass(cls) -> None:
        cls.corbel = Corbel(settings=SETTINGS)
        cls.enterClassContext(cls.corbel)
        cls.corbel.call("POST", "/api/v1/ai/models", {"name": "slow", "framework": "onnx"}).expect(201)
        cls.corbel.call("POST", "/api/v1/ai/models/slow/versions", slow_onnx(steps=150, width=500)).expect(201)
        begin = time.monotonic()
        cls.corbel.call("POST", PREDICT, {"input": [0]}).expect(200)
        cls.whole_seconds = time.monotonic() - begin

    def refused(self, timeout_ms: int) -> float:
        begin = time.monotonic()
        answer = self.corbel.call("POST", PREDICT, {"input": [0], "options": {"timeoutMs": timeout_ms}}).expect(504)
        self.assertEqual(answer.json()["code"], "deadline_exceeded")
        return time.monotonic() - begin

    def test_the_shortest_time_allowed_is_over_at_once(self) -> None:
        self.assertLess(self.refused(1), self.whole_seconds / 2)

    def test_a_graph_is_stopped_while_it_runs(self) -> None:
        self.assertLess(self.refused(50), self.whole_seconds / 2)

    def test_the_next_one_is_answered(self) -> None:
        self.refused(1)
        self.refused(50)
        self.corbel.call("POST", PREDICT, {"input": [0]}).expect(200)


if __name__ == "__main__":
    unittest.main()
