"""The indicator in one pass, for losses that are seen once: K × K co-moments instead of a second reading."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from qmis_stats.arrays import FloatArray
from qmis_stats.by_value import ByValue
from qmis_stats.errors import InputError
from qmis_stats.inference.adjusted import rates
from qmis_stats.inference.losses import FEWEST_POINTS
from qmis_stats.validation import checked_level, labels_of, whole_number

__all__ = ["OnePassIndicator", "RunningMoments"]

_LARGEST = 1e140
"""Sums of squares of such losses stay in the range of floats."""


@dataclass(frozen=True, eq=False, repr=False)
class OnePassIndicator(ByValue):
    """What one pass can tell: gaps and variances of all rivals, with intervals for normal increments.

    Attributes
    ----------
    points : int
        Number N of points seen.
    best : int
        Row of the smallest mean loss.
    rival : int
        Row that attains the indicator.
    s : (K,) ndarray
        Standardised gaps δ̂/σ̂ to the best; infinite for the best itself and for rows that equal it.
    """

    points: int
    best: int
    rival: int
    s: FloatArray

    @property
    def indicator(self) -> float:
        """r̂, half the square of the smallest standardised gap."""
        return 0.5 * float(self.s[self.rival]) ** 2

    def conf_int(self, level: float = 0.95) -> tuple[float, float]:
        """Return an interval of r for normal increments, the upper limit by Bonferroni over the rivals.

        Standard errors are √((1 + s²/2)/N); two passes (:func:`~qmis_stats.inference.indicator.indicator`) do not need
        normal increments and give shorter intervals.
        """
        tail = 0.5 * (1.0 - checked_level(level))
        s = self.s[np.isfinite(self.s)]
        error = np.sqrt((1.0 + 0.5 * s**2) / self.points)
        low = float(np.min(s + ndtri(tail) * error))
        high = float(np.min(s - ndtri(tail / s.size) * error))
        return rates(low, high)


class RunningMoments:
    """Means and co-moments of K candidates' losses, updated block by block.

    Losses enter as differences to the first candidate, and blocks are merged about their own means (Chan, Golub and
    LeVeque 1983): nothing is lost when losses are large and differences small.

    Parameters
    ----------
    candidates : int
        K ≥ 2.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> losses = np.vstack([np.zeros(1000), rng.normal(0.5, 1.0, 1000)]) + rng.normal(size=1000)
    >>> running = RunningMoments(2)
    >>> for block in np.split(losses, 10, axis=1):
    ...     running.update(block)
    >>> found = running.indicator()
    >>> x = losses[1] - losses[0]
    >>> found.points, bool(abs(found.indicator - 0.5 * (x.mean() / x.std(ddof=1)) ** 2) < 1e-12)
    (1000, True)
    """

    def __init__(self, candidates: int) -> None:
        self.candidates = whole_number("candidates", candidates, 2)
        self.points = 0
        self._first_mean = 0.0
        self._mean = np.zeros(self.candidates)
        self._moments = np.zeros((self.candidates, self.candidates))

    def update(self, block: ArrayLike) -> None:
        """Add the losses of more points, shape (K, n).

        Raises
        ------
        InputError
            If the block has another number of rows, or losses that are not finite or too large; nothing is added then.
        """
        values = labels_of("block", block, f"numbers of shape ({self.candidates}, n)")
        if values.dtype.kind not in "fiub" or values.ndim != 2 or values.shape[0] != self.candidates:
            shape = f"{values.dtype} of shape {values.shape}"
            raise InputError("block", shape, f"numbers of shape ({self.candidates}, n)")
        values = values.astype(np.float64)
        if not np.isfinite(values).all():
            row, column = np.argwhere(~np.isfinite(values))[0]
            raise InputError(f"block[{row}, {column}]", float(values[row, column]), "finite, not NaN or infinite")
        count = values.shape[1]
        if count == 0:
            return
        if (largest := float(np.max(np.abs(values)))) > _LARGEST:
            raise InputError("block", largest, f"losses up to {_LARGEST:g} in size")
        differences = values - values[0]
        mean = differences.mean(axis=1)
        centred = differences - mean[:, None]
        total = self.points + count
        step = mean - self._mean
        self._moments += centred @ centred.T + np.outer(step, step) * (self.points * count / total)
        self._mean += step * (count / total)
        self._first_mean += (float(values[0].mean()) - self._first_mean) * (count / total)
        self.points = total

    @property
    def mean_loss(self) -> FloatArray:
        """Mean loss of every candidate so far, shape (K,)."""
        return self._first_mean + self._mean

    def indicator(self) -> OnePassIndicator:
        """Return the indicator of what was seen.

        Raises
        ------
        InputError
            If fewer than 10 points were seen, no candidate differs from the best, or one does by a constant.
        """
        if self.points < FEWEST_POINTS:
            raise InputError("points", self.points, f"at least {FEWEST_POINTS}")
        best = int(np.argmin(self._mean))
        delta = self._mean - self._mean[best]
        own = np.diag(self._moments)
        squares = np.maximum(own + own[best] - 2.0 * self._moments[best], 0.0)
        sigma = np.sqrt(squares / (self.points - 1.0))
        # Rounding of the losses, and of differences of co-moments.
        rounding = 64.0 * np.finfo(np.float64).eps * (np.abs(self.mean_loss) + abs(self.mean_loss[best]))
        constant = squares <= 1e-13 * (own + own[best]) + self.points * rounding**2
        shifted = constant & (delta > 1e-13 * np.abs(self.mean_loss))
        if shifted.any():
            row = int(np.argmax(shifted))
            value = f"{delta[row]:.6g} at every point"
            raise InputError(f"row {row} minus row {best}", value, "a difference that varies from point to point")
        if constant.all():
            raise InputError("block", f"{self.candidates} equal rows", "of at least two different candidates")
        s = np.where(constant, np.inf, delta / np.where(constant, 1.0, sigma))
        return OnePassIndicator(self.points, best, int(np.argmin(s)), s)
