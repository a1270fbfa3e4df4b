"""What quantizers that see data offer: calibrated on inputs of a layer, they become quantizers as all others are."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from qmis_stats.arrays import FloatArray, IntArray
from qmis_stats.by_value import ByValue
from qmis_stats.errors import InputError
from qmis_stats.quantizers.weights.base import WeightQuantizer, WithoutCodes, to_be_calibrated, weight_tensor
from qmis_stats.quantizers.weights.grouped import Grouped
from qmis_stats.quantizers.weights.uniform import UniformSymmetric
from qmis_stats.validation import instance_of

__all__ = ["Calibrated", "CalibratedQuantizer", "Grid", "layer_inputs", "scaled", "second_moment", "sees_data"]


@dataclass(frozen=True, eq=False)
class Grid:
    """Levels of the weights of one layer: of each weight the integers from −top to top times largest/top.

    Attributes
    ----------
    largest : (outputs, inputs) ndarray
        Largest magnitude of the group of each weight; 0 in groups of zeros.
    top : int
        Largest code.
    """

    largest: FloatArray
    top: int

    def position(self, weights: FloatArray, column: int | slice = slice(None)) -> FloatArray:
        """Return weights, of all columns or of one, in steps of their group."""
        largest = self.largest[:, column]
        return np.divide(weights, largest, out=np.zeros_like(weights), where=largest > 0.0) * self.top

    def nearest(self, weights: FloatArray, column: int | slice = slice(None)) -> FloatArray:
        """Return the code nearest to each weight, as a float."""
        return np.clip(np.rint(self.position(weights, column)), -self.top, self.top)

    def values(self, codes: FloatArray, column: int | slice = slice(None)) -> FloatArray:
        """Return the weights that codes stand for."""
        return np.asarray(self.largest[:, column] * (codes / self.top))


@dataclass(frozen=True)
class CalibratedQuantizer(WithoutCodes):
    """A quantizer that needs inputs of the layer: :meth:`calibrate` returns the quantizer of weights that it then is.

    Without inputs it has no codes, and everything that would ask for them says so.

    Parameters
    ----------
    grid : WeightQuantizer
        ``uniform-B``, for the tensor, each row or blocks of a row. Scales are those of the weights as they are given,
        and codes stay between −L and L.
    """

    grid: WeightQuantizer

    prefix: ClassVar[str]
    """What names begin with, a hyphen at the end."""

    def __post_init__(self) -> None:
        super().__post_init__()
        instance_of(WeightQuantizer, "grid", self.grid, "such as quantizer('uniform-4')")
        inner = self.grid.inner if isinstance(self.grid, Grouped) else self.grid
        rounded = isinstance(self.grid, Grouped) and self.grid.scale is not None
        if not isinstance(inner, UniformSymmetric) or rounded or self.per_channel:
            raise InputError("grid", self.grid.name, "uniform-B, uniform-B:channel or uniform-B:gBLOCK, B from 2 to 8")

    @property
    def stem(self) -> str:
        """The name of the grid with another beginning."""
        return self.prefix + self.grid.name.removeprefix("uniform-")

    @property
    def levels(self) -> int:
        """Those of the grid."""
        return self.grid.levels

    @property
    def _own_blocks(self) -> bool:
        return True

    def calibrate(self, weights: ArrayLike, inputs: ArrayLike) -> Calibrated:
        """Return the quantizer of weights of this layer that these inputs make.

        Parameters
        ----------
        weights : (outputs, ...) or (features,) array_like
            Of the layer: one row for each output, a vector for a single one.
        inputs : (rows, features) array_like
            What the layer is given, a row for each point; of a convolution, its patches (which are not independent:
            what they leak is then not that of :func:`~qmis_stats.leak.calibration.calibration_leak`).

        Returns
        -------
        Calibrated
            It quantizes these weights, and others of this shape, by the same inputs.

        Raises
        ------
        InputError
            If weights or inputs cannot be used, or do not fit each other.

        Examples
        --------
        >>> from qmis_stats.quantizers.weights.names import quantizer
        >>> weights, inputs = [1.0, 0.3, 0.3], [[1.0, 2.0, 2.0], [0.5, -1.0, 1.0], [2.0, 1.0, 1.5]]
        >>> quantizer("adaround-2").calibrate(weights, inputs).quantize(weights)
        array([1., 1., 0.])
        >>> quantizer("uniform-2").quantize(weights)
        array([1., 0., 0.])
        """
        array = weight_tensor(weights)
        rows = array.reshape(_outputs(array), -1)
        data = layer_inputs(inputs, rows.shape[1])
        return Calibrated(self, array.shape, self._learned(rows, self._grid(array), data))

    @property
    def _wanting(self) -> tuple[str, str]:
        return (
            "its codes follow the inputs of the layer, and none are given",
            "quantize by its calibrate(weights, inputs)",
        )

    def _grid(self, array: FloatArray) -> Grid:
        flat = np.abs(array).reshape(-1)
        for part in self.grid._parts(array):
            flat[part] = flat[part].max()
        return Grid(flat.reshape(_outputs(array), -1), (self.levels - 1) // 2)

    @abstractmethod
    def _learned(self, weights: FloatArray, grid: Grid, inputs: FloatArray) -> FloatArray:
        """Return what is kept of the inputs."""

    @abstractmethod
    def _rounded(self, weights: FloatArray, learned: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return codes and values of a tensor."""


