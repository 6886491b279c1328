"""What a model took of memory is given back when it is unloaded."""

from __future__ import annotations

import json
import random
import time
import unittest
from pathlib import Path
from typing import Any

from corbel import Corbel

TREES, DEPTH, FEATURES = 1000, 8, 30
ALLOWED_MB = 10


def trees() -> str:
    """Complete trees with splits of their own, as XGBoost writes them. Only the splits are written for each anew."""
    dice = random.Random(7)
    splits, nodes = 2**DEPTH - 1, 2 ** (DEPTH + 1) - 1
    inner = range(nodes)
    common = {
        "base_weights": [0.0] * nodes,
        "categories": [],
        "categories_nodes": [],
        "categories_segments": [],
        "categories_sizes": [],
        "default_left": [0] * nodes,
        "left_children": [2 * i + 1 if i < splits else -1 for i in inner],
        "right_children": [2 * i + 2 if i < splits else -1 for i in inner],
        "parents": [2147483647 if i == 0 else (i - 1) // 2 for i in inner],
        "loss_changes": [0.0] * nodes,
        "split_type": [0] * nodes,
        "sum_hessian": [1.0] * nodes,
        "tree_param": {
            "num_deleted": "0",
            "num_feature": str(FEATURES),
            "num_nodes": str(nodes),
            "size_leaf_vector": "1",
        },
    }
    rest = json.dumps(common)[1:]
    written = []
    for number in range(TREES):
        thresholds = [dice.randrange(-1_000_000, 1_000_000) / 1_000_000 for _ in inner]
        features = [dice.randrange(FEATURES) if i < splits else 0 for i in inner]
        own = json.dumps({"id": number, "split_conditions": thresholds, "split_indices": features})
        written.append(f"{own[:-1]}, {rest}")
    return f"[{','.join(written)}]"


def forest() -> bytes:
    model = {
        "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": str(TREES)},
        "iteration_indptr": list(range(TREES + 1)),
        "tree_info": [0] * TREES,
        "trees": "TREES",
    }
    learner = {
        "attributes": {},
        "feature_names": [],
        "feature_types": [],
        "gradient_booster": {"model": model, "name": "gbtree"},
        "learner_model_param": {
            "base_score": "5E-1", "boost_from_average": "1", "num_class": "0", "num_feature": str(FEATURES),
            "num_target": "1",
        },
        "objective": {"name": "reg:squarederror", "reg_loss_param": {"scale_pos_weight": "1"}},
    }  # fmt: skip
    return json.dumps({"learner": learner, "version": [3, 0, 0]}).replace('"TREES"', trees()).encode()


def rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) / 1024


def settled_rss_mb(pid: int) -> float:
    """Memory is given back within some seconds: what remains when it has stopped shrinking for two."""
    lowest, since = rss_mb(pid), time.monotonic()
    while time.monotonic() < since + 2:
        time.sleep(0.1)
        now = rss_mb(pid)
        if now < lowest - 1:
            lowest, since = now, time.monotonic()
    return lowest


class Unload(unittest.TestCase):
    def test_gives_the_memory_of_a_large_forest_back(self) -> None:
        # Loading it may take longer than a prediction usually has, and a prediction waits no longer than its time.
        with Corbel(settings={"inference.timeoutMs": "60000"}) as corbel:
            path = "/api/v1/ai/models"
            made = corbel.call("POST", path, {"name": "big", "framework": "xgboost", "category": "regression"})
            self.assertEqual(made.status, 201, made.body)
            uploaded = corbel.call("POST", f"{path}/big/versions", forest())
            self.assertEqual(uploaded.status, 201, uploaded.body)
            row = {"input": {f"f{i}": 0.1 for i in range(FEATURES)}}
            # The first cycle also pays for what the process keeps anyway: threads, buffers, tables.
            self.cycle(corbel, row)
            before = settled_rss_mb(corbel.process.pid)
            loaded = self.cycle(corbel, row)
            left = self.left(corbel, before)
            print(f"unload: {loaded - before:.1f} MB more with the model, {left:.1f} MB left after it")
            self.assertGreater(loaded - before, 20)
            self.assertLess(left, ALLOWED_MB)

    def left(self, corbel: Corbel, before: float) -> float:
        """As soon as it is little enough, or what remains when it has settled."""
        until = time.monotonic() + 1.5
        while (left := rss_mb(corbel.process.pid) - before) >= ALLOWED_MB and time.monotonic() < until:
            time.sleep(0.05)
        return left if left < ALLOWED_MB else settled_rss_mb(corbel.process.pid) - before

    def cycle(self, corbel: Corbel, row: dict[str, Any]) -> float:
        answer = corbel.call("POST", "/api/v1/ai/models/big/predict", row)
        self.assertEqual(answer.status, 200, answer.body)
        loaded = rss_mb(corbel.process.pid)
        self.assertEqual(corbel.call("POST", "/api/v1/ai/models/big/versions/1/unload").status, 204)
        return loaded
