"""Jobs on the real program: what survives a kill, what is followed, and what several processes share."""

from __future__ import annotations

import http.client
import json
import threading
import time
import unittest
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from corbel import Corbel
from postgres import Postgres

MODEL_FILE = Path(__file__).with_name("house-prices.json").read_bytes()
JOBS = "/api/v1/ai/jobs"
ENDED = ("succeeded", "failed", "cancelled")


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 30) -> Any:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {what}")


def make_model(corbel: Corbel) -> None:
    corbel.call("POST", "/api/v1/ai/models", {"name": "houses", "framework": "xgboost"}).expect(201)
    corbel.call("POST", "/api/v1/ai/models/houses/versions", MODEL_FILE).expect(201)


def rows(count: int) -> bytes:
    return b"size,age\n" + b"".join(b"%d,%d\n" % (50 + i % 100, i % 40) for i in range(count))


def predict(corbel: Corbel, count: int) -> str:
    path = "/api/v1/ai/models/houses/prediction-jobs"
    return corbel.call("POST", path, rows(count), **{"Content-Type": "text/csv"}).expect(202).json()["id"]


def job(corbel: Corbel, job_id: str) -> dict[str, Any]:
    return corbel.call("GET", f"{JOBS}/{job_id}").expect(200).json()


def ended(corbel: Corbel, job_id: str, seconds: float = 60) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found = job(corbel, job_id)
        return found if found["status"] in ENDED else None

    return wait_until(look, f"job {job_id} ends", seconds)


class Events:
    """A client of server-sent events."""

    def __init__(self, corbel: Corbel, path: str, last_id: str = "") -> None:
        self.connection = http.client.HTTPConnection(corbel.host, corbel.port, timeout=30)
        headers = {"Authorization": f"Bearer {corbel.admin_key}"} | ({"Last-Event-ID": last_id} if last_id else {})
        self.connection.request("GET", path, headers=headers)
        self.response = self.connection.getresponse()
        assert self.response.status == 200, self.response.read()

    def next(self) -> dict[str, str] | None:
        event: dict[str, str] = {}
        while line := self.response.readline().decode():
            name, _, value = line.rstrip("\n").partition(":")
            if not line.strip():
                if event:
                    return event
            elif name:
                event[name] = value.strip()
        return None

    def close(self) -> None:
        self.connection.close()


class OneProcess(unittest.TestCase):
    def test_a_job_outlives_a_kill_and_is_done_once_more(self) -> None:
        with Corbel({"jobs.leaseMs": "1000"}) as corbel:
            make_model(corbel)
            job_id = predict(corbel, 200_000)
            wait_until(lambda: job(corbel, job_id)["status"] == "running", "it runs")
            corbel.kill()
            corbel.start()
            done = ended(corbel, job_id)
            self.assertEqual(done["status"], "succeeded")
            self.assertEqual(done["result"], {"rows": 200_000, "predicted": 200_000, "rejected": 0})
            self.assertEqual(done["attempts"], 2)
            output = corbel.call("GET", f"{JOBS}/{job_id}/files/output").expect(200).body.splitlines()
            self.assertEqual(len(output), 200_000)
            self.assertEqual([json.loads(line)["row"] for line in output[:3]], [1, 2, 3])

    def test_a_job_is_given_back_when_the_process_is_told_to_end(self) -> None:
        with Corbel() as corbel:
            make_model(corbel)
            job_id = predict(corbel, 120_000)
            wait_until(lambda: job(corbel, job_id)["status"] == "running", "it runs")
            begin = time.monotonic()
            self.assertEqual(corbel.stop(), 0)
            self.assertLess(time.monotonic() - begin, 5)
            corbel.start()
            done = ended(corbel, job_id)
            self.assertEqual((done["status"], done["attempts"]), ("succeeded", 1))

    def test_a_running_job_is_cancelled(self) -> None:
        with Corbel() as corbel:
            make_model(corbel)
            job_id = predict(corbel, 2_000_000)
            wait_until(lambda: job(corbel, job_id)["status"] == "running", "it runs")
            corbel.call("POST", f"{JOBS}/{job_id}/cancel").expect(200)
            done = ended(corbel, job_id, 10)
            self.assertEqual(done["status"], "cancelled")
            self.assertEqual([file["name"] for file in done["files"]], ["input"])

    def test_progress_is_followed_and_resumed(self) -> None:
        with Corbel() as corbel:
            make_model(corbel)
            job_id = predict(corbel, 120_000)
            first = Events(corbel, f"{JOBS}/{job_id}/events")
            event = first.next()
            assert event is not None
            self.assertEqual(event["event"], "progress")
            self.assertEqual(json.loads(event["data"])["id"], job_id)
            first.close()
            second = Events(corbel, f"{JOBS}/{job_id}/events", event["id"])
            seen = [event]
            while (following := second.next()) is not None:
                seen.append(following)
            revisions = [int(one["id"]) for one in seen if "id" in one]
            self.assertEqual(revisions, sorted(set(revisions)))
            self.assertGreater(len(seen), 2)
            self.assertEqual(seen[-1]["event"], "succeeded")
            progress = [json.loads(one["data"])["progress"] for one in seen]
            self.assertEqual(progress, sorted(progress))
            self.assertEqual(progress[-1], 1)

    def test_followers_that_have_gone_take_nobodys_place(self) -> None:
        with Corbel() as corbel:
            later = {"kind": "model-validation", "runAt": "2099-01-01T00:00:00Z"}
            job_id = corbel.call("POST", JOBS, later).expect(202).json()["id"]
            # More than the 500 that may follow at once; it never changes.
            for _ in range(600):
                Events(corbel, f"{JOBS}/{job_id}/events").close()

    def test_a_queue_that_is_full_says_so(self) -> None:
        with Corbel({"jobs.tenantMax": "2", "jobs.max": "2"}) as corbel:
            later = {"kind": "model-validation", "runAt": "2099-01-01T00:00:00Z"}
            for _ in range(2):
                corbel.call("POST", JOBS, later).expect(202)
            refused = corbel.call("POST", JOBS, later).expect(429).json()
            self.assertIn("2 jobs", refused["detail"])
            corbel.call("POST", "/api/v1/ai/tenants", {"id": "other", "name": "Other"}).expect(201)
            key = corbel.call("POST", "/api/v1/ai/tenants/other/keys", {"name": "o", "role": "owner"}).json()["key"]
            corbel.call("POST", JOBS, later, key).expect(507)

    def test_a_damaged_model_file_is_found(self) -> None:
        with Corbel() as corbel:
            make_model(corbel)
            assert corbel.folder is not None
            file = next(
                path for path in (corbel.folder / "objects").rglob("*") if path.is_file() and path.stat().st_size
            )
            file.chmod(0o600)
            file.write_bytes(file.read_bytes()[:-5] + b"12345")
            job_id = corbel.call("POST", JOBS, {"kind": "model-validation"}).expect(202).json()["id"]
            done = ended(corbel, job_id)
            self.assertEqual(done["status"], "succeeded")
            self.assertEqual([(one["model"], one["version"]) for one in done["result"]["damaged"]], [("houses", 1)])
            lines = corbel.call("GET", f"{JOBS}/{job_id}/log").expect(200).json()["items"]
            self.assertIn("houses version 1", lines[0]["text"])


