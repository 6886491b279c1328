"""Faults of the database and the disk."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from chaos import FINE, ChaosProxy, Weather
from corbel import Corbel
from faults import DEGRADED, Caller, Changes, Fault, Row, health, make_model, predictions, reads, writes
from kill_loop import KillLoop, sqlite_damage
from postgres import Postgres

INTERNAL = 70
# A commit that was sent and not answered is in doubt, and said to be: 500.
IN_DOUBT = DEGRADED | {500}


def others() -> list[Caller]:
    return [predictions(), health()]


@contextlib.contextmanager
def on_postgres(port: int | None = None) -> Iterator[tuple[Postgres, Corbel, Changes]]:
    with Postgres() as server, serving(server, port or server.port) as (corbel, changes):
        yield server, corbel, changes


@contextlib.contextmanager
def serving(server: Postgres, port: int) -> Iterator[tuple[Corbel, Changes]]:
    with Corbel() as corbel:
        corbel.stop()
        corbel.settings |= {"store.url": server.url.replace(str(server.port), str(port)), "store.schema": "faults"}
        corbel.start()
        make_model(corbel)
        yield corbel, Changes(corbel)


@contextlib.contextmanager
def through_a_proxy() -> Iterator[tuple[ChaosProxy, Corbel, Changes]]:
    with Postgres() as server, ChaosProxy(server.port) as proxy, serving(server, proxy.port) as (corbel, changes):
        yield proxy, corbel, changes


def postgres_restart() -> Row:
    with on_postgres() as (server, corbel, changes):
        concerned = [writes(changes, IN_DOUBT), reads()]
        row = Fault(
            "postgres-restart", server.stop, server.start, concerned, others()
        ).measure(corbel)  # fmt: skip
        changes.check(corbel, row)
        return row


def postgres_terminated() -> Row:
    with on_postgres() as (server, corbel, changes):

        def terminate() -> None:
            server.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'corbel'")

        fault = Fault(
            "postgres-terminated", terminate, lambda: None, [writes(changes, IN_DOUBT), reads()], others(),
            hold_s=0.3, degrades=False,
        )  # fmt: skip
        row = fault.measure(corbel)
        changes.check(corbel, row)
        return row


def locked(name: str, mode: str, reads_wait: bool) -> Row:
    """Somebody else holds a lock on a table of ours: who needs it is given up, and soon nobody waits at all."""
    with on_postgres() as (server, corbel, changes):
        holder: list[subprocess.Popen[bytes]] = []

        def lock() -> None:
            sql = f"BEGIN; LOCK TABLE faults.ml_models IN {mode} MODE; SELECT pg_sleep(60)"
            holder.append(
                subprocess.Popen([server.bin / "psql", "-qd", server.url, "-c", sql], stderr=subprocess.DEVNULL)
            )

        def unlock() -> None:
            server.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'BEGIN; LOCK%'")
            holder[0].wait()

        concerned = [writes(changes, IN_DOUBT), *([reads()] if reads_wait else [])]
        unconcerned = others() if reads_wait else [reads(), *others()]
        row = Fault(name, lock, unlock, concerned, unconcerned, hold_s=6).measure(corbel)
        changes.check(corbel, row)
        return row


def postgres_frozen() -> Row:
    """Its processes stand still: the kernel takes connections, nobody answers."""
    with on_postgres() as (server, corbel, changes):

        def send(number: int) -> None:
            for pid in server.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)

        fault = Fault(
            "postgres-frozen",
            lambda: send(signal.SIGSTOP),
            lambda: send(signal.SIGCONT),
            [writes(changes, IN_DOUBT), reads()],
            others(),
            hold_s=5,
        )
        row = fault.measure(corbel)
        changes.check(corbel, row)
        return row


def postgres_late() -> Row:
    """Corbel starts two seconds before its database; recovery is from the database's start to being ready."""
    with on_postgres() as (server, corbel, changes):
        corbel.stop()
        server.stop()
        row = Row("postgres-late", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
        starting = threading.Thread(target=corbel.start)
        starting.start()
        time.sleep(2)
        begin = time.monotonic()
        server.start()
        starting.join(40)
        row.recovery_ms = (time.monotonic() - begin) * 1000
        if "the database does not answer yet" not in corbel.log():
            row.broken("nobody was told what it waits for")
        changes.check(corbel, row)
        return row


def by_weather(name: str, weather: Weather, degrades: bool = True, hold_s: float = 3) -> Row:
    with through_a_proxy() as (proxy, corbel, changes):

        def turn(to: Weather) -> None:
            proxy.weather = to

        fault = Fault(
            name, lambda: turn(weather), lambda: turn(FINE), [writes(changes, IN_DOUBT), reads()], others(),
            hold_s=hold_s, degrades=degrades,
        )  # fmt: skip
        row = fault.measure(corbel)
        changes.check(corbel, row)
        return row


def postgres_hang() -> Row:
    return by_weather("postgres-hang", Weather(hang=True), hold_s=8)


def postgres_slow() -> Row:
    return by_weather("postgres-latency-100ms", Weather(latency_s=0.1), degrades=False)


def postgres_unreachable() -> Row:
    return by_weather("postgres-unreachable", Weather(down=True))


def postgres_reset() -> Row:
    """Every connection breaks in the middle of an answer, at another byte each second."""
    with through_a_proxy() as (proxy, corbel, changes):

        def storm() -> None:
            for at in (1, 7, 40, 200, 900, 4_000):
                proxy.weather = Weather(reset_after=at)
                proxy.cut()
                time.sleep(0.3)

        def calm() -> None:
            proxy.weather = FINE
            proxy.cut()

        fault = Fault(
            "postgres-reset-at-byte-n",
            storm,
            calm,
            [writes(changes, IN_DOUBT), reads()],
            others(),
            hold_s=0,
            breaker=False,
        )
        row = fault.measure(corbel)
        changes.check(corbel, row)
        return row


def disk_full() -> Row:
    """No file may grow: EFBIG, which SQLite takes as it takes a full disk."""
    with Corbel() as corbel:
        make_model(corbel)
        changes = Changes(corbel)
        infinite = resource.RLIM_INFINITY

        def fill() -> None:
            assert corbel.folder is not None
            size = min(file.stat().st_size for file in corbel.folder.glob("corbel.db*") if "shm" not in file.name)
            resource.prlimit(corbel.process.pid, resource.RLIMIT_FSIZE, (size, infinite))

        def free() -> None:
            resource.prlimit(corbel.process.pid, resource.RLIMIT_FSIZE, (infinite, infinite))

        row = Fault("disk-full", fill, free, [writes(changes)], [reads(), *others()], breaker=False).measure(corbel)
        changes.check(corbel, row)
        return row


def fsync_fails() -> Row:
    """The disk says EIO to fdatasync: the process ends, its successor has everything that was acknowledged."""
    with Corbel() as corbel:
        make_model(corbel)
        changes = Changes(corbel)
        tracer: list[subprocess.Popen[bytes]] = []

        def inject() -> None:
            what = ["-e", "trace=fdatasync,fsync", "-e", "inject=fdatasync,fsync:error=EIO"]
            tracer.append(
                subprocess.Popen(
                    ["strace", "-f", "-qq", "-o", "/dev/null", *what, "-p", str(corbel.process.pid)],
                    stderr=subprocess.DEVNULL,
                )
            )
            corbel.process.wait(20)

        def restart() -> None:
            tracer[0].wait(20)
            corbel.start()

        # In doubt, or refused since: both are told. Then nobody listens until the successor does.
        degraded = frozenset({0, 500, 503})
        concerned = [writes(changes, degraded)]
        row = Fault("fsync-eio", inject, restart, concerned, hold_s=0, breaker=False).measure(corbel)
        if corbel.log().count("the store has stopped") == 0:
            row.broken("the process did not say why it ended")
        changes.check(corbel, row)
        assert corbel.folder is not None
        for damage in sqlite_damage(corbel.folder / "corbel.db"):
            row.broken(damage)
        return row


def killed() -> Row:
    """What `./dev bench kill` does, for a few rounds; recovery is the slowest start."""
    outcome = KillLoop(seed=int(time.time())).run(5)
    row = Row("sigkill", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), recovery_ms=max(outcome.ready_ms))
    for what in outcome.lost + outcome.damage:
        row.broken(what)
    return row


