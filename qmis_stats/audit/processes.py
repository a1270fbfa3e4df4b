"""Work in processes: the package's own errors come back with what caused them."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from qmis_kernels import memory
from qmis_stats.errors import QmisError
from qmis_stats.interrupts import held_back

__all__ = ["end_processes", "in_processes"]

_T = TypeVar("_T")


@dataclass(frozen=True)
class _Failure:
    """An error with its cause, which an exception that leaves a process has not."""

    error: QmisError
    cause: BaseException | None


def in_processes(
    function: Callable[..., _T], work: Sequence[tuple[Any, ...]], jobs: int, *, ordered: bool = True
) -> Iterator[_T]:
    """Yield ``function(*item)`` for all items, in this process where one is asked for.

    Parameters
    ----------
    function : callable
        Of a module, not local.
    work : sequence of tuple
        Arguments.
    jobs : int
        Processes.
    ordered : bool
        Whether results come in the order of the work, or as they are ready.

    Examples
    --------
    >>> list(in_processes(pow, [(2, 3), (3, 2)], 1))
    [8, 9]
    """
    if jobs == 1 or len(work) < 2:
        yield from (function(*item) for item in work)
        return
    from joblib import Parallel, delayed

    memory.give_back()  # to the processes
    parallel = Parallel(n_jobs=min(jobs, len(work)), return_as="generator" if ordered else "generator_unordered")
    with held_back():
        outcomes = parallel(delayed(_tried)(function, item) for item in work)
    for outcome in outcomes:
        if isinstance(outcome, _Failure):
            raise outcome.error from outcome.cause
        yield outcome


def end_processes() -> None:
    """End the processes, which wait for further work otherwise: before work in this one that takes much memory."""
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown()
    memory.give_back()


def _tried(function: Callable[..., _T], item: tuple[Any, ...]) -> _T | _Failure:
    try:
        return function(*item)
    except QmisError as error:
        cause = error.__cause__
        if cause is not None and type(cause) is not vars(builtins).get(type(cause).__name__):
            cause = RuntimeError(f"{type(cause).__name__}: {cause}")  # it may not be able to leave the process
        return _Failure(error, cause)
