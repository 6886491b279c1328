"""What deploy/ ships for Prometheus and Grafana: it is valid, it names what exists, and every alert can fire."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Any

from corbel import ROOT

PROMTOOL = ROOT / "build/deps/promtool/promtool"
PROMETHEUS = ROOT / "deploy/prometheus"
RULES = PROMETHEUS / "corbel.rules.yml"
TESTS = PROMETHEUS / "corbel.rules.test.yml"
# Of the requirements' table, and Prometheus' own: there once the part is that counts them.
ANNOUNCED = {"ai_fallback_count_total", "ai_model_accuracy", "ai_cost_usd_total", "up"}
WORDS = {"sum", "rate", "increase", "histogram_quantile", "by", "max_over_time", "time", "and", "label_values"}


def table() -> dict[str, str]:
    """Every metric of the program, with its kind."""
    text = (ROOT / "src/platform/telemetry/metric_table.h").read_text()
    return {name: kind for kind, name in re.findall(r'constexpr (\w+)Spec \w+\{"(\w+)"', text)}


def exposed() -> set[str]:
    names = set(ANNOUNCED)
    for name, kind in table().items():
        names |= {f"{name}_{part}" for part in ("bucket", "sum", "count")} if kind == "Histogram" else {name}
    return names


def metrics_of(expression: str) -> set[str]:
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|by \([^)]*\)", "", expression)
    return set(re.findall(r"[a-z_]{2,}", bare)) - WORDS


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, cwd=PROMETHEUS)


def queries(dashboard: dict[str, Any]) -> list[str]:
    found = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return found + [v["query"] for v in dashboard["templating"]["list"] if v["type"] == "query"]


class PrometheusTest(unittest.TestCase):
    def test_configuration_and_rules_are_valid(self) -> None:
        checked = promtool("check", "config", "--lint-fatal", "prometheus.yml")
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)

    def test_every_alert_fires_where_it_should_and_not_before(self) -> None:
        alerts = re.findall(r"- alert: (\w+)", RULES.read_text())
        self.assertEqual(len(alerts), len(set(alerts)))
        tested = re.split(r"\n  - name: ", TESTS.read_text())[1:]
        for alert in alerts:
            with self.subTest(alert):
                own = [test for test in tested if test.startswith(f"{alert}\n")]
                self.assertEqual(len(own), 1, "a test of its own")
                self.assertIn("exp_alerts: []", own[0])
                self.assertIn("- exp_labels: {severity:", own[0])
        ran = promtool("test", "rules", TESTS.name)
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)

    def test_a_rule_that_says_something_else_is_noticed(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder)
            head, *tests = TESTS.read_text().split("\n  - name: ")
            own = next(test for test in tests if test.startswith("CorbelInferenceSlow\n"))
            (copy / TESTS.name).write_text(f"{head}\n  - name: {own}")
            (copy / RULES.name).write_text(RULES.read_text().replace("> 3000", "> 30000"))
            ran = subprocess.run([PROMTOOL, "test", "rules", copy / TESTS.name], capture_output=True, text=True)
        self.assertNotEqual(ran.returncode, 0)
        self.assertIn("CorbelInferenceSlow", ran.stderr)

    def test_alerts_name_metrics_that_exist(self) -> None:
        rules = re.sub(r"(?m)^\s*#.*$", "", RULES.read_text())
        expressions = re.findall(r"expr: \|\n((?: {10}.*\n)+)|expr: (.*)", rules)
        self.assertGreater(len(expressions), 15)
        for several, one in expressions:
            with self.subTest(several or one):
                self.assertLessEqual(metrics_of(several or one), exposed())

    def test_every_alert_is_in_the_guide(self) -> None:
        guide = (ROOT / "docs/operations.md").read_text()
        for alert in re.findall(r"- alert: (\w+)", RULES.read_text()):
            self.assertIn(f"`{alert}`", guide)


class GrafanaTest(unittest.TestCase):
    def dashboards(self) -> dict[str, dict[str, Any]]:
        return {file.name: json.loads(file.read_text()) for file in sorted((ROOT / "deploy/grafana").glob("*.json"))}

    def test_every_query_names_metrics_that_exist(self) -> None:
        self.assertGreaterEqual(len(self.dashboards()), 3)
        for name, dashboard in self.dashboards().items():
            for query in queries(dashboard):
                with self.subTest(f"{name}: {query}"):
                    asked = metrics_of(query.replace(", instance)", ")"))
                    self.assertTrue(asked)
                    self.assertLessEqual(asked, exposed())

    def test_prometheus_can_read_every_query(self) -> None:
        rules = []
        for dashboard in self.dashboards().values():
            for panel in dashboard["panels"]:
                for target in panel["targets"]:
                    expression = target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*")
                    rules.append(f"  - record: q{len(rules)}\n    expr: {json.dumps(expression)}\n")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "queries.yml"
            file.write_text("groups:\n- name: dashboards\n  rules:\n" + "".join(rules))
            checked = promtool("check", "rules", file)
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)

    def test_ids_and_places_are_distinct(self) -> None:
        uids = [dashboard["uid"] for dashboard in self.dashboards().values()]
        self.assertEqual(len(uids), len(set(uids)))
        for dashboard in self.dashboards().values():
            places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in dashboard["panels"]]
            self.assertEqual(len(places), len(set(places)))


if __name__ == "__main__":
    unittest.main()
