"""Leave-one-out quantities of one fit, and the variance of a fitted value over training sets (Statements S15, S17)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from qmis_stats.arrays import FloatArray, Indices
from qmis_stats.by_value import ByValue
from qmis_stats.errors import DomainError
from qmis_stats.leak.fits import (
    Fit,
    free_penalties,
    hessian_matrix,
    inverse_of,
    moment_matrix,
    positive_factor,
    row_blocks,
)
from qmis_stats.leak.losses import contrasts
from qmis_stats.validation import instance_of

__all__ = ["LeaveOneOut", "aspect", "leave_one_out"]

_ROUNDS = 30
_SOLVED = 1e-4
_LEAST_KEPT = 0.02
_NOISE_POINTS = 300


@dataclass(frozen=True, eq=False, repr=False)
class LeaveOneOut(ByValue):
    """What each point would see if it had not been trained on.

    Attributes
    ----------
    value : (n, K) ndarray
        u = xᵀθ̂_{−i}, the leave-one-out fitted values.
    leverage : (n, K, K) ndarray
        q = xᵀH_{−i}⁻¹x, how far the point moves its own fitted values per unit of its gradient.
    variance : (n, K, K) ndarray
        S, the covariance of u over training sets of the same size, given the point.
    gradient : (n, K) ndarray
        ψ, the gradient of the loss at the fitted values themselves.
    curvature : (n, K, K) ndarray
        Second derivatives of the loss there.
    inflation : float
        φ in [0, 1): the share of the squared leave-one-out gradients that is the scatter of the fitted values. The
        plain jackknife is too large by 1/(1 − φ).
    relative : (n,) ndarray
        Influence of the gradient of each point on log Σ_i tr S_i, times n, with the mean square of the gradients held.
    leverage_noise : float
        Variance of log q over training sets of the other points, given the point; 0 with several fitted values.
    pull_lost : (n,) ndarray
        By how much the pulls of all points add up to less without the point: 0 without a penalty.
    value_error : (n,) ndarray
        Variance of u about its mean as a share of S: 1 of one training run.
    """

    value: FloatArray
    leverage: FloatArray
    variance: FloatArray
    gradient: FloatArray
    curvature: FloatArray
    inflation: float
    relative: FloatArray
    leverage_noise: float
    pull_lost: FloatArray
    value_error: FloatArray

    @property
    def value_moved(self) -> FloatArray:
        """Move qψ of the fitted values when the point is left out, shape (n, K)."""
        return np.asarray(np.einsum("nab,nb->na", self.leverage, self.gradient))

    @property
    def pull(self) -> FloatArray:
        """Share tr(wh)/K, in [0, 1), of its fitted value that a point decides itself, shape (n,)."""
        identity = np.eye(self.value.shape[1])
        shrunk = np.linalg.solve(identity + self.leverage @ self.curvature, self.leverage @ self.curvature)
        return np.asarray(np.trace(shrunk, axis1=1, axis2=2) / self.value.shape[1])


def leave_one_out(fit: Fit) -> LeaveOneOut:
    """Return the leave-one-out quantities of a fit by one Newton step, exact for the squared loss.

    With h = xᵀH⁻¹x and the curvature w of a point, q = (1 − hw)⁻¹h and u = xᵀθ̂ + qψ. The variance of u is that of
    the corrected jackknife (Statement S17): with r = (1 + wq)ψ, the gradient at the leave-one-out fit to first order,
    S_i = (1 − φ)(1 − hw)⁻¹ (xᵀH⁻¹ Σ_{j≠i} r_j r_jᵀ ⊗ x_j x_jᵀ H⁻¹x) (1 − wh)⁻¹, where φ is the share of Σ|r|² that
    comes from the scatter of the fitted values, φ = Σ tr(w S w)/Σ|r|².

    Parameters
    ----------
    fit : Fit
        A fit at its optimum.

    Raises
    ------
    DomainError
        If a point decides its own fitted value (interpolation), or the Hessian is singular.

    Examples
    --------
    >>> from qmis_stats.leak.fits import fit_from
    >>> rng = np.random.default_rng(1)
    >>> X = rng.normal(size=(20, 2))
    >>> y = rng.normal(size=20)
    >>> found = leave_one_out(fit_from(X, y, np.linalg.lstsq(X, y)[0], "squared"))
    >>> without = np.linalg.lstsq(X[1:], y[1:])[0]
    >>> bool(np.isclose(found.value[0, 0], X[0] @ without))
    True
    """
    instance_of(Fit, "fit", fit, "fit_from makes one of arrays")
    design = fit.design
    values = design @ fit.parameters.T
    psi, w = fit.loss.gradient(fit.y, values), fit.loss.curvature(fit.y, values)
    identity = np.eye(fit.outputs)
    forms = _forms_of(fit, design, w)
    h = forms.leverages()
    remaining = identity - h @ w
    if not np.all(np.linalg.det(remaining) > 1e-9):
        raise DomainError("leakage", "a point decides its own fitted value (interpolation)", "use a larger penalty")
    q = np.linalg.solve(remaining, h)
    q = 0.5 * (q + q.transpose(0, 2, 1))
    r = psi + np.einsum("nab,nb->na", w, np.einsum("nab,nb->na", q, psi))
    squares = r[:, :, None] * r[:, None, :]
    variance, inflation, reach = _corrected(forms, h, w, squares)
    noise = _leverage_noise(forms, h[:, 0, 0], w[:, 0, 0]) * (1.0 - inflation) if fit.outputs == 1 else 0.0
    moved = np.einsum("nab,nb->na", q, psi)
    usual = q * (float(_traces(variance).sum()) / float(_traces(q).sum()))
    relative = _relative(reach, squares - w @ usual @ w, squares)
    # Pulls add up to tr H⁻¹XᵀWX, from which the point takes its part of H⁻¹PH⁻¹ = H⁻¹ − H⁻¹XᵀWXH⁻¹.
    lost = _traces(np.asarray(np.linalg.solve(remaining, (h - forms.sandwiched(w)) @ w))) / fit.outputs
    return LeaveOneOut(values + moved, q, variance, psi, w, inflation, relative, noise, lost, np.ones(fit.points))


def _corrected(
    forms: _Forms, h: FloatArray, w: FloatArray, squares: FloatArray
) -> tuple[FloatArray, float, FloatArray]:
    """Return the variances, φ, and the reach U: the plain jackknife V times a factor, so that its mean is that of S.

    S solves S = V(rrᵀ − wSw), and V is linear in the squares of the gradients. So is the mean of S: Σ tr S is
    Σ tr U rrᵀ, where U = Vᵀ(1 − wUw) with the adjoint of V is found by steps that a factor 1 − φ nearly makes exact.
    S itself has the noise of V and less size: only its mean is taken.
    """
    identity = np.eye(h.shape[1])
    remaining = identity - h @ w

    def jackknife(blocks: FloatArray) -> FloatArray:
        spread = np.linalg.solve(remaining, forms.sandwiched(blocks) - h @ blocks @ h)
        spread = np.linalg.solve(remaining, spread.transpose(0, 2, 1))
        return np.asarray(0.5 * (spread + spread.transpose(0, 2, 1)))

    def adjoint(blocks: FloatArray) -> FloatArray:
        outer = np.linalg.solve(remaining.transpose(0, 2, 1), blocks)
        both: FloatArray = np.asarray(np.linalg.solve(remaining.transpose(0, 2, 1), outer.transpose(0, 2, 1)))
        return np.asarray(forms.sandwiched(both) - h @ both @ h)

    plain = jackknife(squares)
    total = float(_traces(squares).sum())
    step = 1.0 / (1.0 + float(_traces(w @ plain @ w).sum()) / total)
    whole = np.broadcast_to(identity, h.shape)
    reach = step * adjoint(whole)
    for _ in range(_ROUNDS):
        missed = adjoint(whole - w @ reach @ w) - reach
        reach = reach + step * missed
        if np.sum(np.abs(missed)) < _SOLVED * np.sum(np.abs(reach)):
            break
    factor = float(np.clip(np.sum(reach * squares) / _traces(plain).sum(), _LEAST_KEPT, 1.0))
    variance = factor * plain
    return variance, min(float(_traces(w @ variance @ w).sum()) / total, 1.0 - _LEAST_KEPT), reach


def _relative(reach: FloatArray, excess: FloatArray, squares: FloatArray) -> FloatArray:
    """Return the influence of each gradient on log Σ_i tr S_i, times n, with the mean of |r|² held.

    Points that reach far have larger gradients at the fit without them too: what is expected of them, κ + wSw with κ
    the mean of the excess rrᵀ − wSw, is no error. Here S follows the leverages, which have less noise.
    """
    excess = excess - excess.mean(axis=0)
    own = np.sum(reach * excess, axis=(1, 2)) / float(np.sum(reach * squares, axis=(1, 2)).mean())
    return np.asarray(own - _traces(excess) / float(_traces(squares).mean()))


def _leverage_noise(forms: _Forms, h: FloatArray, w: FloatArray) -> float:
    """Return the plain jackknife of log q: its variance over training sets of the other points, given the point.

    Without point j too, q_i grows by (xᵢᵀH₋ᵢ⁻¹xⱼ)² wⱼ/(1 − wⱼhⱼ).
    """
    rows = np.unique(np.linspace(0, h.size - 1, min(h.size, _NOISE_POINTS)).astype(np.intp))
    weights, count = w / (1.0 - w * h), h.size - 1.0
    moved = forms.products(rows)
    moved[np.arange(rows.size), rows] = 0.0
    moved *= moved
    mean = moved @ weights / count
    moved *= moved
    varied = (moved @ weights**2 / count - mean**2) / (h[rows] * (1.0 - w[rows] * h[rows])) ** 2
    return float(np.mean(varied) * count)


def aspect(fit: Fit, found: LeaveOneOut) -> float:
    """Return D tr(ΣG)²/(tr ΣG)² ≥ 1, for D columns: how unequal the eigenvalues of ΣG are.

    The Hessian is replaced by one of equal curvatures with the same mean leverage, for which noise does not depend on
    the direction in which the data point. With gradients of size one S is xᵀGΣGx, and its mean tr(ΣG)². Of several
    fitted values leverages and curvatures are averaged.

    Parameters
    ----------
    fit : Fit
        A fit at its optimum.
    found : LeaveOneOut
        Its leave-one-out quantities.
    """
    many = contrasts(fit.outputs).shape[1]
    q, w = _traces(found.leverage) / many, _traces(found.curvature) / many
    # Equal curvatures have the mean of w/(1 + wq); with very unequal leverages no curvature has it.
    share = min(float(np.mean(w / (1.0 + w * q)) * q.mean()), 0.5 + 0.5 * float(found.pull.mean()))
    equal = np.full((fit.points, 1, 1), share / (1.0 - share) / float(q.mean()))
    forms = _forms_of(fit, fit.design, equal)
    h = forms.leverages()
    response = h / (1.0 - equal * h)
    squared = float(_corrected(forms, h, equal, (1.0 + equal * response) ** 2)[0].mean()) / (fit.points - 1.0)
    columns = int(np.count_nonzero(np.any(fit.design != 0.0, axis=0)))
    return max(columns * squared / float(response.mean()) ** 2, 1.0)


def _traces(matrices: FloatArray) -> FloatArray:
    return np.asarray(np.trace(matrices, axis1=1, axis2=2))


class _Tall:
    """Quadratic forms by matrices of the size of the parameters."""

    def __init__(self, fit: Fit, design: FloatArray, w: FloatArray) -> None:
        self.design, self.outputs = design, w.shape[1]
        self.inverse = inverse_of(positive_factor(hessian_matrix(design, w, fit.penalties)))

    def leverages(self) -> FloatArray:
        """Return (I ⊗ xᵀ)H⁻¹(I ⊗ x) of each point."""
        return forms(self.design, self.inverse, self.outputs)

    def sandwiched(self, blocks: FloatArray) -> FloatArray:
        """Return (I ⊗ xᵀ)H⁻¹ (Σ_j B_j ⊗ x_j x_jᵀ) H⁻¹(I ⊗ x) of each point, for blocks B of shape (n, K, K)."""
        middle = moment_matrix(self.design, blocks)
        return forms(self.design, self.inverse @ middle @ self.inverse, self.outputs)

    def products(self, rows: Indices) -> FloatArray:
        """Return xᵢᵀH⁻¹xⱼ of some points with all, for one fitted value per point."""
        return np.asarray(self.design[rows] @ self.inverse @ self.design.T)


class _Wide:
    """The same for one fitted value per point, by matrices of the size of the points."""

    def __init__(self, fit: Fit, design: FloatArray, w: FloatArray) -> None:
        plain = (design / free_penalties(fit, float(w.sum()))) @ design.T
        root = np.sqrt(w[:, 0, 0])
        inner = cho_factor(np.eye(root.size) + root[:, None] * plain * root)
        self.gram = plain - (plain * root) @ cho_solve(inner, root[:, None] * plain)

    def leverages(self) -> FloatArray:
        """Return xᵀH⁻¹x of each point, shape (n, 1, 1)."""
        return np.diag(self.gram)[:, None, None].copy()

    def sandwiched(self, blocks: FloatArray) -> FloatArray:
        """Return xᵀH⁻¹ (Σ_j B_j x_j x_jᵀ) H⁻¹x of each point, shape (n, 1, 1)."""
        return np.asarray((self.gram**2 @ blocks[:, 0, 0])[:, None, None])

    def products(self, rows: Indices) -> FloatArray:
        """Return xᵢᵀH⁻¹xⱼ of some points with all."""
        return np.asarray(self.gram[rows])


_Forms = _Tall | _Wide


def _forms_of(fit: Fit, design: FloatArray, w: FloatArray) -> _Forms:
    return _Wide(fit, design, w) if fit.wide else _Tall(fit, design, w)


def forms(design: FloatArray, matrix: FloatArray, outputs: int, *, symmetric: bool = True) -> FloatArray:
    """Return (I ⊗ xᵀ) M (I ⊗ x) for each row x of the design, shape (n, K, K); of a symmetric M half is computed.

    Examples
    --------
    >>> forms(np.array([[1.0, 2.0]]), np.eye(4), 2)[0]
    array([[5., 0.],
           [0., 5.]])
    """
    n, width = design.shape
    blocks = matrix.reshape(outputs, width, outputs, width)
    out = np.empty((n, outputs, outputs))
    for a in range(outputs):
        for b in range(a if symmetric else 0, outputs):
            for rows in row_blocks(n):
                out[rows, a, b] = np.einsum("nd,nd->n", design[rows] @ blocks[a, :, b], design[rows])
            if symmetric:
                out[:, b, a] = out[:, a, b]
    return out
