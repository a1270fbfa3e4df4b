"""A sweep computes what `mis` computes, once, wherever it runs and however often it is interrupted."""

from __future__ import annotations

import json
import math
import warnings
from concurrent.futures import Future

import grimp
import pytest
from threadpoolctl import threadpool_limits

from qmis_stats import mis
from qmis_stats.errors import DomainWarning, InputError
from qmis_stats.simulate import pooled
from qmis_stats.sweep import Adaptive, Store, SweepError, run_sweep
from qmis_stats.sweep.adaptive import Block, decide
from qmis_stats.sweep.cell import Cell
from qmis_stats.sweep.loop import _Loop
from qmis_stats.sweep.versions import NUMERIC_ROOMS, versions
from qmis_stats.sweep.work import Item, compute
from qmis_stats.sweep.workers import Inline
from tests.sweep.conftest import results

RULE = {"relative_error": 0.02, "replicates": 16_000}
FEW = {"n": [20, 60], "methods": ["crude", "tilted", "auto"], "replicates": 1000, "seed": 4}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results.sqlite"


def columns(store, *names):
    from qmis_stats.sweep.rows import COLUMNS

    return [tuple(row[1 + COLUMNS.index(name)] for name in names) for row in store.rows()]


def test_one_block_is_the_number_of_mis(path, sweep):
    given = sweep(run={"n": [20, 60], "methods": ["crude", "tilted", "exact", "sharp"], "replicates": 1000, "seed": 4})
    run_sweep(given, path)
    with Store(path, read_only=True) as store, warnings.catch_warnings():
        warnings.simplefilter("ignore", DomainWarning)
        found = columns(store, "log_delta", "std_error", "ci_low", "in_domain", "domain", "replicates")
        for cell, row in zip(given.cells, found, strict=True):
            with threadpool_limits(limits=1):  # BLAS adds in another order on two threads: the last bit may differ
                alone = mis(cell.problem, cell.run["n"], cell.run["method"], replicates=1000, seed=4)
            low = None if alone.std_error is None else alone.conf_int()[0]
            assert row == (alone.log_delta, alone.std_error, low, alone.in_domain, alone.domain, alone.replicates)


def test_an_adaptive_cell_is_the_mean_of_its_blocks(path, sweep):
    given = sweep(run=FEW, adaptive=RULE, grid={})
    run_sweep(given, path)
    with Store(path, read_only=True) as store, warnings.catch_warnings():
        warnings.simplefilter("ignore", DomainWarning)
        for cell, (log_delta, error, blocks) in zip(
            given.cells, columns(store, "log_delta", "std_error", "blocks"), strict=True
        ):
            n, method = cell.run["n"], cell.run["method"]
            alone = pooled([mis(cell.problem, n, method, replicates=1000, seed=4, block=b) for b in range(blocks)])
            assert (log_delta, error) == (alone.log_delta, alone.std_error)
            assert blocks & (blocks - 1) == 0 or blocks == 16_000 // (alone.replicates // blocks)
            assert error is None or error <= 0.02 or 2 * alone.replicates > 16_000


@pytest.mark.parametrize("jobs", [2, pytest.param(8, marks=pytest.mark.long)])
def test_several_processes_give_the_same_bits(jobs, tmp_path, sweep):
    given = sweep(run=FEW, adaptive=RULE)
    for count in (1, jobs):
        run_sweep(given, tmp_path / f"{count}.sqlite", jobs=count)
    assert results(tmp_path / "1.sqlite") == results(tmp_path / f"{jobs}.sqlite")


def test_a_finished_sweep_computes_nothing_again(path, sweep, monkeypatch):
    given = sweep(run=FEW, adaptive=RULE)
    run_sweep(given, path)
    before = results(path)
    monkeypatch.setattr("qmis_stats.sweep.loop.compute", lambda *_: pytest.fail("computed again"))
    assert run_sweep(given, path, resume=True).finished == 12
    assert results(path) == before


def test_a_store_with_cells_is_not_written_to_without_resume(path, sweep):
    run_sweep(sweep(grid={}), path)
    with pytest.raises(InputError, match="used with resume=True"):
        run_sweep(sweep(grid={}), path)


