"""Prints the python rows of deps.lock with the newest versions that fit together, to paste into the file.

build/deps/venv/bin/python tools/lock.py
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from lock_file import Dependency, dependencies


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def resolve(wanted: list[str]) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--ignore-installed", "--only-binary", ":all:"]
        subprocess.run([*pip, "--dry-run", "--report", str(report), *wanted], check=True)
        return json.loads(report.read_text())["install"]


def requirements(package: dict[str, Any]) -> set[str]:
    texts = package["metadata"].get("requires_dist", [])
    return {normal(re.split(r"[ ;<>=!~\[(]", text)[0]) for text in texts if "extra ==" not in text}


def main() -> int:
    known = {normal(row.name): row for row in dependencies() if row.kind == "python"}
    direct = [row.name for row in known.values() if not row.purpose.startswith("for ")]
    packages = {normal(package["metadata"]["name"]): package for package in resolve(direct)}
    for name in [*map(normal, direct), *sorted(set(packages) - set(map(normal, direct)))]:
        users = sorted(user for user, package in packages.items() if name in requirements(package))
        row = known.get(name, Dependency("python", name, "", "", "LICENCE?", "test", ""))
        purpose = row.purpose if row.purpose and not row.purpose.startswith("for ") else "for " + ", ".join(users)
        version = packages[name]["metadata"]["version"]
        digest = packages[name]["download_info"]["archive_info"]["hashes"]["sha256"]
        print(f"python {row.name:<20} {version:<9} {digest} {row.licence} {row.use} {purpose}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
