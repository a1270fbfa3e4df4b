"""How well quantized models predict: scores with intervals, and their price relative to the unquantized model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from qmis_stats.arrays import Flags, FloatArray, IntArray
from qmis_stats.audit.data import Task
from qmis_stats.by_value import ByValue
from qmis_stats.inference.areas import cluster_sums, placements
from qmis_stats.inference.measured import Measured
from qmis_stats.validation import checked_level, one_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["METRICS", "Performance", "measure", "scores"]

METRICS: dict[Task, tuple[str, ...]] = {
    "binary": ("auroc", "accuracy"),
    "multiclass": ("accuracy", "auroc"),
    "regression": ("r2", "mae"),
}
"""Scores of each task, the first one the more telling; of ``mae`` the smaller is the better."""

_RANGES = {"auroc": (0.0, 1.0), "accuracy": (0.0, 1.0), "r2": (-np.inf, 1.0), "mae": (0.0, np.inf)}


@dataclass(frozen=True, eq=False, repr=False)
class Performance(ByValue):
    """Scores of the final quantized models on the evaluation points, means over the runs.

    Attributes
    ----------
    names : tuple of str
        The quantizers, then ``"identity"``: no quantization.
    metrics : tuple of str
        The scores.
    values : (Q, M, R) ndarray
        Score of each run.
    points_covariance : (M, Q, Q) ndarray
        Covariance of the means over runs from the evaluation points, by influence functions.
    price_points_se : (Q, M) ndarray
        The same for the difference from ``"identity"``, on the same points.
    """

    names: tuple[str, ...]
    metrics: tuple[str, ...]
    values: FloatArray
    points_covariance: FloatArray
    price_points_se: FloatArray

    @property
    def points_se(self) -> FloatArray:
        """Standard error of the mean over runs from the evaluation points, shape (Q, M)."""
        return np.sqrt(np.diagonal(self.points_covariance, axis1=1, axis2=2)).T

    @property
    def estimates(self) -> FloatArray:
        """Means over the runs, shape (Q, M)."""
        return np.asarray(self.values.mean(axis=2))

    @property
    def losses(self) -> FloatArray:
        """What quantization costs in each run, shape (Q, M, R): positive is worse than no quantization."""
        sign = np.array([-1.0 if metric == "mae" else 1.0 for metric in self.metrics])
        return np.asarray(sign[:, None] * (self.values[-1] - self.values))

    def conf_int(self, level: float = 0.95) -> FloatArray:
        """Return intervals of the scores within their ranges, shape (Q, M, 2)."""
        found = _intervals(self.values, self.points_se, level)
        bounds = np.array([_RANGES[metric] for metric in self.metrics])
        return np.clip(found, bounds[:, :1], bounds[:, 1:])

    def price_conf_int(self, level: float = 0.95) -> FloatArray:
        """Return intervals of the prices, shape (Q, M, 2)."""
        return _intervals(self.losses, self.price_points_se, level)

    def measured_as(self, metric: str) -> Measured:
        """Return a score as a measure, paired over the evaluation points and over runs.

        Degrees of freedom are those of the runs, which is cautious: the variance over points has more.

        Parameters
        ----------
        metric : str
            One of ``metrics``.

        Raises
        ------
        InputError
            If there is no such score.
        """
        one_of("metric", metric, self.metrics)
        m, runs = self.metrics.index(metric), self.values.shape[2]
        covariance = self.points_covariance[m]
        if runs > 1:
            covariance = covariance + np.atleast_2d(np.cov(self.values[:, m])) / runs
        dof = runs - 1.0 if runs > 1 else np.inf
        return Measured(metric, self.names, self.estimates[:, m], covariance, dof, metric == "mae", _RANGES[metric])

    def to_frame(self, level: float = 0.95) -> pd.DataFrame:
        """Return one row per quantizer: each score with its interval and its price."""
        import pandas as pd

        inside, price, costs = self.conf_int(level), self.price_conf_int(level), self.losses.mean(axis=2)
        columns = {}
        for m, metric in enumerate(self.metrics):
            columns[metric] = self.estimates[:, m]
            columns[f"{metric}_low"], columns[f"{metric}_high"] = inside[:, m].T
            columns[f"{metric}_price"] = costs[:, m]
            columns[f"{metric}_price_low"], columns[f"{metric}_price_high"] = price[:, m].T
        return pd.DataFrame(columns, index=pd.Index(self.names, name="quantizer"))


def _intervals(values: FloatArray, points_se: FloatArray, level: float) -> FloatArray:
    """Return intervals from the variance over points and that between runs, with Satterthwaite's degrees of freedom."""
    runs = values.shape[2]
    points = points_se**2
    between = values.var(axis=2, ddof=1) / runs if runs > 1 else np.zeros_like(points)
    total = points + between
    with np.errstate(divide="ignore", invalid="ignore"):
        dof = np.where(between > 0.0, total**2 / (between**2 / max(runs - 1, 1)), 1e9)
    half = stdtrit(np.minimum(dof, 1e9), 0.5 + 0.5 * checked_level(level)) * np.sqrt(total)
    mean = values.mean(axis=2)
    return np.stack([mean - half, mean + half], axis=2)