def test_more_cells_and_another_rule_reuse_what_is_there(path, tmp_path, sweep):
    run_sweep(sweep(run=FEW, grid={}), path)
    wider = sweep(run=FEW, adaptive=RULE)
    run_sweep(wider, path, resume=True)
    run_sweep(wider, tmp_path / "fresh.sqlite")
    assert results(path) == results(tmp_path / "fresh.sqlite")


class StoppedError(Exception):
    pass


class Fragile(Inline):
    """Workers that stop the sweep after some tasks."""

    width = 1

    def __init__(self, tasks):
        self.left = tasks

    def submit(self, task, *arguments):
        self.left -= 1
        if self.left < 0:
            raise StoppedError
        return super().submit(task, *arguments)


@pytest.mark.parametrize("tasks", [1, 2, 5, 8])
def test_an_interrupted_sweep_goes_on_where_it_was(tmp_path, sweep, monkeypatch, tasks):
    given = sweep(run=FEW, adaptive=RULE, grid={})
    with monkeypatch.context() as patched:
        patched.setattr("qmis_stats.sweep.loop.workers", lambda *_: Fragile(tasks))
        with pytest.raises(StoppedError):
            run_sweep(given, tmp_path / "a.sqlite")
    with Store(tmp_path / "a.sqlite", read_only=True) as store:
        assert bool(store.progress().blocks) == (tasks > 1)  # what was submitted last is lost
    run_sweep(given, tmp_path / "a.sqlite", resume=True)
    run_sweep(given, tmp_path / "b.sqlite")
    assert results(tmp_path / "a.sqlite") == results(tmp_path / "b.sqlite")


class Dying(Inline):
    """Workers that die at every third task."""

    class DeathError(Exception):
        pass

    died = (DeathError,)

    def __init__(self, every=3):
        self.every, self.calls, self.revived = every, 0, 0

    def submit(self, task, *arguments):
        self.calls += 1
        if self.calls % self.every == 0:
            future = Future()
            future.set_exception(self.DeathError())
            return future
        return super().submit(task, *arguments)

    def revive(self):
        self.revived += 1
        return bool(self.revived % 2)


def test_tasks_of_dead_workers_are_computed_again(tmp_path, sweep, monkeypatch):
    given = sweep(run=FEW, adaptive=RULE, grid={})
    crew = Dying()
    monkeypatch.setattr("qmis_stats.sweep.loop.workers", lambda *_: crew)
    run_sweep(given, tmp_path / "a.sqlite")
    monkeypatch.undo()
    assert crew.revived > 0
    run_sweep(given, tmp_path / "b.sqlite")
    assert results(tmp_path / "a.sqlite") == results(tmp_path / "b.sqlite")


def test_workers_that_always_die_end_the_sweep(path, sweep, monkeypatch):
    monkeypatch.setattr("qmis_stats.sweep.loop.workers", lambda *_: Dying(every=1))
    with pytest.raises(SweepError, match="workers keep dying"):
        run_sweep(sweep(grid={}), path)


def test_a_cell_out_of_reach_is_refused_and_the_others_are_computed(path, sweep):
    done = run_sweep(sweep(run={"n": [20], "methods": ["likelihood_ratio", "sharp"]}), path)
    assert (done.cells, done.finished, done.refused) == (4, 4, 2)
    with Store(path, read_only=True) as store:
        refusals = columns(store, "refusal", "log_delta")
    assert ["product cells" in (reason or "") for reason, _ in refusals] == [True, False, True, False]


def test_a_worker_of_other_versions_is_refused(sweep):
    item = Item("key", sweep(grid={}).cells[0].specification, 0, "exact")
    with pytest.raises(SweepError, match=r"other versions.*'numpy': "):
        compute([item], "auto", versions() | {"numpy": "0.1"})


def test_a_backend_that_cannot_run_ends_the_sweep(path, sweep, monkeypatch):
    import qmis_kernels

    monkeypatch.setattr(qmis_kernels, "_has_gpu", lambda: False)
    with pytest.raises(SweepError, match="cupy"):
        run_sweep(sweep(run=FEW | {"backend": "cupy"}), path)


