"""What the quantizers of all libraries share: rows in single precision, padding of blocks, and who is to blame."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import warnings
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qmis_stats.arrays import FloatArray, IntArray
from qmis_stats.errors import InputError, MissingExtraError
from qmis_stats.foreign import raised_by
from qmis_stats.quantizers.weights.base import WeightQuantizer, weight_tensor

__all__ = ["LibraryQuantizer"]

Rows = NDArray[np.float32]


@dataclass(frozen=True)
class LibraryQuantizer(WeightQuantizer):
    """A quantizer of another package, by the name that it has there.

    A tensor is handed over in single precision as its rows of axis 0; a vector is one row. Where the library works in
    blocks, rows are filled up with copies of their last weight, which changes no block's extremes, and what comes back
    is cut. What is released is what the library itself makes of its codes and scales.

    Parameters
    ----------
    kind : str
        As it stands after the colon of the name.

    Raises
    ------
    InputError
        If the library has no such kind here.
    MissingExtraError
        If the library is not installed.

    Notes
    -----
    Cells are known where the package has the same quantizer built in; elsewhere what a code retains of its weight is
    measured on draws. Faces are not given.
    """

    kind: str

    library: ClassVar[str]
    """Name before the colon, and of the extra that installs it."""

    modules: ClassVar[tuple[str, ...]]
    """What is imported."""

    allowed: ClassVar[str]
    """The kinds there are."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.per_channel or not self._exists():
            raise InputError("quantizer", self.name, f"{self.library}: and {self.allowed}")
        for module in self.modules:
            if not _found(module):
                raise MissingExtraError(module, f"for the quantizer {self.name!r}", self.library)

    @property
    def stem(self) -> str:
        """The library, a colon, and the kind."""
        return f"{self.library}:{self.kind}"

    def encode(self, weights: ArrayLike) -> tuple[IntArray, FloatArray]:
        """Return codes and released values, both as the library has them.

        Raises
        ------
        InputError
            If the weights cannot be used, or the library raises.
        """
        array = weight_tensor(weights)
        with np.errstate(over="ignore", under="ignore"):
            rows = array.reshape(array.shape[0] if array.ndim >= 2 else 1, -1).astype(np.float32)
        if not np.all(np.isfinite(rows)):
            raise InputError("weights", f"a magnitude of {float(np.max(np.abs(array))):g}", "a single-precision number")
        width = rows.shape[1]
        padded = np.pad(rows, ((0, 0), (0, -width % self._block)), mode="edge")
        field = f"quantizer {self.name!r} on weights of shape {array.shape}"
        with _quietly(), raised_by(field):
            codes, values = self._called(padded)
        codes, values = (np.asarray(part)[:, :width].reshape(array.shape) for part in (codes, values))
        if not np.all(np.isfinite(values)):
            largest = float(np.max(np.abs(array)))
            raise InputError(field, f"a magnitude of {largest:g}", "smaller: its scales overflow")
        return codes.astype(np.int64), values.astype(np.float64) + 0.0

    def _encode(self, weights: FloatArray) -> tuple[IntArray, FloatArray]:
        return self.encode(weights)

    @property
    def _own_blocks(self) -> bool:
        return True

    @property
    def _block(self) -> int:
        """Rows must be a multiple of so many weights."""
        return 1

    @abstractmethod
    def _exists(self) -> bool:
        """Whether the kind is one of the library."""

    @abstractmethod
    def _called(self, rows: Rows) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return codes, which increase with the value within a block, and released values of rows."""


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keep what libraries say on import and in passing off the terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _found(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
