"""What happens at the memory that the operator allows."""

from __future__ import annotations

import unittest
from pathlib import Path
from typing import Any

from corbel import Corbel
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

    def test_models_make_room_for_each_other_and_the_server_stays_within_its_memory(self) -> None:
        content = forest()
        body = {"input": {f"f{i}": 0.1 for i in range(FEATURES)}}
        with Corbel() as corbel:
            before = self.figures(corbel, "memory")["residentBytes"]
            for name in "abcdefgh":
                new = {"name": name, "framework": "xgboost", "category": "regression"}
                corbel.call("POST", MODELS, new).expect(201)
                corbel.call("POST", f"{MODELS}/{name}/versions", content).expect(201)
            corbel.call("POST", f"{MODELS}/a/predict", body).expect(200)
            one = self.figures(corbel, "models")["usedBytes"]
            limit = max(int(before) + 4 * int(one), 64 << 20)
            corbel.stop()
            corbel.settings = {"memory.limitBytes": str(limit)}
            corbel.start()
            refused = 0
            for name in "abcdefgh" * 2:
                answer = corbel.call("POST", f"{MODELS}/{name}/predict", body)
                self.assertIn(answer.status, (200, 503))
                if answer.status == 503:
                    refused += 1
                    self.assertIn("retry-after", answer.headers)
                self.assertEqual(corbel.request("GET", "/health").status, 200)
                self.assertLess(self.figures(corbel, "memory")["residentBytes"], limit)
            self.assertLess(refused, 16)
            self.assertLess(self.figures(corbel, "models")["loaded"], 8)

    def figures(self, corbel: Corbel, name: str) -> dict[str, Any]:
        health = corbel.call("GET", "/health/detailed").expect(200).json()
        return next(d["figures"] for d in health["dependencies"] if d["name"] == name)


if __name__ == "__main__":
    unittest.main()
