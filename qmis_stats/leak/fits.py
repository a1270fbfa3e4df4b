"""A penalised fit: data, weights, loss and penalty, checked to belong together (Statement S15)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import cho_factor, cho_solve
from scipy.linalg.lapack import dpotri

from qmis_stats.arrays import FloatArray, Indices
from qmis_stats.by_value import ByValue
from qmis_stats.errors import DomainError, InputError
from qmis_stats.leak.losses import Loss, loss_named
from qmis_stats.validation import finite_array, float_array, instance_of

__all__ = ["Fit", "fit_from"]

FREE = 1e-9
"""Curvature, relative to that of the data, which stands for no penalty where a matrix has to be inverted."""

_LEAST_ERROR = 1e-150
"""Of a parameter, so that how many of them it is off stays a finite number, and so its square."""

_STEPS = 30
_FAR = 0.1
_LARGEST_FITTED = 35.0
_MOST_PARAMETERS = 20_000
_MOST_OF_CLASSES = 6000
_LEAST_PIVOT = 1e-7
_BLOCK = 16_384


@dataclass(frozen=True, eq=False, repr=False)
class Fit(ByValue):
    """Weights that minimise Σ_j ℓ(y_j, Wx_j + b) + ½ Σ penalty·W².

    Attributes
    ----------
    loss : Loss
        ℓ.
    X : (n, p) ndarray
        Features, as the weights meet them.
    y : (n,) ndarray
        Targets.
    weights : (K, p) ndarray
        The quantized tensor: a row per fitted value.
    intercept : (K,) ndarray or None
        Released as it is.
    penalty : (p,) ndarray
        Ridge penalty of each feature, at least 0; the intercept is not penalised.
    shape : tuple of int
        In which quantizers see the weights.
    notes : tuple of str
        What was assumed or changed on the way here.
    """

    loss: Loss
    X: FloatArray
    y: FloatArray
    weights: FloatArray
    intercept: FloatArray | None
    penalty: FloatArray
    shape: tuple[int, ...]
    notes: tuple[str, ...] = ()

    @property
    def points(self) -> int:
        """Number n of points."""
        return int(self.y.size)

    @property
    def outputs(self) -> int:
        """Number K of fitted values per point."""
        return int(self.weights.shape[0])

    @property
    def design(self) -> FloatArray:
        """Features, and a column of ones where there is an intercept, shape (n, D)."""
        return self.X if self.intercept is None else np.column_stack([self.X, np.ones(self.points)])

    @property
    def parameters(self) -> FloatArray:
        """Weights and intercept, shape (K, D)."""
        return self.weights if self.intercept is None else np.column_stack([self.weights, self.intercept])

    @property
    def penalties(self) -> FloatArray:
        """Penalty of each column of the design, shape (D,)."""
        return self.penalty if self.intercept is None else np.append(self.penalty, 0.0)

    def with_parameters(self, theta: FloatArray) -> Fit:
        """Return the fit with other weights and intercept, given as (K, D)."""
        if self.intercept is None:
            return replace(self, weights=theta)
        return replace(self, weights=theta[:, :-1], intercept=theta[:, -1])

    def some(self, rows: Indices) -> Fit:
        """Return the fit with some of its points."""
        return replace(self, X=self.X[rows], y=self.y[rows])

    @property
    def wide(self) -> bool:
        """Whether there are more features than points, so that matrices are better of the size of the points."""
        return self.outputs == 1 and self.X.shape[1] > self.points


def fit_from(
    X: ArrayLike,
    y: ArrayLike,
    weights: ArrayLike,
    loss: str | Loss,
    penalty: ArrayLike = 0.0,
    intercept: ArrayLike | None = None,
    *,
    notes: tuple[str, ...] = (),
) -> Fit:
    """Return a checked fit from arrays; weights that are nearly optimal are taken to the optimum.

    Parameters
    ----------
    X : (n, p) array_like
        Features.
    y : (n,) array_like
        Targets: numbers, 0 and 1, counts, or classes from 0.
    weights : (p,) or (K, p) array_like
        Of the fit.
    loss : {"squared", "logistic", "poisson", "softmax"} or Loss
        What the fit minimises, summed over the points; squared means ½(y − v)².
    penalty : float or (p,) array_like
        Of ½·penalty·W², at least 0.
    intercept : float or (K,) array_like, optional
        Not penalised; ``None`` where the model has none.
    notes : tuple of str
        Kept with the fit.

    Raises
    ------
    InputError
        If shapes or values are not allowed, or the weights do not minimise the objective.
    DomainError
        If the objective has no unique minimum: more parameters than points without a penalty, collinear features,
        separable classes.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> X = rng.normal(size=(50, 3))
    >>> y = X @ [1.0, -1.0, 0.5] + rng.normal(size=50)
    >>> fit_from(X, y, np.linalg.lstsq(X, y)[0], "squared").points
    50
    >>> fit_from(X, y, [1.0, -1.0, 0.5], "squared")
    Traceback (most recent call last):
    ...
    qmis_stats.errors.InputError: weights = 'off by ... standard errors': must be those that minimise the objective ...
    """
    chosen = loss_named(loss) if isinstance(loss, str) else loss
    instance_of(Loss, "loss", chosen, "or its name: squared, logistic, poisson or softmax")
    features, targets = finite_array("X", X, 2, "(n, p)"), finite_array("y", y, 1, "(n,)")
    if targets.size != features.shape[0]:
        raise InputError("y", targets.shape, f"one target per row of X, which has {features.shape[0]}")
    chosen.check(targets)
    raw = float_array("weights", weights, "an array of numbers of shape (p,) or (K, p)")
    shape = raw.shape
    tensor = finite_array("weights", raw.reshape(1, -1) if raw.ndim == 1 else raw, 2, "(p,) or (K, p)")
    outputs = chosen.outputs(targets)
    if tensor.shape != (outputs, features.shape[1]):
        raise InputError("weights", shape, f"of shape ({outputs}, {features.shape[1]})")
    ridge = float_array("penalty", penalty, f"a number or {features.shape[1]} numbers")
    if ridge.shape not in ((), (1,), (features.shape[1],)):
        raise InputError("penalty", ridge.shape, f"a number or {features.shape[1]} numbers")
    ridge = np.broadcast_to(ridge, (features.shape[1],))
    if not np.all(np.isfinite(ridge)) or ridge.min() < 0.0:
        raise InputError("penalty", float(np.min(ridge)), "finite and at least 0")
    bias = None if intercept is None else np.atleast_1d(float_array("intercept", intercept, "numbers"))
    free = None if bias is None else finite_array("intercept", bias, 1, "(K,)")
    if free is not None and free.size != outputs:
        raise InputError("intercept", free.shape, f"{outputs} number(s)")
    found = Fit(chosen, features, targets, tensor, free, ridge.copy(), shape, notes)
    _check_size(found)
    return _at_optimum(found)


def _check_size(fit: Fit) -> None:
    n, p = fit.X.shape
    unpenalised = int(np.count_nonzero(fit.penalty == 0.0))
    if unpenalised >= n:
        raise DomainError(
            "leakage",
            f"{unpenalised} weights without a penalty and {n} points: the fit is not unique",
            "use a penalty, or fewer features",
        )
    most = _MOST_PARAMETERS if fit.outputs == 1 else _MOST_OF_CLASSES
    if fit.outputs * p > most:
        raise DomainError("leakage", f"{fit.outputs * p} weights are more than {most}", "project features")


def newton_step(fit: Fit) -> tuple[FloatArray, FloatArray]:
    """Return the Newton step of the parameters, (K, D), and how far it moves each of them in standard errors."""
    design, theta = fit.design, fit.parameters
    values = design @ theta.T
    gradient = fit.loss.gradient(fit.y, values)
    curvature = fit.loss.curvature(fit.y, values)
    slope = gradient.T @ design + fit.penalties * theta
    solve = hessian_solver(fit, curvature)
    step = -solve(slope.reshape(-1, 1))[:, 0]
    # Σ_j ψ_jψ_jᵀ ⊗ x_j x_jᵀ between two inverse Hessians: the sandwich, good enough for a unit of length.
    if fit.wide:
        squares = np.sum(solve(design.T * gradient[:, 0]) ** 2, axis=1)
    else:
        middle = moment_matrix(design, gradient[:, :, None] * gradient[:, None, :])
        squares = np.diag(solve(solve(middle).T))
    errors = np.sqrt(np.maximum(squares, 0.0))
    return step.reshape(theta.shape), np.minimum(np.abs(step) / np.maximum(errors, _LEAST_ERROR), 1.0 / _LEAST_ERROR)


def free_penalties(fit: Fit, curvature: float) -> FloatArray:
    """Return penalties with a negligible one where there is none, so that they can be divided by."""
    scale = FREE * max(curvature, 1e-300) / fit.points
    return np.maximum(fit.penalties, scale)


def wide_solver(design: FloatArray, w: FloatArray, penalties: FloatArray) -> Callable[[FloatArray], FloatArray]:
    """Return b ↦ (XᵀWX + P)⁻¹ b for more columns than rows, by matrices of the size of the rows."""
    scaled = design * np.sqrt(w)[:, None]
    left, half = scaled / penalties, scaled / np.sqrt(penalties)
    inner = cho_factor(np.eye(w.size) + half @ half.T)

    def solve(b: FloatArray) -> FloatArray:
        return np.asarray(b / penalties[:, None] - left.T @ cho_solve(inner, left @ b))

    return solve


def hessian_solver(fit: Fit, curvature: FloatArray) -> Callable[[FloatArray], FloatArray]:
    """Return b ↦ H⁻¹b for columns b of shape (KD, m), with H of these curvatures."""
    if fit.wide:
        w = curvature[:, 0, 0]
        return wide_solver(fit.design, w, free_penalties(fit, float(w.sum())))
    factor = positive_factor(hessian_matrix(fit.design, curvature, fit.penalties))
    return lambda b: np.asarray(cho_solve(factor, b))


def moment_matrix(design: FloatArray, blocks: FloatArray) -> FloatArray:
    """Return Σ_j B_j ⊗ x_j x_jᵀ for symmetric blocks (n, K, K), shape (KD, KD)."""
    outputs, width = blocks.shape[1], design.shape[1]
    matrix = np.zeros((outputs, width, outputs, width))
    for a in range(outputs):
        for b in range(a, outputs):
            for rows in row_blocks(len(design)):
                weights = blocks[rows, a, b][:, None]
                # A product of an array with itself takes half of the time.
                left = design[rows] * np.sqrt(np.abs(weights))
                matrix[a, :, b] += left.T @ (left if weights.min() >= 0.0 else left * np.sign(weights))
            matrix[b, :, a] = matrix[a, :, b].T
    return matrix.reshape(outputs * width, outputs * width)


def penalised(design: FloatArray, blocks: FloatArray, penalties: FloatArray) -> FloatArray:
    """Return Σ_j B_j ⊗ x_j x_jᵀ + I ⊗ P, with a negligible curvature where there is none, shape (KD, KD)."""
    matrix = moment_matrix(design, blocks)
    matrix.flat[:: len(matrix) + 1] += np.tile(penalties, blocks.shape[1]) + FREE * np.trace(matrix) / len(matrix)
    return matrix


def row_blocks(count: int) -> Iterator[slice]:
    """Yield parts of many rows: what is computed from a design by blocks needs no second array of its size.

    Examples
    --------
    >>> [(part.start, part.stop) for part in row_blocks(20_000)]
    [(0, 16384), (16384, 20000)]
    """
    for start in range(0, count, _BLOCK):
        yield slice(start, min(start + _BLOCK, count))


def hessian_matrix(design: FloatArray, curvature: FloatArray, penalties: FloatArray) -> FloatArray:
    """Return Σ_j W_j ⊗ x_j x_jᵀ + I ⊗ P, shape (KD, KD)."""
    matrix = moment_matrix(design, determined(curvature))
    matrix.flat[:: matrix.shape[0] + 1] += np.tile(penalties, curvature.shape[1])
    return matrix


def determined(curvature: FloatArray) -> FloatArray:
    """Return curvatures (..., K, K) that are positive also where the classes of a softmax model move together.

    Moved together they change no loss, and no gradient points there: any positive curvature leaves all else as it is.
    """
    outputs = curvature.shape[-1]
    if outputs == 1:
        return curvature
    size = float(np.mean(np.trace(curvature, axis1=-2, axis2=-1))) / outputs
    return np.asarray(curvature + size / outputs)


def positive_factor(hessian: FloatArray) -> tuple[FloatArray, bool]:
    """Return a Cholesky factor of a Hessian."""
    diagonal = np.sqrt(np.diag(hessian))
    try:
        if not diagonal.min() > 0.0:
            raise np.linalg.LinAlgError
        factor, lower = cho_factor(hessian)
        # Pivots are what is left of a column beside those before it.
        if not np.min(np.diag(factor) / diagonal) > _LEAST_PIVOT:
            raise np.linalg.LinAlgError
    except np.linalg.LinAlgError:
        raise DomainError(
            "leakage",
            "the Hessian of the objective is singular",
            "drop constant and collinear features, or use a penalty",
        ) from None
    return factor, bool(lower)


def inverse_of(factor: tuple[FloatArray, bool]) -> FloatArray:
    """Return the inverse of a matrix from its Cholesky factor, as ``cho_factor`` gives it."""
    half, lower = factor
    found = dpotri(half, lower)[0]
    one = np.tril(found) if lower else np.triu(found)
    return np.asarray(one + np.tril(one, -1).T if lower else one + np.triu(one, 1).T)


def _at_optimum(fit: Fit) -> Fit:
    """Return the fit at the minimum of its objective, which must be near."""
    _check_reach(fit)
    current = fit
    for number in range(_STEPS):
        step, far = newton_step(current)
        if number == 0 and not np.sqrt(np.mean(far**2)) <= _FAR:
            moved = f"off by {np.sqrt(np.mean(far**2)):.2g} standard errors"
            raise InputError("weights", moved, "those that minimise the objective of this loss and penalty on X and y")
        current = current.with_parameters(current.parameters + step)
        if np.max(far) < 1e-8:
            break
    _check_reach(current)
    return current


def _check_reach(fit: Fit) -> None:
    """Refuse fitted values that no finite minimum has."""
    with np.errstate(over="ignore", invalid="ignore"):
        reach = float(np.max(np.abs(fit.design @ fit.parameters.T)))
    if not np.isfinite(reach**2):
        largest = float(np.max(np.abs(fit.parameters)))
        raise InputError("weights", f"a magnitude of {largest:g}", "smaller: fitted values overflow")
    if fit.loss.name == "squared" or np.any(fit.penalty > 0.0):
        return
    if not reach < _LARGEST_FITTED:
        raise DomainError(
            "leakage", f"fitted values reach {reach:.3g}: separable classes have no minimum", "use a penalty"
        )
