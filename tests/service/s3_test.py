"""Model files in a bucket of a real S3-compatible server that checks signatures."""

from __future__ import annotations

import datetime
import hashlib
import shutil
import tempfile
import unittest
import unittest.mock
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import botocore.auth
import botocore.awsrequest
import botocore.credentials
from corbel import Answer, Corbel, run
from s3_server import S3

MODEL_FILE = Path(__file__).with_name("house-prices.json").read_bytes()
MODELS = "/api/v1/ai/models"
ROW = {"input": {"size": 120, "age": 12}}
MIB = 1024 * 1024


def upload(corbel: Corbel, name: str, content: bytes = MODEL_FILE) -> Answer:
    if corbel.call("GET", f"{MODELS}/{name}").status == 404:
        corbel.call("POST", MODELS, {"name": name, "framework": "xgboost"}).expect(201)
    return corbel.call("POST", f"{MODELS}/{name}/versions", content)


def predict(corbel: Corbel, name: str) -> Answer:
    return corbel.call("POST", f"{MODELS}/{name}/predict", ROW)


def padded(size: int) -> bytes:
    """The same model in a longer file."""
    return MODEL_FILE + b" " * (size - len(MODEL_FILE))


class S3Test(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.s3 = cls.enterClassContext(S3())

    def setUp(self) -> None:
        for key in self.s3.keys():
            self.s3.client.delete_object(Bucket="corbel-test", Key=key)

    def corbel(self, **settings: str) -> Corbel:
        names = {name.replace("_", "."): value for name, value in settings.items()}
        return self.enterContext(Corbel(self.s3.settings() | names))

    def forget_copies(self, corbel: Corbel) -> None:
        corbel.stop()
        assert corbel.folder is not None
        shutil.rmtree(corbel.folder / "object-cache")
        corbel.start()

    def dependency(self, corbel: Corbel) -> dict[str, Any]:
        health = corbel.call("GET", "/health/detailed").expect(200).json()
        return next(d for d in health["dependencies"] if d["name"] == "objects")

    def test_a_file_is_in_the_bucket_under_its_digest_and_comes_back(self) -> None:
        corbel = self.corbel()
        upload(corbel, "houses").expect(201)
        digest = hashlib.sha256(MODEL_FILE).hexdigest()
        self.assertEqual(self.s3.keys(), [f"corbel/objects/{digest[:2]}/{digest[2:]}"])
        self.assertEqual(self.s3.read(self.s3.keys()[0]), MODEL_FILE)
        predict(corbel, "houses").expect(200)
        self.forget_copies(corbel)
        predict(corbel, "houses").expect(200)
        self.assertEqual(self.dependency(corbel)["state"], "up")
        self.assertNotIn(self.s3.secret_key, corbel.log())

    def test_a_large_file_goes_and_comes_in_parts(self) -> None:
        corbel = self.corbel()
        content = padded(33 * MIB + 17)
        upload(corbel, "large", content).expect(201)
        self.assertEqual(hashlib.sha256(self.s3.read(self.s3.keys()[0])).digest(), hashlib.sha256(content).digest())
        head = self.s3.client.head_object(Bucket="corbel-test", Key=self.s3.keys()[0])
        self.assertTrue(head["ETag"].endswith('-3"'), head["ETag"])
        self.forget_copies(corbel)
        file = corbel.call("GET", f"{MODELS}/large/versions/1/artifact").expect(200)
        self.assertEqual(hashlib.sha256(file.body).digest(), hashlib.sha256(content).digest())

    def test_a_file_that_was_changed_in_the_bucket_is_never_used(self) -> None:
        corbel = self.corbel()
        upload(corbel, "houses").expect(201)
        self.s3.write(self.s3.keys()[0], MODEL_FILE.replace(b"0.5", b"0.6") + b" ")
        self.forget_copies(corbel)
        answer = predict(corbel, "houses")
        self.assertGreaterEqual(answer.status, 400)
        self.assertIn(b"damaged", answer.body)
        assert corbel.folder is not None
        self.assertEqual([path for path in (corbel.folder / "object-cache").rglob("*/??*") if path.is_file()], [])

    def test_a_damaged_file_is_mended_by_uploading_it_again(self) -> None:
        corbel = self.corbel()
        upload(corbel, "houses").expect(201)
        self.s3.write(self.s3.keys()[0], bytes([MODEL_FILE[0] ^ 1]) + MODEL_FILE[1:])
        self.forget_copies(corbel)
        self.assertIn(b"upload it again", predict(corbel, "houses").body)
        upload(corbel, "houses").expect(201)
        self.assertEqual(self.s3.read(self.s3.keys()[0]), MODEL_FILE)
        self.forget_copies(corbel)
        predict(corbel, "houses").expect(200)

    def test_while_the_store_is_away_loaded_models_answer_and_uploads_do_not(self) -> None:
        corbel = self.corbel(s3_url="http://127.0.0.1:9")
        self.assertEqual(self.dependency(corbel)["state"], "down")
        answer = upload(corbel, "houses").expect(503)
        self.assertNotIn(b"127.0.0.1", answer.body)
        self.assertEqual(corbel.call("GET", f"{MODELS}/houses/versions").json()["items"], [])
        self.assertEqual(self.s3.keys(), [])

    def test_wrong_keys_are_told_to_the_operator(self) -> None:
        corbel = self.corbel(s3_secretKey="canary-wrong-secret")
        found = self.dependency(corbel)
        self.assertEqual(found["state"], "down")
        self.assertIn("credentials", found["lastError"])
        upload(corbel, "houses").expect(503)
        self.assertNotIn("canary", corbel.log())

    def test_copies_stay_below_their_bytes(self) -> None:
        corbel = self.corbel(s3_cacheBytes="1MiB")
        for i in range(3):
            upload(corbel, f"model-{i}", padded(700_000 + i)).expect(201)
        assert corbel.folder is not None
        sizes = [path.stat().st_size for path in (corbel.folder / "object-cache").rglob("*") if path.is_file()]
        self.assertLess(sum(sizes), MIB)
        self.assertEqual(len(self.s3.keys()), 3)
        predict(corbel, "model-0").expect(200)

    def test_a_restore_writes_to_the_bucket_and_never_under_a_server_that_runs(self) -> None:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        file = str(folder / "backup.tar")
        settings = [f"--{name}={value}" for name, value in self.s3.settings().items()]
        first, second = Corbel(), Corbel(self.s3.settings())
        for corbel in (first, second):
            corbel.database = lambda: {}  # type: ignore[method-assign]
            self.enterContext(corbel)
        upload(first, "houses").expect(201)
        done = run("backup", file, f"--data.folder={first.folder}")
        self.assertEqual(done.returncode, 0, done.stderr)
        refused = run("restore", file, f"--data.folder={second.folder}", "--force", *settings)
        self.assertEqual(refused.returncode, 78)
        self.assertIn("A server is running", refused.stderr)
        self.assertEqual(self.s3.keys(), [])
        second.stop()
        done = run("restore", file, f"--data.folder={second.folder}", "--force", *settings)
        self.assertEqual(done.returncode, 0, done.stderr)
        digest = hashlib.sha256(MODEL_FILE).hexdigest()
        self.assertEqual(self.s3.keys(), [f"corbel/objects/{digest[:2]}/{digest[2:]}"])


class DownloadUrl(unittest.TestCase):
    def test_a_client_may_fetch_the_file_from_the_store_itself(self) -> None:
        with S3(checks_signatures=False) as s3, Corbel(s3.settings()) as corbel:
            upload(corbel, "houses").expect(201)
            answer = corbel.call("GET", f"{MODELS}/houses/versions/1/artifact?redirect=true").expect(302)
            url = answer.headers["location"]
            with urllib.request.urlopen(url, timeout=10) as response:
                self.assertEqual(response.read(), MODEL_FILE)
            self.assertEqual(url, self.made_by_another(s3, url))

    def made_by_another(self, s3: S3, url: str) -> str:
        """The URL of the same file and time, by Amazon's own client."""
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
        made_at = datetime.datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)
        request = botocore.awsrequest.AWSRequest("GET", url.partition("?")[0])
        credentials = botocore.credentials.Credentials(s3.access_key, s3.secret_key)
        with unittest.mock.patch("botocore.auth.get_current_datetime", return_value=made_at):
            botocore.auth.S3SigV4QueryAuth(credentials, "s3", "us-east-1", expires=300).add_auth(request)
        return request.url

    def test_a_folder_has_none(self) -> None:
        with Corbel() as corbel:
            upload(corbel, "houses").expect(201)
            answer = corbel.call("GET", f"{MODELS}/houses/versions/1/artifact?redirect=true").expect(200)
            self.assertEqual(answer.body, MODEL_FILE)


if __name__ == "__main__":
    unittest.main()
