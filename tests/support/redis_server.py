"""A Redis server of its own for tests, in a folder that goes with it, and a way to it that can be slow or cut."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from corbel import ROOT
from postgres import free_port

PROGRAMS = ROOT / "build/deps/redis"


class Redis:
    """`with Redis() as server:` runs until the block ends; its memory goes when it is killed."""

    def __init__(self, *options: str) -> None:
        self.options = options
        self.port = free_port()

    def __enter__(self) -> Redis:
        self.folder = Path(tempfile.mkdtemp(prefix="corbel-redis-"))
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [PROGRAMS / "redis-server", "--bind", "127.0.0.1", "--port", self.port, "--dir", self.folder]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*map(str, command), "--save", "", "--appendonly", "no", *self.options], stdout=log, stderr=log
            )
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.005)
        raise RuntimeError("Redis does not listen")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def ask(self, *words: str) -> str:
        command = [str(PROGRAMS / "redis-cli"), "-p", str(self.port), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()


class Proxy:
    """Stands before a server on this machine: holds up its answers by `delay` seconds, or is cut."""

    def __init__(self, port: int) -> None:
        self.server_port = port
        self.delay = 0.0
        self.is_cut = False
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.cut()
        self._listener.close()

    def cut(self) -> None:
        """Every connection ends now, and new ones end at once, until mended."""
        self.is_cut = True
        for pair in list(self._pairs):
            self._end(pair)

    def mend(self) -> None:
        self.is_cut = False
        self.delay = 0.0

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.is_cut:
                    client.close()
                    continue
                try:
                    server = socket.create_connection(("127.0.0.1", self.server_port), timeout=5)
                except OSError:
                    client.close()
                    continue
                server.settimeout(None)
                pair = (client, server)
                self._pairs.add(pair)
                threading.Thread(target=self._relay, args=(pair, client, server), daemon=True).start()
                threading.Thread(target=self._relay, args=(pair, server, client), daemon=True).start()

    def _relay(self, pair: tuple[socket.socket, socket.socket], source: socket.socket, to: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if source is pair[1] and self.delay:
                    time.sleep(self.delay)
                to.sendall(data)
        self._end(pair)

    def _end(self, pair: tuple[socket.socket, socket.socket]) -> None:
        self._pairs.discard(pair)
        for end in pair:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
