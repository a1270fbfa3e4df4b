"""Ctrl-C is for the process that a user sees, and not for those that it starts."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator

__all__ = ["held_back"]


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Hold interrupts back while processes are started: they inherit this for good, their parent is interrupted after.

    A handler in a worker comes too late: it has loaded modules for a second when it can set one. Windows has no such
    inheritance; nothing is done there.

    Examples
    --------
    >>> import subprocess, sys
    >>> script = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ()))"
    >>> with held_back():
    ...     subprocess.run([sys.executable, "-c", script], capture_output=True).stdout.split()
    [b'True']
    """
    if sys.platform == "win32":
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # now: it lets interrupts through when it has been started
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
