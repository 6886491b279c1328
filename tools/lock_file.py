"""Reads deps.lock."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Dependency:
    kind: str
    name: str
    version: str
    sha256: str
    licence: str
    use: str
    purpose: str


def dependencies(path: Path = ROOT / "deps.lock") -> list[Dependency]:
    rows = (line.split(None, 6) for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return [Dependency(*row) for row in rows]
