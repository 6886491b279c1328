"""What is kept, and what is not left behind, when the program ends in the middle of something or the disk is full."""

from __future__ import annotations

import contextlib
import functools
import os
import resource
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

from corbel import Corbel, run
from limits import file_limit

INTERNAL, CONFIGURATION = 70, 78
MODEL_FILE = Path(__file__).with_name("house-prices.json")
UPLOAD = "/api/v1/ai/models/houses/versions"
ROW = {"input": {"size": 120, "age": 12}}


def make_model(corbel: Corbel) -> None:
    corbel.call("POST", "/api/v1/ai/models", {"name": "houses", "framework": "xgboost"}).expect(201)


def begin_upload(corbel: Corbel, body: bytes, claimed: int | None = None) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", corbel.port), timeout=30)
    head = f"POST {UPLOAD} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {corbel.admin_key}\r\n"
    connection.sendall(f"{head}Content-Length: {claimed or len(body)}\r\n\r\n".encode() + body)
    return connection


def files_of(corbel: Corbel) -> set[str]:
    assert corbel.folder is not None
    paths = corbel.folder.rglob("*")
    return {str(p.relative_to(corbel.folder)) for p in paths if p.is_file() and not p.name.startswith("corbel.db")}


def wait_for(what: str, holds: object) -> None:
    until = time.monotonic() + 20
    while not holds():  # type: ignore[operator]
        if time.monotonic() > until:
            raise AssertionError(f"{what}: not within 20 s")
        time.sleep(0.01)


class Killed(unittest.TestCase):
    def test_an_upload_that_was_cut_leaves_nothing(self) -> None:
        with Corbel() as corbel:
            make_model(corbel)
            before = files_of(corbel)
            with begin_upload(corbel, b"x" * 3_000_000, claimed=10_000_000):
                wait_for("a part of the upload on disk", lambda: files_of(corbel) != before)
                corbel.kill()
            corbel.start()
            self.assertEqual(files_of(corbel), before)
            self.assertEqual(corbel.call("GET", UPLOAD).json()["items"], [])

    def test_a_client_that_goes_away_leaves_nothing(self) -> None:
        with Corbel() as corbel:
            make_model(corbel)
            before = files_of(corbel)
            begin_upload(corbel, b"x" * 3_000_000, claimed=10_000_000).close()
            wait_for("an upload that is gone", lambda: files_of(corbel) == before)

    def test_a_refused_file_leaves_nothing(self) -> None:
        with Corbel() as corbel:
            make_model(corbel)
            before = files_of(corbel)
            corbel.call("POST", UPLOAD, b"no model").expect(422)
            self.assertEqual(files_of(corbel), before)

    def test_what_was_acknowledged_is_there_after_a_kill(self) -> None:
        with Corbel() as corbel:
            make_model(corbel)
            corbel.call("POST", UPLOAD, MODEL_FILE.read_bytes()).expect(201)
            expected = corbel.call("POST", "/api/v1/ai/models/houses/predict", ROW).expect(200).json()["prediction"]
            corbel.kill()
            corbel.start()
            again = corbel.call("POST", "/api/v1/ai/models/houses/predict", ROW).expect(200).json()["prediction"]
            self.assertEqual(again, expected)


class Disk:
    """A place with little room, which can be given more."""

    def __init__(self, test: unittest.TestCase, room: int) -> None:
        self.folder = Path(test.enterContext(tempfile.TemporaryDirectory(prefix="corbel-disk-"))) / "data"
        self.room = room

    def serve(self) -> Corbel:
        raise NotImplementedError

    def grow(self, corbel: Corbel) -> None:
        raise NotImplementedError


