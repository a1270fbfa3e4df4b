"""Ctrl-C reaches the process that a user sees after it has started others, and no worker, ever."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from qmis_stats.audit.processes import in_processes
from qmis_stats.interrupts import held_back
from qmis_stats.sweep.workers import Processes

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="masks of signals")
MASK = (signal.SIG_BLOCK, ())


def test_workers_of_sweeps_are_started_without_interrupts() -> None:
    crew = Processes(1)
    try:
        assert signal.SIGINT in crew.submit(signal.pthread_sigmask, *MASK).result()
    finally:
        crew.close()


def test_workers_of_audits_are_started_without_interrupts() -> None:
    assert all(signal.SIGINT in found for found in in_processes(signal.pthread_sigmask, [MASK, MASK], 2))


def test_the_parent_is_interrupted_after_the_start() -> None:
    started = []

    def start() -> None:
        with held_back():
            signal.pthread_kill(threading.get_ident(), signal.SIGINT)
            started.append(True)

    usual = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it in the background
    try:
        with pytest.raises(KeyboardInterrupt):
            start()
    finally:
        signal.signal(signal.SIGINT, usual)
    assert started
    assert signal.SIGINT not in signal.pthread_sigmask(*MASK)


def test_an_interrupt_while_the_commands_are_loaded_is_one_line() -> None:
    script = """
import sys
class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == "qmis_stats.cli":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted())
from qmis_stats.__main__ import main
main()
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "interrupted\n")
