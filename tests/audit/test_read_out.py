"""The attack that reads fitted values out of quantized weights: it finds what attacks on losses miss, and only that."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit

from qmis_stats import leakage
from qmis_stats.audit import from_arrays
from qmis_stats.audit.attacks import AttackGame, LiRA, LossThreshold, ReadOut, play, run_attacks, score_equations
from qmis_stats.audit.attacks.score_equations import ScoreEquations
from qmis_stats.audit.attacks.shadow_fits import posterior
from qmis_stats.audit.models import MLP, Linear, Logistic, Softmax
from qmis_stats.leak.pool_law import PoolLaw
from qmis_stats.quantizers import quantizer


@cache
def game(kind: str = "squared", correlation: float = 0.7, alpha: float = 3.0, rows: int = 400) -> AttackGame:
    rng = np.random.default_rng(4)
    p = 40 if kind != "softmax" else 24
    factor = np.linalg.cholesky(correlation ** np.abs(np.subtract.outer(np.arange(p), np.arange(p))))
    X = rng.normal(size=(rows, p)) @ factor.T
    eta = X @ rng.normal(size=p) / 6.0
    if kind == "squared":
        data, model = from_arrays(X, eta + rng.normal(size=rows)), Linear(alpha=alpha, checkpoints=1)
    elif kind == "softmax":
        scores = X @ rng.normal(size=(p, 3)) / 3.0
        target = np.argmax(scores + rng.gumbel(size=scores.shape), axis=1) * 1.0
        data, model = from_arrays(X, target), Softmax(alpha=alpha, checkpoints=1)
    else:
        target = (rng.random(rows) < 1.0 / (1.0 + np.exp(-2.0 * eta))) * 1.0
        data, model = from_arrays(X, target), Logistic(alpha=alpha, checkpoints=1)
    return play(data, model, None, 100, trainings=120, shadows=60, calibrations=30, members=16, seed=3)


@pytest.mark.statistical
@pytest.mark.parametrize(
    "kind", ["squared", *(pytest.param(k, marks=pytest.mark.long) for k in ("logistic", "softmax"))]
)
def test_signs_give_away_what_outputs_hide(kind: str) -> None:
    played = game(kind).quantized(quantizer("sign"))
    report = run_attacks(played, [ReadOut(), LiRA("online"), LossThreshold()], control=None)
    for other in ("LiRA online", "loss threshold"):
        gap, error = report["read-out"].versus(report[other])
        assert gap > 3.0 * error


@pytest.mark.statistical
@pytest.mark.parametrize("control", ["labels", "weights"])
@pytest.mark.parametrize("kind", ["squared", pytest.param("softmax", marks=pytest.mark.long)])
@pytest.mark.parametrize("release", ["sign", "uniform-8", None])
def test_where_membership_has_nothing_to_do_with_the_weights_nothing_is_found(
    kind: str, control: str, release: str | None
) -> None:
    whole = game(kind)
    played = (whole if release is None else whole.quantized(quantizer(release))).as_control(control)
    [null] = run_attacks(played, [ReadOut()], control=None).results
    assert abs(null.auc - 0.5) < 6.0 * null.auc_std_error


@pytest.mark.statistical
@pytest.mark.parametrize(
    "kind", ["squared", *(pytest.param(k, marks=pytest.mark.long) for k in ("logistic", "softmax"))]
)
def test_without_quantization_it_finds_more_than_online_lira(kind: str) -> None:
    mine, theirs = run_attacks(game(kind), [ReadOut(), LiRA("online")], control=None).results
    assert mine.versus(theirs)[0] > 0.0
    assert mine.auc - 0.5 > 6.0 * mine.auc_std_error


def wide(rows: int = 60, p: int = 80) -> AttackGame:
    rng = np.random.default_rng(8)
    X = rng.normal(size=(rows, p))
    data = from_arrays(X, X @ rng.normal(size=p) / 9.0 + rng.normal(size=rows))
    model = Linear(alpha=2.0, checkpoints=1)
    return play(data, model, None, rows // 2, trainings=12, shadows=10, calibrations=2, members=rows // 2, seed=2)


def test_exact_weights_of_more_features_than_points_name_their_members() -> None:
    played = wide()
    mine, theirs = run_attacks(played, [ReadOut(), LiRA("online")], control=None).results
    assert mine.auc == 1.0
    assert theirs.auc < 1.0
    fine, coarse = (
        run_attacks(played.quantized(quantizer(name)), [ReadOut()], control=None).results[0].auc
        for name in ("uniform-8", "uniform-3")
    )
    assert fine > 0.99 > coarse


def test_the_control_solves_no_equations_again(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    solved = ScoreEquations.log_ratios
    monkeypatch.setattr(ScoreEquations, "log_ratios", lambda *given: calls.append(1) or solved(*given))
    run_attacks((played := wide()), [ReadOut().prepared(played.known)], control=None)
    alone = len(calls)
    report = run_attacks((played := wide()), [ReadOut().prepared(played.known)])
    assert len(calls) == 2 * alone > 0
    assert not np.array_equal(report.controls[0].member, report.results[0].member)


def test_codes_that_tell_nothing_are_attacked_without_a_warning() -> None:
    """A mean share of no weights is no number: there are no equations to solve then."""

    class Nothing:
        name, bits = "nothing", 0.0

        def quantize(self, weights: np.ndarray) -> np.ndarray:
            return np.zeros_like(weights)

    scores = ReadOut().fit((played := wide().quantized(Nothing())).known)(played.target.shown)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("kind", ["squared", "logistic"])
def test_exact_weights_are_read_by_the_equations_that_they_solve(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first round by its formula, in the units of the training run itself and without any shadow run."""
    made: list[ScoreEquations] = []
    solved = ScoreEquations.log_ratios
    monkeypatch.setattr(ScoreEquations, "log_ratios", lambda self, *given: made.append(self) or solved(self, *given))
    played = game(kind)
    data, target, f = played.known.source, played.target, 100 / 400
    ReadOut().fit(played.known)
    for t in range(5):
        weights, rows = target.shown.weights[t], target.shown.rows[t]
        Z = np.column_stack([(data.X - weights[2]) / weights[3], np.ones(data.rows)])
        theta = np.append(weights[0][0], weights[1][0])
        if kind == "squared":
            y = (data.y - weights[4][0]) / weights[4][1]
            psi, w = Z @ theta - y, np.ones(data.rows)
        else:
            p = 1.0 / (1.0 + np.exp(-Z @ theta))
            psi, w = p - data.y, p * (1.0 - p)
        penalties = np.append(np.full(data.columns, 3.0), 0.0)
        h = np.einsum("nd,de,ne->n", Z, np.linalg.inv(f * (Z * w[:, None]).T @ Z + np.diag(penalties)), Z)
        grown = np.log1p(w * h / (1.0 - f * w * h))
        constant = brentq(lambda c, g=grown: np.mean(expit(c + g)) - f, -10.0, 10.0)
        chance = expit(constant + grown)
        # The equations, and that 100 are members, counted to 0.1.
        sums = np.column_stack([psi[:, None] * Z, np.ones(data.rows)])
        error = np.diag([*np.zeros(Z.shape[1]), 0.01])
        inverse = np.linalg.inv((sums.T * (chance * (1.0 - chance))) @ sums + error)
        told = sums @ inverse @ (np.append(-penalties * theta, 100.0) - sums.T @ chance)
        size = np.einsum("nd,de,ne->n", sums, inverse, sums)
        expected = (told + (chance - 0.5) * size) / (1.0 - chance * (1.0 - chance) * size) + grown
        mine = made[0].log_ratios(weights, rows)[0]
        # The determinant is that of the mean Hessian here, and that of its law over subsets there.
        assert np.corrcoef(mine, expected[rows])[0, 1] > 0.999
        np.testing.assert_allclose(mine, expected[rows], rtol=0.02, atol=0.25)


