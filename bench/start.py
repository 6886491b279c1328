"""Bench `start`: from the start of the process to the first "ready", memory when idle, and the size of the program.

The three demo models are registered. Memory is read a second after the program is ready, and once more after each
model has answered.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests/support"), str(ROOT / "bench/common")]
from corbel import Corbel  # noqa: E402
from processes import rss_mb  # noqa: E402
from report import FOLDER, Report  # noqa: E402

PROGRAM = ROOT / "build/release/corbel"
ONNX_RUNTIME = ROOT / "build/deps/onnxruntime/lib/libonnxruntime.so.1"


def register(demo: Path, data: Path) -> None:
    with Corbel(folder=data) as corbel:
        command = [sys.executable, ROOT / "examples/demo.py", "register", demo, "--url", corbel.url]
        subprocess.run([*command, "--key", corbel.admin_key], check=True, stdout=subprocess.DEVNULL)


def predict_once(demo: Path, corbel: Corbel) -> None:
    for entry in json.loads((demo / "manifest.json").read_text()):
        row = json.loads((demo / entry["samples"]).read_text())[0]
        corbel.call("POST", f"/api/v1/ai/models/{entry['model']['name']}/predict", {"input": row}).expect(200)


def start_once(demo: Path, data: Path, values: dict[str, list[float]]) -> None:
    with Corbel(settings={"inference.onnxRuntimeLibrary": str(ONNX_RUNTIME)}, folder=data) as corbel:
        corbel.call("GET", "/health/ready").expect(200)
        values["ready_ms"].append(corbel.ready_seconds * 1000)
        time.sleep(1)
        values["idle_rss_mb"].append(rss_mb(corbel.process.pid))
        predict_once(demo, corbel)
        values["loaded_rss_mb"].append(rss_mb(corbel.process.pid))


def size_mb(program: Path) -> float:
    return program.stat().st_size / 1e6


def stripped_mb(program: Path) -> float:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / program.name
        subprocess.run(["strip", "-o", copy, program], check=True)
        return size_mb(copy)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=15)
    options = parser.parse_args()

    os.environ.setdefault("CORBEL_BINARY", str(PROGRAM))
    subprocess.run(["cmake", "--build", "--preset", "release", "--target", "corbel"], cwd=ROOT, check=True)
    demo = FOLDER / "demo"
    if not (demo / "manifest.json").exists():
        subprocess.run([sys.executable, ROOT / "examples/demo.py", "train", demo], check=True)
    data = FOLDER / "start-data"
    shutil.rmtree(data, ignore_errors=True)
    register(demo, data)
    values: dict[str, list[float]] = {"ready_ms": [], "idle_rss_mb": [], "loaded_rss_mb": []}
    for _ in range(options.starts):
        start_once(demo, data, values)
    report = Report("start")
    for metric, taken in values.items():
        report.add("ready", metric, metric.rsplit("_", 1)[1].replace("mb", "MB"), taken)
    report.add("ready", "binary_mb", "MB", [stripped_mb(PROGRAM)])
    report.add("ready", "binary_unstripped_mb", "MB", [size_mb(PROGRAM)])
    report.save()
    report.print()


if __name__ == "__main__":
    main()
