"""Frozen results: the numbers that belong to a seed do not change between releases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qmis_kernels import FUNCTIONS, backend
from qmis_kernels.vectors import frozen_calls, frozen_result


def test_every_function_is_frozen() -> None:
    assert {call["function"] for call in frozen_calls()} == set(FUNCTIONS)


@pytest.mark.parametrize("name", ["numba", "reference"])
@pytest.mark.parametrize("call", frozen_calls(), ids=lambda call: call["function"])
def test_frozen_results(name: str, call: dict[str, Any]) -> None:
    found = getattr(backend(name), call["function"])(*call["arguments"])
    if call["function"] == "product_log_ratios":  # whose reference takes its probabilities from SciPy
        np.testing.assert_allclose(found, frozen_result(call), rtol=1e-11)
    elif isinstance(found, tuple):
        for part, expected in zip(found, frozen_result(call), strict=True):
            np.testing.assert_array_equal(part, expected)
    else:
        np.testing.assert_array_equal(found, frozen_result(call))
