"""A TCP proxy that misbehaves as told, between a client and a real server on this machine.

    with ChaosProxy(port) as proxy:      # clients connect to proxy.port
        proxy.weather = Weather(latency_s=0.2)
        proxy.cut()

What it does to answers of the server: latency, bandwidth, reset after so many bytes, slices. To everything: hang (taken
and never passed on), down (connections are refused).
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from dataclasses import dataclass

# Closes with a reset instead of an orderly end.
RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Weather:
    """How the way is now; none of it by default."""

    latency_s: float = 0
    bytes_per_s: int = 0  # of answers; 0: as fast as it goes
    reset_after: int | None = None  # bytes of a connection's answers
    slice_bytes: int = 0  # of one write of an answer; 0: as they come
    hang: bool = False
    down: bool = False


FINE = Weather()


class ChaosProxy:
    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self._weather = FINE
        self._connections: set[Connection] = set()
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self.port = 0

    def __enter__(self) -> ChaosProxy:
        self._listen()
        return self

    def __exit__(self, *_: object) -> None:
        self._close_listener()
        self.cut()

    @property
    def weather(self) -> Weather:
        return self._weather

    @weather.setter
    def weather(self, weather: Weather) -> None:
        """Holds for open connections too."""
        before, self._weather = self._weather, weather
        if weather.down and not before.down:
            self._close_listener()
            self.cut()
        elif before.down and not weather.down:
            self._listen()
        if before.hang and not weather.hang:
            self.cut()  # what was swallowed never comes: a connection that stays would be half a conversation

    def cut(self) -> None:
        """Resets every connection."""
        with self._lock:
            connections, self._connections = self._connections, set()
        for connection in connections:
            connection.reset()

    def _listen(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(256)
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _close_listener(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            connection = Connection(self, client)
            with self._lock:
                self._connections.add(connection)
            connection.start()

    def forget(self, connection: Connection) -> None:
        with self._lock:
            self._connections.discard(connection)


class Connection:
    def __init__(self, proxy: ChaosProxy, client: socket.socket) -> None:
        self.proxy, self.client = proxy, client
        self.server: socket.socket | None = None
        self.answered = 0

    def start(self) -> None:
        threading.Thread(target=self._open, daemon=True).start()

    def _open(self) -> None:
        try:
            self.server = socket.create_connection(("127.0.0.1", self.proxy.target_port), timeout=10)
            self.server.settimeout(None)
            for one in (self.client, self.server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            return self.reset()
        threading.Thread(target=self._pump, args=(self.client, self.server, self._ask), daemon=True).start()
        self._pump(self.server, self.client, self._answer)

    def _pump(self, source: socket.socket, sink: socket.socket, forward: object) -> None:
        try:
            while data := source.recv(65536):
                if not self.proxy.weather.hang:
                    forward(sink, data)  # type: ignore[operator]
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            self.reset()
        self.proxy.forget(self)

    def _ask(self, sink: socket.socket, data: bytes) -> None:
        time.sleep(self.proxy.weather.latency_s)
        sink.sendall(data)

    def _answer(self, sink: socket.socket, data: bytes) -> None:
        weather = self.proxy.weather
        if weather.reset_after is not None and self.answered + len(data) >= weather.reset_after:
            sink.sendall(data[: max(weather.reset_after - self.answered, 0)])
            raise ConnectionResetError
        self.answered += len(data)
        step = weather.slice_bytes or (min(len(data), weather.bytes_per_s) if weather.bytes_per_s else len(data))
        for begin in range(0, len(data), step):
            part = data[begin : begin + step]
            sink.sendall(part)
            if weather.bytes_per_s:
                time.sleep(len(part) / weather.bytes_per_s)

    def reset(self) -> None:
        for one in (self.client, self.server):
            if one is None:
                continue
            with contextlib.suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                # Wakes the thread that reads from it, which a close alone would not.
                one.shutdown(socket.SHUT_RD)
                one.close()
