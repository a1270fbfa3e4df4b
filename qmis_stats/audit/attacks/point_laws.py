"""Laws of a statistic at each point, with and without it among the members, from a few shadow models.

What few shadow models say of one point is completed by what all of them say of the others (empirical Bayes):

- The variance of a point has k − 1 degrees of freedom, k being its shadow models of one kind. If true variances spread
  over points as a scaled inverse chi-square law with w degrees of freedom and pooled value v, that of a point given its
  sum of squares Q is (wv + Q)/(w + k − 1), with w + k − 1 degrees of freedom (:func:`moderated_variances`).
- The means of a point without and with it, m ∈ ℝ², are N(μ, Σ) over points: Σ says how far a point of some difficulty
  moves as a member. Its averages x̄ have the errors s²/k, so that m given x̄ is normal with covariance
  V = (Σ⁻¹ + P)⁻¹, P = diag(k/s²), and mean μ + VP(x̄ − μ). The likelihood of all x̄ gives μ and Σ, by expectation and
  maximisation. Where a point has no shadow model of one kind P is 0, and its mean is what is usual given the other.
- A further shadow model is then distributed as Student's law about that mean, with the squared scale s² + V and the
  degrees of freedom of s². It is what a normal law is whose variance has the posterior law above.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import digamma, gammaln, polygamma

from qmis_stats.arrays import Flags, FloatArray, Indices
from qmis_stats.errors import InputError

__all__ = ["MeanPrior", "Moments", "PointLaw", "VariancePrior", "moderated_variances", "point_laws"]

_LEAST_SHARE = 1e-12
_ROUNDS = 50
_QUARTILES = 1.349
"""Distance of the quartiles of a standard normal law."""

_LEAST_REST = 0.1
"""Of the logarithms of variances: with less a prior is so sure that one that is far off would not be seen."""


def moderated_variances(squares: FloatArray, dof: FloatArray, weight: float | None = None) -> FloatArray:
    """Return variances shrunk towards their pooled value, shape (P,).

    With s² = squares/dof and the pooled v = Σ squares/Σ dof, the result is (w v + dof s²)/(w + dof). By default w is
    that of moments: if true variances spread over points like a scaled inverse chi-square, the squared coefficient of
    variation V of the s² has expectation 2(ν + w)/(ν (w − 2)), so w = 2ν(V + 1)/(νV − 2), with ν the mean of the
    positive dof; infinite where νV ≤ 2, that is, where the s² spread no more than variances that are all the same.

    Parameters
    ----------
    squares : (P,) ndarray
        Sums of squared deviations from the mean of each point.
    dof : (P,) ndarray
        Their degrees of freedom, k − 1; zero where nothing is known.
    weight : float, optional
        Degrees of freedom that the pooled variance is worth: 0 keeps the variances apart, infinity pools them.

    Examples
    --------
    >>> moderated_variances(np.array([2.0, 6.0]), np.array([2.0, 2.0]), weight=2.0).tolist()
    [1.5, 2.5]
    >>> moderated_variances(np.array([3.9, 4.1]), np.array([2.0, 2.0])).tolist()
    [2.0, 2.0]
    """
    return VariancePrior.of(squares, dof, weight).shrunk(squares, dof)


@dataclass(frozen=True)
class VariancePrior:
    """What the variances of all points say of the variance of one.

    Attributes
    ----------
    weight : float
        w, the degrees of freedom that it is worth.
    pooled : float
        v.
    """

    weight: float
    pooled: float

    @classmethod
    def of(cls, squares: FloatArray, dof: FloatArray, weight: float | None) -> VariancePrior:
        """Return the prior of these sums of squares, or the one with a given weight.

        Raises
        ------
        InputError
            If no point has a degree of freedom.
        """
        known = dof > 0.0
        if not known.any():
            raise InputError("shadows", 1, "more: no point has two shadow models of the same kind")
        pooled = float(squares[known].sum() / dof[known].sum())
        if weight is None:
            weight = _moment_weight(squares[known] / dof[known], float(dof[known].mean()), pooled)
        return cls(weight, pooled)

    @classmethod
    def of_quartiles(cls, squares: FloatArray, dof: FloatArray) -> VariancePrior:
        """Return a prior that variances which are far off do not move: they keep their own.

        Its degrees of freedom and scale are those of the logarithms of the s², as Smyth (2004, Statistical Applications
        in Genetics and Molecular Biology 3, article 3) has them, but from their quartiles; the s² and dof are of any
        shape.

        Examples
        --------
        >>> squares, dof = np.random.default_rng(1).chisquare(10.0, size=500), np.full(500, 10.0)
        >>> squares[7] *= 1e4
        >>> found = np.sqrt(VariancePrior.of_quartiles(squares, dof).shrunk(squares, dof))
        >>> bool(np.all(np.abs(np.delete(found, 7) - 1.0) < 0.5)), bool(found[7] > 30.0)
        (True, True)
        """
        from scipy.optimize import brentq

        known = (dof > 0.0) & (squares > 0.0)
        if not known.any():
            return cls(math.inf, 1.0)
        half = 0.5 * dof[known]
        logs = np.log(squares[known] / dof[known]) - digamma(half) + np.log(half)
        low, middle, high = np.quantile(logs, [0.25, 0.5, 0.75])
        rest = max(float(((high - low) / _QUARTILES) ** 2 - polygamma(1, half).mean()), _LEAST_REST)
        root = float(brentq(lambda x: polygamma(1, x) - rest, 1e-3, 2.0 / rest + 2.0))
        return cls(2.0 * root, float(np.exp(middle + digamma(root) - np.log(root))))

    def shrunk(self, squares: FloatArray, dof: FloatArray) -> FloatArray:
        """Return the variance of each point, in the shape of the sums."""
        if math.isinf(self.weight):
            return np.full(dof.shape, self.pooled)
        with np.errstate(invalid="ignore"):
            found = (self.weight * self.pooled + squares) / (self.weight + dof)
        return np.where(np.isnan(found), self.pooled, found)


def _moment_weight(variances: FloatArray, dof: float, pooled: float) -> float:
    if variances.size < 2 or pooled == 0.0:
        return math.inf
    spread = float(np.var(variances, ddof=1)) / pooled**2
    excess = dof * spread - 2.0
    return 2.0 * dof * (spread + 1.0) / excess if excess > 0.0 else math.inf


@dataclass(frozen=True, eq=False)
class Moments:
    """Means and sums of squares of a statistic over the shadow models that count for each point."""

    mean: FloatArray
    squares: FloatArray
    count: FloatArray

    @classmethod
    def of(cls, values: FloatArray, used: Flags | None = None) -> Moments:
        """Return the moments of values (T, P) over those that are used; by default over all."""
        chosen = np.ones(values.shape, dtype=bool) if used is None else used
        count = chosen.sum(axis=0).astype(np.float64)
        mean = np.where(chosen, values, 0.0).sum(axis=0) / np.maximum(count, 1.0)
        return cls(mean, (np.where(chosen, values - mean, 0.0) ** 2).sum(axis=0), count)

    def some(self, points: slice) -> Moments:
        """Return the moments of some points."""
        return Moments(self.mean[points], self.squares[points], self.count[points])

    @property
    def dof(self) -> FloatArray:
        """Degrees of freedom of the sums of squares."""
        return np.maximum(self.count - 1.0, 0.0)

    def prior(self, weight: float | None) -> VariancePrior:
        """Return what these moments say of variances."""
        return VariancePrior.of(self.squares, self.dof, weight)

    def variances(self, prior: VariancePrior) -> FloatArray:
        """Return the variance of each point, positive."""
        # One codeword in all shadow models has no variance; a small floor keeps logs finite.
        floor = _LEAST_SHARE * (prior.pooled + self.mean**2) + np.finfo(np.float64).tiny
        return np.maximum(prior.shrunk(self.squares, self.dof), floor)


@dataclass(frozen=True, eq=False)
class MeanPrior:
    """Normal law over points of the means of the J kinds of shadow models.

    Attributes
    ----------
    mean : (J,) ndarray
        μ.
    covariance : (J, J) ndarray
        Σ.
    """

    mean: FloatArray
    covariance: FloatArray

    @classmethod
    def of(cls, averages: FloatArray, precision: FloatArray) -> MeanPrior:
        """Return the most likely prior of averages (P, J) with precisions k/s² (P, J), zero where k is zero.

        Examples
        --------
        >>> rng = np.random.default_rng(1)
        >>> m = rng.normal(size=5000) + np.array([[0.0], [2.0]])
        >>> found = MeanPrior.of((m + rng.normal(size=m.shape)).T, np.ones((5000, 2)))
        >>> bool(np.allclose(found.mean, [0.0, 2.0], atol=0.1)), bool(np.allclose(found.covariance, 1.0, atol=0.2))
        (True, True)
        """
        seen = precision > 0.0
        mean = np.array([x[w].mean() if w.any() else 0.0 for x, w in zip(averages.T, seen.T, strict=True)])
        away = np.where(seen, averages - mean, 0.0)
        prior = cls(mean, away.T @ away / len(averages))
        for _ in range(_ROUNDS):
            found, error = prior.posterior(averages, precision)
            away = found - found.mean(axis=0)
            prior = cls(found.mean(axis=0), error.mean(axis=0) + away.T @ away / len(away))
        return prior

    def posterior(self, averages: FloatArray, precision: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return mean (P, J) and covariance (P, J, J) of the means of each point."""
        mean = np.broadcast_to(self.mean, averages.shape)
        error = np.broadcast_to(self.covariance, (*averages.shape, self.mean.size))
        # Kind by kind, as a Kalman filter does: exact to rounding however well an average is known.
        for j in range(self.mean.size):
            with np.errstate(divide="ignore"):
                gain = error[:, :, j] / (error[:, j, j] + 1.0 / precision[:, j])[:, None]
            mean = mean + gain * (averages[:, j] - mean[:, j])[:, None]
            error = error - gain[:, :, None] * error[:, None, j, :]
        return mean, error


