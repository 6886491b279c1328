"""Two processes on one PostgreSQL: the entry has no models and passes their calls on."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import os
import secrets
import socket
import threading
import time
import unittest
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from corbel import Answer, Corbel, run
from otlp import OtlpReceiver
from postgres import Postgres, free_port

CONFIGURATION = 78
MODEL_FILE = Path(__file__).with_name("house-prices.json").read_bytes()
MODELS = "/api/v1/ai/models"
ROW = {"input": {"size": 120, "age": 12}}
AUDIT = "/api/v1/ai/admin/audit"


def part(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def forged(secret: str, **replaced: Any) -> str:
    now = int(time.time())
    claims = {
        **{"iss": "corbel", "aud": "corbel:models", "jti": str(uuid.uuid4()), "sub": "user:mallory", "kind": "user"},
        **{"tenant": "default", "permissions": "models:read models:predict", "iat": now, "exp": now + 30},
    } | replaced
    text = f"{part(json.dumps({'alg': 'HS256', 'typ': 'JWT'}).encode())}.{part(json.dumps(claims).encode())}"
    return f"crs_{text}.{part(hmac.digest(secret.encode(), text.encode(), hashlib.sha256))}"


DATABASES: list[Postgres] = []


def setUpModule() -> None:
    DATABASES.append(unittest.enterModuleContext(Postgres()))


class SplitTest(unittest.TestCase):
    server: Postgres
    entry: Corbel
    models: Corbel

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = DATABASES[-1]
        port = free_port()
        shared = {"store.url": cls.server.url, "store.schema": "split"}
        environment = {"CORBEL_SECRETS_MASTER_KEY": secrets.token_hex(32)}
        cls.entry = Corbel(
            shared | {"server.roles": "gateway,worker", "server.roleUrls": f"models=http://127.0.0.1:{port}"},
            environment,
        )
        cls.enterClassContext(cls.entry)
        cls.models = Corbel(shared | {"server.roles": "models", "server.port": str(port)}, environment)
        cls.enterClassContext(cls.models)
        cls.entry.call("POST", MODELS, {"name": "houses", "framework": "xgboost"}).expect(201)
        cls.entry.call("POST", f"{MODELS}/houses/versions", MODEL_FILE).expect(201)

    def direct(self, credential: str, path: str = f"{MODELS}/houses") -> Answer:
        return self.models.request("GET", path, None, {"Authorization": f"Bearer {credential}"})

    def test_predictions_go_through_to_the_process_that_has_the_models(self) -> None:
        answer = self.entry.call("POST", f"{MODELS}/houses/predict", ROW).expect(200)
        self.assertIn("prediction", answer.json())
        self.assertIn("/predict", self.models.log())
        self.assertEqual(self.entry.call("GET", f"{MODELS}/houses").expect(200).json()["name"], "houses")

    def test_the_caller_the_tenant_and_the_request_are_carried_over(self) -> None:
        request = f"split-{uuid.uuid4()}"
        made = self.entry.call(
            "POST", MODELS, {"name": f"m{uuid.uuid4()}", "framework": "onnx"}, **{"X-Request-ID": request}
        )
        model = made.expect(201).json()["id"]
        self.assertEqual(made.headers["location"], f"{MODELS}/{model}")
        me = self.entry.call("GET", "/api/v1/ai/me").expect(200).json()["id"]
        lines = self.entry.call("GET", f"{AUDIT}?object=models/{model}").expect(200).json()["items"]
        self.assertEqual([(line["principal"], line["requestId"]) for line in lines], [(me, request)])

    def test_who_may_not_is_refused_at_the_entry(self) -> None:
        viewer = self.entry.call("POST", "/api/v1/ai/keys", {"name": "v", "role": "viewer"}).expect(201).json()["key"]
        before = self.models.log().count("\n")
        self.entry.call("POST", MODELS, {"name": "no", "framework": "onnx"}, viewer).expect(403)
        self.assertEqual(self.models.log().count("\n"), before)

    def test_errors_of_the_other_process_are_its_own(self) -> None:
        answer = self.entry.call("POST", f"{MODELS}/houses/predict", {"input": {"size": "big"}})
        problem = answer.expect(400).json()
        self.assertEqual(answer.headers["content-type"], "application/problem+json")
        self.assertTrue(problem["errors"])
        self.entry.call("GET", f"{MODELS}/nothing-of-that-name").expect(404)

    def test_a_file_goes_up_and_comes_down_again(self) -> None:
        self.assertEqual(self.entry.call("GET", f"{MODELS}/houses/versions/1/artifact").expect(200).body, MODEL_FILE)

    def test_a_large_file_passes_through_in_pieces(self) -> None:
        name = f"m{uuid.uuid4()}"
        self.entry.call("POST", MODELS, {"name": name, "framework": "onnx"}).expect(201)
        before = self.memory(self.entry)
        refused = self.entry.call("POST", f"{MODELS}/{name}/versions", os.urandom(64 << 20))
        self.assertEqual(refused.status, 422, refused.body)
        self.assertLess(self.memory(self.entry) - before, 32 << 20)

    @staticmethod
    def memory(corbel: Corbel) -> int:
        return int(Path(f"/proc/{corbel.process.pid}/statm").read_text().split()[1]) * 4096

    def test_tokens_that_were_forged_are_refused(self) -> None:
        for token in (
            forged(secrets.token_hex(32)),
            forged(""),
            "crs_",
            "crs_" + self.entry.admin_key,
            forged(secrets.token_hex(32), exp=int(time.time()) - 60),
            forged(secrets.token_hex(32), aud="corbel:training"),
        ):
            self.direct(token).expect(401)

    def test_a_deadline_of_the_caller_is_passed_on(self) -> None:
        answer = self.entry.call("POST", f"{MODELS}/houses/predict", ROW, **{"Corbel-Deadline-Ms": "0"})
        self.assertIn(answer.status, (503, 504))

    def test_many_at_once(self) -> None:
        statuses: list[int] = []

        def ask() -> None:
            for _ in range(20):
                statuses.append(self.entry.call("POST", f"{MODELS}/houses/predict", ROW).status)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(set(statuses), {200})

    def test_while_the_other_process_is_away_its_calls_get_503_and_others_go_on(self) -> None:
        self.models.stop()
        begin = time.monotonic()
        answer = self.entry.call("POST", f"{MODELS}/houses/predict", ROW)
        self.assertEqual(answer.status, 503)
        self.assertIn("retry-after", answer.headers)
        self.assertLess(time.monotonic() - begin, 2)
        self.entry.call("GET", "/api/v1/ai/keys").expect(200)
        found = self.entry.call("GET", "/health/detailed").expect(200).json()["dependencies"]
        self.assertEqual(next(d for d in found if d["name"] == "role.models")["state"], "down")
        for _ in range(5):
            self.entry.call("POST", f"{MODELS}/houses/predict", ROW).expect(503)
        begin = time.monotonic()
        self.entry.call("POST", f"{MODELS}/houses/predict", ROW).expect(503)
        self.assertLess(time.monotonic() - begin, 0.2)
        found = self.entry.call("GET", "/health/detailed").expect(200).json()["dependencies"]
        self.assertEqual(next(d for d in found if d["name"] == "role.models")["breaker"]["state"], "open")
        self.models.start()
        until = time.monotonic() + 5
        while self.entry.call("POST", f"{MODELS}/houses/predict", ROW).status != 200:
            self.assertLess(time.monotonic(), until)
            time.sleep(0.05)

    def test_a_process_without_brokers_forgets_no_events_that_wait_for_them(self) -> None:
        shared = {"store.url": self.server.url, "store.schema": "brokers"}
        environment = {"CORBEL_SECRETS_MASTER_KEY": secrets.token_hex(32)}
        waiting = "SELECT count(*) FROM brokers.event_deliveries WHERE sink = 'nats'"
        with Corbel(shared | {"nats.url": f"nats://127.0.0.1:{free_port()}"}, environment) as worker:
            worker.call("POST", "/api/v1/ai/keys", {"name": "k", "role": "viewer"}).expect(201)
            before = int(self.server.psql(waiting))
            self.assertGreater(before, 0)
            with Corbel(shared | {"server.roles": "models"}, environment) as models:
                self.assertNotIn("events were dropped", models.log())
            self.assertEqual(int(self.server.psql(waiting)), before)

    def test_a_gateway_that_does_not_know_where_models_are_does_not_start(self) -> None:
        refused = run("serve", "--roles=gateway")
        self.assertEqual(refused.returncode, CONFIGURATION)
        self.assertIn("server.roleUrls: must say where models are", refused.stderr)
        refused = run("serve", "--roles=chef")
        self.assertEqual(refused.returncode, CONFIGURATION)
        self.assertIn("server.roles", refused.stderr)


class OtherProcess(ThreadingHTTPServer):
    """Stands where the models are: keeps the headers it gets, trusts nobody or sends a file slowly."""

    daemon_threads = True
    request_queue_size = 64
    pieces, pause, piece = 3, 0.4, b"x" * (1 << 20)

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), OtherHandler)
        self.got: list[dict[str, str]] = []
        self.hangs = threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()


class OtherHandler(BaseHTTPRequestHandler):
    server: OtherProcess

    def do_GET(self) -> None:
        self.server.got.append({name.lower(): value for name, value in self.headers.items()})
        if self.path.endswith("/artifact"):
            return self.send_file()
        if self.path.endswith("/hang"):
            self.server.hangs.set()
            time.sleep(20)
        body = b'{"code": "unauthenticated"}'
        self.send_response(401)
        self.send_header("WWW-Authenticate", "Bearer")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        """Has no room, and says so at once."""
        self.server.got.append({name.lower(): value for name, value in self.headers.items()})
        self.send_response(507)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.close_connection = True

    def send_file(self) -> None:
        other = self.server
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(other.pieces * len(other.piece)))
        self.end_headers()
        for _ in range(other.pieces):
            self.wfile.write(other.piece)
            time.sleep(other.pause)

    def log_message(self, *_: object) -> None:
        pass


class PassedOnTest(unittest.TestCase):
    def setUp(self) -> None:
        self.other = OtherProcess()
        self.addCleanup(self.other.server_close)
        self.addCleanup(self.other.shutdown)
        self.receiver = OtlpReceiver()
        self.addCleanup(self.receiver.close)
        self.entry = self.enterContext(
            Corbel(
                {
                    "store.url": DATABASES[-1].url,
                    "store.schema": f"passed_on_{self.other.server_port}",
                    "server.roles": "gateway,worker",
                    "server.roleUrls": f"models=http://127.0.0.1:{self.other.server_port}",
                    "server.shutdownDeadlineMs": "2000",
                    "traces.endpoint": f"http://127.0.0.1:{self.receiver.port}",
                }
            )
        )

    def test_a_process_that_does_not_trust_this_one_is_not_the_callers_fault(self) -> None:
        answer = self.entry.call("GET", MODELS).expect(503)
        self.assertEqual(answer.json()["code"], "unavailable")
        self.assertNotIn("www-authenticate", answer.headers)
        self.entry.stop()  # writes what is left of the log
        self.assertIn("it refuses service tokens", self.entry.log())

    def test_the_trace_goes_on_below_the_call(self) -> None:
        trace, caller = secrets.token_hex(16), secrets.token_hex(8)
        self.entry.call("GET", MODELS, traceparent=f"00-{trace}-{caller}-01")
        self.entry.stop()  # sends what is left
        _, passed, span, _ = self.other.got[0]["traceparent"].split("-")
        self.assertEqual(passed, trace)
        self.assertEqual([one.id for one in self.receiver.named("relay models")], [span])

    def test_uploads_that_were_refused_hold_no_threads_while_they_come_to_their_end(self) -> None:
        head = f"POST {MODELS}/m/versions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {1 << 30}\r\n"
        head += f"Authorization: Bearer {self.entry.admin_key}\r\n\r\n"
        clients = []
        for _ in range(17):  # more than the relay has threads
            client = self.enterContext(socket.create_connection(("127.0.0.1", self.entry.port), 10))
            client.sendall(head.encode())
            clients.append(client)
        until = time.monotonic() + 8
        while len(self.other.got) < len(clients) and time.monotonic() < until:
            for client in clients:
                client.setblocking(False)
                with contextlib.suppress(OSError):  # full, or closed
                    client.send(bytes(256 << 10))
            time.sleep(0.05)
        self.assertEqual(len(self.other.got), len(clients))

    def test_files_on_their_way_hold_up_no_other_calls(self) -> None:
        self.other.pause = 3
        head = f"GET {MODELS}/m/versions/1/artifact HTTP/1.1\r\nHost: localhost\r\n"
        head += f"Authorization: Bearer {self.entry.admin_key}\r\n\r\n"
        for _ in range(17):  # one more than the relay has threads for other calls
            client = self.enterContext(socket.create_connection(("127.0.0.1", self.entry.port), 10))
            client.sendall(head.encode())
        until = time.monotonic() + 2
        while len(self.other.got) < 16 and time.monotonic() < until:
            time.sleep(0.02)
        begin = time.monotonic()
        self.entry.call("GET", MODELS).expect(503)
        self.assertLess(time.monotonic() - begin, 2)

    def test_a_process_that_hangs_does_not_hold_up_the_end_of_this_one(self) -> None:
        key = self.entry.admin_key

        def ask() -> None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                self.entry.call("GET", f"{MODELS}/hang", key=key)

        asker = threading.Thread(target=ask)
        asker.start()
        self.assertTrue(self.other.hangs.wait(5))
        begin = time.monotonic()
        self.assertEqual(self.entry.stop(), 0)
        self.assertLess(time.monotonic() - begin, 6)
        asker.join()

    def test_a_file_may_take_longer_than_its_call(self) -> None:
        whole = self.other.pieces * self.other.piece
        answer = self.entry.call("GET", f"{MODELS}/m/versions/1/artifact", **{"Corbel-Deadline-Ms": "500"})
        self.assertEqual(len(answer.expect(200).body), len(whole))
        self.assertLessEqual(int(self.other.got[0]["corbel-deadline-ms"]), 500)


if __name__ == "__main__":
    unittest.main()