class FileLimit(Disk):
    """No file may become longer than the room: EFBIG, wherever tests run."""

    def serve(self) -> Corbel:
        return Corbel(folder=self.folder, limit=file_limit(self.room))

    def grow(self, corbel: Corbel) -> None:
        resource.prlimit(corbel.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


class SmallFileSystem(Disk):
    """A file system of that size: ENOSPC. May be mounted by root, where containers allow it."""

    def __init__(self, test: unittest.TestCase, room: int) -> None:
        super().__init__(test, room)
        test.addCleanup(subprocess.run, ["umount", self.folder.parent], check=True)
        subprocess.run(mount(self.folder.parent, room), check=True)

    def serve(self) -> Corbel:
        return Corbel(folder=self.folder)

    def grow(self, corbel: Corbel) -> None:
        subprocess.run([*mount(self.folder.parent, 10 * self.room), "-o", "remount"], check=True)


def mount(place: Path, room: int) -> list[str]:
    return ["mount", "-t", "tmpfs", "-o", f"size={room}", "tmpfs", str(place)]


@functools.cache
def disks() -> tuple[type[Disk], ...]:
    """The limit on files always; a real file system as well where one may be mounted."""
    with tempfile.TemporaryDirectory() as place:
        if os.getuid() != 0 or subprocess.run(mount(Path(place), 65536), capture_output=True).returncode != 0:
            print("full disk: no file system may be mounted here; a limit on files stands for it", flush=True)
            return (FileLimit,)
        subprocess.run(["umount", place], check=True)
        return FileLimit, SmallFileSystem


class FullDisk(unittest.TestCase):
    def test_an_upload_without_room_is_refused_and_leaves_nothing(self) -> None:
        for kind in disks():
            with self.subTest(kind.__name__), kind(self, 8_000_000).serve() as corbel:
                make_model(corbel)
                before = files_of(corbel)
                answer = corbel.call("POST", UPLOAD, b"x" * 12_000_000).expect(507)
                self.assertEqual(answer.json()["code"], "insufficient_storage")
                self.assertNotIn(str(corbel.folder), answer.body.decode())
                wait_for("the part on disk being removed", lambda: files_of(corbel) == before)  # noqa: B023
                corbel.call("POST", UPLOAD, MODEL_FILE.read_bytes()).expect(201)
                corbel.call("POST", "/api/v1/ai/models/houses/predict", ROW).expect(200)

    def test_a_database_without_room_refuses_writes_and_answers_reads_until_there_is_some(self) -> None:
        for kind in disks():
            disk = kind(self, 3_000_000)
            with self.subTest(kind.__name__), disk.serve() as corbel:
                make_model(corbel)
                card = {"framework": "onnx", "card": "x" * 90_000}
                statuses = []
                while len(statuses) < 100 and (not statuses or statuses[-1] == 201):
                    model = card | {"name": f"m{len(statuses)}"}
                    statuses.append(corbel.call("POST", "/api/v1/ai/models", model).status)
                self.assertEqual(set(statuses), {201, 507})
                kept = corbel.call("GET", "/api/v1/ai/models?limit=200").expect(200).json()["items"]
                self.assertEqual(len(kept), 1 + statuses.count(201))
                disk.grow(corbel)
                corbel.call("POST", "/api/v1/ai/models", card | {"name": "later"}).expect(201)


class Damaged(unittest.TestCase):
    def test_a_page_in_the_middle_ends_the_process_once_and_then_refuses_the_start(self) -> None:
        with Corbel() as corbel:
            make_model(corbel)
            self.assertEqual(corbel.stop(), 0)
            assert corbel.folder is not None
            file = corbel.folder / "corbel.db"
            whole = file.read_bytes()
            with contextlib.closing(sqlite3.connect(file)) as database:
                query = "SELECT rootpage FROM sqlite_schema WHERE type = 'table' AND name = 'ml_models'"
                at = (database.execute(query).fetchone()[0] - 1) * 4096
            file.write_bytes(whole[:at] + b"\x55" * 4096 + whole[at + 4096 :])

            corbel.start()
            answer = corbel.call("GET", "/api/v1/ai/models").expect(500)
            self.assertNotIn("corbel.db", answer.body.decode())
            self.assertEqual(corbel.process.wait(20), INTERNAL, corbel.log())

            for _ in range(2):
                again = run("serve", "--server.port=0", f"--data.folder={corbel.folder}")
                self.assertEqual((again.returncode, again.stdout), (CONFIGURATION, ""), again.stderr)
                self.assertIn("corbel.db is damaged", again.stderr)
                self.assertIn("restore a backup", again.stderr)

            file.write_bytes(whole)
            corbel.start()
            corbel.call("GET", "/api/v1/ai/models/houses").expect(200)


class Stopped(unittest.TestCase):
    def test_a_request_that_has_begun_is_answered_and_the_exit_code_is_0(self) -> None:
        with Corbel() as corbel:
            make_model(corbel)
            body, before = MODEL_FILE.read_bytes(), files_of(corbel)
            uploads = [begin_upload(corbel, body[:50], claimed=len(body)) for _ in range(8)]
            wait_for("uploads under way", lambda: len(files_of(corbel) - before) == len(uploads))
            corbel.process.send_signal(signal.SIGTERM)
            wait_for("the listener being closed", lambda: refuses(corbel))
            for upload in uploads:
                upload.sendall(body[50:])
            answers = [read_all(upload) for upload in uploads]
            self.assertEqual(corbel.process.wait(15), 0, corbel.log())
        for answer in answers:
            self.assertTrue(answer.startswith(b"HTTP/1.1 201"), answer[:200])
            self.assertIn(b"Connection: close", answer)
            self.assertTrue(answer.endswith(b"}"))

    def test_under_load_every_answer_that_has_begun_is_whole(self) -> None:
        with Corbel() as corbel:
            make_model(corbel)
            corbel.call("POST", UPLOAD, MODEL_FILE.read_bytes()).expect(201)
            clients = [Client(corbel) for _ in range(6)]
            wait_for("answers", lambda: all(client.answered > 5 for client in clients))
            corbel.process.send_signal(signal.SIGTERM)
            self.assertEqual(corbel.process.wait(15), 0, corbel.log())
            for client in clients:
                client.join(15)
                self.assertEqual(client.broken, [], client.broken)

    def test_a_stop_that_does_not_wait_for_predictions_ends_clean(self) -> None:
        with Corbel(settings={"server.shutdownDeadlineMs": "0"}) as corbel:
            make_model(corbel)
            corbel.call("POST", UPLOAD, MODEL_FILE.read_bytes()).expect(201)
            for _ in range(3):
                clients = [Client(corbel, '{"includeFeatureImportance": true}') for _ in range(8)]
                wait_for("answers", lambda: all(client.answered > 0 for client in clients))  # noqa: B023
                self.assertEqual(corbel.stop(), 0, corbel.log())
                for client in clients:
                    client.join(15)
                corbel.start()

    def test_a_second_start_finds_everything(self) -> None:
        with Corbel() as corbel:
            make_model(corbel)
            self.assertEqual(corbel.stop(), 0)
            corbel.start()
            corbel.call("GET", "/api/v1/ai/models/houses").expect(200)


def refuses(corbel: Corbel) -> bool:
    try:
        socket.create_connection(("127.0.0.1", corbel.port), timeout=1).close()
    except OSError:
        return True
    return False


def read_all(connection: socket.socket) -> bytes:
    with connection:
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
        return b"".join(parts)


class Client(threading.Thread):
    """Predicts on one connection after the other until none is accepted."""

    def __init__(self, corbel: Corbel, options: str = "{}") -> None:
        super().__init__(daemon=True)
        self.corbel, self.answered = corbel, 0
        self.body = f'{{"input": {{"size": 1, "age": 2}}, "options": {options}}}'
        self.broken: list[str] = []
        self.key = corbel.admin_key
        self.start()

    def run(self) -> None:
        import http.client

        connection = http.client.HTTPConnection("127.0.0.1", self.corbel.port, timeout=15)
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        while True:
            try:
                connection.request("POST", "/api/v1/ai/models/houses/predict", self.body, headers)
                answer = connection.getresponse()
            except OSError:  # refused, or closed before it was read: not answered, and known not to be
                return
            except http.client.HTTPException as error:
                self.broken.append(repr(error))
                return
            try:
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.broken.append(repr(error))
                return
            if answer.status not in (200, 503):
                self.broken.append(f"status {answer.status}")
            self.answered += 1


if __name__ == "__main__":
    unittest.main()
