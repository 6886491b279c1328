"""Idempotency-Key over kills of the program: what was asked once never happens twice."""

from __future__ import annotations

import datetime
import http.client
import itertools
import random
import threading
import time
import unittest
from collections import Counter

from corbel import Answer, Corbel

JOBS = "/api/v1/ai/jobs"
LATER = datetime.datetime(2099, 1, 1, tzinfo=datetime.UTC)
KILLS = 15


class Idempotency(unittest.TestCase):
    def test_a_key_is_carried_out_once_whatever_is_killed(self) -> None:
        with Corbel({"jobs.tenantMax": "100000"}) as corbel:
            acknowledged: dict[int, str] = {}
            outcomes: Counter[int] = Counter()
            rest = itertools.count()
            lock = threading.Lock()
            stop = threading.Event()

            def client() -> None:
                while not stop.is_set():
                    with lock:
                        key = next(rest)
                    while not stop.is_set():
                        try:
                            answer = self.start(corbel, key)
                        except (OSError, http.client.HTTPException):
                            time.sleep(0.005)
                            continue
                        with lock:
                            outcomes[answer.status] += 1
                        if answer.status == 202:
                            acknowledged[key] = answer.json()["id"]
                        if answer.status in (202, 409):
                            break
                        time.sleep(0.005)

            clients = [threading.Thread(target=client) for _ in range(6)]
            for thread in clients:
                thread.start()
            chance = random.Random(7)
            for _ in range(KILLS):
                time.sleep(chance.uniform(0.1, 0.3))
                corbel.kill()
                corbel.start()
            time.sleep(0.2)
            stop.set()
            for thread in clients:
                thread.join()
            made = self.jobs(corbel)
            self.assertEqual(set(acknowledged.values()) - set(made), set(), "an acknowledged job is missing")
            twice = [time for time, count in Counter(made.values()).items() if count > 1]
            self.assertEqual(twice, [], "a job was made twice")
            for key, job_id in list(acknowledged.items())[-50:]:
                again = self.start(corbel, key).expect(202)
                self.assertEqual(again.json()["id"], job_id)
                self.assertEqual(again.headers["idempotency-replayed"], "true")
            self.assertEqual(self.jobs(corbel), made)
            self.assertGreater(len(acknowledged), 50)
            print(f"  {KILLS} kills, {len(acknowledged)} carried out, {outcomes[409]} refused as under way or in doubt")

    def start(self, corbel: Corbel, key: int) -> Answer:
        """Each key asks for a time of its own, which tells its jobs from others."""
        run_at = (LATER + datetime.timedelta(seconds=key)).isoformat().replace("+00:00", "Z")
        job = {"kind": "model-validation", "runAt": run_at}
        return corbel.call("POST", JOBS, job, **{"Idempotency-Key": f"order-{key}"})

    def jobs(self, corbel: Corbel) -> dict[str, str]:
        """The times of all jobs by id."""
        found: dict[str, str] = {}
        cursor = ""
        while True:
            page = corbel.call("GET", f"{JOBS}?limit=200{cursor}").expect(200).json()
            found |= {item["id"]: item["runAt"] for item in page["items"]}
            if page["nextCursor"] is None:
                return found
            cursor = f"&cursor={page['nextCursor']}"


if __name__ == "__main__":
    unittest.main()
