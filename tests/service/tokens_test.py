"""Tokens of the issuers that a settings file names: each with its algorithm, its keys and its claims."""

from __future__ import annotations

import json
import secrets
import subprocess
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any

import jwt
from corbel import Corbel, run
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm

CONFIGURATION = 78
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
SHARED = secrets.token_hex(64)
# Nothing answers at the discard port of this machine.
NOWHERE = "https://127.0.0.1:9/jwks"

SETTINGS = """
[[auth.issuers]]
iss = "https://rsa.example"
audience = "corbel"
algorithm = "RS256"
keyFile = "{folder}/rsa.pem"

[[auth.issuers]]
iss = "https://ec.example"
algorithm = "ES256"
jwksFile = "{folder}/keys.json"
claims = {{user = "email", roles = "/access/roles", tenants = "orgs"}}

[[auth.issuers]]
iss = "https://shared.example"
algorithm = "HS512"
keyFile = "{folder}/secret"

[[auth.issuers]]
iss = "https://away.example"
algorithm = "RS256"
jwksUrl = "{nowhere}"
"""


def pem(key: Any) -> bytes:
    public = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, public)


def write_keys(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rsa.pem").write_bytes(pem(RSA))
    (folder / "ec.pem").write_bytes(pem(EC))
    (folder / "secret").write_text(SHARED + "\n")
    key = json.loads(ECAlgorithm.to_jwk(EC.public_key())) | {"kid": "one", "use": "sig", "alg": "ES256"}
    (folder / "keys.json").write_text(json.dumps({"keys": [key]}))
    (folder / "corbel.toml").write_text(SETTINGS.format(folder=folder, nowhere=NOWHERE))


def claims(issuer: str, **more: Any) -> dict[str, Any]:
    return {"iss": f"https://{issuer}.example", "sub": "ann", "exp": int(time.time()) + 600} | more


class Tokens(unittest.TestCase):
    corbel: Corbel

    @classmethod
    def setUpClass(cls) -> None:
        folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="corbel-tokens-")))
        write_keys(folder)
        cls.corbel = Corbel(environment={"CORBEL_CONFIG": str(folder / "corbel.toml")})
        cls.enterClassContext(cls.corbel)

    def status(self, token: str) -> int:
        return self.corbel.call("GET", "/api/v1/ai/me", key=token).status

    def me(self, token: str) -> dict[str, Any]:
        return self.corbel.call("GET", "/api/v1/ai/me", key=token).expect(200).json()

    def test_a_public_key_in_a_file_proves_its_tokens(self) -> None:
        good = jwt.encode(claims("rsa", aud="corbel", roles=["developer"], tenants=["default"]), RSA, "RS256")
        me = self.me(good)
        self.assertEqual(me["id"], "user:ann@https://rsa.example")
        self.assertIn("models:write", json.dumps(me))
        self.assertEqual(self.status(jwt.encode(claims("rsa", aud=["other", "corbel"]), RSA, "RS256")), 200)
        other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        for token in (
            jwt.encode(claims("rsa", aud="corbel"), other, "RS256"),
            jwt.encode(claims("rsa", aud="another"), RSA, "RS256"),
            jwt.encode(claims("rsa"), RSA, "RS256"),
            jwt.encode(claims("rsa", aud="corbel", exp=int(time.time()) - 600), RSA, "RS256"),
            jwt.encode(claims("rsa", aud="corbel"), RSA, "PS256"),
            jwt.encode(claims("unknown", aud="corbel"), RSA, "RS256"),
        ):
            with self.subTest(
                jwt.get_unverified_header(token) | jwt.decode(token, options={"verify_signature": False})
            ):
                self.assertEqual(self.status(token), 401)

    def test_the_public_key_is_no_secret_to_sign_with(self) -> None:
        head, body, _ = jwt.encode(claims("rsa", aud="corbel"), "x" * 64, "HS256").split(".")
        signer = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
        signature = jwt.utils.base64url_encode(signer.sign(f"{head}.{body}".encode(), pem(RSA))).decode()
        self.assertEqual(self.status(f"{head}.{body}.{signature}"), 401)

    def test_a_key_set_in_a_file_proves_its_tokens_and_claims_are_found_where_the_map_says(self) -> None:
        said = claims("ec", email="ann@ec.example", access={"roles": ["viewer"]}, orgs=["default"])
        me = self.me(jwt.encode(said, EC, "ES256", headers={"kid": "one"}))
        self.assertEqual(me["id"], "user:ann%40ec.example@https://ec.example")
        self.assertNotIn("models:write", json.dumps(me))
        self.assertEqual(self.status(jwt.encode(said, EC, "ES256", headers={"kid": "two"})), 401)
        self.assertEqual(self.status(jwt.encode(claims("ec"), EC, "ES256", headers={"kid": "one"})), 401)

    def test_a_secret_in_a_file_proves_its_tokens(self) -> None:
        self.assertEqual(self.status(jwt.encode(claims("shared"), SHARED, "HS512")), 200)
        self.assertEqual(self.status(jwt.encode(claims("shared"), SHARED, "HS256")), 401)
        self.assertEqual(self.status(jwt.encode(claims("shared"), SHARED[:-1] + "x", "HS512")), 401)

    def test_an_issuer_that_cannot_be_reached_is_503_and_never_anonymous(self) -> None:
        token = jwt.encode(claims("away"), RSA, "RS256", headers={"kid": "one"})
        answer = self.corbel.call("GET", "/api/v1/ai/me", key=token).expect(503)
        self.assertEqual(answer.json()["code"], "unavailable")
        self.assertNotIn("127.0.0.1:9", answer.body.decode())

    def test_health_names_the_key_set_that_cannot_be_had(self) -> None:
        health = self.corbel.call("GET", "/health/detailed").expect(200).json()
        self.assertEqual(health["status"], "degraded")
        named = {dependency["name"]: dependency for dependency in health["dependencies"]}
        self.assertNotIn("auth.issuers[0]", named)
        self.assertEqual(named["auth.issuers[1]"]["state"], "up")
        self.assertGreaterEqual(named["auth.issuers[1]"]["figures"]["ageSeconds"], 0)
        away = named["auth.issuers[3]"]
        self.assertEqual(away["state"], "down")
        self.assertIn("503", away["lastError"])
        self.assertRegex(away["lastError"], r"Tried again in \d+ s")
        self.assertIn("lastErrorAt", away)
        self.assertGreater(named["memory"]["figures"]["residentBytes"], 1_000_000)
        self.assertEqual(named["onnxRuntime"]["state"], "up")


