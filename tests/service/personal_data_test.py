"""One person goes in by every way there is, is shown, and goes out again until no byte is left; a backup brings nobody
back."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sqlite3
import subprocess
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any

from corbel import Answer, Corbel, run
from fixtures import ENVIRONMENT, token
from postgres import binaries
from redis_server import Redis

API = "/api/v1/ai"
LATER = {"runAt": "2099-01-01T00:00:00Z"}
MODEL_FILE = Path(__file__).with_name("house-prices.json").read_bytes()


class Somebody:
    """A person whose mark is in everything that a person can write."""

    def __init__(self, corbel: Corbel, mark: str) -> None:
        self.corbel = corbel
        self.mark = mark
        self.principal = f"user:{mark}"
        self.credential = token(sub=mark, name=f"{mark} Smith", roles=["admin"], tenants=["default"])

    def call(self, method: str, path: str, body: Any = None) -> Answer:
        headers = {"X-Request-ID": f"{self.mark}-request"}
        if method == "POST" and not isinstance(body, bytes):
            headers["Idempotency-Key"] = f"{self.mark}-{secrets.token_hex(4)}"
        answer = self.corbel.call(method, f"{API}{path}", body, self.credential, **headers)
        if answer.status >= 300:
            raise AssertionError((method, path, answer.status, answer.body))
        return answer

    def ended(self, job: str) -> dict[str, Any]:
        return ended(self.corbel, job)

    def goes_in(self) -> None:
        hook = {"url": f"https://hooks.example.com/{self.mark}", "description": f"for {self.mark}"}
        self.call("POST", "/webhooks", hook)
        key = self.call("POST", "/keys", {"name": f"{self.mark} laptop", "role": "viewer"}).json()
        self.call("POST", f"/keys/{key['id']}/rotate", {})
        self.call("POST", "/schedules", {
            "name": f"nightly-{self.mark}", "kind": "model-validation", "cron": "@yearly",
            "input": {"model": self.mark},
        })  # fmt: skip
        work = {"kind": "model-validation", "input": {"model": self.mark}}
        self.ended(self.call("POST", "/jobs", work).json()["id"])
        self.call("POST", "/jobs", work | LATER)
        rows = f"size,age,kind\n120,3,0\n{self.mark},3,0\n".encode()
        batch = self.call("POST", "/models/houses/prediction-jobs?format=csv", rows).json()["id"]
        self.ended(batch)
        version = self.call("POST", f"/models/houses/versions?notes=by+{self.mark}", MODEL_FILE).json()["version"]
        self.call("PUT", "/models/houses/aliases/champion", {"version": version})
        self.call("POST", "/models/houses/predict", {"input": {"size": 120, "age": 12}})
        asked = self.call("POST", "/personal-data/exports", {"principal": "user:somebody-else"}).json()["id"]
        self.ended(asked)


def ended(corbel: Corbel, job: str) -> dict[str, Any]:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        found: dict[str, Any] = corbel.call("GET", f"{API}/jobs/{job}").expect(200).json()
        if found["status"] not in ("queued", "running"):
            return found
        time.sleep(0.02)
    raise AssertionError("the job does not end")


def ask(corbel: Corbel, what: str, principal: str) -> dict[str, Any]:
    job = corbel.call("POST", f"{API}/personal-data/{what}", {"principal": principal}).expect(202).json()["id"]
    done = ended(corbel, job)
    if done["status"] != "succeeded":
        raise AssertionError(done)
    counts = {place["place"]: place["count"] for place in done["result"]["places"]}
    return {"id": job, "counts": counts}


def export(corbel: Corbel, principal: str) -> str:
    job = ask(corbel, "exports", principal)["id"]
    return corbel.call("GET", f"{API}/personal-data/exports/{job}/file").expect(200).body.decode()


def things(exported: str) -> list[dict[str, Any]]:
    """Without what asking for the export itself has changed."""
    return [json.loads(line) for line in exported.splitlines()[1:]]


class PersonalData(unittest.TestCase):
    def setUp(self) -> None:
        self.redis = self.enterContext(Redis())
        settings = {"redis.url": self.redis.url, "jobs.leaseMs": "2000"}
        self.corbel = self.enterContext(Corbel(settings, dict(ENVIRONMENT)))
        self.model(self.corbel)
        self.canary = Somebody(self.corbel, f"canary{secrets.token_hex(6)}")
        self.bystander = Somebody(self.corbel, f"bystander{secrets.token_hex(6)}")

    def model(self, corbel: Corbel) -> None:
        made = {"name": "houses", "framework": "xgboost", "configuration": {"cache": {"ttlSeconds": 600}}}
        corbel.call("POST", f"{API}/models", made).expect(201)
        corbel.call("POST", f"{API}/models/houses/versions", MODEL_FILE).expect(201)

    def found_in(self, corbel: Corbel, mark: str) -> list[str]:
        """Every place in which the bytes of the mark are."""
        assert corbel.folder is not None
        self.redis.ask("SAVE")
        files = [path for folder in (corbel.folder, self.redis.folder) for path in folder.rglob("*") if path.is_file()]
        found = [str(path) for path in files if mark.encode() in path.read_bytes()]
        url = os.environ.get("CORBEL_TEST_POSTGRES")
        if url:
            dump = [str(binaries() / "pg_dump"), url, f"--schema={corbel.schema}"]  # type: ignore[operator]
            rows = subprocess.run(dump, capture_output=True, text=True, check=True).stdout
            found += ["postgres"] * rows.count(mark)
        return found

    def test_nobody_is_left_after_an_erasure(self) -> None:
        for somebody in (self.canary, self.bystander):
            somebody.goes_in()
        self.assertNotEqual(self.found_in(self.corbel, self.canary.mark), [])
        before = things(export(self.corbel, self.bystander.principal))
        shown = things(export(self.corbel, self.canary.principal))
        places = {line["place"] for line in shown}
        self.assertLessEqual(
            {"api-keys", "schedules", "jobs", "models", "answers", "webhooks", "events", "audit-log", "personal-data"},
            places,
        )
        erased = ask(self.corbel, "erasures", self.canary.principal)
        self.assertGreater(sum(erased["counts"].values()), 10)
        self.assertEqual(self.found_in(self.corbel, self.canary.mark), [])
        self.assertEqual(things(export(self.corbel, self.bystander.principal)), before)
        verdict = self.corbel.call("GET", f"{API}/admin/audit/verify").expect(200).json()
        self.assertTrue(verdict["intact"])
        requests = self.corbel.call("GET", f"{API}/personal-data/requests").expect(200).json()["items"]
        self.assertEqual([r["status"] for r in requests if r["id"] == erased["id"]], ["finished"])
        self.corbel.stop()
        self.assertEqual(self.found_in(self.corbel, self.canary.mark), [])
        self.corbel.start()
        self.assertEqual(things(export(self.corbel, self.canary.principal)), [])

    def test_an_erasure_goes_on_after_the_program_was_killed(self) -> None:
        self.canary.goes_in()
        for _ in range(300):
            work = {"kind": "model-validation", "input": {"model": self.canary.mark}}
            self.canary.call("POST", "/jobs", work | LATER)
        body = {"principal": self.canary.principal}
        job = self.corbel.call("POST", f"{API}/personal-data/erasures", body).expect(202).json()["id"]
        for wait in (0.02, 0.1, 0.2):
            time.sleep(wait)
            self.corbel.kill()
            self.corbel.start()
        self.assertEqual(ended(self.corbel, job)["status"], "succeeded")
        self.assertEqual(self.found_in(self.corbel, self.canary.mark), [])

    def test_a_backup_brings_nobody_back(self) -> None:
        for somebody in (self.canary, self.bystander):
            somebody.goes_in()
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "backup.tar"
            where = [f"--{name}={value}" for name, value in self.corbel.database().items()]
            made = run("backup", str(file), f"--data.folder={self.corbel.folder}", *where)
            self.assertEqual(made.returncode, 0, made.stderr)
            ask(self.corbel, "erasures", self.canary.principal)
            key = self.corbel.admin_key
            self.corbel.stop()
            assert self.corbel.folder is not None
            restored = Corbel({"redis.url": self.redis.url}, dict(ENVIRONMENT), Path(folder) / "restored")
            where = [f"--{name}={value}" for name, value in restored.database().items()]
            done = run("restore", str(file), f"--data.folder={restored.folder}", *where)
            self.assertEqual(done.returncode, 0, done.stderr)
            for name in ("master-key", "erasures", "admin-key"):
                shutil.copy(self.corbel.folder / name, restored.folder / name)
            with restored:
                self.assertEqual(self.found_in(restored, self.canary.mark), [])
                self.assertNotEqual(self.found_in(restored, self.bystander.mark), [])
                self.assertIn("erased anew", restored.log())
                audit = restored.call("GET", f"{API}/admin/audit/verify", key=key).expect(200).json()
                self.assertTrue(audit["intact"])
                restored.stop()
                restored.start()
                self.assertEqual(restored.log().count("erased anew"), 1)

    def test_an_erasures_file_of_another_installation_is_refused(self) -> None:
        self.canary.goes_in()
        ask(self.corbel, "erasures", self.canary.principal)
        assert self.corbel.folder is not None
        lines = (self.corbel.folder / "erasures").read_text()
        self.assertNotIn(self.canary.mark, lines)
        with Corbel() as other:
            other.stop()
            assert other.folder is not None
            (other.folder / "erasures").write_text(lines)
            with self.assertRaisesRegex(RuntimeError, "another installation"):
                other.start()

    def test_every_table_is_told_of(self) -> None:
        told = self.corbel.call("GET", f"{API}/personal-data/places").expect(200).json()
        tables = [table for place in told["items"] for table in place["tables"]]
        tables += [other["table"] for other in told["tablesWithoutPeople"]]
        self.assertEqual(sorted(tables), sorted(self.tables()))

    def tables(self) -> list[str]:
        url = os.environ.get("CORBEL_TEST_POSTGRES")
        if url:
            query = f"SELECT tablename FROM pg_tables WHERE schemaname = '{self.corbel.schema}'"
            psql = [str(binaries() / "psql"), url, "-Atc", query]  # type: ignore[operator]
            return subprocess.run(psql, capture_output=True, text=True, check=True).stdout.split()
        assert self.corbel.folder is not None
        with sqlite3.connect(f"file:{self.corbel.folder / 'corbel.db'}?mode=ro", uri=True) as database:
            return [name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]


if __name__ == "__main__":
    unittest.main()
