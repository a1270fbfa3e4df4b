"""Rare events: time to one per cent against crude simulation in NumPy and against OpenTURNS, one core.

Crude simulation is timed on a million sums and its time taken in proportion. OpenTURNS is given the design points, and
stops at the relative error that our result states; what is timed is a whole call of the public function `tilted`.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator

import numpy as np
from harness import duration, elapsed, short
from scipy.special import ndtr

from qmis_stats import CodebookERM, GaussianMean, LinearRegression, MISResult, Problem
from qmis_stats.simulate import tilted

HEADER = (
    "quantity",
    "log10",
    "own relative error",
    "own time (median)",
    "rival",
    "rival time / own: median (least to most)",
)

LINE = Problem(GaussianMean([0.0], [[1.0]]), CodebookERM([[0.0], [1.0]]))
ANGLES = np.linspace(0.0, 2.0 * np.pi, 7, endpoint=False) + 0.3
PLANE = Problem(
    GaussianMean([0.0, 0.0], np.eye(2)),
    CodebookERM(np.vstack([np.zeros(2), np.column_stack([np.cos(ANGLES), np.sin(ANGLES)])])),
)
SPACE = Problem(
    GaussianMean([0.0] * 3, np.eye(3)),
    CodebookERM([[0, 0, 0], [1, 0, 0], [0, 1.05, 0.1], [-0.7, 0.2, 0.8], [0.3, -1, 0.4], [0.2, 0.3, -1.1]]),
)
LAW = LinearRegression([1.0, 0.0], np.eye(2), 0.5)
PAIR = Problem(LAW, CodebookERM([[1.0, 0.0], [1.3, 0.2]]))
FOUR = Problem(LAW, CodebookERM([[1.0, 0.0], [1.3, 0.2], [0.7, 0.2], [1.0, -0.36]]))

DEEP = (
    ("Δ, Gaussian mean, one threshold", LINE, 1800, 2_000),
    ("Δ, Gaussian mean, one threshold", LINE, 3630, 2_000),
    ("Δ, Gaussian mean in the plane, 7 rivals", PLANE, 1800, 15_000),
    ("Δ, Gaussian mean in the plane, 7 rivals", PLANE, 3630, 15_000),
    ("Δ, regression, 2 codewords", PAIR, 3700, 8_000),
    ("Δ, regression, 2 codewords", PAIR, 7440, 8_000),
    ("Δ, regression, 4 codewords", FOUR, 3700, 25_000),
    ("Δ, regression, 4 codewords", FOUR, 7440, 25_000),
)


def table(rounds: int) -> list[tuple[str, ...]]:
    """Return the rows of the table."""
    return [*against_crude(rounds), *deep(rounds), *against_openturns(rounds)]


def own_times(call: Callable[[], MISResult], rounds: int) -> list[float]:
    call()
    return [elapsed(call) for _ in range(rounds)]


def against_crude(rounds: int, n: int = 84, replicates: int = 2_000) -> Iterator[tuple[str, ...]]:
    """Δ of about 1e-6: crude simulation draws the sums and all it needs of the fresh points costs it nothing."""
    result = tilted(LINE, n, replicates=replicates, seed=1)
    own = own_times(lambda: tilted(LINE, n, replicates=replicates, seed=1), rounds)
    generator, batch = np.random.Generator(np.random.SFC64(1)), 1_000_000
    error = result.std_error or math.nan

    def crude() -> object:
        return np.count_nonzero(generator.standard_normal(batch) > 0.0)

    needed = crude_relative_variance(n) / error**2
    ratios = [needed * elapsed(crude) / batch / t for t in own]
    yield (
        "Δ, Gaussian mean, one threshold",
        f"{result.log_delta / math.log(10):.1f}",
        f"{error:.2%}",
        duration(statistics.median(own)),
        f"crude NumPy, {needed:.1e} sums to the same error",
        f"{short(statistics.median(ratios))} ({short(min(ratios))} to {short(max(ratios))})",
    )


def crude_relative_variance(n: int) -> float:
    """Return the relative variance of one crude sum, all fresh points used: threshold 1/2, standard normal points.

    A sum s of n - 1 points contributes g(s): the integral over fresh points z of the sign of z - z0 where s + z
    crosses.
    """
    threshold, root = 0.5 * n, math.sqrt(n - 1.0)
    # P(cross | z) = P(cross) at z0, the point that decides the signs.
    z0 = threshold - threshold / math.sqrt(n) * root
    s = np.linspace(threshold - 12.0, min(threshold + 12.0, 12.0 * root), 200_001)
    low = threshold - s
    gain = ndtr(-np.maximum(low, z0)) - np.maximum(ndtr(z0) - ndtr(low), 0.0)
    density = np.exp(-0.5 * (s / root) ** 2) / (root * math.sqrt(2.0 * math.pi))
    first, second = (float(np.trapezoid(gain**power * density, s)) for power in (1, 2))
    return second / first**2


def deep(rounds: int) -> Iterator[tuple[str, ...]]:
    """Δ of 1e-100 and 1e-200, where nothing else arrives."""
    for name, problem, n, replicates in DEEP:
        result = tilted(problem, n, replicates=replicates, seed=1)
        own = own_times(lambda p=problem, n=n, r=replicates: tilted(p, n, replicates=r, seed=1), rounds)  # type: ignore[misc]
        error = f"{result.std_error:.2%}"
        log10 = f"{result.log_delta / math.log(10):.1f}"
        yield name, log10, error, duration(statistics.median(own)), "none", ""


def against_openturns(rounds: int) -> Iterator[tuple[str, ...]]:
    """P(T != best) of about 1e-9 from the same sums: OpenTURNS' best method here, stopped at the same error."""
    try:
        import openturns
    except ImportError:
        return
    openturns.Log.Show(openturns.Log.NONE)
    for name, problem, n, replicates in (
        ("P(T ≠ θ₁), one threshold", LINE, 144, 2_000),
        ("P(T ≠ θ₁), in the plane, 7 rivals", PLANE, 156, 4_000),
        ("P(T ≠ θ₁), in space, 5 rivals", SPACE, 146, 4_000),
    ):
        result = tilted(problem, n, replicates=replicates, seed=1)
        own = own_times(lambda p=problem, n=n, r=replicates: tilted(p, n, replicates=r, seed=1), rounds)  # type: ignore[misc]
        target = result.details["log_crossing_std_error"]
        trials = {label: method(problem, n, 0.02) for label, method in METHODS.items()}
        label = min(trials, key=lambda key: trials[key][0] * trials[key][2] ** 2)
        times, error, found = [], 0.0, 0.0
        for _ in range(rounds):
            seconds, found, error = METHODS[label](problem, n, target)
            times.append(seconds)
        ratios = [other / mine for other, mine in zip(times, own, strict=True)]
        crossing = result.details["log_crossing"]
        yield (
            name,
            f"{crossing / math.log(10):.1f}",
            f"{target:.2%}",
            duration(statistics.median(own)),
            f"OpenTURNS, {label}: error {error:.2%}, {found / math.exp(crossing) - 1:+.2%} from own",
            f"{short(statistics.median(ratios))} ({short(min(ratios))} to {short(max(ratios))})",
        )


