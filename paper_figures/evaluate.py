"""The verb of the package, also where a figure shows a method outside its domain on purpose."""

from __future__ import annotations

import warnings
from typing import Any

from qmis_stats import DomainWarning, MISResult, Problem, mis

__all__ = ["mis_anywhere"]


def mis_anywhere(problem: Problem, n: int, method: str, **options: Any) -> MISResult:
    """Return :func:`qmis_stats.mis` without its warning; ``in_domain`` still says where the method belongs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DomainWarning)
        return mis(problem, n, method, **options)
