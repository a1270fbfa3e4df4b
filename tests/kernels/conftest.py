"""What the kernel tests share: one call of every random function, and the suite's false-alarm rate."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

ALPHA = 1e-9  # false-alarm rate of one statistical check
LARGEST_Z = 6.2  # two-sided normal bound at a rate below ALPHA

TRANSFORM = [[1.0, -0.4, 0.3], [0.0, 0.9, -0.2], [0.0, 0.0, 1.4]]
FACTOR = [[1.0, 0.0, 0.0], [0.5, 1.2, 0.0], [-0.3, 0.4, 0.7]]

RANDOM_CALLS = {
    "uniforms": (7,),
    "normals": (7,),
    "gaussian_sums": ([1.0, -2.0, 0.5], [[1.0, 2.0], [0.0, 1.0], [3.0, -1.0]]),
    "wishart_sums": (11, FACTOR),
    "multinomial_sums": (1000, [0.2, 0.0, 0.5, 0.25, 0.05]),
    "mixture_sums": (
        40,
        [0.3, 0.7],
        [[0.0, 1.0], [2.0, -1.0]],
        [[[1.0, 0.0], [0.5, 1.0]], [[2.0, 0.0], [0.0, 3.0]]],
    ),
    "product_log_ratios": (50, [-0.1, 0.1, 0.0, -0.3, 0.05, 0.2], [0, 2, 3, 3, 6]),
    "chi_squares": ([1, 2, 3, 40],),
    "gammas": ([0.1, 0.5, 1.0, 7.3],),
    "regression_sums": (9, [1.0, -2.0, 0.5], TRANSFORM, 0.7),
    "regression_factors": (9, [1.0, -2.0, 0.5], TRANSFORM, 0.7),
    "logistic_sums": (13, [0.5, -1.0], [[1.0, 0.0], [0.4, 0.8]], 1e-8, 40),
}


@pytest.fixture(params=sorted(RANDOM_CALLS))
def random_call(request: pytest.FixtureRequest) -> tuple[str, tuple[object, ...]]:
    """Name and last arguments of a random function of the table."""
    return request.param, RANDOM_CALLS[request.param]


@pytest.fixture
def alpha() -> float:
    return ALPHA


@pytest.fixture
def largest_z() -> float:
    return LARGEST_Z


@pytest.fixture
def factor() -> np.ndarray:
    return np.array(FACTOR)


@pytest.fixture
def one_and_all_threads() -> Iterator[Callable[[], Iterator[int]]]:
    """Run a check with one thread and with as many as there are, at least two."""
    import numba

    from qmis_kernels import set_threads, threads

    before = threads()

    def each() -> Iterator[int]:
        for number in (1, numba.config.NUMBA_NUM_THREADS):
            set_threads(number)
            yield number

    if numba.config.NUMBA_NUM_THREADS < 2:
        pytest.skip("one processor only")
    yield each
    set_threads(before)
