"""A Dask cluster gives the same bits, and its workers may die."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest

from qmis_stats.errors import InputError, MissingExtraError
from qmis_stats.sweep import parse_sweep, run_sweep
from qmis_stats.sweep.workers import workers
from tests.sweep.conftest import results, tables

SWEEP = tables(
    run={"n": [20, 60], "methods": ["crude", "tilted", "sharp"], "replicates": 1000, "seed": 2},
    adaptive={"relative_error": 0.02, "replicates": 16_000},
)
pytestmark = pytest.mark.filterwarnings("ignore")  # sockets and loops that Dask leaves to the garbage collector


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    path = tmp_path_factory.mktemp("one") / "results.sqlite"
    run_sweep(parse_sweep(SWEEP), path)
    return results(path)


@pytest.fixture(scope="module", params=[1, *(pytest.param(count, marks=pytest.mark.long) for count in (2, 4))])
def cluster(request):
    distributed = pytest.importorskip("distributed", reason="the extra cluster is not installed")
    with distributed.LocalCluster(
        n_workers=request.param, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as local:
        yield local


def test_any_number_of_workers_gives_the_same_bits(cluster, tmp_path, undisturbed):
    done = run_sweep(parse_sweep(SWEEP), tmp_path / "a.sqlite", cluster=cluster.scheduler_address)
    assert done.finished == done.cells
    assert results(tmp_path / "a.sqlite") == undisturbed


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_worker_that_dies_costs_nothing_but_time(cluster, tmp_path, undisturbed, monkeypatch):
    """The worker is killed when the first results have arrived; the cluster replaces it, and it joins late."""
    victims = [worker.pid for worker in cluster.workers.values()]

    def kill_one(finished, total):
        if victims and finished < total:
            os.kill(victims.pop(), signal.SIGKILL)
            victims.clear()

    monkeypatch.setattr("qmis_stats.sweep.loop._COMMIT_SECONDS", 0.0)
    run_sweep(parse_sweep(SWEEP), tmp_path / "a.sqlite", cluster=cluster.scheduler_address, report=kill_one)
    assert not victims
    assert results(tmp_path / "a.sqlite") == undisturbed


def test_tasks_for_a_gpu_wait_for_workers_that_have_one(cluster):
    crew = workers(1, cluster.scheduler_address, "cupy")
    try:
        future = crew.submit(abs, -1)
        with pytest.raises(TimeoutError):
            future.result(timeout=0.3)
        future.cancel()
    finally:
        crew.close()


def test_tasks_for_a_gpu_all_go_to_the_worker_that_offers_one():
    """Three workers, as threads; while the one with the resource is busy, its tasks wait for it."""
    distributed = pytest.importorskip("distributed", reason="the extra cluster is not installed")
    plain = {"nthreads": 1, "host": "127.0.0.1", "dashboard_address": None}
    kinds = {"gpu": {**plain, "resources": {"GPU": 1}}, "one": plain, "two": plain}
    spec = {name: {"cls": distributed.Worker, "options": options} for name, options in kinds.items()}
    scheduler = {"cls": distributed.Scheduler, "options": {"dashboard_address": None, "host": "127.0.0.1"}}
    with distributed.SpecCluster(workers=spec, scheduler=scheduler) as mixed:
        for backend, expected in (("cupy", {"gpu"}), ("auto", {"gpu", "one", "two"})):
            crew = workers(1, mixed.scheduler_address, backend)
            try:
                assert crew.width == len(expected)
                names = [future.result(timeout=60) for future in [crew.submit(_name_of_worker) for _ in range(12)]]
            finally:
                crew.close()
            assert set(names) == expected


def _name_of_worker():
    from distributed import get_worker

    time.sleep(0.05)
    return get_worker().name


def test_a_scheduler_that_does_not_answer_is_refused(tmp_path, monkeypatch):
    pytest.importorskip("distributed", reason="the extra cluster is not installed")
    monkeypatch.setattr("qmis_stats.sweep.workers._PATIENCE", 0.2)
    for address in ("tcp://127.0.0.1:9", "nowhere at all"):
        with pytest.raises(InputError, match="a Dask scheduler that answers"):
            run_sweep(parse_sweep(SWEEP), tmp_path / "a.sqlite", cluster=address)
    assert not (tmp_path / "a.sqlite").exists()


def test_without_the_extra_a_cluster_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match="the extra cluster;"):
        workers(1, "tcp://127.0.0.1:8786", "auto")
