"""Backup under load, restore, and what restore refuses."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
import threading
import unittest
from pathlib import Path

from corbel import Corbel, run
from postgres import Postgres

CONFIGURATION = 78
MODEL_FILE = Path(__file__).with_name("house-prices.json").read_bytes()
MODELS = "/api/v1/ai/models"


def names(corbel: Corbel, key: str) -> set[str]:
    found: set[str] = set()
    path = f"{MODELS}?limit=200"
    while path:
        page = corbel.call("GET", path, key=key).expect(200).json()
        found |= {item["name"] for item in page["items"]}
        path = f"{MODELS}?limit=200&cursor={page['nextCursor']}" if page["nextCursor"] else ""
    return found


class Backup(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.file = self.folder / "backup.tar"

    def start(self) -> Corbel:
        corbel = Corbel()
        corbel.database = lambda: {}  # type: ignore[method-assign]
        return self.enterContext(corbel)

    def back_up(self, corbel: Corbel) -> None:
        done = run("backup", str(self.file), f"--data.folder={corbel.folder}")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("Recovery point: everything acknowledged before", done.stdout)

    def make_model(self, corbel: Corbel) -> None:
        corbel.call("POST", MODELS, {"name": "houses", "framework": "xgboost"}).expect(201)
        corbel.call("POST", f"{MODELS}/houses/versions", MODEL_FILE).expect(201)

    def restored(self, *more: str, into: str = "restored") -> subprocess.CompletedProcess[str]:
        return run("restore", str(self.file), f"--data.folder={self.folder / into}", *more)

    def test_what_was_acknowledged_is_there_after_a_restore(self) -> None:
        corbel = self.start()
        self.make_model(corbel)
        acknowledged: list[str] = []
        stop = threading.Event()

        def work(worker: int) -> None:
            number = 0
            while not stop.is_set():
                name = f"model-{worker}-{number}"
                corbel.call("POST", MODELS, {"name": name, "framework": "onnx"}).expect(201)
                acknowledged.append(name)
                number += 1

        workers = [threading.Thread(target=work, args=(worker,)) for worker in range(3)]
        for worker in workers:
            worker.start()
        while len(acknowledged) < 100:
            pass
        before = set(acknowledged)
        self.back_up(corbel)
        stop.set()
        for worker in workers:
            worker.join()
        key = corbel.admin_key
        corbel.stop()
        done = self.restored()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("Recovery time", done.stdout)
        shutil.copy(corbel.folder / "master-key", self.folder / "restored")
        other = Corbel(folder=self.folder / "restored")
        other.database = lambda: {}  # type: ignore[method-assign]
        with other:
            self.assertEqual(before - names(other, key), set())
            row = {"input": {"size": 120, "age": 12}}
            other.call("POST", f"{MODELS}/houses/predict", row, key).expect(200)

    def test_tar_shows_what_is_in_it(self) -> None:
        corbel = self.start()
        self.make_model(corbel)
        self.back_up(corbel)
        with tarfile.open(self.file) as tar:
            members = tar.getnames()
            manifest = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
        self.assertEqual(members[:2], ["manifest.json", "database/corbel.db"])
        self.assertEqual(members[-1], "SHA256SUMS")
        self.assertEqual(len([name for name in members if name.startswith("objects/")]), 1)
        self.assertEqual(manifest["database"], "sqlite")

    def test_a_damaged_file_is_refused_and_changes_nothing(self) -> None:
        corbel = self.start()
        self.make_model(corbel)
        self.back_up(corbel)
        content = bytearray(self.file.read_bytes())
        content[len(content) // 2] ^= 1
        self.file.write_bytes(content)
        done = self.restored()
        self.assertEqual(done.returncode, CONFIGURATION)
        self.assertIn("The file is damaged", done.stderr)
        self.assertFalse((self.folder / "restored").exists())
        self.file.write_bytes(content[: len(content) // 2])
        self.assertIn("The file is damaged", self.restored().stderr)
        self.file.write_bytes(b"no archive at all")
        self.assertIn("The file is damaged", self.restored().stderr)

    def test_an_installation_is_replaced_only_by_force_and_kept(self) -> None:
        corbel = self.start()
        self.make_model(corbel)
        self.back_up(corbel)
        running = run("restore", str(self.file), f"--data.folder={corbel.folder}", "--force")
        self.assertEqual(running.returncode, CONFIGURATION)
        self.assertIn("A server is running", running.stderr)
        corbel.call("POST", MODELS, {"name": "later", "framework": "onnx"}).expect(201)
        corbel.stop()
        refused = run("restore", str(self.file), f"--data.folder={corbel.folder}")
        self.assertEqual(refused.returncode, CONFIGURATION)
        self.assertIn("--force", refused.stderr)
        done = run("restore", str(self.file), f"--data.folder={corbel.folder}", "--force")
        self.assertEqual(done.returncode, 0, done.stderr)
        assert corbel.folder is not None
        self.assertEqual(len(list(corbel.folder.glob("replaced-*/corbel.db"))), 1)
        corbel.start()
        self.assertEqual(names(corbel, corbel.admin_key), {"houses"})

    def test_a_backup_of_a_newer_program_is_refused(self) -> None:
        corbel = self.start()
        self.back_up(corbel)
        corbel.stop()
        assert corbel.folder is not None
        with sqlite3.connect(corbel.folder / "corbel.db") as database:
            database.execute("INSERT INTO schema_migrations VALUES (999, 'from the future', '', 0)")
        self.file.unlink()
        self.back_up(corbel)
        done = self.restored()
        self.assertEqual(done.returncode, CONFIGURATION)
        self.assertIn("999 (from the future)", done.stderr)

    def test_a_file_that_is_there_is_not_replaced(self) -> None:
        corbel = self.start()
        self.file.write_text("mine")
        done = run("backup", str(self.file), f"--data.folder={corbel.folder}")
        self.assertEqual(done.returncode, CONFIGURATION)
        self.assertIn("is there already", done.stderr)
        self.assertEqual(self.file.read_text(), "mine")

    def test_a_damaged_object_is_named_and_the_rest_is_saved(self) -> None:
        corbel = self.start()
        self.make_model(corbel)
        assert corbel.folder is not None
        objects = [path for path in (corbel.folder / "objects").rglob("*") if path.is_file() and path.stat().st_size]
        objects[0].chmod(0o600)
        objects[0].write_bytes(b"rotten")
        done = run("backup", str(self.file), f"--data.folder={corbel.folder}")
        self.assertEqual(done.returncode, 70)
        self.assertIn("is damaged and is not in the backup", done.stderr)
        corbel.stop()
        self.assertEqual(self.restored().returncode, 0)


class OnPostgres(unittest.TestCase):
    def test_tables_go_out_and_in_again(self) -> None:
        server = self.enterContext(Postgres())
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        corbel = Corbel({"store.url": server.url})
        corbel.settings["store.schema"] = corbel.schema
        with corbel:
            corbel.call("POST", MODELS, {"name": "houses", "framework": "xgboost"}).expect(201)
            corbel.call("POST", f"{MODELS}/houses/versions", MODEL_FILE).expect(201)
            corbel.call("PATCH", f"{MODELS}/houses", {"description": "tab\tline\nback\\slash ä"}).expect(200)
            master_key = (corbel.folder / "master-key").read_bytes()
            key = corbel.admin_key
            store = [f"--store.url={server.url}", f"--store.schema={corbel.schema}"]
            done = run("backup", str(folder / "b.tar"), f"--data.folder={corbel.folder}", *store)
            self.assertEqual(done.returncode, 0, done.stderr)
        refused = run("restore", str(folder / "b.tar"), f"--data.folder={folder / 'data'}", *store)
        self.assertEqual(refused.returncode, CONFIGURATION)
        self.assertIn("--force", refused.stderr)
        done = run("restore", str(folder / "b.tar"), f"--data.folder={folder / 'data'}", *store, "--force")
        self.assertEqual(done.returncode, 0, done.stderr)
        schemas = server.psql("SELECT count(*) FROM pg_namespace WHERE nspname LIKE '%_replaced_%'")
        self.assertEqual(schemas, "1")
        (folder / "data/master-key").write_bytes(master_key)
        with Corbel(corbel.settings, folder=folder / "data") as other:
            self.assertEqual(names(other, key), {"houses"})
            shown = other.call("GET", f"{MODELS}/houses", key=key).expect(200).json()
            self.assertEqual(shown["description"], "tab\tline\nback\\slash ä")
            other.call("POST", f"{MODELS}/houses/predict", {"input": {"size": 120, "age": 12}}, key).expect(200)
        other_kind = run("restore", str(folder / "b.tar"), f"--data.folder={folder / 'sqlite'}")
        self.assertEqual(other_kind.returncode, CONFIGURATION)
        self.assertIn("postgres", other_kind.stderr)


class Doctor(unittest.TestCase):
    def doctor(self, *settings: str) -> tuple[int, dict[str, dict[str, str]]]:
        done = run("doctor", "--output", "json", *settings)
        return done.returncode, {finding["name"]: finding for finding in json.loads(done.stdout)}

    def test_a_sound_installation_is_sound(self) -> None:
        with Corbel() as corbel:
            code, findings = self.doctor(f"--data.folder={corbel.folder}")
            self.assertEqual(code, 0, findings)
            self.assertEqual(findings["store"]["state"], "ok")
            self.assertEqual(findings["data folder"]["state"], "ok")
            self.assertEqual(findings["settings"]["state"], "ok")

    def test_what_is_broken_is_named_with_how_to_mend_it(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "data"
            data.mkdir()
            (data / "corbel.db").write_bytes(b"no database" * 1000)
            away = ["--nats.url=nats://127.0.0.1:1", "--rabbitmq.host=127.0.0.1", "--rabbitmq.port=1"]
            code, findings = self.doctor(f"--data.folder={data}", *away)
        self.assertEqual(code, CONFIGURATION)
        self.assertEqual(findings["store"]["state"], "failed")
        self.assertIn("corbel restore", findings["store"]["mend"])
        self.assertEqual(findings["nats"]["state"], "failed")
        self.assertIn("nats.url", findings["nats"]["mend"])
        self.assertEqual(findings["rabbitmq"]["state"], "failed")
        self.assertIn("rabbitmq.host", findings["rabbitmq"]["mend"])
        self.assertEqual(findings["data folder"]["state"], "warning")
        self.assertIn("chmod 700", findings["data folder"]["mend"])

    def test_bad_settings_are_a_finding(self) -> None:
        code, findings = self.doctor("--server.port=99999")
        self.assertEqual(code, CONFIGURATION)
        self.assertIn("server.port", findings["settings"]["what"])


if __name__ == "__main__":
    unittest.main()
