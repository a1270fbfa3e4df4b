"""A sweep file is checked whole before anything runs: one line names the field, the value and the point of the grid."""

from __future__ import annotations

import json

import pytest

from qmis_stats.errors import InputError
from qmis_stats.experiment import ExperimentError
from qmis_stats.sweep import Adaptive, load_sweep, parse_sweep
from qmis_stats.sweep.cell import Cell
from tests.sweep.conftest import LAW, LINE, tables

FINITE = {
    "law": {"kind": "finite", "probabilities": ["1/3", "2/3"]},
    "procedure": {"kind": "erm", "losses": [[0, 1], ["1/7", 0]]},
    "run": {"n": 5, "methods": ["exact"]},
}


def runs(sweep):
    return [(c.tables["law"]["mean"], c.run["n"], c.run["method"], c.run["seed"]) for c in sweep.cells]


def test_cells_come_in_the_order_of_the_file():
    found = runs(parse_sweep(tables(run={"n": [5, 6], "methods": ["exact", "sharp"], "seed": 3})))
    assert found[:4] == [([0.0], 5, "exact", 3), ([0.0], 5, "sharp", 3), ([0.0], 6, "exact", 3), ([0.0], 6, "sharp", 3)]
    assert len(found) == 8


def test_the_last_axis_is_the_fastest_and_joined_names_change_together():
    grid = {"law.mean": [[0.0], [0.1]], "run.n + run.seed": [[5, 1], [6, 2]]}
    found = runs(parse_sweep(tables(run={"methods": ["exact"]}, grid=grid)))
    assert [(m, n, s) for m, n, _, s in found] == [([0.0], 5, 1), ([0.0], 6, 2), ([0.1], 5, 1), ([0.1], 6, 2)]


def test_whole_tables_may_be_an_axis():
    procedures = [LINE, {"kind": "ptq", "quantizer": "sign"}, {"kind": "ptq", "quantizer": "uniform", "bits": 2}]
    data = {"law": LAW, "run": {"n": 9, "methods": ["exact"]}, "grid": {"procedure": procedures}}
    assert [c.tables["procedure"] for c in parse_sweep(data).cells] == procedures


def test_a_file_without_a_grid_is_a_sweep_too():
    assert len(parse_sweep({"law": LAW, "procedure": LINE, "run": {"n": [5, 9]}}).cells) == 2


def test_a_cell_named_twice_is_there_once():
    assert len(parse_sweep(tables(grid={"law.mean": [[0.1], [0.1]]})).cells) == 9


def test_equal_specifications_have_one_key_however_they_are_written():
    plain = parse_sweep(tables(grid={})).cells[0]
    spelt = parse_sweep(tables(law=LAW | {"mean": [0]}, procedure=LINE | {"exponent": 0.0}, grid={})).cells[0]
    other = parse_sweep(tables(law=LAW | {"mean": [1e-9]}, grid={})).cells[0]
    assert plain.key == spelt.key != other.key


def test_rational_numbers_survive_the_specification():
    cell = parse_sweep(FINITE).cells[0]
    assert cell.tables["law"]["probabilities"] == ["1/3", "2/3"]
    assert str(cell.problem.procedure.losses[1][0]) == "1/7"


def test_the_specification_is_canonical_and_names_the_versions():
    cell = parse_sweep(tables()).cells[0]
    again = json.dumps(json.loads(cell.specification), sort_keys=True, separators=(",", ":"))
    assert again == cell.specification
    assert set(cell.tables["versions"]) == {"qmis_stats", "sources", "numpy", "scipy"}
    assert len(cell.key) == 64
    assert Cell(cell.specification).key == cell.key


def test_numbers_are_read_from_a_file_as_they_are_written(sweep_file):
    assert [c.key for c in load_sweep(sweep_file).cells] == [c.key for c in parse_sweep(tables()).cells]


@pytest.mark.parametrize(
    ("grid", "line"),
    [
        ({"run.n": [50, 1]}, "run.n = 1: must be an integer from 2 to .* .at the point run.n = 1 of the grid"),
        ({"law.mean": [["x"]]}, r"law.mean\[0\] = 'x': must be a finite number.* .at the point law.mean = "),
        ({"law.mena": [[1.0]]}, "law.mena = .*did you mean mean"),
        ({"law.mean": [[0.0, 1.0]]}, "law.covariance = .*at the point law.mean"),
        ({"run.methods": [["exakt"]]}, r"run.methods\[0\] = 'exakt': .*did you mean exact"),
        ({"law.mean": []}, 'grid."law.mean" = .*a list of values, not empty'),
        ({"law.mean": 3}, 'grid."law.mean" = 3: must be a list of values'),
        ({"mean": [1]}, 'grid."mean" = .mean.: must be law, procedure, or a dotted name'),
        ({"run": [{}]}, 'grid."run" = '),
        ({"law.a.b": [1]}, 'grid."law.a.b" = '),
        ({"run.backend": ["numba"]}, "an entry that bears on numbers"),
        ({"law.mean": [[0.0]], "law": [LAW]}, "one axis: law.mean sets it too"),
        ({"law": [LAW], "law.mean": [[0.0]]}, "one axis: law sets it too"),
        ({"run.n + run.seed": [[1, 2], [3]]}, r'grid."run.n \+ run.seed"\[1\] = \[3\]: must be a list of 2 values'),
        ({"run.n": list(range(2, 1002)), "run.seed": list(range(1001))}, "1001000 points': must be at most 1000000"),
        ([1], r"grid = \[1\]: must be a table"),
    ],
)
def test_a_bad_grid_is_refused_in_one_line(grid, line):
    with pytest.raises(ExperimentError, match=f"^<memory>: .*{line}") as refused:
        parse_sweep(tables(grid=grid))
    assert "\n" not in str(refused.value)


def test_a_rule_is_read():
    rule = {"relative_error": 0.01, "replicates": 5000, "seconds": 2}
    assert parse_sweep(tables(adaptive=rule)).adaptive == Adaptive(0.01, 5000, 2.0)


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        ({}, "adaptive.relative_error is missing"),
        ({"relative_error": 0.0}, "adaptive.relative_error = 0.0: must be a number above 0 and below 1"),
        ({"relative_error": float("nan")}, "adaptive.relative_error = nan"),
        ({"relative_error": True}, "adaptive.relative_error = True"),
        ({"relative_error": 0.1, "replicates": 1.5}, "adaptive.replicates = 1.5: must be an integer"),
        ({"relative_error": 0.1, "seconds": -1}, "adaptive.seconds = -1: must be a positive number of seconds"),
        (
            {"relative_error": 0.1, "seconds": 10**400},
            "adaptive.seconds = .*bits.: must be a positive",
        ),
        ({"relative_eror": 0.1}, "adaptive.relative_eror = 0.1: .*did you mean relative_error"),
        (3, "adaptive = 3: must be a table"),
    ],
)
def test_a_bad_rule_is_refused_in_one_line(rule, line):
    with pytest.raises(InputError, match=line):
        parse_sweep(tables(adaptive=rule))
