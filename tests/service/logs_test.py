"""Logs under hostile input: every line is one JSON object, and no secret is ever in one."""

from __future__ import annotations

import json
import socket
import unittest

import fixtures
from corbel import Corbel
from openapi import operations

HOSTILE = [
    b"GET /\x1b[31mred HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /%0d%0a%7b%22level%22%3a%22error%22%7d HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /\xff\xfe%ff%c0%ae HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /%e2%80%a8%e2%80%a9 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: a\rb\r\n\r\n",
    b'GET / HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: "},{"x":"\r\n\r\n',
    b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: \xff\xfe\x1b[2J\r\n\r\n",
    b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nUser-Agent: \x1b]0;title\x07\r\n\r\n",
    b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nX-Tenant-ID: \xf0\x28\x8c\x28\r\nAuthorization: Bearer x\r\n\r\n",
    b"GET /" + b"a" * 15000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /" + b"\n" * 100 + b" HTTP/1.1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\x00" * 1000,
    b"POST /api/v1/ai/models HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
]


def send_raw(corbel: Corbel, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", corbel.port), timeout=15) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while part := connection.recv(65536):
                answer += part
        except ConnectionResetError:
            pass
        return answer


class Logs(unittest.TestCase):
    def test_hostile_input_cannot_break_a_line(self) -> None:
        with Corbel(settings={"log.level": "debug", "log.bodies": "true"}) as corbel:
            for request in HOSTILE:
                send_raw(corbel, request)
            for name in ("\x1b[31m", "\u2028", "\r\n{}", "\U0001f600", "\x00"):
                corbel.call("POST", "/api/v1/ai/models", {"name": name, "framework": name, name: name})
            self.assertTrue(corbel.alive())
            self.assertEqual(corbel.stop(), 0)
            raw = corbel.log_path.read_bytes()
        text = raw.decode("utf-8")  # anything else is an error here
        lines = text.split("\n")
        self.assertEqual(lines.pop(), "")
        self.assertGreater(len(lines), len(HOSTILE))
        for line in lines:
            self.assertNotRegex(line, r"[\x00-\x1f\x7f\u0080-\u009f\u2028\u2029]")
            entry = json.loads(line)
            for field in ("timestamp", "level", "service", "module", "message"):
                self.assertIn(field, entry)

    def test_the_line_of_a_request_says_whose_it_was_and_how_long_it_took(self) -> None:
        with Corbel(settings={"log.format": "json"}) as corbel:
            made = corbel.call("GET", "/api/v1/ai/models").expect(200).headers["x-request-id"]
            chosen = {"X-Request-ID": "checkout-7_a"}
            self.assertEqual(
                corbel.call("GET", "/api/v1/ai/models/nowhere", **chosen).expect(404).headers["x-request-id"],
                "checkout-7_a",
            )
            open_to_all = corbel.request("GET", "/health").expect(200).headers["x-request-id"]
            self.assertEqual(corbel.stop(), 0)
            lines = self.lines(corbel, "request")
        for request_id, tenant, status in (
            (made, "default", 200),
            ("checkout-7_a", "default", 404),
            (open_to_all, "", 200),
        ):
            line = lines[request_id]
            self.assertEqual((line["tenant"], line["status"], line["module"]), (tenant, status, "http"))
            self.assertTrue(0 < line["duration_ms"] < 30_000, line)

    def test_bodies_are_logged_at_debug_level_without_what_is_secret_in_them(self) -> None:
        with Corbel(settings={"log.level": "debug", "log.bodies": "true"}) as corbel:
            body = {"name": "watcher", "role": "viewer"}
            answer = corbel.call("POST", "/api/v1/ai/keys", body).expect(201)
            self.assertEqual(corbel.stop(), 0)
            line = self.lines(corbel, "bodies")[answer.headers["x-request-id"]]
        self.assertEqual((line["level"], line["tenant"], line["path"]), ("debug", "default", "/api/v1/ai/keys"))
        self.assertEqual(json.loads(line["request_body"]), body)
        logged = json.loads(line["response_body"])
        self.assertEqual(logged["id"], answer.json()["id"])
        self.assertNotEqual(logged["key"], answer.json()["key"])
        self.assertNotIn(answer.json()["key"].split("_")[2], json.dumps(line))

    def test_bodies_are_not_logged_unless_asked_for(self) -> None:
        for settings in ({"log.level": "debug"}, {"log.bodies": "true"}):
            with self.subTest(settings), Corbel(settings=settings) as corbel:
                corbel.call("POST", "/api/v1/ai/keys", {"name": "watcher", "role": "viewer"}).expect(201)
                self.assertEqual(corbel.stop(), 0)
                self.assertNotIn("_body", corbel.log())

    @staticmethod
    def lines(corbel: Corbel, message: str) -> dict[str, dict[str, object]]:
        """By correlation_id."""
        entries = [json.loads(line) for line in corbel.log().splitlines()]
        return {entry["correlation_id"]: entry for entry in entries if entry["message"] == message}

    def test_no_secret_is_logged_even_at_debug_level_with_bodies(self) -> None:
        canary = "8d1f3a60c5e97b24f06a9be1d3c8750242f7ab91e6d05c3b"
        settings = {"log.level": "debug", "log.bodies": "true"} | fixtures.SETTINGS
        with Corbel(settings=settings, environment={"CORBEL_AUTH_JWT_SECRET": canary}) as corbel:
            secrets = [canary, corbel.admin_key, fixtures.token(canary), fixtures.token("another" + canary)]
            secrets.append(fixtures.make_key(corbel, "developer")["key"])
            made = fixtures.make_key(corbel, "viewer")
            secrets += [
                made["key"],
                corbel.call("POST", f"/api/v1/ai/keys/{made['id']}/rotate", {}).expect(200).json()["key"],
            ]
            secrets.append("crb_000000000000_" + "q" * 40)
            document = corbel.request("GET", "/openapi.json").json()
            for operation in operations(document):
                if operation.method == "delete":
                    continue
                for secret in secrets:
                    corbel.call(operation.method.upper(), operation.path, self.body(operation, secret), key=secret)
                    self.everywhere(corbel, operation.method.upper(), operation.path, secret)
            metrics = corbel.call("GET", "/metrics").expect(200).body.decode()
            self.assertEqual(corbel.stop(), 0)
            log = corbel.log()
        self.assertGreater(len(log), 10_000)
        for secret in secrets:
            self.assertNotIn(secret, log)
            self.assertNotIn(secret, metrics)
            if secret.startswith("crb_"):
                self.assertNotIn(secret.split("_", 2)[2], log)

    @staticmethod
    def body(operation: object, secret: str) -> object:
        takes_json = getattr(operation, "takes_json", False)
        return {"name": "x", "password": secret, "apiKey": secret, "token": secret} if takes_json else None

    @staticmethod
    def everywhere(corbel: Corbel, method: str, path: str, secret: str) -> None:
        headers = {"X-API-Key": secret, "Cookie": f"session={secret}", "Authorization": f"Basic {secret}"}
        corbel.request(method, f"{path}?access_token={secret}&api_key={secret}", None, headers)


if __name__ == "__main__":
    unittest.main()
