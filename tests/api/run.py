#!/usr/bin/env python3
"""Golden tests of the API: text that a user could have typed.

  run.py [--rewrite] [NAME ...]     NAME: part of a file name

A file holds cases. A case is a title (`# …`), the request (line, headers, body), `---`, and the expected status line,
headers and body. In front, `* N` sends it N times and looks at the last answer, and `? N` sends it again until the
answer is the expected one, at most N times.

`{{name}}` is filled in: {{owner}} {{admin}} {{developer}} {{viewer}} {{service}} are keys of one tenant, {{foreign}} an
owner of another; support/fixtures.py has the others. `{{1000*x}}` is x, a thousand times. A body `<FILE` is a file that
support/hostile_files.py made.

In an expected body `…` leaves the rest open and `~regex~` matches a text; headers are regular expressions.
`> name = /pointer` keeps a part of the answer as {{name}} for the cases below. Lines that start with `!` say what must
not happen: `!contains TEXT`, `!header NAME`, `!metric NAME` or `!metric NAME{label=value}` (it must not move).

`% name=value` lines at the top of a file are settings; files with the same settings share a server. A refusal (400 to
499, and 507) must cost less than 100 ms of processor time, and the best of three be there in 250 ms, unless it checks a
password.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
from corbel import ROOT, SANITIZED, Answer, Corbel  # noqa: E402
from fixtures import ENVIRONMENT, SETTINGS, prepare  # noqa: E402

OPEN = "…"
HEADER = r"([A-Za-z][A-Za-z0-9-]*): ?(.*)"
REFUSAL_CPU_SECONDS = 0.1  # of processor time: other programs on the machine do not count
REFUSAL_SECONDS = 0.25  # by the clock, and so with what others take of the machine: the best of three
PASSWORDS = re.compile(r"POST /api/v1/ai/(session|me/password)$")  # their hashing is meant to take time


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


# ---- reading


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

    text = re.sub(r"\{\{(\w+)\}\}", value, text)
    return re.sub(r"\{\{(\d+)\*(.+?)\}\}", lambda found: found[2] * int(found[1]), text)


def pattern(text: str) -> Any:
    """Reads expected JSON in which `…` may stand for an element, a value or the rest of an object."""
    text = re.sub(r"([{,]\s*)…(\s*\})", rf'\1"{OPEN}": 0\2', text)
    text = re.sub(r"(?<=[\[:,\s])…(?=[\],}\s])", f'"{OPEN}"', text)
    return json.loads(f'"{OPEN}"' if text.strip() == OPEN else text)


# ---- sending


def times(case: Case, mark: str) -> int:
    return int(case.request[0][2:]) if case.request[0].startswith(mark) else 1


def send(corbel: Corbel, case: Case, names: dict[str, str], folder: Path) -> Answer:
    lines = case.request[1:] if case.request[0][0] in "*?" else case.request
    method, path = fill(lines[0], names).split(" ", 1)
    headers: list[tuple[str, str]] = []
    rest = lines[1:]
    while rest and (found := re.fullmatch(HEADER, rest[0])):
        headers.append((found[1], fill(found[2], names)))
        rest = rest[1:]
    body = None
    if rest and rest[0].startswith("<"):
        body = (folder / rest[0][1:].strip()).read_bytes()
    elif rest:
        body = fill("\n".join(rest), names).encode()
    if body is not None and "content-type" not in {name.lower() for name, _ in headers}:
        headers.append(("Content-Type", "application/json"))
    return corbel.request(method, path, body, headers)


# ---- comparing


def difference(expected: Any, actual: Any, where: str = "") -> str | None:
    if expected == OPEN:
        return None
    if isinstance(expected, dict) and isinstance(actual, dict):
        return difference_of_objects(expected, actual, where)
    if isinstance(expected, list) and isinstance(actual, list):
        return difference_of_lists(expected, actual, where)
    if isinstance(expected, str) and len(expected) > 2 and expected[0] == expected[-1] == "~":
        matches = isinstance(actual, str) and re.fullmatch(expected[1:-1], actual)
        return None if matches else f"{where} is {actual!r}, not {expected}"
    if isinstance(expected, bool) or isinstance(actual, bool) or not isinstance(expected, (int, float)):
        return None if expected is actual or expected == actual else f"{where} is {actual!r}, not {expected!r}"
    close = isinstance(actual, (int, float)) and abs(expected - actual) < 1e-6
    return None if close else f"{where} is {actual!r}, not {expected}"


def difference_of_objects(expected: dict[str, Any], actual: dict[str, Any], where: str) -> str | None:
    for key, value in expected.items():
        if key == OPEN:
            continue
        if key not in actual:
            return f"{where}/{key} is missing"
        if found := difference(value, actual[key], f"{where}/{key}"):
            return found
    extra = set(actual) - set(expected)
    return f"{where} has also {sorted(extra)}" if extra and OPEN not in expected else None


def difference_of_lists(expected: list[Any], actual: list[Any], where: str) -> str | None:
    """With `…` among them, the expected elements must be there in their order; without, these and no others."""
    if OPEN not in expected:
        if len(actual) != len(expected):
            return f"{where} has {len(actual)} items, not {len(expected)}"
        pairs = zip(expected, actual, strict=True)
        return next((d for i, (e, a) in enumerate(pairs) if (d := difference(e, a, f"{where}/{i}"))), None)
    rest = iter(actual)
    for wanted in (item for item in expected if item != OPEN):
        if not any(difference(wanted, item) is None for item in rest):
            return f"{where} has no {json.dumps(wanted, ensure_ascii=False)} there"
    return None


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
        if line.startswith("!"):
            if found := forbidden(line, answer, names):
                return found
        elif line.startswith("> "):
            name, where = (part.strip() for part in line[2:].split("=", 1))
            names[name] = str(pointer(answer.json(), where))
        elif not body and (found := re.fullmatch(HEADER, line)):
            actual = answer.headers.get(found[1].lower(), "")
            if not re.fullmatch(fill(found[2], names), actual):
                return f"header {found[1]} is {actual!r}, not {found[2]!r}"
        else:
            body.append(line)
    return check_body(fill("\n".join(body), names), answer)


def check_body(expected: str, answer: Answer) -> str | None:
    if not expected:
        return None
    if "json" not in answer.headers.get("content-type", ""):
        return None if expected in answer.body.decode(errors="replace") else f"the body lacks {expected!r}"
    return difference(pattern(expected), answer.json())


def forbidden(line: str, answer: Answer, names: dict[str, str]) -> str | None:
    word, _, text = line.partition(" ")
    text = fill(text, names)
    if word == "!contains" and (text in answer.body.decode(errors="replace") or text in str(answer.headers)):
        return f"the answer contains {text!r}"
    if word == "!header" and text.lower() in answer.headers:
        return f"the answer has a header {text}"
    return None


def run_case(corbel: Corbel, case: Case, names: dict[str, str], folder: Path) -> tuple[str | None, Answer]:
    counters = [line.split()[1] for line in case.expected if line.startswith("!metric ")]
    before = {name: corbel.metric(name) for name in counters}
    for _ in range(times(case, "*") - 1):
        send(corbel, case, names, folder)
    for _ in range(times(case, "?")):
        cpu, begin = corbel.cpu_seconds(), time.monotonic()
        answer = send(corbel, case, names, folder)
        took, cpu = time.monotonic() - begin, corbel.cpu_seconds() - cpu
        failure = check(case, answer, names)
        if not failure:
            break
        time.sleep(0.01 if case.request[0][0] == "?" else 0)
    if not failure and is_refusal(answer):
        failure = slowness(corbel, case, names, folder, took, cpu)
    for name, value in before.items():
        if not failure and corbel.metric(name) != value:
            failure = f"metric {name} moved"
    return failure, answer


def is_refusal(answer: Answer) -> bool:
    return 400 <= answer.status < 500 or answer.status == 507


def slowness(corbel: Corbel, case: Case, names: dict[str, str], folder: Path, took: float, cpu: float) -> str | None:
    """What was refused changed nothing, so it can be asked again."""
    if SANITIZED:
        return None
    if cpu > REFUSAL_CPU_SECONDS:
        return f"the refusal took {cpu * 1000:.0f} ms of processor time"
    if any(PASSWORDS.match(line) for line in case.request[:2]):
        return None
    for _ in range(2):
        if took <= REFUSAL_SECONDS:
            return None
        begin = time.monotonic()
        send(corbel, case, names, folder)
        took = min(took, time.monotonic() - begin)
    return f"the refusal took {took * 1000:.0f} ms" if took > REFUSAL_SECONDS else None


# ---- rewriting

VOLATILE = re.compile(r"^(id|\w+At|\w+Id|timing|key|prefix|correlationId|createdBy|changedBy)$")


def steady(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: OPEN if VOLATILE.match(k) else steady(v) for k, v in value.items()}
    return [steady(item) for item in value] if isinstance(value, list) else value


def rewritten(case: Case, answer: Answer) -> list[str]:
    kept = [line for line in case.expected[1:] if re.match(r"!|> ", line) or re.fullmatch(HEADER, line)]
    head = f"{answer.status} {answer.headers.get('content-type', '')}".strip()
    body = []
    if "json" in answer.headers.get("content-type", ""):
        body = [json.dumps(steady(answer.json()), ensure_ascii=False).replace(f'"{OPEN}"', OPEN)]
    return [head, *[k for k in kept if k[0] not in "!>"], *body, *[k for k in kept if k[0] in "!>"]]


def write(file: File) -> None:
    parts = ["".join(f"% {name}={value}\n" for name, value in file.settings.items())]
    for case in file.cases:
        parts.append("\n".join([f"# {case.title}", *case.request, "---", *case.expected]) + "\n")
    file.path.write_text("\n".join(part for part in parts if part))


# ---- running


def run_file(corbel: Corbel, file: File, names: dict[str, str], folder: Path, rewrite: bool) -> list[str]:
    failures: list[str] = []
    for case in file.cases:
        where = f"{file.path.name}:{case.line} {case.title}"
        try:
            failure, answer = run_case(corbel, case, names, folder)
        except Exception as error:  # noqa: BLE001 - any surprise is this case's failure
            failures.append(f"{where}: {error!r}")
            continue
        if failure and rewrite:
            case.expected = rewritten(case, answer)
        elif failure:
            failures.append(f"{where}: {failure}")
    if not corbel.alive():
        ended = f"the program ended with {corbel.process.returncode}"
        failures.append(f"{file.path.name}: {ended}:\n{corbel.log()[-2000:]}")
    if rewrite:
        write(file)
    return failures


def run_together(files: list[File], rewrite: bool) -> tuple[int, int]:
    """Files with the same settings, one after the other on one server."""
    passed = failed = 0
    with Corbel(settings=SETTINGS | files[0].settings, environment=ENVIRONMENT) as corbel:
        names, folder = prepare(corbel)
        for file in files:
            begin = time.monotonic()
            failures = run_file(corbel, file, dict(names), folder, rewrite)
            failed += len(failures)
            passed += len(file.cases) - len(failures)
            print(
                f"{file.path.relative_to(ROOT)}: {len(file.cases)} cases, {time.monotonic() - begin:.1f} s", flush=True
            )
            for failure in failures:
                print(f"  FAILED {failure}", flush=True)
    return passed, failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rewrite", action="store_true", help="take what the program answers as expected")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    paths = sorted(HERE.glob("*.test"))
    files = [parse(p) for p in paths if not options.names or any(n in p.name for n in options.names)]
    files.sort(key=lambda file: (sorted(file.settings.items()), file.path))
    passed = failed = 0
    for _, same in groupby(files, key=lambda file: sorted(file.settings.items())):
        more_passed, more_failed = run_together(list(same), options.rewrite)
        passed, failed = passed + more_passed, failed + more_failed
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
