"""The pages that people open: there, whole, offline and closed where the operator closes them."""

from __future__ import annotations

import re
import unittest

from corbel import Corbel

DOCS = ("/openapi.json", "/docs", "/docs/docs.js", "/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js", "/redoc")


class Pages(unittest.TestCase):
    corbel: Corbel

    @classmethod
    def setUpClass(cls) -> None:
        cls.corbel = Corbel()
        cls.enterClassContext(cls.corbel)

    def test_pages_protect_whoever_looks_at_them(self) -> None:
        for path in ("/", *DOCS):
            with self.subTest(path):
                answer = self.corbel.request("GET", path)
                self.assertEqual(answer.status, 200)
                policy = answer.headers["content-security-policy"]
                self.assertTrue(policy.startswith("default-src 'none'"), policy)
                self.assertIn("frame-ancestors 'none'", policy)
                self.assertNotRegex(policy, r"https?:|script-src[^;]*unsafe")
                self.assertEqual(answer.headers["x-content-type-options"], "nosniff")
                self.assertEqual(answer.headers["x-frame-options"], "DENY")
                self.assertEqual(answer.headers["referrer-policy"], "no-referrer")

    def test_what_pages_load_is_served_here(self) -> None:
        for page in ("/", "/docs", "/redoc"):
            html = self.corbel.request("GET", page).body.decode()
            for path in re.findall(r'<(?:link|script|img)[^>]*(?:href|src)="([^"]*)"', html):
                with self.subTest(page, loads=path):
                    self.assertTrue(path.startswith("/") and not path.startswith("//"))
                    self.assertEqual(self.corbel.request("GET", path).status, 200)

    def test_browsers_load_a_library_once(self) -> None:
        first = self.corbel.request("GET", "/docs/swagger-ui-bundle.js")
        again = self.corbel.request(
            "GET", "/docs/swagger-ui-bundle.js", headers={"If-None-Match": first.headers["etag"]}
        )
        self.assertGreater(len(first.body), 1_000_000)
        self.assertEqual((again.status, again.body), (304, b""))
        head = self.corbel.request("HEAD", "/docs/swagger-ui-bundle.js")
        self.assertEqual(head.headers["content-length"], str(len(first.body)))

    def test_the_operator_closes_the_docs(self) -> None:
        with Corbel(settings={"docs.access": "off"}) as closed:
            for path in DOCS:
                answer = closed.request("GET", path).expect(404)
                self.assertNotIn("/openapi.json lists", answer.json()["detail"])
            status = closed.request("GET", "/")
            self.assertEqual(status.status, 200)
            self.assertNotIn(b"/docs", status.body)

    def test_metrics_need_a_key(self) -> None:
        self.assertEqual(self.corbel.request("GET", "/metrics").status, 401)
        answer = self.corbel.call("GET", "/metrics")
        self.assertEqual(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
        self.assertIn(b"ai_service_requests_total{", answer.body)

    def test_probes_get_the_text_they_ask_for(self) -> None:
        answer = self.corbel.request("GET", "/health", headers={"Accept": "text/plain"})
        self.assertEqual((answer.status, answer.body), (200, b"OK"))


if __name__ == "__main__":
    unittest.main()
