#!/usr/bin/env python3
"""Three demo models on real data, made and registered like any user's.

  demo.py train FOLDER                     train, export, write model files, samples and manifest.json
  demo.py register FOLDER --url URL --key KEY   create the models and upload their files (safe to repeat)

breast-cancer  Wisconsin diagnostic data, XGBoost, as XGBoost JSON (Corbel's forest evaluator)
diabetes       disease progression after one year, scaler and ridge regression, as ONNX (linear evaluator)
digits         8x8 handwritten digits, a small neural network, as ONNX (ONNX Runtime), takes images
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

Json = dict[str, Any]


def numbers(names: list[str]) -> Json:
    """A JSON Schema of named numbers, in the order of the model's columns."""
    return {"type": "object", "properties": {name: {"type": "number"} for name in names}, "required": names}


def breast_cancer(folder: Path) -> Json:
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split
    from xgboost import XGBClassifier

    data = load_breast_cancer(as_frame=False)
    names = [str(name) for name in data.feature_names]
    train_x, test_x, train_y, test_y = train_test_split(
        data.data, data.target, test_size=0.2, random_state=7, stratify=data.target
    )
    model = XGBClassifier(n_estimators=100, max_depth=6, learning_rate=0.2, n_jobs=2, random_state=7)
    model.fit(train_x, train_y)
    model.get_booster().feature_names = names
    model.get_booster().save_model(folder / "breast-cancer.json")
    accuracy = float((model.predict(test_x) == test_y).mean())
    return {
        "file": "breast-cancer.json",
        "model": {
            "name": "breast-cancer",
            "description": "Tells malignant from benign breast tumours by 30 measurements of cell nuclei.",
            "framework": "xgboost",
            "category": "classification",
            "inputSchema": numbers(names),
            "outputSchema": {"type": "string", "enum": [str(name) for name in data.target_names]},
            "tags": ["demo", "health"],
            "card": "# Breast cancer (Wisconsin, diagnostic)\n\n569 tumours, 30 measurements each. "
            f"Accuracy on 20 % held back: {accuracy:.3f}. Not for medical use.",
        },
        "samples": [dict(zip(names, map(float, row), strict=True)) for row in data.data],
    }


def diabetes(folder: Path) -> Json:
    import numpy as np
    from skl2onnx import to_onnx
    from sklearn.datasets import load_diabetes
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    data = load_diabetes(scaled=False)
    names = [str(name) for name in data.feature_names]
    model = make_pipeline(StandardScaler(), Ridge(alpha=1.0)).fit(data.data, data.target)
    graph = to_onnx(model, data.data[:1].astype(np.float32))
    (folder / "diabetes.onnx").write_bytes(graph.SerializeToString())
    return {
        "file": "diabetes.onnx",
        "model": {
            "name": "diabetes",
            "description": "Disease progression one year after baseline, by ten measurements.",
            "framework": "sklearn",
            "category": "regression",
            "inputSchema": numbers(names),
            "outputSchema": {"type": "number"},
            "tags": ["demo", "health"],
            "card": f"# Diabetes\n\n442 patients. R2 on the training data: {model.score(data.data, data.target):.3f}.",
        },
        "samples": [dict(zip(names, map(float, row), strict=True)) for row in data.data],
    }


def digits(folder: Path) -> Json:
    import io

    import numpy as np
    from PIL import Image
    from skl2onnx import to_onnx
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier

    data = load_digits()
    pixels = data.data / 16.0
    train_x, test_x, train_y, test_y = train_test_split(pixels, data.target, test_size=0.2, random_state=7)
    model = MLPClassifier((64,), max_iter=400, random_state=7).fit(train_x, train_y)
    graph = to_onnx(model, pixels[:1].astype(np.float32), options={id(model): {"zipmap": False}})
    (folder / "digits.onnx").write_bytes(graph.SerializeToString())

    def png(row: Any) -> str:
        buffer = io.BytesIO()
        Image.fromarray(np.round(row.reshape(8, 8) * 255).astype(np.uint8)).save(buffer, "PNG")
        return base64.b64encode(buffer.getvalue()).decode()

    return {
        "file": "digits.onnx",
        "model": {
            "name": "digits",
            "description": "Reads a handwritten digit from a small grey image.",
            "framework": "sklearn",
            "category": "classification",
            "configuration": {
                "preprocessing": {"image": {"width": 8, "height": 8, "channels": 1, "resize": "bilinear"}}
            },
            "outputSchema": {"type": "integer", "enum": list(range(10))},
            "tags": ["demo", "images"],
            "card": f"# Digits\n\n1,797 digits of 8x8 pixels. Accuracy held back: {model.score(test_x, test_y):.3f}.",
        },
        "samples": [png(row) for row in test_x[:50]],
    }


def train(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    manifest = []
    for make in (breast_cancer, diabetes, digits):
        entry = make(folder)
        print(f"trained {entry['model']['name']}: {entry['model']['description']}", flush=True)
        samples = f"{entry['model']['name']}-samples.json"
        (folder / samples).write_text(json.dumps(entry.pop("samples")))
        manifest.append(entry | {"samples": samples})
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1))


class Api:
    def __init__(self, url: str, key: str) -> None:
        self.url, self.key = url.rstrip("/"), key

    def call(
        self, method: str, path: str, body: bytes | None = None, kind: str = "application/json"
    ) -> tuple[int, Json]:
        request = urllib.request.Request(self.url + path, body, method=method)
        request.add_header("Authorization", f"Bearer {self.key}")
        if body is not None:
            request.add_header("Content-Type", kind)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, json.loads(response.read() or b"{}")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"{}")


def register(folder: Path, api: Api) -> int:
    for entry in json.loads((folder / "manifest.json").read_text()):
        name = entry["model"]["name"]
        status, answer = api.call("POST", "/api/v1/ai/models", json.dumps(entry["model"]).encode())
        if status not in (201, 409):
            print(f"{name}: {answer.get('detail', status)}", file=sys.stderr)
            return 1
        status, answer = api.call("GET", f"/api/v1/ai/models/{name}/versions")
        if answer.get("items"):
            continue
        artifact = (folder / entry["file"]).read_bytes()
        path = f"/api/v1/ai/models/{name}/versions"
        status, answer = api.call("POST", path, artifact, "application/octet-stream")
        if status != 201:
            print(f"{name}: {answer.get('detail', status)}", file=sys.stderr)
            return 1
        print(f"registered {name} version {answer['version']}", flush=True)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["train", "register"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--url", default="http://127.0.0.1:3004")
    parser.add_argument("--key", default="")
    options = parser.parse_args()
    if options.action == "train":
        train(options.folder)
        return 0
    return register(options.folder, Api(options.url, options.key))


if __name__ == "__main__":
    sys.exit(main())
