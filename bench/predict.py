"""Bench `predict`: single-row predictions over HTTP, beside a hand-written FastAPI + ONNX Runtime service.

Corbel runs with everything on: API key, limits (raised for the bench's key), access log to a file, metrics; every row
is another one, and nothing is cached. Both servers are pinned to one core and get the same rows from the other core,
in turn. `others` is how much of the two cores something else used meanwhile: above a few per cent, compare CPU.
`stolen` is how much of them the machine's host took away, in pauses over 50 us, while nothing ran: near one per cent,
every p99 is the host's.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests/support"), str(ROOT / "bench/common")]
from corbel import Corbel  # noqa: E402
from generators import Target, closed_loop, open_loop  # noqa: E402
from processes import busy_seconds, cpu_seconds, stolen_share  # noqa: E402
from report import FOLDER, Report  # noqa: E402

# What Corbel is given: framework and file.
MODELS = {"forest": ("xgboost", "forest.json"), "linear": ("sklearn", "linear.onnx"), "onnx": ("sklearn", "onnx.onnx")}
PEER = "fastapi-onnxruntime"
RATE = 10_000
EQUAL = 1e-5
Values = dict[tuple[str, str], list[float]]


def train(folder: Path) -> None:
    """Three classifiers of the same 30 measurements, and the rows to ask them about."""
    if (folder / "rows.txt").exists():
        return
    import numpy as np
    from onnxmltools import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType
    from skl2onnx import to_onnx
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from xgboost import XGBClassifier

    folder.mkdir(parents=True, exist_ok=True)
    data = load_breast_cancer()
    names = [str(name) for name in data.feature_names]
    forest = XGBClassifier(n_estimators=100, max_depth=6, learning_rate=0.2, random_state=7).fit(data.data, data.target)
    converted = convert_xgboost(forest, initial_types=[("input", FloatTensorType([None, len(names)]))])
    (folder / "forest.onnx").write_bytes(converted.SerializeToString())
    forest.get_booster().feature_names = names
    forest.get_booster().save_model(folder / "forest.json")
    for name, model in {
        "linear": LogisticRegression(),
        "onnx": MLPClassifier((64,), max_iter=400, random_state=7),
    }.items():
        pipeline = make_pipeline(StandardScaler(), model).fit(data.data, data.target)
        graph = to_onnx(pipeline, data.data[:1].astype(np.float32), options={id(model): {"zipmap": False}})
        (folder / f"{name}.onnx").write_bytes(graph.SerializeToString())
    (folder / "features.json").write_text(json.dumps(names))
    (folder / "labels.json").write_text(json.dumps([str(name) for name in data.target_names]))
    rows = [json.dumps({"input": dict(zip(names, map(float, row), strict=True))}) for row in data.data]
    (folder / "rows.txt").write_text("\n".join(rows) + "\n")


@dataclass
class Server:
    name: str
    pid: int
    port: int
    path: Callable[[str], str]
    key: str = ""
    log: Path | None = None

    def target(self, model: str, rows: Path) -> Target:
        return Target(self.port, self.path(model), rows, self.key)

    def ask(self, model: str, body: str) -> dict[str, Any]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{self.path(model)}", body.encode())
        request.add_header("Content-Type", "application/json")
        request.add_header("Authorization", f"Bearer {self.key}")
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)


def register(corbel: Corbel, folder: Path) -> None:
    names = json.loads((folder / "features.json").read_text())
    labels = json.loads((folder / "labels.json").read_text())
    properties = {name: {"type": "number"} for name in names}
    for name, (framework, file) in MODELS.items():
        model = {
            "name": name,
            "framework": framework,
            "category": "classification",
            "inputSchema": {"type": "object", "properties": properties, "required": names},
            "outputSchema": {"type": "string", "enum": labels},
        }
        for path, body in [("", model), (f"/{name}/versions", (folder / file).read_bytes())]:
            answer = corbel.call("POST", f"/api/v1/ai/models{path}", body)
            if answer.status != 201:
                sys.exit(f"bench predict: {name}: {answer.body.decode()}")


@contextmanager
def corbel(folder: Path, core: int) -> Iterator[Server]:
    os.environ.setdefault("CORBEL_BINARY", str(ROOT / "build/release/corbel"))
    library = ROOT / "build/deps/onnxruntime/lib/libonnxruntime.so.1"
    with Corbel({"inference.onnxRuntimeLibrary": str(library), "log.format": "json"}, pin=core) as program:
        register(program, folder)
        limits = {"requestsPerMinute": 100_000_000}
        key = program.call("POST", "/api/v1/ai/keys", {"name": "bench", "role": "service", "limits": limits})
        yield Server(
            "corbel", program.process.pid, program.port, "/api/v1/ai/models/{}/predict".format,
            key.json()["key"], program.log_path,
        )  # fmt: skip


@contextmanager
def peer(folder: Path, core: int, port: int) -> Iterator[Server]:
    command = [
        "taskset",
        "-c",
        str(core),
        sys.executable,
        "-m",
        "uvicorn",
        "fastapi_onnxruntime:app",
        "--port",
        str(port),
    ]
    command += [
        "--workers",
        "1",
        "--loop",
        "uvloop",
        "--http",
        "httptools",
        "--no-access-log",
        "--log-level",
        "warning",
    ]
    environment = os.environ | {"PEER_MODELS": str(folder), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=ROOT / "bench/peers", env=environment)
    try:
        server = Server(PEER, process.pid, port, "/models/{}/predict".format)
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield server
    finally:
        process.terminate()
        process.wait()


def check(servers: list[Server], rows: Path) -> None:
    """Both must give the same answers, else they do not do the same work."""
    for model in MODELS:
        for body in rows.read_text().splitlines()[::50]:
            own, other = (server.ask(model, body) for server in servers)
            worst = max(abs(own["probabilities"][label] - value) for label, value in other["probabilities"].items())
            if own["prediction"] != other["prediction"] or worst > EQUAL:
                sys.exit(f"bench predict: {model}: answers differ: {own} and {other}")


@dataclass
class Bench:
    rows: Path
    server_core: int
    load_core: int
    seconds: int
    values: dict[str, Values] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))

    def measure(self, server: Server, case: str, load: Callable[[Target, int], dict[str, float]]) -> None:
        target = server.target(case.split("-")[0], self.rows)
        if server.log:
            os.truncate(server.log, 0)
        cpu, others, begin = cpu_seconds(server.pid), self.others(server), time.monotonic()
        result = load(target, self.load_core)
        wall = time.monotonic() - begin
        cpu = cpu_seconds(server.pid) - cpu
        others = [max(0.0, after - before) / wall for before, after in zip(others, self.others(server), strict=True)]
        if result["failed"] or not result["requests"]:
            sys.exit(f"bench predict: {case}: {server.name} failed {result}\n{server.ask(*self.first(case))}")
        result["cpu_us_per_request"] = cpu / result["requests"] * 1e6
        for metric, value in result.items():
            self.values[server.name][case, metric].append(value)
        late = f"  unanswered {result['unanswered']:,.0f}" if result.get("unanswered") else ""
        print(
            f"{case:<16} {server.name:<20} {result['requests_per_s']:>9,.0f}/s {result['cpu_us_per_request']:>8.1f} us"
            f"  p50 {result['p50_ms']:.3f} p99 {result['p99_ms']:.3f} ms  others {others[0]:.0%} {others[1]:.0%}{late}",
            flush=True,
        )

    def others(self, server: Server) -> tuple[float, float]:
        """Seconds that neither the server nor a generator used, of the server's core and of the generator's."""
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (
            busy_seconds(self.server_core) - cpu_seconds(server.pid),
            busy_seconds(self.load_core) - children.ru_utime - children.ru_stime,
        )

    def first(self, case: str) -> tuple[str, str]:
        return case.split("-")[0], self.rows.read_text().splitlines()[0]

    def closed(self, server: Server, case: str, connections: int) -> None:
        self.measure(server, case, lambda target, core: closed_loop(target, core, connections, self.seconds))

    def open(self, server: Server, case: str) -> None:
        self.measure(server, case, lambda target, core: open_loop(target, core, 32, self.seconds, RATE))


def run_round(bench: Bench, servers: list[Server]) -> None:
    for model in MODELS:
        for server in servers:
            bench.closed(server, f"{model}-c32", 32)
    for server in servers:
        bench.closed(server, "forest-c1", 1)
    for model in ("forest", "linear"):
        bench.open(servers[0], f"{model}-open10k")


def report(values: dict[str, Values]) -> Report:
    result = Report("predict")
    for case in (f"{model}-c32" for model in MODELS):
        for metric, unit in (("requests_per_s", "1/s"), ("cpu_us_per_request", "us")):
            result.add(case, metric, unit, values["corbel"][case, metric], PEER, values[PEER][case, metric])
    result.add(
        "forest-c1", "p99_ms", "ms", values["corbel"]["forest-c1", "p99_ms"], PEER, values[PEER]["forest-c1", "p99_ms"]
    )
    for case in ("forest-open10k", "linear-open10k"):
        result.add(case, "p99_ms", "ms", values["corbel"][case, "p99_ms"])
    return result


def ceiling(core: int, load_core: int, rows: Path) -> None:
    """What wrk gets out of a server on the same code that answers "ok" to everything."""
    port = 9471
    program = ["taskset", "-c", str(core), ROOT / "build/release/http_bench", str(port)]
    server = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        time.sleep(0.3)
        result = closed_loop(Target(port, "/", rows), load_core, 32, 3)
        print(f"generator's ceiling: {result['requests_per_s']:,.0f}/s from a server that answers at once\n")
    finally:
        server.kill()
        server.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--core", type=int, default=min(os.sched_getaffinity(0)), help="of the servers")
    parser.add_argument("--load-core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--peer-port", type=int, default=9472)
    options = parser.parse_args()

    targets = ["corbel", "load", "http_bench"]
    subprocess.run(["cmake", "--build", "--preset", "release", "--target", *targets], cwd=ROOT, check=True)
    folder = FOLDER / "predict"
    train(folder)
    rows = folder / "rows.txt"
    ceiling(options.core, options.load_core, rows)
    bench = Bench(rows, options.core, options.load_core, options.seconds)
    with corbel(folder, options.core) as own, peer(folder, options.core, options.peer_port) as other:
        check([own, other], rows)
        run_round(Bench(rows, options.core, options.load_core, 1), [own, other])  # warm-up
        for number in range(options.rounds):
            stolen = " ".join(f"{stolen_share(core):.1%}" for core in (options.core, options.load_core))
            print(f"\nround {number + 1} of {options.rounds}  stolen {stolen}", flush=True)
            run_round(bench, [own, other])
    result = report(bench.values)
    result.save()
    result.print()


if __name__ == "__main__":
    main()
