"""Sealed secrets and the audit log of the real program: what the files hold, and what is found out."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import stat
import time
import unittest
from pathlib import Path

from corbel import Corbel, run
from events_test import Receiver, wait_until

CONFIGURATION = 78
BROKEN = 70
AUDIT = "/api/v1/ai/admin/audit"
FILE = {"store.url": ""}  # these tests look into it


def database(corbel: Corbel) -> contextlib.closing[sqlite3.Connection]:
    return contextlib.closing(sqlite3.connect(corbel.folder / "corbel.db"))


def settings(corbel: Corbel) -> list[str]:
    return [f"--data.folder={corbel.folder}"]


class SecretsTest(unittest.TestCase):
    def setUp(self) -> None:
        self.receiver = Receiver()
        self.addCleanup(self.receiver.close)
        self.corbel = self.enterContext(Corbel({"events.webhookHosts": f"127.0.0.1:{self.receiver.port}"} | FILE))
        made = self.corbel.call("POST", "/api/v1/ai/webhooks", {"url": self.receiver.url}).expect(201).json()
        self.secret, self.hook = made["secret"], made["id"]

    def delivers(self) -> None:
        self.receiver.requests.clear()
        self.corbel.call("POST", f"/api/v1/ai/webhooks/{self.hook}/test").expect(200)
        wait_until(lambda: self.receiver.requests, "a delivery")

    @property
    def key_file(self) -> Path:
        return self.corbel.folder / "master-key"

    def test_no_file_holds_a_secret_and_the_key_is_its_owners(self) -> None:
        self.delivers()
        for path in self.corbel.folder.rglob("*"):
            if path.is_file():
                self.assertNotIn(self.secret.encode(), path.read_bytes(), path)
        self.assertEqual(stat.S_IMODE(self.key_file.stat().st_mode), 0o600)

    def test_the_master_key_is_rotated_while_the_server_runs(self) -> None:
        old = self.key_file.read_text()
        rotated = run("key", "rotate-master", *settings(self.corbel))
        self.assertEqual((rotated.returncode, rotated.stderr), (0, ""))
        self.assertIn("the server that runs seals", rotated.stdout)
        wait_until(lambda: len(self.key_file.read_text().split()) == 1, "the old key to go")
        self.assertNotIn(old.strip(), self.key_file.read_text())
        self.delivers()
        self.corbel.stop()
        fresh = self.key_file.read_text()
        self.key_file.write_text(old)
        refused = run("serve", *settings(self.corbel), "--server.port=0")
        self.assertEqual(refused.returncode, CONFIGURATION)
        self.assertIn("are sealed by the master key", refused.stderr)
        self.key_file.unlink()
        refused = run("serve", *settings(self.corbel), "--server.port=0")
        self.assertEqual(refused.returncode, CONFIGURATION)
        self.assertIn("is missing", refused.stderr)
        self.key_file.write_text(fresh)
        self.corbel.start()
        self.delivers()

    def test_secrets_of_an_older_program_are_sealed_at_the_start(self) -> None:
        self.corbel.stop()
        with database(self.corbel) as connection:
            connection.execute("UPDATE webhook_endpoints SET secret = ?", (self.secret,))
            connection.commit()
        self.corbel.start()
        with database(self.corbel) as connection:
            (sealed,) = connection.execute("SELECT secret FROM webhook_endpoints").fetchone()
        self.assertTrue(sealed.startswith("sealed1."))
        self.delivers()

    def test_a_secret_moved_to_another_row_opens_nothing(self) -> None:
        other = self.corbel.call("POST", "/api/v1/ai/webhooks", {"url": self.receiver.url}).expect(201).json()
        self.corbel.stop()
        with database(self.corbel) as connection:
            connection.execute(
                "UPDATE webhook_endpoints SET secret = (SELECT secret FROM webhook_endpoints WHERE id = ?) "
                "WHERE id = ?",
                (other["id"], self.hook),
            )
            connection.commit()
        self.corbel.start()
        self.receiver.requests.clear()
        self.corbel.call("POST", f"/api/v1/ai/webhooks/{self.hook}/test").expect(200)
        wait_until(lambda: "sealed at another place" in self.corbel.log(), "the complaint")
        self.assertEqual(self.receiver.requests, [])


class AuditTest(unittest.TestCase):
    def setUp(self) -> None:
        self.corbel = self.enterContext(Corbel(dict(FILE)))
        for i in range(5):
            self.corbel.call("POST", "/api/v1/ai/keys", {"name": f"k{i}", "role": "viewer"}).expect(201)

    def verify(self, *more: str) -> tuple[int, dict]:
        found = run("audit", "verify", "--output", "json", *more, *settings(self.corbel))
        return found.returncode, json.loads(found.stdout)

    def test_the_command_finds_what_was_changed_and_what_was_removed(self) -> None:
        self.corbel.stop()
        code, whole = self.verify()
        self.assertEqual((code, whole["intact"], whole["lines"]), (0, True, 7))
        with database(self.corbel) as connection:
            connection.execute("UPDATE audit_log SET principal = 'user:somebody-else' WHERE number = 3")
            connection.commit()
        code, changed = self.verify()
        self.assertEqual((code, changed["intact"], changed["brokenNumber"]), (BROKEN, False, 3))
        text = run("audit", "verify", *settings(self.corbel)).stdout
        self.assertIn("line 3 is wrong: it was changed", text)

    def test_the_end_that_was_written_down_finds_a_chain_that_is_new(self) -> None:
        self.corbel.stop()
        _, whole = self.verify()
        anchor = f"{whole['headNumber']}:{whole['headHash']}"
        self.assertEqual(self.verify("--anchor", anchor)[0], 0)
        with database(self.corbel) as connection:
            connection.execute("DELETE FROM audit_log WHERE number > 4")
            connection.execute("UPDATE audit_head SET number = 4, hash = (SELECT hash FROM audit_log WHERE number = 4)")
            connection.commit()
        self.assertEqual(self.verify()[0], 0, "without an anchor it looks whole")
        self.assertEqual(self.verify("--anchor", anchor)[1]["brokenNumber"], 5)
        wrong = run("audit", "verify", "--anchor", "5", *settings(self.corbel))
        self.assertEqual(wrong.returncode, CONFIGURATION)
        self.assertIn("--anchor", wrong.stderr)

    def test_commands_are_lines_too(self) -> None:
        self.corbel.stop()
        made = run("key", "create", "--name", "by command", "--output", "json", *settings(self.corbel))
        key = json.loads(made.stdout)["id"]
        self.corbel.start()
        found = self.corbel.call("GET", f"{AUDIT}?object=keys/{key}").expect(200).json()["items"]
        self.assertEqual(
            [(line["action"], line["principal"], line["remote"]) for line in found],
            [("corbel key create", "operator", "command line")],
        )

    def test_every_change_that_was_acknowledged_has_its_line_after_a_kill(self) -> None:
        made = [
            self.corbel.call("POST", "/api/v1/ai/keys", {"name": f"n{i}", "role": "viewer"}).expect(201).json()["id"]
            for i in range(20)
        ]
        self.corbel.kill()
        self.corbel.start()
        for key in made:
            items = self.corbel.call("GET", f"{AUDIT}?object=keys/{key}").expect(200).json()["items"]
            self.assertEqual(len(items), 1)
        self.assertTrue(self.corbel.call("GET", f"{AUDIT}/verify").expect(200).json()["intact"])

    def test_an_export_has_every_line(self) -> None:
        exported = self.corbel.call("GET", f"{AUDIT}/export").expect(200)
        lines = [json.loads(line) for line in exported.body.splitlines()]
        self.assertEqual([line["number"] for line in lines], list(range(1, len(lines) + 1)))
        self.assertGreaterEqual(len(lines), 6)

    def test_a_storm_of_refusals_makes_few_lines(self) -> None:
        for _ in range(300):
            self.corbel.request("DELETE", "/api/v1/ai/keys/x").expect(401)
        time.sleep(0.3)
        items = self.corbel.call("GET", f"{AUDIT}?outcome=refused&limit=200").expect(200).json()["items"]
        self.assertLess(len(items), 120)
        self.assertGreaterEqual(len(items), 40)


if __name__ == "__main__":
    unittest.main()
