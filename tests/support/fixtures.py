"""What golden tests find on a server: keys, tokens, demo models, and files to send."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import json
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from corbel import ROOT, Corbel

JWT_SECRET = "golden-secret-of-more-than-32-bytes"
# What a server needs for all that prepare() hands out.
ENVIRONMENT = {"CORBEL_AUTH_JWT_SECRET": JWT_SECRET}
SETTINGS = {"inference.onnxRuntimeLibrary": str(ROOT / "build/deps/onnxruntime/lib/libonnxruntime.so.1")}

DEMO = ROOT / "build/demo"
ROLES = ("owner", "admin", "developer", "viewer", "service")


def prepare(corbel: Corbel) -> tuple[dict[str, str], Path]:
    """Makes keys, a second tenant and the demo models. Answers the names for `{{name}}`, and the folder of files."""
    expiring = short_lived_key(corbel)
    names = {"dataDir": str(corbel.folder), "expired": expiring["key"], "root": corbel.admin_key}
    for role in ROLES:
        names[role] = make_key(corbel, role)["key"]
    revoked = make_key(corbel, "owner")
    corbel.call("DELETE", f"/api/v1/ai/keys/{revoked['id']}").expect(204)
    names["revoked"] = revoked["key"]
    names["foreign"] = foreign_owner(corbel)
    names |= tokens() | register_demo(corbel)
    for image in demo_files().glob("*.*g*"):
        names[image.stem + image.suffix[1:].capitalize()] = base64.b64encode(image.read_bytes()).decode()
    wait_until(expiring["expiresAt"])
    return names, demo_files()


def make_key(corbel: Corbel, role: str, **more: Any) -> dict[str, Any]:
    return corbel.call("POST", "/api/v1/ai/keys", {"name": f"golden {role}", "role": role} | more).expect(201).json()


def short_lived_key(corbel: Corbel) -> dict[str, Any]:
    expires = datetime.now(UTC) + timedelta(seconds=1.5)
    return make_key(corbel, "owner", expiresAt=expires.isoformat(timespec="milliseconds").replace("+00:00", "Z"))


def wait_until(moment: str) -> None:
    left = datetime.fromisoformat(moment) - datetime.now(UTC)
    time.sleep(max(0.0, left.total_seconds() + 0.01))


def foreign_owner(corbel: Corbel) -> str:
    """The key of an owner of the tenant `other`: only a token may belong to several tenants, so one makes it."""
    corbel.call("POST", "/api/v1/ai/tenants", {"id": "other", "name": "Other"}).expect(201)
    owner = token(sub="setup", roles=["owner"], tenants=["other"])
    return (
        corbel.call("POST", "/api/v1/ai/keys", {"name": "foreign", "role": "owner"}, key=owner)
        .expect(201)
        .json()["key"]
    )


# ---- tokens


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def signed(header: dict[str, Any], claims: dict[str, Any], secret: str = JWT_SECRET, digest: str = "sha256") -> str:
    content = f"{encoded(json.dumps(header).encode())}.{encoded(json.dumps(claims).encode())}"
    return f"{content}.{encoded(hmac.new(secret.encode(), content.encode(), digest).digest())}"


def token(secret: str = JWT_SECRET, **claims: Any) -> str:
    standard = {"sub": "anna", "roles": ["developer"], "tenants": ["default"], "exp": int(time.time()) + 3600}
    return signed({"alg": "HS256", "typ": "JWT"}, standard | claims, secret)


def tokens() -> dict[str, str]:
    now = int(time.time())
    claims = {"sub": "anna", "roles": ["owner"], "tenants": ["default"], "exp": now + 3600}
    head, body, signature = token(roles=["viewer"]).split(".")
    forged = encoded(json.dumps(claims).encode())
    return {
        "anna": token(),
        "ben": token(sub="ben"),
        "carla": token(sub="carla"),
        "dora": token(sub="dora", roles=["admin"]),
        "traveller": token(sub="traveller", tenants=["default", "other"]),
        "smallOwner": token(sub="small owner", roles=["owner"], tenants=["small"]),
        "nobody": token(sub="nobody", tenants=[]),
        "expiredToken": token(exp=now - 3600),
        "futureToken": token(nbf=now + 3600),
        "endlessToken": signed({"alg": "HS256"}, {k: v for k, v in claims.items() if k != "exp"}),
        "textExpiryToken": token(exp="9999999999"),
        "forgedToken": f"{head}.{forged}.{signature}",
        "foreignSecretToken": token("another-secret-of-more-than-32-bytes"),
        "unsignedToken": f"{encoded(json.dumps({'alg': 'none'}).encode())}.{forged}.",
        "strippedToken": f"{head}.{body}.",
        "otherAlgorithmToken": signed({"alg": "HS512"}, claims, digest="sha512"),
        "criticalToken": signed({"alg": "HS256", "crit": ["b64"], "b64": False}, claims),
    }


# ---- demo models


def register_demo(corbel: Corbel) -> dict[str, str]:
    """The demo models, and one row for each."""
    folder = demo_models()
    command = [sys.executable, str(ROOT / "examples/demo.py"), "register", str(folder)]
    command += ["--url", corbel.url, "--key", corbel.admin_key]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    rows = {
        name: json.loads((folder / f"{name}-samples.json").read_text())[0]
        for name in ("breast-cancer", "diabetes", "digits")
    }
    return {
        "tumour": json.dumps(rows["breast-cancer"]),
        "patient": json.dumps(rows["diabetes"]),
        "patientValues": json.dumps(list(rows["diabetes"].values())),
        "digit": rows["digits"],
    }


@functools.cache
def demo_models() -> Path:
    """Trained once for each state of the script that trains them."""
    script = ROOT / "examples/demo.py"
    return made_once("models", script, lambda folder: run_script(script, "train", folder))


@functools.cache
def demo_files() -> Path:
    script = Path(__file__).with_name("hostile_files.py")
    return made_once("files", script, lambda folder: run_script(script, folder))


def run_script(script: Path, *arguments: str | Path) -> None:
    subprocess.run([sys.executable, str(script), *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def made_once(kind: str, script: Path, make: Any) -> Path:
    folder = DEMO / f"{kind}-{hashlib.sha256(script.read_bytes()).hexdigest()[:16]}"
    if not folder.exists():
        for old in DEMO.glob(f"{kind}-*"):
            shutil.rmtree(old)
        unfinished = DEMO / f"unfinished-{kind}"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        make(unfinished)
        unfinished.rename(folder)
    return folder
