#!/usr/bin/env python3
"""Events over a real RabbitMQ broker with TLS that is killed under load and comes back."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import unittest
from pathlib import Path
from typing import Any

import pika

SERVICE = Path(__file__).resolve().parents[1] / "service"
sys.path[:0] = [str(SERVICE), str(SERVICE.parent / "support")]
from corbel import ROOT  # noqa: E402
from events_test import BrokerTest, free_port, listens, model, wait_until  # noqa: E402

QUEUE = "corbel-events"
SETTINGS = """
listeners.tcp.1 = 127.0.0.1:{port}
listeners.ssl.1 = 127.0.0.1:{tls_port}
ssl_options.cacertfile = {folder}/cert.pem
ssl_options.certfile = {folder}/cert.pem
ssl_options.keyfile = {folder}/key.pem
default_user = corbel
default_pass = broker-password
loopback_users = none
disk_free_limit.absolute = 10MB
"""


class RabbitMq:
    name = "rabbitmq"

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self.port, self.tls_port, self.epmd_port = free_port(), free_port(), free_port()
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
            + ["-addext", "subjectAltName=DNS:localhost", "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"],
            check=True,
            capture_output=True,
        )
        (self.folder / "rabbitmq.conf").write_text(
            SETTINGS.format(port=self.port, tls_port=self.tls_port, folder=folder)
        )
        (self.folder / "plugins").write_text("[].\n")
        (self.folder / "env").write_text("")
        self.environment = os.environ | {
            "HOME": folder,
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/env",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
            "RABBITMQ_NODENAME": f"corbel{self.port}@localhost",
            "RABBITMQ_PID_FILE": f"{folder}/pid",
        }
        self.received: list[dict[str, Any]] = []
        self.start()

    def start(self) -> None:
        program = ROOT / "build/deps/rabbitmq-server/sbin/rabbitmq-server"
        self.output = (self.folder / "output").open("ab")
        self.process = subprocess.Popen(
            [program], env=self.environment, stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output,
            start_new_session=True,
        )  # fmt: skip
        wait_until(self.answers, "RabbitMQ", 90)

    def answers(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError((self.folder / "output").read_text())
        return listens(self.port) and listens(self.tls_port)

    def stop(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.output.close()
        # Erlang's own name server goes on by itself.
        epmd = shutil.which("epmd") or "epmd"
        wait_until(lambda: subprocess.run(
            [epmd, "-port", str(self.epmd_port), "-kill"], capture_output=True).returncode in (0, 1), "epmd", 5,
        )  # fmt: skip

    def settings(self) -> dict[str, str]:
        return {
            "rabbitmq.host": "localhost",
            "rabbitmq.port": str(self.tls_port),
            "rabbitmq.username": "corbel",
            "rabbitmq.tls": "true",
            "rabbitmq.caFile": f"{self.folder}/cert.pem",
        }

    def connect(self) -> pika.BlockingConnection:
        login = pika.PlainCredentials("corbel", "broker-password")
        return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", self.port, credentials=login))

    def events(self) -> list[dict[str, Any]]:
        with self.connect() as connection:
            channel = connection.channel()
            channel.queue_declare(QUEUE, durable=True)
            while True:
                method, properties, body = channel.basic_get(QUEUE, auto_ack=True)
                if method is None:
                    return list(self.received)
                event = json.loads(body)
                assert properties.delivery_mode == pika.DeliveryMode.Persistent.value
                assert (properties.message_id, properties.type) == (event["id"], event["type"])
                assert method.routing_key == f"{event['tenant']}.{event['type']}"
                self.received.append(event)


class RabbitMqTest(BrokerTest, unittest.TestCase):
    broker_type = RabbitMq

    def test_what_no_queue_takes_waits_until_one_does(self) -> None:
        model(self.corbel, "first")
        wait_until(lambda: len(self.distinct()) >= 2, "the first events")
        with self.broker.connect() as connection:
            connection.channel().queue_delete(QUEUE)
        model(self.corbel, "second")
        # The queue is made anew with the next connection.
        names = wait_until(
            lambda: [n for n in (e["data"].get("name") for e in self.distinct().values()) if n == "second"],
            "the event that came back",
        )
        self.assertEqual(names, ["second"])

    def test_an_exchange_of_another_type_is_used_as_it_is(self) -> None:
        self.corbel.stop()
        with self.broker.connect() as connection:
            channel = connection.channel()
            channel.exchange_delete("corbel.events")
            channel.exchange_declare("corbel.events", "fanout", durable=True)
            channel.queue_declare(QUEUE, durable=True)
            channel.queue_bind(QUEUE, "corbel.events")
        self.corbel.start()
        model(self.corbel, "iris")
        wait_until(
            lambda: [e for e in self.distinct().values() if e["data"].get("name") == "iris"], "the event", 90
        )  # fmt: skip

    def test_a_broker_with_another_certificate_gets_nothing(self) -> None:
        self.corbel.stop()
        self.corbel.settings |= {"rabbitmq.caFile": "/etc/ssl/certs/ca-certificates.crt"}
        before = len(self.distinct())
        self.corbel.start()
        model(self.corbel, "iris")
        wait_until(lambda: self.health()["state"] == "down", "the health check")
        self.assertEqual(len(self.distinct()), before)


if __name__ == "__main__":
    unittest.main()
