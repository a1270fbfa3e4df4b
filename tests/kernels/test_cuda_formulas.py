"""Every CUDA formula against Numba's at chosen arguments: borders of its cases and tails that no simulation reaches."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from qmis_kernels import (
    BackendUnavailable,
    backend,
    binomial,
    chi_square,
    device,
    elementary,
    likelihood,
    logistic,
    normal,
    normal_cell,
)
from qmis_kernels.device import HostDevice

TINY, HUGE = np.finfo(float).tiny, np.finfo(float).max
RNG = np.random.default_rng(5)
SIZES = np.concatenate([[0.0, 5e-324, 1e308, 707.9, 708.1], np.exp(RNG.uniform(-40, 6.7, 4000))])
EDGES = np.array([-1.0, 0.0, 0.0, 0.5])
SOURCE = (np.uint64(2**32 - 5), np.uint64(6), np.uint64(7))
ENTRIES = 2101


def around(*values: float) -> np.ndarray:
    """Return the values with their neighbours, two on each side."""
    near = [np.array(values)]
    for way in (-np.inf, np.inf):
        one = np.nextafter(near[0], way)
        near += [one, np.nextafter(one, way)]
    return np.concatenate(near)


def uniforms() -> np.ndarray:
    """Return odd multiples of 2^-53: the smallest, the largest, and many that are small or near a border."""
    steps = np.unique(np.concatenate([np.arange(1, 200), 2.0 ** RNG.uniform(0, 51, 3000)]).astype(np.int64)) | 1
    small = steps * 2.0**-53
    return np.concatenate([small, 1.0 - small, around(0.5, 0.075, 0.925, np.exp(-25.0)), RNG.random(1000)])


def intervals() -> tuple[np.ndarray, np.ndarray]:
    """Return ends a <= b: half lines, empty, narrow, in the tails, and around 0."""
    ends = np.concatenate([RNG.normal(size=40) * 10.0 ** RNG.uniform(-3, 2, 40), [-np.inf, np.inf, 0.0, -38.0, 600.0]])
    a, b = (grid.ravel() for grid in np.meshgrid(ends, ends))
    narrow = RNG.normal(size=300) * 3.0
    a, b = np.minimum(a, b), np.maximum(a, b)
    return np.concatenate([a, narrow]), np.concatenate([b, narrow + 10.0 ** RNG.uniform(-12, 0.5, 300)])


@cache
def numbers(shape: float) -> np.ndarray:
    """Return gamma numbers of equal shapes."""
    return np.asarray(backend().gammas((int(SOURCE[0]), int(SOURCE[1])), int(SOURCE[2]), 9, 1, [shape] * ENTRIES)[0])


def successes() -> tuple[np.ndarray, ...]:
    trials = np.repeat([1, 2, 14, 15, 16, 17, 1000, 10**7, 2**52], 60)
    p = RNG.random(trials.size) * 10.0 ** -RNG.uniform(0, 8, trials.size)
    spread = RNG.normal(size=trials.size) * np.sqrt(trials * p)
    x = np.clip(np.round(trials * p + spread), 0, trials).astype(np.int64)
    return trials, x, p, 1.0 - p


CASES: dict[str, tuple[Callable[..., float], tuple[np.ndarray, ...]]] = {
    "log": (
        elementary.log,
        (
            np.concatenate(
                [around(0.5**0.5, 1.0, 2.0, 1e-300, 1e300), [TINY, HUGE], np.exp(RNG.uniform(-700, 700, 4000))]
            ),
        ),
    ),
    "log1p": (elementary.log1p, (np.concatenate([around(0.0, 1e-20, -0.9, 1.0 - 1e-9), RNG.uniform(-1, 1, 4000)]),)),
    "exp": (elementary.exp, (np.concatenate([around(0.0, -708.0, -1.0), -np.exp(RNG.uniform(-40, 6.7, 4000))]),)),
    "normal": (normal.normal, (uniforms(),)),
    "erfcx": (
        normal_cell.erfcx,
        (np.concatenate([[0.0, 1e300], around(0.46875, 4.0), np.exp(RNG.uniform(-40, 40, 2000))]),),
    ),
    "log_normal_cdf": (
        normal_cell.log_normal_cdf,
        (np.concatenate([[np.inf, 0.0], RNG.normal(size=2000) * 10.0 ** RNG.uniform(-3, 2, 2000)]),),
    ),
    "log_normal_interval": (normal_cell.log_normal_interval, intervals()),
    "stirling_error": (binomial.stirling_error, (np.array([*range(1, 40), 10**6, 2**53]),)),
    "binomial_probability": (binomial.binomial_probability, successes()),
    "check_chi_square": (
        lambda dof, replicate: chi_square.chi_square(int(dof), SOURCE, np.uint64(replicate), 3, 5),
        (np.repeat([1.0, 2.0, 3.0, 40.0, 2.0**53 - 1.0], 400), np.arange(2000.0)),
    ),
    "check_gamma": (
        lambda shape, entry: numbers(shape)[int(entry)],
        (np.repeat(np.concatenate([[0.0625], around(1.0), [2.0**52 - 0.5]]), 300), np.arange(2100.0)),
    ),
    "check_larger": (lambda size: logistic.chances(size)[0], (SIZES,)),
    "check_smaller": (lambda size: logistic.chances(size)[1], (SIZES,)),
    "check_find_cell": (
        lambda x: likelihood.find_cell(EDGES, 0, EDGES.size, x),
        (np.concatenate([around(*EDGES), [-np.inf, np.inf]]),),
    ),
}
"""Formula of the CUDA sources: Numba's, and arguments; all are passed as doubles, of which integers are exact."""


