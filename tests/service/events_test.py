"""Events over a real webhook receiver and a real NATS server: signed, in order, nothing lost."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import http.client
import http.server
import json
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

from corbel import ROOT, Corbel


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 30) -> Any:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {what}")


class Receiver:
    """Keeps what it gets; answers with `status`, or not at all while it is closed."""

    def __init__(self) -> None:
        self.status = 204
        self.requests: list[tuple[dict[str, str], bytes]] = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append(({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(receiver.status)
                self.send_header("Location", receiver.url)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """Whoever sends may be cut off."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.requests]


def model(corbel: Corbel, name: str) -> str:
    return corbel.call("POST", "/api/v1/ai/models", {"name": name, "framework": "onnx"}).expect(201).json()["id"]


class WebhookTest(unittest.TestCase):
    def setUp(self) -> None:
        self.receiver = Receiver()
        self.addCleanup(self.receiver.close)
        self.corbel = self.enterContext(Corbel({"events.webhookHosts": f"127.0.0.1:{self.receiver.port}"}))

    def webhook(self, **more: Any) -> dict[str, Any]:
        body = {"url": self.receiver.url} | more
        return self.corbel.call("POST", "/api/v1/ai/webhooks", body).expect(201).json()

    def path(self, webhook: dict[str, Any], rest: str = "") -> str:
        return f"/api/v1/ai/webhooks/{webhook['id']}{rest}"

    def test_events_are_signed_and_say_what_happened(self) -> None:
        webhook = self.webhook()
        model_id = model(self.corbel, "iris")
        self.corbel.call("PATCH", f"/api/v1/ai/models/{model_id}", {"description": "flowers"}).expect(200)
        self.corbel.call("DELETE", f"/api/v1/ai/models/{model_id}").expect(204)
        wait_until(lambda: len(self.receiver.requests) >= 3, "three events")
        types = [event["type"] for event in self.receiver.events()]
        self.assertEqual(types, ["corbel.model.created", "corbel.model.changed", "corbel.model.archived"])
        headers, body = self.receiver.requests[0]
        signed = f"{headers['corbel-timestamp']}.".encode() + body
        expected = hmac.digest(webhook["secret"].encode(), signed, hashlib.sha256).hex()
        self.assertEqual(headers["corbel-signature"], f"v1={expected}")
        self.assertEqual(headers["content-type"], "application/cloudevents+json; charset=utf-8")
        event = json.loads(body)
        self.assertEqual(event["id"], headers["corbel-delivery"])
        self.assertLess(abs(int(headers["corbel-timestamp"]) - time.time()), 60)
        self.assertEqual(
            {name: event[name] for name in ("specversion", "source", "subject", "tenant", "partitionkey")},
            {
                "specversion": "1.0",
                "source": "/corbel",
                "subject": f"models/{model_id}",
                "tenant": "default",
                "partitionkey": model_id,
            },
        )
        self.assertEqual((event["data"]["id"], event["data"]["name"]), (model_id, "iris"))
        self.assertNotIn(webhook["secret"], self.corbel.log())
        shown = self.corbel.call("GET", self.path(webhook)).expect(200).json()
        self.assertNotIn("secret", shown)

    def test_only_the_types_that_were_asked_for(self) -> None:
        self.webhook(types=["corbel.key.created", "corbel.key.revoked"])
        model(self.corbel, "iris")
        key = self.corbel.call("POST", "/api/v1/ai/keys", {"name": "k", "role": "viewer"}).expect(201).json()
        self.corbel.call("DELETE", f"/api/v1/ai/keys/{key['id']}").expect(204)
        wait_until(lambda: len(self.receiver.requests) >= 2, "two events")
        self.assertEqual([e["type"] for e in self.receiver.events()], ["corbel.key.created", "corbel.key.revoked"])
        self.assertNotIn(key["key"].rsplit("_", 1)[1], str(self.receiver.requests))

    def test_a_receiver_that_fails_gets_every_event_later_in_order(self) -> None:
        webhook = self.webhook()
        self.receiver.status = 503
        model_id = model(self.corbel, "iris")
        for i in range(5):
            self.corbel.call("PATCH", f"/api/v1/ai/models/{model_id}", {"description": str(i)}).expect(200)
        wait_until(lambda: self.receiver.requests, "a first attempt")
        self.receiver.status = 200
        self.receiver.requests.clear()
        self.corbel.kill()
        self.corbel.start()
        wait_until(lambda: len(self.receiver.requests) >= 6, "every event")
        revisions = [event["data"].get("revision", 1) for event in self.receiver.events()]
        self.assertEqual(revisions, sorted(revisions))
        path = self.path(webhook, "/deliveries?limit=200")

        def answers() -> set[tuple[str, int]]:
            return {(d["result"], d["status"]) for d in self.corbel.call("GET", path).expect(200).json()["items"]}

        wait_until(lambda: answers() == {("delivered", 200), ("failed", 503)}, "the list of deliveries")

    def test_410_disables_and_what_was_given_up_can_be_delivered_again(self) -> None:
        webhook = self.webhook()
        self.receiver.status = 410
        model(self.corbel, "iris")
        path = self.path(webhook)
        wait_until(lambda: not self.corbel.call("GET", path).json()["enabled"], "a disabled webhook")
        self.assertIn("410", self.corbel.call("GET", path).json()["disabledReason"])
        letters = wait_until(
            lambda: self.corbel.call("GET", path + "/dead-letters").expect(200).json()["items"], "a dead letter"
        )
        self.assertEqual(letters[0]["type"], "corbel.model.created")
        again = f"{path}/dead-letters/{letters[0]['eventId']}/redeliver"
        self.corbel.call("POST", again).expect(412)
        self.receiver.status = 200
        self.receiver.requests.clear()
        self.corbel.call("POST", path + "/enable").expect(200)
        self.corbel.call("POST", again).expect(204)
        wait_until(lambda: self.receiver.requests, "the event")
        self.assertEqual(self.receiver.events()[0]["id"], letters[0]["eventId"])
        self.corbel.call("POST", again).expect(404)

    def test_a_test_event_shows_whether_it_works(self) -> None:
        webhook = self.webhook(types=["corbel.key.created"])
        sent = self.corbel.call("POST", self.path(webhook, "/test")).expect(200).json()["eventId"]
        wait_until(lambda: self.receiver.requests, "the test event")
        self.assertEqual(self.receiver.events()[0]["id"], sent)
        self.corbel.call("DELETE", self.path(webhook)).expect(204)
        self.corbel.call("DELETE", self.path(webhook)).expect(404)
        self.corbel.call("GET", self.path(webhook, "/deliveries")).expect(404)

    def test_nothing_internal_is_reached(self) -> None:
        trap = Receiver()
        self.addCleanup(trap.close)
        urls = [
            *(f"https://{host}:{trap.port}/" for host in ("127.0.0.1", "localhost", "[::1]", "0x7f.1", "2130706433")),
            f"http://127.0.0.1:{trap.port}/",
            f"https://example.com@127.0.0.1:{trap.port}/",
            f"https://127.0.0.1:{trap.port}\\@example.com/",
            "gopher://127.0.0.1/",
            "file:///etc/passwd",
            "https://example.com:22/",
            "",
        ]
        for url in urls:
            answer = self.corbel.call("POST", "/api/v1/ai/webhooks", {"url": url}).expect(400).json()
            self.assertEqual(answer["errors"][0]["pointer"], "/url", url)
        # Addresses are checked when they are connected to, so these are made, and fail.
        inside = [self.webhook(url=url) for url in ("https://localhost/", "https://169.254.169.254/latest")]
        # A redirect is an answer like any other.
        self.receiver.status = 307
        redirecting = self.webhook()
        model(self.corbel, "iris")
        for webhook in [*inside, redirecting]:
            path = self.path(webhook, "/deliveries")
            wait_until(lambda path=path: self.corbel.call("GET", path).json()["items"], "an attempt")
            self.assertEqual(self.corbel.call("GET", path).json()["items"][0]["result"], "failed")
        self.assertEqual(trap.requests, [])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def launch(program: str, arguments: list[str], port: int) -> subprocess.Popen[bytes]:
    unpacked = ROOT / "build/deps" / program / program
    binary = str(unpacked) if unpacked.exists() else shutil.which(program)
    if binary is None:
        raise unittest.SkipTest(f"{program} is not installed")
    process = subprocess.Popen([binary, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: listens(port), program)
    return process


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Nats:
    """A NATS server with JetStream that can be killed and started again; its stream stays."""

    name = "nats"

    def __init__(self, folder: str) -> None:
        self.port = free_port()
        self.monitor = free_port()
        self.file = Path(folder) / "nats.conf"
        self.file.write_text(
            f'host: 127.0.0.1\nport: {self.port}\nhttp: "127.0.0.1:{self.monitor}"\n'
            f'jetstream {{ store_dir: "{folder}/js" }}\n'
            "authorization { user: corbel, password: broker-password }\n"
        )
        self.start()

    def start(self) -> None:
        self.process = launch("nats-server", ["-c", str(self.file)], self.port)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def settings(self) -> dict[str, str]:
        return {"nats.url": f"nats://127.0.0.1:{self.port}", "nats.username": "corbel"}

    def stored(self) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.monitor, timeout=5)
        connection.request("GET", "/jsz?streams=1")
        return json.loads(connection.getresponse().read()).get("messages", 0)

    def events(self) -> list[dict[str, Any]]:
        """Every message of the stream, by a client of its own: an ephemeral consumer that pushes without acks."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as client:
            lines = client.makefile("rb")
            options = {"verbose": False, "user": "corbel", "pass": "broker-password", "headers": True, "protocol": 1}
            config = {"deliver_subject": "_INBOX.test", "ack_policy": "none", "deliver_policy": "all"}
            request = json.dumps({"stream_name": "corbel-events", "config": config}).encode()
            client.sendall(
                f"CONNECT {json.dumps(options)}\r\nSUB _INBOX.test 1\r\nSUB _INBOX.made 2\r\n"
                f"PUB $JS.API.CONSUMER.CREATE.corbel-events _INBOX.made {len(request)}\r\n".encode()
                + request
                + b"\r\n"
            )
            wanted, events = self.stored(), []
            while len(events) < wanted:
                words = lines.readline().split()
                if words[:1] == [b"PING"]:
                    client.sendall(b"PONG\r\n")
                if words[:1] not in ([b"MSG"], [b"HMSG"]):
                    continue
                payload = lines.read(int(words[-1]) + 2)[:-2]
                if words[0] == b"HMSG":
                    events.append(json.loads(payload[int(words[-2]) :]))
            return events


class Mosquitto:
    """A broker with TLS that can be stopped and started again, and a subscriber that it keeps messages for."""

    name = "mqtt"

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self.tls_port, self.port = free_port(), free_port()
        salt = b"twelve bytes"
        digest = hashlib.pbkdf2_hmac("sha512", b"broker-password", salt, 101)
        coded = [base64.b64encode(part).decode() for part in (salt, digest)]
        (self.folder / "passwords").write_text(f"corbel:$7$101${coded[0]}${coded[1]}\n")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
            + ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"],
            check=True,
            capture_output=True,
        )
        (self.folder / "mosquitto.conf").write_text(
            f"user root\npersistence true\npersistence_location {folder}/\nallow_anonymous false\n"
            f"password_file {folder}/passwords\nmax_queued_messages 0\n"
            f"listener {self.port} 127.0.0.1\n"
            f"listener {self.tls_port} 127.0.0.1\ncertfile {folder}/cert.pem\nkeyfile {folder}/key.pem\n"
        )
        self.received: list[dict[str, Any]] = []
        self.start()

    def start(self) -> None:
        self.process = launch("mosquitto", ["-c", str(self.folder / "mosquitto.conf")], self.port)
        wait_until(lambda: listens(self.tls_port), "the TLS listener")
        self.connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        threading.Thread(target=self.subscribe, args=(self.connection,), daemon=True).start()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.connection.close()

    def settings(self) -> dict[str, str]:
        return {
            "mqtt.host": "127.0.0.1",
            "mqtt.port": str(self.tls_port),
            "mqtt.username": "corbel",
            "mqtt.tls": "true",
            "mqtt.caFile": f"{self.folder}/cert.pem",
        }

    def subscribe(self, connection: socket.socket) -> None:
        """MQTT 3.1.1 with a session that stays, QoS 1."""

        def text(value: bytes) -> bytes:
            return len(value).to_bytes(2, "big") + value

        def packet(kind: int, body: bytes) -> bytes:
            assert len(body) < 128
            return bytes([kind, len(body)]) + body

        login = text(b"MQTT") + b"\x04\xc0\x00\x00" + text(b"reader") + text(b"corbel") + text(b"broker-password")
        stream = connection.makefile("rb")
        with contextlib.suppress(OSError, ValueError, IndexError):
            connection.sendall(packet(0x10, login) + packet(0x82, b"\x00\x01" + text(b"corbel/events/#") + b"\x01"))
            connection.settimeout(None)
            while True:
                kind, length, shift = stream.read(1)[0], 0, 0
                while True:
                    byte = stream.read(1)[0]
                    length |= (byte & 127) << shift
                    shift += 7
                    if byte < 128:
                        break
                body = stream.read(length)
                if kind >> 4 != 3:
                    continue
                end = 2 + int.from_bytes(body[:2], "big")
                self.received.append(json.loads(body[end + 2 :]))
                connection.sendall(packet(0x40, body[end : end + 2]))

    def events(self) -> list[dict[str, Any]]:
        return list(self.received)


AWAY_SECONDS = 5


class BrokerTest:
    """What holds for every broker."""

    broker_type: type

    def setUp(self) -> None:
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="corbel-broker-"))
        self.broker = self.broker_type(folder)
        self.addCleanup(self.broker.stop)
        self.password = Path(folder) / "password"
        self.password.write_text("broker-password\n")
        variable = f"CORBEL_{self.broker.name.upper()}_PASSWORD_FILE"
        self.corbel = self.enterContext(Corbel(self.broker.settings(), {variable: str(self.password)}))

    def health(self) -> dict[str, Any]:
        found = self.corbel.call("GET", "/health/detailed").json()["dependencies"]
        return next(d for d in found if d["name"] == f"events.{self.broker.name}")

    def distinct(self) -> dict[str, dict[str, Any]]:
        """By id, each where it came first."""
        found: dict[str, dict[str, Any]] = {}
        for event in self.broker.events():
            found.setdefault(event["id"], event)
        return found

    def test_a_broker_that_is_away_under_load_gets_every_event_in_order(self) -> None:
        models = [model(self.corbel, f"m{i}") for i in range(4)]
        wait_until(lambda: len(self.distinct()) >= 5, "the first events", 90)
        changes = 60

        def change(model_id: str) -> None:
            for i in range(changes):
                self.corbel.call("PATCH", f"/api/v1/ai/models/{model_id}", {"description": str(i)}).expect(200)

        threads = [threading.Thread(target=change, args=(model_id,)) for model_id in models]
        for thread in threads:
            thread.start()
        self.broker.stop()
        for thread in threads:
            thread.join()
        wait_until(lambda: self.health()["state"] == "down", "the health check")
        self.broker.start()
        # The key of the installation was the first event.
        expected = 1 + len(models) * (1 + changes)
        begin = time.monotonic()
        wait_until(lambda: len(self.distinct()) >= expected, f"{expected} events", 90)
        print(f"{self.broker.name} back: {expected} events after {time.monotonic() - begin:.1f} s", flush=True)
        wait_until(lambda: self.health()["state"] == "up", "a healthy state")
        events = self.distinct()
        self.assertEqual(len(events), expected)
        for model_id in models:
            revisions = [e["data"].get("revision", 1) for e in events.values() if e["partitionkey"] == model_id]
            self.assertEqual(revisions, list(range(1, changes + 2)))

    def test_a_broker_that_is_away_for_seconds_of_load_gets_every_event_in_order(self) -> None:
        models = [model(self.corbel, f"m{i}") for i in range(4)]
        wait_until(lambda: len(self.distinct()) >= 5, "the first events", 90)
        self.broker.stop()
        until = time.monotonic() + AWAY_SECONDS
        changed = dict.fromkeys(models, 0)

        def change(model_id: str) -> None:
            while time.monotonic() < until:
                body = {"description": str(changed[model_id])}
                self.corbel.call("PATCH", f"/api/v1/ai/models/{model_id}", body).expect(200)
                changed[model_id] += 1

        threads = [threading.Thread(target=change, args=(model_id,)) for model_id in models]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wait_until(lambda: self.corbel.metric("corbel_events_outbox_rows") > 0, "events in the outbox")
        self.broker.start()
        expected = 1 + len(models) + sum(changed.values())
        begin = time.monotonic()
        wait_until(lambda: len(self.distinct()) >= expected, f"{expected} events", 90)
        print(
            f"{self.broker.name} back: {sum(changed.values())} events after {time.monotonic() - begin:.1f} s",
            flush=True,
        )
        events = self.distinct()
        self.assertEqual(len(events), expected)
        for model_id, changes in changed.items():
            revisions = [e["data"].get("revision", 1) for e in events.values() if e["partitionkey"] == model_id]
            self.assertEqual(revisions, list(range(1, changes + 2)))

    def test_a_wrong_password_is_told_and_nothing_is_lost(self) -> None:
        self.corbel.stop()
        self.password.write_text("wrong-password")
        self.corbel.start()
        model(self.corbel, "iris")
        wait_until(lambda: self.health()["state"] == "down", "the health check")
        self.assertNotIn("wrong-password", self.corbel.log())
        self.corbel.stop()
        self.password.write_text("broker-password")
        self.corbel.start()
        wait_until(lambda: len(self.distinct()) >= 2, "both events", 90)


class NatsTest(BrokerTest, unittest.TestCase):
    broker_type = Nats


class MqttTest(BrokerTest, unittest.TestCase):
    broker_type = Mosquitto

    def test_a_broker_with_another_certificate_gets_nothing(self) -> None:
        self.corbel.stop()
        self.corbel.settings |= {"mqtt.caFile": "/etc/ssl/certs/ca-certificates.crt"}
        before = len(self.distinct())
        self.corbel.start()
        model(self.corbel, "iris")
        wait_until(lambda: self.health()["state"] == "down", "the health check")
        self.assertEqual(len(self.distinct()), before)
