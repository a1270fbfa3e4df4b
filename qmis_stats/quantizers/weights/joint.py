"""Several releases of one model: whoever has them all knows the cell that is common to all their codes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from qmis_stats.arrays import FloatArray, IntArray
from qmis_stats.errors import InputError
from qmis_stats.quantizers.weights.base import GroupCells, WeightQuantizer, to_be_calibrated, weight_tensor
from qmis_stats.quantizers.weights.mixed import Mixed
from qmis_stats.validation import objects

__all__ = ["JointRelease"]

_MOST = 3
_APART = 2**16


@dataclass(frozen=True)
class JointRelease(WeightQuantizer):
    """Two or three quantized versions of the same weights, released together.

    Parameters
    ----------
    parts : tuple of WeightQuantizer
        With different names, none of them the identity, a mixed one or a quantizer that sees data.

    Notes
    -----
    *Codes* are one number for the codes of all parts, the first part's before the second's. *Cells* are the
    intersections of the parts' cells; what the scales of any part give away is known. *Values* are what a reader of all
    versions would take the weights for: the mean of the parts, each weighted by the square of its number of levels
    and multiplied by the factor that brings it closest to the part with most levels. *Faces* are not given.

    Examples
    --------
    >>> from qmis_stats.quantizers import quantizer
    >>> both = quantizer("sign+ternary-absmean")
    >>> np.unique(both.codes([0.9, 0.1, -0.2, -1.2])).size, both.quantize([0.9, 0.1, -0.2, -1.2]).round(3)
    (4, array([ 0.508,  0.092, -0.092, -0.508]))
    """

    parts: tuple[WeightQuantizer, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        objects(WeightQuantizer, "parts", self.parts, "such as quantizer('sign')")
        names = [one.name for one in self.parts]
        joint = any(isinstance(one, (JointRelease, Mixed)) or one.name == "identity" for one in self.parts)
        joint = joint or any(map(to_be_calibrated, self.parts))
        if self.per_channel or joint or not 2 <= len(set(names)) == len(names) <= _MOST:
            allowed = f"two to {_MOST} different ones, none identity, mixed or one that sees data"
            raise InputError("quantizer", "+".join(names), allowed)

    @property
    def stem(self) -> str:
        """The names of the parts with plus signs between them."""
        return "+".join(one.name for one in self.parts)

    @property
    def levels(self) -> int:
        """The product of those of the parts, whose bits add up."""
        return math.prod(one.levels for one in self.parts)

    @property
    def discrete(self) -> bool:
        """Whether all parts are."""
        return all(one.discrete for one in self.parts)

    def encode(self, weights: ArrayLike) -> tuple[IntArray, FloatArray]:
        """Return joint codes and values, see the class."""
        array = weight_tensor(weights)
        codes, values = zip(*(one.encode(array) for one in self.parts), strict=True)
        joint = codes[0]
        for more in codes[1:]:
            joint = joint * _APART + more
        finest = values[int(np.argmax([one.levels for one in self.parts]))]
        weight = np.array([float(one.levels) ** 2 for one in self.parts])
        size = float(np.max([np.max(np.abs(value)) for value in values])) or 1.0
        factors = [_factor(value / size, finest / size) for value in values]
        return joint, np.asarray(np.tensordot(weight / weight.sum() * factors, np.array(values), axes=1))

    def cells(self, weights: ArrayLike) -> list[GroupCells]:
        """Return the intersections of the parts' cells.

        Raises
        ------
        DomainError
            If the thresholds of a part are not known.
        """
        array = weight_tensor(weights)
        of_parts = [one.cells(array) for one in self.parts]
        ends = sorted({end for cells in of_parts for one in cells for end in (one.inside.start, one.inside.stop)})
        found = []
        for start, stop in pairwise(ends):
            here = [one for cells in of_parts for one in cells if one.inside.start <= start < one.inside.stop]
            known = np.unique(np.concatenate([one.known + one.inside.start for one in here]))
            inside = known[(known >= start) & (known < stop)] - start
            edges = np.sort(np.concatenate([one.edges for one in here]))
            bounds = max(one.bounds[0] for one in here), min(one.bounds[1] for one in here)
            found.append(GroupCells(slice(start, stop), edges, inside, bounds))
        return found

    def combinations(self, weights: ArrayLike) -> list[tuple[slice, FloatArray]]:
        """Return what the scales of the parts give away."""
        array = weight_tensor(weights)
        return [found for one in self.parts for found in one.combinations(array)]

    def _encode(self, weights: FloatArray) -> tuple[IntArray, FloatArray]:
        return self.encode(weights)

    @property
    def _own_blocks(self) -> bool:
        return True


def _factor(values: FloatArray, wanted: FloatArray) -> float:
    """Return the factor that brings values closest to others; 1 where all are zero."""
    power = float(np.sum(values * values))
    return float(np.sum(values * wanted)) / power if power > 0.0 else 1.0
