"""Frozen results: the numbers that belong to a seed do not change between releases."""

from __future__ import annotations

from typing import Any

import pytest

from qmis_kernels import FUNCTIONS, backend
from qmis_kernels.vectors import frozen_calls


def test_every_function_is_frozen() -> None:
    assert {call["function"] for call in frozen_calls()} == set(FUNCTIONS)


@pytest.mark.parametrize("name", ["numba", "reference"])
@pytest.mark.parametrize("call", frozen_calls(), ids=lambda call: call["function"])
def test_frozen_results(name: str, call: dict[str, Any], is_frozen: Any) -> None:
    is_frozen(call, getattr(backend(name), call["function"])(*call["arguments"]))
