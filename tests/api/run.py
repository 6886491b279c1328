#!/usr/bin/env python3
"""Golden tests of the API: text that a user could have typed.

  run.py [--rewrite] [NAME ...]     NAME: part of a file name

A file holds cases. A case is a title (`# …`), the request (line, headers, body), `---`, and the expected status line,
headers and body. In an expected body `…` leaves the rest open; `~regex~` matches a text. `{{name}}` is filled in:
{{owner}} {{admin}} {{developer}} {{viewer}} {{service}} are keys of one tenant, {{foreign}} an owner of another,
{{dataDir}} the data folder, and what `> name = /pointer` captured from an answer. A body `<FILE` sends a file made by
the fixtures, `<repeat N TEXT` a text N times. Lines that start with `!` say what must not happen: `!contains TEXT`,
`!metric NAME` (it must not move). `% name=value` lines at the top of a file are settings of its server.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
from corbel import ROOT, Answer, Corbel  # noqa: E402
from fixtures import prepare  # noqa: E402

OPEN = "…"


@dataclass
class Case:
    title: str
    line: int
    request: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)


@dataclass
class File:
    path: Path
    settings: dict[str, str]
    cases: list[Case]


def parse(path: Path) -> File:
    settings: dict[str, str] = {}
    cases: list[Case] = []
    target: list[str] | None = None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("% "):
            name, value = line[2:].split("=", 1)
            settings[name.strip()] = value.strip()
        elif line.startswith("# "):
            cases.append(Case(line[2:], number))
            target = cases[-1].request
        elif line == "---":
            target = cases[-1].expected
        elif target is not None and line.strip():
            target.append(line)
    return File(path, settings, cases)


def fill(text: str, names: dict[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        if found[1] not in names:
            raise KeyError(f"{{{{{found[1]}}}}} is not known")
        return names[found[1]]

    return re.sub(r"\{\{(\w+)\}\}", value, text)


def body_of(lines: list[str], names: dict[str, str], folder: Path) -> bytes | None:
    if not lines:
        return None
    text = "\n".join(lines)
    if found := re.fullmatch(r"<repeat (\d+) (.*)", text):
        return (found[2] * int(found[1])).encode()
    if text.startswith("<"):
        return (folder / text[1:].strip()).read_bytes()
    return fill(text, names).encode()


def send(corbel: Corbel, case: Case, names: dict[str, str], folder: Path) -> Answer:
    method, path = fill(case.request[0], names).split(" ", 1)
    headers: dict[str, str] = {}
    rest = case.request[1:]
    while rest and (found := re.fullmatch(r"([A-Za-z-]+): (.*)", rest[0])):
        headers[found[1]] = fill(found[2], names)
        rest = rest[1:]
    body = body_of(rest, names, folder)
    if body is not None and "Content-Type" not in headers:
        headers["Content-Type"] = "application/json"
    return corbel.request(method, path, body, headers)


def pattern(text: str) -> Any:
    """Reads expected JSON in which `…` may stand for an element, a value or the rest of an object."""
    text = re.sub(r"([{,]\s*)…(\s*\})", rf'\1"{OPEN}": 0\2', text)
    text = re.sub(r'(?<!")…(?!")', f'"{OPEN}"', text)
    return json.loads(text)


def difference(expected: Any, actual: Any, where: str = "") -> str | None:
    if expected == OPEN:
        return None
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key, value in expected.items():
            if key == OPEN:
                continue
            if key not in actual:
                return f"{where}/{key} is missing"
            if found := difference(value, actual[key], f"{where}/{key}"):
                return found
        extra = set(actual) - set(expected)
        return f"{where} has also {sorted(extra)}" if extra and OPEN not in expected else None
    if isinstance(expected, list) and isinstance(actual, list):
        wanted = [item for item in expected if item != OPEN]
        if len(wanted) == len(expected) and len(actual) != len(expected):
            return f"{where} has {len(actual)} items, not {len(expected)}"
        if len(actual) < len(wanted):
            return f"{where} has {len(actual)} items, fewer than {len(wanted)}"
        pairs = zip(wanted, actual, strict=False)
        return next((d for i, (e, a) in enumerate(pairs) if (d := difference(e, a, f"{where}/{i}"))), None)
    if isinstance(expected, str) and len(expected) > 2 and expected[0] == expected[-1] == "~":
        return None if re.fullmatch(expected[1:-1], str(actual)) else f"{where} is {actual!r}, not {expected}"
    if isinstance(expected, float) and isinstance(actual, (int, float)):
        return None if abs(expected - actual) < 1e-6 else f"{where} is {actual}, not {expected}"
    return None if expected == actual else f"{where} is {actual!r}, not {expected!r}"


def pointer(document: Any, path: str) -> Any:
    for part in path.strip("/").split("/"):
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


def check(case: Case, answer: Answer, names: dict[str, str]) -> str | None:
    status, _, kind = case.expected[0].partition(" ")
    if str(answer.status) != status:
        return f"status {answer.status}, not {status}: {answer.body[:400].decode(errors='replace')}"
    actual_kind = answer.headers.get("content-type", "")
    if kind and actual_kind != kind:
        return f"content type {actual_kind!r}, not {kind!r}"
    body: list[str] = []
    for line in case.expected[1:]:
        if line.startswith("!contains "):
            text = fill(line[10:], names)
            if text in answer.body.decode(errors="replace") or text in str(answer.headers):
                return f"the answer contains {text!r}"
        elif line.startswith("> "):
            name, where = (part.strip() for part in line[2:].split("=", 1))
            names[name] = str(pointer(answer.json(), where))
        elif not body and (found := re.fullmatch(r"([A-Za-z-]+): (.*)", line)):
            actual = answer.headers.get(found[1].lower(), "")
            if not re.fullmatch(fill(found[2], names), actual):
                return f"header {found[1]} is {actual!r}, not {found[2]!r}"
        elif not line.startswith("!"):
            body.append(line)
    if body:
        text = fill("\n".join(body), names)
        if "json" not in actual_kind:
            return None if text in answer.body.decode(errors="replace") else f"the body lacks {text!r}"
        return difference(pattern(text), answer.json())
    return None


def metrics(case: Case) -> list[str]:
    return [line.split()[1] for line in case.expected if line.startswith("!metric ")]


def run_case(corbel: Corbel, case: Case, names: dict[str, str], folder: Path) -> tuple[str | None, Answer]:
    before = {name: corbel.metric(name) for name in metrics(case)}
    answer = send(corbel, case, names, folder)
    failure = check(case, answer, names)
    for name, value in before.items():
        if not failure and corbel.metric(name) != value:
            failure = f"metric {name} moved"
    return failure, answer


VOLATILE = re.compile(r"^(id|\w+At|\w+Id|timing|key|secret|prefix|etag|correlationId)$")


def steady(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: OPEN if VOLATILE.match(k) else steady(v) for k, v in value.items()}
    return [steady(item) for item in value] if isinstance(value, list) else value


def rewritten(case: Case, answer: Answer) -> list[str]:
    kept = [line for line in case.expected[1:] if re.match(r"!|> |[A-Za-z-]+: ", line)]
    head = f"{answer.status} {answer.headers.get('content-type', '')}".strip()
    body = []
    if "json" in answer.headers.get("content-type", ""):
        body = [json.dumps(steady(answer.json()), ensure_ascii=False).replace(f'"{OPEN}"', OPEN)]
    return [head, *[k for k in kept if k[0] not in "!>"], *body, *[k for k in kept if k[0] in "!>"]]


def run_file(file: File, rewrite: bool) -> list[str]:
    failures: list[str] = []
    with Corbel(settings=file.settings) as corbel:
        names, folder = prepare(corbel)
        for case in file.cases:
            try:
                failure, answer = run_case(corbel, case, names, folder)
            except Exception as error:  # noqa: BLE001 - any surprise is this case's failure
                failures.append(f"{file.path.name}:{case.line} {case.title}: {error!r}")
                continue
            if rewrite:
                case.expected = rewritten(case, answer)
            elif failure:
                failures.append(f"{file.path.name}:{case.line} {case.title}: {failure}")
        if corbel.process.poll() is not None:
            failures.append(f"{file.path.name}: the program ended with {corbel.process.returncode}:\n{corbel.log()[-2000:]}")
    if rewrite:
        write(file)
    return failures


def write(file: File) -> None:
    parts = ["".join(f"% {name}={value}\n" for name, value in file.settings.items())]
    for case in file.cases:
        parts.append("\n".join([f"# {case.title}", *case.request, "---", *case.expected]) + "\n")
    file.path.write_text("\n".join(part for part in parts if part))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rewrite", action="store_true", help="take what the program answers as expected")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    paths = sorted(HERE.glob("*.test"))
    files = [parse(p) for p in paths if not options.names or any(n in p.name for n in options.names)]
    passed = failed = 0
    for file in files:
        begin = time.monotonic()
        failures = run_file(file, options.rewrite)
        failed += len(failures)
        passed += len(file.cases) - len(failures)
        print(f"{file.path.relative_to(ROOT)}: {len(file.cases)} cases, {time.monotonic() - begin:.1f} s", flush=True)
        for failure in failures:
            print(f"  FAILED {failure}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
