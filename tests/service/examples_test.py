"""Every operation that /openapi.json documents is run with its documented example and answers as documented."""

from __future__ import annotations

import subprocess
import unittest
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from corbel import Answer, Corbel, binary
from openapi import Json, Operation, operations

MODEL_FILE = Path(__file__).with_name("house-prices.json")
# Ids that the program makes: the example of the document can only show their form.
MADE_BY_THE_PROGRAM = ("key", "webhook", "job", "schedule", "user")
# Needs an event that was given up: events_test.py has one; a job that failed, one with files, an export that
# has ended, the link of the first start, the session of a user: tests/api and users_test.
RUN_ELSEWHERE = {
    "/api/v1/ai/webhooks/{webhook}/dead-letters/{event}/redeliver",
    "/api/v1/ai/jobs/{job}/retry",
    "/api/v1/ai/jobs/{job}/files/{file}",
    "/api/v1/ai/personal-data/exports/{export}/file",
    "/api/v1/ai/setup",
    "/api/v1/ai/setup/check",
    "/api/v1/ai/session",
    "/api/v1/ai/sessions/{session}",
    "/api/v1/ai/me/password",
}
# What has to have happened before an example makes sense, as (operation, body).
BEFORE: dict[str, list[tuple[str, Any]]] = {
    "getModelVersionsCompare": [("postModelVersions", MODEL_FILE.read_bytes())],
    "postModelAliasRollback": [("putModelAlias", {"version": 1}), ("putModelAlias", {"version": 2})],
}


def turn(operation: Operation) -> tuple[int, int]:
    """Creating comes first, what is inside a thing after the thing; removing comes last, the other way round."""
    depth = operation.path.count("/")
    if operation.method == "delete":
        return 3, -depth
    if operation.method == "put" or operation.success in (201, 202):
        return 0, depth
    return (1 if operation.method == "get" else 2), depth


class Examples(unittest.TestCase):
    corbel: Corbel
    all: dict[str, Operation]

    @classmethod
    def setUpClass(cls) -> None:
        cls.corbel = Corbel()
        cls.enterClassContext(cls.corbel)
        document = cls.corbel.request("GET", "/openapi.json").json()
        cls.all = {operation.id: operation for operation in operations(document)}
        cls.made: Json = {}

    def send(self, operation: Operation, body: Any = None, method: str | None = None) -> Answer:
        path = operation.path
        for name, example in operation.path_examples.items():
            value = self.made.get(name, example) if name in MADE_BY_THE_PROGRAM else example
            path = path.replace(f"{{{name}}}", quote(str(value), safe=""))
        if operation.query_examples:
            path += "?" + urlencode(operation.query_examples)
        if body is None and operation.takes_json:
            body = operation.body_example
        if body is None and operation.takes_file:
            body = MODEL_FILE.read_bytes()
        method = method or operation.method.upper()
        if operation.permission is None:
            return self.corbel.request(method, path)
        return self.corbel.call(method, path, body)

    def remember(self, operation: Operation, answer: Answer) -> None:
        for name in MADE_BY_THE_PROGRAM:
            if f"{operation.path}/{{{name}}}" in {other.path for other in self.all.values()} and answer.status in (
                201,
                202,
            ):
                self.made[name] = answer.json()["id"]

    def run_example(self, operation: Operation) -> None:
        for before, body in BEFORE.get(operation.id, []):
            self.assertLess(self.send(self.all[before], body).status, 300, before)
        answer = self.send(operation)
        text = answer.body[:500].decode(errors="replace")
        self.assertEqual(answer.status, operation.success, text)
        kind = answer.headers.get("content-type", "")
        is_json = "json" in kind and "ndjson" not in kind
        self.assertIsNone(operation.difference(answer.status, kind, answer.json() if is_json else None), text)
        self.remember(operation, answer)
        if operation.method == "get":
            head = self.send(operation, method="HEAD")
            self.assertEqual((head.status, head.body), (answer.status, b""), "HEAD")

    def test_every_documented_example_runs(self) -> None:
        self.assertGreater(len(self.all), 30)
        for operation in sorted(self.all.values(), key=turn):
            if operation.path in RUN_ELSEWHERE:
                continue
            with self.subTest(operation.id):
                self.run_example(operation)

    def test_what_is_served_is_what_the_command_prints(self) -> None:
        served = self.corbel.request("GET", "/openapi.json").body
        printed = subprocess.run([binary(), "openapi"], check=True, capture_output=True).stdout
        self.assertEqual(served, printed.strip())


if __name__ == "__main__":
    unittest.main()
