"""Kills the program while clients write, starts it again, and looks for everything that it had acknowledged."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from corbel import ROOT, Answer, Corbel
from postgres import Postgres

MODEL_FILE = ROOT / "tests/service/house-prices.json"
MODELS = "/api/v1/ai/models"
KEYS = "/api/v1/ai/keys"
WEBHOOKS = "/api/v1/ai/webhooks"
KILL_AFTER_MS = (5, 60)  # after the first answer
RESTART_MAX_S = 20
FULL_CHECK_EVERY = 20  # rounds; in between only what is new is looked for


class Refused(Exception):
    """The program answered a write with an error while it was alive."""


def patient(corbel: Corbel, *request: Any, **more: Any) -> Answer:
    """A look at what is there: a database server that was killed may need a moment more than the program does."""
    until = time.monotonic() + RESTART_MAX_S
    while (answer := corbel.call(*request, **more)).status == 503 and time.monotonic() < until:
        time.sleep(0.1)
    return answer


class Writer:
    """One kind of write. A write counts once its answer has come; one that was cut off may have happened or not."""

    def prepare(self, corbel: Corbel) -> None: ...

    def write(self, send: Callable[..., Any]) -> None:
        raise NotImplementedError

    def lost(self, corbel: Corbel, everything: bool) -> list[str]:
        raise NotImplementedError


class NewModels(Writer):
    """Rows that are only ever added."""

    def __init__(self, name: str) -> None:
        self.name, self.tried = name, 0
        self.old: set[str] = set()
        self.new: set[str] = set()

    def write(self, send: Callable[..., Any]) -> None:
        self.tried += 1
        name = f"{self.name}-{self.tried}"
        send("POST", MODELS, {"name": name, "framework": "xgboost"}, 201)
        self.new.add(name)

    def lost(self, corbel: Corbel, everything: bool) -> list[str]:
        wanted = self.new | self.old if everything else self.new
        found: set[str] = set()
        path = f"{MODELS}?limit=200"  # newest first
        while path and wanted - found:
            page = patient(corbel, "GET", path).expect(200).json()
            found |= {item["name"] for item in page["items"]}
            path = f"{MODELS}?limit=200&cursor={page['nextCursor']}" if page["nextCursor"] else ""
        self.old |= self.new
        self.new = set()
        return [f"model {name}" for name in wanted - found]


class Changes(Writer):
    """One row that is changed again and again: it must never be older than what was acknowledged last."""

    def __init__(self) -> None:
        self.tried = self.acknowledged = 0

    def prepare(self, corbel: Corbel) -> None:
        corbel.call("POST", MODELS, {"name": "changing", "framework": "onnx", "description": "0"}).expect(201)

    def write(self, send: Callable[..., Any]) -> None:
        self.tried += 1
        send("PATCH", f"{MODELS}/changing", {"description": str(self.tried)}, 200)
        self.acknowledged = self.tried

    def lost(self, corbel: Corbel, everything: bool) -> list[str]:
        found = int(patient(corbel, "GET", f"{MODELS}/changing").expect(200).json()["description"])
        if self.acknowledged <= found <= self.tried:
            return []
        return [f"change {self.acknowledged} of a model, which is at {found}"]


class AliasMoves(Writer):
    """An alias that goes to and fro between two versions, and the history of its moves."""

    def __init__(self) -> None:
        self.tried, self.acknowledged = 1, 1
        self.doubtful = False

    def prepare(self, corbel: Corbel) -> None:
        corbel.call("POST", MODELS, {"name": "houses", "framework": "xgboost"}).expect(201)
        for _ in range(2):
            corbel.call("POST", f"{MODELS}/houses/versions", MODEL_FILE.read_bytes()).expect(201)
        corbel.call("PUT", f"{MODELS}/houses/aliases/challenger", {"version": 1}).expect(200)

    def write(self, send: Callable[..., Any]) -> None:
        self.tried, self.doubtful = 3 - self.acknowledged, True
        send("PUT", f"{MODELS}/houses/aliases/challenger", {"version": self.tried}, 200)
        self.acknowledged, self.doubtful = self.tried, False

    def lost(self, corbel: Corbel, everything: bool) -> list[str]:
        items = patient(corbel, "GET", f"{MODELS}/houses/aliases").expect(200).json()["items"]
        found = next(item["version"] for item in items if item["alias"] == "challenger")
        moved = patient(corbel, "GET", f"{MODELS}/houses/history?limit=1").expect(200).json()["items"][0]
        problems = (
            [] if moved["version"] == found else [f"the history ends at {moved['version']}, the alias at {found}"]
        )
        if found != self.acknowledged and not self.doubtful:
            problems.append(f"the alias's move to {self.acknowledged}")
        self.acknowledged, self.doubtful = found, False
        return problems


class Credentials(Writer):
    """Keys that are made and revoked: the secret is gone with the answer, so the hash must be there."""

    def __init__(self) -> None:
        self.kept: list[dict[str, Any]] = []
        self.revoked: list[dict[str, Any]] = []

    def write(self, send: Callable[..., Any]) -> None:
        if len(self.kept) < 3:
            self.kept.append(send("POST", KEYS, {"name": "kill", "role": "viewer"}, 201))
            return
        key = self.kept.pop(0)
        send("DELETE", f"{KEYS}/{key['id']}", None, 204)
        self.revoked = [*self.revoked[-20:], key]

    def lost(self, corbel: Corbel, everything: bool) -> list[str]:
        def status(key: dict[str, Any]) -> int:
            return patient(corbel, "GET", "/api/v1/ai/me", key=key["key"]).status

        problems = [f"key {key['id']}" for key in self.kept if status(key) != 200]
        problems += [f"revocation of {key['id']}" for key in self.revoked if status(key) != 401]
        self.revoked = []
        return problems


class Webhooks(Writer):
    """Endpoints that are made and removed."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.removed: list[str] = []

    def write(self, send: Callable[..., Any]) -> None:
        if len(self.kept) < 5:
            body = {"url": "https://hooks.invalid/", "types": ["corbel.key.rotated"]}
            self.kept.append(send("POST", WEBHOOKS, body, 201)["id"])
            return
        webhook = self.kept.pop(0)
        send("DELETE", f"{WEBHOOKS}/{webhook}", None, 204)
        self.removed.append(webhook)

    def lost(self, corbel: Corbel, everything: bool) -> list[str]:
        found = {item["id"] for item in patient(corbel, "GET", WEBHOOKS).expect(200).json()["items"]}
        problems = [f"webhook {webhook}" for webhook in self.kept if webhook not in found]
        problems += [f"removal of webhook {webhook}" for webhook in self.removed if webhook in found]
        # Those that were cut off in the middle may be left over: they count against the tenant's bound.
        for webhook in found - set(self.kept):
            patient(corbel, "DELETE", f"{WEBHOOKS}/{webhook}").expect(204)
        self.removed = []
        return problems


