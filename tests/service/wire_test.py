"""Requests that no client library sends."""

from __future__ import annotations

import re
import unittest

from corbel import Corbel
from logs_test import send_raw

SMUGGLED = b"GET /api/v1/ai/me HTTP/1.1\r\nHost: localhost\r\n\r\n"
HEAD = b"POST /api/v1/ai/models HTTP/1.1\r\nHost: localhost\r\n"
# What two servers in a row could understand in two ways: refused, and the connection closed.
AMBIGUOUS = {
    "length and chunks": HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "two lengths": HEAD + b"Content-Length: 4\r\nContent-Length: 40\r\n\r\n" + SMUGGLED,
    "a list of lengths": HEAD + b"Content-Length: 4, 4\r\n\r\nabcd" + SMUGGLED,
    "a length with a sign": HEAD + b"Content-Length: +4\r\n\r\nabcd" + SMUGGLED,
    "a length beyond all numbers": HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n" + SMUGGLED,
    "a space before the colon": HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a folded line": HEAD + b"X-A: b\r\n c\r\n\r\n" + SMUGGLED,
    "another transfer coding": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a coding in disguise": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "bare line feeds": b"GET /health HTTP/1.1\nHost: localhost\n\n" + SMUGGLED,
    "a bare carriage return": HEAD + b"X-A: b\rContent-Length: 4\r\n\r\n" + SMUGGLED,
    "no host": b"GET /health HTTP/1.1\r\n\r\n" + SMUGGLED,
    "two hosts": b"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + SMUGGLED,
    "a NUL in a header": HEAD + b"X-A: \x00\r\n\r\n" + SMUGGLED,
    "an unknown version": b"GET /health HTTP/3.0\r\nHost: localhost\r\n\r\n" + SMUGGLED,
    "no version": b"GET /health\r\n\r\n" + SMUGGLED,
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,
}


class Wire(unittest.TestCase):
    corbel: Corbel

    @classmethod
    def setUpClass(cls) -> None:
        cls.corbel = Corbel()
        cls.enterClassContext(cls.corbel)

    def test_what_could_be_read_in_two_ways_is_refused_and_nothing_behind_it_is_read(self) -> None:
        for what, request in AMBIGUOUS.items():
            with self.subTest(what):
                answer = send_raw(self.corbel, request)
                statuses = re.findall(rb"HTTP/1\.1 (\d{3})", answer)
                self.assertIn(statuses, [[b"400"], [b"505"], [b"501"]], answer[:300])
                self.assertIn(b"application/problem+json", answer)

    def test_a_bad_chunk_ends_the_connection(self) -> None:
        authorized = HEAD + f"Authorization: Bearer {self.corbel.admin_key}\r\n".encode()
        authorized += b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        for chunk in (
            b"zz\r\n",
            b"-1\r\nx\r\n",
            b"ffffffffffffffffff\r\n",
            b"4\r\nabcdXX",
            b"4;" + b"x" * 20000 + b"\r\n",
        ):
            with self.subTest(chunk[:10]):
                answer = send_raw(self.corbel, authorized + chunk + SMUGGLED)
                self.assertEqual(re.findall(rb"HTTP/1\.1 (\d{3})", answer), [b"400"], answer[:300])

    def test_requests_in_a_row_are_answered_in_their_order(self) -> None:
        row = b"".join(
            b"GET /health/%s HTTP/1.1\r\nHost: localhost\r\n\r\n" % what for what in (b"live", b"ready", b"live")
        )
        answer = send_raw(self.corbel, row)
        self.assertEqual(re.findall(rb'"status":"(\w+)"', answer), [b"live", b"ready", b"live"])


if __name__ == "__main__":
    unittest.main()