class WrongKeys(unittest.TestCase):
    def refused(self, old: str, new: str) -> str:
        with tempfile.TemporaryDirectory(prefix="corbel-tokens-") as name:
            folder = Path(name)
            write_keys(folder)
            file = folder / "corbel.toml"
            text = file.read_text()
            self.assertIn(old, text)
            file.write_text(text.replace(old, new))
            (folder / "short").write_text("short\n")
            result: subprocess.CompletedProcess[str] = run(
                "serve", "--config", str(file), "--server.port=0", f"--data.folder={folder}/data"
            )
            self.assertEqual((result.returncode, result.stdout), (CONFIGURATION, ""), result.stderr)
            self.assertFalse((folder / "data/admin-key").exists())
            return result.stderr

    def test_a_file_that_is_not_there_is_named(self) -> None:
        for name, setting in (("rsa.pem", "[0].keyFile"), ("keys.json", "[1].jwksFile"), ("secret", "[2].keyFile")):
            with self.subTest(name):
                said = self.refused(f"/{name}", f"/no-{name}")
                self.assertIn(f"auth.issuers{setting}", said)
                self.assertIn(f"/no-{name}", said)

    def test_a_key_of_another_type_is_refused(self) -> None:
        self.assertIn("auth.issuers[0].keyFile", self.refused("/rsa.pem", "/ec.pem"))
        self.assertIn("auth.issuers[0].keyFile", self.refused("/rsa.pem", "/secret"))
        self.assertIn("auth.issuers[2].keyFile", self.refused("/secret", "/short"))

    def test_a_secret_is_no_key_set(self) -> None:
        self.assertIn("auth.issuers[1]", self.refused('algorithm = "ES256"', 'algorithm = "HS256"'))

    def test_an_address_without_tls_is_refused(self) -> None:
        self.assertIn("https://", self.refused(NOWHERE, "http://example.com/jwks"))


if __name__ == "__main__":
    unittest.main()
