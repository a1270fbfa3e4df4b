"""The first screen where theory knows the leak: only what is shown is said, and attacks that disagree are named."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from qmis_stats.audit.answer import answer
from qmis_stats.audit.data import from_arrays
from qmis_stats.audit.head_leak import head_leak
from qmis_stats.audit.leak_answer import attacks_and_theory, leak_sure, leak_which, may_leak_least
from qmis_stats.audit.leak_lines import leak_lines
from qmis_stats.audit.models import MLP, Logistic, SklearnModel
from qmis_stats.leak.releases import FIGURES
from qmis_stats.quantizers import quantizer

NAMES = ("sign", "sparse-90", "uniform-8")


def draw(n: int = 400, p: int = 40, seed: int = 3):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    y = (X @ rng.normal(size=p) / 4.0 + rng.logistic(size=n) > 0.0).astype(float)
    return from_arrays(X, y, name="known")


@pytest.fixture(scope="module")
def leak():
    data = draw()
    found, reason = head_leak(data, Logistic(), [quantizer(name) for name in NAMES], np.arange(300), seed=1)
    assert reason == ""
    return found


def with_deltas(leak, deltas, error=1e-4, correlation=0.0):
    """Return the result with other leaks, all with the same error."""
    estimates = leak.estimates.copy()
    estimates[:, 0] = deltas
    covariance = leak.covariance.copy()
    count = len(leak.names)
    covariance[0] = error**2 * ((1.0 - correlation) * np.eye(count) + correlation)
    return dataclasses.replace(leak, estimates=estimates, covariance=covariance)


def said(leak, affordable=NAMES, level=0.95):
    lines = leak_lines(leak, level)
    made = [_Line(name, lines[name]) for name in NAMES]
    reference = _Line("identity", lines["identity"])
    protecting = [line.name for line in made if line.leak.protects]
    candidates = list(may_leak_least(leak.ranking(), affordable, protecting, level))
    return leak_which(made, reference, affordable, candidates, "cost little"), candidates


@dataclasses.dataclass
class _Line:
    name: str
    leak: object


def test_one_is_named_where_it_is_shown(leak):
    text, candidates = said(with_deltas(leak, [0.10, 0.15, 0.2, 0.2]))
    assert candidates == ["sign"]
    assert text.startswith("sign leaks least of the 3 quantizers that cost little: Δ = 0.100")
    assert "50 % [" in text
    assert "No protection is shown for uniform-8." in text


def test_several_are_named_where_they_are_not_told_apart(leak):
    text, candidates = said(with_deltas(leak, [0.1000, 0.1001, 0.2, 0.2]))
    assert set(candidates) == {"sign", "sparse-90"}
    assert "is one of 2, which leak less than no quantization, Δ = 0.200" in text


def test_who_is_not_shown_to_protect_may_still_leak_least(leak):
    """The leak of the second is known too badly to be held against no quantization, or against the first."""
    found = with_deltas(leak, [0.19, 0.17, 0.2, 0.2])
    found.covariance[0, 1, 1] = 0.02**2
    text, candidates = said(found)
    assert candidates == ["sign", "sparse-90"]
    assert "is one of 2, of which 1 leaks less than no quantization, Δ = 0.200" in text
    assert "by: sign 5 % [" in text
    assert "No protection is shown for sparse-90, uniform-8." in text


def test_a_copy_is_never_told_apart(leak):
    """Perfectly correlated errors and the same leak."""
    found = with_deltas(leak, [0.1, 0.1, 0.2, 0.2], correlation=1.0)
    assert found.differences().loc[("sign", "sparse-90"), "difference"] == 0.0
    assert len(said(found)[1]) == 2


def test_no_quantizer_protects(leak):
    text, candidates = said(with_deltas(leak, [0.2, 0.2, 0.2, 0.2]))
    assert candidates == []
    assert text.startswith("None of the 3 quantizers that cost little is shown to leak less than no quantization")


def test_what_protects_costs_more(leak):
    text, _ = said(with_deltas(leak, [0.1, 0.2, 0.2, 0.2]), affordable=("uniform-8",))
    assert text.startswith("Only uniform-8 is shown to cost little; it is not shown to leak less than no quantization")
    assert "What protects costs more: sign 50 %" in text


def test_full_exposure_is_said(leak):
    text, _ = said(with_deltas(leak, [0.90, 0.95, 0.99, 0.99]))
    assert text.startswith("Membership is almost fully exposed under each of the 3")


def test_a_leak_that_is_not_told_from_nothing_reduces_nothing(leak):
    found = with_deltas(leak, [0.0001, 0.002, 0.002, 0.002], error=1e-3)
    assert np.isinf(found.reductions()["low"]).all()
    assert said(found)[1] == []


def test_outside_of_the_domain_nothing_protects(leak):
    found = dataclasses.replace(with_deltas(leak, [0.1, 0.15, 0.2, 0.2]), reasons=(("for a test",), (), (), ()))
    text, candidates = said(found)
    assert candidates == ["sparse-90", "sign"]  # whose leak is not known
    assert "by: sparse-90 25 % [" in text
    assert "Outside of its domain for sign: for a test." in " ".join(leak_sure(found, candidates, 0.95))


def test_what_would_decide(leak):
    close = with_deltas(leak, [0.1000, 0.1002, 0.2, 0.2])
    [*_, last] = leak_sure(close, ["sign", "sparse-90"], 0.95)
    points = int(last.split()[1])
    bound = float(abs(close.differences(level=0.95).loc[("sign", "sparse-90"), "low"] + 0.0002)) / np.sqrt(2e-8)
    assert points == pytest.approx(close.points * (bound * np.sqrt(2e-8) / 0.0002) ** 2, rel=0.5)
    same = with_deltas(leak, [0.1, 0.1 + 1e-7, 0.2, 0.2])
    assert "no sample of reasonable size" in leak_sure(same, ["sign", "sparse-90"], 0.95)[-1]


def test_a_fit_that_is_not_unique_has_no_theory():
    """More features than points without a penalty, and classes that a plane separates."""
    from sklearn.linear_model import LinearRegression, LogisticRegression

    wide = draw(n=60, p=80)
    regression = from_arrays(wide.X, wide.X[:, 0] + np.arange(60) % 7, name="wide")
    for data, estimator in (
        (regression, LinearRegression()),
        (wide, LogisticRegression(C=np.inf, tol=1e-10, max_iter=5000)),
    ):
        found, why = head_leak(data, SklearnModel(estimator, checkpoints=1), [quantizer("sign")], np.arange(60))
        assert found is None
        assert why


def test_theory_names_why_it_has_no_answer():
    narrow = draw(p=4)
    for data, model, reason in (
        (narrow, Logistic(), "outside of its domain, the fitted values vary in about"),
        (draw(), MLP("binary"), "it is for linear, logistic and softmax heads"),
        (draw(n=30), Logistic(), "it needs at least 20 training points, not 15"),
    ):
        found, why = head_leak(data, model, [quantizer("sign")], np.arange(min(data.rows // 2, 200)))
        assert found is None
        assert why.startswith(reason)


def test_the_figures_of_the_table_are_those_of_leakage(leak):
    lines = leak_lines(leak, 0.9)
    for q, name in enumerate(leak.names):
        line = lines[name]
        assert (line.delta, line.auc) == (leak.delta[q], leak.auc[q])
        assert line.tpr == leak.estimates[q, FIGURES.index("tpr_0.01")]
        assert line.interval == tuple(leak.conf_int(0.9)[q])


def test_attacks_are_held_against_the_theory(attacked):
    compared = attacked.compared()
    assert {one.name for one in compared} == {"sign", "identity"}
    assert all(one.agree for one in compared)
    pool = attacked.predicted
    [text] = attacks_and_theory(attacked, 0.9)
    assert f"without quantization is {pool.delta[-1]:.3f} [{pool.conf_int(0.9)[-1, 0]:.3f}, " in text
    assert "under all 2 releases" in text
    outside = dataclasses.replace(pool, reasons=((), ("more equations than that",)))
    [text] = attacks_and_theory(dataclasses.replace(attacked, predicted=outside), 0.9)
    assert text.endswith("under the 1 of 2 releases inside its domain.")
    wrong = dataclasses.replace(attacked.predicted, estimates=attacked.predicted.estimates - 0.3)
    found = dataclasses.replace(attacked, predicted=wrong)
    assert not any(one.agree for one in found.compared())
    assert "reach MORE than the theory says, so trust the attacks" in " ".join(leak_sure(wrong, (), 0.95, found))
    # Of releases outside of the domain it is said where attacks find more.
    beyond = dataclasses.replace(found, predicted=dataclasses.replace(wrong, reasons=(("one reason",), ("another",))))
    assert not beyond.compared()
    [text] = attacks_and_theory(beyond, 0.9)
    assert text.startswith(
        "Outside of the domain of theory, in a known pool attacks find more than its formulas (AUC): "
    )
    assert f"no quantization {found.compared()[-1].attacked:.3f} for {wrong.auc[-1]:.3f}, " in text
    # And what one fit says of an attack that solves the equations, where that was simulated.
    simulated = dataclasses.replace(beyond.predicted, solved_auc=np.array([np.nan, 0.71]))
    [text] = attacks_and_theory(dataclasses.replace(beyond, predicted=simulated), 0.9)
    assert (
        f"(AUC; in brackets what one training run simulates): no quantization {found.compared()[-1].attacked:.3f} "
        in text
    )
    assert f" for {wrong.auc[-1]:.3f} (0.710), " in text


@pytest.fixture(scope="module")
def attacked():
    from qmis_stats.audit.attacks import audited
    from qmis_stats.audit.attacks.read_out import ReadOut

    chosen = [quantizer("sign")]
    return audited.audit_attacks(draw(p=36), Logistic(), chosen, trainings=64, attacks=[ReadOut()], seed=1)


def test_an_audit_answers_by_theory():
    from qmis_stats.audit.algorithm import audit

    result = audit(draw(600), Logistic(checkpoints=3), [quantizer(name) for name in NAMES], runs=2, seed=1)
    found = answer(result, margin=1.0)
    assert result.leak is not None
    assert "leak" in found.which
    assert found.sure.startswith("By theory (S15 to S17) from one fit of 300 points")
    assert {line.name for line in result.table_lines() if line.leak is not None} == {*NAMES, "identity"}
    assert result.privacy_ranking.names == NAMES
    assert result.to_dict()["leak"]["pairs"] == 3
    assert "Δ: advantage of the best attack" in str(result)
