"""The one place for Numba's options and for where compiled code is kept.

No fast-math: sums keep their order and nothing is contracted into fused multiply-adds, so that every compiled
function has the bits of its NumPy reference.  Numba's cache looks only at the file of the function itself and
would return stale code after a change of a callee in another file; the cache directory is therefore keyed by
all sources.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numba
from numba import prange, types
from numba.extending import intrinsic

from qmis_kernels._cache import cache_directory

__all__ = ["compiled", "inlined", "parallel", "prange", "wide"]

_F = TypeVar("_F", bound=Callable[..., Any])
_intrinsic: Any = intrinsic  # whose types do not say what the function is that it returns


@contextmanager
def _caching() -> Iterator[bool]:
    """Point Numba at our cache directory while a function is declared; yield whether to cache at all."""
    config: Any = numba.config
    if os.environ.get("NUMBA_CACHE_DIR"):
        yield True
        return
    directory = cache_directory()
    if directory is None:
        yield False
        return
    previous = config.CACHE_DIR
    config.CACHE_DIR = str(directory)
    try:
        yield True
    finally:
        config.CACHE_DIR = previous


def _declare(function: _F, **options: bool) -> _F:
    njit: Any = numba.njit
    declared: _F
    with _caching() as keep:
        try:
            declared = njit(error_model="numpy", fastmath=False, cache=keep, **options)(function)
        except RuntimeError:  # no place for the cache: neither NUMBA_CACHE_DIR nor beside the sources nor at home
            declared = njit(error_model="numpy", fastmath=False, **options)(function)
    return declared


def compiled(function: _F) -> _F:
    """Compile a formula or a sequential loop at its first call."""
    return _declare(function)


def inlined(function: _F) -> _F:
    """Compile a short formula into each of its callers, so that their loops can run on vectors."""
    return _declare(function, forceinline=True)


def parallel(function: _F) -> _F:
    """Compile a loop over ``prange`` at its first call; its iterations are spread over threads."""
    return _declare(function, parallel=True)


@_intrinsic
def wide(_typing: Any) -> Any:
    """Let the loops of the function that calls this use vectors of 512 bits, where the processor has them.

    LLVM prefers half of that on many processors, and there are two units for wide vectors against three for others, so
    that only long calculations gain.  The function is kept out of its callers, which have their own preference.
    """

    def generate(context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        set.update(builder.function.attributes, ('"prefer-vector-width"="512"', "noinline"))  # llvmlite knows few names
        return context.get_dummy_value()

    return types.void(), generate
