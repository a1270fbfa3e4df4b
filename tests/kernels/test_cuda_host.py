"""The CUDA sources, run on this processor through the launcher: the bits of the Numba backend in every function."""

from __future__ import annotations

import re
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qmis_kernels import FUNCTIONS, BackendUnavailable, FitStatus, _launcher, backend, cuda
from qmis_kernels.device import HOST_FLAGS, HostDevice
from qmis_kernels.gpu import Table, spans
from qmis_kernels.vectors import frozen_calls, philox_answers

KEY = (2**32 - 5, 77)
BUDGETS = (1, 100, 5000, None)
CONTRACTED = [
    *(flag for flag in HOST_FLAGS if not flag.startswith("-ffp-contract")),
    "-ffp-contract=fast",
    "-mfma",
    # Sums that keep their order are contracted only where GCC neither multiplies on vectors first nor, as for newer
    # processors, avoids to wait for fused operations.
    "-fno-tree-vectorize",
    "-mtune=haswell",
]


@pytest.fixture(scope="module")
def device() -> HostDevice:
    try:
        device = HostDevice()
    except BackendUnavailable as reason:
        pytest.skip(str(reason))
    return device


@pytest.fixture(scope="module")
def contracted(device: HostDevice) -> HostDevice:
    described = Path("/proc/cpuinfo")
    if not described.exists() or " fma " not in described.read_text():
        pytest.skip("this processor is not known to have a fused multiply-add that -mfma could use")
    return HostDevice(CONTRACTED)


