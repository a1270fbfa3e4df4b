"""What every simulation is told, checked once: replicates, seed, backend, and the key they make."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from types import ModuleType

from qmis_stats.backends import checked_backend, kernels_of
from qmis_stats.validation import whole_number

__all__ = ["MAX_REPLICATES", "MAX_TERMS", "Settings"]

MAX_REPLICATES = 10**9
MAX_TERMS = 10**9
_MAX_SEED = 2**32
_MAX_BLOCKS = 2**32  # of at most 10⁹ replicates: their numbers stay below 2⁶³


@dataclass(frozen=True)
class Settings:
    """Checked settings of one simulation.

    Parameters
    ----------
    replicates : int
        Number of simulated sums, from 100 to 10⁹.
    seed : int
        In [0, 2³²).
    backend : str
        ``"auto"``, ``"numba"``, ``"cupy"`` or ``"reference"``.
    experiment : str or None
        Name of the random numbers. ``None`` names them by the sample size; runs with one name share them.
    block : int
        In [0, 2³²). Blocks number the replicates on: block b has the replicates that follow those of blocks 0 to b − 1.

    Raises
    ------
    InputError
        If a setting is out of range.

    Examples
    --------
    >>> Settings(1000, 7, "reference").key("crude", 50) == Settings(1000, 7, "reference").key("crude", 50)
    True
    """

    replicates: int
    seed: int
    backend: str = "auto"
    experiment: str | None = None
    block: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("replicates", 100, MAX_REPLICATES),
            ("seed", 0, _MAX_SEED - 1),
            ("block", 0, _MAX_BLOCKS - 1),
        ):
            whole_number(name, getattr(self, name), low, high)
        checked_backend(self.backend)

    def kernels(self) -> ModuleType:
        """Return the table of compiled functions, or raise when the backend cannot run here."""
        return kernels_of(self.backend)

    def key(self, method: str, n: int) -> tuple[int, int]:
        """Return the generator's key: different methods and sample sizes use independent random numbers.

        Estimates at different n therefore have a diagonal covariance in a rate regression (Statement S11), unless the
        settings name the experiment.
        """
        name = n if self.experiment is None else self.experiment
        return int(self.seed), zlib.crc32(f"{method}:{name}".encode())
