"""Faults of who Corbel tells, whom it asks, and of its own process."""

from __future__ import annotations

import base64
import contextlib
import json
import resource
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from chaos import FINE, ChaosProxy, Weather
from corbel import Corbel
from events_test import Nats, Receiver
from faults import MODELS, Caller, Changes, Fault, Row, health, make_model, predictions, reads, writes

WEBHOOKS = "/api/v1/ai/webhooks"
DELIVERED_WITHIN_S = 60


def order_of(events: list[dict[str, Any]]) -> list[int]:
    """Revisions of the model that was changed, each where it came first."""
    first: dict[str, dict[str, Any]] = {}
    for event in events:
        first.setdefault(event["id"], event)
    return [e["data"].get("revision", 1) for e in first.values() if e["data"].get("name") == "changing"]


def check_events(row: Row, events: Callable[[], list[dict[str, Any]]], changes: Changes) -> None:
    """All of them, in order; then recovery is when the last had come."""
    begin = time.monotonic()
    expected = list(range(1, changes.tried + 2))
    while order_of(events()) != expected:
        if time.monotonic() > begin + DELIVERED_WITHIN_S:
            return row.broken(f"{len(order_of(events()))} of {len(expected)} events came, or in another order")
        time.sleep(0.1)
    row.recovery_ms = (row.recovery_ms or 0) + (time.monotonic() - begin) * 1000


def told(fault: str, inject: Callable[[], None], heal: Callable[[], None], corbel: Corbel, changes: Changes) -> Row:
    """Whoever is told events must not be noticed by callers."""
    callers = [writes(changes), reads(), predictions(), health()]
    return Fault(fault, inject, heal, callers, degrades=False).measure(corbel)


@contextlib.contextmanager
def with_a_webhook() -> Iterator[tuple[Receiver, ChaosProxy, Corbel, Changes]]:
    receiver = Receiver()
    with ChaosProxy(receiver.port) as proxy, Corbel({"events.webhookHosts": f"127.0.0.1:{proxy.port}"}) as corbel:
        make_model(corbel)
        corbel.call("POST", WEBHOOKS, {"url": f"http://127.0.0.1:{proxy.port}/hook"}).expect(201)
        yield receiver, proxy, corbel, Changes(corbel)
    receiver.close()


def webhook(name: str, weather: Weather) -> Row:
    with with_a_webhook() as (receiver, proxy, corbel, changes):

        def turn(to: Weather) -> None:
            proxy.weather = to

        row = told(name, lambda: turn(weather), lambda: turn(FINE), corbel, changes)
        check_events(row, receiver.events, changes)
        return row


def webhook_fails() -> Row:
    with with_a_webhook() as (receiver, _, corbel, changes):

        def answer(status: int) -> None:
            receiver.status = status

        row = told("webhook-500", lambda: answer(500), lambda: answer(204), corbel, changes)
        check_events(row, receiver.events, changes)
        return row


def broker_away() -> Row:
    with tempfile.TemporaryDirectory(prefix="corbel-broker-") as folder:
        broker = Nats(folder)
        try:
            environment = {"CORBEL_NATS_PASSWORD": "broker-password"}
            with Corbel(broker.settings(), environment) as corbel:
                make_model(corbel)
                changes = Changes(corbel)
                row = told("broker-away", broker.stop, broker.start, corbel, changes)
                check_events(row, broker.events, changes)
                return row
        finally:
            broker.stop()


def token_of(issuer: str) -> str:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    claims = {"iss": issuer, "sub": "ann", "exp": int(time.time()) + 600}
    return f"{part({'alg': 'RS256', 'kid': 'one'})}.{part(claims)}.c2lnbmF0dXJl"