def test_a_request_beyond_the_memory_of_this_machine_is_no_result(path, sweep):
    with pytest.raises(SweepError, match="to fit in memory"):
        run_sweep(sweep(run={"n": 20, "methods": ["crude"], "replicates": 10**9}), path)
    with Store(path, read_only=True) as store:
        assert store.progress().finished == 0


@pytest.mark.parametrize("jobs", [0, -1, 1.5, True])
def test_a_number_of_processes_out_of_range_is_refused(path, sweep, jobs):
    with pytest.raises(InputError, match="jobs"):
        run_sweep(sweep(), path, jobs=jobs)
    assert not path.exists()


# The rule


def block(error, seconds=1.0, value=1.0, replicates=1000):
    from qmis_stats.results import LinearEstimate, MISResult

    linear = LinearEstimate(value, error * value, 0.0, effective=100.0)
    return Block(MISResult("crude", 9, math.log(value), error, seed=1, replicates=replicates, linear=linear), seconds)


def looks(rule, error=0.1, seconds=1.0):
    """Return the numbers of blocks at which the rule looks, and where it stops."""
    blocks, seen = {}, []
    while (decision := decide(blocks, rule)).result is None:
        seen.append(decision.blocks)
        blocks |= {b: block(error, seconds) for b in decision.missing}
    return seen, decision.blocks


def test_the_rule_doubles_until_the_error_is_small_enough():
    assert looks(Adaptive(0.03)) == ([1, 2, 4, 8, 16], 16)
    assert looks(Adaptive(0.2)) == ([1], 1)
    assert looks(None) == ([1], 1)


def test_the_rule_stops_at_its_budgets():
    assert looks(Adaptive(0.001, replicates=11_000)) == ([1, 2, 4, 8, 11], 11)
    assert looks(Adaptive(0.001, replicates=500)) == ([1], 1)
    assert looks(Adaptive(0.001, seconds=3.5)) == ([1, 2, 4], 4)


def test_blocks_that_came_early_do_not_change_where_the_rule_stops():
    blocks = {b: block(0.1) for b in (0, 1, 3, 7, 40)}
    decision = decide(blocks, Adaptive(0.05))
    assert (decision.missing, decision.blocks) == ((2,), 4)
    assert decide(blocks | {2: block(0.1)}, Adaptive(0.05)).blocks == 4
    assert decide({b: block(0.1) for b in range(64)}, Adaptive(0.05)).blocks == 4


# Tasks


def test_cheap_items_are_joined_to_tasks(path, sweep):
    given = sweep(grid={"law.mean": [[i / 100] for i in range(30)]}, run={"n": [20], "methods": ["sharp"]})
    with Store(path) as store:
        store.plan(given.cells)
        loop = _Loop(given, store, Inline(), None)
        for key in list(loop._states):
            loop._advance(key)
        assert len(loop._next_task().items) == 1  # nothing is known yet
        loop._seconds = 0.05
        assert len(loop._next_task().items) == 5
        loop._seconds = 1e-6
        assert len(loop._next_task().items) == 12  # half of what is left
        loop._seconds = 10.0
        assert len(loop._next_task().items) == 1


# What the key depends on


def test_every_module_that_a_number_goes_through_is_in_the_digest():
    """The closure of imports below the verb and the experiment file, but for what is shown, raised or written."""
    graph = grimp.build_graph("qmis_stats", cache_dir=None)
    places = {"qmis_stats.evaluate"} | {"qmis_stats.experiment", *graph.find_descendants("qmis_stats.experiment")}
    places |= set().union(*map(graph.find_upstream_modules, places)) - {"qmis_stats"}
    found = {place.split(".")[1] for place in places}
    beside = {"_lazy", "arrays", "by_value", "errors", "foreign", "json_values", "reporting", "whole_files"}
    assert found - beside == set(NUMERIC_ROOMS)


def test_other_versions_are_another_key(sweep):
    cell = sweep().cells[0]
    other = json.loads(cell.specification)
    other["versions"]["sources"] = "0" * 16
    assert Cell(json.dumps(other, sort_keys=True, separators=(",", ":"))).key != cell.key
