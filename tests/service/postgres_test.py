"""The program on a PostgreSQL server: what it survives, what it refuses."""

from __future__ import annotations

import tempfile
import threading
import time
import unittest
from pathlib import Path

from corbel import Corbel, run
from postgres import Postgres

CONFIGURATION = 78
MODEL_FILE = Path(__file__).with_name("house-prices.json")
MODELS = "/api/v1/ai/models"
ROW = {"input": {"size": 120, "age": 12}}


def make_model(corbel: Corbel, name: str) -> int:
    return corbel.call("POST", MODELS, {"name": name, "framework": "xgboost"}).status


def names(corbel: Corbel) -> set[str]:
    found: set[str] = set()
    path = f"{MODELS}?limit=200"
    while path:
        page = corbel.call("GET", path).expect(200).json()
        found |= {item["name"] for item in page["items"]}
        path = f"{MODELS}?limit=200&cursor={page['nextCursor']}" if page.get("nextCursor") else ""
    return found


class OnPostgres(unittest.TestCase):
    server: Postgres

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = cls.enterClassContext(Postgres())

    def corbel(self, **settings: str) -> Corbel:
        corbel = Corbel(settings={"store.url": self.server.url} | settings)
        corbel.settings.setdefault("store.schema", corbel.schema)
        return corbel

    def test_a_restart_of_the_server_needs_none_of_ours(self) -> None:
        with self.corbel() as corbel:
            make_model(corbel, "houses")
            corbel.call("POST", f"{MODELS}/houses/versions", MODEL_FILE.read_bytes()).expect(201)
            corbel.call("POST", f"{MODELS}/houses/predict", ROW).expect(200)
            self.server.stop()
            begin = time.monotonic()
            self.assertEqual(make_model(corbel, "while-away"), 503)
            self.assertLess(time.monotonic() - begin, 2)
            corbel.call("POST", f"{MODELS}/houses/predict", ROW).expect(200)
            self.server.start()
            begin = time.monotonic()
            while corbel.request("GET", "/health/ready").status != 200:
                self.assertLess(time.monotonic() - begin, 5)
                time.sleep(0.05)
            self.assertEqual(make_model(corbel, "after"), 201)
            self.assertEqual(names(corbel), {"houses", "after"})

    def test_what_was_acknowledged_outlives_a_kill_of_both(self) -> None:
        with self.corbel() as corbel:
            acknowledged: list[str] = []

            def work(worker: int) -> None:
                for i in range(10_000):
                    try:
                        if make_model(corbel, f"model-{worker}-{i}") != 201:
                            return
                    except OSError:
                        return
                    acknowledged.append(f"model-{worker}-{i}")

            workers = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
            for worker in workers:
                worker.start()
            while len(acknowledged) < 100:
                time.sleep(0.01)
            self.server.stop()
            corbel.kill()
            for worker in workers:
                worker.join()
            self.server.start()
            corbel.start()
            self.assertEqual(set(acknowledged) - names(corbel), set())

    def test_migrations_go_down_and_up(self) -> None:
        with self.corbel() as corbel:
            settings = [f"--{name}={value}" for name, value in corbel.settings.items()]
            corbel.stop()
            self.assertIn("took back 1", run("migrate", "--down-to", "0", *settings).stdout)
            tables = f"SELECT string_agg(tablename, ',') FROM pg_tables WHERE schemaname = '{corbel.schema}'"
            self.assertEqual(self.server.psql(tables), "schema_migrations")
            self.assertIn("applied 1", run("migrate", *settings).stdout)
            corbel.start()

    def test_tables_of_a_newer_program_are_refused(self) -> None:
        with self.corbel() as corbel:
            settings = [f"--{name}={value}" for name, value in corbel.settings.items()]
            corbel.stop()
            self.server.psql(f"INSERT INTO {corbel.schema}.schema_migrations VALUES (999, 'later', '', 0)")
            refused = run("migrate", *settings)
            self.assertEqual(refused.returncode, CONFIGURATION)
            self.assertIn("newer", refused.stderr)

    def test_a_server_that_cannot_be_reached_is_named_without_the_password(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            nobody = ["serve", "--store.url=postgres://u:hunter2@127.0.0.1:1/x", f"--data.folder={folder}"]
            at_once = run(*nobody, "--store.startWaitMs=0")
            begin = time.monotonic()
            waited = run(*nobody, "--store.startWaitMs=600")
            self.assertGreater(time.monotonic() - begin, 0.6)
        for refused in (at_once, waited):
            self.assertEqual(refused.returncode, CONFIGURATION)
            self.assertIn("127.0.0.1:1/x cannot be reached", refused.stderr)
            self.assertNotIn("hunter2", refused.stderr)
        self.assertNotIn("does not answer yet", at_once.stderr)
        self.assertIn("does not answer yet", waited.stderr)
        self.assertIn("tried for 600 ms (store.startWaitMs)", waited.stderr)


if __name__ == "__main__":
    unittest.main()
