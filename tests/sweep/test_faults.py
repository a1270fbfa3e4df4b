"""Processes that die: the sweep, its workers, and the workers of a sweep that died."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import kills
import psutil
import pytest

from qmis_stats.errors import InputError
from qmis_stats.sweep import Store, parse_sweep, run_sweep
from tests.sweep.conftest import results, tables

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
PATIENCE = 60.0


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited for a minute"
        time.sleep(0.01)


def test_a_sweep_killed_at_random_moments_resumes_to_the_same_bytes(tmp_path):
    tally = kills.kill_again_and_again(tmp_path, 5, seed=1)
    assert tally.kills == 5
    assert tally.partial >= 1, "no kill fell into the sweep: nothing was tested"
    assert tally.stores >= 1
    assert tally.different == 0


def test_the_comparison_after_kills_can_fail(tmp_path):
    """The control: a store whose rule stopped one block earlier is seen to differ."""
    few = tables(run={"n": [20], "methods": ["crude"], "replicates": 500})
    for name, replicates in (("a", 4000), ("b", 2000)):
        rule = {"relative_error": 1e-3, "replicates": replicates}
        run_sweep(parse_sweep(few | {"adaptive": rule}), tmp_path / name)
    assert kills.result_columns(tmp_path / "a") != kills.result_columns(tmp_path / "b")


MANY = tables(
    procedure={"kind": "erm", "codebook": [[0.0], [1.0]]},
    run={"n": [20], "methods": ["crude"], "replicates": 200_000},
    grid={"law.mean": [[0.0], [0.1], [0.2]]},
    adaptive={"relative_error": 1e-4, "replicates": 1_600_000},
)


def blocks_in(path):
    """Return how many blocks a sweep that is running has stored."""
    try:
        with Store(path, read_only=True) as store:
            return store.progress().blocks
    except InputError:
        return 0


@pytest.mark.long
def test_a_worker_killed_in_the_middle_of_a_block_is_replaced(tmp_path):
    killed = []

    def kill_one_worker():
        wait_for(lambda: blocks_in(tmp_path / "a.sqlite") >= 1)
        worker = multiprocessing.active_children()[0]
        os.kill(worker.pid, signal.SIGKILL)
        killed.append(worker.pid)

    thread = threading.Thread(target=kill_one_worker)
    thread.start()
    done = run_sweep(parse_sweep(MANY), tmp_path / "a.sqlite", jobs=2)
    thread.join()
    assert killed
    assert done.finished == done.cells
    run_sweep(parse_sweep(MANY), tmp_path / "b.sqlite")
    assert results(tmp_path / "a.sqlite") == results(tmp_path / "b.sqlite")


def _sweep_with_processes(path):
    run_sweep(parse_sweep(MANY), path, jobs=2)


def test_workers_do_not_outlive_a_killed_sweep(tmp_path):
    child = multiprocessing.get_context("spawn").Process(
        target=_sweep_with_processes, args=(str(tmp_path / "a.sqlite"),)
    )
    child.start()
    process = psutil.Process(child.pid)
    wait_for(lambda: len(process.children()) >= 2)
    workers = process.children()
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    _, alive = psutil.wait_procs(workers, timeout=PATIENCE)
    assert not alive


UNGUARDED = """
from qmis_stats.sweep import parse_sweep, run_sweep

run_sweep(parse_sweep({
    "law": {"kind": "gaussian_mean", "mean": [0.0], "covariance": [[1.0]]},
    "procedure": {"kind": "erm", "codebook": [[0.0], [1.0]]},
    "run": {"methods": ["exact"]},
    "grid": {"run.n": [50, 100]},
}), "results.sqlite", jobs=2)
"""


@pytest.mark.long
def test_a_script_without_a_guard_is_told_of_it_once(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED)
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 1
    assert done.stderr.splitlines()[-1].endswith("put what it does under if __name__ == '__main__':")