@dataclass(frozen=True, eq=False)
class PointLaw:
    """Student's law of a further shadow model at each point.

    Attributes
    ----------
    mean, scale, dof : (P,) ndarray
        Centre, squared scale and degrees of freedom, which may be infinite.
    """

    mean: FloatArray
    scale: FloatArray
    dof: FloatArray

    def some(self, rows: Indices) -> PointLaw:
        """Return the laws of some points."""
        return PointLaw(self.mean[rows], self.scale[rows], self.dof[rows])

    def log_density(self, x: FloatArray) -> FloatArray:
        """Return the log density at x, plus log(2π)/2.

        Examples
        --------
        >>> law = PointLaw(np.zeros(2), np.ones(2), np.array([1.0, math.inf]))
        >>> (law.log_density(np.array([1.0, 1.0])) - 0.5 * math.log(2.0 * math.pi)).round(4).tolist()
        [-1.8379, -1.4189]
        """
        z = (x - self.mean) ** 2 / self.scale
        finite = np.isfinite(self.dof)
        dof = np.where(finite, self.dof, 1.0)
        size = gammaln(0.5 * (dof + 1.0)) - gammaln(0.5 * dof) - 0.5 * np.log(0.5 * dof)
        tail = np.where(finite, size - 0.5 * (dof + 1.0) * np.log1p(z / dof), -0.5 * z)
        return np.asarray(tail - 0.5 * np.log(self.scale))


def point_laws(
    kinds: Sequence[Moments], priors: Sequence[VariancePrior], means: MeanPrior | None = None
) -> tuple[list[PointLaw], MeanPrior]:
    """Return the laws of each kind of shadow models, and the prior of the means.

    Parameters
    ----------
    kinds : sequence of Moments
        Of the same points, kind by kind.
    priors : sequence of VariancePrior
        Of each kind.
    means : MeanPrior, optional
        By default that of these points.
    """
    variances = [kind.variances(prior) for kind, prior in zip(kinds, priors, strict=True)]
    averages = np.column_stack([kind.mean for kind in kinds])
    precision = np.column_stack([kind.count / variance for kind, variance in zip(kinds, variances, strict=True)])
    prior = means or MeanPrior.of(averages, precision)
    centre, error = prior.posterior(averages, precision)
    laws = [
        # With no degree of freedom, which a weight of zero allows, tails are those of one.
        PointLaw(centre[:, j], variance + np.maximum(error[:, j, j], 0.0), np.maximum(pooled.weight + kind.dof, 1.0))
        for j, (kind, pooled, variance) in enumerate(zip(kinds, priors, variances, strict=True))
    ]
    return laws, prior
