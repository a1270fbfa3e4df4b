"""Losses of a fit, as functions of its fitted values: gradients and curvatures (Statement S15)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import expit, softmax

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import InputError
from qmis_stats.leak.stacks import applied

__all__ = [
    "LOSSES",
    "Logistic",
    "Loss",
    "Poisson",
    "Softmax",
    "Squared",
    "contrasts",
    "in_basis",
    "loss_named",
    "proximal",
]

_NEWTON = 100
_FARTHEST, _SETTLED = 3.0, 1e-10
"""Steps beyond which Newton's method is held back at first, and below which it ends."""


class Loss(ABC):
    """A loss ℓ(y, v), convex and smooth in the fitted values v of one point.

    Attributes
    ----------
    name : str
        As users write it.
    code : int
        As the kernels know it; −1 where there are several fitted values per point.
    """

    name: ClassVar[str]
    code: ClassVar[int]

    def outputs(self, y: FloatArray) -> int:
        """Return the number K of fitted values per point."""
        return 1

    def check(self, y: FloatArray) -> None:  # noqa: B027  # most targets are allowed by default
        """Refuse targets that the loss has no value for."""

    @abstractmethod
    def gradient(self, y: FloatArray, v: FloatArray) -> FloatArray:
        """Return ∂ℓ/∂v, shape (…, n, K), at fitted values (…, n, K)."""

    @abstractmethod
    def curvature(self, y: FloatArray, v: FloatArray) -> FloatArray:
        """Return ∂²ℓ/∂v², shape (…, n, K, K), at fitted values (…, n, K)."""


@dataclass(frozen=True)
class Squared(Loss):
    """½(y − v)².

    Examples
    --------
    >>> Squared().gradient(np.array([1.0]), np.array([[3.0]]))
    array([[2.]])
    """

    name: ClassVar[str] = "squared"
    code: ClassVar[int] = 0

    def gradient(self, y: FloatArray, v: FloatArray) -> FloatArray:
        """Return v − y."""
        return np.asarray(v - y[:, None])

    def curvature(self, y: FloatArray, v: FloatArray) -> FloatArray:
        """Return 1."""
        return np.ones((*v.shape, 1))


@dataclass(frozen=True)
class Logistic(Loss):
    """log(1 + e^v) − y v for a target of 0 or 1."""

    name: ClassVar[str] = "logistic"
    code: ClassVar[int] = 1

    def check(self, y: FloatArray) -> None:
        """Require 0 and 1, both."""
        found = np.unique(y)
        if not np.isin(found, (0.0, 1.0)).all() or found.size < 2:
            raise InputError("y", found[:5].tolist(), "0 and 1, both of them, for the logistic loss")

    def gradient(self, y: FloatArray, v: FloatArray) -> FloatArray:
        """Return expit(v) − y."""
        return np.asarray(expit(v) - y[:, None])

    def curvature(self, y: FloatArray, v: FloatArray) -> FloatArray:
        """Return expit(v) expit(−v)."""
        return np.asarray((expit(v) * expit(-v))[..., None])


@dataclass(frozen=True)
class Poisson(Loss):
    """e^v − y v for a count y."""

    name: ClassVar[str] = "poisson"
    code: ClassVar[int] = 2

    def check(self, y: FloatArray) -> None:
        """Require numbers of at least 0, not all of them 0."""
        if y.min() < 0.0 or y.max() == 0.0:
            raise InputError("y", [float(y.min()), float(y.max())], "at least 0, and not all 0, for the Poisson loss")

    def gradient(self, y: FloatArray, v: FloatArray) -> FloatArray:
        """Return e^v − y."""
        return np.asarray(np.exp(v) - y[:, None])

    def curvature(self, y: FloatArray, v: FloatArray) -> FloatArray:
        """Return e^v."""
        return np.asarray(np.exp(v)[..., None])


