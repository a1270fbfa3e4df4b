"""What a long run says on standard error: a bar on a terminal, elsewhere a line from time to time."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Tell", "steps"]

Tell = Callable[[int, int | None, str], None]
"""Takes the number of steps that are done, of all (``None``: unknown), and what is being done."""

_SECONDS_BETWEEN_LINES = 50.0


@contextmanager
def steps(what: str) -> Iterator[Tell]:
    """Yield a function that takes how far a run is; standard error shows it.

    A terminal shows a bar that vanishes. Elsewhere, as in a log, a line is written once a minute, also when nothing was
    told in the meantime.

    Parameters
    ----------
    what : str
        What is counted, in the plural.

    Examples
    --------
    >>> with steps("claims") as tell:
    ...     tell(3, 59, "S4 sharp.order")
    """
    with _bar(what) if sys.stderr.isatty() else _lines(what) as tell:
        yield tell


@contextmanager
def _bar(what: str) -> Iterator[Tell]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TimeElapsedColumn(),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total, doing: bar.update(task, completed=done, total=total, description=doing or what)


@contextmanager
def _lines(what: str) -> Iterator[Tell]:
    began = time.monotonic()
    finished = threading.Event()
    shown = f"{what} begin"

    def tell(done: int, total: int | None, doing: str) -> None:
        nonlocal shown
        shown = f"{done} {what} done" if total is None else f"{done} of {total} {what} done"
        shown += f", now {doing}" if doing else ""

    def speak() -> None:
        while not finished.wait(_SECONDS_BETWEEN_LINES):
            minutes, seconds = divmod(round(time.monotonic() - began), 60)
            print(f"{minutes} min {seconds} s: {shown}", file=sys.stderr, flush=True)

    speaker = threading.Thread(target=speak, daemon=True)
    speaker.start()
    try:
        yield tell
    finally:
        finished.set()
        speaker.join()
