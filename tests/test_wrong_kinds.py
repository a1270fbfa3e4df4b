"""What a newcomer gives in the place of an object, mostly the name of a file or of a claim: one line that says more."""

from pathlib import Path

import pytest

from qmis_stats import CodebookERM, GaussianMean, InputError, ThresholdPTQ, load_experiment, mis
from qmis_stats.audit import audit, bundled, head_for, in_units, load_table, public_rows, public_units
from qmis_stats.audit.answer import answer
from qmis_stats.audit.attacks import audit_attacks, clopper_pearson, delong, play, run_attacks, self_check, solvable
from qmis_stats.audit.audit_page import report_html
from qmis_stats.audit.audit_page import write_report as write_audit
from qmis_stats.exact import exact
from qmis_stats.experiment import run_experiment
from qmis_stats.inference.loss_file import load_losses
from qmis_stats.leak import leave_one_out
from qmis_stats.quantizers import quantizer
from qmis_stats.quantizers.calibrated import GPTQ
from qmis_stats.simulate import empirical_roc, pooled, tilted, tilted_series
from qmis_stats.sweep import (
    Store,
    export,
    load_sweep,
    merge_stores,
    parse_sweep,
    run_sweep,
    to_frame,
    write_report,
)
from qmis_stats.theory import sharp
from qmis_stats.verify import run_verification
from qmis_stats.verify.registry import chosen_claims

DATA = bundled("diabetes")
HEAD = head_for(DATA)
SIGNS = [quantizer("sign")]


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: mis(GaussianMean([0.0], [[1.0]]), 5), "problem = GaussianMean(mean=[0.0], covariance=[[1.0]]): must"),
        (lambda: ThresholdPTQ("sign"), "procedure.quantizer = 'sign': must be a ScalarQuantizer; such as Sign()"),
        (lambda: ThresholdPTQ(CodebookERM([[0.0]])), "procedure.quantizer = CodebookERM(codebook=[[0.0]]): must be"),
        (lambda: run_sweep("a.toml", "a.sqlite"), "sweep = 'a.toml': must be a Sweep; load_sweep reads one"),
        (lambda: parse_sweep("a.toml"), "data = 'a.toml': must be a Mapping; load_sweep reads a file"),
        (lambda: to_frame("a.sqlite"), "store = 'a.sqlite': must be a Store; Store(path, read_only=True) opens"),
        (lambda: export("a.sqlite", Path("a.csv")), "store = 'a.sqlite': must be a Store; "),
        (lambda: write_report("a.sqlite", "report"), "store = 'a.sqlite': must be a Store; "),
        (lambda: run_verification(claims=["sharp.order"]), "claims = 'sharp.order': must be a Claim; chosen_claims"),
        (lambda: run_verification(claims="sharp.order"), "claims = 'sharp.order': must be a sequence of Claim; chosen"),
        (lambda: chosen_claims("S4"), "statements = 'S4': must be a sequence of str; such as ['S4']"),
        (lambda: chosen_claims(keys="sharp.order"), "keys = 'sharp.order': must be a sequence of str; such as"),
        (lambda: load_sweep(3), "path = 3: must be a path: a str or a Path"),
        (lambda: load_experiment(None), "path = None: must be a path: a str or a Path"),
        (lambda: load_table(3, "age"), "path = 3: must be a path: a str or a Path"),
        (lambda: load_losses(b"losses.npz"), "path = b'losses.npz': must be a path: a str or a Path"),
        (lambda: public_rows(3, DATA), "path = 3: must be a path: a str or a Path"),
        (lambda: clopper_pearson("3", 10), "successes = '3': must be a number"),
        (lambda: delong("x", [0.1, 0.2]), "members = 'x': must be an array of numbers"),
        (lambda: delong([0.1, 0.2], []), "non_members = []: must be at least one number"),
        (lambda: empirical_roc(["x"], [0.0]), "independent = ['x']: must be an array of numbers"),
        (lambda: empirical_roc([0.0], [float("nan")]), "member = nan: must be numbers, none of them NaN"),
        (lambda: Store(3), "path = 3: must be a path: a str or a Path"),
        (lambda: merge_stores("all.sqlite", "a.sqlite"), "sources = 'a.sqlite': must be a sequence of paths"),
        (lambda: merge_stores(3, []), "path = 3: must be a path: a str or a Path"),
        (lambda: run_verification(claims=[]).write(3), "directory = 3: must be a path: a str or a Path"),
        (lambda: answer("report"), "result = 'report': must be an AuditResult; audit returns one"),
        (lambda: report_html("report"), "result = 'report': must be an AuditResult; audit returns one"),
        (lambda: write_audit("report", "out"), "result = 'report': must be an AuditResult; audit returns one"),
        (lambda: public_units("people.csv"), "dataset = 'people.csv': must be a Dataset; load_table reads one"),
        (lambda: in_units(DATA, "public"), "units = 'public': must be a Units; public_units makes them of a data set"),
        (lambda: run_attacks("x", []), "game = 'x': must be an AttackGame; play plays one"),
        (lambda: self_check(["loss"]), "attacks = 'loss': must be an Attack; such as [ReadOut()]"),
        (lambda: solvable("sign", 5), "problem = 'sign': must be a Problem"),
        (lambda: sharp("a.toml", 5), "problem = 'a.toml': must be a Problem"),
        (lambda: tilted("a.toml", 5), "problem = 'a.toml': must be a Problem"),
        (lambda: tilted_series("a.toml", [5]), "problem = 'a.toml': must be a Problem"),
        (lambda: exact("a.toml", 5), "problem = 'a.toml': must be a Problem"),
        (lambda: pooled("x"), "blocks = 'x': must be a sequence of MISResult; of one simulation"),
        (lambda: run_experiment("a.toml"), "experiment = 'a.toml': must be an Experiment; load_experiment reads one"),
        (lambda: leave_one_out("model"), "fit = 'model': must be a Fit; fit_from makes one of arrays"),
        (lambda: GPTQ("uniform-4"), "grid = 'uniform-4': must be a WeightQuantizer; such as quantizer('uniform-4')"),
        (lambda: head_for("people.csv"), "dataset = 'people.csv': must be a Dataset; load_table reads one"),
        (lambda: audit("people.csv", HEAD, SIGNS), "dataset = 'people.csv': must be a Dataset; load_table reads one"),
        (lambda: audit_attacks("people.csv", HEAD, SIGNS), "dataset = 'people.csv': must be a Dataset; "),
        (lambda: play(DATA, HEAD, "sign", 40), "quantizers = 'sign': must be objects, not names: quantizer('sign')"),
    ],
)
def test_one_line_says_what_is_wanted_and_how_to_come_by_it(call, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        call()
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())