def scores(task: Task, y: FloatArray, prediction: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the scores of predictions, and the influence of each point on them.

    The influence is the derivative of the score with respect to the share of the point, so that influences add up to
    zero and their sum of squares over N² is the variance of the score (infinitesimal jackknife; for the area under the
    ROC curve these are DeLong's placements).

    Parameters
    ----------
    task : str
        Decides the scores, see ``METRICS``.
    y : (N,) ndarray
        Target.
    prediction : (N,) or (N, C) ndarray
        Numbers, probabilities of class 1, or probabilities of all classes.

    Returns
    -------
    scores : (M,) ndarray
    influence : (M, N) ndarray

    Examples
    --------
    >>> found, influence = scores("binary", np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.1, 0.6, 0.6, 0.9]))
    >>> found.tolist(), influence.tolist()
    ([0.875, 0.75], [[0.25, -0.25, -0.25, 0.25], [0.25, -0.75, 0.25, 0.25]])
    """
    if task == "regression":
        squares, spread = (y - prediction) ** 2, (y - y.mean()) ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            share = squares.mean() / spread.mean()
            parts = [(1.0 - share, (share * spread - squares) / spread.mean()), _mean(np.abs(y - prediction))]
    elif task == "binary":
        parts = [_auroc(y == 1.0, prediction), _mean((prediction > 0.5) == (y == 1.0))]
    else:
        areas, influences = zip(*(_auroc(y == c, prediction[:, c]) for c in range(prediction.shape[1])), strict=True)
        parts = [_mean(np.argmax(prediction, axis=1) == y), (float(np.mean(areas)), np.mean(influences, axis=0))]
    return np.array([score for score, _ in parts]), np.array([influence for _, influence in parts])


def _mean(values: NDArray[Any]) -> tuple[float, FloatArray]:
    mean = float(np.mean(values))
    return mean, values - mean


def _auroc(positive: Flags, score: FloatArray) -> tuple[float, FloatArray]:
    """Return the area under the ROC curve, ties counted half, with influences; NaN where a class is missing."""
    if positive.all() or not positive.any():
        return float("nan"), np.full(score.shape, np.nan)
    places = np.empty(score.shape)
    places[positive] = placements(score[positive], score[~positive])
    places[~positive] = 1.0 - placements(score[~positive], score[positive])
    area = float(places[positive].mean())
    share = positive.mean()
    return area, (places - area) / np.where(positive, share, 1.0 - share)


def _covariance(influence: FloatArray, groups: IntArray | None) -> FloatArray:
    """Return the covariance of means over the last axis of (Q, M, N), of points or groups that are independent."""
    points = influence.shape[-1]
    if groups is not None:
        unknown = np.isnan(influence).any(axis=-1)
        influence = cluster_sums(np.nan_to_num(influence), groups, int(groups.max()) + 1)
        influence[unknown] = np.nan
    clusters = influence.shape[-1]
    each = influence.transpose(1, 0, 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(clusters / (clusters - 1.0) * (each @ each.transpose(0, 2, 1)) / points**2)


def measure(
    task: Task, y: FloatArray, predictions: dict[str, Sequence[FloatArray]], groups: IntArray | None = None
) -> Performance:
    """Return scores of the predictions of all runs, with standard errors over the evaluation points.

    Parameters
    ----------
    task : str
        Decides the scores.
    y : (N,) ndarray
        Target of the evaluation points.
    predictions : dict of str to sequence of ndarray
        Of each run; the last entry is the reference.
    groups : (N,) ndarray of int, optional
        Points of one group are not independent: influences are summed within groups.

    Examples
    --------
    >>> y = np.random.default_rng(1).normal(size=200)
    >>> found = measure("regression", y, {"sign": [np.sign(y)], "identity": [y]})
    >>> found.to_frame()["r2_price"].round(2).tolist()
    [0.5, 0.0]
    """
    codes = None if groups is None else np.unique(groups, return_inverse=True)[1].astype(np.int64)
    values, influence = [], []
    for runs in predictions.values():
        found = [scores(task, y, p) for p in runs]
        values.append(np.transpose([score for score, _ in found]))
        influence.append(np.mean([each for _, each in found], axis=0))
    moved = np.array(influence)
    return Performance(
        tuple(predictions),
        METRICS[task],
        np.array(values),
        _covariance(moved, codes),
        np.sqrt(np.diagonal(_covariance(moved - moved[-1:], codes), axis1=1, axis2=2)).T,
    )
