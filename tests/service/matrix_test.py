"""Every documented operation, asked by everybody: who is allowed to, who is not, and what strangers learn.

Two tenants, north and south. The things belong to north; south's owner knows their ids. Whatever the document lists is
covered without a line here, as long as the path parameters are known to `Things`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import time
import unittest
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from corbel import Answer, Corbel
from openapi import Json, Operation, mismatch, operations

MODEL_FILE = Path(__file__).with_name("house-prices.json").read_bytes()
SECRET = "matrix-test-secret-of-32-bytes-or-more"
ROLES = ("owner", "admin", "developer", "viewer", "service")
# In every name that north gives; nobody else may ever read it.
MARK = "nordlicht"
# What shows or changes the whole installation: for the default tenant alone, whatever else a caller may do.
OF_THE_INSTALLATION = {
    ("post", "/api/v1/ai/tenants"),
    ("post", "/api/v1/ai/tenants/{tenant}/keys"),
    ("post", "/api/v1/ai/tenants/{tenant}/users"),
    ("get", "/api/v1/ai/admin/audit/verify"),
    ("get", "/metrics"),
    ("get", "/health/detailed"),
    ("get", "/api/ai/admin/health"),
}
# Makes the thing where it is not there: the same name in another tenant is another thing.
UPSERTS = {("put", "/api/v1/ai/roles/{role}")}
# Nobody has an event that was given up, and no key or token is a session: what everybody who may ask is told.
NOTHING_THERE = {
    ("post", "/api/v1/ai/webhooks/{webhook}/dead-letters/{event}/redeliver"),
    ("delete", "/api/v1/ai/session"),
    ("delete", "/api/v1/ai/sessions/{session}"),
    ("post", "/api/v1/ai/me/password"),
}
# Whoever asks proves himself by the body; tests/service/users_test.py does.
BY_BODY = {
    ("post", "/api/v1/ai/session"),
    ("post", "/api/v1/ai/setup"),
    ("post", "/api/v1/ai/setup/check"),
}
# Of somebody who signed in: to sign out, or try the wrong password, is for tests/service/users_test.py.
OF_A_SESSION = {("delete", "/api/v1/ai/session"), ("post", "/api/v1/ai/me/password")}
# The job has succeeded: what everybody who may ask is told.
ANSWERED = {("post", "/api/v1/ai/jobs/{job}/retry"): 422}

PERMISSIONS = {
    "viewer": {"models:read", "models:predict", "jobs:read"},
    "service": {"models:read", "models:predict", "system:read", "jobs:read"},
}
PERMISSIONS["developer"] = PERMISSIONS["viewer"] | {"models:write", "settings:read", "jobs:write"}
PERMISSIONS["admin"] = PERMISSIONS["developer"] | {
    *("keys:read", "keys:write", "tenants:read", "roles:read", "roles:write", "system:read"),
    *("events:read", "events:write", "audit:read", "personal-data", "users:read", "users:write"),
}
PERMISSIONS["owner"] = PERMISSIONS["admin"] | {"tenants:write"}


def token(**claims: Any) -> str:
    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    head = part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    body = part(json.dumps({"exp": int(time.time()) + 600} | claims).encode())
    signature = hmac.digest(SECRET.encode(), f"{head}.{body}".encode(), hashlib.sha256)
    return f"{head}.{body}.{part(signature)}"


@dataclass
class Principal:
    name: str
    credential: str | None
    tenant: str
    permissions: set[str] = field(default_factory=set)
    proven: bool = True
    signed_in: bool = False
    headers: dict[str, str] = field(default_factory=dict)


class Things:
    """What north has; one of each, and fresh ones for operations that use them up."""

    def __init__(self, corbel: Corbel, owner: str) -> None:
        self.corbel = corbel
        self.owner = owner
        self.numbers = itertools.count(1)
        self.shared = self.make()

    def name(self, kind: str) -> str:
        return f"{MARK}-{kind}-{next(self.numbers)}"

    def call(self, method: str, path: str, body: Any = None) -> Answer:
        answer = self.corbel.call(method, f"/api/v1/ai{path}", body, self.owner)
        assert answer.status < 300, (method, path, answer.status, answer.body)
        return answer

    def make(self) -> Json:
        """Parameter name → value."""
        model = {"name": self.name("model"), "framework": "xgboost", "description": MARK}
        model_id = self.call("POST", "/models", model).json()["id"]
        for _ in range(2):
            self.call("POST", f"/models/{model_id}/versions?source={MARK}", MODEL_FILE)
        for version in (1, 2):
            self.call("PUT", f"/models/{model_id}/aliases/champion", {"version": version})
        key = self.call("POST", "/keys", {"name": self.name("key"), "role": "viewer"}).json()["id"]
        role = self.name("role")
        self.call("PUT", f"/roles/{role}", {"permissions": ["models:read"]})
        hook = {"url": "https://hooks.example.com/", "types": ["corbel.webhook.test"], "description": MARK}
        return {
            **{"model": model_id, "version": 1, "alias": "champion", "key": key, "role": role, "tenant": "north"},
            **{"job": self.ended_job(model_id), "file": "output", "schedule": self.schedule()},
            **{"user": self.user(), "session": model_id},
            **{"webhook": self.call("POST", "/webhooks", hook).json()["id"], "event": model_id},
            "export": self.export(),
        }

    def user(self) -> str:
        body = {"email": f"{self.name('user')}@example.com", "roles": ["viewer"]}
        return self.call("POST", "/users", body).json()["id"]

    def ended_job(self, model_id: str) -> str:
        """With a file `output`."""
        rows = b'{"size": 1, "age": 2}'
        job = self.call("POST", f"/models/{model_id}/prediction-jobs?format=jsonl", rows).json()["id"]
        self.await_job(job)
        return job

    def export(self) -> str:
        job = self.call("POST", "/personal-data/exports", {"principal": f"user:{MARK}"}).json()["id"]
        self.await_job(job)
        return job

    def await_job(self, job: str) -> None:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            if self.call("GET", f"/jobs/{job}").json()["status"] in ("succeeded", "failed"):
                return
            time.sleep(0.02)

    def schedule(self) -> str:
        body = {"name": self.name("schedule"), "kind": "model-validation", "cron": "@yearly"}
        return self.call("POST", "/schedules", body).json()["id"]

    def snapshot(self) -> Json:
        """All that can be seen of north, as its owner sees it."""
        model = f"/models/{self.shared['model']}"
        paths = ["/models", "/models?archived=true", "/keys", "/roles", "/tenants", "/tenants/north", "/webhooks"]
        paths += ["/jobs", "/schedules", "/users"]
        paths += [model, *(f"{model}{part}" for part in ("/versions", "/aliases", "/history"))]
        return {path: steady(self.call("GET", path).json()) for path in paths}


def steady(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: steady(item) for name, item in value.items() if name != "lastUsedAt"}
    return [steady(item) for item in value] if isinstance(value, list) else value


def uses_up(operation: Operation) -> bool:
    return operation.method == "delete" or operation.path.endswith("/rollback")


class Matrix(unittest.TestCase):
    corbel: Corbel

    @classmethod
    def setUpClass(cls) -> None:
        cls.corbel = Corbel(environment={"CORBEL_AUTH_JWT_SECRET": SECRET})
        cls.enterClassContext(cls.corbel)
        cls.document = cls.corbel.request("GET", "/openapi.json").json()
        every = operations(cls.document)
        cls.operations = [one for one in every if (one.method, one.path) not in BY_BODY]
        for tenant in ("north", "south"):
            made = cls.corbel.call("POST", "/api/v1/ai/tenants", {"id": tenant, "name": f"{tenant} {MARK}"})
            assert made.status == 201, made.body
        cls.owners = {t: token(sub=f"{t}-owner", roles=["owner"], tenants=[t]) for t in ("north", "south")}
        cls.things = Things(cls.corbel, cls.key("north", role="owner"))
        cls.principals = [*cls.proven(), *cls.unproven()]
        cls.numbers = itertools.count(1)

    @classmethod
    def mint(cls, tenant: str, **request: Any) -> Json:
        body = {"name": f"{MARK}-{tenant}"} | request
        made = cls.corbel.call("POST", "/api/v1/ai/keys", body, cls.owners[tenant])
        assert made.status == 201, made.body
        return made.json()

    @classmethod
    def key(cls, tenant: str, **request: Any) -> str:
        return cls.mint(tenant, **request)["key"]

    @classmethod
    def proven(cls) -> list[Principal]:
        mine = [Principal(role, cls.key("north", role=role), "north", PERMISSIONS[role]) for role in ROLES]
        stranger = cls.key("south", role="owner")
        everything = PERMISSIONS["owner"]
        return [
            *mine,
            Principal("token of an owner", cls.owners["north"], "north", everything),
            Principal("session of an admin", cls.session("admin"), "north", PERMISSIONS["admin"], signed_in=True),
            Principal("session of a viewer", cls.session("viewer"), "north", PERMISSIONS["viewer"], signed_in=True),
            Principal("key without any of it", cls.key("north", permissions=["settings:read"]), "north"),
            Principal("foreign owner", stranger, "south", everything),
            Principal("foreign owner who asks for north", stranger, "", everything, headers={"X-Tenant-ID": "north"}),
            Principal("owner of the installation", cls.corbel.admin_key, "default", everything),
        ]

    @classmethod
    def session(cls, role: str) -> str:
        person = {"email": f"{role}@example.com", "password": f"the password of {role}"}
        made = cls.corbel.call("POST", "/api/v1/ai/users", person | {"roles": [role]}, cls.owners["north"])
        assert made.status == 201, made.body
        opened = cls.corbel.call("POST", "/api/v1/ai/session", person)
        assert opened.status == 201, opened.body
        return opened.json()["token"]

    @classmethod
    def unproven(cls) -> list[Principal]:
        soon = (datetime.now(UTC) + timedelta(milliseconds=300)).isoformat(timespec="milliseconds")
        expired = cls.key("north", role="owner", expiresAt=soon.replace("+00:00", "Z"))
        revoked = cls.mint("north", role="owner")
        gone = cls.corbel.call("DELETE", f"/api/v1/ai/keys/{revoked['id']}", key=cls.owners["north"])
        assert gone.status == 204, gone.body
        wrong_secret = cls.key("north", role="owner")[:-6] + "AAAAAA"
        header, claims, _ = cls.owners["north"].split(".")
        until = time.monotonic() + 10
        while cls.corbel.call("GET", "/api/v1/ai/me", key=expired).status == 200 and time.monotonic() < until:
            time.sleep(0.02)
        credentials = {
            "nobody": None,
            "expired key": expired,
            "revoked key": revoked["key"],
            "key with another secret": wrong_secret,
            "garbage key": "crb_garbage_garbage",
            "garbage session": f"cru_{'A' * 43}",
            "garbage": "garbage",
            "token without signature": f"{header}.{claims}.",
            "expired token": token(sub="late", roles=["owner"], tenants=["north"], exp=int(time.time()) - 3600),
        }
        return [Principal(name, text, "north", set(), proven=False) for name, text in credentials.items()]

    def body(self, operation: Operation) -> Any:
        if operation.takes_file:
            return MODEL_FILE
        if not operation.takes_json:
            return None
        body = operation.body_example
        if operation.method == "post" and operation.success == 201:  # names are unique; keep the example's form
            unique = next((name for name in ("email", "id", "name", "description") if name in body), "url")
            number = next(self.numbers)
            body = body | {unique: f"{number}-{body[unique]}" if unique == "email" else f"{body[unique]}-{number}"}
        return body

    def ask(self, operation: Operation, who: Principal, things: Json) -> Answer:
        path = operation.path
        for name in operation.path_examples:
            path = path.replace(f"{{{name}}}", quote(str(things[name]), safe=""))
        if operation.query_examples:
            path += "?" + urlencode(operation.query_examples)
        headers = dict(who.headers)
        if who.credential is not None:
            headers["Authorization"] = f"Bearer {who.credential}"
        body = self.body(operation)
        if isinstance(body, bytes):
            headers["Content-Type"] = "application/octet-stream"
        elif body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body).encode()
        return self.corbel.request(operation.method.upper(), path, body, headers)

    def expected(self, operation: Operation, who: Principal) -> int:
        if operation.permission is None:
            return operation.success
        if not who.proven:
            return 401
        if not who.tenant:
            return 404
        if operation.permission not in who.permissions:
            return 403
        kind = (operation.method, operation.path)
        if kind in OF_THE_INSTALLATION and who.tenant != "default":
            return 403
        if kind in NOTHING_THERE:
            return 404
        is_foreign = who.tenant != "north" and "{" in operation.path and kind not in UPSERTS
        sees_tenants = who.tenant == "default" and "/tenants/{tenant}" in operation.path
        return 404 if is_foreign and not sees_tenants else ANSWERED.get(kind, operation.success)

    def check(self, operation: Operation, who: Principal) -> None:
        expected = self.expected(operation, who)
        fresh = uses_up(operation) and expected == operation.success and who.tenant == "north"
        answer = self.ask(operation, who, self.things.make() if fresh else self.things.shared)
        text = answer.body[:500].decode(errors="replace")
        self.assertEqual(answer.status, expected, text)
        if expected >= 400:
            self.check_refusal(answer)
        if who.tenant != "north" or not who.proven:
            sees = who.tenant == "default" and ("/tenants" in operation.path or operation.path == "/metrics")
            shown = answer.body.replace(f"{MARK}-south".encode(), b"").replace(f"south {MARK}".encode(), b"")
            asked_for = str(self.things.shared["role"]).encode()
            self.assertTrue(sees or MARK.encode() not in shown.replace(asked_for, b""), text)

    def check_refusal(self, answer: Answer) -> None:
        self.assertEqual(answer.headers["content-type"], "application/problem+json")
        problem = self.document["components"]["schemas"]["Problem"]
        self.assertIsNone(mismatch(self.document, problem, answer.json()))
        self.assertEqual("www-authenticate" in answer.headers, answer.status == 401)

    def check_all(self, principals: list[Principal]) -> None:
        # Removing first: what a stranger makes under the same name in his own tenant is his to remove.
        in_order = sorted(self.operations, key=lambda operation: operation.method != "delete")
        for who, operation in itertools.product(principals, in_order):
            if who.signed_in and (operation.method, operation.path) in OF_A_SESSION:
                continue
            with self.subTest(operation.id, who=who.name):
                self.check(operation, who)

    def test_everybody_gets_what_permissions_and_tenants_say(self) -> None:
        self.assertGreater(len(self.operations), 30)
        strangers = [who for who in self.principals if who.tenant in ("south", "") or not who.proven]
        before = self.things.snapshot()
        self.check_all(strangers)
        after = self.things.snapshot()
        for path, seen in before.items():
            with self.subTest("unchanged", path=path):
                self.assertEqual(seen, after[path])
        self.check_all([who for who in self.principals if who not in strangers])

    def test_a_foreign_thing_cannot_be_told_from_one_that_does_not_exist(self) -> None:
        stranger = next(who for who in self.principals if who.name == "foreign owner")
        nowhere = "0198a3b2-7c1e-7d7a-9a51-2f3c4d5e6f70"
        nothing = self.things.shared | {
            name: nowhere for name in ("model", "key", "role", "tenant", "webhook", "job", "schedule", "export", "user")
        }
        for operation in self.operations:
            if "{" not in operation.path or self.expected(operation, stranger) < 400:
                continue
            with self.subTest(operation.id):
                self.assertEqual(
                    self.words(self.ask(operation, stranger, self.things.shared), self.things.shared),
                    self.words(self.ask(operation, stranger, nothing), nothing),
                )

    def words(self, answer: Answer, things: Json) -> Json:
        text = answer.body.decode()
        for name, value in things.items():
            if name not in ("version", "alias"):
                text = text.replace(str(value), "…")
        return {k: v for k, v in json.loads(text).items() if k not in ("correlationId", "instance")}

    def test_roles_may_what_the_program_says_they_may(self) -> None:
        listed = self.corbel.call("GET", "/api/v1/ai/roles", key=self.owners["south"]).json()["items"]
        built_in = {role["name"]: set(role["permissions"]) for role in listed if role["builtIn"]}
        self.assertEqual(built_in, PERMISSIONS)


if __name__ == "__main__":
    unittest.main()