def nth_call_fails(call: str, error: str, numbers: range) -> Row:
    """The n-th system call of one kind fails, for one n after the other: no crash, nothing acknowledged is lost."""
    row = Row(f"nth-{call}-{error.lower()}", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    failures = 0
    for number in numbers:
        with Corbel() as corbel:
            changes = Changes(corbel)
            inject = ["-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={number}"]
            tracer = subprocess.Popen(
                ["strace", "-f", "-qq", "-o", "/dev/null", *inject, "-p", str(corbel.process.pid)],
                stderr=subprocess.DEVNULL,
            )
            traced = time.monotonic() + 5
            while tracer_of(corbel.process.pid) == 0 and time.monotonic() < traced:
                time.sleep(0.005)
            for _ in range(12):
                try:
                    good = corbel.call(*changes.request()).status == 200
                except OSError:
                    good = False
                if good:
                    changes.acknowledged()
                failures += not good
            if corbel.alive():
                corbel.process.send_signal(signal.SIGKILL)
            elif corbel.process.returncode != INTERNAL:
                row.broken(f"{call} number {number}: exit {corbel.process.returncode}")
            corbel.process.wait()
            tracer.wait(20)
            corbel.start()
            changes.check(corbel, row)
            assert corbel.folder is not None
            for damage in sqlite_damage(corbel.folder / "corbel.db"):
                row.broken(f"{call} number {number}: {damage}")
    if call == "pwrite64" and failures == 0:
        row.broken("no write failed: the fault was none")
    return row


def tracer_of(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("TracerPid:"):
                return int(line.split()[1])
    return 0


def may_trace() -> bool:
    return shutil.which("strace") is not None and os.geteuid() == 0


FAULTS = {
    "postgres-restart": postgres_restart,
    "postgres-terminated": postgres_terminated,
    "postgres-locked": lambda: locked("postgres-locked", "SHARE", reads_wait=False),
    "postgres-locked-for-all": lambda: locked("postgres-locked-for-all", "ACCESS EXCLUSIVE", reads_wait=True),
    "postgres-frozen": postgres_frozen,
    "postgres-late": postgres_late,
    "postgres-hang": postgres_hang,
    "postgres-latency-100ms": postgres_slow,
    "postgres-unreachable": postgres_unreachable,
    "postgres-reset-at-byte-n": postgres_reset,
    "disk-full": disk_full,
    "sigkill": killed,
}
if may_trace():
    FAULTS |= {
        "fsync-eio": fsync_fails,
        "nth-pwrite64-eio": lambda: nth_call_fails("pwrite64", "EIO", range(1, 13)),
        "nth-pwrite64-enospc": lambda: nth_call_fails("pwrite64", "ENOSPC", range(1, 13)),
        "nth-accept4-emfile": lambda: nth_call_fails("accept4", "EMFILE", range(1, 5)),
        "nth-mmap-enomem": lambda: nth_call_fails("mmap", "ENOMEM", range(1, 5)),
    }
