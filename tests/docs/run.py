#!/usr/bin/env python3
"""Runs the examples of the guides, compares what they print with what the guides say, and follows the links.

  run.py [NAME ...]     NAME: part of a file name under docs/

A block of shell after a line `<!-- run -->` is run, all of one page in one shell, against a server of the page's own
with an empty data folder. $CORBEL_URL and $CORBEL_KEY are set, the working folder looks like a checkout after
`./dev run` (data/, examples/), `corbel` and `python3` are on the PATH. A block after `<!-- output -->` is compared with
what the run block before it printed: `…` stands for anything, white space and line breaks count once, none counts
beside punctuation of JSON. `<!-- settings NAME=VALUE ... -->` are settings of the page's server.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
from corbel import ROOT, Corbel, binary  # noqa: E402

TRAINER = ROOT / "examples/demo.py"
# Trained anew when the script changes.
DEMO = ROOT / "build/test" / f"demo-{hashlib.sha256(TRAINER.read_bytes()).hexdigest()[:8]}"
MARK = "=== block "


@dataclass
class Block:
    line: int
    script: str
    expected: list[str] = field(default_factory=list)


@dataclass
class Page:
    path: Path
    blocks: list[Block]
    settings: dict[str, str]


def parse(path: Path) -> Page:
    page = Page(path, [], {})
    mark, fence = "", None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if fence is not None:
            if line != "```":
                fence.append(line)
                continue
            text = "\n".join(fence)
            if mark == "run":
                page.blocks.append(Block(number - len(fence), text))
            elif mark == "output":
                page.blocks[-1].expected.append(text)
            mark, fence = "", None
        elif line.startswith("```"):
            fence = []
        elif found := re.fullmatch(r"<!-- (run|output) -->", line):
            mark = found[1]
        elif found := re.fullmatch(r"<!-- settings (.*) -->", line):
            page.settings |= dict(pair.split("=", 1) for pair in found[1].split())
        elif line:
            mark = ""
    return page


def script(page: Page) -> str:
    parts = ["set -euo pipefail"]
    for index, block in enumerate(page.blocks):
        parts += [f"echo; echo '{MARK}{index}'", block.script]
    return "\n".join(parts) + "\n"


def plain(text: str) -> str:
    text = re.sub(r"\s+", " ", text.strip())
    return re.sub(r" ?([{}\[\],:]) ?", r"\1", text)


def fits(expected: str, actual: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in plain(expected).split("…"))
    return re.fullmatch(pattern, plain(actual), re.S) is not None


def outputs(text: str) -> dict[int, str]:
    parts = re.split(rf"^{MARK}(\d+)\n", text, flags=re.M)
    return {int(index): body for index, body in zip(parts[1::2], parts[2::2], strict=True)}


def train_demo() -> None:
    if not (DEMO / "manifest.json").exists():
        subprocess.run([sys.executable, str(TRAINER), "train", str(DEMO)], check=True)


def run_page(page: Page) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="corbel-docs-") as folder:
        here = Path(folder)
        with Corbel(settings=page.settings, folder=here / "data") as corbel:
            (here / "data/demo").symlink_to(DEMO)
            (here / "examples").symlink_to(ROOT / "examples")
            path = f"{Path(sys.executable).parent}:{binary().parent}:{os.environ['PATH']}"
            environment = os.environ | {"CORBEL_URL": corbel.url, "CORBEL_KEY": corbel.admin_key, "PATH": path}
            command = ["bash", "-c", script(page)]
            done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, timeout=300)
            name = page.path.relative_to(ROOT)
            printed = outputs(done.stdout)
            failures = []
            if done.returncode != 0:
                block = page.blocks[max(printed, default=0)]
                failures.append(
                    f"{name}:{block.line}: exit {done.returncode}\n{printed.get(max(printed, default=0))}{done.stderr}"
                )
            for index, block in enumerate(page.blocks):
                for expected in block.expected:
                    if index in printed and not fits(expected, printed[index]):
                        failures.append(f"{name}:{block.line}: says\n{expected}\nbut prints\n{printed[index]}")
            return failures


def anchors(text: str) -> set[str]:
    """As code hosts make them of headings."""
    titles = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_links() -> list[str]:
    broken = []
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
            name, _, anchor = target.partition("#")
            file = page.parent / name if name else page
            if ":" in name:
                continue
            if not file.exists() or (anchor and anchor not in anchors(file.read_text())):
                broken.append(f"{page.relative_to(ROOT)}: {target} leads nowhere")
    return broken


def main() -> int:
    names = sys.argv[1:]
    pages = [parse(path) for path in sorted((ROOT / "docs").glob("*.md"))]
    pages = [page for page in pages if page.blocks and (not names or any(n in page.path.name for n in names))]
    train_demo()
    broken = broken_links()
    print("".join(f"FAILED {line}\n" for line in broken), end="")
    passed, failed = 0, len(broken)
    for page in pages:
        begin = time.monotonic()
        failures = run_page(page)
        failed += len(failures)
        passed += max(len(page.blocks) - len(failures), 0)
        print(
            f"{page.path.relative_to(ROOT)}: {len(page.blocks)} examples, {time.monotonic() - begin:.1f} s", flush=True
        )
        for failure in failures:
            print(f"FAILED {failure}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
