#!/usr/bin/env python3
"""Black-box tests of the real program.

run.py [NAME ...]     NAME: part of a file name

With CI=true a skipped test is a failed one.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]


def main() -> int:
    names = sys.argv[1:]
    passed = failed = skipped = 0
    for path in sorted(HERE.glob("*_test.py")):
        if names and not any(name in path.name for name in names):
            continue
        begin = time.monotonic()
        suite = unittest.defaultTestLoader.loadTestsFromModule(importlib.import_module(path.stem))
        result = unittest.TextTestRunner(stream=sys.stderr, verbosity=0).run(suite)
        broken = len({test.id().partition(" ")[0] for test, _ in [*result.failures, *result.errors]})
        failed += broken
        skipped += len(result.skipped)
        passed += max(result.testsRun - broken - len(result.skipped), 0)
        print(f"{path.name}: {result.testsRun} tests, {time.monotonic() - begin:.1f} s", flush=True)
        for test, reason in result.skipped:
            print(f"  skipped {test.id()}: {reason}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    must_run = os.environ.get("CI") == "true"
    return 1 if failed or not passed or (skipped and must_run) else 0


if __name__ == "__main__":
    sys.exit(main())
