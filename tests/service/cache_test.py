"""Cached answers behind memory: in their own file, or in a real Redis server."""

from __future__ import annotations

import sqlite3
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from corbel import Corbel
from redis_server import Redis

MODEL_FILE = Path(__file__).with_name("house-prices.json")
MODELS = "/api/v1/ai/models"
ROW = {"input": {"size": 120, "age": 12}}


def prepare(corbel: Corbel) -> None:
    cached = {"name": "houses", "framework": "xgboost", "configuration": {"cache": {"ttlSeconds": 600}}}
    corbel.call("POST", MODELS, cached).expect(201)
    corbel.call("POST", f"{MODELS}/houses/versions", MODEL_FILE.read_bytes()).expect(201)


def is_cached(corbel: Corbel) -> bool:
    return corbel.call("POST", f"{MODELS}/houses/predict", ROW).expect(200).json()["cached"]


def restart(corbel: Corbel) -> None:
    corbel.stop()
    corbel.start()


class CacheTest(unittest.TestCase):
    def test_an_answer_outlives_a_restart_in_a_file_of_its_own(self) -> None:
        with Corbel() as corbel:
            prepare(corbel)
            self.assertEqual([is_cached(corbel) for _ in range(3)], [False, True, True])
            self.assertAlmostEqual(corbel.metric("ai_cache_hit_ratio{cache=predictions}"), 2 / 3)
            restart(corbel)
            self.assertTrue(is_cached(corbel))
            corbel.stop()
            assert corbel.folder is not None
            with sqlite3.connect(corbel.folder / "cache/cache.db") as file:
                rows = file.execute("SELECT id, input_hash, prediction_data, expires_at FROM prediction_cache")
                self.assertIn('"prediction"', rows.fetchone()[2])

    def test_a_damaged_file_costs_the_answers_and_nothing_else(self) -> None:
        with Corbel() as corbel:
            prepare(corbel)
            is_cached(corbel)
            corbel.stop()
            assert corbel.folder is not None
            (corbel.folder / "cache/cache.db").write_bytes(b"x" * 10_000)
            corbel.start()
            self.assertEqual([is_cached(corbel) for _ in range(2)], [False, True])

    def test_memory_alone(self) -> None:
        with Corbel({"cache.tier": "none"}) as corbel:
            prepare(corbel)
            self.assertEqual([is_cached(corbel) for _ in range(2)], [False, True])
            restart(corbel)
            self.assertFalse(is_cached(corbel))
            assert corbel.folder is not None
            self.assertFalse((corbel.folder / "cache").exists())

    def test_an_answer_outlives_a_restart_in_redis(self) -> None:
        with Redis() as redis, Corbel({"redis.url": redis.url}) as corbel:
            prepare(corbel)
            self.assertFalse(is_cached(corbel))
            restart(corbel)
            self.assertTrue(is_cached(corbel))
            redis.kill()
            self.assertTrue(is_cached(corbel))  # from memory
            restart(corbel)
            self.assertEqual([is_cached(corbel) for _ in range(2)], [False, True])

    def test_what_is_asked_many_times_at_once_is_computed_once(self) -> None:
        with Corbel() as corbel:
            prepare(corbel)
            with ThreadPoolExecutor(32) as pool:
                answers = list(pool.map(lambda _: is_cached(corbel), range(64)))
            self.assertEqual(answers.count(False), 1)


if __name__ == "__main__":
    unittest.main()
