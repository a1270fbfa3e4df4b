"""The versions that bear on numbers: a result is only what the same sources would compute again."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

import qmis_kernels
import qmis_stats
from qmis_kernels._cache import sources_digest

__all__ = ["NUMERIC_ROOMS", "versions"]

NUMERIC_ROOMS = (
    "backends",
    "evaluate",
    "exact",
    "experiment",
    "increments",
    "laws",
    "numerics",
    "problem",
    "procedures",
    "quantizers",
    "results",
    "scores",
    "simulate",
    "theory",
    "tilting",
    "validation",
)
"""Modules and packages of ``qmis_stats`` through which a number goes from its specification to its result."""

_LIBRARIES = ("numpy", "scipy")


@cache
def versions() -> dict[str, str]:
    """Return the version of the package, a digest of the sources of its numbers, and versions of NumPy and SciPy.

    The compiled backends and the GPU give the same bits, and so they have no part in it.

    Examples
    --------
    >>> sorted(versions())
    ['numpy', 'qmis_stats', 'scipy', 'sources']
    """
    package = Path(qmis_stats.__file__).parent
    digest = hashlib.sha256()
    for room in NUMERIC_ROOMS:
        file = package / f"{room}.py"
        digest.update(file.read_bytes() if file.exists() else _tree(package / room))
    digest.update(_tree(Path(qmis_kernels.__file__).parent))
    libraries = {name: version(name) for name in _LIBRARIES}
    return {"qmis_stats": qmis_stats.__version__, "sources": digest.hexdigest()[:16], **libraries}


def _tree(folder: Path) -> bytes:
    """Return the digests of a folder and of the folders in it."""
    folders = sorted({path.parent for path in folder.rglob("*.py")})
    return "".join(f"{inner.relative_to(folder).as_posix()}:{sources_digest(inner)};" for inner in folders).encode()