class Client(threading.Thread):
    """Repeats one writer's writes on one connection until that is cut."""

    def __init__(self, corbel: Corbel, writer: Writer, key: str, begun: threading.Event, ends: set[int]) -> None:
        super().__init__(daemon=True)
        self.writer, self.begun, self.ends = writer, begun, ends
        self.headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self.connection = http.client.HTTPConnection("127.0.0.1", corbel.port, timeout=30)
        self.acknowledged = 0
        self.refusal: Refused | None = None
        self.start()

    def run(self) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(self.connection):
            while self.refusal is None:
                try:
                    self.writer.write(self.send)
                except Refused as refusal:
                    self.refusal = refusal
                else:
                    self.acknowledged += 1

    def send(self, method: str, path: str, body: Any, expected: int) -> Any:
        self.connection.request(method, path, None if body is None else json.dumps(body), self.headers)
        answer = self.connection.getresponse()
        content = answer.read()
        self.begun.set()
        if answer.status in self.ends:
            raise ConnectionError
        if answer.status != expected:
            raise Refused(f"{method} {path}: {answer.status} {content[:300]!r}")
        return json.loads(content) if content else None


@dataclass
class Outcome:
    rounds: int = 0
    acked: int = 0
    lost: list[str] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)
    ready_ms: list[float] = field(default_factory=list)


