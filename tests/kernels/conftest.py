"""What the kernel tests share: calls of every function, and the suite's false-alarm rate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from qmis_kernels import backend
from qmis_kernels.vectors import frozen_result

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
    "gammas": ([0.1, 0.5, 1.0, 7.3],),
    "regression_sums": (9, [1.0, -2.0, 0.5], TRANSFORM, 0.7),
    "regression_factors": (9, [1.0, -2.0, 0.5], TRANSFORM, 0.7),
    "logistic_sums": (13, [0.5, -1.0], [[1.0, 0.0], [0.4, 0.8]], 1e-8, 40),
    "rademacher_sums": (np.sin(np.arange(5 * 150.0)).reshape(5, 150), 256),
    "resampled_power_sums": (np.sin(np.arange(37.0)),),
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


def gammas_problem(rng: Rng) -> tuple:
    return (rng.choice([0.0625, 0.3, 1.0 - 2.0**-53, 1.0, 1.5, 40.3, 2.0**52 - 0.5], rng.integers(0, 8)),)


def regression_problem(rng: Rng) -> tuple:
    d = int(rng.integers(0, 7))
    n = max(1, d + int(rng.choice([0, 1, 50])))
    return n, rng.normal(size=d), rng.normal(size=(d, d)), float(rng.choice([0.0, 0.7]))


def triangles(rng: Rng, count: int, d: int) -> np.ndarray:
    """Return factors whose upper triangles, which are to be ignored, are not zero."""
    factors = rng.normal(size=(count, d, d))
    factors[:, range(d), range(d)] = rng.choice([1.0, 0.3, 2.0], (count, d))
    return factors


def updates_problem(rng: Rng) -> tuple:
    """Points of all sizes: leverages near 0, exactly 1, above, and beyond the largest number."""
    R, m = (int(size) for size in rng.choice([0, 1, 3, 17, 97], 2, p=[0.1, 0.15, 0.25, 0.25, 0.25]))
    d = int(rng.integers(0, 6))
    points = rng.normal(size=(R, m, d)) * rng.choice([0.01, 1.0, 1e200], (R, m, 1), p=[0.5, 0.4, 0.1])
    factors = triangles(rng, R, d)
    if rng.random() < 0.5:
        points = rng.integers(0, 2, (R, m, d)) * 1.0
        factors[:] = np.eye(d)
    elif d and rng.random() < 0.5:  # leverages that are 1 up to rounding
        ways = rng.normal(size=points.shape)
        ways /= np.linalg.norm(ways, axis=2, keepdims=True)
        points = np.einsum("rik,rmk->rmi", np.tril(factors), ways)
    return factors, rng.normal(size=(R, d)), points, rng.normal(size=(R, m)), int(rng.choice([1, -1]))


def add_one_problem(rng: Rng) -> tuple:
    R, M = (int(size) for size in rng.choice([0, 1, 17, 97, 1025], 2))
    d = int(rng.integers(0, 5))
    cuts = [np.sort(rng.normal(size=rng.integers(0, 4))) for _ in range(d)]
    edges = np.concatenate([np.empty(0), *cuts])
    points = rng.normal(size=(M, d)) * rng.choice([1.0, 1e200], (M, 1), p=[0.9, 0.1])
    offsets = np.cumsum([0, *map(len, cuts)])
    return triangles(rng, R, d), rng.normal(size=(R, d)), points, rng.normal(size=M), edges, offsets


def labelled_points(rng: Rng, R: int, n: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Return designs and responses, by turns ordinary, separable, quasi-separable, with equal columns and far points.

    The last kind needs shorter steps.
    """
    x = rng.normal(size=(R, n, d))
    x[:, :, 0] = 1.0
    y = rng.integers(0, 2, (R, n))
    for r in range(R):
        if r % 5 == 1:
            y[r] = x[r, :, -1] > 0.3
        elif r % 5 == 2:
            x[r, :, -1] = rng.integers(0, 2, n)
            y[r] |= x[r, :, -1] > 0.5
        elif r % 5 == 3:
            x[r, :, -1] = x[r, :, 0]
        elif r % 5 == 4:
            x[r, :, 1:] = rng.standard_cauchy((n, d - 1)) ** 3
            y[r] = rng.random(n) < 0.1
    return x, y


def fits_problem(rng: Rng) -> tuple:
    R, n, d = int(rng.choice([0, 1, 5, 31])), int(rng.choice([0, 1, 7, 8, 9, 41])), int(rng.integers(1, 5))
    return *labelled_points(rng, R, n, d), 1e-8, int(rng.choice([3, 60]))


def simulated_fits_problem(rng: Rng) -> tuple:
    d = int(rng.integers(1, 6))
    return int(rng.choice([1, 3, 8, 13, 61])), rng.normal(size=d), rng.normal(size=(d, d)), 1e-8, 40


