#!/usr/bin/env python3
"""A PostgreSQL server of its own for tests, in a folder that goes with it.

postgres.py run COMMAND...    runs the command with CORBEL_TEST_POSTGRES, the server's URL, and
                              CORBEL_TEST_POSTGRES_RESTART, a command that kills and starts it again
"""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path


def binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    return found[-1] if found else None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Postgres:
    """`with Postgres() as server:` runs until the block ends. The server refuses root: then it runs as postgres."""

    def __init__(self, **settings: str) -> None:
        self.settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "logging_collector": "off"}
        self.settings |= settings

    def __enter__(self) -> Postgres:
        bin_folder = binaries()
        if bin_folder is None:
            raise RuntimeError("PostgreSQL is missing: ./dev setup installs it")
        self.bin = bin_folder
        self.folder = Path(tempfile.mkdtemp(prefix="corbel-postgres-"))
        self.user: str | None = None
        if os.geteuid() == 0:
            self.user = "postgres"
            entry = pwd.getpwnam(self.user)
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
        self.port = free_port()
        self._run("initdb", "-D", str(self.data), "-U", "corbel", "-A", "trust", "--no-locale", "-E", "UTF8", "-N")
        lines = [f"{name} = '{value}'" for name, value in self.settings.items()] + [f"port = {self.port}"]
        with (self.data / "postgresql.conf").open("a") as file:
            file.write("\n".join(lines) + "\n")
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def url(self) -> str:
        return f"postgres://corbel@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        self._run(*self._control("start"), "-l", str(self.folder / "log"))

    def stop(self, mode: str = "immediate") -> None:
        self._run(*self._control("stop"), "-m", mode)

    def processes(self) -> list[int]:
        """The server's, its first one first."""
        first = int((self.data / "postmaster.pid").read_text().splitlines()[0])
        return [first, *map(int, Path(f"/proc/{first}/task/{first}/children").read_text().split())]

    def restart_command(self) -> str:
        return shlex.join(
            [
                *self._as_user(),
                str(self.bin / "pg_ctl"),
                *self._control("restart")[1:],
                "-m",
                "immediate",
                "-l",
                str(self.folder / "log"),
            ]
        )

    def psql(self, sql: str) -> str:
        done = subprocess.run(
            [str(self.bin / "psql"), "-qtAX", "-d", self.url, "-v", "ON_ERROR_STOP=1", "-c", sql],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.strip()

    def _control(self, what: str) -> list[str]:
        return ["pg_ctl", what, "-D", str(self.data), "-s", "-w", "-t", "30"]

    def _as_user(self) -> list[str]:
        if self.user is None:
            return []
        return ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--init-groups"]

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [*self._as_user(), str(self.bin / program), *arguments], cwd="/",
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed: {done.stderr}")


def main() -> int:
    if sys.argv[1:2] != ["run"] or len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 64
    with Postgres() as server:
        environment = os.environ | {
            "CORBEL_TEST_POSTGRES": server.url,
            "CORBEL_TEST_POSTGRES_RESTART": server.restart_command(),
        }
        return subprocess.run(sys.argv[2:], env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
