"""LiRA: the statistic of a point against its laws with and without the point among the members (Carlini et al. 2022).

Shadow models release *quantized* weights, as the target does: the spread of the statistic then contains the jumps of
codewords. The normal laws are fitted with what few shadow models leave unknown:

- variances of a point have k − 1 degrees of freedom, and are shrunk towards their average over all points, with the
  weight that the dispersion of the variances over points asks for (:func:`moderated_variances`);
- the mean of k shadow models has an error: a further model is spread around it with variance s²(1 + 1/k).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from qmis_stats.audit.attacks.base import Scorer
from qmis_stats.audit.attacks.game import INSIDE, Flags, Known, Shown
from qmis_stats.audit.attacks.statistic import Statistic, chosen_statistic
from qmis_stats.audit.data import Dataset
from qmis_stats.audit.models.base import checked_count
from qmis_stats.audit.run import generator
from qmis_stats.errors import InputError
from qmis_stats.scores.base import FloatArray

__all__ = ["LiRA", "moderated_variances"]

_LEAST_SHARE = 1e-12
_POOLED = 64


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
    return _Prior.of(squares, dof, weight).shrunk(squares, dof)


@dataclass(frozen=True)
class _Prior:
    """What the variances of all points say of the variance of one."""

    weight: float
    pooled: float

    @classmethod
    def of(cls, squares: FloatArray, dof: FloatArray, weight: float | None) -> _Prior:
        known = dof > 0.0
        if not known.any():
            raise InputError("shadows", 1, "more: no point has two shadow models of the same kind")
        pooled = float(squares[known].sum() / dof[known].sum())
        if weight is None:
            weight = _moment_weight(squares[known] / dof[known], float(dof[known].mean()), pooled)
        return cls(weight, pooled)

    def shrunk(self, squares: FloatArray, dof: FloatArray) -> FloatArray:
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


@dataclass(frozen=True)
class _Normal:
    """A normal law for each point; ``count`` of zero where no shadow model says anything."""

    mean: FloatArray
    variance: FloatArray
    count: FloatArray

    def log_density(self, x: FloatArray) -> FloatArray:
        return np.asarray(-0.5 * (np.log(self.variance) + (x - self.mean) ** 2 / self.variance))


@dataclass(frozen=True)
class _Moments:
    """Means and sums of squares of a statistic over the shadow models that count for each point."""

    mean: FloatArray
    squares: FloatArray
    count: FloatArray

    @classmethod
    def of(cls, values: FloatArray, used: Flags) -> _Moments:
        count = used.sum(axis=0).astype(np.float64)
        mean = np.where(used, values, 0.0).sum(axis=0) / np.maximum(count, 1.0)
        return cls(mean, (np.where(used, values - mean, 0.0) ** 2).sum(axis=0), count)

    @property
    def dof(self) -> FloatArray:
        return np.maximum(self.count - 1.0, 0.0)

    def prior(self, weight: float | None) -> _Prior:
        return _Prior.of(self.squares, self.dof, weight)

    def law(self, prior: _Prior) -> _Normal:
        """Return the law of a further shadow model for each point."""
        variance = prior.shrunk(self.squares, self.dof) * (1.0 + 1.0 / np.maximum(self.count, 1.0))
        # One codeword in all shadow models has no variance; a small floor keeps logs finite.
        floor = _LEAST_SHARE * (prior.pooled + self.mean**2) + np.finfo(np.float64).tiny
        return _Normal(self.mean, np.maximum(variance, floor), self.count)


@dataclass(frozen=True)
class LiRA:
    """Likelihood ratio attack with normal laws from quantized shadow models.

    Parameters
    ----------
    variant : {"online", "offline"}
        The log ratio of the densities with and without the point; or how far the statistic lies above its mean
        without the point, in standard deviations, for which no shadow model has to see the point.
    statistic : str or callable
        ``"logit"``, ``"residual"``, ``"loss"``, a function of (model, weights, X, y), or ``"auto"``: logit-scaled
        confidence for classes; for a regression the residual (online, where the loss is its square) or minus the loss.
    shrinkage : float, optional
        Degrees of freedom that the pooled variance is worth, see :func:`moderated_variances`; by default estimated.
    inside : int
        In a game with a sampler no shadow training has seen the points, and the online variant trains this many for
        every point that it scores.

    Notes
    -----
    In a game with a data set the shadow trainings that used a row are its "in" models, the others its "out" models; a
    point without any of a kind that is needed has score 0. Variances are pooled over the rows of the data set, or over
    points of the shadow trainings: the score of a point does not depend on others that are shown.

    Examples
    --------
    >>> LiRA().name, LiRA("offline", "loss").name
    ('LiRA online', 'LiRA offline')
    """

    variant: str = "online"
    statistic: str | Statistic = "auto"
    shrinkage: float | None = None
    inside: int = 16
    name: str = field(default="")
    threshold: float | None = None

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.variant not in ("online", "offline"):
            raise InputError("variant", self.variant, "'online' or 'offline'")
        if self.shrinkage is not None and not self.shrinkage >= 0.0:
            raise InputError("shrinkage", self.shrinkage, "a number of at least 0, or None")
        checked_count("inside", self.inside, 2)
        if not self.name:
            object.__setattr__(self, "name", f"LiRA {self.variant}")

    def fit(self, known: Known) -> Scorer:
        """Return the score; shadow models are evaluated on points when these are shown."""
        online = self.variant == "online"
        shadow = known.shadow
        measure = chosen_statistic(self.statistic, known.model, shadow.shown, signed=online)
        if isinstance(known.source, Dataset):
            return self._from_rows(known, measure, online)
        X, y = _points(shadow.shown)
        # Where the variances of points are pooled: those of the shadow trainings, which are not scored.
        own = np.repeat(np.arange(shadow.shown.trainings), shadow.member.shape[1])
        used = ~(shadow.member.ravel() & (own == np.arange(shadow.shown.trainings)[:, None]))
        of_out = _Moments.of(_under_shadows(measure, known, X, y), used).prior(self.shrinkage)
        of_in: _Prior | None = None
        if online:
            few = slice(0, _POOLED)
            values = self._inside(measure, known, X[few], y[few], shadow.shown.role)
            of_in = _Moments.of(values, np.ones(values.shape, dtype=bool)).prior(self.shrinkage)

        def from_points(shown: Shown) -> FloatArray:
            points, targets = _points(shown)
            values = _under_shadows(measure, known, points, targets)
            out = _Moments.of(values, np.ones(values.shape, dtype=bool)).law(of_out)
            into = None
            if of_in is not None:
                found = self._inside(measure, known, points, targets, shown.role)
                into = _Moments.of(found, np.ones(found.shape, dtype=bool)).law(of_in)
            return _scores(_observed(measure, known, shown), out, into)

        return from_points

    def _from_rows(self, known: Known, measure: Statistic, online: bool) -> Scorer:
        assert isinstance(known.source, Dataset)
        assert known.shadow.trained is not None
        trained = known.shadow.trained
        values = _under_shadows(measure, known, known.source.X, known.source.y)

        def law(used: Flags) -> _Normal:
            moments = _Moments.of(values, used)
            return moments.law(moments.prior(self.shrinkage))

        out = law(~trained)
        into = law(trained) if online else None

        def from_rows(shown: Shown) -> FloatArray:
            assert shown.rows is not None
            rows = shown.rows.ravel()
            return _scores(_observed(measure, known, shown), _taken(out, rows), into and _taken(into, rows))

        return from_rows

    def _inside(self, measure: Statistic, known: Known, X: FloatArray, y: FloatArray, role: int) -> FloatArray:
        """Return the statistic of each point under models that were trained on it, (inside, P)."""
        assert not isinstance(known.source, Dataset)
        found = np.empty((self.inside, y.size))
        for point in range(y.size):
            rng = generator(known.seed, INSIDE, role, point)
            others, targets = known.source(rng, self.inside * (known.n - 1))
            own, own_y = X[point : point + 1], y[point : point + 1]
            for model in range(self.inside):
                part = slice(model * (known.n - 1), (model + 1) * (known.n - 1))
                weights = known.train(np.vstack([own, others[part]]), np.concatenate([own_y, targets[part]]), rng)
                found[model, point] = measure(known.model, weights, own, own_y)[0]
        return found


def _finite(rows: list[FloatArray]) -> FloatArray:
    values = np.array(rows, dtype=np.float64)
    if not np.isfinite(values).all():
        raise InputError("statistic", float("nan"), "finite on all points of all shadow models")
    return values


def _points(shown: Shown) -> tuple[FloatArray, FloatArray]:
    return shown.X.reshape(-1, shown.X.shape[2]), shown.y.ravel()


def _under_shadows(measure: Statistic, known: Known, X: FloatArray, y: FloatArray) -> FloatArray:
    return _finite([measure(known.model, w, X, y) for w in known.shadow.shown.weights])


def _observed(measure: Statistic, known: Known, shown: Shown) -> FloatArray:
    return _finite([measure(known.model, w, X, y) for w, X, y in zip(shown.weights, shown.X, shown.y, strict=True)])


def _taken(law: _Normal, rows: NDArray[np.intp]) -> _Normal:
    return _Normal(law.mean[rows], law.variance[rows], law.count[rows])


def _scores(observed: FloatArray, out: _Normal, into: _Normal | None) -> FloatArray:
    x = observed.ravel()
    if into is None:
        found = np.where(out.count > 0.0, (x - out.mean) / np.sqrt(out.variance), 0.0)
    else:
        both = (out.count > 0.0) & (into.count > 0.0)
        found = np.where(both, into.log_density(x) - out.log_density(x), 0.0)
    return found.reshape(observed.shape)
