"""What every bench writes: build/bench/NAME.json and one table for the terminal."""

from __future__ import annotations

import json
import os
import platform
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build/bench"
LESS_IS_BETTER = ("ms", "us", "ns", "MB", "s")  # units


def machine() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return f"{line.split(':')[1].strip()}, {os.cpu_count()} cores, {platform.system()}"
    return platform.platform()


def number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def middle(values: list[float]) -> float:
    return float(f"{statistics.median(values):.6g}")


@dataclass
class Report:
    """Rows of medians. A peer's figures belong to the same case and metric of the same run."""

    name: str
    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(
        self, case: str, metric: str, unit: str, own: list[float], peer: str = "", theirs: list[float] | None = None
    ) -> None:
        row: dict[str, Any] = {"case": case, "metric": metric, "unit": unit, "value": middle(own)}
        row |= {"low": middle([min(own)]), "high": middle([max(own)])}
        if theirs:
            ratio = middle(own) / middle(theirs)
            better = 1 / ratio if unit in LESS_IS_BETTER else ratio
            row |= {"peer": peer, "peer_value": middle(theirs), "ratio": round(better, 2)}
        self.rows.append(row)

    def save(self) -> None:
        FOLDER.mkdir(parents=True, exist_ok=True)
        result = {"name": self.name, "machine": machine(), "rows": self.rows}
        (FOLDER / f"{self.name}.json").write_text(json.dumps(result, indent=1) + "\n")

    def print(self) -> None:
        print(f"\n{'case':<16} {'metric':<20} {'median (lowest - highest)':>30}  {'peer':>8}  times better")
        for row in self.rows:
            spread = f"{number(row['value'])} ({number(row['low'])} - {number(row['high'])})"
            line = f"{row['case']:<16} {row['metric']:<20} {spread:>30}"
            if "peer" in row:
                line += f"  {number(row['peer_value']):>8}  {row['ratio']:.1f} {row['peer']}"
            print(line)
