"""Bench `no-harm`: an existing backend, alone and then with Corbel beside it under load, in turns.

The backend is nginx in front of an application server, and a PostgreSQL server with the product's own queries
(pgbench's select and update at a fixed rate). Corbel keeps its tables on the same PostgreSQL server, in a schema of its
own. The backend and whoever measures it have one core, Corbel and its callers the other.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests/support"), str(ROOT / "bench/common")]
os.environ.setdefault("CORBEL_BINARY", str(ROOT / "build/release/corbel"))
from corbel import Corbel  # noqa: E402
from faults import MODELS, make_model  # noqa: E402
from generators import Target, closed_loop  # noqa: E402
from postgres import Postgres, free_port  # noqa: E402
from report import Report  # noqa: E402

NGINX = """
user root; daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/errors;
events {{ worker_connections 256; }}
http {{
  access_log {folder}/access; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream application {{ server 127.0.0.1:{inner}; keepalive 16; }}
  server {{
    listen 127.0.0.1:{port}; keepalive_requests 1000000;
    location / {{ proxy_pass http://application; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
  server {{ listen 127.0.0.1:{inner}; keepalive_requests 1000000; location / {{ return 200 '{{"orders": []}}'; }} }}
}}
"""
HTTP_RATE, QUERY_RATE = 200, 200


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


@contextlib.contextmanager
def nginx(core: int) -> Iterator[int]:
    port, inner = free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="corbel-nginx-") as folder:
        file = Path(folder) / "nginx.conf"
        file.write_text(NGINX.format(folder=folder, port=port, inner=inner))
        program = ROOT / "build/deps/nginx/nginx"
        process = subprocess.Popen(["taskset", "-c", str(core), program, "-p", folder, "-c", file], stderr=2)
        try:
            time.sleep(0.5)
            yield port
        finally:
            process.terminate()
            process.wait()


def ask(port: int, seconds: float, core: int, answers: multiprocessing.Queue[list[float]]) -> None:
    """At a fixed rate, each latency counted from when its request was due. A process of its own, as callers are."""
    os.sched_setaffinity(0, {core})
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    latencies = []
    begin = time.monotonic()
    for number in range(int(seconds * HTTP_RATE)):
        due = begin + number / HTTP_RATE
        time.sleep(max(due - time.monotonic(), 0))
        connection.request("GET", "/api/orders")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
        latencies.append((time.monotonic() - due) * 1000)
    answers.put(latencies)


def http_latencies(port: int, seconds: float, core: int) -> list[float]:
    answers: multiprocessing.Queue[list[float]] = multiprocessing.Queue()
    process = multiprocessing.Process(target=ask, args=(port, seconds, core, answers))
    process.start()
    latencies = answers.get(timeout=seconds + 30)
    process.join()
    return latencies


def query_latencies(server: Postgres, seconds: float, core: int) -> list[float]:
    with tempfile.TemporaryDirectory(prefix="corbel-pgbench-") as folder:
        command = [
            "taskset",
            "-c",
            str(core),
            server.bin / "pgbench",
            "-n",
            "-b",
            "select-only@3",
            "-b",
            "simple-update",
        ]
        command += ["-c", "4", "-R", str(QUERY_RATE), "-T", str(int(seconds)), "-l", "--log-prefix=log", server.url]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        lines = [line.split() for file in Path(folder).iterdir() for line in file.read_text().splitlines()]
    return [int(line[2]) / 1000 for line in lines]


def measure(port: int, server: Postgres, seconds: float, core: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    other = threading.Thread(target=lambda: found.update(postgres=query_latencies(server, seconds, core)))
    other.start()
    found["http"] = http_latencies(port, seconds, core)
    other.join()
    return found


class Callers:
    """Of Corbel: predictions as fast as they go, and changes and lists that ask the database."""

    def __init__(self, corbel: Corbel, core: int, seconds: float, rows: Path) -> None:
        self.corbel, self.done, self.until = corbel, defaultdict(int), time.monotonic() + seconds
        limits = {"requestsPerMinute": 100_000_000}
        made = corbel.call("POST", "/api/v1/ai/keys", {"name": "bench", "role": "admin", "limits": limits}).expect(201)
        self.key = made.json()["key"]
        target = Target(corbel.port, f"{MODELS}/houses/predict", rows, self.key)
        self.threads = [threading.Thread(target=self.work, args=(worker,)) for worker in range(4)]
        self.threads.append(threading.Thread(target=lambda: self.predict(target, core, seconds)))
        for thread in self.threads:
            thread.start()

    def predict(self, target: Target, core: int, seconds: float) -> None:
        result = closed_loop(target, core, 16, seconds)
        self.done["predictions"] = int(result["requests"] - result["failed"])
        self.done["failed"] += int(result["failed"])

    def work(self, worker: int) -> None:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        connection = http.client.HTTPConnection("127.0.0.1", self.corbel.port, timeout=30)
        while time.monotonic() < self.until:
            method, path = ("PATCH", f"{MODELS}/houses") if worker % 2 else ("GET", f"{MODELS}?limit=20")
            body = json.dumps({"description": str(self.done[method])}) if worker % 2 else None
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            answer.read()
            self.done[method if answer.status == 200 else "failed"] += 1
            time.sleep(0.005)

    def join(self) -> str:
        """What was done. Refusals cost a backend nothing: with more than a few this measures another thing."""
        for thread in self.threads:
            thread.join()
        if self.done["failed"] * 100 > sum(self.done.values()):
            sys.exit(f"bench no-harm: Corbel refused its callers: {dict(self.done)}")
        return ", ".join(f"{count} {what}" for what, count in sorted(self.done.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--core", type=int, default=min(os.sched_getaffinity(0)), help="of the backend")
    parser.add_argument("--corbel-core", type=int, default=max(os.sched_getaffinity(0)))
    options = parser.parse_args()

    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    with Postgres() as server, nginx(options.core) as port, tempfile.TemporaryDirectory() as folder:
        main_process = int((server.data / "postmaster.pid").read_text().split()[0])
        subprocess.run(
            ["taskset", "-a", "-p", "-c", str(options.core), str(main_process)], check=True, capture_output=True
        )
        subprocess.run([server.bin / "pgbench", "-i", "-q", "-s", "5", server.url], check=True, capture_output=True)
        rows = Path(folder) / "rows"
        rows.write_text("".join(json.dumps({"input": {"size": 50 + i, "age": i % 40}}) + "\n" for i in range(500)))
        measure(port, server, 2, options.core)  # warm-up
        for number in range(options.rounds):
            alone = measure(port, server, options.seconds, options.core)
            with Corbel({"store.url": server.url, "store.schema": f"round{number}"}, pin=options.corbel_core) as corbel:
                make_model(corbel)
                callers = Callers(corbel, options.corbel_core, options.seconds + 1, rows)
                beside = measure(port, server, options.seconds, options.core)
                did = callers.join()
            for case in ("http", "postgres"):
                for name, share in (("p50", 0.5), ("p99", 0.99)):
                    values[case, f"alone_{name}"].append(percentile(alone[case], share))
                    values[case, f"beside_{name}"].append(percentile(beside[case], share))
            line = "  ".join(
                f"{c} p99 {values[c, 'alone_p99'][-1]:.2f} -> {values[c, 'beside_p99'][-1]:.2f} ms"
                for c in ("http", "postgres")
            )
            print(f"round {number + 1}: {line}; Corbel: {did}", flush=True)
    report = Report("no-harm")
    for case, delta in (("http", "delta_ms"), ("postgres", "query_delta_ms")):
        for name in ("p50", "p99"):
            alone_ms, beside_ms = values[case, f"alone_{name}"], values[case, f"beside_{name}"]
            report.add(case, f"{name}_ms", "ms", beside_ms, "alone", alone_ms)
            metric = f"{name}_{delta}" if case == "http" or name == "p50" else delta
            report.add(case, metric, "ms", [b - a for a, b in zip(alone_ms, beside_ms, strict=True)])
    report.save()
    report.print()


if __name__ == "__main__":
    main()