@pytest.mark.statistical
@pytest.mark.parametrize("release", [None, "uniform-8"])
def test_memberships_that_are_0_or_1_are_found_where_normal_ones_are_not(
    release: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half as many weights as members: as normal numbers memberships gave an AUC of 0.77, as 0 or 1 more than 0.85."""
    rng = np.random.default_rng(100)
    X = rng.normal(size=(512, 64))
    beta = rng.normal(size=64)
    y = (rng.random(512) < expit(1.5 * X @ beta / np.linalg.norm(beta))) * 1.0
    head = Logistic(alpha=0.1, checkpoints=1, standardise="none")
    numbers = {"trainings": 40, "shadows": 60, "calibrations": 4, "members": 32, "seed": 100}
    played = play(from_arrays(X, y), head, None, 128, **numbers)
    played = played if release is None else played.quantized(quantizer(release))
    [mine, theirs] = run_attacks(played, [ReadOut(), LiRA("online")], control=None).results
    monkeypatch.setattr(score_equations, "ROUNDS", (1,))
    [normal] = run_attacks(played, [ReadOut()], control=None).results
    assert mine.auc - normal.auc > 5.5 * np.hypot(mine.auc_std_error, normal.auc_std_error)
    assert normal.auc - theirs.auc > 0.0


@pytest.mark.long
@pytest.mark.statistical
def test_several_classes_leak_what_one_fit_predicts() -> None:
    played = game("softmax")
    known, data = played.known, played.known.source
    [found] = run_attacks(played.quantized(quantizer("sign")), [ReadOut()], control=None).results
    fits = [
        leakage(known.model, ["sign"], X=data.X[rows], y=data.y[rows], game="pool", fraction=0.25)
        for rows in known.shadow.trained[:2]
    ]
    predicted = np.mean([fit.auc[0] for fit in fits])
    error = np.hypot(found.auc_std_error, fits[0].std_errors("auc")[0])
    # The normal law of a member's read-outs costs about 0.01 for coarse codes.
    assert abs(found.auc - predicted) < 6.0 * error + 0.01


def test_other_models_are_attacked_by_their_outputs() -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(80, 3))
    data = from_arrays(X, X[:, 0] + rng.normal(size=80))
    played = play(
        data,
        MLP(task="regression", hidden=(4,), epochs=5, checkpoints=1),
        None,
        30,
        trainings=6,
        shadows=6,
        calibrations=4,
    )
    mine = ReadOut().fit(played.known)(played.target.shown)
    np.testing.assert_array_equal(mine, LiRA("online").fit(played.known)(played.target.shown))


def test_fits_that_interpolate_are_attacked_by_their_outputs() -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(60, 80))
    data = from_arrays(X, rng.normal(size=60))
    played = play(data, Linear(alpha=0.0, checkpoints=1), None, 30, trainings=6, shadows=6, calibrations=4)
    mine = ReadOut().fit(played.known)(played.target.shown)
    np.testing.assert_array_equal(mine, LiRA("online").fit(played.known)(played.target.shown))


@pytest.mark.statistical
def test_it_knows_how_weights_vary_in_its_own_pool() -> None:
    """Errors with heavy tails: the covariance that a population has misses what a few large residuals decide."""
    rng = np.random.default_rng(4)
    X = rng.normal(size=(400, 50))
    data = from_arrays(X, X @ rng.normal(size=50) / 7.0 + rng.standard_t(3, size=400))
    played = play(
        data, Linear(alpha=3.0, checkpoints=1), None, 180, trainings=150, shadows=60, calibrations=4, members=48, seed=1
    )
    [mine] = run_attacks(played, [ReadOut()], control=None).results
    inside = [np.flatnonzero(taken) for taken in played.known.shadow.trained[:4]]
    known, of_population = (
        np.mean(
            [
                leakage(played.known.model, [], X=data.X[rows], y=data.y[rows], game=kind, fraction=share).auc[0]
                for rows in inside
            ]
        )
        for kind, share in (("pool", 0.45), ("population", 0.0))
    )
    assert abs(mine.auc - known) < 5.0 * mine.auc_std_error + 0.005
    assert mine.auc > of_population + 5.0 * mine.auc_std_error


@pytest.mark.statistical
@pytest.mark.parametrize("changed", [False, True])
def test_shadow_runs_correct_the_covariance_as_far_as_they_contradict_it(changed: bool) -> None:
    rng = np.random.default_rng(3)
    width, runs, ones = 20, 100, np.ones((80, 1, 1))
    law = PoolLaw.of(rng.normal(size=(80, width)), ones, ones, np.ones(width), 0.5)
    one = rng.normal(size=width)
    size = np.trace(law.covariance) / width
    true = law.covariance + (20.0 * size / width * np.outer(one, one) if changed else 0.0)
    away = rng.multivariate_normal(np.zeros(width), true, size=runs)
    away -= away.mean(axis=0)
    measured, said = away.T @ away / (runs - 1.0), law.mixed(0.03).covariance

    def apart(matrix: np.ndarray) -> float:
        """Stein's loss of the matrix."""
        ratio = np.linalg.solve(true, matrix)
        return float(np.trace(ratio) - np.linalg.slogdet(ratio)[1] - width)

    found = apart(posterior(law, away).covariance)
    assert found < (0.9 if changed else 0.1) * apart(measured)
    assert found < (0.5 if changed else 1.2) * apart(said * np.trace(measured) / np.trace(said))
    few = posterior(law, away[: width // 2]).covariance  # too few to tell of more than its scale
    np.testing.assert_allclose(few / np.trace(few), said / np.trace(said))


@pytest.mark.long
@pytest.mark.statistical
def test_eight_bits_hide_nothing_that_exact_weights_tell_of_nearly_separable_classes() -> None:
    """The linear law of the shadow runs is far off there: equations about the codes themselves are not (0.68 by it)."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    data = from_arrays(X[y < 4], y[y < 4])
    played = play(
        data, Softmax(checkpoints=1), None, data.rows // 2, trainings=48, shadows=32, calibrations=4, members=16, seed=1
    )
    exact, fine = (
        run_attacks(game, [ReadOut()], control=None).results[0]
        for game in (played, played.quantized(quantizer("uniform-8")))
    )
    assert abs(exact.auc - fine.auc) < 5.0 * fine.auc_std_error
    assert fine.auc - 0.68 > 5.0 * fine.auc_std_error
