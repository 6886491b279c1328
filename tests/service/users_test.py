"""People who sign in: the command line, the link of the first start, the pages, and who tries passwords."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from corbel import Answer, Corbel, binary, clean_environment

OK, USAGE, CONFIGURATION = 0, 64, 78
FILE = {"store.url": ""}  # the command line needs the database that the test's folder holds
ADA = {"email": "ada@example.com", "password": "correct horse battery"}


def command(folder: Path | None, *arguments: str, password: str = "") -> subprocess.CompletedProcess[str]:
    """Not from a terminal: the password is the first line of what it reads."""
    return subprocess.run(
        [str(binary()), "user", *arguments, f"--data.folder={folder}"],
        input=password + "\n",
        capture_output=True,
        text=True,
        timeout=60,
        env=clean_environment(),
    )


def post(corbel: Corbel, path: str, body: Any, **headers: str) -> Answer:
    sent = {"Content-Type": "application/json"} | headers
    return corbel.request("POST", f"/api/v1/ai{path}", json.dumps(body).encode(), sent)


def sign_in(corbel: Corbel, person: dict[str, str] = ADA) -> Answer:
    return post(corbel, "/session", person)


def own_page(corbel: Corbel, cookie: str = "") -> dict[str, str]:
    """As a browser sends it from a page of this server."""
    headers = {"Origin": corbel.url, "Sec-Fetch-Site": "same-origin"}
    return headers | ({"Cookie": cookie} if cookie else {})


class CommandsTest(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="corbel-users-"))) / "data"

    def run_here(self, *arguments: str, password: str = "") -> subprocess.CompletedProcess[str]:
        return command(self.folder, *arguments, password=password)

    def test_a_user_is_made_listed_disabled_and_removed(self) -> None:
        made = self.run_here("add", ADA["email"], "--role", "owner", "--output", "json", password=ADA["password"])
        self.assertEqual(made.returncode, OK, made.stderr)
        self.assertEqual(json.loads(made.stdout)["roles"], ["owner"])
        self.assertNotIn(ADA["password"], made.stdout + made.stderr)
        refused = self.run_here("disable", ADA["email"])
        self.assertEqual(refused.returncode, CONFIGURATION)
        self.assertIn("the last user who is an owner", refused.stderr)
        other = self.run_here(
            "add", "ben@example.com", "--role", "viewer", "--role", "owner", password="x" * 5 + "horses2"
        )
        self.assertEqual(other.returncode, OK, other.stderr)
        self.assertEqual(self.run_here("disable", ADA["email"]).returncode, OK)
        listed = json.loads(self.run_here("list", "--output", "json").stdout)
        self.assertEqual(
            [(u["email"], u["disabled"]) for u in listed], [(ADA["email"], True), ("ben@example.com", False)]
        )
        self.assertEqual(self.run_here("enable", ADA["email"]).returncode, OK)
        self.assertEqual(self.run_here("password", ADA["email"], password="another horse battery").returncode, OK)
        self.assertEqual(self.run_here("remove", ADA["email"]).returncode, OK)
        gone = self.run_here("remove", ADA["email"])
        self.assertEqual((gone.returncode, gone.stdout), (CONFIGURATION, ""))
        self.assertIn("There is no user", gone.stderr)

    def test_what_is_wrong_is_said(self) -> None:
        for arguments, password, said in (
            (["add", "ada"], ADA["password"], "must be an e-mail address"),
            (["add", "ada@example.com"], "short", "must be 12 to 256 bytes long"),
            (["add", "ada@example.com", "--role", "emperor"], ADA["password"], "is no role of this tenant"),
            (["add", "ada@example.com", "--tenant", "nowhere"], ADA["password"], "no"),
        ):
            with self.subTest(said):
                answer = self.run_here(*arguments, password=password)
                self.assertEqual(answer.returncode, CONFIGURATION)
                self.assertIn(said, answer.stderr)
        for arguments in ([], ["add"], ["dance"], ["add", "a@b.c", "--password", "x"]):
            self.assertEqual(self.run_here(*arguments).returncode, USAGE, arguments)

    def test_who_was_made_there_signs_in_here(self) -> None:
        made = self.run_here("add", ADA["email"], "--role", "developer", password=ADA["password"])
        self.assertEqual(made.returncode, OK, made.stderr)
        with Corbel(settings=FILE, folder=self.folder) as corbel:
            self.assertNotIn("/setup#", corbel.greeting())
            token = sign_in(corbel).expect(201).json()["token"]
            me = corbel.call("GET", "/api/v1/ai/me", key=token).expect(200).json()
            self.assertEqual(me["memberships"][0]["roles"], ["developer"])

    def test_a_server_that_others_reach_starts_with_a_user(self) -> None:
        made = self.run_here("add", ADA["email"], password=ADA["password"])
        self.assertEqual(made.returncode, OK, made.stderr)
        with Corbel(settings=FILE | {"server.host": "0.0.0.0"}, folder=self.folder) as corbel:
            self.assertEqual(sign_in(corbel).status, 201)


class FirstStartTest(unittest.TestCase):
    def setUp(self) -> None:
        self.corbel = self.enterContext(Corbel())
        found = re.search(r"/setup#(crl_[A-Za-z0-9_-]{43})", self.corbel.greeting())
        assert found is not None, self.corbel.greeting()
        self.token = found[1]

    def test_the_link_makes_one_owner_who_is_signed_in(self) -> None:
        self.assertEqual(self.corbel.request("GET", "/setup").status, 200)
        self.assertEqual(post(self.corbel, "/setup/check", {"token": self.token}).status, 204)
        weak = post(self.corbel, "/setup", {"token": self.token} | ADA | {"password": "short"})
        self.assertEqual(weak.status, 400)
        made = post(self.corbel, "/setup", {"token": self.token} | ADA, **own_page(self.corbel)).expect(201)
        self.assertNotIn("token", made.json())
        cookie = made.headers["set-cookie"]
        self.assertRegex(
            cookie, r"^corbel_session=cru_[A-Za-z0-9_-]{43}; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict$"
        )
        session = cookie.partition(";")[0]
        me = self.corbel.request("GET", "/api/v1/ai/me", headers={"Cookie": session}).expect(200).json()
        self.assertEqual(me["memberships"][0]["roles"], ["owner"])
        for path, body in (("/setup/check", {}), ("/setup", ADA | {"email": "eve@example.com"})):
            answer = post(self.corbel, path, {"token": self.token} | body)
            self.assertEqual(answer.status, 404)
            self.assertIn("corbel user add", answer.json()["detail"])
        self.assertNotIn(self.token, self.corbel.log())

    def test_it_is_printed_once(self) -> None:
        self.corbel.stop()
        self.corbel.start()
        self.assertNotIn("/setup#", self.corbel.greeting())
        self.assertEqual(post(self.corbel, "/setup/check", {"token": self.token}).status, 204)

    def test_many_who_have_it_make_one_owner(self) -> None:
        people = [{"email": f"p{i}@example.com", "password": ADA["password"]} for i in range(8)]
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda p: post(self.corbel, "/setup", {"token": self.token} | p).status, people))
        self.assertEqual(sorted(answers), [201] + [404] * 7)


class SessionsTest(unittest.TestCase):
    def setUp(self) -> None:
        self.corbel = self.enterContext(Corbel())
        self.corbel.call("POST", "/api/v1/ai/users", ADA | {"roles": ["admin"]}).expect(201)

    def test_a_browser_signs_in_changes_something_and_signs_out(self) -> None:
        answer = post(self.corbel, "/session", ADA | {"as": "cookie"}, **own_page(self.corbel)).expect(201)
        cookie = answer.headers["set-cookie"].partition(";")[0]
        body = json.dumps({"name": "mine", "role": "viewer"}).encode()
        headers = {"Content-Type": "application/json"}
        made = self.corbel.request("POST", "/api/v1/ai/keys", body, headers | own_page(self.corbel, cookie))
        self.assertEqual(made.status, 201, made.body)
        for other in ({}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "same-site"}):
            refused = self.corbel.request("POST", "/api/v1/ai/keys", body, headers | {"Cookie": cookie} | other)
            self.assertEqual(refused.status, 403, other)
        out = self.corbel.request("DELETE", "/api/v1/ai/session", None, own_page(self.corbel, cookie))
        self.assertEqual(out.status, 204)
        self.assertIn("Max-Age=0", out.headers["set-cookie"])
        self.assertEqual(self.corbel.request("GET", "/api/v1/ai/me", headers={"Cookie": cookie}).status, 401)

    def test_sessions_outlive_a_restart_and_end_with_a_new_password(self) -> None:
        first, second = (sign_in(self.corbel).json()["token"] for _ in range(2))
        self.corbel.stop()
        self.corbel.start()
        change = {"currentPassword": ADA["password"], "newPassword": "another horse battery"}
        self.corbel.call("POST", "/api/v1/ai/me/password", change, key=first).expect(204)
        self.corbel.call("GET", "/api/v1/ai/me", key=first).expect(200)
        self.corbel.call("GET", "/api/v1/ai/me", key=second).expect(401)

    def test_an_unused_session_ends(self) -> None:
        with Corbel(settings={"auth.sessions.maxSeconds": "60", "auth.sessions.cookie": "secure"}) as corbel:
            corbel.call("POST", "/api/v1/ai/users", ADA | {"roles": ["viewer"]}).expect(201)
            answer = post(corbel, "/session", ADA | {"as": "cookie"}, **own_page(corbel)).expect(201)
            self.assertRegex(answer.headers["set-cookie"], r"^__Host-corbel_session=cru_.*; Max-Age=60; .*; Secure$")

    def test_every_sign_in_and_refusal_is_a_line_of_the_audit_log(self) -> None:
        user = sign_in(self.corbel).expect(201).json()["userId"]
        sign_in(self.corbel, ADA | {"password": "wrong horse battery"}).expect(401)
        until = time.monotonic() + 10
        while time.monotonic() < until:
            path = "/api/v1/ai/admin/audit?action=" + "POST%20/api/v1/ai/session"
            lines = self.corbel.call("GET", path).expect(200).json()["items"]
            if len(lines) == 2:
                break
            time.sleep(0.02)
        told = {(line["outcome"], line["principal"], line["object"]) for line in lines}
        self.assertEqual(told, {("done", f"account:{user}", f"users/{user}"), ("refused", "", "session")})

    def test_passwords_and_tokens_are_in_no_file(self) -> None:
        token = sign_in(self.corbel).expect(201).json()["token"]
        sign_in(self.corbel, ADA | {"password": "wrong horse battery"}).expect(401)
        self.assertNotRegex(self.corbel.log(), "horse battery|" + re.escape(token))
        assert self.corbel.folder is not None
        for path in self.corbel.folder.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                self.assertNotIn(b"horse battery", content, path)
                self.assertNotIn(token.encode(), content, path)

    def test_who_tries_many_passwords_takes_neither_the_memory_nor_the_server(self) -> None:
        before = self.memory()
        with ThreadPoolExecutor(32) as pool:
            people = [{"email": f"p{i}@example.com", "password": "wrong horse battery"} for i in range(200)]
            answers = pool.map(lambda person: sign_in(self.corbel, person).status, people)
            begin = time.monotonic()
            self.corbel.call("GET", "/api/v1/ai/models").expect(200)
            took = time.monotonic() - begin
            counted = list(answers)
        self.assertEqual(counted.count(401), 100)  # of one address in a quarter of an hour
        self.assertEqual(counted.count(429) + counted.count(503), 100)
        self.assertLess(took, 2)
        self.assertLess(self.memory() - before, 64 << 20)
        self.assertEqual(self.corbel.call("GET", "/api/v1/ai/me").status, 200)

    def memory(self) -> int:
        """The most it ever took."""
        status = Path(f"/proc/{self.corbel.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024


if __name__ == "__main__":
    unittest.main()
