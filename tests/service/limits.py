"""The program where files may not grow beyond a size, as on a full disk."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

from corbel import binary, clean_environment


def file_limit(file_bytes: int) -> Callable[[], None]:
    """It may be lifted again."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, resource.RLIM_INFINITY))


def limited(home: Path, folder: Path, file_bytes: int) -> subprocess.CompletedProcess[str]:
    """A start that is expected to fail. Its output goes to files that are not limited: pipes."""
    return subprocess.run(
        [str(binary()), "serve", "--server.port=0", f"--data.folder={folder}"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=home,
        env=clean_environment(),
        preexec_fn=file_limit(file_bytes),
    )
