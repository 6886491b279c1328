"""Limits over three processes that share a real Redis server, which fails in every way it can."""

from __future__ import annotations

import contextlib
import itertools
import time
import unittest
from collections.abc import Callable
from typing import Any

from corbel import Corbel
from fixtures import JWT_SECRET, token
from redis_server import Proxy, Redis

QUOTA = 30
RECOVERY_SECONDS = 5


class Processes:
    """Three of them, asked in turn; users have 30 requests a minute."""

    def __init__(self, stack: contextlib.ExitStack, redis_port: int, **settings: str) -> None:
        shared = {"redis.url": f"redis://127.0.0.1:{redis_port}", "limits.replicas": "3"}
        shared |= {"limits.requestsPerMinute": str(QUOTA), "auth.jwtSecret": JWT_SECRET} | settings
        self.all = [stack.enter_context(Corbel(shared)) for _ in range(3)]
        self._turn = itertools.cycle(self.all)
        self.slowest = 0.0

    def admitted(self, user: str, tries: int) -> int:
        credential = {"Authorization": f"Bearer {token(sub=user)}"}
        count = 0
        self.slowest = 0.0
        for _ in range(tries):
            begin = time.monotonic()
            answer = next(self._turn).request("GET", "/api/v1/ai/me", headers=credential)
            self.slowest = max(self.slowest, time.monotonic() - begin)
            if answer.status not in (200, 429):
                raise AssertionError(f"status {answer.status}: {answer.body!r}")
            count += answer.status == 200
        return count

    def degraded(self) -> list[bool]:
        return [corbel.metric("corbel_limiter_degraded") == 1 for corbel in self.all]

    def dependency(self, index: int = 0) -> dict[str, Any]:
        health = self.all[index].call("GET", "/health/detailed").expect(200).json()
        return next(d for d in health["dependencies"] if d["name"] == "redis")

    def recover(self) -> float:
        """Seconds until none of them is degraded."""
        begin = time.monotonic()
        while any(self.degraded()):
            if time.monotonic() - begin > 30:
                raise AssertionError("no recovery within 30 s")
            time.sleep(0.02)
        return time.monotonic() - begin


class OneBucket(unittest.TestCase):
    def setUp(self) -> None:
        stack = self.enterContext(contextlib.ExitStack())
        self.redis = stack.enter_context(Redis())
        self.processes = Processes(stack, self.redis.port)

    def test_three_processes_admit_one_quota(self) -> None:
        self.assertEqual(self.processes.admitted("ann", 90), QUOTA)
        self.assertEqual(self.processes.admitted("bob", 90), QUOTA)
        self.assertEqual(self.processes.degraded(), [False] * 3)
        self.assertEqual(self.processes.dependency()["state"], "up")

    def test_one_process_may_use_the_whole_quota(self) -> None:
        first = self.processes.all[0]
        credential = {"Authorization": f"Bearer {token(sub='carla')}"}
        statuses = [first.request("GET", "/api/v1/ai/me", headers=credential).status for _ in range(QUOTA + 5)]
        self.assertEqual(statuses.count(200), QUOTA)

    def test_redis_keeps_no_names(self) -> None:
        self.processes.admitted("somebody@example.com", 3)
        keys = self.redis.ask("KEYS", "*")
        self.assertIn("corbel:limit:api:log:", keys)
        self.assertNotIn("somebody", keys)


class Faults(unittest.TestCase):
    """Around each: 20 requests before, 90 during, 90 after, of one user; and how fast all is well again."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        cls.redis = cls.stack.enter_context(Redis())
        cls.proxy = Proxy(cls.redis.port)
        cls.stack.callback(cls.proxy.close)
        cls.processes = Processes(cls.stack, cls.proxy.port)

    def check(self, begin: Callable[[], object], end: Callable[[], object], degrades: bool = True) -> None:
        user, processes = self.id(), self.processes
        processes.recover()
        before = processes.admitted(user, 20)
        self.assertEqual(before, 20)
        begin()
        during = processes.admitted(user, 90)
        self.assertLess(processes.slowest, 1)
        if degrades:
            self.assertEqual(processes.degraded(), [True] * 3)
            self.assertEqual(processes.dependency()["state"], "down")
            processes.admitted(user, 30)
            self.assertLess(processes.slowest, 0.5)
        end()
        self.assertLess(processes.recover(), RECOVERY_SECONDS)
        after = processes.admitted(user, 90)
        # At most one quota more than the quota, and the service went on.
        self.assertLessEqual(before + during + after, 2 * QUOTA)
        self.assertGreaterEqual(before + during + after, QUOTA)
        fresh = processes.admitted(user + " fresh", 90)
        self.assertEqual(fresh, QUOTA)

    def test_killed_and_started_again_without_its_memory(self) -> None:
        self.check(self.redis.kill, self.redis.start)

    def test_restarted_between_two_requests(self) -> None:
        self.check(lambda: (self.redis.kill(), self.redis.start()), lambda: None, degrades=False)

    def test_cut_off(self) -> None:
        self.check(self.proxy.cut, self.proxy.mend)

    def test_slow(self) -> None:
        def slow() -> None:
            self.proxy.delay = 0.1

        self.check(slow, self.proxy.mend)

    def test_without_its_scripts(self) -> None:
        self.check(lambda: self.redis.ask("SCRIPT", "FLUSH"), lambda: None, degrades=False)

    def test_read_only(self) -> None:
        self.check(
            lambda: self.redis.ask("REPLICAOF", "127.0.0.1", "1"), lambda: self.redis.ask("REPLICAOF", "NO", "ONE")
        )

    def test_out_of_memory(self) -> None:
        self.check(
            lambda: self.redis.ask("CONFIG", "SET", "maxmemory", "1"),
            lambda: self.redis.ask("CONFIG", "SET", "maxmemory", "0"),
        )


class Start(unittest.TestCase):
    def test_a_redis_that_is_away_does_not_keep_it_from_starting(self) -> None:
        with Redis() as redis:
            redis.kill()
            with Corbel({"redis.url": redis.url}) as corbel:
                self.assertEqual(corbel.metric("corbel_limiter_degraded"), 1)
                health = corbel.call("GET", "/health/detailed").expect(200).json()
                found = next(d for d in health["dependencies"] if d["name"] == "redis")
                self.assertEqual(found["state"], "down")

    def test_the_established_names_work(self) -> None:
        with Redis("--requirepass", "canary-password") as redis:
            names = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(redis.port), "REDIS_PASSWORD": "canary-password"}
            with Corbel(environment=names) as corbel:
                self.assertEqual(corbel.metric("corbel_limiter_degraded"), 0)
                self.assertNotIn("canary-password", corbel.log())
            with Corbel(environment=names | {"REDIS_PASSWORD": "canary-wrong"}) as corbel:
                self.assertEqual(corbel.metric("corbel_limiter_degraded"), 1)
                self.assertNotIn("canary", corbel.log())


if __name__ == "__main__":
    unittest.main()
