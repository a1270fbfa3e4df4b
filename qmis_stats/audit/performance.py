"""How well quantized models predict: scores with intervals, and their price relative to the unquantized model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from qmis_stats.audit.data import Task
from qmis_stats.inference.ranks import checked_level
from qmis_stats.scores.base import FloatArray

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
_NUMBERS = 2**21


@dataclass(frozen=True)
class Performance:
    """Scores of the final quantized models on the evaluation points, means over the runs.

    Attributes
    ----------
    names : tuple of str
        The quantizers, then ``"identity"``: no quantization.
    metrics : tuple of str
        The scores.
    values : (Q, M, R) ndarray
        Score of each run.
    points_se : (Q, M) ndarray
        Standard error of the mean over runs from the evaluation points, by bootstrap.
    price_points_se : (Q, M) ndarray
        The same for the difference from ``"identity"``, on the same points.
    """

    names: tuple[str, ...]
    metrics: tuple[str, ...]
    values: FloatArray
    points_se: FloatArray
    price_points_se: FloatArray

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

    def to_frame(self, level: float = 0.95) -> pd.DataFrame:
        """Return one row a quantizer: each score with its interval and its price."""
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


def scores(task: Task, y: FloatArray, prediction: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the scores of predictions under several weightings of the points, shape (M, B).

    Parameters
    ----------
    task : str
        Decides the scores, see ``METRICS``.
    y : (N,) ndarray
        Target.
    prediction : (N,) or (N, C) ndarray
        Numbers, probabilities of class 1, or probabilities of all classes.
    weights : (B, N) ndarray
        How often each point counts.

    Examples
    --------
    >>> y, p = np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.1, 0.6, 0.6, 0.9])
    >>> scores("binary", y, p, np.ones((1, 4))).tolist()
    [[0.875], [0.75]]
    """
    total = weights.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        if task == "regression":
            squares = weights @ (y - prediction) ** 2
            mean = weights @ y / total
            spread = weights @ y**2 - total * mean**2
            return np.array([1.0 - squares / spread, weights @ np.abs(y - prediction) / total])
        if task == "binary":
            right = ((prediction > 0.5) == (y == 1.0)).astype(np.float64)
            return np.array([_auroc(y == 1.0, prediction, weights), weights @ right / total])
        right = (np.argmax(prediction, axis=1) == y).astype(np.float64)
        areas = [_auroc(y == c, prediction[:, c], weights) for c in range(prediction.shape[1])]
        return np.array([weights @ right / total, np.mean(areas, axis=0)])


def _auroc(positive: NDArray[np.bool_], score: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the area under the ROC curve for each weighting, ties counted half."""
    order = np.argsort(score, kind="stable")
    sorted_score, member = score[order], positive[order]
    starts = np.flatnonzero(np.r_[True, sorted_score[1:] != sorted_score[:-1]])
    chosen = weights[:, order]
    ups = np.add.reduceat(chosen * member, starts, axis=1)
    downs = np.add.reduceat(chosen * ~member, starts, axis=1)
    below = np.cumsum(downs, axis=1) - 0.5 * downs
    return np.asarray(np.sum(ups * below, axis=1) / (ups.sum(axis=1) * downs.sum(axis=1)))


def _resamplings(
    points: int, groups: NDArray[np.int64] | None, draws: int, rng: np.random.Generator
) -> Iterator[FloatArray]:
    """Yield (B, N) counts: points, or whole groups of them, drawn with replacement."""
    size = points if groups is None else int(groups.max()) + 1
    width = max(1, _NUMBERS // max(points, size))
    for begin in range(0, draws, width):
        count = min(width, draws - begin)
        drawn = rng.integers(size, size=(count, size)) + size * np.arange(count)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=count * size).reshape(count, size).astype(np.float64)
        yield counts if groups is None else counts[:, groups]


def measure(
    task: Task,
    y: FloatArray,
    predictions: dict[str, Sequence[FloatArray]],
    *,
    groups: NDArray[np.int64] | None = None,
    draws: int = 500,
    rng: np.random.Generator,
) -> Performance:
    """Return scores of the predictions of all runs, with bootstrap standard errors over the evaluation points.

    Parameters
    ----------
    task : str
        Decides the scores.
    y : (N,) ndarray
        Target of the evaluation points.
    predictions : dict of str to sequence of ndarray
        Of each run; the last entry is the reference.
    groups : (N,) ndarray of int, optional
        Whole groups are resampled.
    draws : int
        Of the bootstrap.
    rng : Generator
        Of the bootstrap.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> y = rng.normal(size=200)
    >>> found = measure("regression", y, {"sign": [np.sign(y)], "identity": [y]}, rng=rng)
    >>> found.to_frame()["r2_price"].round(2).tolist()
    [0.5, 0.0]
    """
    codes = None if groups is None else np.unique(groups, return_inverse=True)[1].astype(np.int64)

    def all_scores(weights: FloatArray) -> FloatArray:
        return np.array([[scores(task, y, p, weights) for p in runs] for runs in predictions.values()])

    values = all_scores(np.ones((1, y.size)))[..., 0]
    drawn = np.concatenate(
        [all_scores(weights).mean(axis=1) for weights in _resamplings(y.size, codes, draws, rng)], axis=2
    )
    return Performance(
        tuple(predictions),
        METRICS[task],
        np.moveaxis(values, 1, 2),
        np.nanstd(drawn, axis=2, ddof=1),
        np.nanstd(drawn - drawn[-1:], axis=2, ddof=1),
    )
