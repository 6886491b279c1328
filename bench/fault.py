"""Bench `fault`: the fault matrix of `./dev test fault`, as numbers: how soon the first degraded answer comes, how long
answers take while the fault lasts, and how soon all is well after it.

Options are parts of faults' names.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests/fault"), str(ROOT / "bench/common")]
os.environ.setdefault("CORBEL_BINARY", str(ROOT / "build/release/corbel"))
from report import Report  # noqa: E402
from run import run_all  # noqa: E402

METRICS = ("first_degraded_ms", "p50_ms", "p99_ms", "breaker_open_p99_ms", "recovery_ms")


def main() -> int:
    rows, good = run_all(sys.argv[1:])
    report = Report("fault")
    for row in rows:
        for metric in METRICS:
            value = getattr(row, metric)
            if value is not None:
                report.add(row.fault, metric, "ms", [value])
        report.add(row.fault, "broken", "", [0 if row.invariant == "ok" else 1])
    report.save()
    report.print()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
