"""All pairs of regressions and fresh points against fits of the grown samples."""

from __future__ import annotations

import numpy as np
import pytest

from qmis_kernels import backend


def problem(rng: np.random.Generator, R: int, M: int, d: int, edges: list[int]) -> tuple[tuple, np.ndarray, np.ndarray]:
    """Return arguments, and the samples behind them."""
    n = d + 3
    design, response = rng.normal(size=(R, n, d)), rng.normal(size=(R, n))
    factors = np.linalg.cholesky(design.transpose(0, 2, 1) @ design)
    estimates = np.array([np.linalg.lstsq(a, b)[0] for a, b in zip(design, response, strict=True)]).reshape(R, d)
    offsets = np.concatenate([[0], np.cumsum(edges)]).astype(int)
    flat = np.concatenate([np.sort(rng.normal(size=k)) * 0.5 for k in edges])
    arguments = (factors, estimates, rng.normal(size=(M, d)), rng.normal(size=M), flat, offsets)
    return arguments, design, response


@pytest.mark.parametrize("name", ["numba", "reference"])
@pytest.mark.parametrize(("R", "M", "d", "edges"), [(40, 20, 2, [1, 2]), (1, 33, 1, [3]), (15, 5, 3, [0, 2, 1])])
def test_against_fits_of_grown_samples(name: str, R: int, M: int, d: int, edges: list[int]) -> None:
    arguments, design, response = problem(np.random.default_rng(M), R, M, d, edges)
    _, _, x, y, flat, offsets = arguments
    expected = np.zeros((M, int(np.prod(np.array(edges) + 1))), dtype=int)
    for r in range(R):
        for m in range(M):
            estimate = np.linalg.lstsq(np.vstack([design[r], x[m]]), np.append(response[r], y[m]))[0]
            digits = [int((flat[offsets[i] : offsets[i + 1]] <= estimate[i]).sum()) for i in range(d)]
            expected[m, np.ravel_multi_index(digits, np.array(edges) + 1)] += 1
    found = backend(name).add_one_wins(*arguments)
    np.testing.assert_array_equal(found, expected)
    assert (found.sum(axis=1) == R).all()
    without = backend(name).add_one_wins(*arguments[:2], 0.0 * x, *arguments[3:])
    assert not np.array_equal(without, expected)


@pytest.mark.parametrize(
    ("R", "M", "edges"), [(0, 4, [1]), (5, 0, [1]), (1, 1, [0]), (60, 50, [2, 0, 1, 3]), (7, 16, [1] * 9)]
)
def test_bits_equal_the_reference_for_any_number_of_threads(
    R: int, M: int, edges: list[int], one_and_all_threads
) -> None:
    arguments, _, _ = problem(np.random.default_rng(R), R, M, len(edges), edges)
    expected = backend("reference").add_one_wins(*arguments)
    for _ in one_and_all_threads():
        found = backend().add_one_wins(*arguments)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
