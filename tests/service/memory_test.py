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

    def figures(self, corbel: Corbel, name: str) -> dict[str, Any]:
        health = corbel.call("GET", "/health/detailed").expect(200).json()
        return next(d["figures"] for d in health["dependencies"] if d["name"] == name)


if __name__ == "__main__":
    unittest.main()
