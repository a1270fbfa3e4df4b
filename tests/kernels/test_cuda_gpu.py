"""The CUDA backend on a GPU: the bits of the Numba backend in every function. Skipped, with the reason, without one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qmis_kernels import FUNCTIONS, backend
from qmis_kernels.device import CupyDevice, why_no_gpu
from qmis_kernels.gpu import Table
from qmis_kernels.vectors import frozen_calls

if reason := why_no_gpu():
    pytest.skip(reason, allow_module_level=True)

BUDGETS = (1, 100, 5000, None)


@pytest.fixture(scope="module")
def device() -> CupyDevice:
    return CupyDevice()


@pytest.mark.parametrize("seed", range(16))
@pytest.mark.parametrize("function", FUNCTIONS)
def test_random_problems(
    function: str, seed: int, device: CupyDevice, random_problem: Any, poisoned: Any, same_bits: Any
) -> None:
    arguments = random_problem(function, seed)
    table = Table(poisoned(device), budget=BUDGETS[seed // 4])
    same_bits(getattr(table, function)(*arguments), getattr(backend("numba"), function)(*arguments))


@pytest.mark.parametrize("first", [0, 2**32 - 30, 2**63 - 200])
def test_carries(random_call: tuple, first: int, device: CupyDevice, same_bits: Any) -> None:
    name, arguments = random_call
    call = ((1, 2), 2**32 - 1, first, 97, *arguments)
    same_bits(getattr(Table(device), name)(*call), getattr(backend("numba"), name)(*call))


def test_large_problems(large_problem: tuple, device: CupyDevice, poisoned: Any, same_bits: Any) -> None:
    name, arguments = large_problem
    same_bits(getattr(Table(poisoned(device)), name)(*arguments), getattr(backend("numba"), name)(*arguments))


def test_many_pairs(device: CupyDevice, poisoned: Any, same_bits: Any) -> None:
    rng = np.random.default_rng(0)
    sums, points = rng.normal(size=(30_001, 12)), rng.normal(size=(2003, 12))
    weights, coefficients = rng.random(30_001), rng.normal(size=(2003, 12))
    table, numba = Table(poisoned(device)), backend("numba")
    same_bits(table.all_pairs_wins(sums, weights, points), numba.all_pairs_wins(sums, weights, points))
    same_bits(table.all_pairs_rows(sums, points, coefficients), numba.all_pairs_rows(sums, points, coefficients))


@pytest.mark.parametrize("call", frozen_calls(), ids=lambda call: call["function"])
def test_frozen_results(call: dict[str, Any], device: CupyDevice, is_frozen: Any) -> None:
    is_frozen(call, getattr(Table(device), call["function"])(*call["arguments"]))


def test_auto_is_the_gpu(device: CupyDevice) -> None:
    assert backend("auto") is backend("cupy")
