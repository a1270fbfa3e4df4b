"""What the codes of GPTQ leak about the rows that calibrated it, to whoever has the float weights (S19)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import solve_triangular
from scipy.spatial.distance import cdist

from qmis_stats.arrays import FloatArray
from qmis_stats.by_value import ByValue
from qmis_stats.errors import InputError
from qmis_stats.quantizers.calibrated import GPTQ
from qmis_stats.quantizers.calibrated.base import Grid, scaled
from qmis_stats.quantizers.weights.base import weight_tensor

__all__ = ["CalibrationLeak", "calibration_leak", "residual_area", "residual_delta"]

_FEWEST_DIRECTIONS = 8.0
_FEWEST_ROWS = 20
_MEDIAN_NORMAL = 0.6745
"""Median magnitude of a standard normal number."""
_WIDEST_STEP = 1.0
"""In standard deviations of the weights: up to here errors of normal weights are uniform to a few per cent."""
_COMPARED_ROWS, _NEAR, _FEW_NEAR = 200, 0.25, 0.05
"""Rows that are compared with all; a share of the median distance, and of the rows."""


@dataclass(frozen=True, eq=False, repr=False)
class CalibrationLeak(ByValue):
    """What the attack on residuals gains on the rows of one calibration, by Statement S19.

    Attributes
    ----------
    ratio : (rows,) ndarray
        Variance of the output error of each row as a member, divided by its variance as a non-member.
    outputs : int
        K of the layer: for each row so many errors are seen.
    reasons : tuple of str
        Why the figures are outside of their domain; empty where they are in it.
    """

    ratio: FloatArray
    outputs: int
    reasons: tuple[str, ...]

    @property
    def auc(self) -> float:
        """Area under the ROC curve of the attack, on average over rows."""
        return float(np.mean(residual_area(self.ratio, self.outputs)))

    @property
    def exposure(self) -> FloatArray:
        """True less false positive rate of the attack on each row, (rows,)."""
        return residual_delta(self.ratio, self.outputs)

    @property
    def delta(self) -> float:
        """The same on average over rows."""
        return float(np.mean(self.exposure))

    @property
    def in_domain(self) -> bool:
        """Whether there is no reason against the figures."""
        return not self.reasons


def residual_area(ratio: ArrayLike, outputs: int) -> FloatArray:
    """Return the area under the ROC curve where members' errors have so much less variance: P(F_KK > ratio).

    Examples
    --------
    >>> residual_area([1.0, 0.25], 1).round(4), round(float(1.0 - 2.0 / np.pi * np.arctan(0.5)), 4)
    (array([0.5   , 0.7048]), 0.7048)
    """
    from scipy.stats import f as fisher  # slow to load

    return np.asarray(fisher.sf(np.asarray(ratio, dtype=np.float64), outputs, outputs))


def residual_delta(ratio: ArrayLike, outputs: int) -> FloatArray:
    """Return the largest true less false positive rate: members' errors are smaller than a threshold.

    Examples
    --------
    >>> residual_delta([1.0, 0.25], 10).round(4)
    array([0.    , 0.8677])
    """
    from scipy.stats import chi2  # slow to load

    r = np.asarray(ratio, dtype=np.float64)
    below = np.minimum(r, 1.0 - 1e-9)
    cut = outputs * np.log(1.0 / below) / (1.0 / below - 1.0)
    return np.asarray(np.where(r < 1.0, chi2.cdf(cut / below, outputs) - chi2.cdf(cut, outputs), 0.0))


def calibration_leak(quantizer: GPTQ, weights: ArrayLike, inputs: ArrayLike) -> CalibrationLeak:
    """Return how well the rows that calibrated a layer can be told from others by the errors of its output (S19).

    The attacker has the float weights, as of a published model, and the released ones; calibration makes the errors on
    its own rows small. All is found from the one calibration. Attacks that look at single codes too find more where
    there are many more rows than features.

    Parameters
    ----------
    quantizer : GPTQ
        With its damping.
    weights : (outputs, features) or (features,) array_like
        Float weights of the layer.
    inputs : (rows, features) array_like
        What calibrates it, at least 20 rows, independent of each other: not patches of one image, tokens of one text
        or variants of one record, which are told together.

    Returns
    -------
    CalibrationLeak

    Raises
    ------
    InputError
        If the quantizer is another one, or weights and inputs cannot be used.

    Examples
    --------
    >>> from qmis_stats.quantizers import quantizer
    >>> rng = np.random.default_rng(1)
    >>> weights, inputs = rng.normal(size=(10, 64)), rng.normal(size=(512, 64))
    >>> for rows in (32, 128, 512):
    ...     found = calibration_leak(quantizer("gptq-4:g32"), weights, inputs[:rows])
    ...     print(rows, round(float(found.ratio.mean()), 2), round(found.auc, 2), found.in_domain)
    32 0.08 1.0 True
    128 0.56 0.81 True
    512 0.88 0.58 True
    """
    if not isinstance(quantizer, GPTQ):
        raise InputError("quantizer", getattr(quantizer, "name", quantizer), "a GPTQ: theory knows no other's law")
    array, made = weight_tensor(weights), quantizer.calibrate(weights, inputs)
    rows = np.asarray(inputs, dtype=np.float64)
    if len(rows) < _FEWEST_ROWS:
        raise InputError("inputs", rows.shape, f"at least {_FEWEST_ROWS} rows")
    factor = made.learned
    error = (array - made.quantize(array)).reshape(-1, len(factor))
    # H⁻¹ = UᵀU: of U⁻ᵀe entry j times U_jj is what rounding left of column j; of Ux, over U_jj, the residual of
    # input j on those after it.
    rounding = solve_triangular(factor, error.T, trans="T").T * np.diag(factor)
    whitened = scaled(rows) @ factor.T
    leverage = (np.cumsum(whitened[:, ::-1] ** 2, axis=1)[:, ::-1] - whitened**2) / len(rows)
    residual = whitened / np.diag(factor)
    fresh = residual / np.maximum(1.0 - leverage, np.finfo(float).eps)
    weight = np.mean(scaled(rounding) ** 2, axis=0)
    inside, outside = residual**2 @ weight, fresh**2 @ weight
    ratio = np.divide(inside, outside, out=np.ones_like(inside), where=outside > 0.0)
    reasons = (
        *_of_errors(np.mean(fresh**2, axis=0) * weight),
        *_of_steps(array.reshape(error.shape), quantizer._grid(array)),
        *_of_rows(rows),
    )
    return CalibrationLeak(ratio, len(error), reasons)


def _of_errors(carried: FloatArray) -> Iterator[str]:
    """Say why the error of an output is not normal; what each input carries of it is given."""
    directions = float(carried.sum() ** 2 / np.sum(carried**2)) if carried.any() else 0.0
    if directions < _FEWEST_DIRECTIONS:
        yield f"only about {directions:.1f} inputs carry the error of the output: it is not normal"


def _of_steps(weights: FloatArray, grid: Grid) -> Iterator[str]:
    """Say why rounding errors are not uniform: steps as wide as most weights, or a few weights that make them so."""
    spread = np.median(np.abs(weights), axis=1, keepdims=True) / _MEDIAN_NORMAL
    steps = np.divide(grid.largest / grid.top, spread, out=np.full_like(weights, np.inf), where=spread > 0.0)
    if (wide := float(np.median(steps))) > _WIDEST_STEP:
        yield f"steps of {wide:.2g} standard deviations of the weights: errors follow the weights, and leak less"


def _of_rows(rows: FloatArray) -> Iterator[str]:
    """Say why rows are not independent: some are far closer to another one than rows are."""
    spread = rows.std(axis=0)
    scaled = rows[:, spread > 0.0] / spread[spread > 0.0]
    some = np.unique(np.linspace(0, len(rows) - 1, _COMPARED_ROWS).astype(int))
    apart = np.sort(cdist(scaled[some], scaled), axis=1)[:, 1:]
    near = float(np.mean(apart[:, 0] < _NEAR * np.median(apart)))
    if near > _FEW_NEAR:
        yield (
            f"{100.0 * near:.0f} % of the rows nearly repeat another one: rows of one source are told together, "
            "which is easier than this says"
        )
