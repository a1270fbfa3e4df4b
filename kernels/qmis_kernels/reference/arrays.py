"""Types of arrays and keys in the reference."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Integers = NDArray[np.int64]
Words = NDArray[np.uint64]
Key = tuple[int, int]
