"""The loop of a sweep: blocks out to the workers, blocks back into the store, results where a cell has enough."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import asdict, dataclass, field
from typing import Any

from qmis_stats.errors import InputError, setting
from qmis_stats.sweep.adaptive import Adaptive, Block, decide
from qmis_stats.sweep.cell import Cell, canonical
from qmis_stats.sweep.database import Progress, Store
from qmis_stats.sweep.file import Sweep
from qmis_stats.sweep.versions import versions
from qmis_stats.sweep.work import Done, Item, compute
from qmis_stats.sweep.workers import Workers, lost, workers
from qmis_stats.validation import instance_of

__all__ = ["run_sweep"]

_COMMIT_SECONDS = 0.5
_LARGEST_TASK = 256
_QUEUED = 2  # tasks a worker, one of them waiting: a worker that is done never waits for its next
_ATTEMPTS = 5

Report = Callable[[int, int], None]


def run_sweep(
    sweep: Sweep,
    path: str | os.PathLike[str],
    *,
    resume: bool = False,
    jobs: int = 1,
    cluster: str | None = None,
    report: Report | None = None,
) -> Progress:
    """Compute what a store lacks of a sweep.

    The numbers depend on the cells and on the rule of the sweep alone, not on where, in which order and after how many
    interruptions they are computed. A cell that its method cannot reach is recorded as refused.

    Parameters
    ----------
    sweep : Sweep
        From :func:`~qmis_stats.sweep.file.load_sweep`.
    path : str or path-like
        The store.
    resume : bool
        Go on with a store that holds cells already; else it is refused.
    jobs : int
        Processes; 1 computes in this one.
    cluster : str, optional
        Address of a Dask scheduler, instead of processes.
    report : callable, optional
        Told the number of finished cells, and of all, after each commit.

    Returns
    -------
    Progress

    Raises
    ------
    InputError
        If ``sweep`` is no sweep, or the store cannot be used: no room, no permission, another sweep, another format,
        cells without ``resume``.
    SweepError
        If the workers cannot compute. What was stored is safe.

    Examples
    --------
    >>> import tempfile
    >>> from qmis_stats.sweep import parse_sweep
    >>> sweep = parse_sweep({
    ...     "law": {"kind": "gaussian_mean", "mean": [0.0], "covariance": [[1.0]]},
    ...     "procedure": {"kind": "erm", "codebook": [[0.0], [1.0]]},
    ...     "run": {"methods": ["exact"]},
    ...     "grid": {"run.n": [50, 100, 200]},
    ... })
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run_sweep(sweep, f"{folder}/results.sqlite").finished
    3
    """
    instance_of(Sweep, "sweep", sweep, "load_sweep reads one from a file, parse_sweep makes one of tables")
    instance_of(bool, "resume", resume)
    crew = workers(jobs, cluster, sweep.backend)
    try:
        with Store(path) as store:
            if not resume and not store.empty:
                allowed = f"a new file, or used with {setting('resume', True)}: it holds cells already"
                raise InputError("store", os.fspath(path), allowed)
            store.plan(sweep.cells)
            loop = _Loop(sweep, store, crew, report)
            try:
                loop.run()
            except KeyboardInterrupt as stop:
                stop.add_note(f"{loop.finished} of {loop.total} cells are finished and kept in {os.fspath(path)}")
                raise
            finally:
                store.commit()
            return store.progress()
    finally:
        crew.close()


@dataclass
class _State:
    """A cell that is not finished."""

    cell: Cell
    blocks: dict[int, Block] = field(default_factory=dict)
    waiting: int = 0


@dataclass
class _Task:
    """Items that a worker computes in one go."""

    items: list[Item]
    attempts: int = 0


class _Loop:
    def __init__(self, sweep: Sweep, store: Store, crew: Workers, report: Report | None) -> None:
        self._store, self._crew, self._report = store, crew, report
        self._backend, self._rule = sweep.backend, sweep.adaptive
        self._rule_text = _text(sweep.adaptive)
        finished = store.finished(self._rule_text)
        self._states = {cell.key: _State(cell) for cell in sweep.cells if cell.key not in finished}
        self.total, self.finished = len(sweep.cells), len(sweep.cells) - len(self._states)
        for key, number, block in store.blocks():
            if key in self._states:
                self._states[key].blocks[number] = block
        self._items: deque[Item] = deque()
        self._again: deque[_Task] = deque()
        self._seconds = 0.0
        self._committed = time.monotonic()

    def run(self) -> None:
        """Compute until no cell lacks anything."""
        for key in list(self._states):
            self._advance(key)
        running: dict[Future[list[Done]], _Task] = {}
        while self._items or self._again or running:
            self._submit(running)
            done, _ = wait(running, timeout=_COMMIT_SECONDS, return_when=FIRST_COMPLETED)
            if self._collect(running, done) and self._crew.revive():
                self._again.extend(running.values())
                running.clear()
            if time.monotonic() - self._committed >= _COMMIT_SECONDS:
                self._commit()
        self._commit()

    def _submit(self, running: dict[Future[list[Done]], _Task]) -> None:
        while len(running) < _QUEUED * self._crew.width and (self._items or self._again):
            task = self._again.popleft() if self._again else self._next_task()
            running[self._crew.submit(compute, task.items, self._backend, versions())] = task

    def _next_task(self) -> _Task:
        """Return the next items, as much work as suits the workers, less when the end is near."""
        share = -(-len(self._items) // (_QUEUED * self._crew.width))
        size = int(self._crew.task_seconds / self._seconds) if self._seconds > 0.0 else 1
        size = max(1, min(size, share, _LARGEST_TASK))
        return _Task([self._items.popleft() for _ in range(size)])

    def _collect(self, running: dict[Future[list[Done]], _Task], done: set[Future[list[Done]]]) -> bool:
        """Record what has arrived; return whether a worker has died."""
        dead = False
        for future in done:
            task = running.pop(future)
            try:
                answers = future.result()
            except self._crew.died as error:
                task.attempts += 1
                if task.attempts == _ATTEMPTS:
                    raise lost(error) from error
                self._again.append(task)
                dead = True
                continue
            self._record(answers)
        return dead

    def _record(self, answers: list[Done]) -> None:
        for answer in answers:
            state = self._states.get(answer.key)
            if state is None:
                continue  # refused in the meantime, by another block
            if answer.block is None:
                self._refuse(answer)
                continue
            state.blocks[answer.number] = answer.block
            state.waiting -= 1
            self._store.add_block(answer.key, answer.number, answer.block)
            if state.waiting == 0:
                self._advance(answer.key)
        spent = sum(a.block.seconds for a in answers if a.block is not None) / len(answers)
        self._seconds = spent if self._seconds == 0.0 else 0.8 * self._seconds + 0.2 * spent

    def _advance(self, key: str) -> None:
        """Ask for what a cell still needs, or write its result."""
        state = self._states[key]
        decision = decide(state.blocks, self._rule)
        if decision.result is not None:
            self._store.finish(key, self._rule_text, decision.result, decision.blocks, decision.seconds)
            self._drop(key)
            return
        first = state.blocks.get(0)
        method = state.cell.run["method"] if first is None else first.result.method
        state.waiting = len(decision.missing)
        items = [Item(key, state.cell.specification, b, method) for b in decision.missing]
        # Cells that were begun are finished first: few are open at any time.
        self._items.extend(items) if first is None else self._items.extendleft(reversed(items))

    def _refuse(self, answer: Done) -> None:
        self._store.refuse(answer.key, self._rule_text, self._states[answer.key].cell.run["method"], answer.refusal)
        self._drop(answer.key)

    def _drop(self, key: str) -> None:
        del self._states[key]
        self.finished += 1

    def _commit(self) -> None:
        self._store.commit()
        self._committed = time.monotonic()
        if self._report is not None:
            self._report(self.finished, self.total)


def _text(rule: Adaptive | None) -> str:
    """Return a rule as the store keeps it."""
    data: Any = None if rule is None else asdict(rule)
    return canonical(data)
