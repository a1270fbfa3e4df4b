"""What a newcomer gives in the place of an object, mostly the name of a file or of a claim: one line that says more."""

from pathlib import Path

import pytest

from qmis_stats import CodebookERM, GaussianMean, InputError, ThresholdPTQ, mis
from qmis_stats.audit import audit, bundled, head_for
from qmis_stats.audit.attacks import audit_attacks, play
from qmis_stats.quantizers import quantizer
from qmis_stats.sweep import export, parse_sweep, run_sweep, to_frame, write_report
from qmis_stats.verify import run_verification

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