def checks_source() -> str:
    """Return C++ functions that apply each formula to arrays."""
    edges = ", ".join(f"{edge.hex()}" for edge in EDGES.tolist())
    lines = [
        "namespace qmis {",
        f"static double check_find_cell(double x) {{ const double edges[] = {{{edges}}};"
        f" return (double)find_cell(edges, 0, {EDGES.size}, x); }}",
        f"static const Source source = {{{', '.join(str(word) for word in SOURCE)}}};",
        "static double check_chi_square(double dof, double replicate) "
        "{ return chi_square(dof, source, (unsigned long long)replicate, 3, 5); }",
        "static double check_larger(double size) { return chances(size).larger; }",
        "static double check_smaller(double size) { return chances(size).smaller; }",
        "static double check_gamma(double shape, double entry) "
        f"{{ return gamma(shape, source, 9, (unsigned)entry, {ENTRIES}); }}",
    ]
    for name, (_, arguments) in CASES.items():
        taken = ", ".join(f"x[{i} * n + t]" for i in range(len(arguments)))
        lines.append(
            f'extern "C" void apply_{name}(long long n, const double* x, double* out) '
            f"{{ for (long long t = 0; t < n; ++t) out[t] = {name}({taken}); }}"
        )
    return "\n".join([*lines, "}", ""])


@pytest.fixture(scope="module")
def library() -> Any:
    text = device.host_source() + checks_source()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(device, "host_source", lambda: text)
        try:
            return HostDevice().library
        except BackendUnavailable as reason:
            pytest.skip(str(reason))


@pytest.mark.parametrize("name", CASES)
def test_formula(name: str, library: Any, same_bits: Any) -> None:
    formula, arguments = CASES[name]
    given = np.array(arguments, dtype=np.float64)
    found = np.full(given.shape[1], np.nan)
    pointer = ctypes.c_void_p
    library[f"apply_{name}"](ctypes.c_longlong(found.size), pointer(given.ctypes.data), pointer(found.ctypes.data))
    expected = np.array([formula(*values) for values in zip(*(a.tolist() for a in arguments), strict=True)])
    assert not np.isnan(expected).any()
    same_bits(found, expected.astype(np.float64))


def test_uniforms_reach_the_far_tail() -> None:
    u = uniforms()
    assert u.min() == 2.0**-53
    assert np.count_nonzero(np.minimum(u, 1.0 - u) < np.exp(-25.0)) > 500
