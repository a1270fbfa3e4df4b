"""Moments of the increments of one quantizer's candidates, in passes over the points that never hold K × K × N numbers.

Two passes are enough for gaps and variances of every rival; a further one gives what intervals need, for few rivals.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from qmis_kernels import backend
from qmis_stats.arrays import FloatArray, Indices
from qmis_stats.errors import InputError
from qmis_stats.inference.adjusted import GapStatistics, influence
from qmis_stats.inference.losses import Losses

__all__ = ["Gaps", "accumulated_statistics", "gap_statistics", "gaps", "influences", "mean_losses"]

_ALONE = 1e-9
"""What is left of a variance when the only point that carries it is left out, to rounding."""

_LARGEST_DEVIATION = 1e70


@dataclass(frozen=True)
class Gaps:
    """The best candidate and the increments of its distinct rivals over it.

    Attributes
    ----------
    points : int
        N.
    best : int
        Row of the smallest mean loss, the first of those that share it.
    duplicates : tuple of (int, int)
        Rows that repeat an earlier one at every point, each with the row that it repeats.
    rivals : (M,) ndarray
        Rows of the other distinct candidates.
    delta : (M,) ndarray
        Means δ̂ of the increments.
    sigma : (M,) ndarray
        Standard deviations σ̂ of the increments, N − 1 in the denominator.
    skewness, kurtosis : (M,) ndarray
        Averages of the third and fourth power of the standardised increments.
    mean_loss : (K,) ndarray
        Mean loss of every candidate.
    """

    points: int
    best: int
    duplicates: tuple[tuple[int, int], ...]
    rivals: Indices
    delta: FloatArray
    sigma: FloatArray
    skewness: FloatArray
    kurtosis: FloatArray
    mean_loss: FloatArray

    @property
    def s(self) -> FloatArray:
        """Standardised gaps δ̂/σ̂."""
        return self.delta / self.sigma

    @property
    def std_error(self) -> FloatArray:
        """Standard errors of s by the delta method, √((1 − s γ + s²(κ − 1)/4)/N)."""
        s = self.s
        variance = 1.0 - s * self.skewness + 0.25 * s**2 * (self.kurtosis - 1.0)
        return np.sqrt(np.maximum(variance, 0.0) / self.points)


def mean_losses(losses: Losses) -> FloatArray:
    """Return the mean loss of every candidate, shape (K,); refuses NaN and infinite losses by their place.

    Examples
    --------
    >>> mean_losses(Losses("sign", [[0.0, 1.0] * 10, [1.0, 2.0] * 10]))
    array([0.5, 1.5])
    """
    total = np.zeros(losses.candidates)
    start = 0
    for block in losses.blocks():
        part = block.sum(axis=1)
        if not np.isfinite(part).all() and not np.isfinite(block).all():
            row, column = np.argwhere(~np.isfinite(block))[0]
            place = f"{losses.field}[{row}, {start + column}]"
            raise InputError(place, float(block[row, column]), "finite, not NaN or infinite")
        total += part
        start += block.shape[1]
    if not np.isfinite(total).all():
        raise InputError(losses.field, float(np.max(np.abs(total))), "of magnitudes whose sum is a finite number")
    return total / losses.points


def gaps(losses: Losses) -> Gaps:
    """Return the best candidate with the first four moments of its rivals' increments.

    Raises
    ------
    InputError
        If a loss is not finite, all candidates are the same, a rival differs from the best by a constant, or the
        deviation of a difference lies outside [1e-70, 1e70].

    Examples
    --------
    >>> found = gaps(Losses("sign", [[0.0, 1.0] * 10, [1.0, 1.0] * 10, [0.0, 1.0] * 10]))
    >>> found.best, found.duplicates, found.rivals, found.delta
    (0, ((2, 0),), array([1]), array([0.5]))
    """
    with np.errstate(over="ignore", invalid="ignore"):  # such losses are refused by their deviation
        return _gaps(losses)


def _gaps(losses: Losses) -> Gaps:
    means = mean_losses(losses)
    best = int(np.argmin(means))
    delta = _mean_gaps(losses, best)
    if np.min(delta) < 0.0:  # means that agree to rounding: the differences know better
        best = int(np.argmin(delta))
        delta = _mean_gaps(losses, best)
    duplicates = _duplicates(losses, means)
    repeated = {row for row, _ in duplicates} | {best}
    # The best is the first row of its losses, so that it is never itself listed as a repetition.
    rivals = np.array([row for row in range(losses.candidates) if row not in repeated], dtype=np.intp)
    if rivals.size == 0:
        raise InputError(losses.field, f"{losses.candidates} equal rows", "of at least two different candidates")
    powers = _power_sums(losses, best, rivals, delta[rivals])
    sigma = np.sqrt(powers[:, 0] / losses.points)
    _refuse_constants(losses, best, rivals, delta, sigma, means)
    _refuse_scales(losses, best, rivals, sigma)
    scale = sigma * np.sqrt(losses.points / (losses.points - 1.0))
    return Gaps(
        losses.points,
        best,
        duplicates,
        rivals,
        delta[rivals],
        scale,
        powers[:, 1] / losses.points / sigma**3,
        powers[:, 2] / losses.points / sigma**4,
        means,
    )


def _mean_gaps(losses: Losses, best: int) -> FloatArray:
    total = np.zeros(losses.candidates)
    for block in losses.blocks():
        total += (block - block[best]).sum(axis=1)
    return total / losses.points


def _duplicates(losses: Losses, means: FloatArray) -> tuple[tuple[int, int], ...]:
    """Return rows that equal an earlier row everywhere; only rows of equal means can, and only those are compared."""
    first: dict[float, list[int]] = {}
    for row, mean in enumerate(means.tolist()):
        first.setdefault(mean, []).append(row)
    pairs = {(later, earlier) for rows in first.values() for i, later in enumerate(rows) for earlier in rows[:i]}
    if not pairs:
        return ()
    for block in losses.blocks():
        pairs = {(later, earlier) for later, earlier in pairs if np.array_equal(block[later], block[earlier])}
        if not pairs:
            return ()
    found: dict[int, int] = {}
    for later, earlier in sorted(pairs):
        found.setdefault(later, earlier)
    return tuple(found.items())


def _power_sums(losses: Losses, best: int, rivals: Indices, centres: FloatArray) -> FloatArray:
    kernels = backend("numba")
    total = np.zeros((rivals.size, 5))
    for block in losses.blocks():
        total += kernels.centred_power_sums(block[rivals], block[best], centres)
    return total


def _refuse_constants(
    losses: Losses, best: int, rivals: Indices, delta: FloatArray, sigma: FloatArray, means: FloatArray
) -> None:
    rounding = 64.0 * np.finfo(np.float64).eps * (np.abs(means[rivals]) + np.abs(means[best]))
    constant = sigma <= rounding
    if constant.any():
        row = int(rivals[np.argmax(constant)])
        raise InputError(
            f"{losses.field}: row {row} minus row {best}",
            f"{delta[row]:.6g} at every point",
            "a difference that varies from point to point",
        )


def _refuse_scales(losses: Losses, best: int, rivals: Indices, sigma: FloatArray) -> None:
    """Fourth powers of the increments have to stay in the range of floats."""
    outside = ~((sigma >= 1.0 / _LARGEST_DEVIATION) & (sigma <= _LARGEST_DEVIATION))
    if outside.any():
        place = int(np.argmax(outside))
        raise InputError(
            f"{losses.field}: standard deviation of row {int(rivals[place])} minus row {best}",
            float(sigma[place]),
            f"from {1.0 / _LARGEST_DEVIATION:g} to {_LARGEST_DEVIATION:g}; multiplying all losses by a number does not"
            " change the result",
        )


def _standardised(losses: Losses, found: Gaps, chosen: Indices) -> Iterator[FloatArray]:
    """Yield blocks of z = (x - δ̂)/σ̂, of variance one with N in the denominator."""
    rows = found.rivals[chosen]
    shift = found.delta[chosen][:, None]
    scale = (found.sigma[chosen] * np.sqrt((found.points - 1.0) / found.points))[:, None]
    for block in losses.blocks():
        yield (block[rows] - block[found.best] - shift) / scale


def influences(losses: Losses, found: Gaps, chosen: Indices) -> Iterator[FloatArray]:
    """Yield blocks, of shape (M, n), of the influence functions ψ of M rivals.

    Parameters
    ----------
    losses : Losses
        What ``found`` was computed from.
    found : Gaps
        Gaps of the rivals.
    chosen : (M,) ndarray of int
        Places in ``found.rivals``.

    Examples
    --------
    >>> losses = Losses("sign", [[0.0, 1.0] * 10, [1.0, 1.0] * 10])
    >>> next(influences(losses, gaps(losses), np.array([0]))).shape
    (1, 20)
    """
    s = found.s[chosen]
    for z in _standardised(losses, found, chosen):
        yield influence(z, s)


def gap_statistics(losses: Losses, found: Gaps, chosen: Indices) -> tuple[GapStatistics, FloatArray]:
    """Return what the limits of M rivals need, and the covariances of their ψ with that of the smallest gap.

    Parameters
    ----------
    losses, found, chosen
        As in :func:`influences`; the smallest standardised gap has to be among the chosen.

    Returns
    -------
    statistics : GapStatistics
    covariances : (M,) ndarray
        Average of ψ_k ψ_m, m the rival of the smallest ŝ.

    Examples
    --------
    >>> losses = Losses("sign", [[0.0, 1.0] * 10, [1.0, 1.0] * 10])
    >>> statistics, covariances = gap_statistics(losses, gaps(losses), np.array([0]))
    >>> np.round(statistics.s, 4)
    array([0.9747])
    """
    smallest = int(np.argmin(found.s[chosen]))
    return accumulated_statistics(
        _standardised(losses, found, chosen),
        found.points,
        found.s[chosen],
        np.array((found.skewness[chosen], found.kurtosis[chosen])),
        smallest,
    )


def accumulated_statistics(
    blocks: Iterable[FloatArray], points: int, s: FloatArray, moments: FloatArray, partner: int = 0
) -> tuple[GapStatistics, FloatArray]:
    """Return the statistics of M rivals from blocks of their standardised increments.

    Parameters
    ----------
    blocks : iterable of (M, n) ndarray
        z, of mean 0 and variance 1 with N in the denominator.
    points : int
        N, the number of points in all blocks.
    s : (M,) ndarray
        Standardised gaps, with N − 1 in the variance.
    moments : (2, M) ndarray
        Averages of z³ and z⁴.
    partner : int
        Place of the rival with whose ψ the covariances are wanted.

    Returns
    -------
    statistics : GapStatistics
    covariances : (M,) ndarray

    Examples
    --------
    >>> z = np.array([[-1.0, 1.0] * 10])
    >>> statistics, _ = accumulated_statistics([z], 20, np.array([0.5]), np.array([[0.0], [1.0]]))
    >>> np.round(statistics.std_error, 4)
    array([0.2236])
    """
    n = float(points)
    # ŝ without point i is (t - z_i/(N - 1)) √((N - 2)/N) / √(1 - z_i²/(N - 1)), t = s √(N/(N - 1)).
    plain = (s * np.sqrt(n / (n - 1.0)))[:, None]
    factor = np.sqrt((n - 2.0) / n)
    sums, cross, left_out = np.zeros((3, s.size)), np.zeros(s.size), np.zeros((2, s.size))
    alone = np.zeros(s.size, dtype=bool)
    for z in blocks:
        psi = influence(z, s)
        square = psi * psi
        sums += (square.sum(axis=1), (square * psi).sum(axis=1), (square * square).sum(axis=1))
        cross += (psi * psi[partner]).sum(axis=1)
        remaining = 1.0 - z * z / (n - 1.0)
        alone |= (remaining < _ALONE).any(axis=1)
        change = factor * (plain - z / (n - 1.0)) / np.sqrt(np.maximum(remaining, _ALONE)) - s[:, None]
        left_out += (change.sum(axis=1), (change * change).sum(axis=1))
    variance = (n - 1.0) / n * (left_out[1] - left_out[0] ** 2 / n)
    errors = np.where(alone, np.inf, np.sqrt(np.maximum(variance, 0.0)))
    return GapStatistics.from_moments(points, s, sums / n, moments, errors), cross / n