def signed_problem(rng: Rng) -> tuple:
    """Up to the last block of the generator."""
    M, N = int(rng.choice([0, 1, 3, 8, 9, 17])), int(rng.choice([0, 1, 7, 8, 9, 127, 129, 513, 1100]))
    return rng.normal(size=(M, N)), 128 * int(rng.choice([0, 1, 3, 2**32 - 9]))


def resampled_problem(rng: Rng) -> tuple:
    return (rng.normal(size=rng.choice([1, 2, 7, 8, 9, 100, 1023, 1024, 1025, 2049])),)


def centred_problem(rng: Rng) -> tuple:
    K, N = int(rng.choice([0, 1, 3, 9, 17])), int(rng.choice([0, 1, 7, 8, 9, 1023, 1024, 1025, 2500]))
    return rng.normal(size=(K, N)), rng.normal(size=N), rng.normal(size=K)


def contrasts_problem(rng: Rng) -> tuple:
    """Also rows that are equal, in the same group and in others, with equal and with different estimates."""
    sizes = rng.choice([1, 2, 3, 5, 33], rng.choice([0, 1, 2, 5, 9]), p=[0.3, 0.3, 0.2, 0.1, 0.1])
    M, B = int(sizes.sum()), int(rng.choice([1, 2, 7, 8, 9, 16, 17, 50, 129]))
    draws = rng.normal(size=(M, B))
    if M and rng.random() < 0.5:
        draws = draws[rng.integers(0, M, M)]
    return rng.integers(0, 4, M) * 1.0, draws, np.cumsum([0, *sizes])


def exposed_points(rng: Rng) -> tuple:
    """Also leverages of zero and next to none of the bend that makes a member's law other than normal."""
    n, loss = int(rng.choice([1, 0, 3, 8, 31, 64])), int(rng.integers(0, 3))
    q = 10.0 ** rng.uniform(-6, 2, n)
    q[rng.random(n) < 0.1] = 0.0
    y = (rng.normal(size=n), rng.integers(0, 2, n) * 1.0, rng.poisson(2.0, n) * 1.0)[loss]
    return 1.5 * rng.normal(size=n), 10.0 ** rng.uniform(-2, 0.5, n), q, y, loss


def exposed_moments(rng: Rng, points: tuple) -> tuple:
    moments = backend("numba").proximal_moments(*points)
    c = rng.uniform(0.0, 1.0, points[0].size)
    c[rng.random(c.size) < 0.2] = 1.0
    return moments, c, c * rng.uniform(0.5, 1.5, c.size)


def read_out_problem(rng: Rng) -> tuple:
    points = exposed_points(rng)
    return 2.0 * rng.normal(size=points[0].size), *points, *exposed_moments(rng, points)


def exposure_problem(rng: Rng) -> tuple:
    points = exposed_points(rng)
    n, columns, groups = points[0].size, int(rng.integers(1, 4)), int(rng.integers(1, 5))
    moments, c, e = exposed_moments(rng, points)
    scale = rng.uniform(0.0, 1.0, columns)
    return (
        *points,
        moments,
        c[:, None] * scale,
        e[:, None] * scale,
        rng.uniform(0.0, 1.0, n),
        rng.integers(0, groups, n),
        groups,
        rng.normal(size=(n, columns)) * rng.integers(0, 2, (n, columns)),
    )


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
    "gammas": gammas_problem,
    "regression_sums": regression_problem,
    "regression_factors": regression_problem,
    "rank_one_updates": updates_problem,
    "add_one_wins": add_one_problem,
    "logistic_fits": fits_problem,
    "logistic_sums": simulated_fits_problem,
    "rademacher_sums": signed_problem,
    "resampled_power_sums": resampled_problem,
    "centred_power_sums": centred_problem,
    "group_contrasts": contrasts_problem,
    "proximal_moments": exposed_points,
    "read_out_ratios": read_out_problem,
    "exposure_integrals": exposure_problem,
}
"""Arguments of each function, without the address of random numbers, drawn at random: also empty and prime sizes."""

