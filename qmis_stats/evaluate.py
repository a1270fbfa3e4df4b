"""The public verb: ``mis(problem, n, method=...)``, one result type for every route (Statement S1)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from functools import partial
from typing import overload

import numpy as np

from qmis_stats.errors import DomainError, DomainWarning, InputError
from qmis_stats.laws import LinearRegression
from qmis_stats.problem import Problem
from qmis_stats.results import MISResult, MISSeries
from qmis_stats.validation import instance_of, one_of, sample_size

__all__ = ["METHODS", "mis"]

METHODS = (
    "auto",
    "exact",
    "sharp",
    "sharp2",
    "critical",
    "high_dimension",
    "mixed",
    "proportional",
    "moderate",
    "certificate",
    "crude",
    "conditional",
    "tilted",
    "likelihood_ratio",
)
"""Names accepted by :func:`mis` and by the experiment file."""

_SIMULATED = ("crude", "conditional", "tilted", "likelihood_ratio")
_AUTO_ORDER = ("exact", "conditional", "likelihood_ratio", "tilted", "proportional", "critical", "high_dimension")


@overload
def mis(
    problem: Problem,
    n: int,
    method: str = ...,
    *,
    replicates: int = ...,
    seed: int = ...,
    backend: str = ...,
    block: int = ...,
) -> MISResult: ...


@overload
def mis(
    problem: Problem,
    n: Iterable[int],
    method: str = ...,
    *,
    replicates: int = ...,
    seed: int = ...,
    backend: str = ...,
    block: int = ...,
) -> MISSeries: ...


def mis(
    problem: Problem,
    n: int | Iterable[int],
    method: str = "auto",
    *,
    replicates: int = 100_000,
    seed: int = 0,
    backend: str = "auto",
    block: int = 0,
) -> MISResult | MISSeries:
    """Return Δ_n = 1 − MIS_n of a problem by one method.

    Parameters
    ----------
    problem : Problem
        A law with a procedure.
    n : int or iterable of int
        Sample size, at least 2; or several.
    method : str
        One of :data:`METHODS`. ``auto`` takes the first that reaches the problem inside its domain: exact, conditional,
        likelihood_ratio, tilted, proportional, critical, high_dimension; the first that reaches it at all when none is
        inside. For linear regressions likelihood_ratio, which may take minutes, has to be asked for.
    replicates : int
        Number of simulated sums, points or pairs, for Monte Carlo methods.
    seed : int
        In [0, 2³²); the same seed gives the same bits on any number of threads.
    backend : str
        ``"auto"``, ``"numba"``, ``"cupy"`` or ``"reference"``.
    block : int
        Which block of replicates a Monte Carlo method draws: the blocks of one seed are independent, and
        :func:`~qmis_stats.simulate.blocks.pooled` returns their mean.

    Returns
    -------
    MISResult or MISSeries
        The primary number is ``log_delta``. A series for several sample sizes: it plots, prints and is a frame.

    Raises
    ------
    InputError
        If an argument is out of range or the method is unknown.
    DomainError
        If the method does not reach the problem.

    Warns
    -----
    DomainWarning
        If the method's error is not controlled there; the result then says ``in_domain = False``.

    Examples
    --------
    >>> from qmis_stats import CodebookERM, GaussianMean, Problem
    >>> problem = Problem(GaussianMean([0.0], [[1.0]]), CodebookERM([[0.0], [1.0]]))
    >>> round(mis(problem, 50, "exact").log_delta, 4), round(mis(problem, 50, "sharp").log_delta, 4)
    (-9.3578, -9.3611)
    >>> mis(problem, [50, 100], "exact").log_delta.round(4)
    array([ -9.3578, -15.9561])
    """
    instance_of(Problem, "problem", problem)
    sizes = _sizes(n)
    one_of("method", method, METHODS)
    run = _routes(replicates, seed, backend, block)
    results = tuple(
        _first_in_reach(run, problem, size) if method == "auto" else run[method](problem, size) for size in sizes
    )
    for result in results:
        if not result.in_domain:
            warnings.warn(f"{result.method} at n = {result.n}: {result.domain}", DomainWarning, stacklevel=2)
    return MISSeries(results) if isinstance(n, Iterable) else results[0]


def _sizes(n: object) -> list[int]:
    """Return one sample size, or several."""
    if isinstance(n, (str, bytes)) or not isinstance(n, Iterable):
        return [sample_size(n)]
    if np.ma.is_masked(n) or (isinstance(n, np.ndarray) and n.ndim != 1):
        raise InputError("n", n, "an integer of at least 2, or several")
    sizes = list(n)
    if not sizes:
        raise InputError("n", sizes, "an integer of at least 2, or several")
    return [sample_size(size) for size in sizes]


def _routes(replicates: int, seed: int, backend: str, block: int) -> dict[str, Callable[[Problem, int], MISResult]]:
    from qmis_stats import exact, simulate, theory
    from qmis_stats.simulate.settings import Settings

    settings = Settings(replicates, seed, backend, block=block)
    if backend == "cupy":
        settings.kernels()  # a backend that cannot run is refused whatever the method

    routes: dict[str, Callable[[Problem, int], MISResult]] = {
        "exact": exact.exact,
        "sharp": theory.sharp,
        "sharp2": theory.sharp2,
        "critical": theory.critical,
        "high_dimension": theory.high_dimension,
        "mixed": theory.mixed,
        "proportional": theory.proportional,
        "moderate": theory.moderate,
        "certificate": theory.certificate,
    }
    for name in _SIMULATED:
        routes[name] = partial(getattr(simulate, name), replicates=replicates, seed=seed, backend=backend, block=block)
    return routes


def _auto_order(problem: Problem) -> tuple[str, ...]:
    """Return the methods to try; the likelihood ratio of a regression, which may take minutes, is for those who ask."""
    if isinstance(problem.law, LinearRegression):
        return tuple(name for name in _AUTO_ORDER if name != "likelihood_ratio")
    return _AUTO_ORDER


def _first_in_reach(routes: dict[str, Callable[[Problem, int], MISResult]], problem: Problem, n: int) -> MISResult:
    outside: MISResult | None = None
    for method in _auto_order(problem):
        try:
            result = routes[method](problem, n)
        except DomainError:
            continue
        if result.in_domain:
            return result
        outside = outside or result
    if outside is None:
        raise DomainError("auto", "no method reaches this law and procedure", "see the documentation of the methods")
    return outside
