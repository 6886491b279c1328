"""What the kernel says that processes used."""

from __future__ import annotations

import os
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def busy_seconds(core: int) -> float:
    """Of everything that ran on the core, time stolen by the hypervisor included."""
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{core} "):
            user, nice, system, _, _, irq, softirq, steal = map(int, line.split()[1:9])
            return (user + nice + system + irq + softirq + steal) / TICKS
    raise RuntimeError(f"there is no core {core}")


def rss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} has no memory")


def stolen_share(core: int, seconds: float = 1.0) -> float:
    """Share of `seconds` that a busy loop on `core` did not get, in pauses over 50 us.

    On an idle machine this is what its host takes away, and no tail latency measured here can be better than it.
    """
    before, pauses = os.sched_getaffinity(0), 0
    os.sched_setaffinity(0, {core})
    try:
        last = time.perf_counter_ns()
        end = last + int(seconds * 1e9)
        while last < end:
            now = time.perf_counter_ns()
            if now - last > 50_000:
                pauses += now - last
            last = now
    finally:
        os.sched_setaffinity(0, before)
    return pauses / (seconds * 1e9)
