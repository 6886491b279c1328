"""The commands of the program besides serve."""

from __future__ import annotations

import json
import secrets
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Any

from corbel import Corbel, run

OK, USAGE, CONFIGURATION = 0, 64, 78


class Commands(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="corbel-commands-"))) / "data"

    def run_here(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return run(*arguments, f"--data.folder={self.folder}", **environment)

    def json_of(self, *arguments: str) -> Any:
        result = self.run_here(*arguments, "--output", "json")
        self.assertEqual(result.returncode, OK, result.stderr)
        return json.loads(result.stdout)

    def test_version_is_text_for_people_and_json_for_programs(self) -> None:
        self.assertRegex(run("version").stdout, r"^corbel \d+\.\d+\.\d+\n$")
        self.assertEqual(json.loads(run("version", "--output", "json").stdout)["name"], "corbel")
        self.assertRegex(run("--version").stdout, r"\d+\.\d+\.\d+")

    def test_help_shows_examples_and_exit_codes(self) -> None:
        self.assertIn("Exit codes: 0 ok, 64 usage, 70 internal, 78 configuration", run("--help").stdout)
        for command in (
            ["serve"],
            ["migrate"],
            ["config"],
            ["key", "create"],
            ["key", "list"],
            ["user", "add"],
            ["openapi"],
            ["version"],
        ):
            result = run(*command, "--help")
            self.assertEqual(result.returncode, OK)
            self.assertIn("Examples:", result.stdout)

    def test_what_nobody_knows_is_wrong_usage(self) -> None:
        for wrong in (
            [],
            ["dance"],
            ["serve", "--dance"],
            ["serve", "dance"],
            ["config", "--output", "xml"],
            ["version", "--output", "markdown"],
            ["serve", "--output", "markdown"],
            ["key", "list", "--output", "markdown"],
            ["key"],
            ["key", "create"],
            ["key", "revoke"],
            ["migrate", "--down-to", "-1"],
            ["serve", "--set", "server.port"],
        ):
            result = run(*wrong)
            self.assertEqual(result.returncode, USAGE, wrong)
            self.assertEqual(result.stdout, "", wrong)
            self.assertTrue(result.stderr.strip(), wrong)

    def test_openapi_prints_the_document_and_touches_nothing(self) -> None:
        self.assertIn("/api/v1/ai/models", json.loads(run("openapi").stdout)["paths"])
        self.assertFalse(self.folder.exists())

    def test_config_shows_every_value_and_where_it_came_from(self) -> None:
        result = self.run_here("config", LOG_LEVEL="warn")
        self.assertEqual(result.returncode, OK)
        self.assertIn("log.level", result.stdout)
        self.assertIn("LOG_LEVEL", result.stdout)
        self.assertFalse(self.folder.exists())

    def test_config_as_json_never_shows_a_secret(self) -> None:
        secret = secrets.token_hex(32)
        result = self.run_here("config", "--output", "json", JWT_SECRET=secret)
        settings = json.loads(result.stdout)
        self.assertIn("auth.jwtSecret", json.dumps(settings))
        self.assertNotIn(secret, result.stdout)
        self.assertNotIn(secret, self.run_here("config", JWT_SECRET=secret).stdout)

    def test_a_secret_may_come_from_a_file(self) -> None:
        file = self.folder.parent / "secret"
        secret = secrets.token_hex(32)
        file.write_text(secret + "\n")
        result = self.run_here("config", CORBEL_AUTH_JWT_SECRET_FILE=str(file))
        self.assertEqual(result.returncode, OK, result.stderr)
        self.assertNotIn(secret, result.stdout)
        self.assertEqual(
            self.run_here("config", CORBEL_AUTH_JWT_SECRET_FILE="/nowhere/at/all").returncode, CONFIGURATION
        )

    def test_a_later_source_wins(self) -> None:
        file = self.folder.parent / "corbel.toml"
        file.write_text("[server]\nport = 1\n[log]\nlevel = 'error'\n")
        result = run("config", "--config", str(file), "--server.port=3", CORBEL_SERVER_PORT="2")
        self.assertRegex(result.stdout, r"server\.port\s+3\s")
        self.assertRegex(result.stdout, r"log\.level\s+error\s")

    def test_migrate_brings_the_database_up_and_back(self) -> None:
        first = self.run_here("migrate")
        self.assertEqual(first.returncode, OK, first.stderr)
        self.assertIn("applied", first.stdout)
        self.assertIn("up to date", self.run_here("migrate").stdout)
        down = self.run_here("migrate", "--down-to", "0")
        self.assertEqual(down.returncode, OK, down.stderr)
        self.assertEqual(first.stdout.count("applied"), down.stdout.count("took back"))
        self.assertIn("applied", self.run_here("migrate").stdout)

    def test_a_key_is_made_listed_and_revoked(self) -> None:
        made = self.json_of("key", "create", "--name", "checkout", "--role", "service")
        self.assertRegex(made["key"], r"^crb_\w+_\w+$")
        listed = self.json_of("key", "list")
        self.assertEqual(
            [(k["id"], k["name"], k["role"], k["revoked"]) for k in listed],
            [(made["id"], "checkout", "service", False)],
        )
        self.assertNotIn(made["key"], json.dumps(listed))
        self.assertEqual(self.run_here("key", "revoke", made["id"]).returncode, OK)
        self.assertTrue(self.json_of("key", "list")[0]["revoked"])

    def test_a_key_of_a_role_or_tenant_that_does_not_exist_is_not_made(self) -> None:
        for option, word in (("--role", "emperor"), ("--tenant", "nowhere")):
            result = self.run_here("key", "create", "--name", "x", option, word)
            self.assertEqual(result.returncode, CONFIGURATION, result.stderr)
            self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
            self.assertEqual(result.stdout, "")
        self.assertEqual(self.json_of("key", "list"), [])

    def test_revoking_what_does_not_exist_says_so(self) -> None:
        result = self.run_here("key", "revoke", "019b0000-0000-7000-8000-000000000000")
        self.assertEqual(result.returncode, CONFIGURATION, result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)

    def test_keys_are_left_alone_while_a_server_has_the_folder(self) -> None:
        with Corbel(folder=self.folder) as corbel:
            result = self.run_here("key", "create", "--name", "x")
            self.assertEqual(result.returncode, CONFIGURATION, result.stderr)
            self.assertIn("another", result.stderr)
            corbel.call("GET", "/api/v1/ai/me").expect(200)


if __name__ == "__main__":
    unittest.main()
