"""Faults of those whom Corbel asks: the product's token check, its fallback endpoint, and the object store."""

from __future__ import annotations

import contextlib
import itertools
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import backend_test
import degradation_test
from chaos import FINE, ChaosProxy, Weather
from corbel import Corbel
from faults import DEGRADED, MODELS, Caller, Fault, Row, health, make_model, predictions, reads
from kill_loop import MODEL_FILE
from s3_server import S3

ME = "/api/v1/ai/me"
Turn = Callable[[], None]


def turned(proxy: ChaosProxy, weather: Weather) -> tuple[Turn, Turn]:
    def turn(to: Weather) -> None:
        proxy.weather = to

    return lambda: turn(weather), lambda: turn(FINE)


def answered(server: Any, bad: Callable[..., Any]) -> tuple[Turn, Turn]:
    good = server.behave

    def behave(how: Callable[..., Any]) -> None:
        server.behave = how

    return lambda: behave(bad), lambda: behave(good)


@contextlib.contextmanager
def with_a_backend() -> Iterator[tuple[backend_test.Backend, ChaosProxy, Corbel, list[Caller]]]:
    """Callers whose tokens nobody has seen before."""
    numbers = itertools.count()

    def knows_everybody(handler: backend_test.Handler) -> None:
        token = handler.headers.get("Authorization", "").removeprefix("Bearer ")
        handler.answer(200, {"user": {"id": token}}) if token else handler.answer(401, {})

    def token() -> str:
        return f"session-{next(numbers)}"

    with backend_test.Backend() as backend, ChaosProxy(backend.server_port) as proxy:
        backend.behave = knows_everybody
        with Corbel(environment={"MAIN_BACKEND_URL": f"http://127.0.0.1:{proxy.port}"}) as corbel:
            make_model(corbel)
            callers = [
                Caller("tokens", lambda: ("GET", ME, None), degraded=frozenset({503}), token=token) for _ in range(6)
            ]
            yield backend, proxy, corbel, callers


def others() -> list[Caller]:
    return [reads(), predictions(), health()]


def backend_weather(name: str, weather: Weather, degrades: bool = True) -> Row:
    with with_a_backend() as (_, proxy, corbel, callers):
        return Fault(name, *turned(proxy, weather), callers, others(), hold_s=3, degrades=degrades).measure(corbel)


def backend_says(name: str, status: int, body: Any) -> Row:
    with with_a_backend() as (backend, _, corbel, callers):
        turns = answered(backend, lambda handler: handler.answer(status, body))
        return Fault(name, *turns, callers[:2], others(), hold_s=3).measure(corbel)


@contextlib.contextmanager
def with_a_fallback() -> Iterator[tuple[degradation_test.Product, ChaosProxy, Corbel, list[Caller]]]:
    """A model whose file is gone, so that the product's endpoint answers in its place."""
    with degradation_test.Product() as product, ChaosProxy(product.server_port) as proxy:
        with Corbel({"inference.fallbackUrl": f"http://127.0.0.1:{proxy.port}/fallback"}) as corbel:
            make_model(corbel)
            corbel.stop()
            assert corbel.folder is not None
            shutil.rmtree(corbel.folder / "objects")
            corbel.start()
            callers = [predictions() for _ in range(6)]
            for caller in callers:
                caller.degraded = frozenset({500, 503, 504})
            yield product, proxy, corbel, callers


def fallback_weather(name: str, weather: Weather, degrades: bool = True) -> Row:
    with with_a_fallback() as (_, proxy, corbel, callers):
        turns = turned(proxy, weather)
        return Fault(name, *turns, callers, [reads(), health()], hold_s=3, degrades=degrades).measure(corbel)


def fallback_says(name: str, status: int, body: Any) -> Row:
    with with_a_fallback() as (product, _, corbel, callers):
        turns = answered(product, lambda _: (status, body))
        return Fault(name, *turns, callers[:2], [reads(), health()], hold_s=3).measure(corbel)


def s3_weather(name: str, weather: Weather, degrades: bool = True) -> Row:
    """Uploads need the bucket; whatever is loaded does not."""
    with S3() as server, ChaosProxy(server.port) as proxy:
        settings = server.settings() | {"s3.url": f"http://127.0.0.1:{proxy.port}"}
        with Corbel(settings) as corbel:
            make_model(corbel)
            corbel.call("POST", f"{MODELS}/houses/predict", {"input": {"size": 120, "age": 12}}).expect(200)
            file = MODEL_FILE.read_bytes()
            uploads = [
                Caller(
                    "uploads",
                    lambda: ("POST", f"{MODELS}/houses/versions", file),
                    frozenset({201}),
                    DEGRADED,
                    headers={"Content-Type": "application/octet-stream"},
                )
                for _ in range(2)  # as many as are taken up at once
            ]
            # It is known after five failures.
            turns = turned(proxy, weather)
            return Fault(
                name, *turns, uploads, others(), hold_s=5, degrades=degrades, known_s=3
            ).measure(corbel)  # fmt: skip


HANG, DOWN, RESET, LATENCY = Weather(hang=True), Weather(down=True), Weather(reset_after=20), Weather(latency_s=0.1)
FAULTS = {
    "backend-away": lambda: backend_weather("backend-away", DOWN),
    "backend-hangs": lambda: backend_weather("backend-hangs", HANG),
    "backend-latency-100ms": lambda: backend_weather("backend-latency-100ms", LATENCY, degrades=False),
    "backend-resets": lambda: backend_weather("backend-resets", RESET),
    "backend-500": lambda: backend_says("backend-500", 500, {"error": "ours"}),
    "backend-garbage": lambda: backend_says("backend-garbage", 200, b"<html>out of order</html>"),
    "fallback-url-away": lambda: fallback_weather("fallback-url-away", DOWN),
    "fallback-url-hangs": lambda: fallback_weather("fallback-url-hangs", HANG),
    "fallback-url-latency-100ms": lambda: fallback_weather("fallback-url-latency-100ms", LATENCY, degrades=False),
    "fallback-url-resets": lambda: fallback_weather("fallback-url-resets", RESET),
    "fallback-url-garbage": lambda: fallback_says("fallback-url-garbage", 200, b"<html>out of order</html>"),
    "s3-away": lambda: s3_weather("s3-away", DOWN),
    "s3-hangs": lambda: s3_weather("s3-hangs", HANG),
    "s3-resets": lambda: s3_weather("s3-resets", RESET),
    "s3-latency-100ms": lambda: s3_weather("s3-latency-100ms", LATENCY, degrades=False),
}
