"""Demo data goes into an empty installation, works, and goes out again without a trace and without anything else."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import time
import unittest
from pathlib import Path

from corbel import Corbel, run

API = "/api/v1/ai"
CONFIGURATION = 78
MODEL_FILE = Path(__file__).with_name("house-prices.json").read_bytes()


class Seed(unittest.TestCase):
    def setUp(self) -> None:
        self.corbel = self.enterContext(Corbel())
        self.corbel.stop()

    def seed(self, *more: str) -> subprocess.CompletedProcess[str]:
        where = {"data.folder": str(self.corbel.folder)} | self.corbel.database()
        return run("seed", *more, *(f"--{name}={value}" for name, value in where.items()))

    def expect(self, *more: str) -> dict[str, object]:
        done = self.seed("--output", "json", *more)
        self.assertEqual(done.returncode, 0, done.stderr)
        made: dict[str, object] = json.loads(done.stdout)
        return made

    def rows(self) -> dict[str, int]:
        assert self.corbel.folder is not None
        tables = ("ml_models", "model_versions", "model_aliases", "jobs", "job_files", "job_schedules", "api_keys")
        with sqlite3.connect(f"file:{self.corbel.folder / 'corbel.db'}?mode=ro", uri=True) as database:
            return {table: database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}

    def objects(self) -> int:
        assert self.corbel.folder is not None
        return sum(1 for path in (self.corbel.folder / "objects").rglob("*") if path.is_file() and len(path.name) > 40)

    def test_demo_data_works_and_goes_out_again(self) -> None:
        files = self.objects()
        self.assertEqual(self.expect()["models"], ["house-prices", "machine-failure"])
        self.assertEqual(self.seed().returncode, CONFIGURATION)
        self.corbel.start()
        row = {"input": {"size": 120, "age": 12}}
        self.corbel.call("POST", f"{API}/models/house-prices/predict", row).expect(200)
        row = {"input": {"temperature": 60, "vibration": 1, "hours": 10}}
        answer = self.corbel.call("POST", f"{API}/models/machine-failure/predict", row)
        self.assertEqual(answer.json()["prediction"], "fine")
        self.await_jobs()
        self.assertIn("in use by another process", self.seed("--remove").stderr)
        self.corbel.stop()
        removed = self.expect("--remove")
        self.assertEqual((removed["models"], removed["jobs"]), (["house-prices", "machine-failure"], 2))
        self.assertEqual(self.expect("--remove")["models"], [])
        if not self.corbel.database():
            self.assertEqual(self.rows() | {"api_keys": 1}, dict.fromkeys(self.rows(), 0) | {"api_keys": 1})
        self.assertEqual(self.objects(), files)

    def await_jobs(self) -> None:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            jobs = self.corbel.call("GET", f"{API}/jobs").expect(200).json()["items"]
            if [job["status"] for job in jobs] == ["succeeded"] * 2:
                return
            time.sleep(0.02)
        raise AssertionError(jobs)

    def test_what_is_the_users_stays(self) -> None:
        self.corbel.start()
        self.corbel.call("POST", f"{API}/models", {"name": "mine", "framework": "xgboost"}).expect(201)
        self.corbel.call("POST", f"{API}/models/mine/versions", MODEL_FILE).expect(201)
        self.corbel.stop()
        refused = self.seed()
        self.assertEqual(refused.returncode, CONFIGURATION)
        self.assertIn("the model mine", refused.stderr)
        self.expect("--force")
        self.corbel.start()
        self.corbel.call("POST", f"{API}/models/machine-failure/versions", self.machine_file()).expect(201)
        self.corbel.stop()
        removed = self.expect("--remove")
        self.assertEqual((removed["models"], removed["keptModels"]), (["house-prices"], ["machine-failure"]))
        self.corbel.start()
        row = {"input": {"size": 120, "age": 12}}
        self.corbel.call("POST", f"{API}/models/mine/predict", row).expect(200)
        left = self.corbel.call("GET", f"{API}/models").json()["items"]
        self.assertEqual({model["name"] for model in left}, {"mine", "machine-failure"})

    def machine_file(self) -> bytes:
        return (Path(__file__).parents[2] / "examples/seed/machine-failure.json").read_bytes()


if __name__ == "__main__":
    unittest.main()
