"""Δ_n and the optimal attack's ROC from the exact likelihood ratio of a product quantizer (Statement S9e)."""

from __future__ import annotations

import math

import numpy as np

from qmis_stats.errors import DomainError
from qmis_stats.problem import Problem
from qmis_stats.results import LinearEstimate, MISResult
from qmis_stats.scores.base import FloatArray
from qmis_stats.simulate.memory import fit_pairs
from qmis_stats.simulate.roc import empirical_roc
from qmis_stats.simulate.settings import Settings
from qmis_stats.validation import sample_size

__all__ = ["likelihood_ratio"]

_STREAM = 2_000_000
_BLOCK = 1 << 14
_FEWEST_EFFECTIVE = 50.0


def likelihood_ratio(
    problem: Problem, n: int, *, replicates: int = 100_000, seed: int = 0, backend: str = "auto", block: int = 0
) -> MISResult:
    """Estimate Δ_n by plain Monte Carlo of an exact likelihood ratio (Statement S9e).

    Each replicate draws one pair (T, Z) without and one with membership and evaluates log Λ in closed form. The two
    unbiased estimates ``(1 − Λ)_+`` under independence and ``(1 − 1/Λ)_+`` under membership share the fresh point and
    are averaged.

    Parameters
    ----------
    problem : Problem
        Post-training quantization of a Gaussian mean with diagonal covariance; any dimension.
    n : int
        Sample size, at least 2.
    replicates : int
        Number of pairs.
    seed : int
        In [0, 2³²).
    backend : str
        Kernel table.
    block : int
        Which block of replicates to draw: the blocks of one seed are independent, see
        :func:`~qmis_stats.simulate.blocks.pooled`.

    Returns
    -------
    MISResult
        With the ROC of the most powerful attack.

    Raises
    ------
    DomainError
        If the likelihood ratio has no closed form.

    Examples
    --------
    >>> from qmis_stats import GaussianMean, Problem, Sign, ThresholdPTQ
    >>> problem = Problem(GaussianMean([0.0] * 4, np.eye(4)), ThresholdPTQ(Sign()))
    >>> r = likelihood_ratio(problem, 50, replicates=2000, seed=1, backend="reference")
    >>> 0.05 < r.delta < 0.15
    True
    """
    n = sample_size(n)
    settings = Settings(replicates, seed, backend, block=block)
    product = problem.at(n).product
    if product is None or not product.independent or product.influence != "gaussian":
        raise DomainError(
            "likelihood_ratio",
            "the likelihood ratio is closed only for product cells on a Gaussian mean with diagonal covariance",
            "use method = exact, tilted or crude",
        )
    fit_pairs(settings)
    kernels, key = settings.kernels(), settings.key("likelihood_ratio", n)
    edges = np.concatenate(product.edges) if product.edges else np.empty(0)
    offsets = np.concatenate(([0], np.cumsum([e.size for e in product.edges]))).astype(np.int64)
    last = (block + 1) * replicates
    blocks = [
        kernels.product_log_ratios(key, _STREAM, first, min(_BLOCK, last - first), n, edges, offsets)
        for first in range(last - replicates, last, _BLOCK)
    ]
    ratios = np.concatenate(blocks)
    return _summarise(ratios[:, 0], ratios[:, 1], n, settings)


def _summarise(independent: FloatArray, member: FloatArray, n: int, settings: Settings) -> MISResult:
    """Average −expm1 of the unfavourable log ratios: (1 − Λ)_+ without and (1 − 1/Λ)_+ with membership."""
    values = 0.5 * (-np.expm1(np.minimum(independent, 0.0)) - np.expm1(np.minimum(-member, 0.0)))
    delta = float(np.mean(values))
    error = float(np.std(values, ddof=1)) / math.sqrt(values.size)
    square = float(np.sum(values**2))
    effective = float(np.sum(values)) ** 2 / square if square > 0.0 else 0.0
    if delta == 0.0:
        return MISResult(
            "likelihood_ratio",
            n,
            -math.inf,
            math.inf,
            in_domain=False,
            domain="no pair was distinguishable: raise replicates",
            seed=settings.seed,
            replicates=settings.replicates,
            linear=LinearEstimate.nothing_seen(),
        )
    trusted = effective >= _FEWEST_EFFECTIVE
    return MISResult(
        "likelihood_ratio",
        n,
        math.log(delta),
        error / delta,
        in_domain=trusted,
        domain="unbiased at every n and d" if trusted else "few pairs carry the estimate: raise replicates",
        seed=settings.seed,
        replicates=settings.replicates,
        roc=empirical_roc(independent, member),
        details={"bias_correction": "none needed: unbiased", "effective_pairs": effective},
        linear=LinearEstimate(delta, error, 0.0, effective=effective),
    )
