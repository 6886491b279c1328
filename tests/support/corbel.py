"""Starts the real program on a free port with a data folder of its own, for black-box tests and benches."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import secrets
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def binary() -> Path:
    return Path(os.environ.get("CORBEL_BINARY", ROOT / "build/dev/corbel"))


# Programs made to find mistakes are several times slower, and larger.
SANITIZED = "asan" in binary().parts or "tsan" in binary().parts


def clean_environment() -> dict[str, str]:
    """Without the settings of whoever runs the tests."""
    return {k: v for k, v in os.environ.items() if not k.startswith("CORBEL_")}


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    return subprocess.run(
        [str(binary()), *arguments], capture_output=True, text=True, timeout=60, env=clean_environment() | environment
    )


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def expect(self, status: int) -> Answer:
        if self.status != status:
            raise AssertionError(f"status {self.status}, not {status}: {self.body[:400].decode(errors='replace')}")
        return self


@dataclass
class Corbel:
    """`with Corbel() as corbel:` serves until the block ends; the folder goes with it."""

    settings: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None
    pin: int | None = None
    limit: Callable[[], None] | None = None  # called in the child before it becomes the program
    schema: str = field(default_factory=lambda: f"test_{secrets.token_hex(8)}")

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
        self.greeting_path = Path(self._temporary.name) / "greeting"
        settings = {"server.port": "0", "data.folder": str(self.folder)} | self.database() | self.settings
        arguments = [str(binary()), "serve", *(f"--{name}={value}" for name, value in settings.items())]
        if self.pin is not None:
            arguments = ["taskset", "-c", str(self.pin), *arguments]
        begin = time.monotonic()
        with self.greeting_path.open("wb") as greeting, self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                arguments,
                stdout=greeting,
                stderr=log,
                env=clean_environment() | self.environment,
                preexec_fn=self.limit,
            )
        self.port = self._await_port()
        self.ready_seconds = time.monotonic() - begin

    def database(self) -> dict[str, str]:
        """A schema of its own on the server that tests/support/postgres.py runs; else none: a file in the folder."""
        url = os.environ.get("CORBEL_TEST_POSTGRES")
        return {"store.url": url, "store.schema": self.schema} if url else {}

    def _await_port(self) -> int:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            found = re.search(rb"http://(\[[^\]]*\]|[^\s:]+):(\d+)", self.greeting_path.read_bytes())
            if found:
                self.host = found[1].decode().strip("[]")
                return int(found[2])
            if self.process.poll() is not None:
                break
            time.sleep(0.001)
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
        return self.process.returncode

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def alive(self) -> bool:
        return self.process.poll() is None

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def greeting(self) -> str:
        return self.greeting_path.read_text()

    def cpu_seconds(self) -> float:
        """Used so far, by children that have ended too; in steps of 10 ms."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def admin_key(self) -> str:
        assert self.folder is not None
        return (self.folder / "admin-key").read_text().strip()

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | list[tuple[str, str]] | None = None,
    ) -> Answer:
        """One request on a connection of its own. Headers as a list may repeat."""
        pairs = list(headers.items()) if isinstance(headers, dict) else headers or []
        names = {name.lower() for name, _ in pairs}
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        try:
            connection.putrequest(method, path, skip_host="host" in names, skip_accept_encoding=True)
            for name, value in pairs:
                connection.putheader(name, value)
            if body is not None and "content-length" not in names:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders()
            with contextlib.suppress(ConnectionError):  # a refused body is not read to its end
                connection.send(body or b"")
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
        """The sum over all labels, or over those of `name{label=value}`."""
        text = self.call("GET", "/metrics").body.decode()
        name, _, label = name.rstrip("}").partition("{")
        rows = re.findall(rf"^{re.escape(name)}(?:\{{([^\n]*)\}})? ([0-9.eE+-]+)$", text, re.M)
        if not rows:
            raise AssertionError(f"there is no metric {name}")
        wanted = label.replace("=", '="') + '"' if label else ""
        return sum(float(value) for labels, value in rows if not wanted or wanted in labels.split(","))
