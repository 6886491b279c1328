"""Runs clang-tidy on the sources named on standard input, two at a time.

clang_tidy.py BUILD_DIR CACHE_DIR [--at-most N]

A source that passed is not analysed again until it, a header of ours that it reads, its compile command or the checks
change. With --at-most, sources beyond the first N that need it are left out, and their number is said.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CLANG_TIDY = "clang-tidy-19"


def commands(build: Path, plain: Path) -> dict[Path, str]:
    """Compile command by source. Also left in `plain` for clang-tidy, without precompiled headers: there a file has to
    include what it uses."""
    entries = json.loads((build / "compile_commands.json").read_text())
    for entry in entries:
        entry["command"] = re.sub(r" -include-pch \S+", "", entry["command"])
    (plain / "compile_commands.json").write_text(json.dumps(entries))
    return {Path(entry["directory"], entry["file"]).resolve(): entry["command"] for entry in entries}


def headers_of(build: Path) -> dict[Path, set[Path]]:
    """The files of this repository that each compiled source read."""
    listing = subprocess.run(["ninja", "-C", str(build), "-t", "deps"], capture_output=True, text=True, check=True)
    found: dict[Path, set[Path]] = {}
    read: set[Path] = set()
    for line in [*listing.stdout.splitlines(), ""]:
        if line.startswith("    "):
            path = Path(os.path.realpath(build / line.strip()))
            if path.is_relative_to(ROOT / "src"):
                read.add(path)
        elif not line:
            for source in (path for path in read if path.suffix == ".cpp"):
                found[source] = read
            read = set()
    return found


def fingerprint(command: str, files: set[Path]) -> str:
    digest = hashlib.sha256(command.replace(str(ROOT), "").encode())
    for path in [ROOT / ".clang-tidy", *sorted(files)]:
        digest.update(path.name.encode() + (path.read_bytes() if path.exists() else b""))
    return digest.hexdigest()[:32]


def main() -> int:
    build, cache = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    wanted = [(ROOT / line.strip()).resolve() for line in sys.stdin if line.strip()]
    cache.mkdir(parents=True, exist_ok=True)
    command, headers = commands(build, cache), headers_of(build)
    passed = {path: cache / fingerprint(command.get(path, ""), headers.get(path, set()) | {path}) for path in wanted}
    todo = [path for path in wanted if path in command and not passed[path].exists()]
    most = int(sys.argv[4]) if sys.argv[3:4] == ["--at-most"] else len(todo)
    if todo[most:]:
        print(f"clang-tidy: {len(todo[most:])} more files changed; ./dev lint all analyses every file")
    todo = todo[:most]

    def analyse(path: Path) -> bool:
        tidy = [CLANG_TIDY, "-p", str(cache), "--quiet", str(path)]
        result = subprocess.run(tidy, capture_output=True, text=True, cwd=ROOT)
        if result.returncode == 0:
            passed[path].touch()
        else:
            errors = [line for line in result.stderr.splitlines() if "error:" in line]
            print("\n".join([result.stdout.strip(), *errors]), flush=True)
        return result.returncode == 0

    begin = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        bad = [path for path, good in zip(todo, pool.map(analyse, todo), strict=True) if not good]
    seconds = time.monotonic() - begin
    print(f"clang-tidy: {len(todo)} of {len(wanted)} files analysed in {seconds:.0f} s, {len(bad)} with findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
