"""Bench `forest`: the evaluator beside ONNX Runtime and XGBoost on the same models, rows and core.

Nanoseconds are of processor time, one thread each; the engines take turns, 20 ms each.
Ends with an error when two engines differ by more than 1e-5.
"""

from __future__ import annotations

import argparse
import glob
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxmltools
import onnxruntime
import xgboost
from onnxmltools.convert.common.data_types import FloatTensorType

REPOSITORY = Path(__file__).resolve().parent.parent
FEATURES = 30
ROWS = 10_000
CASES = {(100, 6): [1, 10, 100, 10_000], (1000, 8): [1, 100]}
PEERS = ["onnxruntime", "xgboost"]


def train(folder: Path, trees: int, depth: int) -> Path:
    """Noisy data, so that every tree can be grown full; returns the path without its suffix."""
    path = folder / f"{trees}x{depth}"
    if path.with_suffix(".onnx").exists():
        return path
    random = np.random.default_rng(7)
    x = random.normal(size=(120_000, FEATURES)).astype(np.float32)
    signal = x[:, 0] * x[:, 1] + np.sin(2 * x[:, 2]) + (x[:, 3:] @ random.normal(size=FEATURES - 3)) / 3
    y = (signal + random.logistic(size=len(x)) > 0).astype(np.int32)
    parameters = {
        "objective": "binary:logistic",
        "max_depth": depth,
        "eta": 0.05,
        "lambda": 0.1,
        "min_child_weight": 0,
        "tree_method": "hist",
        "nthread": 1,
        "seed": 7,
    }
    booster = xgboost.train(parameters, xgboost.DMatrix(x, y), num_boost_round=trees)
    booster.save_model(path.with_suffix(".json"))
    x[-ROWS:].tofile(path.with_suffix(".f32"))
    model = onnxmltools.convert_xgboost(booster, initial_types=[("input", FloatTensorType([None, FEATURES]))])
    path.with_suffix(".onnx").write_bytes(model.SerializeToString())
    return path


def splits_per_tree(path: Path) -> float:
    model = json.loads(path.with_suffix(".json").read_text())
    trees = model["learner"]["gradient_booster"]["model"]["trees"]
    return statistics.mean(sum(child >= 0 for child in tree["left_children"]) for tree in trees)


def library(package: object, pattern: str) -> str:
    found = glob.glob(str(Path(package.__file__).parent / pattern))
    if not found:
        sys.exit(f"bench forest: {pattern} is not in {Path(package.__file__).parent}")
    return found[0]


def measure(program: Path, model: Path, batches: list[int], rounds: int, core: int) -> list[dict]:
    command = [
        "taskset",
        "-c",
        str(core),
        program,
        model.with_suffix(".json"),
        model.with_suffix(".onnx"),
        model.with_suffix(".f32"),
        library(onnxruntime, "capi/libonnxruntime.so*"),
        library(xgboost, "lib/libxgboost.so"),
        str(rounds),
        *map(str, batches),
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"bench forest: {program.name} ended with {done.returncode}")
    return json.loads(done.stdout)


def machine() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return f"{line.split(':')[1].strip()}, {os.cpu_count()} cores, {platform.system()}"
    return platform.platform()


def spread(times: list[float]) -> str:
    low, _, high = statistics.quantiles(times, n=4)
    return f"{statistics.median(times):9.1f} ({low:.1f}-{high:.1f})"


def rows_of(case: str, times: dict[str, list[float]]) -> list[dict]:
    own = statistics.median(times["corbel"])
    rows = []
    for peer in PEERS:
        other = statistics.median(times[peer])
        rows.append(
            {
                "case": case,
                "metric": "ns_per_row",
                "unit": "ns",
                "value": round(own, 1),
                "peer": peer,
                "peer_value": round(other, 1),
                "ratio": round(other / own, 2),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", type=Path, default=REPOSITORY / "build/release/forest_bench")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    arguments = parser.parse_args()

    subprocess.run(
        ["cmake", "--build", "--preset", "release", "--target", "forest_bench"],
        cwd=REPOSITORY,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    report = REPOSITORY / "build/bench/forest.json"
    report.unlink(missing_ok=True)  # a run that ends early leaves no older result behind
    folder = REPOSITORY / "build/bench/forest"
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict] = []
    print(f"{'ns a row, median (quartiles)':28}{'corbel':>24}{'onnxruntime':>28}{'xgboost':>28}   times better")
    for (trees, depth), batches in CASES.items():
        model = train(folder, trees, depth)
        print(f"{trees} trees, {splits_per_tree(model):.1f} splits each, {FEATURES} features")
        results = measure(arguments.program, model, batches, arguments.rounds, arguments.core)
        for batch in batches:
            times = {r["engine"]: r["ns_per_row"] for r in results if r["batch"] == batch}
            case = f"{trees}x{depth}-b{batch}"
            rows += rows_of(case, times)
            ratios = " ".join(f"{row['ratio']:6.1f}" for row in rows[-len(PEERS) :])
            print(
                f"{case:24}{spread(times['corbel']):>28}{spread(times['onnxruntime']):>28}"
                f"{spread(times['xgboost']):>28}   {ratios}",
                flush=True,
            )
    result = {"name": "forest", "machine": machine(), "rows": rows}
    report.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
