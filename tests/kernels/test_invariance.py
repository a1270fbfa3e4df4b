"""A result is a function of key, stream and replicate number: no split, thread or backend changes a bit."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from qmis_kernels import backend

KEY, STREAM = (2**32 - 5, 77), 2**32 - 1


def call(
    name: str, random_call: tuple, first: int, count: int, key: tuple = KEY, stream: int = STREAM
) -> tuple[np.ndarray, ...]:
    """Return the arrays that a call gives."""
    function, arguments = random_call
    result = getattr(backend(name), function)(key, stream, first, count, *arguments)
    return result if isinstance(result, tuple) else (result,)


@pytest.mark.parametrize("first", [0, 2**32 - 30, 2**63 - 200])
def test_block_splits(random_call: tuple, first: int) -> None:
    whole = call("numba", random_call, first, 97)
    starts = [0, 1, 1, 18, 50, 97]
    parts = [call("numba", random_call, first + a, b - a) for a, b in pairwise(starts)]
    for pieces, expected in zip(zip(*parts, strict=True), whole, strict=True):
        np.testing.assert_array_equal(np.concatenate(pieces), expected)


def test_threads(random_call: tuple, one_and_all_threads) -> None:
    results = [call("numba", random_call, 3, 997) for _ in one_and_all_threads()]
    for left, right in zip(*results, strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("count", [0, 1, 211])
def test_reference(random_call: tuple, count: int) -> None:
    results = (call(name, random_call, 2**32 - 100, count) for name in ("numba", "reference"))
    for compiled, plain in zip(*results, strict=True):
        assert compiled.shape == plain.shape
        assert compiled.dtype == plain.dtype
        if random_call[0] == "product_log_ratios":  # whose oracle takes its probabilities from SciPy
            np.testing.assert_allclose(compiled, plain, rtol=1e-11, atol=1e-11)
        else:
            np.testing.assert_array_equal(compiled, plain)


@pytest.mark.parametrize("seed", range(6))
def test_reference_on_random_problems(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table, oracle = backend(), backend("reference")
    q, m, trials = int(rng.integers(1, 7)), int(rng.integers(1, 9)), int(10 ** rng.uniform(0, 6))
    address = ((seed, 9), 1, int(rng.integers(0, 2**40)), 101)
    calls = {
        "gaussian_sums": (rng.normal(size=q), rng.normal(size=(q, m))),
        "wishart_sums": (int(rng.integers(1, 12)), rng.normal(size=(q, q))),
        "multinomial_sums": (trials, rng.dirichlet(np.full(m, 0.3))),
        "mixture_sums": (
            trials,
            rng.dirichlet(np.ones(m)),
            rng.normal(size=(m, q)),
            rng.normal(size=(m, q, q)),
        ),
    }
    for name, arguments in calls.items():
        expected = getattr(oracle, name)(*address, *arguments)
        np.testing.assert_array_equal(getattr(table, name)(*address, *arguments), expected)


def test_key_and_stream_matter(random_call: tuple) -> None:
    results = [
        call("numba", random_call, 0, 20, key, stream)[0]
        for key, stream in (((1, 2), 3), ((2, 2), 3), ((1, 3), 3), ((1, 2), 4))
    ]
    for i, left in enumerate(results):
        assert not any(np.array_equal(left, right) for right in results[i + 1 :])
