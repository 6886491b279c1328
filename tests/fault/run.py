#!/usr/bin/env python3
"""The fault matrix against the real program and real servers: one JSON row a fault.

run.py [NAME ...]     NAME: part of a fault's name

Fails where an invariant is broken, the first degraded answer takes longer than a second or one of a breaker longer than
20 ms, or what was away is back and not used within five seconds.
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support"), str(HERE.parent / "service")]
import asked_faults  # noqa: E402
import program_faults  # noqa: E402
import redis_faults  # noqa: E402
import store_faults  # noqa: E402
from faults import Row  # noqa: E402

ALL = store_faults.FAULTS | redis_faults.FAULTS | asked_faults.FAULTS | program_faults.FAULTS
BARS = {"first_degraded_ms": 1_000, "breaker_open_p99_ms": 20, "recovery_ms": 5_000}
# Nobody waits for a webhook; its second attempt comes after a random time below 10 s.
WEBHOOK = {"recovery_ms": 20_000}


def problems(row: Row) -> list[str]:
    bars = BARS | (WEBHOOK if row.fault.startswith("webhook-") else {})
    found = [] if row.invariant == "ok" else [row.invariant]
    for name, most in bars.items():
        value = getattr(row, name)
        if value is not None and value > most:
            found.append(f"{name} {value:.0f}, must be {most:.0f} or less")
    return found


def run(name: str) -> Row:
    try:
        return ALL[name]()
    except Exception:
        traceback.print_exc()
        row = Row(name, "")
        row.broken("the test itself failed")
        return row


def run_all(wanted: list[str]) -> tuple[list[Row], bool]:
    rows, good = [], True
    for name in ALL:
        if wanted and not any(part in name for part in wanted):
            continue
        row = run(name)
        rows.append(row)
        print(row.text(), flush=True)
        for problem in problems(row):
            good = False
            print(f"  {row.fault}: {problem}", flush=True)
    return rows, good and bool(rows)


if __name__ == "__main__":
    sys.exit(0 if run_all(sys.argv[1:])[1] else 1)
