#!/usr/bin/env python3
"""Events over a real Kafka broker (one node, SASL) that is killed under load and comes back.

kafka_test.py     the folder of the jars is in CORBEL_KAFKA_JARS
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import unittest
from pathlib import Path
from typing import Any

SERVICE = Path(__file__).resolve().parents[1] / "service"
sys.path[:0] = [str(SERVICE), str(SERVICE.parent / "support")]
from events_test import BrokerTest, free_port, listens, wait_until  # noqa: E402

LOGIN = 'org.apache.kafka.common.security.plain.PlainLoginModule required username="corbel" password="broker-password"'
PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=SASL_PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=SASL_PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT
inter.broker.listener.name=SASL_PLAINTEXT
sasl.mechanism.inter.broker.protocol=PLAIN
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config={login} user_corbel="broker-password";
log.dirs={folder}/log
num.partitions=3
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
"""


class Kafka:
    name = "kafka"

    def __init__(self, folder: str) -> None:
        self.port, controller = free_port(), free_port()
        self.folder = Path(folder)
        self.config = self.folder / "server.properties"
        self.config.write_text(PROPERTIES.format(port=self.port, controller=controller, folder=folder, login=LOGIN))
        self.client = self.folder / "client.properties"
        self.client.write_text(f"security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.jaas.config={LOGIN};\n")
        storage = "kafka.tools.StorageTool"
        made = self.java(storage, "random-uuid")
        self.java(storage, "format", "-t", made.strip(), "-c", str(self.config))
        self.start()

    def command(self, *arguments: str) -> list[str]:
        jars = os.environ["CORBEL_KAFKA_JARS"]
        options = ["-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"]
        return ["java", *options, "-cp", f"{jars}/*", *arguments]

    def java(self, *arguments: str) -> str:
        return subprocess.run(
            self.command(*arguments), check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ).stdout

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command("kafka.Kafka", str(self.config)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(lambda: listens(self.port), "Kafka", 90)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def settings(self) -> dict[str, str]:
        return {"kafka.brokers": f"127.0.0.1:{self.port}", "kafka.username": "corbel"}

    def events(self) -> list[dict[str, Any]]:
        consumer = "org.apache.kafka.tools.consumer.ConsoleConsumer"
        server = ["--bootstrap-server", f"127.0.0.1:{self.port}", "--consumer.config", str(self.client)]
        text = subprocess.run(
            self.command(consumer, *server, "--topic", "corbel-events", "--from-beginning", "--timeout-ms", "5000"),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ).stdout
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


class KafkaTest(BrokerTest, unittest.TestCase):
    broker_type = Kafka


if __name__ == "__main__":
    unittest.main()
