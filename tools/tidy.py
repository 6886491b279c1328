"""Rules of the house that no compiler checks.

tidy.py [FOLDER]     the repository, or FOLDER as if it were one

tools/tidy.offenders lists what breaks a rule today, as `rule path count`. It may only shrink: an offence that is not
listed fails, and so does a line that lists more than there is.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

FILE_LINES = 500
FUNCTION_LINES = 70
COLUMNS = {".cpp": 100, ".h": 100, ".py": 120, ".sh": 130, ".cmake": 130}

CODE = (".cpp", ".h")
TEXT = (
    *CODE,
    ".py",
    ".sh",
    ".cmake",
    ".txt",
    ".md",
    ".toml",
    ".json",
    ".yaml",
    ".yml",
    ".lock",
    ".ts",
    ".js",
    ".svelte",
    "",
)


@dataclass(frozen=True)
class Offence:
    rule: str
    path: str
    line: int
    text: str


# include pattern -> the only folders that may have it
INCLUDES = {
    r"boost/(beast|asio)\b": ("src/platform/http/", "src/platform/net/"),
    r"sqlite3(ext)?\.h|libpq": ("src/platform/store/",),
    r"onnxruntime": ("src/features/inference/",),
}

BANNED = {
    r"\b(std::)?v?sprintf\s*\(": "sprintf: use fmt::format",
    r"\b(std::)?str(cpy|cat|tok)\s*\(": "strcpy, strcat, strtok: use std::string",
    r"\bstd::w?regex\b": "std::regex: slow, and stack overflows on long input",
    r"(?<![\w.>:])(std::|::)?system\s*\(": "system: use platform/exec",
    r"(?<![\w.>:])(::)?popen\s*\(": "popen: use platform/exec",
    r"(?<![\w.>:])(std::|::)?s?rand\s*\(": "rand: use base/random.h",
}

# Written so that this file does not contain what it looks for.
HOSTS = "|".join(
    [
        r"pythonhosted[.]org|pypi[.]org|crates[.]io|npmjs[.](org|com)|proxy[.]golang[.]org|repo1?[.]maven",
        r"(deb|security|snapshot)[.]debian[.]org",
    ]
)
MACHINE = r"(?<![\w.])/(wor[k]|roo[t]|User[s])/\w"


def without_texts(line: str) -> str:
    """The line less the contents of its string literals."""
    return re.sub(r'"(\\.|[^"\\])*"', '""', line)


def without_comments(line: str) -> str:
    return re.sub(r"//.*", "", without_texts(line))


def size(path: str, lines: list[str]) -> Iterator[Offence]:
    if path.startswith("src/") and path.endswith(CODE) and len(lines) > FILE_LINES:
        yield Offence("file-length", path, 1, f"{len(lines)} lines, at most {FILE_LINES}")


def functions(path: str, lines: list[str]) -> Iterator[Offence]:
    """From a line that ends in `{` to the first `}` as deep as that line began. Tests may hold tables."""
    if not (path.startswith("src/") and path.endswith(CODE)) or path.endswith("_test.cpp"):
        return
    begin, indent, statement = 0, "", 1
    for number, line in enumerate(lines, 1):
        if begin and line.startswith(indent + "}"):
            if number - begin >= FUNCTION_LINES:
                yield Offence("function-length", path, begin, f"{number - begin + 1} lines, at most {FUNCTION_LINES}")
            begin = 0
        elif not begin and line.endswith(" {") and not line.endswith("= {"):
            first, head = lines[statement - 1], "\n".join(lines[statement - 1 : number])
            if not re.search(r"^ *(template <.*>\s*)?(namespace|class|struct|enum|union|extern)\b", head, re.M):
                begin, indent = statement, first[: len(first) - len(first.lstrip())]
        if re.search(r"[;{}:]$|^\s*(#.*)?$", re.sub(r"\s*//.*", "", line)):
            statement = number + 1


def columns(path: str, lines: list[str]) -> Iterator[Offence]:
    """Tables and raw strings that clang-format is told to leave alone may be as wide as they are."""
    limit = COLUMNS.get(Path(path).suffix)
    if limit is None:
        return
    table = False
    for number, line in enumerate(lines, 1):
        if "clang-format o" in line:
            table = "clang-format off" in line
        if len(without_texts(line)) > limit and not table and 'R"' not in line:
            yield Offence("line-length", path, number, f"{len(line)} columns, at most {limit}")


def includes(path: str, lines: list[str]) -> Iterator[Offence]:
    if not (path.startswith("src/") and path.endswith(CODE)):
        return
    for number, line in enumerate(lines, 1):
        named = re.match(r'\s*#\s*include\s*[<"]([^>"]+)', line)
        for pattern, homes in INCLUDES.items():
            if named and re.match(pattern, named[1]) and not path.startswith(homes):
                yield Offence("include", path, number, f"{named[1]} only in {' and '.join(homes)}")


def banned(path: str, lines: list[str]) -> Iterator[Offence]:
    if path.endswith(CODE):
        for number, line in enumerate(lines, 1):
            code = without_comments(line)
            for pattern, why in BANNED.items():
                if re.search(pattern, code) and not ("regex" in pattern and path.endswith("_test.cpp")):
                    yield Offence("banned", path, number, why)


def places(path: str, lines: list[str]) -> Iterator[Offence]:
    for number, line in enumerate(lines, 1):
        if found := re.search(HOSTS, line):
            yield Offence(
                "registry-host",
                path,
                number,
                f"{found[0]}: the machine's own configuration says where packages come from",
            )
        if found := re.search(MACHINE, line):
            yield Offence("machine-path", path, number, f"{found[0]}…: a path of one machine")


RULES: list[Callable[[str, list[str]], Iterator[Offence]]] = [size, functions, columns, includes, banned, places]


def files(root: Path) -> Iterator[str]:
    if (root / ".git").exists():
        git = ["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate"]
        names = subprocess.run(git, capture_output=True, text=True, check=True).stdout.splitlines()
    else:
        names = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    return (name for name in names if Path(name).suffix in TEXT and (root / name).is_file())


def offences(root: Path) -> list[Offence]:
    found = []
    for name in files(root):
        lines = (root / name).read_text(errors="replace").splitlines()
        for rule in RULES:
            found += rule(name, lines)
    return found


def allowed(root: Path) -> Counter[tuple[str, str]]:
    path = root / "tools/tidy.offenders"
    rows = path.read_text().splitlines() if path.exists() else []
    split = (row.split() for row in rows if row and not row.startswith("#"))
    return Counter({(rule, name): int(count) for rule, name, count in split})


def main() -> int:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[1]
    found, known = offences(root), allowed(root)
    now = Counter((offence.rule, offence.path) for offence in found)
    failed = False
    for key, count in known.items():
        if now[key] < count:
            print(f"tools/tidy.offenders: {key[0]} {key[1]} {count}: there are {now[key]}, say so")
            failed = True
    for offence in found:
        key = (offence.rule, offence.path)
        if now[key] > known[key]:
            print(f"{offence.path}:{offence.line}: {offence.rule}: {offence.text}")
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
