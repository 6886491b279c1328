"""A few rounds of the loop that `./dev bench kill` runs hundreds of."""

from __future__ import annotations

import unittest

from kill_loop import KillLoop, Outcome
from postgres import Postgres

ROUNDS = 10
SEED = 20261121


class KillTest(unittest.TestCase):
    def check(self, outcome: Outcome) -> None:
        self.assertEqual((outcome.rounds, outcome.lost, outcome.damage), (ROUNDS, [], []))
        self.assertGreater(outcome.acked, ROUNDS)

    def test_on_sqlite_every_acknowledged_write_outlives_every_kill(self) -> None:
        self.check(KillLoop(SEED).run(ROUNDS))

    def test_on_postgresql_as_well_and_when_its_server_is_killed_too(self) -> None:
        with Postgres() as server:
            self.check(KillLoop(SEED, server).run(ROUNDS))


if __name__ == "__main__":
    unittest.main()
