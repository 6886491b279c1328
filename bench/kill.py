"""Bench `kill`: the program is killed (SIGKILL) while six clients write, started again, and everything that it had
acknowledged is looked for; the database is checked as well. On PostgreSQL every fifth round kills that server, too.

Fails when something was lost. Rounds add up over runs with other seeds.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests/support"), str(ROOT / "bench/common")]
os.environ.setdefault("CORBEL_BINARY", str(ROOT / "build/release/corbel"))
from kill_loop import KillLoop, Outcome  # noqa: E402
from postgres import Postgres  # noqa: E402
from report import Report  # noqa: E402

CASES = ("sqlite", "postgres")


def run(case: str, rounds: int, seed: int) -> Outcome:
    begin = time.monotonic()
    with Postgres() if case == "postgres" else contextlib.nullcontext() as server:
        outcome = KillLoop(seed, server).run(rounds)
    print(
        f"{case}: {outcome.rounds} rounds, {outcome.acked} acknowledged, {time.monotonic() - begin:.0f} s", flush=True
    )
    for what in outcome.lost + outcome.damage:
        print(f"  lost or damaged: {what}")
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the moments of the kills")
    parser.add_argument("--case", choices=CASES, action="append", help="all of them unless said")
    options = parser.parse_args()

    print(f"seed {options.seed}")
    report = Report("kill")
    failed = False
    for case in options.case or CASES:
        outcome = run(case, options.rounds, options.seed)
        failed |= bool(outcome.lost or outcome.damage)
        report.add(case, "rounds", "", [outcome.rounds])
        report.add(case, "acked", "", [outcome.acked])
        report.add(case, "lost", "", [len(outcome.lost)])
        report.add(case, "damaged", "", [len(outcome.damage)])
        report.add(case, "ready_ms", "ms", outcome.ready_ms)
        report.add(case, "ready_ms_max", "ms", [max(outcome.ready_ms)])
    report.save()
    report.print()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
