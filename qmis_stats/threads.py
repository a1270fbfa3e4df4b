"""Linear algebra on one thread: its threads wait for each other in small products, and sums get another last bit."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any

__all__ = ["one_thread"]


def one_thread(user_api: str | None = None) -> AbstractContextManager[Any]:
    """Return a context in which the libraries that are loaded compute on one thread.

    Parameters
    ----------
    user_api : {"blas", "openmp"}, optional
        Of these libraries only.

    Examples
    --------
    >>> import numpy as np
    >>> with one_thread("blas"):
    ...     float(np.ones(3) @ np.ones(3))
    3.0
    """
    limited: AbstractContextManager[Any] = _libraries(len(sys.modules)).limit(limits=1, user_api=user_api)
    return limited


@lru_cache(maxsize=1)
def _libraries(_modules: int) -> Any:
    """Look for libraries, 10 ms in a large process: again where modules were loaded since, which may bring some."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