class KillLoop:
    """One installation, on SQLite or on `server`. A seed names a schedule of kills; the load itself is not the same."""

    def __init__(self, seed: int, server: Postgres | None = None) -> None:
        self.random, self.server = random.Random(seed), server
        self.writers = [NewModels("a"), NewModels("b"), Changes(), AliasMoves(), Credentials(), Webhooks()]
        self.outcome = Outcome()

    def run(self, rounds: int, until: Callable[[], bool] = lambda: False) -> Outcome:
        corbel = Corbel()
        if self.server is not None:
            corbel.settings |= {"store.url": self.server.url, "store.schema": corbel.schema}
        with corbel:
            self.key = corbel.admin_key
            for writer in self.writers:
                writer.prepare(corbel)
            for number in range(1, rounds + 1):
                self._round(corbel, number, everything=number % FULL_CHECK_EVERY == 0 or number == rounds)
                if until():
                    break
        return self.outcome

    def _round(self, corbel: Corbel, number: int, everything: bool) -> None:
        begun = threading.Event()
        # Every fifth time the database's server is killed as well, a moment before: then a write may be refused, or its
        # commit be in doubt.
        both = self.server is not None and number % 5 == 0
        ends = {500, 503} if both else set()
        clients = [Client(corbel, writer, self.key, begun, ends) for writer in self.writers]
        begun.wait(30)
        time.sleep(self.random.uniform(*KILL_AFTER_MS) / 1000)
        if both:
            self.server.stop()
        corbel.kill()
        if both:
            self.server.start()
        for client in clients:
            client.join(30)
            if client.refusal:
                raise AssertionError(f"round {number}: {client.refusal}\n{corbel.log()[-2000:]}")
        begin = time.monotonic()
        self._restart(corbel, begin)
        corbel.request("GET", "/health/ready").expect(200)
        self.outcome.ready_ms.append((time.monotonic() - begin) * 1000)
        self.outcome.rounds += 1
        self.outcome.acked += sum(client.acknowledged for client in clients)
        for writer in self.writers:
            self.outcome.lost += [f"round {number}: {what}" for what in writer.lost(corbel, everything)]
        self.outcome.damage += [f"round {number}: {what}" for what in self._damage(corbel, everything)]

    @staticmethod
    def _restart(corbel: Corbel, begin: float) -> None:
        """As a supervisor does: a database server that has just started may be too slow for the first attempt."""
        while True:
            try:
                return corbel.start()
            except RuntimeError as error:
                if time.monotonic() > begin + RESTART_MAX_S:
                    raise AssertionError(corbel.log()[-2000:]) from error

    def _damage(self, corbel: Corbel, everything: bool) -> list[str]:
        if self.server is None:
            assert corbel.folder is not None
            return sqlite_damage(corbel.folder / "corbel.db")
        return postgres_damage(self.server, corbel.schema) if everything else []


def sqlite_damage(file: Path) -> list[str]:
    """Beside the running program, as another reader."""
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        found = [row[0] for row in database.execute("PRAGMA quick_check")]
        found += [f"foreign key: {row}" for row in database.execute("PRAGMA foreign_key_check")]
    return [text for text in found if text != "ok"]


def postgres_damage(server: Postgres, schema: str) -> list[str]:
    """Every table and index of the schema, by PostgreSQL's own checker."""
    relations = f"FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = '{schema}'"
    server.psql("CREATE EXTENSION IF NOT EXISTS amcheck")
    server.psql(
        f"SELECT bt_index_check(c.oid, true) {relations} AND c.relkind = 'i' "
        "AND c.relam = (SELECT oid FROM pg_am WHERE amname = 'btree')"
    )
    tables = server.psql(f"SELECT c.oid::regclass {relations} AND c.relkind = 'r'").splitlines()
    found = []
    for table in tables:
        found += server.psql(f"SELECT * FROM verify_heapam('{table}')").splitlines()
    return found