@pytest.mark.grid(2)
@pytest.mark.parametrize("seed", range(16))
@pytest.mark.parametrize("function", FUNCTIONS)
def test_random_problems(
    function: str, seed: int, device: HostDevice, random_problem: Any, poisoned: Any, same_bits: Any
) -> None:
    """Random shapes, empty ones too, on poisoned memory and with budgets that force every kind of split."""
    arguments = random_problem(function, seed)
    table = Table(poisoned(device), budget=BUDGETS[seed // 4])
    same_bits(getattr(table, function)(*arguments), getattr(backend("numba"), function)(*arguments))


def test_random_problems_cover_what_they_should(random_problem: Any) -> None:
    for function in FUNCTIONS:
        problems = [random_problem(function, seed) for seed in range(16)]
        sizes = {len(p[0]) if isinstance(p[0], np.ndarray) else p[3] for p in problems}
        assert len(sizes) >= 4
        assert 0 in sizes or function.startswith("all_pairs")


def test_fits_of_random_problems_end_in_every_way(random_problem: Any) -> None:
    ends = [backend("numba").logistic_fits(*random_problem("logistic_fits", seed))[1] for seed in range(16)]
    assert set(np.concatenate(ends).tolist()) == set(FitStatus)


def test_updates_of_random_problems_end_in_every_way(random_problem: Any) -> None:
    kinds = set()
    for seed in range(16):
        *arguments, sign = random_problem("rank_one_updates", seed)
        _, leverage, solvable = backend("numba").rank_one_updates(*arguments, sign)
        kinds |= {(sign, bool(kept), bool(h == 1.0)) for h, kept in zip(leverage.flat, solvable.flat, strict=True)}
    assert {(-1, False, True), (-1, False, False), (-1, True, False), (1, True, False), (1, False, False)} <= kinds


@pytest.mark.parametrize("first", [0, 2**32 - 30, 2**63 - 200])
def test_carries(random_call: tuple, first: int, device: HostDevice, same_bits: Any) -> None:
    name, arguments = random_call
    call = (KEY, 2**32 - 1, first, 97, *arguments)
    same_bits(getattr(Table(device), name)(*call), getattr(backend("numba"), name)(*call))


@pytest.mark.grid(2)
@pytest.mark.parametrize("budget", [2**17, None])
def test_large_problems(
    budget: int | None, large_problem: tuple, device: HostDevice, poisoned: Any, same_bits: Any
) -> None:
    """Also in parts that begin in the middle of a row of tiles or of the points of a regression."""
    name, arguments = large_problem
    table = Table(poisoned(device), budget)
    same_bits(getattr(table, name)(*arguments), getattr(backend("numba"), name)(*arguments))


@pytest.mark.parametrize(("R", "M", "K"), [(2**18 + 7, 3, 2), (3, 2**18 + 7, 2), (3001, 2003, 12)])
@pytest.mark.parametrize("budget", [2**16, None])
def test_many_pairs(R: int, M: int, K: int, budget: int | None, device: Any, poisoned: Any, same_bits: Any) -> None:
    rng = np.random.default_rng(R)
    sums, points = rng.normal(size=(R, K)), rng.normal(size=(M, K))
    weights, coefficients = rng.random(R), rng.normal(size=(M, K))
    table, numba = Table(poisoned(device), budget), backend("numba")
    same_bits(table.all_pairs_wins(sums, weights, points), numba.all_pairs_wins(sums, weights, points))
    same_bits(table.all_pairs_rows(sums, points, coefficients), numba.all_pairs_rows(sums, points, coefficients))


class Counting(HostDevice):
    """A device that knows how many bytes are held on it, and were at most."""

    held = most = 0

    def count(self, buffer: np.ndarray) -> np.ndarray:
        self.held += buffer.nbytes
        self.most = max(self.most, self.held)
        weakref.finalize(buffer, self.free, buffer.nbytes)
        return buffer

    def free(self, size: int) -> None:
        self.held -= size

    def allocate(self, shape: tuple[int, ...], dtype: type) -> np.ndarray:
        return self.count(super().allocate(shape, dtype))

    def upload(self, array: np.ndarray) -> np.ndarray:
        return self.count(super().upload(array))


@pytest.mark.grid(2)
def test_memory_stays_within_the_budget(large_problem: tuple, device: HostDevice) -> None:
    name, arguments = large_problem
    counting, budget = Counting(), 2**18
    getattr(Table(counting, budget), name)(*arguments)
    assert budget // 2 < counting.most <= budget + 2**15  # and the parameters, which are small here
    assert counting.held == 0


@pytest.mark.parametrize(("R", "M"), [(20_000, 300), (300, 20_000), (9_000, 9_000)])
def test_memory_of_pairs_stays_within_the_budget(R: int, M: int, device: HostDevice) -> None:
    rng = np.random.default_rng(1)
    sums, points = rng.normal(size=(R, 3)), rng.normal(size=(M, 3))
    counting, budget = Counting(), 2**18
    Table(counting, budget).all_pairs_wins(sums, np.ones(R), points)
    Table(counting, budget).all_pairs_rows(sums, points, np.ones((M, 3)))
    assert budget // 4 < counting.most <= budget
    assert counting.held == 0


@pytest.mark.parametrize("call", frozen_calls(), ids=lambda call: call["function"])
def test_frozen_results(call: dict[str, Any], device: HostDevice, is_frozen: Any) -> None:
    is_frozen(call, getattr(Table(device), call["function"])(*call["arguments"]))


@pytest.mark.parametrize("case", philox_answers())
def test_known_answers_of_the_generator(case: dict[str, int], device: HostDevice) -> None:
    out = device.allocate((1, 2), np.float64)
    first = case["c0"] + (case["c1"] << 32)
    device.launch("uniform_rows", 1, 1, (out, 1, 2, case["k0"], case["k1"], case["c3"], first, case["c2"]))
    words = case["w0"] + (case["w1"] << 32), case["w2"] + (case["w3"] << 32)
    assert out[0].tolist() == [((word >> 11) | 1) * 2.0**-53 for word in words]


EXACT = ("uniforms", "multinomial_sums", "add_one_wins", "rademacher_sums")
"""Functions whose large problem has the same answer when contracted: no product is added, or counts hide it."""


def test_contraction_is_seen(large_problem: tuple, contracted: HostDevice, other_bits: Any) -> None:
    """The control: compiled with fused multiply-adds, the same sources give other bits."""
    name, arguments = large_problem
    differing = other_bits(getattr(Table(contracted), name)(*arguments), getattr(backend("numba"), name)(*arguments))
    assert differing == 0.0 if name in EXACT else differing > 0.05


def test_any_grid_gives_the_same(device: HostDevice, same_bits: Any) -> None:
    expected = backend("numba").normals(KEY, 3, 5, 41, 7)
    for grid, block in ((1, 1), (1, 256), (1000, 1), (3, 7)):
        out = device.upload(np.full((41, 7), np.nan))
        device.launch("normal_rows", grid, block, (out, 41, 7, *KEY, 3, 5, 0))
        same_bits(out, expected)


@pytest.mark.parametrize("seed", [3, 12])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_few_threads_give_the_same(
    function: str, seed: int, device: HostDevice, random_problem: Any, same_bits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads that take several items each, none of which may be left in the place of another's work."""
    monkeypatch.setattr(_launcher, "_BLOCK", 3)
    monkeypatch.setattr(_launcher, "_MOST_BLOCKS", 2)
    arguments = random_problem(function, seed)
    same_bits(getattr(Table(device), function)(*arguments), getattr(backend("numba"), function)(*arguments))


def test_blocks_are_as_small_as_kernels_ask_for() -> None:
    text = "".join(path.read_text() for path in Path(str(cuda.__file__)).parent.glob("*.cu"))
    bounds = [int(threads) for threads in re.findall(r"__launch_bounds__\((\d+)", text)]
    assert bounds
    assert min(bounds) >= _launcher._BLOCK


def test_spans_cover_everything_once() -> None:
    for count, each, budget in ((0, 8, 100), (7, 8, 1), (7, 0, 0), (100, 8, 99), (5, 8, 10**9)):
        numbers = [i for begin, size in spans(count, each, budget) for i in range(begin, begin + size)]
        assert numbers == list(range(count))
