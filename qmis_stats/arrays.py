"""Names for arrays by what they hold. This module knows nothing, so that every other can name its arrays alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Flags", "FloatArray", "Indices", "IntArray"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Indices = NDArray[np.intp]
Flags = NDArray[np.bool_]