@dataclass(frozen=True, eq=False, repr=False)
class Calibrated(ByValue, WeightQuantizer):
    """A quantizer with the inputs that it was calibrated on; from :meth:`CalibratedQuantizer.calibrate`.

    Parameters
    ----------
    method : CalibratedQuantizer
        Whose name and levels it has.
    shape : tuple of int
        Of the weights.
    learned : ndarray
        What the method kept of the inputs.
    """

    method: CalibratedQuantizer
    shape: tuple[int, ...]
    learned: FloatArray

    @property
    def stem(self) -> str:
        """The name of the method."""
        return self.method.stem

    @property
    def levels(self) -> int:
        """Those of the method."""
        return self.method.levels

    @property
    def _own_blocks(self) -> bool:
        return True

    def encode(self, weights: ArrayLike) -> tuple[IntArray, FloatArray]:
        """Return codes and released values.

        Raises
        ------
        InputError
            If the weights cannot be used or are of another shape than those that it was calibrated for.
        """
        array = weight_tensor(weights)
        if array.shape != self.shape:
            raise InputError("weights", array.shape, f"of shape {self.shape}, as in the calibration of {self.name}")
        codes, values = self.method._rounded(array, self.learned)
        return codes.astype(np.int64).reshape(self.shape), values.reshape(self.shape) + 0.0

    def _encode(self, weights: FloatArray) -> tuple[IntArray, FloatArray]:
        return self.encode(weights)


def sees_data(quantizer: object) -> bool:
    """Return whether the codes of a quantizer follow data, given or to be given.

    Examples
    --------
    >>> from qmis_stats.quantizers.weights.names import quantizer
    >>> chosen = quantizer("awq-4")
    >>> sees_data(chosen), sees_data(chosen.calibrate([1.0, 2.0], [[0.1, 0.2]])), sees_data(quantizer("nf4"))
    (True, True, False)
    """
    return to_be_calibrated(quantizer) or isinstance(quantizer, Calibrated)


def _outputs(array: FloatArray) -> int:
    return array.shape[0] if array.ndim >= 2 else 1


def layer_inputs(inputs: ArrayLike, features: int) -> FloatArray:
    """Return checked inputs of a layer with so many weights a row.

    Raises
    ------
    InputError
        If they are no finite numbers, or not of shape (rows, features).

    Examples
    --------
    >>> layer_inputs([[1, 2], [3, 4]], 3)
    Traceback (most recent call last):
    ...
    qmis_stats.errors.InputError: inputs = (2, 2): must be of shape (rows, 3): a row of weights has 3
    """
    try:
        array = np.asarray(inputs)
        if array.dtype.kind not in "fiub":
            raise TypeError
        array = array.astype(np.float64, copy=False)
    except (TypeError, ValueError, OverflowError):
        raise InputError("inputs", inputs, "an array of real numbers") from None
    if array.ndim != 2 or not len(array) or array.shape[1] != features:
        raise InputError("inputs", array.shape, f"of shape (rows, {features}): a row of weights has {features}")
    if not np.all(np.isfinite(array)):
        raise InputError("inputs", inputs, "finite, without NaN or infinite entries")
    return array


def second_moment(inputs: FloatArray) -> FloatArray:
    """Return XᵀX/rows, of inputs divided by their largest magnitude: the size of inputs changes no code."""
    rows = scaled(inputs)
    return np.asarray(rows.T @ rows / len(rows))


def scaled(values: FloatArray) -> FloatArray:
    """Return values divided by their largest magnitude; zeros stay as they are."""
    largest = float(np.max(np.abs(values)))
    return values / largest if largest > 0.0 else values