def _faces(problem: Problem, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return distances and unit directions of the faces in standard normal space."""
    scores = problem.scores
    rivals = [k for k in range(scores.cells) if k != scores.best]  # type: ignore[union-attr]
    constant, linear = math.sqrt(n) * scores.constant[rivals], scores.linear[rivals]  # type: ignore[union-attr]
    size = np.linalg.norm(linear, axis=1)
    return constant / size, linear / size[:, None]


def _event(problem: Problem, n: int) -> object:
    """Return the event that some rival beats the best cell."""
    import openturns as ot

    distance, direction = _faces(problem, n)
    d = direction.shape[1]

    def smallest(points: object) -> np.ndarray:
        return np.asarray(np.min(np.asarray(points) @ direction.T + distance, axis=1)[:, None])

    output = ot.CompositeRandomVector(ot.PythonFunction(d, 1, func_sample=smallest), ot.RandomVector(ot.Normal(d)))
    return ot.ThresholdEvent(output, ot.Less(), 0.0)


def _finished(algorithm: object) -> tuple[float, float]:
    algorithm.run()  # type: ignore[attr-defined]
    result = algorithm.getResult()  # type: ignore[attr-defined]
    return result.getProbabilityEstimate(), result.getCoefficientOfVariation()


def _timed(
    run: Callable[[Problem, int, float], tuple[float, float]],
) -> Callable[[Problem, int, float], tuple[float, float, float]]:
    """Return the method with its time in front of its estimate and its relative error."""

    def timed(problem: Problem, n: int, target: float) -> tuple[float, float, float]:
        found = (0.0, math.inf)

        def side() -> None:
            nonlocal found
            found = run(problem, n, target)

        return elapsed(side), *found

    return timed


def importance(problem: Problem, n: int, target: float) -> tuple[float, float]:
    """Importance sampling from normal laws at the design points, which are given: MultiFORM finds two of seven."""
    import openturns as ot

    distance, direction = _faces(problem, n)
    unit = ot.CovarianceMatrix(direction.shape[1])
    mixture = ot.Mixture([ot.Normal(list(point), unit) for point in -distance[:, None] * direction])
    event = ot.StandardEvent(_event(problem, n))
    algorithm = ot.ProbabilitySimulationAlgorithm(event, ot.ImportanceSamplingExperiment(mixture))
    algorithm.setMaximumOuterSampling(1_000_000)
    algorithm.setBlockSize(1000)
    algorithm.setMaximumCoefficientOfVariation(target)
    return _finished(algorithm)


def directional(problem: Problem, n: int, target: float) -> tuple[float, float]:
    """Directional sampling."""
    import openturns as ot

    algorithm = ot.DirectionalSampling(_event(problem, n), ot.MediumSafe(), ot.RandomDirection())
    algorithm.setMaximumOuterSampling(20_000)
    algorithm.setBlockSize(4)
    algorithm.setMaximumCoefficientOfVariation(target)
    return _finished(algorithm)


# Subset sampling, NAIS and cross entropy took 5 to 1000 times as long on three faces in the plane.
METHODS = {
    "importance sampling at given design points": _timed(importance),
    "directional sampling": _timed(directional),
}
