"""Tokens that the product's own backend knows: it answers, refuses, hangs, fails, talks nonsense and comes back."""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
import time
import unittest
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from corbel import SANITIZED, Answer, Corbel

SECRET = secrets.token_hex(32)
USERS = {
    "session-ann": {"id": "ann", "roles": ["admin"]},
    "session-bob": {"id": "bob"},
}


def good(handler: Handler) -> None:
    token = handler.headers.get("Authorization", "").removeprefix("Bearer ")
    user = USERS.get(token)
    handler.answer(200, {"user": user}) if user else handler.answer(401, {"error": "unknown"})


class Handler(BaseHTTPRequestHandler):
    server: Backend

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Authorization", "")))
        self.server.behave(self)

    def answer(self, status: int, body: Any) -> None:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # the client may have given up
            self.wfile.write(sent)

    def log_message(self, *_: object) -> None:
        pass


class Backend(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str]] = []
        self.behave: Callable[[Handler], None] = good
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


def hang(handler: Handler) -> None:
    time.sleep(1.5)
    good(handler)


class BackendTokens(unittest.TestCase):
    def setUp(self) -> None:
        self.backend = self.enterContext(Backend())
        self.corbel = self.enterContext(
            Corbel(environment={"MAIN_BACKEND_URL": self.backend.url + "/", "JWT_SECRET": SECRET})
        )

    def me(self, token: str) -> Answer:
        return self.corbel.call("GET", "/api/v1/ai/me", key=token)

    def timed(self, token: str) -> tuple[Answer, float]:
        begin = time.monotonic()
        answer = self.me(token)
        return answer, time.monotonic() - begin

    def local(self, user: str = "eve") -> str:
        return jwt.encode({"sub": user, "exp": int(time.time()) + 600}, SECRET, "HS256")

    def breaker(self) -> dict[str, Any]:
        health = self.corbel.call("GET", "/health/detailed").expect(200).json()
        return next(d for d in health["dependencies"] if d["name"] == "auth.backend")

    def test_it_says_who_the_bearer_is_and_is_asked_once(self) -> None:
        me = self.me("session-ann").expect(200).json()
        self.assertEqual(me["id"], "user:ann")
        self.assertIn("keys:write", json.dumps(me))
        self.me("session-ann").expect(200)
        self.assertEqual(self.backend.asked, [("/api/auth/verify", "Bearer session-ann")])
        self.assertNotIn("keys:write", json.dumps(self.me("session-bob").expect(200).json()))
        self.me("session-eve").expect(401)
        self.me(self.local("ann")).expect(200)
        self.assertEqual(len(self.backend.asked), 3, "local tokens are nobody else's business")
        self.me(jwt.encode({"sub": "ann", "exp": 1}, SECRET, "HS256")).expect(401)
        self.me(self.local()[:-3] + "abc").expect(401)
        self.assertEqual(len(self.backend.asked), 3)
        self.assertEqual(self.breaker()["breaker"], {"state": "closed"})

    def test_a_backend_that_hangs_costs_700_ms_then_nothing_and_its_return_is_noticed(self) -> None:
        self.me("session-ann").expect(200)
        self.backend.behave = hang
        for i in range(5):
            answer, seconds = self.timed(f"unknown-{i}")
            answer.expect(503)
            self.assertLess(seconds, 0.8 if not SANITIZED else 3)
        quick = []
        for i in range(20):
            answer, seconds = self.timed(f"later-{i}")
            answer.expect(503)
            self.assertGreaterEqual(int(answer.headers["retry-after"]), 1)
            quick.append(seconds)
        self.assertLess(sorted(quick)[10], 0.02 if not SANITIZED else 1)
        self.me("session-ann").expect(200)  # known
        self.me(self.local()).expect(200)
        down = self.breaker()
        self.assertEqual((down["state"], down["breaker"]["state"]), ("down", "open"))
        self.assertIn("in time", down["lastError"])
        self.backend.behave = good
        back = time.monotonic()
        while self.me("session-bob").status != 200:
            self.assertLess(time.monotonic() - back, 5)
            time.sleep(0.05)

    def test_errors_and_nonsense_are_503_and_never_anonymous(self) -> None:
        def answers(status: int, body: Any) -> Callable[[Handler], None]:
            return lambda handler: handler.answer(status, body)

        for status, body in (
            (500, {"user": {"id": "ann"}}),
            (200, b"<html>maintenance</html>"),
            (200, {"ok": True}),
            (404, {}),
        ):
            with self.subTest(status=status, body=body):
                self.backend.behave = answers(status, body)
                answer = self.me(f"token-{status}-{len(str(body))}").expect(503)
                self.assertEqual(answer.json()["code"], "unavailable")
                self.assertIn("retry-after", answer.headers)
                self.assertNotIn(b"127.0.0.1", answer.body)
        self.me(self.local()).expect(200)

    def test_one_that_is_gone_is_503_while_local_tokens_work(self) -> None:
        self.backend.shutdown()
        self.backend.server_close()
        answer, seconds = self.timed("session-ann")
        answer.expect(503)
        self.assertLess(seconds, 0.8 if not SANITIZED else 3)
        self.me(self.local()).expect(200)
        self.corbel.call("GET", "/api/v1/ai/me").expect(200)  # an API key


if __name__ == "__main__":
    unittest.main()