class TwoProcesses(unittest.TestCase):
    server: Postgres

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = cls.enterClassContext(Postgres())

    def pair(self, **settings: str) -> tuple[Corbel, Corbel]:
        first = Corbel({"store.url": self.server.url, "jobs.leaseMs": "1000", "jobs.threads": "1"} | settings)
        first.settings["store.schema"] = first.schema
        first = self.started(first)
        second = Corbel(dict(first.settings) | {"secrets.keyFile": str(first.folder / "master-key")})
        return first, self.started(second)

    def started(self, corbel: Corbel) -> Corbel:
        """A busy machine may take longer to connect than a server may wait."""
        for _ in range(5):
            try:
                return self.enterContext(corbel)
            except RuntimeError as error:
                if "cannot be reached" not in str(error):
                    raise
        return self.enterContext(corbel)

    def test_each_run_of_a_schedule_happens_once(self) -> None:
        first, second = self.pair()
        schedule = {"name": "often", "kind": "model-validation", "cron": "* * * * * *", "graceMs": 10_000}
        made = first.call("POST", "/api/v1/ai/schedules", schedule).expect(201).json()
        query = f"SELECT scheduled_for FROM {first.schema}.jobs WHERE schedule_id = '{made['id']}'"
        runs = wait_until(lambda: len(self.server.psql(query).split()) >= 5 and self.server.psql(query).split(), "runs")
        self.assertEqual(max(Counter(runs).values()), 1)
        first.kill()
        more = wait_until(lambda: len(self.server.psql(query).split()) >= len(runs) + 3, "runs of the other process")
        self.assertTrue(more)
        self.assertEqual(max(Counter(self.server.psql(query).split()).values()), 1)
        attempts = f"SELECT max(attempts) FROM {first.schema}.jobs WHERE status = 'succeeded'"
        self.assertLessEqual(int(self.server.psql(attempts)), 2)
        self.assertTrue(second.alive())

    def test_jobs_of_a_killed_process_are_taken_over(self) -> None:
        first, second = self.pair()
        ids = [first.call("POST", JOBS, {"kind": "model-validation"}).expect(202).json()["id"] for _ in range(30)]
        first.kill()
        key = (first.folder / "admin-key").read_text().strip()  # type: ignore[operator]
        for job_id in ids:
            done = wait_until(
                lambda job_id=job_id: (
                    (found := second.call("GET", f"{JOBS}/{job_id}", key=key).json())["status"] in ENDED and found
                ),
                "it ends",
            )
            self.assertEqual(done["status"], "succeeded")

    def test_no_job_is_run_twice_by_two_processes(self) -> None:
        first, second = self.pair()
        key = first.admin_key
        ids: list[str] = []

        refusals: list[int] = []

        def add(corbel: Corbel) -> None:
            for _ in range(40):
                answer = corbel.call("POST", JOBS, {"kind": "model-validation"}, key)
                refusals.extend([answer.status] if answer.status != 202 else [])
                ids.extend([answer.json()["id"]] if answer.status == 202 else [])

        threads = [threading.Thread(target=add, args=(corbel,)) for corbel in (first, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(refusals, [])
        counted = f"SELECT count(*) FROM {first.schema}.jobs WHERE status = 'succeeded' AND attempts = 1"
        wait_until(lambda: int(self.server.psql(counted)) == len(ids), "all jobs in one attempt each")


if __name__ == "__main__":
    unittest.main()
