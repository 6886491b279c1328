"""Faults of the Redis server that limits are counted in: requests are judged on, alone; quotas are redis_test.py's."""

from __future__ import annotations

import time
from collections.abc import Callable

from chaos import FINE, ChaosProxy, Weather
from corbel import Corbel
from faults import Caller, Fault, Row
from redis_server import Redis


def measure(name: str, begin: Callable[[Redis, ChaosProxy], object], end: Callable[[Redis, ChaosProxy], object]) -> Row:
    """Nobody gets another answer than ever; recovery is when limits are counted together again."""
    with (
        Redis() as redis,
        ChaosProxy(redis.port) as proxy,
        Corbel({"redis.url": f"redis://127.0.0.1:{proxy.port}"}) as corbel,
    ):
        callers = [Caller("callers", lambda: ("GET", "/api/v1/ai/me", None)) for _ in range(4)]
        degraded: list[bool] = []
        healed = 0.0

        def heal() -> None:
            nonlocal healed
            degraded.append(corbel.metric("corbel_limiter_degraded") == 1)
            end(redis, proxy)
            healed = time.monotonic()

        fault = Fault(name, lambda: begin(redis, proxy), heal, callers, degrades=False, breaker=True)
        row = fault.measure(corbel)
        while corbel.metric("corbel_limiter_degraded") == 1 and time.monotonic() < healed + 20:
            time.sleep(0.02)
        row.recovery_ms = (time.monotonic() - healed) * 1000
        during = [s for caller in callers for s in caller.samples if s.begin <= healed]
        row.first_degraded_ms = max(sample.ms for sample in during)
        if not degraded[0]:
            row.broken("nobody noticed: the fault was none")
        return row


def weather(to: Weather) -> Callable[[Redis, ChaosProxy], object]:
    return lambda _, proxy: setattr(proxy, "weather", to)


FAULTS = {
    "redis-killed": lambda: measure("redis-killed", lambda r, _: r.kill(), lambda r, _: r.start()),
    "redis-unreachable": lambda: measure("redis-unreachable", weather(Weather(down=True)), weather(FINE)),
    "redis-hangs": lambda: measure("redis-hangs", weather(Weather(hang=True)), weather(FINE)),
    "redis-latency-100ms": lambda: measure("redis-latency-100ms", weather(Weather(latency_s=0.1)), weather(FINE)),
    "redis-read-only": lambda: measure(
        "redis-read-only",
        lambda r, _: r.ask("REPLICAOF", "127.0.0.1", "1"),
        lambda r, _: r.ask("REPLICAOF", "NO", "ONE"),
    ),
    "redis-out-of-memory": lambda: measure(
        "redis-out-of-memory",
        lambda r, _: r.ask("CONFIG", "SET", "maxmemory", "1"),
        lambda r, _: r.ask("CONFIG", "SET", "maxmemory", "0"),
    ),
}
