"""Writes THIRD_PARTY.md from deps.lock.

third_party.py [--check]     --check: changes nothing, fails when the file is not current or a licence does not fit
"""

from __future__ import annotations

import sys

from lock_file import ROOT, Dependency, dependencies

TARGET = ROOT / "THIRD_PARTY.md"

# What becomes part of a Corbel installation asks for no more than a notice.
PERMISSIVE = {
    *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "IJG", "MIT", "Zlib"),
    *("blessing", "curl", "libpng-2.0", "PostgreSQL"),
}

SECTIONS = {
    "linked": "Linked: part of the program",
    "shipped": "Shipped beside the program",
    "build": "Build only",
    "test": "Test only: tests, lint, demo models",
    "bench": "Bench only: load generators and peers to compare with",
}

INTRO = """# Third-party software

Generated from `deps.lock` by `tools/third_party.py`; `./dev lint` checks that it is current. No third-party source is
kept in this repository: `./dev setup` fetches everything, by hash where the system's release does not pin it. Licences
are SPDX identifiers; `/` means either, `+` means all apply to parts. What is linked or shipped is under permissive
licences only.
"""


def version(dependency: Dependency) -> str:
    return "of Debian 12" if dependency.version == "bookworm" else dependency.version


def document(rows: list[Dependency]) -> str:
    parts = [INTRO]
    for use, title in SECTIONS.items():
        parts.append(f"\n## {title}\n\n| name | version | licence | what for |\n|---|---|---|---|\n")
        for row in (row for row in rows if row.use == use):
            parts.append(f"| {row.name} | {version(row)} | {row.licence} | {row.purpose} |\n")
    return "".join(parts)


def problems(rows: list[Dependency]) -> list[str]:
    found = [f'{row.name}: unknown use "{row.use}"' for row in rows if row.use not in SECTIONS]
    for row in rows:
        if row.use in ("linked", "shipped"):
            offered = [set(choice.split("+")) for choice in row.licence.split("/")]
            if not any(choice <= PERMISSIVE for choice in offered):
                found.append(f"{row.name} is {row.use}, but {row.licence} is not among the permissive licences")
    return found


def main() -> int:
    rows = dependencies()
    found = problems(rows)
    text = document(rows)
    if "--check" not in sys.argv:
        TARGET.write_text(text)
    elif not TARGET.exists() or TARGET.read_text() != text:
        found.append("THIRD_PARTY.md is not what deps.lock says: run python3 tools/third_party.py")
    for line in found:
        print(f"third party: {line}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