LARGE_KEY = (2**32 - 5, 77)
LARGE_RNG = np.random.default_rng(8)
LARGE = [
    ("uniforms", (LARGE_KEY, 1, 2**32 - 5, 2**20 + 7, 3)),
    ("normals", (LARGE_KEY, 1, 2**32 - 5, 2**20 + 7, 3)),
    ("normals", (LARGE_KEY, 1, 9, 1, 2**20 + 7)),
    ("gaussian_sums", (LARGE_KEY, 1, 9, 2**20 + 7, [0.5, 1.0], [[1.0, 0.3], [0.0, 2.0]])),
    ("wishart_sums", (LARGE_KEY, 1, 9, 2**16 + 1, 9, np.eye(4))),
    ("multinomial_sums", (LARGE_KEY, 1, 9, 2**17 + 1, 100, [0.1, 0.2, 0.7])),
    ("mixture_sums", (LARGE_KEY, 1, 9, 2**17 + 1, 10, [0.4, 0.6], [[0.0], [1.0]], [[[1.0]], [[2.0]]])),
    ("product_log_ratios", (LARGE_KEY, 1, 9, 2**16 + 1, 30, [-0.1, 0.2, 0.0], [0, 2, 3])),
    ("gammas", (LARGE_KEY, 1, 9, 2**17 + 1, [1.0, 0.4, 4.5])),
    ("gammas", (LARGE_KEY, 1, 9, 2**17 + 1, [0.3, 4.5])),
    ("regression_sums", (LARGE_KEY, 1, 9, 2**16 + 1, 9, [1.0, -2.0, 0.5], TRANSFORM, 0.7)),
    ("regression_factors", (LARGE_KEY, 1, 9, 2**15 + 1, 9, [1.0, -2.0, 0.5], TRANSFORM, 0.7)),
    (
        "rank_one_updates",
        (
            triangles(LARGE_RNG, 257, 3),
            LARGE_RNG.normal(size=(257, 3)),
            LARGE_RNG.normal(size=(257, 101, 3)),
            LARGE_RNG.normal(size=(257, 101)),
            1,
        ),
    ),
    (
        "add_one_wins",
        (
            triangles(LARGE_RNG, 3089, 2),
            LARGE_RNG.normal(size=(3089, 2)),
            LARGE_RNG.normal(size=(1021, 2)),
            LARGE_RNG.normal(size=1021),
            [-0.5, 0.1, 0.0],
            [0, 2, 3],
        ),
    ),
    ("logistic_fits", (*labelled_points(LARGE_RNG, 2003, 21, 2), 1e-8, 60)),
    ("logistic_sums", (LARGE_KEY, 1, 9, 2**12 + 1, 21, [0.5, -1.0], [[1.0, 0.0], [0.4, 0.8]], 1e-8, 40)),
    ("rademacher_sums", (LARGE_KEY, 1, 9, 2**14 + 1, LARGE_RNG.normal(size=(3, 257)))),
    ("resampled_power_sums", (LARGE_KEY, 1, 9, 2**12 + 1, LARGE_RNG.normal(size=901))),
    (
        "centred_power_sums",
        (LARGE_RNG.normal(size=(257, 901)), LARGE_RNG.normal(size=901), LARGE_RNG.normal(size=257)),
    ),
    ("group_contrasts", (LARGE_RNG.normal(size=50), LARGE_RNG.normal(size=(50, 37)), [*range(46), 50])),
    (
        "proximal_moments",
        (LARGE_RNG.normal(size=5003), np.full(5003, 0.7), np.full(5003, 0.4), np.zeros(5003), 1),
    ),
]
"""Many replicates of few numbers each, one long row, and many regressions."""


def size_of_problem(problem: tuple[str, tuple]) -> str:
    name, arguments = problem
    return f"{name}-{arguments[3] if name in RANDOM_CALLS else len(arguments[0])}"


@pytest.fixture(params=LARGE, ids=size_of_problem)
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


Arrays = np.ndarray | tuple[np.ndarray, ...]


def bits(a: np.ndarray) -> np.ndarray:
    """Return the bits of numbers as integers; whatever is no float stays what it is."""
    return np.ascontiguousarray(a).view(np.int64) if a.dtype == np.float64 else a


def each(result: Arrays) -> tuple[np.ndarray, ...]:
    """Return the arrays of a result."""
    return result if isinstance(result, tuple) else (result,)


def assert_same_bits(found: Arrays, expected: Arrays) -> None:
    """Shapes, types and every bit are equal: also the sign of zero, also NaN."""
    assert type(found) is type(expected)
    for ours, theirs in zip(each(found), each(expected), strict=True):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_array_equal(bits(ours), bits(theirs))


@pytest.fixture
def same_bits() -> Callable[[Arrays, Arrays], None]:
    return assert_same_bits


def share_of_other_bits(found: Arrays, expected: Arrays) -> float:
    """Return the share with other bits among numbers, NaN left out; where some arrays are floating, among those."""
    pairs = list(zip(each(found), each(expected), strict=True))
    pairs = [pair for pair in pairs if pair[0].dtype == np.float64] or pairs
    return float(np.mean(np.concatenate([(bits(a) != bits(b))[~np.isnan(b)] for a, b in pairs])))


@pytest.fixture
def other_bits() -> Callable[[Arrays, Arrays], float]:
    return share_of_other_bits


def assert_frozen(call: dict[str, Any], found: Arrays) -> None:
    """The result of a frozen call is what it was when it was recorded."""
    for part, expected in zip(each(found), each(frozen_result(call)), strict=True):
        if call["function"] == "product_log_ratios":  # whose reference takes its probabilities from SciPy
            np.testing.assert_allclose(part, expected, rtol=1e-11)
        else:
            np.testing.assert_array_equal(part, expected)


@pytest.fixture
def is_frozen() -> Callable[[dict[str, Any], Arrays], None]:
    return assert_frozen


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
