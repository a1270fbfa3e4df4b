"""Counter-addressed random sums and all-pairs counts on plain arrays.

A *backend* is a module that offers the functions named in :data:`FUNCTIONS`, all with the same signatures
and the same numbers: ``numba`` (compiled, parallel), ``cupy`` (CUDA kernels on a GPU), ``host`` (the same CUDA
sources compiled for this processor, to check them) and ``reference`` (plain NumPy: the specification).
Importing this package compiles nothing and imports neither Numba nor CuPy.

**Counter layout (a public contract).** Every random word comes from Philox4x32-10 with

* key = (seed, experiment), two 32-bit words;
* counter = (low word of the replicate, high word of the replicate, block, stream), four 32-bit words.

Replicate ``r`` of a call is number ``first + r``; the stream separates purposes.  A block gives the words
``w0, w1, w2, w3``, hence two 64-bit words ``w0 + 2**32 w1`` and ``w2 + 2**32 w3``: draw ``t`` of a replicate
is half ``t % 2`` of block ``t // 2``.  A 64-bit word ``b`` becomes the uniform ``((b >> 11) | 1) * 2**-53``,
which lies strictly between 0 and 1 and is symmetric about 1/2; a normal is the inverse distribution function
of one uniform. So a result is a function of (key, stream, replicate number) alone: no split into calls,
threads or machines changes a bit of it.

Examples
--------
>>> table = backend("reference")
>>> whole = table.uniforms((1, 2), 0, 0, 5, 3)
>>> bool((table.uniforms((1, 2), 0, 3, 2, 3) == whole[3:]).all())
True
"""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType
from typing import TYPE_CHECKING

from qmis_kernels.fit_status import FitStatus

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "BACKENDS",
    "FUNCTIONS",
    "BackendUnavailable",
    "FitStatus",
    "backend",
    "exposure_bins",
    "set_threads",
    "threads",
]

BACKENDS = ("auto", "numba", "reference", "cupy", "host")
"""Names that :func:`backend` understands."""

FUNCTIONS = (
    "uniforms",
    "normals",
    "gaussian_sums",
    "wishart_sums",
    "multinomial_sums",
    "mixture_sums",
    "all_pairs_wins",
    "all_pairs_rows",
    "product_log_ratios",
    "gammas",
    "regression_sums",
    "regression_factors",
    "rank_one_updates",
    "add_one_wins",
    "logistic_fits",
    "logistic_sums",
    "rademacher_sums",
    "resampled_power_sums",
    "centred_power_sums",
    "group_contrasts",
    "proximal_moments",
    "read_out_ratios",
    "exposure_integrals",
)
"""Names of the functions that every backend offers."""


class BackendUnavailable(RuntimeError):  # noqa: N818  (states a condition of the machine, not a mistake)
    """The backend that was asked for cannot run here; the message says why in one line."""


def backend(name: str = "auto") -> ModuleType:
    """Return the module that holds the functions of a backend.

    Parameters
    ----------
    name : {"auto", "numba", "reference", "cupy", "host"}
        ``"auto"`` means ``"cupy"`` where CuPy is installed and finds a usable GPU, else ``"numba"``.

    Raises
    ------
    ValueError
        If the name is unknown.
    BackendUnavailable
        If the backend cannot run here: ``"cupy"`` without CuPy or a GPU, ``"host"`` without a C++ compiler.

    Examples
    --------
    >>> backend("reference").__name__
    'qmis_kernels.reference'
    """
    if name not in BACKENDS:
        raise ValueError(f"backend = {name!r}: must be one of {', '.join(BACKENDS)}")
    if name == "auto":
        name = "cupy" if _has_gpu() else "numba"
    if name in ("cupy", "host"):
        from qmis_kernels.gpu import table

        return table(name)
    return importlib.import_module("qmis_kernels.reference" if name == "reference" else "qmis_kernels.cpu")


def _has_gpu() -> bool:
    if importlib.util.find_spec("cupy") is None:
        return False
    from qmis_kernels.device import why_no_gpu

    return why_no_gpu() is None


def exposure_bins() -> NDArray[np.float64]:
    """Return the edges of the bins of log likelihood ratios, shape (1025,): uniform in asinh(L/0.02), from -40 to 40.

    Examples
    --------
    >>> edges = exposure_bins()
    >>> edges.size, round(float(edges[-1]), 9)
    (1025, 40.0)
    """
    import numpy

    from qmis_kernels._constants import RATIO_BINS, RATIO_REACH, RATIO_UNIT

    edges: NDArray[np.float64] = RATIO_UNIT * numpy.sinh(numpy.linspace(-RATIO_REACH, RATIO_REACH, RATIO_BINS + 1))
    return edges


def threads() -> int:
    """Return the number of threads that the compiled functions use."""
    import numba

    return int(numba.get_num_threads())


def set_threads(number: int) -> None:
    """Set the number of threads of the compiled functions; results do not depend on it.

    Parameters
    ----------
    number : int
        At least 1, at most the number Numba was started with (``NUMBA_NUM_THREADS``, by default the cores).

    Raises
    ------
    ValueError
        If the number is out of that range.
    """
    import numba

    largest = int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]
    if not 1 <= number <= largest:
        raise ValueError(f"threads = {number}: must be between 1 and {largest}")
    numba.set_num_threads(number)
