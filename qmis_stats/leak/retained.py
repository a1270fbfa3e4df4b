"""How much of the variance of a fitted value the released weights retain, by the best linear read-out (S16, S17)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import LinAlgError, cho_factor, cho_solve, cholesky, lapack, solve_triangular
from scipy.special import ndtr

from qmis_stats.arrays import FloatArray, Indices
from qmis_stats.errors import DomainError
from qmis_stats.foreign import raised_by, returned_numbers
from qmis_stats.leak.fits import FREE, Fit, determined, hessian_matrix, inverse_of, moment_matrix, row_blocks
from qmis_stats.leak.influence import Influence, influence_of
from qmis_stats.leak.leave_one_out import LeaveOneOut, forms
from qmis_stats.leak.losses import contrasts, in_basis
from qmis_stats.quantizers.weights.base import GroupCells

__all__ = ["NamedQuantizer", "ReadOut", "Retained", "Scatter", "read_out", "retained", "scatter", "share_moves"]

_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(7)
_NODE_WEIGHTS = _NODE_WEIGHTS / _NODE_WEIGHTS.sum()
_CLOSE = 1e-9
_DENSE = 1500
_PROBES = 256
_CLEARLY = 30.0
MANY = 20_000
"""Points from which on the directions of one differ little from those of another."""
_LEAST = 1e-300
_MATCHED = 600
_STEP = 0.02
_LEAST_STEP = 1e-4
_DRAWS = 64
_EFFORT = 4000
_PAIRS = 32
_WELL = 1e-4
"""Inverse condition number from which on single precision leaves three digits at the least."""
_TOGETHER = 8192
"""Weights whose cells are taken together."""


class NamedQuantizer(Protocol):
    """What the read-out needs of a quantizer: a name, and the values that it releases.

    Thresholds are taken from a method ``cells(weights)`` as the quantizers of the package have it; without one the
    share that a code retains is measured on draws of the weights. What scales give away besides single weights is taken
    from a method ``combinations(weights)`` where there is one.
    """

    @property
    def name(self) -> str:
        """Its name in tables."""
        ...

    def quantize(self, weights: ArrayLike, /) -> FloatArray:
        """Return an array of the same shape; the argument is not changed."""
        ...


@dataclass(frozen=True, eq=False)
class Scatter:
    """Law of the parameters over training sets, to second order, and their answer to one more point.

    Attributes
    ----------
    covariance : (KD, KD) ndarray
        C of the parameters, class by class.
    response : (KD, KD) ndarray
        G, the mean inverse Hessian: a point with gradient ψ moves the parameters by −G(ψ ⊗ x).
    second_moment : (D, D) ndarray
        Σ of the design's rows, as a population has it.
    rows : (n, D) ndarray
        The design.
    outputs : int
        K.
    influence : Influence
        Of each point on the scale of C, on leverages, and on the length of the mean fitted values.
    """

    covariance: FloatArray
    response: FloatArray
    second_moment: FloatArray
    rows: FloatArray
    outputs: int
    influence: Influence

    @property
    def errors(self) -> FloatArray:
        """Standard deviations of the parameters, shape (K, D)."""
        return np.sqrt(np.diag(self.covariance)).reshape(self.outputs, -1)

    @property
    def sizes(self) -> FloatArray:
        """What each parameter adds to the variance of a fitted value by itself, shape (K, D)."""
        return np.diag(self.covariance).reshape(self.outputs, -1) * np.diag(self.second_moment)

    @property
    def large(self) -> bool:
        """Whether averages over probes stand for traces."""
        return self.outputs == 1 and len(self.covariance) > _DENSE

    @cached_property
    def probes(self) -> FloatArray:
        """Rows with the second moment Σ: their averages stand for traces where matrices are large."""
        rng = np.random.default_rng(0x9B0B)
        ridge = FREE * float(np.trace(self.second_moment)) * np.eye(len(self.second_moment))
        upper = cholesky(self.second_moment + ridge)
        return np.asarray(rng.standard_normal((_PROBES, len(upper))) @ upper)

    def _images(self, some: FloatArray) -> tuple[FloatArray, FloatArray]:
        return (some @ self.covariance).T, (some @ self.response).T

    @cached_property
    def of_rows(self) -> tuple[FloatArray, FloatArray]:
        """C and G times the rows, for one fitted value per point, (D, n) each."""
        return self._images(self.rows)

    @cached_property
    def of_probes(self) -> tuple[FloatArray, FloatArray]:
        """C and G times the probes."""
        return self._images(self.probes)

    @property
    def own(self) -> tuple[FloatArray, FloatArray]:
        """(I ⊗ xᵀ)C(I ⊗ x) and (I ⊗ xᵀ)G(I ⊗ x) of each row, (n, K, K) each."""
        if self.large:
            varied, moved = (np.einsum("nd,nd->n", some.T, self.rows)[:, None, None] for some in self.of_rows)
        else:
            varied, moved = (forms(self.rows, some, self.outputs) for some in (self.covariance, self.response))
        return varied, moved

    @property
    def directions(self) -> float:
        """In how many directions fitted values vary, tr(ΣC)²/tr(ΣC)(ΣC)."""
        whole = self.trace(self.covariance) ** 2
        if not self.large:
            return whole / self.trace(self.moments[0])
        # Of two probes (xᵀCz)² is tr(ΣC)(ΣC) on average; only few directions are counted exactly.
        seen = self.probes @ self.of_probes[0]
        about = float(np.mean(seen[~np.eye(len(seen), dtype=bool)] ** 2))
        if whole > _CLEARLY * about:
            return whole / about
        product = self.second_moment @ self.covariance
        return whole / float(np.vdot(product, product.T))

    @cached_property
    def moments(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """CΣC, CΣG and GΣG, with a Σ for each of the fitted values."""
        blocks = np.kron(np.eye(self.outputs), self.second_moment)
        varied, moved = blocks @ self.covariance, blocks @ self.response
        return self.covariance @ varied, self.covariance @ moved, self.response @ moved

    def trace(self, matrix: FloatArray) -> float:
        """Return tr (I ⊗ Σ)M: the expectation of tr (I ⊗ xᵀ)M(I ⊗ x) over points."""
        width = self.second_moment.shape[0]
        blocks = matrix.reshape(self.outputs, width, self.outputs, width)
        return float(sum(np.vdot(blocks[k, :, k], self.second_moment) for k in range(self.outputs)))

    def features(self, count: int) -> tuple[FloatArray, FloatArray]:
        """Return mean and covariance of so many features; where an intercept follows them, it takes their mean."""
        moment = self.second_moment
        mean = moment[:count, count] if count < len(moment) else np.zeros(count)
        return mean, moment[:count, :count] - np.outer(mean, mean)

    @property
    def secant(self) -> float:
        """Squared secant of the angle of the directions C(I ⊗ x) and G(I ⊗ x) in the metric C⁻¹, over fresh points."""
        width, basis = len(self.second_moment), contrasts(self.outputs)
        C, G = (in_basis(m, basis) for m in (self.covariance, self.response))
        little = FREE * float(np.trace(C)) * np.eye(len(C)) / len(C)
        across = G @ cho_solve(cho_factor(C + little), G)
        size = basis.shape[1]
        varied, moved, whole = (
            np.einsum("aibj,ij->ab", m.reshape(size, width, size, width), self.second_moment) for m in (C, G, across)
        )
        explained = moved @ np.linalg.solve(varied, moved)
        return float(np.trace(np.linalg.solve(explained, whole)) / size)


def scatter(fit: Fit, found: LeaveOneOut) -> Scatter:
    """Return the covariance of the parameters over training sets and their response to a point (Statement S17).

    C = G (Ψ ⊗ Σ) G with G = (A ⊗ Σ + I ⊗ P)⁻¹, A = Σ_j (1 + w_j q_j)⁻¹ w_j and Ψ = Σ_j ψ_j ψ_jᵀ: the deterministic
    equivalents of the inverse Hessian and of the gradients. Plugging the sample's own second moments into them would
    double their noise where there are as many features as points, so that Σ is the estimate of Ledoit and Wolf (2004).
    That shrinks correlations towards zero, and with them the variances of weights beside those of fitted values. With
    one fitted value per point Σ is shrunk less, until these variances add up to what the jackknife says of them.

    Parameters
    ----------
    fit : Fit
        A fit at its optimum.
    found : LeaveOneOut
        Its leave-one-out quantities, to whose mean variance C is scaled.
    """
    spread = fit.X.std(axis=0)
    spread = np.where(spread > 0.0, spread, 1.0)
    centre = fit.X.mean(axis=0)
    correlation, shrunk, sample = _correlations(fit.X, centre, spread)
    stiffness = np.linalg.solve(np.eye(fit.outputs) + found.curvature @ found.leverage, found.curvature)

    def made(correlation: FloatArray) -> Scatter:
        moment = correlation * np.outer(spread, spread) + np.outer(centre, centre)
        if fit.intercept is not None:
            moment = np.block([[moment, centre[:, None]], [centre[None, :], np.ones((1, 1))]])
        return _equivalents(fit, found, moment, stiffness.sum(axis=0))

    one = made(correlation)
    if fit.outputs == 1 and spread.size <= _MATCHED:
        sizes = spread**2
        level = np.eye(spread.size) * (np.trace(sample) / spread.size)
        wanted = _weighted_variances(fit, found, sizes)

        def missed(some: Scatter) -> float:
            return wanted - float(sizes @ some.errors[0, : spread.size] ** 2)

        low, high, tried = 0.0, shrunk, one
        while missed(one) > 0.0 and high - low > _STEP * shrunk:  # variances mostly fall with the share that is shrunk
            middle = 0.5 * (low + high)
            tried = made((1.0 - middle) * sample + middle * level)
            low, high = (low, middle) if missed(tried) > 0.0 else (middle, high)
        one = min(one, tried, key=lambda some: abs(missed(some)))
    return replace(one, influence=influence_of(fit, found, *_held(fit, one)))


def _correlations(X: FloatArray, centre: FloatArray, spread: FloatArray) -> tuple[FloatArray, float, FloatArray]:
    """Return the correlations of Ledoit and Wolf (2004), their share that is shrunk, and the plain ones."""
    from sklearn.covariance import ledoit_wolf_shrinkage

    standard = X - centre
    standard /= spread
    sample = standard.T @ standard / len(standard)
    shrunk = float(ledoit_wolf_shrinkage(standard, assume_centered=True))
    correlation = (1.0 - shrunk) * sample
    correlation.flat[:: len(sample) + 1] += shrunk * float(np.trace(sample)) / len(sample)
    return correlation, shrunk, sample


def _held(fit: Fit, made: Scatter) -> tuple[float, float]:
    """Return tr ΣGPG/tr ΣG and tr ΣGPC/tr ΣC, the shares of leverages and of C that the penalty holds."""
    probes = np.kron(np.eye(fit.outputs), made.probes).T
    penalties = np.tile(fit.penalties, fit.outputs)[:, None]
    moves, of_probes = made.response @ probes, made.covariance @ probes
    held = float(np.sum(penalties * moves**2)) / (len(made.probes) * made.trace(made.response))
    return min(held, 1.0), float(np.sum(penalties * moves * of_probes) / np.sum(probes * of_probes))


def _equivalents(fit: Fit, found: LeaveOneOut, moment: FloatArray, damped: FloatArray) -> Scatter:
    outputs = fit.outputs
    hessian = np.kron(determined(0.5 * (damped + damped.T)), moment)
    hessian.flat[:: hessian.shape[0] + 1] += np.tile(fit.penalties, outputs) + FREE * np.trace(hessian) / len(hessian)
    response = inverse_of(cho_factor(hessian))
    if outputs > 1:  # gradients of classes sum to zero: no point moves all of them together
        alone = np.eye(outputs) - 1.0 / outputs
        response = np.kron(alone, np.eye(len(moment))) @ response
    covariance = response @ np.kron(found.gradient.T @ found.gradient, moment) @ response
    zero = np.zeros(fit.points)
    nothing = Influence(zero, zero, zero, 0.0)
    made = Scatter(0.5 * (covariance + covariance.T), response, moment, fit.design, outputs, nothing)
    measured = float(np.mean(np.trace(found.variance, axis1=1, axis2=2)))
    return replace(made, covariance=made.covariance * (measured / made.trace(made.covariance)))


def _weighted_variances(fit: Fit, found: LeaveOneOut, sizes: FloatArray) -> float:
    """Return Σ_i sizes_i C_ii over the weights, by the corrected jackknife, for one fitted value per point.

    C = H⁻¹ Σ_j (r_j² − w_j² S_j) x_j x_jᵀ H⁻¹ along directions that do not depend on the points.
    """
    psi, w, q = found.gradient[:, 0], found.curvature[:, 0, 0], found.leverage[:, 0, 0]
    squares = ((1.0 + w * q) * psi) ** 2 - w**2 * found.variance[:, 0, 0]
    hessian = hessian_matrix(fit.design, found.curvature, fit.penalties)
    hessian.flat[:: len(hessian) + 1] += FREE * np.trace(hessian) / len(hessian)
    inverse = inverse_of(cho_factor(hessian))
    variances = np.sum((inverse @ moment_matrix(fit.design, squares[:, None, None])) * inverse, axis=1)
    return float(sizes @ variances[: sizes.size])


@dataclass(frozen=True, eq=False)
class Retained:
    """What each weight tells of itself under one quantizer.

    Attributes
    ----------
    share : (K, D) ndarray
        Estimated share ρ_i of the variance of each parameter that its code retains.
    first, second : (B, K, D) ndarray
        The same estimates from weights of two further training sets, drawn about B draws of the mean weights.
    truth, again : (B, K, D) ndarray
        The shares at these means themselves, with the cells of two more training sets.
    changes : (2, K, D) ndarray
        How the estimate changes with log tr ΣC, and with the length of the fit, relative to itself.
    combined : (c, KD) ndarray
        Combinations of parameters that scales give away.
    """

    share: FloatArray
    first: FloatArray
    second: FloatArray
    truth: FloatArray
    again: FloatArray
    changes: FloatArray
    combined: FloatArray


@dataclass(frozen=True, eq=False)
class _Posterior:
    """Normal law of the mean weights given the weights, shapes (K, p)."""

    mean: FloatArray
    deviation: FloatArray

    @classmethod
    def of(cls, weights: FloatArray, variance: FloatArray) -> _Posterior:
        centre = float(weights.mean())
        prior = max(float(np.mean((weights - centre) ** 2 - variance)), 0.0)
        keep = prior / np.maximum(prior + variance, _LEAST)
        return cls(centre + keep * (weights - centre), np.sqrt(keep * variance))


def retained(fit: Fit, spread: Scatter, quantizers: Sequence[NamedQuantizer], seed: int = 0) -> list[Retained]:
    """Return what each weight tells of itself under each of the quantizers.

    Given the scales, a code says in which cell a weight lies: of the variance C_ii of the weight over training sets it
    retains ρ_i = Σ_k (φ(a_k) − φ(b_k))²/P_k, with the cells in standard errors about the *mean* weight. One fit knows
    the mean only through the weight: its law is N(m, A) over the weights of a tensor (empirical Bayes), and the share
    is averaged over the posterior. What is released as it is, intercepts and weights that a scale gives away, retains
    all, and so do the combinations that the scales of blocks are. The same estimates from drawn training sets, whose
    means are known, tell its bias and its error.

    Parameters
    ----------
    fit : Fit
        The fit.
    spread : Scatter
        Its covariance.
    quantizers : sequence of NamedQuantizer
        With ``cells``, or measured on draws.
    seed : int
        Of the draws.
    """
    p = fit.X.shape[1]
    errors = spread.errors[:, :p]
    rng = np.random.default_rng([seed, 0xB007])
    steps = np.maximum(spread.influence.errors[[0, 2]], _LEAST_STEP)
    pairs = int(np.clip(_EFFORT // errors.size, 4, _PAIRS))
    known = _Posterior.of(fit.weights, errors**2)
    means = known.mean + known.deviation * rng.standard_normal((pairs, *errors.shape))
    # Of longer fits the means are longer, and the scatter about them follows.
    lengthened = known.mean + 0.5 * spread.influence.scale_per_length * (fit.weights - known.mean)
    # Means in the places of others: which of them lie near a threshold is chance too.
    places = rng.integers(errors.size, size=(pairs, errors.size))
    means = np.take_along_axis(means.reshape(pairs, -1), places, axis=1).reshape(means.shape)
    drawn = means + _noise(fit, spread, means, rng)
    found = []
    for quantizer in quantizers:
        if not _has_cells(quantizer, fit):
            one = _whole(_from_draws(quantizer, fit.weights.reshape(fit.shape), errors, seed), spread)
            copy = one[None]
            still = np.zeros((2, *one.shape))
            found.append(Retained(one, copy, copy, copy, copy, still, _combined(quantizer, fit, spread)))
            continue

        cut: Any = quantizer

        def estimates(weights: FloatArray, wide: float = 1.0, cut: Any = cut) -> FloatArray:
            posteriors = [_Posterior.of(w, (wide * errors) ** 2) for w in weights]
            nodes = np.stack([one.mean + one.deviation * _NODES[:, None, None] for one in posteriors], axis=1)
            shares = _of_cells(cut, weights, nodes, wide * errors, fit.shape)
            return _whole(np.tensordot(_NODE_WEIGHTS, shares, axes=1), spread)

        first, second = (estimates(half) for half in drawn[:2])
        truth, again = (_whole(_of_cells(cut, half, means[None], errors, fit.shape)[0], spread) for half in drawn[2:])
        [share] = estimates(fit.weights[None])
        [wider] = estimates(fit.weights[None], math.exp(0.5 * steps[0]))
        [longer] = estimates((fit.weights + steps[1] * lengthened)[None])
        changes = np.array([wider - share, longer - share]) / steps[:, None, None]
        combined = _combined(quantizer, fit, spread)
        found.append(Retained(share, first, second, truth, again, changes, combined))
    return found


def _combined(quantizer: Any, fit: Fit, spread: Scatter) -> FloatArray:
    """Return the combinations of weights that scales give away, as rows over all parameters."""
    if not hasattr(quantizer, "combinations"):
        return np.zeros((0, spread.errors.size))
    weights = fit.weights.reshape(fit.shape)
    with raised_by(f"quantizer {quantizer.name!r} on weights of shape {weights.shape}"):
        found = list(quantizer.combinations(weights))
    rows = np.zeros((sum(len(part) for _, part in found), *spread.errors.shape))
    flat, at = np.zeros((len(rows), fit.weights.size)), 0
    for inside, part in found:
        flat[at : at + len(part), inside] = part
        at += len(part)
    rows[:, :, : fit.X.shape[1]] = flat.reshape(len(rows), *fit.weights.shape)
    return rows.reshape(len(rows), spread.errors.size)


def _has_cells(quantizer: Any, fit: Fit) -> bool:
    if not hasattr(quantizer, "cells"):
        return False
    try:
        _cells(quantizer, fit.weights.reshape(fit.shape))
    except DomainError:
        return False
    return True


def _cells(quantizer: Any, weights: FloatArray) -> list[GroupCells]:
    with raised_by(f"quantizer {quantizer.name!r} on weights of shape {weights.shape}", but=(DomainError,)):
        return [
            GroupCells(
                one.inside,
                np.asarray(one.edges, np.float64),
                np.asarray(one.known, np.int64),
                getattr(one, "bounds", (-np.inf, np.inf)),
            )
            for one in quantizer.cells(weights)
        ]


def _noise(fit: Fit, spread: Scatter, means: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return four draws of the weights about each of the means, (4, B, K, p), less these.

    Where influences hold what fits move along the mean fitted values, draws do not.
    """
    width, free = spread.second_moment.shape[0], fit.X.shape[1]
    kept = (np.arange(fit.outputs)[:, None] * width + np.arange(free)).ravel()
    matrix = spread.covariance[np.ix_(kept, kept)]
    matrix.flat[:: kept.size + 1] += FREE * float(np.trace(matrix)) / kept.size
    drawn = rng.standard_normal((4, len(means), kept.size)) @ cholesky(matrix)
    if np.any(spread.influence.length):
        along = (means @ spread.features(free)[1]).reshape(len(means), -1)
        back = along @ matrix
        share = np.einsum("abk,bk->ab", drawn, along) / np.maximum(np.sum(along * back, axis=1), _LEAST)
        drawn -= share[:, :, None] * back
    return drawn.reshape(4, *means.shape)


