"""Δ_n of linear regression from the exact likelihood ratio of its estimate (Statement S9f)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import InputError
from qmis_stats.laws import LinearRegression, ProductCells
from qmis_stats.results import LinearEstimate, MISResult
from qmis_stats.simulate.memory import fit_pairs
from qmis_stats.simulate.regression_cells import EstimateCells, LatinDesign
from qmis_stats.simulate.regression_density import RegressionRatio, require_density
from qmis_stats.simulate.regression_pairs import RegressionPairs, regression_pairs
from qmis_stats.simulate.roc import empirical_roc
from qmis_stats.simulate.settings import Settings
from qmis_stats.simulate.unbiased import unbiased_result
from qmis_stats.simulate.verdict import doubts
from qmis_stats.validation import sample_size

__all__ = ["quantized_leak", "unquantized_leak"]

_METHOD = "likelihood_ratio"
_DESIGNS = 2_200_000  # one stream a half
_SHIFTS = 2_300_000  # one stream a law and half
_FEWEST_DRAWS, _MOST_DRAWS = 32, 1024
_DRAWS_A_ROOT = 0.25
_NUMBERS = 1 << 17
_REMEDY = "raise n, or replicates where few pairs carry the estimate"


def unquantized_leak(
    law: LinearRegression, n: int, *, replicates: int = 100_000, seed: int = 0, backend: str = "auto", block: int = 0
) -> MISResult:
    """Estimate Δ_n of a least-squares estimate that is released without quantization (Statement S9f).

    The likelihood ratio has a closed form, so that the estimate is unbiased. By invariance Δ depends on the law through
    its dimension alone, and no quantizer of the estimate leaks more (data processing).

    Parameters
    ----------
    law : LinearRegression
        Any coefficients, covariance and noise.
    n : int
        Sample size, at least d + 2.
    replicates, seed, backend, block
        As in :func:`~qmis_stats.simulate.likelihood_ratio.likelihood_ratio`.

    Returns
    -------
    MISResult
        With the ROC of the most powerful attack.

    Raises
    ------
    InputError
        If the law is not a linear regression.
    DomainError
        If n < d + 2.

    Examples
    --------
    >>> law = LinearRegression([1.0, -1.0], np.eye(2), 0.5)
    >>> r = unquantized_leak(law, 30, replicates=2000, seed=1, backend="reference")
    >>> 0.08 < r.delta < 0.11, r.in_domain
    (True, True)
    """
    if not isinstance(law, LinearRegression):
        raise InputError("law", law, "a LinearRegression")
    n, settings = sample_size(n), Settings(replicates, seed, backend, block=block)
    require_density("unquantized", n, law.dimension)
    fit_pairs(settings)
    kernels, key, ratio = settings.kernels(), settings.key("unquantized", n), RegressionRatio(law.dimension, n)
    found = [
        [_log_ratio(ratio, pairs, estimates[:, None, :])[:, 0] for estimates in (pairs.independent, pairs.member)]
        for pairs in regression_pairs(kernels, key, block * replicates, replicates, n, law.dimension)
    ]
    independent, member = (np.concatenate(part) for part in zip(*found, strict=True))
    return unbiased_result("unquantized", independent, member, n, settings)


def quantized_leak(product: ProductCells, n: int, settings: Settings) -> MISResult:
    """Estimate Δ_n of a product quantizer on a regression with diagonal covariance (Statement S9f).

    Λ(T, z) = E[Λ(θ̂, z) | T] is a mean over draws of the estimate given its cells, in two halves that are independent
    given T. Plugging the mean of both into (1 − Λ)_+ is biased upwards, by a quarter of the density of Λ at one times
    the variance of a half; the sign from one half with the magnitude from the other, averaged over both ways, is biased
    downwards by twice as much. The estimate is two thirds of the first and one third of the second.

    Parameters
    ----------
    product : ProductCells
        Cells in units of τ/√Σ_ii, relative to the coefficients.
    n : int
        Sample size, at least d + 2.
    settings : Settings
        Replicates, seed, backend and block.

    Returns
    -------
    MISResult
        ``details`` has both estimates, which bracket Δ in expectation, and ``inner_draws``.

    Raises
    ------
    DomainError
        If n < d + 2.
    """
    require_density(_METHOD, n, product.dimension)
    fit_pairs(settings, halves=True, table=EstimateCells.numbers(product.edges, n))
    kernels, key = settings.kernels(), settings.key(_METHOD, n)
    inner = _Inner.of(kernels, key, product, n, settings.replicates)
    first = settings.block * settings.replicates
    halves = np.empty((2, 2, settings.replicates))
    for pairs in regression_pairs(kernels, key, first, settings.replicates, n, product.dimension):
        rows = slice(pairs.first - first, pairs.first - first + len(pairs.design))
        for law in (0, 1):
            halves[law, :, rows] = inner.halves(pairs, law)
    return _cross_fitted_result(halves, n, settings, 2 * inner.draws)


@dataclass(frozen=True)
class _Inner:
    """Estimates of log Λ(T, z) from draws of the estimate given its cells."""

    kernels: ModuleType
    key: tuple[int, int]
    cells: EstimateCells
    ratio: RegressionRatio
    designs: tuple[LatinDesign, ...]
    draws: int

    @classmethod
    def of(cls, kernels: ModuleType, key: tuple[int, int], product: ProductCells, n: int, replicates: int) -> _Inner:
        d = product.dimension
        draws = _inner_draws(d, n, replicates)
        # One uniform a coordinate and one for the scale.
        designs = tuple(LatinDesign(kernels.uniforms(key, _DESIGNS + half, 0, d + 1, draws)) for half in (0, 1))
        return cls(kernels, key, EstimateCells(product.edges, n), RegressionRatio(d, n), designs, draws)

    def halves(self, pairs: RegressionPairs, law: int) -> FloatArray:
        """Return log Λ from each half of the draws, shape (2, R); ``law`` is 1 for members."""
        estimates = pairs.member if law else pairs.independent
        cells = self.cells.find(estimates)
        rows, d = estimates.shape
        out = np.empty((2, rows))
        size = max(1, _NUMBERS // (self.draws * (d + 1)))
        for half, design in enumerate(self.designs):
            stream = _SHIFTS + 2 * law + half
            for start in range(0, rows, size):
                part = slice(start, min(rows, start + size))
                count = part.stop - start
                shifts = self.kernels.uniforms(self.key, stream, pairs.first + start, count, d + 1)
                drawn = self.cells.draws(cells[part], design.shifted(shifts))
                some = RegressionPairs(pairs.first + start, pairs.design[part], pairs.response[part], drawn, drawn)
                out[half, part] = _log_mean_exp(_log_ratio(self.ratio, some, drawn))
        return out


def _inner_draws(dimension: int, n: int, replicates: int) -> int:
    """Return the draws of a half, which keep the biases of both estimates at a few standard errors of Δ.

    The biases are the density of Λ at one, of order 1/Δ, times the variance of Λ given the cells, over the draws. That
    variance and Δ² are both of order d/n while d/n is small, and the standard error is of order Δ over the root of the
    replicates: the draws grow like that root. Where d is close to n the variance outgrows Δ².
    """
    wanted = _DRAWS_A_ROOT * math.sqrt(replicates) * max(1.0, dimension / max(n - dimension - 1, 1))
    return int(min(max(math.ceil(wanted), _FEWEST_DRAWS), _MOST_DRAWS))


def _log_ratio(ratio: RegressionRatio, pairs: RegressionPairs, estimates: FloatArray) -> FloatArray:
    """Return log Λ of estimates of shape (R, N, d) and the points of the pairs, shape (R, N)."""
    projection = np.einsum("rmi,ri->rm", estimates, pairs.design)
    length = np.einsum("rmi,rmi->rm", estimates, estimates)
    norm = np.einsum("ri,ri->r", pairs.design, pairs.design)
    return ratio.log_ratio(length, projection, norm[:, None], pairs.response[:, None])


def _log_mean_exp(values: FloatArray) -> FloatArray:
    top = values.max(axis=1)
    return np.asarray(top + np.log(np.mean(np.exp(values - top[:, None]), axis=1)), dtype=np.float64)


def _cross_fitted_result(halves: FloatArray, n: int, settings: Settings, draws: int) -> MISResult:
    """Return the result from log Λ of shape (law, half, R)."""
    log_means = np.logaddexp(halves[:, 0], halves[:, 1]) - math.log(2.0)
    losses = -np.expm1(halves[0])
    plug_in = -np.expm1(np.minimum(log_means[0], 0.0))
    cross_fitted = 0.5 * (np.where(losses[0] > 0.0, losses[1], 0.0) + np.where(losses[1] > 0.0, losses[0], 0.0))
    values = (2.0 * plug_in + cross_fitted) / 3.0
    delta, error = float(np.mean(values)), float(np.std(values, ddof=1)) / math.sqrt(values.size)
    low, high = float(np.mean(cross_fitted)), float(np.mean(plug_in))
    square = float(np.sum(plug_in**2))
    effective = float(np.sum(plug_in)) ** 2 / square if square > 0.0 else 0.0
    linear = LinearEstimate(delta, error, 0.0, gap=high - low, effective=effective)
    reasons = doubts(linear, _REMEDY, balanced=True)
    return MISResult(
        _METHOD,
        n,
        math.log(delta) if delta > 0.0 else -math.inf,
        error / delta if delta > 0.0 else math.inf,
        in_domain=not reasons,
        domain="; ".join(reasons) if reasons else "exact density of the estimate, averaged over its cell",
        seed=settings.seed,
        replicates=settings.replicates,
        roc=empirical_roc(log_means[0], log_means[1]),
        details={
            "bias_correction": "one third cross-fitted, two thirds plug-in: their biases cancel to second order",
            "log_plug_in": math.log(high) if high > 0.0 else None,
            "log_cross_fitted": math.log(low) if low > 0.0 else None,
            "inner_draws": draws,
            "effective_pairs": effective,
        },
        linear=linear,
    )
