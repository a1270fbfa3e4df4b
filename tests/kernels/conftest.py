"""What the kernel tests share: calls of every function, and the suite's false-alarm rate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

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

Rng = np.random.Generator


def gaussian_problem(rng: Rng) -> tuple:
    d, p = rng.integers(0, 7, 2)
    return rng.normal(size=d), rng.normal(size=(d, p))


def wishart_problem(rng: Rng) -> tuple:
    q = int(rng.integers(1, 8))
    return int(rng.integers(1, 12)), rng.normal(size=(q, q))


def multinomial_problem(rng: Rng) -> tuple:
    p = rng.dirichlet(np.full(rng.integers(1, 10), 0.3))
    p[rng.random(p.size) < 0.2] = 0.0
    p[rng.integers(p.size)] += 0.1
    return int(rng.choice([0, 1, 7, 1000, 10**6, 10**7])), p


def mixture_problem(rng: Rng) -> tuple:
    trials, p = multinomial_problem(rng)
    d = int(rng.integers(0, 6))
    return trials, p, rng.normal(size=(p.size, d)), rng.normal(size=(p.size, d, d))


def pairs_problem(rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    R, M = (int(size) for size in rng.choice([0, 1, 7, 129, 1023, 1024, 1025, 2053], 2))
    K = int(rng.integers(1, 9))
    if rng.random() < 0.5:  # many ties
        return rng.integers(0, 3, (R, K)) * 1.0, rng.integers(0, 3, (M, K)) * 1.0
    return rng.normal(size=(R, K)), rng.normal(size=(M, K))


def wins_problem(rng: Rng) -> tuple:
    sums, points = pairs_problem(rng)
    return sums, rng.normal(size=sums.shape[0]), points


def rows_problem(rng: Rng) -> tuple:
    sums, points = pairs_problem(rng)
    return sums, points, rng.normal(size=points.shape)


def ratios_problem(rng: Rng) -> tuple:
    n = int(rng.choice([2, 11, 500, 10**6]))
    cuts = [np.sort(rng.normal(size=rng.integers(0, 5))) * rng.choice([0.1, 1.0, 5.0]) for _ in range(rng.integers(6))]
    edges = np.concatenate([np.empty(0), *cuts]) / np.sqrt(n)
    return n, edges, np.cumsum([0, *map(len, cuts)])


def regression_problem(rng: Rng) -> tuple:
    d = int(rng.integers(0, 20))
    n = max(1, d) + int(rng.choice([0, 1, 50]))
    return n, rng.normal(size=d), rng.normal(size=(d, d)), float(rng.choice([0.0, 0.7]))


def triangles(rng: Rng, R: int, d: int) -> np.ndarray:
    return np.tril(rng.normal(size=(R, d, d)), -1) + np.eye(d) * rng.uniform(1.0, 4.0, size=(R, 1, d))


def updates_problem(rng: Rng) -> tuple:
    R, m, d = (int(rng.choice([0, 1, 7, 40])), int(rng.choice([0, 1, 15, 33])), int(rng.integers(1, 9)))
    design = rng.normal(size=(R, m, d)) * rng.choice([0.3, 3.0])
    return triangles(rng, R, d), rng.normal(size=(R, d)), design, rng.normal(size=(R, m)), int(rng.choice([1, -1]))


def add_one_problem(rng: Rng) -> tuple:
    R, M, d = (int(rng.choice([0, 1, 40])), int(rng.choice([0, 1, 33])), int(rng.integers(1, 5)))
    cuts = [np.sort(rng.normal(size=rng.integers(0, 4))) for _ in range(d)]
    estimates, x = rng.normal(size=(R, d)), rng.normal(size=(M, d))
    return triangles(rng, R, d), estimates, x, rng.normal(size=M), np.concatenate(cuts), np.cumsum([0, *map(len, cuts)])


def fits_problem(rng: Rng) -> tuple:
    R, n, d = (int(rng.choice([0, 1, 30])), int(rng.integers(1, 45)), int(rng.integers(1, 6)))
    x = rng.normal(size=(R, n, d)) * 10.0 ** rng.uniform(-3.0, 3.0, size=(R, 1, 1))
    x[::2, :, 0] = 1.0
    x[::3] = np.round(x[::3])
    return x, rng.integers(0, 2, (R, n)), 1e-8, 50


def logistic_problem(rng: Rng) -> tuple:
    d = int(rng.integers(1, 6))
    return int(rng.integers(1, 45)), rng.normal(size=d), rng.normal(size=(d, d)), 1e-8, 50


PROBLEMS: dict[str, Callable[[Rng], tuple]] = {
    "uniforms": lambda rng: (int(rng.integers(0, 40)),),
    "normals": lambda rng: (int(rng.integers(0, 40)),),
    "gaussian_sums": gaussian_problem,
    "wishart_sums": wishart_problem,
    "multinomial_sums": multinomial_problem,
    "mixture_sums": mixture_problem,
    "all_pairs_wins": wins_problem,
    "all_pairs_rows": rows_problem,
    "product_log_ratios": ratios_problem,
    "chi_squares": lambda rng: (rng.integers(1, 60, rng.integers(0, 20)),),
    "gammas": lambda rng: (10.0 ** rng.uniform(-1.2, 3.0, rng.integers(0, 20)),),
    "regression_sums": regression_problem,
    "regression_factors": regression_problem,
    "rank_one_updates": updates_problem,
    "add_one_wins": add_one_problem,
    "logistic_fits": fits_problem,
    "logistic_sums": logistic_problem,
}
"""Arguments of each function, without the address of random numbers, drawn at random: also empty and prime sizes."""

LARGE_KEY = (2**32 - 5, 77)
LARGE = [
    ("uniforms", (LARGE_KEY, 1, 2**32 - 5, 2**20 + 7, 3)),
    ("normals", (LARGE_KEY, 1, 2**32 - 5, 2**20 + 7, 3)),
    ("normals", (LARGE_KEY, 1, 9, 1, 2**20 + 7)),
    ("gaussian_sums", (LARGE_KEY, 1, 9, 2**20 + 7, [0.5, 1.0], [[1.0, 0.3], [0.0, 2.0]])),
    ("wishart_sums", (LARGE_KEY, 1, 9, 2**16 + 1, 9, np.eye(4))),
    ("multinomial_sums", (LARGE_KEY, 1, 9, 2**17 + 1, 100, [0.1, 0.2, 0.7])),
    ("mixture_sums", (LARGE_KEY, 1, 9, 2**17 + 1, 10, [0.4, 0.6], [[0.0], [1.0]], [[[1.0]], [[2.0]]])),
    ("product_log_ratios", (LARGE_KEY, 1, 9, 2**16 + 1, 30, [-0.1, 0.2, 0.0], [0, 2, 3])),
]
"""Many replicates of few numbers each, and one long row."""


@pytest.fixture(params=LARGE, ids=lambda problem: f"{problem[0]}-{problem[1][3]}")
def large_problem(request: pytest.FixtureRequest) -> tuple[str, tuple]:
    return request.param


COUNTS = (0, 1, 2, 31, 97, 128, 257)


@pytest.fixture
def random_problem() -> Callable[[str, int], tuple]:
    """Draw all arguments of a function of the table; the replicates often cross 2^32 or end at 2^63."""

    def draw(function: str, seed: int) -> tuple:
        rng = np.random.default_rng([seed, *function.encode()])
        arguments = PROBLEMS[function](rng)
        if function not in RANDOM_CALLS:
            return arguments
        key, stream = tuple(int(word) for word in rng.integers(0, 2**32, 2)), int(rng.integers(0, 2**32))
        first = (0, 2**32 - 20, 2**63 - 300, int(rng.integers(2**62)))[seed % 4]
        return key, stream, first, int(rng.choice(COUNTS)), *arguments

    return draw


class Poisoned:
    """A device whose new memory is full of ones: NaN as a number, -1 as an integer."""

    def __init__(self, device: Any) -> None:
        self.device = device
        self.name = f"poisoned_{device.name}"

    def __getattr__(self, name: str) -> Any:
        return getattr(self.device, name)

    def allocate(self, shape: tuple[int, ...], dtype: type) -> Any:
        return self.device.upload(np.full(shape, -1, dtype=np.int64).view(dtype))


@pytest.fixture
def poisoned() -> type[Poisoned]:
    return Poisoned


def assert_same_bits(found: np.ndarray, expected: np.ndarray) -> None:
    """Shape, type and every bit are equal: also the sign of zero."""
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_array_equal(
        np.ascontiguousarray(found).view(np.int64), np.ascontiguousarray(expected).view(np.int64)
    )


@pytest.fixture
def same_bits() -> Callable[[np.ndarray, np.ndarray], None]:
    return assert_same_bits


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