@dataclass(frozen=True)
class Softmax(Loss):
    """log Σ_k e^{v_k} − v_y for a class y of 0 to K − 1."""

    name: ClassVar[str] = "softmax"
    code: ClassVar[int] = -1

    def outputs(self, y: FloatArray) -> int:
        """Return the number of classes."""
        return int(y.max()) + 1

    def check(self, y: FloatArray) -> None:
        """Require the classes 0 to K − 1, each of them seen, K at least 2."""
        found = np.unique(y)
        if found.size < 2 or not np.array_equal(found, np.arange(found.size)):
            raise InputError("y", found[:8].tolist(), "classes 0 to K - 1, each of them seen, for the softmax loss")

    def gradient(self, y: FloatArray, v: FloatArray) -> FloatArray:
        """Return softmax(v) − e_y."""
        return np.asarray(softmax(v, axis=-1) - (y[:, None] == np.arange(v.shape[-1])))

    def curvature(self, y: FloatArray, v: FloatArray) -> FloatArray:
        """Return diag(p) − p pᵀ, p = softmax(v)."""
        p = softmax(v, axis=-1)
        return np.asarray(p[..., :, None] * (np.eye(v.shape[-1]) - p[..., None, :]))


LOSSES: tuple[Loss, ...] = (Squared(), Logistic(), Poisson(), Softmax())
"""The losses that a fit may minimise."""


def loss_named(name: object) -> Loss:
    """Return the loss of a name.

    Raises
    ------
    InputError
        If there is no such loss.

    Examples
    --------
    >>> loss_named("poisson")
    Poisson()
    """
    for loss in LOSSES:
        if loss.name == name:
            return loss
    raise InputError("loss", name, f"one of {', '.join(loss.name for loss in LOSSES)}")


def proximal(loss: Loss, y: FloatArray, u: FloatArray, q: FloatArray) -> FloatArray:
    """Return argmin_v { ℓ(y, v) + ½ (v − u)ᵀ q⁻¹ (v − u) }, the fitted values with a point whose are u without it.

    By Newton's method, of all points at once: SciPy solves one system after the other.

    Parameters
    ----------
    loss : Loss
        ℓ.
    y : (n,) ndarray
        Targets.
    u : (…, n, K) ndarray
        Where it starts.
    q : (n, K, K) ndarray
        Positive semidefinite.

    Examples
    --------
    >>> v = proximal(Softmax(), np.zeros(1), np.zeros((1, 2)), np.eye(2)[None])
    >>> bool(np.allclose(v, np.eye(2)[0] - softmax(v)))
    True
    """
    identity, v, last = np.eye(u.shape[-1]), u.copy(), np.zeros_like(u)
    longest = np.full((*u.shape[:-1], 1), _FARTHEST)
    for _ in range(_NEWTON):
        missed = v - u + applied(q, loss.gradient(y, v))
        step = np.linalg.solve(identity + q @ loss.curvature(y, v), missed[..., None])[..., 0]
        if np.max(np.abs(step)) < _SETTLED:
            break
        # Steps that turn back go round in circles unless they become shorter.
        longest = np.where(np.sum(step * last, axis=-1, keepdims=True) < 0.0, 0.5 * longest, longest)
        last = np.clip(step, -longest, longest)
        v = v - last
    return v


def contrasts(outputs: int) -> FloatArray:
    """Return orthonormal columns (K, K′) along which the fitted values of a point differ: K′ = K − 1 for classes.

    Classes that move together change no loss. A single fitted value is its own column.

    Examples
    --------
    >>> contrasts(1).tolist(), contrasts(2).round(4).tolist()
    ([[1.0]], [[0.7071], [-0.7071]])
    """
    if outputs == 1:
        return np.ones((1, 1))
    differences = np.eye(outputs)[:, :-1] - 1.0 / outputs
    basis, upper = np.linalg.qr(differences)
    return np.asarray(basis * np.sign(np.diag(upper)))


def in_basis(matrix: FloatArray, basis: FloatArray) -> FloatArray:
    """Return (Bᵀ ⊗ I) M (B ⊗ I) of a matrix with a block per pair of rows of B; with Bᵀ for B the way back.

    Examples
    --------
    >>> in_basis(np.diag([1.0, 2.0, 3.0, 4.0]), contrasts(2)).round(4).tolist()
    [[2.0, 0.0], [0.0, 3.0]]
    """
    if basis.size == 1:  # a single fitted value is its own column, and matrices may be large
        return matrix
    turn = np.kron(basis, np.eye(len(matrix) // len(basis)))
    return np.asarray(turn.T @ matrix @ turn)
