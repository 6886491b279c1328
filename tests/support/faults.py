"""Load before, during and after a fault, and what it says: one row a fault."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from corbel import Corbel
from kill_loop import MODEL_FILE

WARM_S, HOLD_S, RECOVERY_MAX_S = 0.5, 2.0, 20.0
BREAKER_KNOWS_S = 1.0  # after the fault has begun
PAUSE_S = 0.005  # of a caller between two requests
MODELS = "/api/v1/ai/models"


@dataclass
class Row:
    fault: str
    injected: str
    first_degraded_ms: float | None = None  # how long a caller waited for his first one, at most; none: nobody got one
    p50_ms: float | None = None  # of answers while it lasted, from those whom it concerns
    p99_ms: float | None = None
    breaker_open_p99_ms: float | None = None  # of the same, once it is known that asking is of no use
    recovery_ms: float | None = None  # from its end to the first good answer
    invariant: str = "ok"  # or what was broken

    def text(self) -> str:
        return json.dumps({k: round(v, 1) if isinstance(v, float) else v for k, v in asdict(self).items()})

    def broken(self, what: str) -> None:
        self.invariant = what if self.invariant == "ok" else f"{self.invariant}; {what}"


@dataclass
class Sample:
    begin: float
    end: float
    status: int  # 0: the connection broke
    good: bool

    @property
    def ms(self) -> float:
        return (self.end - self.begin) * 1000


@dataclass
class Caller:
    """Repeats one request. Statuses besides `good` are degraded answers if `degraded` has them, else mistakes."""

    name: str
    request: Callable[[], tuple[str, str, Any]]  # method, path, body
    good: frozenset[int] = frozenset({200})
    degraded: frozenset[int] = frozenset()
    acknowledged: Callable[[], None] = lambda: None
    headers: dict[str, str] = field(default_factory=dict)
    token: Callable[[], str] | None = None  # a new one for every request
    samples: list[Sample] = field(default_factory=list)

    def run(self, corbel: Corbel, stop: threading.Event) -> None:
        headers = {"Authorization": f"Bearer {corbel.admin_key}", "Content-Type": "application/json"} | self.headers
        connection = http.client.HTTPConnection("127.0.0.1", corbel.port, timeout=40)
        while not stop.is_set():
            begin = time.monotonic()
            try:
                method, path, body = self.request()
                if self.token:
                    headers["Authorization"] = f"Bearer {self.token()}"
                sent = body if body is None or isinstance(body, bytes) else json.dumps(body)
                connection.request(method, path, sent, headers)
                answer = connection.getresponse()
                answer.read()
                status = answer.status
            except (OSError, http.client.HTTPException):
                status = 0
                connection.close()
                connection = http.client.HTTPConnection("127.0.0.1", corbel.port, timeout=40)
            if status in self.good:
                self.acknowledged()
            self.samples.append(Sample(begin, time.monotonic(), status, status in self.good))
            time.sleep(PAUSE_S)
        connection.close()

    def mistakes(self) -> set[int]:
        return {sample.status for sample in self.samples} - self.good - self.degraded


def percentile(values: Iterable[float], share: float) -> float | None:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else None


class Changes:
    """A model that is changed again and again; what was acknowledged last must be there at the end."""

    def __init__(self, corbel: Corbel) -> None:
        corbel.call("POST", MODELS, {"name": "changing", "framework": "onnx", "description": "0"}).expect(201)
        self.tried = self.last = 0

    def request(self) -> tuple[str, str, Any]:
        self.tried += 1
        return "PATCH", f"{MODELS}/changing", {"description": str(self.tried)}

    def acknowledged(self) -> None:
        self.last = self.tried

    def check(self, corbel: Corbel, row: Row) -> None:
        found = int(corbel.call("GET", f"{MODELS}/changing").expect(200).json()["description"])
        if not self.last <= found <= self.tried:
            row.broken(f"change {self.last} was acknowledged, {found} is stored")


def first_degraded(caller: Caller, begin: float) -> float | None:
    """Of a request that was under way when the fault began, what it took from then."""
    first = next((s for s in caller.samples if s.end >= begin and not s.good), None)
    return None if first is None else (first.end - max(first.begin, begin)) * 1000


DEGRADED = frozenset({503, 504, 507})


def make_model(corbel: Corbel) -> None:
    corbel.call("POST", MODELS, {"name": "houses", "framework": "xgboost"}).expect(201)
    corbel.call("POST", f"{MODELS}/houses/versions", MODEL_FILE.read_bytes()).expect(201)


def writes(changes: Changes, degraded: frozenset[int] = DEGRADED) -> Caller:
    return Caller("writes", changes.request, degraded=degraded, acknowledged=changes.acknowledged)


def reads(degraded: frozenset[int] = DEGRADED) -> Caller:
    return Caller("reads", lambda: ("GET", f"{MODELS}?limit=5", None), degraded=degraded)


def predictions() -> Caller:
    row = {"input": {"size": 120, "age": 12}}
    return Caller("predictions", lambda: ("POST", f"{MODELS}/houses/predict", row))


def health() -> Caller:
    return Caller("health", lambda: ("GET", "/health", None))


@dataclass
class Fault:
    """What happens, how it ends, and whom it concerns. The others must not notice."""

    name: str
    inject: Callable[[], None]
    heal: Callable[[], None]
    concerned: list[Caller]
    others: list[Caller] = field(default_factory=list)
    hold_s: float = HOLD_S
    degrades: bool = True  # somebody must get a degraded answer
    breaker: bool | None = None  # one opens; None: where somebody gets degraded answers
    known_s: float = BREAKER_KNOWS_S

    def measure(self, corbel: Corbel) -> Row:
        stop = threading.Event()
        callers = [*self.concerned, *self.others]
        threads = [threading.Thread(target=caller.run, args=(corbel, stop), daemon=True) for caller in callers]
        for thread in threads:
            thread.start()
        time.sleep(WARM_S)
        row = Row(self.name, datetime.now(UTC).isoformat(timespec="milliseconds"))
        begin = time.monotonic()
        self.inject()
        time.sleep(self.hold_s)
        end = time.monotonic()
        self.heal()
        healed = time.monotonic()
        recovered = self._await_recovery(healed)
        stop.set()
        for thread in threads:
            thread.join(60)
        self._judge(row, begin, end, healed, recovered)
        return row

    def _await_recovery(self, healed: float) -> float | None:
        """When everybody concerned has had a good answer, and no bad one since."""
        while time.monotonic() < healed + RECOVERY_MAX_S:
            time.sleep(0.02)
            later = [[s for s in list(caller.samples) if s.begin >= healed] for caller in self.concerned]
            if all(len(s) >= 3 and all(one.good for one in s[-3:]) for s in later):
                return max(next(s.end for i, s in enumerate(own) if all(t.good for t in own[i:])) for own in later)
        return None

    def _judge(self, row: Row, begin: float, end: float, healed: float, recovered: float | None) -> None:
        during = [s for caller in self.concerned for s in caller.samples if s.end >= begin and s.begin < end]
        row.first_degraded_ms = max(
            (ms for c in self.concerned if (ms := first_degraded(c, begin)) is not None), default=None
        )
        row.p50_ms = percentile((s.ms for s in during), 0.5)
        row.p99_ms = percentile((s.ms for s in during), 0.99)
        if self.breaker or (self.breaker is None and self.degrades):
            row.breaker_open_p99_ms = percentile((s.ms for s in during if s.begin >= begin + self.known_s), 0.99)
        row.recovery_ms = None if recovered is None else (recovered - healed) * 1000
        if recovered is None:
            row.broken(f"not healed within {RECOVERY_MAX_S:.0f} s")
        if self.degrades and not any(not s.good for s in during):
            row.broken("nobody noticed: the fault was none")
        for caller in [*self.concerned, *self.others]:
            if mistakes := caller.mistakes():
                row.broken(f"{caller.name} got {sorted(mistakes)}")
