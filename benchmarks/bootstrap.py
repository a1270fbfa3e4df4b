"""The bootstrap of many means: against NumPy with signs in a matrix product, and with resampled indices."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from harness import Case

import qmis_kernels

KEY = (1, 2)
STATISTICS, POINTS, REPLICATES = 4000, 4096, 2000


def by_product(values: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Multiply the values by a matrix of signs drawn for the purpose."""
    bits = np.unpackbits(rng.integers(0, 256, (count, values.shape[1] // 8), dtype=np.uint8), axis=1)
    return (2.0 * bits - 1.0) @ values.T


def by_indices(values: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Average resampled columns, replicate by replicate."""
    n = values.shape[1]
    return np.stack([values[:, rng.integers(0, n, n)].mean(1) for _ in range(count)])


def resampled_powers(values: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Add up powers of resampled values, all replicates at once."""
    x = values[rng.integers(0, values.size, (count, values.size))]
    return _powers(x)


def centred_powers(values: np.ndarray, reference: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Add up powers of deviations, in chunks that stay in the cache."""
    chunk = 16
    parts = [
        _powers((values[k : k + chunk] - reference) - centres[k : k + chunk, None])[:, 1:]
        for k in range(0, len(values), chunk)
    ]
    return np.concatenate(parts)


def _powers(x: np.ndarray) -> np.ndarray:
    power, sums = x.copy(), [x.sum(axis=1)]
    for _ in range(5):
        power *= x
        sums.append(power.sum(axis=1))
    return np.stack(sums, axis=1)


def cases() -> Iterator[Case]:
    kernels = qmis_kernels.backend("numba")
    rng = np.random.default_rng(1)
    values = rng.normal(size=(STATISTICS, POINTS))
    signs = kernels.rademacher_sums(KEY, 0, 0, 20, np.eye(POINTS))
    np.testing.assert_allclose(kernels.rademacher_sums(KEY, 0, 0, 20, values), signs @ values.T, atol=1e-9)
    name = f"signed sums, {STATISTICS} statistics, {POINTS} points, {REPLICATES} replicates"
    for rival, function, count in (
        ("NumPy, signs drawn and multiplied", by_product, REPLICATES),
        ("NumPy, values[:, index].mean(1)", by_indices, 2),
    ):
        yield Case(
            name,
            rival,
            lambda: kernels.rademacher_sums(KEY, 0, 0, REPLICATES, values),
            lambda f=function, n=count: f(values, n, rng),  # type: ignore[misc]
            float(REPLICATES),
            float(count),
            "replicate",
        )
    few, one = values[:1], values[0]
    yield Case(
        f"signed sums, one statistic, {POINTS} points, {REPLICATES} replicates",
        "NumPy, signs drawn and multiplied",
        lambda: kernels.rademacher_sums(KEY, 0, 0, REPLICATES, few),
        lambda: by_product(few, REPLICATES, rng),
        float(REPLICATES),
        float(REPLICATES),
        "replicate",
    )
    yield Case(
        f"sums of six powers, {POINTS} draws with replacement, 500 replicates",
        "NumPy, values[index] and powers",
        lambda: kernels.resampled_power_sums(KEY, 0, 0, 500, one),
        lambda: resampled_powers(one, 500, rng),
        500.0,
        500.0,
        "replicate",
    )
    centres = (values - one).mean(axis=1)
    np.testing.assert_allclose(
        kernels.centred_power_sums(values[:40], one, centres[:40]), centred_powers(values[:40], one, centres[:40]), 1e-9
    )
    yield Case(
        f"sums of five powers of deviations, {STATISTICS} rows of {POINTS}",
        "NumPy, in chunks",
        lambda: kernels.centred_power_sums(values, one, centres),
        lambda: centred_powers(values, one, centres),
        float(STATISTICS),
        float(STATISTICS),
        "row",
    )
