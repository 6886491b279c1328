"""What a user would write by hand: a FastAPI service that answers with ONNX Runtime. Run by uvicorn, see predict.py.

It gets the same rows in the same JSON as Corbel and answers with the class, its confidence and all probabilities, but
has no authentication, limits, access log or metrics.
"""

import json
import os
from pathlib import Path

import numpy as np
import onnxruntime
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.inter_op_num_threads = 1
FOLDER = Path(os.environ["PEER_MODELS"])
FEATURES: list[str] = json.loads((FOLDER / "features.json").read_text())
LABELS: list[str] = json.loads((FOLDER / "labels.json").read_text())


class Model:
    def __init__(self, path: Path) -> None:
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name

    def probabilities(self, row: np.ndarray) -> np.ndarray:
        return self.session.run(None, {self.input: row})[1][0]


class PredictRequest(BaseModel):
    input: dict[str, float]


class Prediction(BaseModel):
    prediction: str
    confidence: float
    probabilities: dict[str, float]


MODELS = {path.stem: Model(path) for path in FOLDER.glob("*.onnx")}
app = FastAPI()


@app.get("/ready")
def ready() -> dict[str, bool]:
    return {"ready": True}


@app.post("/models/{model}/predict")
async def predict(model: str, request: PredictRequest) -> Prediction:
    if model not in MODELS:
        raise HTTPException(404, f"there is no model {model}")
    try:
        row = np.array([[request.input[name] for name in FEATURES]], dtype=np.float32)
    except KeyError as error:
        raise HTTPException(400, f"{error} is required") from error
    probabilities = MODELS[model].probabilities(row).tolist()
    confidence = max(probabilities)
    return Prediction(
        prediction=LABELS[probabilities.index(confidence)],
        confidence=confidence,
        probabilities=dict(zip(LABELS, probabilities, strict=True)),
    )
