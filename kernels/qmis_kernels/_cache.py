"""Where compiled code is kept: one directory for each state of the sources."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path

__all__ = ["cache_directory", "sources_digest"]


def sources_digest(folder: Path) -> str:
    """Return a digest of the names and contents of all Python sources in ``folder``.

    What is compiled from CUDA sources is named by a digest of its complete text besides: see ``device.py``.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


@cache
def cache_directory() -> Path | None:
    """Return the directory for compiled code, or None when no place for it is writable."""
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        root = Path(base) if base else Path.home() / ".cache"
        directory = root / "qmis_kernels" / sources_digest(Path(__file__).parent)
        directory.mkdir(parents=True, exist_ok=True)
        if not os.access(directory, os.W_OK | os.X_OK):
            return None
    except (OSError, RuntimeError):
        return None
    return directory
