"""The compiled functions of a backend by its name, which is checked in one place."""

from __future__ import annotations

from types import ModuleType

from qmis_stats.errors import BackendUnavailableError
from qmis_stats.validation import one_of

__all__ = ["BACKENDS", "checked_backend", "kernels_of"]

BACKENDS = ("auto", "numba", "cupy", "reference")


def checked_backend(backend: object) -> None:
    """Refuse what is no name of a backend.

    Examples
    --------
    >>> checked_backend("numpy")
    Traceback (most recent call last):
    ...
    qmis_stats.errors.InputError: backend = 'numpy': must be one of auto, numba, cupy, reference
    """
    one_of("backend", backend, BACKENDS)


def kernels_of(backend: str) -> ModuleType:
    """Return the table of compiled functions.

    Parameters
    ----------
    backend : {"auto", "numba", "cupy", "reference"}
        Its name.

    Raises
    ------
    InputError
        If there is no such backend.
    BackendUnavailableError
        If it cannot run here.

    Examples
    --------
    >>> kernels_of("reference").__name__
    'qmis_kernels.reference'
    """
    checked_backend(backend)
    import qmis_kernels

    try:
        return qmis_kernels.backend(backend)
    except qmis_kernels.BackendUnavailable as error:
        raise BackendUnavailableError(str(error)) from None
