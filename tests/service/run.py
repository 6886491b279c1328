#!/usr/bin/env python3
"""Black-box tests of the real program.

run.py [NAME ...]     NAME: part of a file name

Each file runs in a process of its own, two at a time: most of what they do is to wait. With CI=true a skipped test is a
failed one.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]
AT_ONCE = 2
# Begun first, because they take longest.
LONGEST = ("events_test", "jobs_test", "unload_test")


def run_file(module: str) -> int:
    """The tests of one file; the last line counts them."""
    begin = time.monotonic()
    suite = unittest.defaultTestLoader.loadTestsFromModule(importlib.import_module(module))
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=0).run(suite)
    broken = len({test.id().partition(" ")[0] for test, _ in [*result.failures, *result.errors]})
    for test, reason in result.skipped:
        print(f"  skipped {test.id()}: {reason}")
    print(f"{module}.py: {result.testsRun} tests, {time.monotonic() - begin:.1f} s")
    print(max(result.testsRun - broken - len(result.skipped), 0), broken, len(result.skipped))
    return 0


def in_own_process(module: str) -> tuple[int, ...]:
    command = [sys.executable, __file__, "--file", module]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    lines = done.stdout.rstrip().splitlines()
    counts = tuple(map(int, lines.pop().split())) if done.returncode == 0 and lines else (0, 1, 0)
    quiet = done.returncode == 0 and counts[1] == counts[2] == 0
    print(lines[-1] if quiet else "\n".join(lines), flush=True)
    return counts


def main() -> int:
    if sys.argv[1:2] == ["--file"]:
        return run_file(sys.argv[2])
    names = sys.argv[1:]
    modules = [path.stem for path in sorted(HERE.glob("*_test.py"))]
    modules = [module for module in modules if not names or any(name in module for name in names)]
    modules.sort(key=lambda module: module not in LONGEST)
    with ThreadPoolExecutor(AT_ONCE) as workers:
        counts = list(workers.map(in_own_process, modules))
    passed, failed, skipped = (sum(column) for column in zip((0, 0, 0), *counts, strict=True))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    must_run = os.environ.get("CI") == "true"
    return 1 if failed or not passed or (skipped and must_run) else 0


if __name__ == "__main__":
    sys.exit(main())
