"""The operator's own listener: metrics without a key, the documentation where it is wanted, and nothing else."""

from __future__ import annotations

import http.client
import json
import socket
import unittest

from corbel import Answer, Corbel

DOCS = ("/openapi.json", "/docs", "/docs/swagger-ui.css", "/redoc", "/icon.svg")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


class Admin(unittest.TestCase):
    def serve(self, **settings: str) -> Corbel:
        self.port = free_port()
        return self.enterContext(Corbel(settings={"metrics.port": str(self.port)} | settings))

    def ask(self, method: str, path: str, host: str = "localhost") -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, headers={"Host": host})
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def test_metrics_move_there_and_need_no_key(self) -> None:
        corbel = self.serve()
        answer = self.ask("GET", "/metrics").expect(200)
        self.assertEqual(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
        self.assertIn(b"corbel_build_info{", answer.body)
        self.assertEqual(self.ask("HEAD", "/metrics").expect(200).body, b"")
        corbel.call("GET", "/metrics").expect(404)
        self.assertNotIn("/metrics", corbel.request("GET", "/openapi.json").expect(200).json()["paths"])
        self.assertNotIn(b"/metrics", corbel.request("GET", "/").expect(200).body)
        self.assertIn(f"http://127.0.0.1:{self.port}/metrics\n", corbel.greeting())

    def test_what_is_not_there_is_a_whole_problem(self) -> None:
        self.serve()
        for path in ("/api/v1/ai/models", "/health", "/openapi.json"):
            answer = self.ask("GET", path).expect(404)
            self.assertEqual(answer.headers["content-type"], "application/problem+json")
            problem = answer.json()
            self.assertEqual((problem["code"], problem["instance"]), ("not_found", path))
            self.assertEqual(problem["correlationId"], answer.headers["x-request-id"])
            self.assertNotIn("openapi", problem["detail"])
        self.ask("POST", "/metrics").expect(405)

    def test_a_page_of_another_site_cannot_read_it_under_its_own_name(self) -> None:
        self.serve(**{"server.allowedHosts": "prometheus.example"})
        self.ask("GET", "/metrics", host="evil.example").expect(403)
        self.ask("GET", "/metrics", host="prometheus.example:9100").expect(200)

    def test_the_docs_are_where_the_operator_wants_them(self) -> None:
        for access, on_main, on_admin in (("main", 200, 404), ("admin", 404, 200), ("off", 404, 404)):
            corbel = self.serve(**{"docs.access": access})
            for path in DOCS:
                with self.subTest(access, path=path):
                    self.ask("GET", path).expect(on_admin)
                    if path != "/icon.svg":
                        corbel.request("GET", path).expect(on_main)
            where = {"main": f"{corbel.url}/docs", "admin": f"http://127.0.0.1:{self.port}/docs", "off": ""}[access]
            self.assertIn(f"API docs   {where}\n" if where else "", corbel.greeting())
            self.assertEqual("API docs" in corbel.greeting(), bool(where))
            detail = corbel.request("GET", "/nowhere").expect(404).json()["detail"]
            self.assertEqual("/openapi.json" in detail, on_main == 200)
            detail = json.loads(self.ask("GET", "/nowhere").expect(404).body)["detail"]
            self.assertEqual("/openapi.json" in detail, on_admin == 200)


if __name__ == "__main__":
    unittest.main()
