"""An S3-compatible server of its own for tests (moto), which checks signatures and keeps everything in memory.

It cannot check those of URLs: with `checks_signatures=False` it takes all.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from corbel import ROOT
from postgres import free_port

BUCKET = "corbel-test"
POLICY = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'
# Of an empty server, before anybody has a key: three of IAM and the bucket.
SETUP_REQUESTS = 4


class S3:
    """`with S3() as server:` runs until the block ends; its bucket is there and empty."""

    def __init__(self, checks_signatures: bool = True) -> None:
        self.port = free_port()
        self.unchecked = SETUP_REQUESTS if checks_signatures else 1_000_000

    def __enter__(self) -> S3:
        self._folder = tempfile.TemporaryDirectory(prefix="corbel-s3-")
        environment = os.environ | {"INITIAL_NO_AUTH_ACTION_COUNT": str(self.unchecked)}
        with (Path(self._folder.name) / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [str(ROOT / "build/deps/venv/bin/moto_server"), "-H", "127.0.0.1", "-p", str(self.port)],
                env=environment, stdout=log, stderr=log,
            )  # fmt: skip
        self._await()
        iam = self._client("iam", "none", "none")
        iam.create_user(UserName="corbel")
        iam.put_user_policy(UserName="corbel", PolicyName="all", PolicyDocument=POLICY)
        key = iam.create_access_key(UserName="corbel")["AccessKey"]
        self.access_key, self.secret_key = key["AccessKeyId"], key["SecretAccessKey"]
        self.client = self._client("s3", self.access_key, self.secret_key)
        self.client.create_bucket(Bucket=BUCKET)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._folder.cleanup()

    def _client(self, service: str, access: str, secret: str) -> Any:
        return boto3.client(
            service, endpoint_url=self.url, region_name="us-east-1", aws_access_key_id=access,
            aws_secret_access_key=secret, config=Config(retries={"max_attempts": 0}),
        )  # fmt: skip

    def _await(self) -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                urllib.request.urlopen(f"{self.url}/moto-api/", timeout=5).read()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("moto does not listen")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def settings(self) -> dict[str, str]:
        return {
            "s3.url": self.url,
            "s3.bucket": BUCKET,
            "s3.accessKey": self.access_key,
            "s3.secretKey": self.secret_key,
            "s3.prefix": "corbel/",
        }

    def keys(self) -> list[str]:
        return [entry["Key"] for entry in self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])]

    def read(self, key: str) -> bytes:
        return self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def write(self, key: str, content: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=content)

    def pause(self) -> None:
        self.process.send_signal(19)

    def resume(self) -> None:
        self.process.send_signal(18)
