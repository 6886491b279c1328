"""Bench `start`: from the start of the process to the first "ready", memory when idle, and the size of the program.

The three demo models are registered. Memory is read a second after the program is ready, and once more after each
model has answered.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import socket
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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_ready(port: int) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health/ready")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.0005)
        finally:
            connection.close()
    sys.exit("bench start: not ready within 30 s")


def predict_once(demo: Path, data: Path, port: int) -> None:
    key = (data / "admin-key").read_text().strip()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    for entry in json.loads((demo / "manifest.json").read_text()):
        row = json.loads((demo / entry["samples"]).read_text())[0]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        path = f"/api/v1/ai/models/{entry['model']['name']}/predict"
        connection.request("POST", path, json.dumps({"input": row}), headers)
        response = connection.getresponse()
        if response.status != 200:
            sys.exit(f"bench start: {path}: {response.read().decode()}")
        connection.close()


def start_once(demo: Path, data: Path, values: dict[str, list[float]]) -> None:
    port = free_port()
    settings = {"data.folder": data, "server.port": port, "inference.onnxRuntimeLibrary": ONNX_RUNTIME}
    command = [PROGRAM, "serve", *(part for name, value in settings.items() for part in ("--set", f"{name}={value}"))]
    begin = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        await_ready(port)
        values["ready_ms"].append((time.monotonic() - begin) * 1000)
        time.sleep(1)
        values["idle_rss_mb"].append(rss_mb(process.pid))
        predict_once(demo, data, port)
        values["loaded_rss_mb"].append(rss_mb(process.pid))
    finally:
        process.terminate()
        process.wait()


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
