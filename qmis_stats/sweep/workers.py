"""Where blocks are computed: this process, processes of this machine, or a Dask cluster, behind one interface."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib import import_module
from multiprocessing.connection import wait
from multiprocessing.context import SpawnContext
from multiprocessing.process import BaseProcess
from typing import Any

from qmis_stats.errors import InputError, MissingExtraError
from qmis_stats.interrupts import held_back
from qmis_stats.sweep.work import SweepError
from qmis_stats.validation import whole_number

__all__ = ["Cluster", "Inline", "Processes", "Workers", "lost", "workers"]

_PATIENCE = 10.0  # seconds until a scheduler must have answered
_NO_GUARD = 86  # exit code of a worker that found itself sweeping
_NEWS = 1.0  # seconds until a scheduler is asked again how many workers it has

Task = Callable[..., Any]


class Workers(ABC):
    """An executor whose workers may die.

    Attributes
    ----------
    died : tuple of exception types
        What a task raises whose worker has died.
    task_seconds : float
        How long a task should take: what one costs beside its work must not count, and its loss not hurt.
    """

    died: tuple[type[BaseException], ...] = ()
    task_seconds = 0.25

    @property
    @abstractmethod
    def width(self) -> int:
        """How many tasks run at once."""

    @abstractmethod
    def submit(self, task: Task, *arguments: Any) -> Future[Any]:
        """Start a task."""

    @abstractmethod
    def revive(self) -> bool:
        """Replace workers that have died; return whether all tasks that were running are lost with them."""

    @abstractmethod
    def close(self) -> None:
        """Let the workers go."""


class Inline(Workers):
    """The process of the sweep itself."""

    width = 1

    def submit(self, task: Task, *arguments: Any) -> Future[Any]:
        """Compute the task before returning."""
        future: Future[Any] = Future()
        try:
            future.set_result(task(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future

    def revive(self) -> bool:
        """Nothing can have died."""
        return False

    def close(self) -> None:
        """Nothing is left to do."""


class _Spawn(SpawnContext):
    """Starts fresh processes and remembers them: their exit codes say why one died."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[BaseProcess] = []

    def Process(self, *arguments: Any, **options: Any) -> BaseProcess:  # type: ignore[override]
        process: BaseProcess = super().Process(*arguments, **options)
        self.started.append(process)
        return process


class Processes(Workers):
    """Processes of this machine; the pool is replaced when one of them dies."""

    died = (BrokenProcessPool,)

    def __init__(self, count: int) -> None:
        if getattr(multiprocessing.current_process(), "_inheriting", False):
            # A worker that is being started runs the script of its parent, which sweeps outside of a guard.
            os._exit(_NO_GUARD)
        self._count = count
        self._pool = self._new_pool()

    def _new_pool(self) -> Executor:
        self._context = _Spawn()
        return ProcessPoolExecutor(self._count, mp_context=self._context, initializer=_begin)

    @property
    def width(self) -> int:
        """The number of processes."""
        return self._count

    def submit(self, task: Task, *arguments: Any) -> Future[Any]:
        """Start a task in one of the processes."""
        with held_back():
            return self._pool.submit(task, *arguments)

    def revive(self) -> bool:
        """Replace the pool: one that lost a process answers nothing any more."""
        if any(process.exitcode == _NO_GUARD for process in self._context.started):
            line = "processes run the script again when they start: put what it does under if __name__ == '__main__':"
            raise InputError("jobs", self._count, "1, or used under the guard", line=f"jobs = {self._count}: {line}")
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool = self._new_pool()
        return True

    def close(self) -> None:
        """Wait for the blocks that are being computed, and no longer."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _begin() -> None:
    """Leave interrupts to the parent, and do not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_die_with, args=(parent.sentinel,), daemon=True).start()


def _die_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


class Cluster(Workers):
    """A Dask cluster; its scheduler starts tasks again whose workers have died, and late workers join in.

    Parameters
    ----------
    address : str
        Of the scheduler.
    gpu : bool
        Whether tasks go only to workers that offer the resource ``GPU``.
    """

    task_seconds = 1.0  # a task costs scheduler and client some milliseconds

    def __init__(self, address: str, *, gpu: bool) -> None:
        try:
            distributed: Any = import_module("distributed")
        except ImportError:
            raise MissingExtraError("dask.distributed", "to sweep on a cluster", "cluster") from None
        try:
            distributed.comm.get_address_host(address)  # a client of what is no address complains once more at its end
            self._client = distributed.Client(address, timeout=_PATIENCE, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            allowed = f"the address of a Dask scheduler that answers, such as tcp://host:8786: {error}"
            raise InputError("cluster", address, allowed) from None
        self.died = (distributed.KilledWorker,)
        self._gpu = gpu
        options: dict[str, Any] = {"resources": {"GPU": 1}} if gpu else {}
        self._executor = self._client.get_executor(pure=False, **options)
        self._width, self._asked = 1, -math.inf

    @property
    def width(self) -> int:
        """How many tasks the workers run at once, at least one, as of a second ago."""
        if time.monotonic() - self._asked >= _NEWS:
            self._width, self._asked = max(1, self._ask()), time.monotonic()
        return self._width

    def _ask(self) -> int:
        if not self._gpu:
            return sum(int(threads) for threads in self._client.nthreads().values())
        found = self._client.scheduler_info(n_workers=-1)["workers"].values()
        return sum(min(int(worker["nthreads"]), int(worker["resources"].get("GPU", 0))) for worker in found)

    def submit(self, task: Task, *arguments: Any) -> Future[Any]:
        """Start a task on the cluster."""
        future: Future[Any] = self._executor.submit(task, *arguments)
        return future

    def revive(self) -> bool:
        """The scheduler has started the other tasks again by itself."""
        return False

    def close(self) -> None:
        """Leave the cluster; it drops what it was computing."""
        self._client.close()


def workers(jobs: int, cluster: str | None, backend: str) -> Workers:
    """Return the workers that are asked for.

    Raises
    ------
    InputError
        If ``jobs`` is not a positive integer, or no scheduler answers.
    """
    whole_number("jobs", jobs, 1)
    if cluster is not None:
        return Cluster(cluster, gpu=backend == "cupy")
    return Inline() if jobs == 1 else Processes(jobs)


def lost(error: BaseException) -> SweepError:
    """Return what ends a sweep whose workers keep dying."""
    return SweepError(f"workers keep dying ({type(error).__name__}); what was stored is safe: resume the sweep")
