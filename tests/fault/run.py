#!/usr/bin/env python3
"""The fault matrix against the real program and real servers: one JSON row a fault.

run.py [NAME ...]     NAME: part of a fault's name

Fails where an invariant is broken, a degraded answer takes longer than a second, or what was away is back and not used
within five.
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support"), str(HERE.parent / "service")]
import program_faults  # noqa: E402
import redis_faults  # noqa: E402
import store_faults  # noqa: E402
from faults import Row  # noqa: E402

ALL = store_faults.FAULTS | redis_faults.FAULTS | program_faults.FAULTS
FIRST_DEGRADED_MS, RECOVERY_MS = 1_000, 5_000
# A statement that waits is given up by its own time limits: lock_timeout is 5 s, a read has 5 s and a server that does
# not even say so another 2. Who comes after the first is answered at once.
EXCEPTIONS = {"postgres-locked": {"first_degraded_ms": 6_000}, "postgres-hang": {"first_degraded_ms": 8_000}}
# Nobody waits for a webhook; its second attempt comes after a random time below 10 s.
WEBHOOK = {"recovery_ms": 20_000}


def problems(row: Row) -> list[str]:
    bars = {"first_degraded_ms": FIRST_DEGRADED_MS, "recovery_ms": RECOVERY_MS} | EXCEPTIONS.get(row.fault, {})
    if row.fault.startswith("webhook-"):
        bars |= WEBHOOK
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
