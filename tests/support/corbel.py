"""Starts the real program on a free port with a data folder of its own, for black-box tests and benches."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def binary() -> Path:
    return Path(os.environ.get("CORBEL_BINARY", ROOT / "build/dev/corbel"))


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Corbel:
    """`with Corbel() as corbel:` serves until the block ends; the folder goes with it."""

    settings: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None
    pin: int | None = None

    def __enter__(self) -> Corbel:
        self._temporary = tempfile.TemporaryDirectory(prefix="corbel-test-")
        if self.folder is None:
            self.folder = Path(self._temporary.name) / "data"
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._temporary.cleanup()

    def start(self) -> None:
        self.log_path = Path(self._temporary.name) / "log"
        arguments = [str(binary()), "serve", "--set", "server.port=0", "--set", f"data.folder={self.folder}"]
        for name, value in self.settings.items():
            arguments += ["--set", f"{name}={value}"]
        if self.pin is not None:
            arguments = ["taskset", "-c", str(self.pin), *arguments]
        clean = {k: v for k, v in os.environ.items() if not k.startswith("CORBEL_")}
        self.log_file = self.log_path.open("wb")
        begin = time.monotonic()
        self.process = subprocess.Popen(
            arguments, stdout=self.log_file, stderr=subprocess.STDOUT, env=clean | self.environment
        )
        self.port = self._await_port()
        self.ready_seconds = time.monotonic() - begin

    def _await_port(self) -> int:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            found = re.search(rb"http://[^\s:]+:(\d+)", self.log_path.read_bytes())
            if found:
                return int(found[1])
            if self.process.poll() is not None:
                break
            time.sleep(0.005)
        raise RuntimeError(f"corbel did not start:\n{self.log()}")

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        self.log_file.close()
        return self.process.returncode

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def admin_key(self) -> str:
        assert self.folder is not None
        return (self.folder / "admin-key").read_text().strip()

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def call(self, method: str, path: str, body: Any = None, key: str | None = None, **headers: str) -> Answer:
        """JSON in, with the admin key unless told otherwise."""
        sent = {"Authorization": f"Bearer {key or self.admin_key}"} | headers
        if isinstance(body, bytes):
            sent.setdefault("Content-Type", "application/octet-stream")
            return self.request(method, path, body, sent)
        if body is None:
            return self.request(method, path, None, sent)
        return self.request(method, path, json.dumps(body).encode(), {"Content-Type": "application/json"} | sent)

    def metric(self, name: str) -> float:
        """The sum over all labels."""
        text = self.call("GET", "/metrics").body.decode()
        rows = re.findall(rf"^{re.escape(name)}(?:\{{[^\n]*\}})? ([0-9.eE+-]+)$", text, re.M)
        return sum(map(float, rows))