def _whole(share: FloatArray, spread: Scatter) -> FloatArray:
    """Return the shares of weights, (..., K, p), with those of intercepts, which retain all."""
    out = np.ones((*share.shape[:-1], spread.errors.shape[1]))
    out[..., : share.shape[-1]] = share
    return np.clip(out, 0.0, 1.0 - _CLOSE)


def _of_cells(
    quantizer: Any, weights: FloatArray, means: FloatArray, errors: FloatArray, shape: tuple[int, ...]
) -> FloatArray:
    """Return what the cells that B weights set retain of others about A means each, (A, B, K, p).

    Cells of several weights are taken together, as far as they fit into a block.
    """
    size, out = errors.size, np.empty(means.shape)
    step = max(_TOGETHER // size, 1)
    places = np.arange(size)
    for start in range(0, len(weights), step):
        some = slice(start, start + step)
        block = means[:, some]
        groups = [
            (places[group.inside] + b * size, group)
            for b, w in enumerate(weights[some])
            for group in _cells(quantizer, w.reshape(shape))
        ]
        found = _from_cells(groups, block.reshape(len(block), -1), np.tile(errors.ravel(), block.shape[1]))
        out[:, some] = found.reshape(block.shape)
    return out


def _from_cells(groups: list[tuple[Indices, GroupCells]], means: FloatArray, errors: FloatArray) -> FloatArray:
    """Return the retained shares of weights (m,) about A means each, (A, m), by groups of places and their cells."""
    out = np.ones(means.shape)
    # Groups with as many thresholds, such as blocks, are taken together.
    for number in sorted({group.edges.size for _, group in groups} - {0}):
        some = [(inside, group) for inside, group in groups if group.edges.size == number]
        together, sizes = np.concatenate([inside for inside, _ in some]), [inside.size for inside, _ in some]
        edges = np.repeat([group.edges for _, group in some], sizes, axis=0).T
        bounds = np.repeat([group.bounds for _, group in some], sizes, axis=0).T
        out[:, together] = cell_share(edges, means[:, together], errors[together], bounds)
    for inside, group in groups:
        if not group.edges.size and group.known.size < inside.size:
            out[:, inside] = 0.0
        out[:, inside[group.known]] = 1.0
    return out


def cell_share(
    edges: FloatArray, means: FloatArray, errors: FloatArray, bounds: ArrayLike = (-np.inf, np.inf)
) -> FloatArray:
    """Return the retained share of N(mean, error²) cut at sorted edges, (e,) or (e, m); means (A, m), errors (m,).

    Beyond the bounds, two numbers or two (m,), all is retained: a weight there would set the scale of its block.

    Examples
    --------
    >>> round(float(cell_share(np.zeros(1), np.zeros((1, 1)), np.ones(1))[0, 0]) * math.pi, 12)
    2.0
    """
    low, high = ((np.asarray(end) - means) / errors for end in np.asarray(bounds))
    total = _beyond(-low) + _beyond(high)
    below, density, tail = low, _density(low), ndtr(-np.abs(low))
    for edge in (*edges, None):
        above = high if edge is None else np.clip((edge - means) / errors, low, high)
        ahead, rest = _density(above), ndtr(-np.abs(above))
        # Both ends on one side: the difference of the smaller tails.
        mass = np.where((below > 0.0) == (above > 0.0), np.abs(tail - rest), 1.0 - tail - rest)
        density -= ahead
        density *= density
        total += np.divide(density, mass, out=np.zeros_like(total), where=mass > 1e-14)
        below, density, tail = above, ahead, rest
    return total


def _density(place: FloatArray) -> FloatArray:
    return np.asarray(np.exp(-0.5 * place**2) / math.sqrt(2.0 * math.pi))


def _beyond(place: FloatArray) -> FloatArray:
    """Return E z² over z above a place, z standard normal."""
    finite = np.where(np.isfinite(place), place, 0.0)
    return np.asarray(ndtr(-place) + finite * _density(place))


def _from_draws(quantizer: NamedQuantizer, tensor: FloatArray, errors: FloatArray, seed: int) -> FloatArray:
    """Return the squared correlation of each weight with its released value over draws about the weights."""
    rng = np.random.default_rng([seed, 0x5EAD])
    noise = rng.standard_normal((_DRAWS, *errors.shape))
    released = np.empty_like(noise)
    for k in range(_DRAWS):
        moved = (tensor.reshape(errors.shape) + errors * noise[k]).reshape(tensor.shape)
        field = f"quantizer {quantizer.name!r} on weights of shape {tensor.shape}"
        with raised_by(field):
            returned = np.asarray(quantizer.quantize(moved))
        released[k] = returned_numbers(field, returned, tensor.shape, "weights of the shape that it was given").reshape(
            errors.shape
        )
    noise -= noise.mean(axis=0)
    released -= released.mean(axis=0)
    power = np.sum(noise**2, axis=0) * np.sum(released**2, axis=0)
    product = np.sum(noise * released, axis=0) ** 2
    raw = np.divide(product, power, out=np.zeros_like(power), where=power > 0.0)
    # A correlation of zero has a square of 1/(draws − 1) on average.
    return np.asarray(np.maximum(1.0 - (1.0 - raw) * (_DRAWS - 1.0) / (_DRAWS - 2.0), 0.0))


@dataclass(frozen=True, eq=False)
class ReadOut:
    """What an attack reads of one quantizer's release.

    With K = C + Λ⁻¹ the covariance of the noisy measurements that the codes are, two directions tell of a point:
    k = Cx, along which its fitted value varies, and δ = Gx, along which it moves the weights as a member.

    Attributes
    ----------
    share : float
        ρ = tr Σ CK⁻¹C / tr ΣC, the retained share of the variance of a fresh point's fitted values.
    varied : (3, B) ndarray
        Over B drawn means, the same for all quantizers: differences of estimates of ρ between two training sets, over
        √2; of ρ itself, whose cells the weights set; and the mean of the estimates less that of ρ, less their bias.
    changes : (2,) ndarray
        How ρ changes with log tr ΣC, and with the length of the fit, relative to itself.
    along : (3, n, K, K) ndarray
        kᵀK⁻¹k, kᵀK⁻¹δ and δᵀK⁻¹δ of each point.
    expected : (3,) ndarray
        Expected traces of these for a fresh point.
    """

    share: float
    varied: FloatArray
    changes: FloatArray
    along: FloatArray
    expected: FloatArray


def read_out(spread: Scatter, kept: Retained, *, each: bool = False) -> ReadOut:
    """Return what the codes of all weights tell of the directions of each point (Statement S16).

    A code that retains ρ_i of its weight is a noisy measurement with precision Λ_i = ρ_i/((1 − ρ_i)C_ii) (Bussgang),
    and K⁻¹ = Rᵀ (I + RCRᵀ)⁻¹ R with R = Λ^½, and a row more for each combination that is released.

    Parameters
    ----------
    spread : Scatter
        C, G and Σ.
    kept : Retained
        ρ_i of the parameters.
    each : bool
        Whether directions are read for each point, however many there are.
    """
    few = each or len(spread.rows) <= MANY
    share, varies = np.maximum(kept.share.ravel(), _CLOSE), np.diag(spread.covariance)
    varying = np.sum((kept.combined @ spread.covariance) * kept.combined, axis=1)
    # In units that give every measurement the variance 1; combinations are released as they are.
    root, rows = np.sqrt(share / varies), kept.combined / np.sqrt(np.maximum(varying, _LEAST))[:, None]
    errors = np.append(1.0 - share, np.full(len(rows), _CLOSE))

    def measured(matrix: FloatArray) -> FloatArray:
        scaled = root[:, None] * matrix
        return np.concatenate([scaled, rows @ matrix]) if len(rows) else scaled

    noisy = measured(measured(spread.covariance).T)
    noisy.flat[:: len(noisy) + 1] += errors
    lower = _factor(noisy, spread.large)

    def solved(matrix: FloatArray, trans: Literal["N", "T"] = "N") -> FloatArray:
        given = matrix.astype(lower.dtype, copy=False)
        return np.asarray(solve_triangular(lower, given, trans, lower=True, overwrite_b=True, check_finite=False))

    before = spread.trace(spread.covariance)
    if spread.large:
        k, d = (solved(measured(m)) for m in spread.of_probes)
        expected = _inner(k, d).mean(axis=1)
        # The traces are exact for C itself: what probes miss of it they miss of its parts alike.
        expected = expected * (before / float(np.mean(np.sum(spread.probes.T * spread.of_probes[0], axis=0))))
        slopes = np.mean(solved(k, "T")[: root.size] ** 2, axis=1)
    else:
        inverse = inverse_of((lower, True))
        seen = [measured(measured(m).T) for m in spread.moments]
        expected = np.array([np.sum(inverse * m) for m in seen])
        slopes = np.sum((inverse @ seen[0]) * inverse, axis=1)[: root.size]
    if spread.large or (few and spread.outputs == 1):
        along = np.empty((3, len(spread.rows), 1, 1))
        for part in row_blocks(len(spread.rows)):
            k, d = (solved(measured(m[:, part])) for m in spread.of_rows)
            along[:, part, 0, 0] = _inner(k, d)
    elif few:
        k, d = (solved(measured(m)) for m in (spread.covariance, spread.response))
        products = [k.T @ k, k.T @ d, d.T @ d]
        along = np.array([forms(spread.rows, m, spread.outputs, symmetric=m is not products[1]) for m in products])
    else:  # with so many points the directions of one differ little from those of another
        k = solved(measured(spread.covariance))
        ratio = expected / max(expected[0], _LEAST)
        along = forms(spread.rows, k.T @ k, spread.outputs) * ratio[:, None, None, None]
    # dρ/dρ_i = (VΣV)_ii dΛ_i/dρ_i / tr ΣC with V = C − CK⁻¹C = Λ⁻¹K⁻¹C, of which these are the slopes times ρ_i.
    per_share = slopes / share / before
    parts = (kept.first, kept.second, kept.truth, kept.again)
    first, second, truth, again = (part.reshape(len(part), -1) @ per_share for part in parts)
    missed = 0.5 * (first + second - truth - again)
    bias = float(np.mean(missed))
    corrected = float(np.clip(expected[0] / before - bias, 0.0, 1.0))
    changes = kept.changes.reshape(2, -1) @ per_share
    scaled = expected * (corrected * before / max(expected[0], _LEAST))
    varied = np.array([(first - second) / math.sqrt(2.0), (truth - again) / math.sqrt(2.0), missed - bias])
    return ReadOut(corrected, varied, changes, along, scaled)


def _factor(matrix: FloatArray, large: bool) -> FloatArray:
    """Return the lower Cholesky factor of a matrix, which is overwritten.

    Of a large one in single precision, which takes half the time, where the condition number allows it.
    """
    if large:
        most = float(np.max(np.sum(np.abs(matrix), axis=0)))
        with suppress(LinAlgError):
            single = cholesky(matrix.astype(np.float32), lower=True, overwrite_a=True, check_finite=False)
            if lapack.spocon(single, most, uplo="L")[0] > _WELL:
                return np.asarray(single)
    return np.asarray(cholesky(matrix, lower=True, overwrite_a=True, check_finite=False))


def _inner(k: FloatArray, d: FloatArray) -> FloatArray:
    """Return the inner products of columns, of k with k, of k with d, and of d with d."""
    return np.array([np.einsum("nd,nd->n", a.T, b.T) for a, b in ((k, k), (k, d), (d, d))])


def share_moves(found: Sequence[ReadOut], without: FloatArray) -> FloatArray:
    """Return what ρ moves without each group, (G, Q), less the mean, from scale, leverage and length, (G, 3)."""
    return np.asarray((without - without.mean(axis=0))[:, [0, 2]] @ np.array([one.changes for one in found]).T)


def share_covariance(found: Sequence[ReadOut]) -> FloatArray:
    """Return the covariance of the errors of ρ between quantizers, which share the weights, shape (Q, Q).

    An estimate varies over training sets of the same mean weights, and its expectation misses ρ by what the means
    happen to be: few of them near a threshold or many. The latter is the variance over drawn means of estimates less
    ρ, without the half of the variance over training sets that pairs of them have.
    """
    longest = max(one.varied.shape[1] for one in found)
    flat = np.array([np.resize(one.varied, (3, longest)) if one.varied.shape[1] == 1 else one.varied for one in found])
    estimates, truths, missed = np.einsum("qpb,rpb->pqr", flat, flat) / longest
    sizes, vectors = np.linalg.eigh(missed * (longest / max(longest - 1.0, 1.0)) - 0.5 * (estimates + truths))
    return np.asarray(estimates + (vectors * np.maximum(sizes, 0.0)) @ vectors.T)
