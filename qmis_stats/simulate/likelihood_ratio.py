"""Δ_n and the optimal attack's ROC from the exact likelihood ratio of a product quantizer (S9e, S9f)."""

from __future__ import annotations

import numpy as np

from qmis_stats.errors import DomainError
from qmis_stats.problem import Problem
from qmis_stats.results import MISResult
from qmis_stats.simulate.memory import fit_pairs
from qmis_stats.simulate.regression_ratio import quantized_leak
from qmis_stats.simulate.settings import Settings
from qmis_stats.simulate.unbiased import unbiased_result
from qmis_stats.validation import instance_of, sample_size

__all__ = ["likelihood_ratio"]

_STREAM = 2_000_000
_BLOCK = 1 << 14


def likelihood_ratio(
    problem: Problem, n: int, *, replicates: int = 100_000, seed: int = 0, backend: str = "auto", block: int = 0
) -> MISResult:
    """Estimate Δ_n by plain Monte Carlo of an exact likelihood ratio (Statements S9e and S9f).

    Each replicate draws one pair (T, Z) without and one with membership. For a Gaussian mean log Λ has a closed form.
    The two unbiased estimates ``(1 − Λ)_+`` under independence and ``(1 − 1/Λ)_+`` under membership share the fresh
    point and are averaged. For a linear regression Λ is closed for the estimate itself, and for its cells a mean over
    draws: see :func:`~qmis_stats.simulate.regression_ratio.quantized_leak`.

    Parameters
    ----------
    problem : Problem
        Post-training quantization of a Gaussian mean or a linear regression with diagonal covariance; any dimension.
    n : int
        Sample size, at least 2; at least d + 2 for a regression.
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
        If the likelihood ratio is not known.

    Examples
    --------
    >>> from qmis_stats import GaussianMean, Problem, Sign, ThresholdPTQ
    >>> problem = Problem(GaussianMean([0.0] * 4, np.eye(4)), ThresholdPTQ(Sign()))
    >>> r = likelihood_ratio(problem, 50, replicates=2000, seed=1, backend="reference")
    >>> 0.05 < r.delta < 0.15
    True
    """
    instance_of(Problem, "problem", problem)
    n = sample_size(n)
    settings = Settings(replicates, seed, backend, block=block)
    product = problem.at(n).product
    if product is None or not product.independent or product.influence not in ("gaussian", "gaussian_times_noise"):
        raise DomainError(
            "likelihood_ratio",
            "the likelihood ratio is known only for product cells on a Gaussian mean or a regression with diagonal "
            "covariance",
            "use method = exact, tilted or crude",
        )
    if product.influence == "gaussian_times_noise":
        return quantized_leak(product, n, settings)
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
    return unbiased_result("likelihood_ratio", ratios[:, 0], ratios[:, 1], n, settings)
