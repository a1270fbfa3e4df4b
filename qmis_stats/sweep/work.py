"""What a worker does: it is told a specification and a block, and answers with a result."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

from qmis_stats.errors import BackendUnavailableError, DomainError, DomainWarning, InputError, QmisError
from qmis_stats.evaluate import mis
from qmis_stats.results import MISResult
from qmis_stats.sweep.adaptive import Block
from qmis_stats.sweep.cell import Cell
from qmis_stats.sweep.versions import versions
from qmis_stats.threads import one_thread

__all__ = ["Done", "Item", "SweepError", "compute"]

_ONE_AT_A_TIME = threading.Lock()  # compiled loops of two threads of one process must not meet

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # mallopt(3)


class SweepError(QmisError):
    """A sweep cannot go on; the line says why."""


@dataclass(frozen=True)
class Item:
    """One block of one cell; ``method`` is what ``auto`` has chosen in the first block."""

    key: str
    specification: str
    block: int
    method: str


@dataclass(frozen=True)
class Done:
    """A block, or why there is none."""

    key: str
    number: int
    block: Block | None
    refusal: str = ""


def compute(items: Sequence[Item], backend: str, expected: dict[str, str]) -> list[Done]:
    """Compute blocks, on one thread.

    Parameters
    ----------
    items : sequence of Item
        What to compute.
    backend : str
        ``"auto"``: a GPU where the worker has one.
    expected : dict
        Versions that the specifications name.

    Raises
    ------
    SweepError
        If the worker has other versions, not enough memory, or not the backend.
    """
    if versions() != expected:
        own = {name: value for name, value in versions().items() if expected.get(name) != value}
        raise SweepError(f"a worker has other versions than the sweep: {own} instead of {expected}")
    _keep_memory()
    with _ONE_AT_A_TIME, _one_thread():
        return [_computed(item, backend) for item in items]


def _computed(item: Item, backend: str) -> Done:
    cell = Cell(item.specification)
    run = cell.run
    start = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DomainWarning)
            result = mis(
                cell.problem,
                run["n"],
                item.method,
                replicates=run["replicates"],
                seed=run["seed"],
                backend=backend,
                block=item.block,
            )
    except BackendUnavailableError as error:
        raise SweepError(str(error)) from None
    except MemoryError as error:
        raise SweepError(f"out of memory: {str(error) or 'lower run.replicates'}") from None
    except (DomainError, ArithmeticError, ValueError) as error:
        if isinstance(error, InputError) and error.field == "replicates":
            raise SweepError(str(error)) from None  # it depends on the machine, and so it is no result
        return Done(item.key, item.block, None, " ".join(str(error).split()))
    return Done(item.key, item.block, Block(_stored(result), time.perf_counter() - start))


def _stored(result: MISResult) -> MISResult:
    """Return what a store keeps of a result: no curve, no diagnostics."""
    return replace(result, roc=None, details={})


@cache
def _keep_memory() -> None:
    """Let a worker keep the memory of a block for the next one.

    Dask starts its workers with ``MALLOC_TRIM_THRESHOLD_=65536``: the C library then gives the pages of every array
    back to the system and takes them again, page by page. What is set here are the largest
    values that the C library chooses by itself in other processes.
    """
    if "MALLOC_TRIM_THRESHOLD_" in os.environ:
        with contextlib.suppress(AttributeError, OSError, TypeError):  # other C libraries: nothing to undo
            c_library = ctypes.CDLL(None)
            c_library.mallopt(_MMAP_THRESHOLD, 2**25)
            c_library.mallopt(_TRIM_THRESHOLD, 2**26)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Compute on one thread: the workers share the processors, and a sum in BLAS has one order."""
    import qmis_kernels

    before = qmis_kernels.threads()
    qmis_kernels.set_threads(1)
    try:
        with one_thread():
            yield
    finally:
        qmis_kernels.set_threads(before)
