"""Where ONNX Runtime is not installed, trees and linear models are served and other graphs are refused."""

from __future__ import annotations

import unittest

from corbel import Corbel
from hostile_files import onnx_files, tree_onnx

SETTINGS = {"inference.onnxRuntimeLibrary": "/nowhere/libonnxruntime.so.1"}
VERSIONS = "/api/v1/ai/models/m/versions"


class NoOnnxRuntime(unittest.TestCase):
    def test_a_graph_is_refused_and_a_tree_is_served(self) -> None:
        with Corbel(settings=SETTINGS) as corbel:
            corbel.call("POST", "/api/v1/ai/models", {"name": "m", "framework": "onnx"}).expect(201)
            refused = corbel.call("POST", VERSIONS, onnx_files()["abs.onnx"]).expect(422).json()
            self.assertRegex(refused["detail"], "needs ONNX Runtime .*set inference.onnxRuntimeLibrary")
            made = corbel.call("POST", VERSIONS, tree_onnx({})).expect(201).json()
            self.assertEqual((made["version"], made["signature"]["engine"]), (1, "forest"))
            answer = corbel.call("POST", "/api/v1/ai/models/m/predict", {"input": [0, 0]}).expect(200).json()
            self.assertEqual(answer["prediction"], 5)


if __name__ == "__main__":
    unittest.main()
