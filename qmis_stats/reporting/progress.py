"""What a long run says on standard error: a bar on a terminal, elsewhere a line from time to time."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from qmis_stats.reporting.time_left import TimeLeft

__all__ = ["Tell", "steps", "time_shown"]

Tell = Callable[[int, int | None, str], None]
"""Takes the number of steps that are done, of all (``None``: unknown), and what is being done."""

_SECONDS_BETWEEN_LINES = 50.0
_SECONDS_BETWEEN_BARS = 0.3


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
    shown = f"{what} begin"

    def tell(done: int, total: int | None, doing: str) -> None:
        nonlocal shown
        shown = f"{done} {what} done" if total is None else f"{done} of {total} {what} done"
        shown += f", now {doing}" if doing else ""

    with _every(_SECONDS_BETWEEN_LINES, lambda: _speak(time.monotonic() - began, shown)):
        yield tell


def _speak(elapsed: float, line: str) -> None:
    minutes, seconds = divmod(round(elapsed), 60)
    print(f"{minutes} min {seconds} s: {line}", file=sys.stderr, flush=True)


@contextmanager
def _every(seconds: float, act: Callable[[], None]) -> Iterator[None]:
    """Act again and again, beside what is done in the meantime."""
    finished = threading.Event()

    def go_on() -> None:
        while not finished.wait(seconds):
            act()

    actor = threading.Thread(target=go_on, daemon=True)
    actor.start()
    try:
        yield
    finally:
        finished.set()
        actor.join()


@contextmanager
def time_shown(left: TimeLeft) -> Iterator[None]:
    """Show on standard error what is left of a command, as :func:`steps` does; may be entered again for further stages.

    What is expected of the whole command is a line of its own, which stays. An interruption takes along how far it was.
    """
    with _whole_bar(left) if sys.stderr.isatty() else _whole_lines(left):
        try:
            yield
        except KeyboardInterrupt as stop:
            stop.add_note(f"at {left.doing()}")
            raise


@contextmanager
def _whole_bar(left: TimeLeft) -> Iterator[None]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True)
    left.say = lambda line: console.print(line, markup=False, highlight=False)
    columns = (BarColumn(bar_width=24), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(left.line(), total=None)

        def update() -> None:
            elapsed, rest = left.seconds()
            total = None if rest is None else elapsed + rest
            bar.update(task, completed=elapsed, total=total, description=left.line())

        update()
        with _every(_SECONDS_BETWEEN_BARS, update):
            yield


@contextmanager
def _whole_lines(left: TimeLeft) -> Iterator[None]:
    left.say = lambda line: print(line, file=sys.stderr, flush=True)
    with _every(_SECONDS_BETWEEN_LINES, lambda: _speak(left.seconds()[0], left.line())):
        yield