def issuer_hangs() -> Row:
    """The issuer's keys were never to be had: its tokens get 503, never anything else; keys are served as ever."""
    with socket.create_server(("127.0.0.1", 0)) as silent, tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "corbel.toml"
        settings.write_text(
            '[[auth.issuers]]\niss = "https://away.example"\nalgorithm = "RS256"\n'
            f'jwksUrl = "https://127.0.0.1:{silent.getsockname()[1]}/jwks"\n'
        )
        with Corbel(environment={"CORBEL_CONFIG": str(settings)}) as corbel:
            make_model(corbel)
            credential = {"Authorization": f"Bearer {token_of('https://away.example')}"}
            callers = [
                Caller("tokens", lambda: ("GET", MODELS, None), frozenset({503}), headers=credential) for _ in range(8)
            ]
            fault = Fault(
                "issuer-hangs", lambda: None, lambda: None, callers, [reads(), predictions(), health()],
                degrades=False, breaker=True,
            )  # fmt: skip
            row = fault.measure(corbel)
            row.first_degraded_ms = max(caller.samples[0].ms for caller in callers)
            row.recovery_ms = None
            return row


def descriptors_run_out() -> Row:
    """64 files: connections beyond are refused or wait, those that are there are served, nothing spins."""
    few = 64

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (few, few))

    with Corbel(limit=limit) as corbel:
        idle: list[socket.socket] = []
        cpu: list[float] = []

        def exhaust() -> None:
            cpu.append(corbel.cpu_seconds())
            for _ in range(4 * few):
                connection = socket.socket()
                connection.setblocking(False)
                connection.connect_ex(("127.0.0.1", corbel.port))
                idle.append(connection)

        def close() -> None:
            cpu.append(corbel.cpu_seconds())
            for connection in idle:
                connection.close()

        # One connection that is there before, and stays.
        fault = Fault("descriptors-run-out", exhaust, close, [health()], hold_s=3, degrades=False)
        row = fault.measure(corbel)
        # New connections: those that nobody waits for any more have to be taken first.
        begin = time.monotonic()
        while corbel.request("GET", "/health").status != 200:
            time.sleep(0.02)
        row.recovery_ms = (time.monotonic() - begin) * 1000
        if not corbel.metric("corbel_http_connections_refused_total"):
            row.broken("no connection was refused")
        if cpu[1] - cpu[0] > 1:
            row.broken(f"{cpu[1] - cpu[0]:.1f} s of CPU in {fault.hold_s:.0f} s: it spins")
        return row


