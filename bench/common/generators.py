"""Load generators: wrk for throughput (closed loop), our own for latency at a rate (open loop)."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[1]
LOAD = HERE.parent / "build/release/load"


@dataclass
class Target:
    """Where rows are sent: one path of one server."""

    port: int
    path: str
    bodies: Path
    key: str = ""


def run(core: int, command: list[Any]) -> dict[str, float]:
    pinned = ["taskset", "-c", str(core), *map(str, command)]
    done = subprocess.run(pinned, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def closed_loop(target: Target, core: int, connections: int, seconds: float) -> dict[str, float]:
    url = f"http://127.0.0.1:{target.port}{target.path}"
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "-s", HERE / "load/rotate.lua", url, "--"]
    return run(core, [*command, target.bodies, f"Bearer {target.key}"])


def open_loop(target: Target, core: int, connections: int, seconds: float, rate: float) -> dict[str, float]:
    return run(
        core,
        [
            LOAD,
            "--port",
            target.port,
            "--path",
            target.path,
            "--bodies",
            target.bodies,
            "--connections",
            connections,
            "--seconds",
            seconds,
            "--rate",
            rate,
            "--header",
            f"Authorization: Bearer {target.key}",
        ],
    )
