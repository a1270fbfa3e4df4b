"""Sums of many points against NumPy that generates the points: one core."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from harness import Case
from scipy.special import expit

import qmis_kernels

KEY = (1, 2)
NUMPY = np.random.Generator(np.random.SFC64(1))


def gaussian_means(n: int = 1000, d: int = 128) -> Case:
    """Means of n Gaussian vectors; the rival averages before it applies the factor."""
    kernels, factor = qmis_kernels.backend("numba"), np.linalg.cholesky(_covariance(d))
    replicates, batch = 20_000, 20

    def other() -> object:
        return NUMPY.standard_normal((batch, n, d)).mean(axis=1) @ factor.T

    return Case(
        f"Gaussian mean, n = {n}, d = {d}",
        "NumPy: data, mean, factor",
        lambda: kernels.gaussian_sums(KEY, 0, 0, replicates, np.zeros(d), factor / np.sqrt(n)),
        other,
        replicates,
        batch,
        "replicate",
    )


def gaussian_sums_drawn(d: int) -> Case:
    """The sums themselves, drawn directly by both."""
    kernels, factor, replicates = qmis_kernels.backend("numba"), np.linalg.cholesky(_covariance(d)), 20_000
    return Case(
        f"Gaussian sums drawn directly, d = {d}",
        "NumPy standard_normal @ factor",
        lambda: kernels.gaussian_sums(KEY, 0, 0, replicates, np.zeros(d), factor),
        lambda: NUMPY.standard_normal((replicates, d)) @ factor.T,
        replicates,
        replicates,
        "replicate",
    )


def regression(n: int = 1000, d: int = 16) -> Case:
    """Least squares of n points: 10⁵ replicates against batches that generate the data and solve."""
    kernels, replicates, batch = qmis_kernels.backend("numba"), 100_000, 100
    beta = np.linspace(-1.0, 1.0, d)
    root = np.linalg.cholesky(_covariance(d))
    transform = np.linalg.inv(root).T

    def other() -> object:
        x = NUMPY.standard_normal((batch, n, d)) @ root.T
        y = x @ beta + 0.5 * NUMPY.standard_normal((batch, n))
        transposed = x.transpose(0, 2, 1)
        return np.linalg.solve(transposed @ x, transposed @ y[:, :, None])

    return Case(
        f"linear regression, n = {n}, d = {d}, 1e5 replicates",
        "NumPy: data, normal equations, solve, in batches",
        lambda: kernels.regression_sums(KEY, 0, 0, replicates, n, beta, transform, 0.5),
        other,
        replicates,
        batch,
        "replicate",
    )


def wishart(n: int = 1000, q: int = 3) -> Case:
    """Matrices XᵀX against generating X."""
    kernels, replicates, batch = qmis_kernels.backend("numba"), 100_000, 500

    def other() -> object:
        x = NUMPY.standard_normal((batch, n, q))
        return x.transpose(0, 2, 1) @ x

    return Case(
        f"XᵀX, n = {n}, d = {q}",
        "NumPy: data, product, in batches",
        lambda: kernels.wishart_sums(KEY, 0, 0, replicates, n, np.eye(q)),
        other,
        replicates,
        batch,
        "replicate",
    )


def logistic(n: int = 200, d: int = 4) -> Case:
    """Logistic fits of simulated data against batched Newton steps in NumPy."""
    kernels, replicates, batch = qmis_kernels.backend("numba"), 2000, 500
    beta = np.linspace(-0.5, 0.5, d)

    def other() -> object:
        x = NUMPY.standard_normal((batch, n, d))
        y = NUMPY.random((batch, n)) < expit(x @ beta)
        b = np.zeros((batch, d))
        transposed = x.transpose(0, 2, 1)
        for _ in range(25):
            p = expit((x @ b[:, :, None])[:, :, 0])
            gradient = transposed @ (y - p)[:, :, None]
            hessian = (transposed * (p * (1.0 - p))[:, None, :]) @ x
            step = np.linalg.solve(hessian, gradient)[:, :, 0]
            b += step
            if np.abs(step).max() < 1e-8:
                break
        return b

    return Case(
        f"logistic regression, n = {n}, d = {d}",
        "NumPy: data, batched Newton",
        lambda: kernels.logistic_sums(KEY, 0, 0, replicates, n, beta, np.eye(d), 1e-8, 50),
        other,
        replicates,
        batch,
        "replicate",
    )


def multinomial(n: int, replicates: int) -> Case:
    """Counts of n points on five atoms, against NumPy's generator, whose rejection takes as long for every n."""
    kernels, p = qmis_kernels.backend("numba"), [0.2, 0.1, 0.4, 0.25, 0.05]
    return Case(
        f"multinomial counts, n = {n}, 5 atoms",
        "NumPy multinomial",
        lambda: kernels.multinomial_sums(KEY, 0, 0, replicates, n, p),
        lambda: NUMPY.multinomial(n, p, replicates),
        replicates,
        replicates,
        "replicate",
    )


def _covariance(d: int) -> np.ndarray:
    return np.asarray(0.5 ** np.abs(np.subtract.outer(np.arange(d), np.arange(d))))


def cases() -> Iterator[Case]:
    yield gaussian_means()
    for d in (2, 16, 64):
        yield gaussian_sums_drawn(d)
    yield regression()
    yield wishart()
    yield logistic()
    yield multinomial(1000, 20_000)
    yield multinomial(1_000_000, 2000)
