"""What this machine offers: versions, backends, threads, GPU."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from qmis_stats.errors import InputError
from qmis_stats.reporting.tables import Table

__all__ = ["environment", "environment_table"]

_PACKAGES = ("numpy", "scipy", "numba", "statsmodels", "matplotlib", "cupy")
_CUPY_WHEELS = ("cupy", "cupy-cuda12x", "cupy-cuda13x", "cupy-cuda11x")
_NOT_INSTALLED = "not installed"


def environment() -> dict[str, Any]:
    """Return versions, backends with the reason why one cannot run, threads and GPU, ready for JSON.

    Returns
    -------
    dict
        ``qmis_stats``, ``python``, ``platform``: str; ``packages``: version or ``"not installed"`` by name;
        ``quantizer_libraries``: likewise; ``backends``: ``{"available": bool, "reason": str or None}`` by name;
        ``threads``, ``cpus``: int; ``gpu``: str or None.

    Examples
    --------
    >>> environment()["backends"]["reference"]
    {'available': True, 'reason': None}
    """
    import qmis_kernels
    from qmis_stats import __version__
    from qmis_stats.quantizers.libraries import installed_libraries

    packages = {name: _version(name) for name in _PACKAGES}
    return {
        "qmis_stats": __version__,
        "python": platform.python_version(),
        "platform": " ".join(
            filter(None, (sys.platform, platform.release(), platform.machine(), *platform.libc_ver()))
        ),
        "packages": packages,
        "quantizer_libraries": {name: found or _NOT_INSTALLED for name, found in installed_libraries().items()},
        "backends": {name: _backend(name) for name in qmis_kernels.BACKENDS if name != "auto"},
        "threads": qmis_kernels.threads() if packages["numba"] != _NOT_INSTALLED else 1,
        "cpus": os.cpu_count() or 1,
        "gpu": _gpu(),
    }


def environment_table(found: Mapping[str, Any]) -> Table:
    """Return what :func:`environment` found as a table.

    Examples
    --------
    >>> environment_table(environment()).columns
    ('part', 'found')
    """
    if not isinstance(found, Mapping) or "backends" not in found:
        raise InputError("found", found, "what environment() returns")
    rows = [
        *((name, found[name]) for name in ("qmis_stats", "python", "platform")),
        *found["packages"].items(),
        *((f"quantizers {name}", version) for name, version in found["quantizer_libraries"].items()),
    ]
    for name, backend in found["backends"].items():
        # The reason names the backend, which stands in front of it here.
        why_not = (backend["reason"] or "").removeprefix(f"backend {name!r}: ")
        rows.append((f"backend {name}", "available" if backend["available"] else f"not available: {why_not}"))
    rows += [("threads", f"{found['threads']} of {found['cpus']} processors"), ("GPU", found["gpu"] or "none")]
    return Table("Environment", ("part", "found"), rows, frozenset({0, 1}))


def _version(package: str) -> str:
    for name in _CUPY_WHEELS if package == "cupy" else (package,):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return _NOT_INSTALLED


def _backend(name: str) -> dict[str, Any]:
    import qmis_kernels

    try:
        qmis_kernels.backend(name)
    except (qmis_kernels.BackendUnavailable, ImportError) as error:
        return {"available": False, "reason": " ".join(str(error).split())}
    return {"available": True, "reason": None}


def _gpu() -> str | None:
    """Return the name of the first GPU that CuPy sees."""
    if _version("cupy") == _NOT_INSTALLED:
        return None
    try:
        import cupy

        return str(cupy.cuda.runtime.getDeviceProperties(0)["name"].decode())
    except (ImportError, RuntimeError):
        return None