def terminated() -> Row:
    """SIGTERM under load: what has begun is answered, the exit code is 0, within ten seconds."""
    with Corbel() as corbel:
        make_model(corbel)
        changes = Changes(corbel)
        callers = [writes(changes), reads(), predictions()]
        for caller in callers:
            caller.degraded = frozenset({0, 503})
        stop = threading.Event()
        threads = [threading.Thread(target=caller.run, args=(corbel, stop), daemon=True) for caller in callers]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        row = Row("sigterm", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
        begin = time.monotonic()
        corbel.process.send_signal(signal.SIGTERM)
        code = corbel.process.wait(20)
        ended = time.monotonic() - begin
        stop.set()
        for thread in threads:
            thread.join(30)
        if code != 0 or ended > 10:
            row.broken(f"exit {code} after {ended:.1f} s")
        for caller in callers:
            if mistakes := caller.mistakes():
                row.broken(f"{caller.name} got {sorted(mistakes)}")
        corbel.start()
        row.recovery_ms = corbel.ready_seconds * 1000
        changes.check(corbel, row)
        return row


def memory_short() -> Row:
    """Requests that stop half way fill the memory: heavy work is refused, everything else goes on."""
    with Corbel({"memory.limitBytes": "160MiB"}) as corbel:
        make_model(corbel)
        held: list[socket.socket] = []

        def fill() -> None:
            head = f"POST {MODELS}/nothing/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            head += f"Authorization: Bearer {corbel.admin_key}\r\nContent-Length: {28 << 20}\r\n\r\n"
            while (level := corbel.metric("corbel_memory_level")) < 3 and len(held) < 24:
                held.append(socket.create_connection((corbel.host, corbel.port)))
                # In steps that do not go beyond the level.
                size = (14 if level < 2 else 3) << 20
                held[-1].sendall(head.encode() + b'{"input": "' + b"x" * size)
                time.sleep(0.3)  # it looks every 250 ms

        def free() -> None:
            for connection in held:
                connection.close()

        heavy = Caller(
            "heavy",
            lambda: ("POST", f"{MODELS}/nothing/predict", {"input": "x" * 100_000}),
            frozenset({404}),
            frozenset({503}),
        )
        fault = Fault("memory-short", fill, free, [heavy], [reads(), predictions(), health()], breaker=False)
        return fault.measure(corbel)


CLOCK = """
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
static volatile long *ahead;
__attribute__((constructor)) static void find(void) {
  int file = open(getenv("CLOCK_AHEAD"), O_RDONLY);
  void *found = mmap(0, sizeof(long), PROT_READ, MAP_SHARED, file, 0);
  if (file >= 0 && found != MAP_FAILED) ahead = found;
}
int clock_gettime(clockid_t id, struct timespec *now) {
  int outcome = (int)syscall(SYS_clock_gettime, id, now);
  if (outcome == 0 && ahead && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) now->tv_sec += *ahead;
  return outcome;
}
"""


def clock_jumps(name: str, seconds: int) -> Row:
    """The wall clock jumps, and back: nobody notices, and what is made later still has a later id."""
    with tempfile.TemporaryDirectory(prefix="corbel-clock-") as folder:
        ahead, shim = Path(folder) / "ahead", Path(folder) / "clock.so"
        ahead.write_bytes(bytes(8))
        compiler = shutil.which("clang-19") or "cc"
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-xc", "-", "-o", shim], input=CLOCK.encode(), check=True)
        with Corbel(environment={"LD_PRELOAD": str(shim), "CLOCK_AHEAD": str(ahead)}) as corbel:
            make_model(corbel)
            ids = [made(corbel, "before")]

            def jump(by: int) -> None:
                with ahead.open("r+b") as file:
                    file.write(struct.pack("l", by))
                ids.append(made(corbel, f"at-{len(ids)}"))

            callers = [writes(changes := Changes(corbel)), reads(), predictions(), health()]
            fault = Fault(name, lambda: jump(seconds), lambda: jump(0), callers, degrades=False, hold_s=3)
            row = fault.measure(corbel)
            changes.check(corbel, row)
            ids.append(made(corbel, "after"))
            if ids != sorted(ids):
                row.broken("ids are not in the order in which they were made")
            shown = corbel.call("GET", f"{MODELS}/at-1").expect(200).json()["createdAt"]
            if abs(datetime.fromisoformat(shown).timestamp() - time.time() - seconds) > 60:
                row.broken("the clock of the program did not jump: the fault was none")
            return row


def made(corbel: Corbel, name: str) -> str:
    return str(corbel.call("POST", MODELS, {"name": name, "framework": "onnx"}).expect(201).json()["id"])


FAULTS = {
    "memory-short": memory_short,
    "clock-forward-1h": lambda: clock_jumps("clock-forward-1h", 3_600),
    "clock-back-1h": lambda: clock_jumps("clock-back-1h", -3_600),
    "webhook-hangs": lambda: webhook("webhook-hangs", Weather(hang=True)),
    "webhook-refuses": lambda: webhook("webhook-refuses", Weather(down=True)),
    "webhook-resets": lambda: webhook("webhook-resets", Weather(reset_after=5)),
    "webhook-1-byte-a-time": lambda: webhook("webhook-1-byte-a-time", Weather(bytes_per_s=20, slice_bytes=1)),
    "webhook-500": webhook_fails,
    "broker-away": broker_away,
    "issuer-hangs": issuer_hangs,
    "descriptors-run-out": descriptors_run_out,
    "sigterm": terminated,
}
