"""Exact log likelihood ratios of a product quantizer against NumPy and SciPy: one core."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from harness import Case
from scipy.special import log_ndtr

import qmis_kernels

NUMPY = np.random.Generator(np.random.SFC64(1))


def log_interval(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return log(Phi(b) - Phi(a)) in the tail on whose side the interval lies."""
    flip = a > 0.0
    low, high = np.where(flip, -b, a), np.where(flip, -a, b)
    upper = log_ndtr(high)
    return np.asarray(upper + np.log1p(-np.exp(log_ndtr(low) - upper)))


def log_ratios(n: int, edge: float, d: int, replicates: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw and evaluate ternary cells (-inf, -edge, edge, inf) on every coordinate."""
    ends = np.array([-np.inf, -edge, edge, np.inf])
    marginal = log_interval(ends[:-1] * np.sqrt(n), ends[1:] * np.sqrt(n))
    shift = NUMPY.standard_normal((replicates, d)) / n
    spread = np.sqrt(n - 1.0) / n
    out = []
    for mean in (
        NUMPY.standard_normal((replicates, d)) / np.sqrt(n),
        shift + spread * NUMPY.standard_normal((replicates, d)),
    ):
        cell = np.searchsorted(ends[1:-1], mean, side="right")
        given = log_interval((ends[cell] - shift) / spread, (ends[cell + 1] - shift) / spread)
        out.append((given - marginal[cell]).sum(axis=1))
    return out[0], out[1]


def cases() -> Iterator[Case]:
    kernels, n = qmis_kernels.backend("numba"), 500
    edge = 0.43 / np.sqrt(n)
    for d, replicates, batch in ((128, 2000, 500), (4096, 64, 16)):
        edges, offsets = np.tile([-edge, edge], d), 2 * np.arange(d + 1)
        yield Case(
            f"log likelihood ratios, ternary, d = {d}",
            "NumPy and SciPy log_ndtr",
            lambda e=edges, o=offsets, r=replicates: kernels.product_log_ratios((1, 2), 0, 0, r, n, e, o),  # type: ignore[misc]
            lambda d=d, b=batch: log_ratios(n, edge, d, b),  # type: ignore[misc]
            replicates,
            batch,
            "pair of ratios",
        )
