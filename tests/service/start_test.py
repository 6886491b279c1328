"""What keeps the program from starting: one clear sentence, exit code 78, and nothing half-written."""

from __future__ import annotations

import json
import os
import re
import socket
import stat
import subprocess
import tempfile
import time
import unittest
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

from corbel import Corbel, binary, clean_environment
from limits import limited

CONFIGURATION = 78


class Start(unittest.TestCase):
    def setUp(self) -> None:
        self.home = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="corbel-start-")))
        self.folder = self.home / "data"

    def serve(self, *arguments: str, user: int | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [str(binary()), "serve", "--server.port=0", f"--data.folder={self.folder}", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, env=clean_environment() | environment, user=user
        )

    def assert_refused(self, result: subprocess.CompletedProcess[str], *words: str) -> None:
        self.assertEqual(result.returncode, CONFIGURATION, result.stderr)
        said = [line for line in result.stderr.splitlines() if not line.startswith("{")]
        self.assertEqual(len(said), 1, result.stderr)
        for word in words:
            self.assertIn(word, said[0])
        self.assertEqual(result.stdout, "")

    def test_an_occupied_port_is_named(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            result = self.serve(f"--server.port={port}")
        self.assert_refused(result, f"127.0.0.1:{port}", "another program listens there")

    def test_a_start_that_found_its_port_occupied_leaves_nothing_and_the_next_shows_the_key(self) -> None:
        for setting in ("server.port", "metrics.port"):
            with self.subTest(setting), socket.create_server(("127.0.0.1", 0)) as taken:
                self.assert_refused(
                    self.serve(f"--{setting}={taken.getsockname()[1]}"), "another program listens there"
                )
                self.assertFalse(self.folder.exists())
        with Corbel(folder=self.folder) as corbel:
            self.assertIn(corbel.admin_key, corbel.greeting())

    def test_an_unknown_setting_is_answered_with_the_one_that_was_meant(self) -> None:
        self.assert_refused(self.serve("--server.prot=1"), "server.prot", "server.port")
        self.assertFalse(self.folder.exists())

    def test_an_unknown_name_in_the_environment_is_refused(self) -> None:
        self.assert_refused(self.serve(CORBEL_SERVER_PROT="1"), "CORBEL_SERVER_PROT", "CORBEL_SERVER_PORT")

    def test_a_bad_value_is_shown_with_what_is_allowed_and_where_it_came_from(self) -> None:
        result = self.serve(CORBEL_LIMITS_INFERENCE_PER_MINUTE="0")
        self.assert_refused(
            result, "limits.inferencePerMinute", "1 or more", "got 0", "CORBEL_LIMITS_INFERENCE_PER_MINUTE"
        )
        self.assert_refused(self.serve("--server.port=70000"), "server.port", "65535", "70000")
        self.assert_refused(self.serve("--log.level=loud"), "log.level", "debug", "loud")

    def test_several_problems_are_told_at_once(self) -> None:
        result = self.serve("--server.port=x", "--log.level=loud")
        self.assertEqual(result.returncode, CONFIGURATION)
        self.assertIn("server.port", result.stderr)
        self.assertIn("log.level", result.stderr)

    def test_a_backend_that_is_not_built_is_refused_with_a_sentence(self) -> None:
        self.assert_refused(self.serve(KUBECONFIG="/home/me/.kube/config"), "KUBECONFIG", "Kubernetes")

    def test_an_address_of_redis_that_is_none_is_refused_without_its_password(self) -> None:
        result = self.serve(REDIS_URL="http://:canary@127.0.0.1")
        self.assert_refused(result, "redis.url", "redis://user:password@host:port")
        self.assertNotIn("canary", result.stderr)

    def test_a_missing_settings_file_is_named(self) -> None:
        self.assert_refused(self.serve("--config", str(self.home / "none.toml")), "none.toml")

    def test_an_unknown_key_in_the_settings_file_is_refused(self) -> None:
        file = self.home / "corbel.toml"
        file.write_text("[server]\nprot = 1\n")
        self.assert_refused(self.serve("--config", str(file)), "server.prot", "corbel.toml")

    def test_a_short_secret_is_refused_and_not_shown(self) -> None:
        result = self.serve(JWT_SECRET="canary-short")
        self.assert_refused(result, "auth.jwtSecret", "32")
        self.assertNotIn("canary", result.stderr)

    def test_an_open_address_needs_authentication(self) -> None:
        self.assert_refused(self.serve("--server.host=0.0.0.0", "--auth.enabled=false"), "auth.enabled", "server.host")
        self.assert_refused(self.serve("--server.host=0.0.0.0"), "server.host", "corbel key create")

    def test_an_open_address_is_served_once_there_is_a_key(self) -> None:
        made = subprocess.run(
            [binary(), "key", "create", "--name", "x", "--role", "owner", f"--data.folder={self.folder}"],
            capture_output=True, text=True, env=clean_environment(),
        )  # fmt: skip
        self.assertEqual(made.returncode, 0, made.stderr)
        with Corbel(folder=self.folder, settings={"server.host": "0.0.0.0"}) as corbel:
            corbel.call("GET", "/api/v1/ai/me", key=made.stdout.strip()).expect(200)
            corbel.request("GET", "/api/v1/ai/me").expect(401)

    def test_an_open_address_needs_a_key_that_is_valid_now(self) -> None:
        with Corbel(folder=self.folder) as corbel:
            soon = datetime.now(UTC) + timedelta(seconds=1)
            until = soon.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            short = {"name": "short", "role": "owner", "expiresAt": until}
            corbel.call("POST", "/api/v1/ai/keys", short).expect(201)
            keys = corbel.call("GET", "/api/v1/ai/keys").json()["items"]
            first = next(key["id"] for key in keys if key["name"] == "first key")
            corbel.call("DELETE", f"/api/v1/ai/keys/{first}").expect(204)
        time.sleep(max(0.0, (soon - datetime.now(UTC)).total_seconds() + 0.01))
        self.assert_refused(self.serve("--server.host=0.0.0.0"), "server.host", "valid now", "corbel key create")

    def test_origins_that_contradict_each_other_are_refused(self) -> None:
        self.assert_refused(self.serve("--cors.allowedOrigins=*,https://a.example"), "cors.allowedOrigins", "* alone")

    def test_ipv6_is_served_and_written_as_urls_have_it(self) -> None:
        with Corbel(folder=self.folder, settings={"server.host": "::1"}) as corbel:
            self.assertIn(f"is ready on http://[::1]:{corbel.port}\n", corbel.greeting())
            self.assertEqual(corbel.host, "::1")
            corbel.call("GET", "/api/v1/ai/me").expect(200)

    def test_a_folder_is_used_by_one_process_only(self) -> None:
        with Corbel(folder=self.folder) as first:
            self.assert_refused(self.serve(), str(self.folder), "another")
            first.call("GET", "/api/v1/ai/me").expect(200)

    def test_a_folder_that_cannot_be_written_is_named(self) -> None:
        self.folder.mkdir()
        self.home.chmod(0o755)
        self.folder.chmod(0o555)
        nobody = 65534 if os.getuid() == 0 else None
        self.assert_refused(self.serve(user=nobody), str(self.folder))
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_a_folder_that_is_a_file_is_named(self) -> None:
        self.folder.write_text("x")
        self.assert_refused(self.serve(), str(self.folder))

    def test_a_database_that_is_none_is_left_as_it_is(self) -> None:
        self.folder.mkdir()
        file = self.folder / "corbel.db"
        file.write_bytes(b"not a database " * 1000)
        self.assert_refused(self.serve(), "corbel.db")
        self.assertEqual(file.read_bytes(), b"not a database " * 1000)

    def test_a_damaged_database_is_found(self) -> None:
        with Corbel(folder=self.folder):
            pass
        file = self.folder / "corbel.db"
        whole = file.read_bytes()
        file.write_bytes(whole[:100] + b"\xff" * 3996 + whole[4096:])
        self.assert_refused(self.serve(), "corbel.db")

    def test_a_database_of_a_newer_program_is_left_alone(self) -> None:
        import sqlite3

        with Corbel(folder=self.folder):
            pass
        with sqlite3.connect(self.folder / "corbel.db") as database:
            columns = [row[1] for row in database.execute("PRAGMA table_info(schema_migrations)")]
            values = {"version": 999_999, "name": "of the future", "checksum": "x"}
            row = [values.get(column, 0) for column in columns]
            database.execute(f"INSERT INTO schema_migrations VALUES ({','.join('?' * len(row))})", row)
        database.close()
        self.assert_refused(self.serve(), "999999")

    def test_a_full_disk_leaves_no_key_that_nobody_knows(self) -> None:
        result = limited(self.home, self.folder, file_bytes=20_000)
        self.assert_refused(result, str(self.folder))
        self.assertFalse((self.folder / "admin-key").exists())
        with Corbel(folder=self.folder) as corbel:
            corbel.call("GET", "/api/v1/ai/me").expect(200)


class FirstStart(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="corbel-first-"))) / "data"

    def test_the_first_key_is_printed_and_kept_for_its_owner_only(self) -> None:
        with Corbel(folder=self.folder) as corbel:
            file = self.folder / "admin-key"
            self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
            self.assertIn(file.read_text().strip(), corbel.greeting())
            self.assertNotIn(file.read_text().strip(), corbel.log())
            corbel.call("GET", "/api/v1/ai/me").expect(200)

    def test_a_second_start_makes_no_other_key_and_shows_none(self) -> None:
        with Corbel(folder=self.folder) as corbel:
            key = corbel.admin_key
        with Corbel(folder=self.folder) as corbel:
            self.assertEqual(corbel.admin_key, key)
            self.assertNotIn(key, corbel.greeting())
            self.assertEqual(len(corbel.call("GET", "/api/v1/ai/keys").json()["items"]), 1)

    def test_a_key_file_that_was_taken_away_is_not_made_again_nor_spoken_of(self) -> None:
        with Corbel(folder=self.folder):
            (self.folder / "admin-key").unlink()
        with Corbel(folder=self.folder) as corbel:
            self.assertFalse((self.folder / "admin-key").exists())
            self.assertNotIn("admin", corbel.greeting())
            self.assertNotIn("curl", corbel.greeting())

    def test_what_the_greeting_says_to_try_works_as_it_is_pasted(self) -> None:
        for name in ("data", "Anna's data (new)"):
            with self.subTest(name), Corbel(folder=self.folder.with_name(name)) as corbel:
                line = next(line for line in corbel.greeting().splitlines() if line.strip().startswith("try "))
                pasted = line.strip().removeprefix("try").strip()
                tried = subprocess.run(["bash", "-c", pasted], capture_output=True, text=True, timeout=30)
                self.assertEqual(json.loads(tried.stdout), {"items": [], "nextCursor": None}, tried.stderr)
                url = re.search(r"API docs +(\S+)", corbel.greeting())
                assert url
                with urllib.request.urlopen(url[1], timeout=30) as page:
                    self.assertIn("text/html", page.headers["Content-Type"])

    def test_nothing_in_the_folder_is_for_others(self) -> None:
        with Corbel(folder=self.folder):
            for path in (self.folder, *self.folder.rglob("*")):
                self.assertEqual(stat.S_IMODE(path.stat().st_mode) & 0o077, 0, path)


if __name__ == "__main__":
    unittest.main()
