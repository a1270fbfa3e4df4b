"""Laws of a statistic from few shadow models: their spread, their shrinkage, and what it is worth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import kstest, t

from qmis_stats.audit.attacks.point_laws import MeanPrior, Moments, PointLaw, moderated_variances, point_laws
from qmis_stats.errors import InputError

POINTS = 5_000


def uniforms(law: PointLaw, x: np.ndarray) -> np.ndarray:
    """Return the distribution function of the laws at x."""
    dof = np.where(np.isfinite(law.dof), law.dof, 1e9)
    return t.cdf((x - law.mean) / np.sqrt(law.scale), dof)


@pytest.mark.statistical
@pytest.mark.parametrize("equal", [True, False])
def test_a_further_shadow_model_has_the_law_that_is_predicted(equal: bool) -> None:
    """If means are normal over points and variances inverse chi-square, it is exact but for the two priors."""
    rng = np.random.default_rng(7)
    spread = np.ones(POINTS) if equal else np.sqrt(10.0 / rng.chisquare(10, POINTS))
    means = rng.multivariate_normal([1.0, 3.0], [[1.0, 0.8], [0.8, 1.0]], POINTS).T
    values = [mean + rng.normal(size=(k + 1, POINTS)) * spread for mean, k in zip(means, (6, 4), strict=True)]
    kinds = [Moments.of(v[:-1]) for v in values]
    laws, prior = point_laws(kinds, [kind.prior(None) for kind in kinds])
    assert prior.covariance[0, 1] == pytest.approx(0.8, abs=6.0 * 3.0 / math.sqrt(POINTS))
    for law, kind, value in zip(laws, kinds, values, strict=True):
        # Kolmogorov's distance: 1e-9 is at 3.3/√P.
        assert kstest(uniforms(law, value[-1]), "uniform").statistic < 3.3 / math.sqrt(POINTS)
        plain = PointLaw(kind.mean, kind.squares / kind.dof, np.full(POINTS, np.inf))
        assert kstest(uniforms(plain, value[-1]), "uniform").statistic > 3.3 / math.sqrt(POINTS)


def test_one_kind_alone_says_what_is_usual_of_the_other() -> None:
    rng = np.random.default_rng(8)
    out = rng.normal(size=500) * 2.0
    values = out + 0.1 * rng.normal(size=(30, 500)), out + 1.0 + 0.1 * rng.normal(size=(30, 500))
    used = np.ones((30, 500), dtype=bool)
    used[:, :50] = False
    kinds = [Moments.of(values[0]), Moments.of(values[1], used)]
    (_, into), _ = point_laws(kinds, [kind.prior(None) for kind in kinds])
    np.testing.assert_allclose(into.mean[:50], out[:50] + 1.0, atol=0.2)
    assert into.scale[:50].min() > into.scale[50:].max()


def test_many_shadow_models_need_no_help() -> None:
    rng = np.random.default_rng(9)
    values = rng.normal(size=(4000, 5)) * np.arange(1, 6) + np.arange(5)
    kind = Moments.of(values)
    [law], _ = point_laws([kind], [kind.prior(None)])
    np.testing.assert_allclose(law.mean, kind.mean, atol=0.02)
    np.testing.assert_allclose(law.scale, kind.squares / kind.dof, rtol=0.02)


def test_what_never_varies_has_a_law_that_is_finite() -> None:
    kinds = [Moments.of(np.ones((3, 4))), Moments.of(np.ones((3, 4)))]
    laws, _ = point_laws(kinds, [kind.prior(None) for kind in kinds])
    assert all(np.isfinite(law.log_density(np.ones(4))).all() for law in laws)


@pytest.mark.statistical
def test_shrunk_variances_are_nearer_to_the_truth_and_right_on_average() -> None:
    rng = np.random.default_rng(7)
    spread = np.exp(0.5 * rng.normal(size=POINTS))
    kind = Moments.of(rng.normal(size=(8, POINTS)) * spread)
    shrunk = moderated_variances(kind.squares, kind.dof)
    assert np.mean((shrunk - spread**2) ** 2) < np.mean((kind.squares / 7.0 - spread**2) ** 2)
    assert shrunk.mean() == pytest.approx((kind.squares / 7.0).mean(), rel=1e-12)


def test_shrinkage_at_its_ends() -> None:
    squares, dof = np.array([2.0, 0.0, 6.0]), np.array([2.0, 0.0, 3.0])
    assert moderated_variances(squares, dof, 0.0).tolist() == [1.0, 1.6, 2.0]
    assert moderated_variances(squares, dof, math.inf).tolist() == [1.6, 1.6, 1.6]
    with pytest.raises(InputError, match="shadow"):
        moderated_variances(np.zeros(2), np.zeros(2))


def test_the_prior_of_means_is_the_most_likely_one() -> None:
    rng = np.random.default_rng(10)
    precision = rng.choice([1.0, 4.0], size=(300, 2))
    truth = rng.multivariate_normal([0.0, 1.0], [[1.0, 0.5], [0.5, 2.0]], 300)
    averages = truth + rng.normal(size=(300, 2)) / np.sqrt(precision)

    def height(prior: MeanPrior) -> float:
        total = prior.covariance + np.eye(2) / precision[:, None, :]
        away = averages - prior.mean
        return -0.5 * float(
            np.sum(np.linalg.slogdet(total)[1] + np.sum(away * np.linalg.solve(total, away[..., None])[..., 0], axis=1))
        )

    best = MeanPrior.of(averages, precision)
    for move in (0.05, -0.05):
        for j in range(2):
            shift = np.eye(2)[j] * move
            assert height(MeanPrior(best.mean + shift, best.covariance)) < height(best)
            assert height(MeanPrior(best.mean, best.covariance + 4.0 * np.diag(shift))) < height(best)
