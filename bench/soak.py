"""Bench `soak`: half of the load that Corbel can take, for an hour, and how much memory grows meanwhile.

Predictions come from `load` at a fixed rate; changes, lists, keys and refused requests beside them. The first quarter
is warm-up; the slope is that of a straight line through the rest (least squares).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests/support"), str(ROOT / "bench/common")]
os.environ.setdefault("CORBEL_BINARY", str(ROOT / "build/release/corbel"))
from corbel import Corbel  # noqa: E402
from faults import MODELS, make_model  # noqa: E402
from generators import Target, closed_loop, open_loop  # noqa: E402
from processes import rss_mb  # noqa: E402
from report import Report  # noqa: E402

KEYS = "/api/v1/ai/keys"


def slope_kb_per_minute(samples: list[tuple[float, float]]) -> float:
    """Of (seconds, MB)."""
    middle_s = sum(s for s, _ in samples) / len(samples)
    middle_mb = sum(mb for _, mb in samples) / len(samples)
    spread = sum((s - middle_s) ** 2 for s, _ in samples)
    return sum((s - middle_s) * (mb - middle_mb) for s, mb in samples) / spread * 60 * 1024


def others(corbel: Corbel, stop: threading.Event, done: dict[str, int]) -> None:
    """What comes beside predictions, ten rounds a second."""
    number = 0
    while not stop.wait(0.1):
        number += 1
        corbel.call("PATCH", f"{MODELS}/houses", {"description": str(number)}).expect(200)
        corbel.call("GET", f"{MODELS}?limit=20").expect(200)
        corbel.call("GET", f"{MODELS}/nowhere").expect(404)
        corbel.call("POST", f"{MODELS}/houses/predict", {"input": {"size": "large"}}).expect(400)
        if number % 10 == 0:
            key = corbel.call("POST", KEYS, {"name": "soak", "role": "viewer"}).expect(201).json()
            corbel.call("DELETE", f"{KEYS}/{key['id']}").expect(204)
        done["others"] = number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=3600)
    parser.add_argument("--every", type=float, default=5, help="seconds between two looks at the memory")
    parser.add_argument("--core", type=int, default=min(os.sched_getaffinity(0)), help="of Corbel")
    parser.add_argument("--load-core", type=int, default=max(os.sched_getaffinity(0)))
    options = parser.parse_args()

    subprocess.run(["cmake", "--build", "--preset", "release", "--target", "load"], cwd=ROOT, check=True)
    with tempfile.TemporaryDirectory() as folder, Corbel(pin=options.core) as corbel:
        make_model(corbel)
        rows = Path(folder) / "rows"
        rows.write_text("".join(json.dumps({"input": {"size": 50 + i, "age": i % 40}}) + "\n" for i in range(500)))
        limits = {"requestsPerMinute": 100_000_000}
        key = (
            corbel.call("POST", KEYS, {"name": "bench", "role": "service", "limits": limits}).expect(201).json()["key"]
        )
        target = Target(corbel.port, f"{MODELS}/houses/predict", rows, key)
        most = closed_loop(target, options.load_core, 32, 5)["requests_per_s"]
        print(f"at most {most:,.0f} predictions a second; half of that for {options.seconds} s", flush=True)
        stop, done, result = threading.Event(), {"others": 0}, {}
        beside = threading.Thread(target=others, args=(corbel, stop, done))
        load = threading.Thread(
            target=lambda: result.update(open_loop(target, options.load_core, 32, options.seconds, most / 2))
        )
        beside.start()
        load.start()
        samples: list[tuple[float, float]] = []
        begin = time.monotonic()
        while load.is_alive():
            time.sleep(options.every)
            samples.append((time.monotonic() - begin, rss_mb(corbel.process.pid)))
            os.truncate(corbel.log_path, 0)
            if len(samples) % 60 == 0:
                print(f"{samples[-1][0]:6.0f} s  {samples[-1][1]:.1f} MB", flush=True)
        stop.set()
        beside.join()
    steady = [sample for sample in samples if sample[0] > options.seconds / 4]
    print(f"{result['requests']:,.0f} predictions, {result['failed']:.0f} failed, {done['others']} rounds of others")
    report = Report("soak")
    report.add("half-load", "rss_slope_kb_per_min", "kB/min", [slope_kb_per_minute(steady)])
    report.add("half-load", "rss_mb", "MB", [mb for _, mb in steady])
    report.add("half-load", "seconds", "", [options.seconds])
    report.add("half-load", "requests_per_s", "1/s", [result["requests_per_s"]])
    report.add("half-load", "p99_ms", "ms", [result["p99_ms"]])
    report.add("half-load", "failed", "", [result["failed"]])
    report.save()
    report.print()


if __name__ == "__main__":
    main()
