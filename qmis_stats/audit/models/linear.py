"""Linear heads: ridge regression, logistic and softmax regression, trained here so that a seed gives the same path.

Training minimises the mean of ½ (z − y)², or of minus the log-likelihood, plus ``alpha``/(2n) |W|², over standardised
features: the objectives of scikit-learn's Ridge(alpha) and LogisticRegression(C = 1/alpha).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, cholesky, solve_triangular
from scipy.linalg.blas import dsyrk
from scipy.linalg.lapack import dpstrf
from scipy.special import expit, softmax

from qmis_stats.arrays import FloatArray
from qmis_stats.audit.data import Task
from qmis_stats.audit.models.base import (
    Model,
    Standardise,
    Weights,
    check_standardise,
    checkpoint_steps,
    output_losses,
    output_prediction,
    scaling,
    target_scaling,
)
from qmis_stats.audit.models.units import Units
from qmis_stats.threads import one_thread
from qmis_stats.validation import nonnegative_number, whole_number

__all__ = ["Linear", "Logistic", "Softmax", "inner_products", "last_by", "last_only", "losses_together"]

_POWER_STEPS = 50
_WIDE = 4
"""Columns per row from which a descent is cheaper in the space of the rows."""

_NO_DIRECTION = 1e-14
_AT_ONCE = 2**21
"""Outputs that are computed at once, over points, weights and classes."""

_CACHED = 2**18
"""Numbers of a block of points whose products are taken together."""

_TOGETHER = 512
"""Columns that are standardised at once where points are wide."""

_MOST_ROWS = 4096
"""Points whose inner products are kept for all training runs on some of them."""

_AT_REST = 1e-8
"""Largest step, as a share of the whole way, that is not taken any more."""

_SHRINKS = 0.3
"""By which steps to a minimum have to become smaller, on average."""


@dataclass(frozen=True)
class _LinearHead:
    """What the three heads share.

    Parameters
    ----------
    alpha : float
        Strength of the ridge penalty; intercepts are not penalised.
    iterations : int
        Gradient steps, or epochs with ``batch``.
    checkpoints : int
        At most so many weights are yielded, at geometric steps; the last are the final ones.
    batch : int, optional
        Size of mini-batches: stochastic gradients with momentum 0.9 and steps that fall as 1/epoch in the second half.
        Without it, accelerated gradient descent on all points, and the minimiser itself as the last checkpoint.
    standardise : {"auto", "all", "none", "public"}
        Features that are standardised by the training subset; by default all but those that are 0 or 1 throughout. With
        ``"public"`` the target is not standardised either: both are in units that tell nothing of the subset.
    """

    alpha: float = 1.0
    iterations: int = 200
    checkpoints: int = 20
    batch: int | None = None
    standardise: Standardise = "auto"

    task: ClassVar[Task]
    _curvature: ClassVar[float]

    def __post_init__(self) -> None:
        """Check the settings."""
        whole_number("iterations", self.iterations, 1)
        whole_number("checkpoints", self.checkpoints, 1)
        if self.batch is not None:
            whole_number("batch", self.batch, 1)
        nonnegative_number("alpha", self.alpha)
        check_standardise(self.standardise)

    def _outputs(self, y: FloatArray) -> int:
        return 1

    def _residual(self, outputs: FloatArray, y: FloatArray) -> FloatArray:
        """Return the gradient of the loss with respect to the outputs, (n, C)."""
        raise NotImplementedError

    def _bend(self, outputs: FloatArray) -> FloatArray:
        """Return the curvature of the loss of one output, (n, 1)."""
        raise NotImplementedError

    def _value(self, outputs: FloatArray, y: FloatArray) -> float:
        return float(np.mean(output_losses(outputs, y, self.task)))

    def fit_path(self, X: FloatArray, y: FloatArray, rng: np.random.Generator) -> Iterator[Weights]:
        """Train, and yield the weights at each checkpoint: ``(W, intercept, location, scale)``."""
        units = self.units(X, y)
        location, scale = units.location, units.scale
        target = (y - units.centre) / units.unit
        if self.batch is None and X.shape[1] > _WIDE * X.shape[0]:
            path = self._in_rows(X, location, scale, target)
        else:
            Z = X - location
            Z /= scale
            path = self._descend(Z, target) if self.batch is None else self._stochastic(Z, target, rng)
        for W, b in path:
            yield self._released(W, b, units)

    def units(self, X: FloatArray, y: FloatArray) -> Units:
        """Return the units in which it trains on these points."""
        return Units(*scaling(X, self.standardise), *self._target_scaling(y))

    def released_units(self, weights: Weights) -> Units:
        """Return the units that a training run released."""
        return Units.of_head(weights)

    def _in_rows(
        self, X: FloatArray, location: FloatArray, scale: FloatArray, y: FloatArray
    ) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Yield the checkpoints of the descent from points that are turned into the space of their rows.

        From zero, weights never leave this space, nor do steps and penalties depend on its axes: standardised points
        are Z = LQᵀ, Q orthonormal, and weights Qv, where v descends on L, which has no more columns than rows. With
        ZZᵀ = LLᵀ, Qv is Zᵀc for any c that solves Lᵀc = v. Z is never made as a whole.
        """
        products = _products(X, location, scale)
        least = _NO_DIRECTION * float(products.diagonal().max())
        factor, pivots, rank, _ = dpstrf(products, tol=least, lower=1, overwrite_a=1)
        L, order = np.zeros((len(X), rank)), pivots - 1
        L[order] = np.tril(factor[:, :rank])
        found = list(self._descend(L, y))
        c = np.zeros((len(X), sum(v.shape[1] for v, _ in found)))
        c[order[:rank]] = solve_triangular(
            factor[:rank, :rank], np.hstack([v for v, _ in found]), lower=True, trans="T"
        )
        W = _turned(X, location, scale, c)
        yield from zip(np.hsplit(W, len(found)), (b for _, b in found), strict=True)

    def minimum_by(self, products: FloatArray, X: FloatArray, y: FloatArray) -> Weights | None:
        """Return the weights at the minimum of a head with one output, by inner products in other units than its own.

        Weights are Zᵀc. The minimum by the products is a first guess, and its curvature that of all steps after it,
        whose gradients are exact. ``None`` where they do not soon come to rest, or the products are not those of
        points in general position.
        """
        units, n = self.units(X, y), y.size
        target, ridge = (y - units.centre) / units.unit, self.alpha / n
        try:
            L = cholesky(products, lower=True, check_finite=False)
        except LinAlgError:
            return None
        v, b = self._minimum(L, target, np.zeros((n, 1)), np.zeros(1), ridge)
        c, longest = solve_triangular(L, v, lower=True, trans="T"), 1.0
        while True:
            W = _turned(X, units.location, units.scale, c)
            folded = W / units.scale[:, None]
            outputs = X @ folded + (b - units.location @ folded)
            bend = self._bend(outputs) / n
            root = np.sqrt(bend)
            inner = root * products * root.T
            inner.flat[:: n + 1] += ridge
            factor = cho_factor(inner, lower=True, overwrite_a=True, check_finite=False)
            missed = np.hstack([self._residual(outputs, target) / n + ridge * c, bend])
            moved, level = np.hsplit((missed - root * cho_solve(factor, root * (products @ missed))) / -ridge, 2)
            rise = (c.sum() + moved.sum()) / -level.sum()
            moved += rise * level
            step = np.abs(moved).max() / np.abs(c).max()
            if step <= _AT_REST:
                return self._released(W, b, units)
            longest *= _SHRINKS
            if not step <= longest:
                return None
            c, b = c + moved, b + rise

    def _target_scaling(self, y: FloatArray) -> tuple[float, float]:
        return 0.0, 1.0

    def _released(self, W: FloatArray, b: FloatArray, units: Units) -> Weights:
        return W.T.copy(), b.copy(), units.location, units.scale

    def _gradient(self, Z: FloatArray, y: FloatArray, W: FloatArray, b: FloatArray, ridge: float) -> Weights:
        dW, db = ridge * W, np.zeros_like(b)
        step = max(_CACHED // Z.shape[1], 1)
        for begin in range(0, y.size, step):  # both products of a block of points while it is in the cache
            some = slice(begin, begin + step)
            residual = self._residual(Z[some] @ W + b, y[some]) / y.size
            dW, db = dW + Z[some].T @ residual, db + residual.sum(axis=0)
        return dW, db

    def _descend(self, Z: FloatArray, y: FloatArray) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Yield checkpoints of accelerated gradient descent from zero, then the minimiser."""
        ridge = self.alpha / y.size
        W, b = np.zeros((Z.shape[1], self._outputs(y))), np.zeros(self._outputs(y))
        if self.checkpoints == 1:
            yield self._minimum(Z, y, W, b, ridge)
            return
        step = 1.0 / (self._curvature * _largest_eigenvalue(Z) + ridge)
        ahead_W, ahead_b = W, b
        steps = set(checkpoint_steps(self.iterations, self.checkpoints - 1))
        for t in range(1, self.iterations + 1):
            dW, db = self._gradient(Z, y, ahead_W, ahead_b, ridge)
            next_W, next_b = ahead_W - step * dW, ahead_b - step * db
            momentum = (t - 1.0) / (t + 2.0)
            ahead_W, ahead_b = next_W + momentum * (next_W - W), next_b + momentum * (next_b - b)
            W, b = next_W, next_b
            if t in steps:
                yield W, b
        yield self._minimum(Z, y, W, b, ridge)

    def _minimum(
        self, Z: FloatArray, y: FloatArray, W: FloatArray, b: FloatArray, ridge: float
    ) -> tuple[FloatArray, FloatArray]:
        """Return the minimiser, by quasi-Newton steps from (W, b)."""
        from scipy.optimize import minimize

        shape, size = W.shape, W.size

        def objective(flat: FloatArray) -> tuple[float, FloatArray]:
            matrix, bias = flat[:size].reshape(shape), flat[size:]
            outputs = Z @ matrix + bias
            residual = self._residual(outputs, y) / y.size
            value = self._value(outputs, y) + 0.5 * ridge * float(np.sum(matrix**2))
            return value, np.concatenate([(Z.T @ residual + ridge * matrix).ravel(), residual.sum(axis=0)])

        find: Any = minimize
        start = np.concatenate([W.ravel(), b])
        options = {"maxiter": 2000, "gtol": 1e-9, "ftol": 1e-15, "maxcor": 20}
        found = np.asarray(find(objective, start, jac=True, method="L-BFGS-B", options=options).x)
        return found[:size].reshape(shape), found[size:]

    def _stochastic(
        self, Z: FloatArray, y: FloatArray, rng: np.random.Generator
    ) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Yield checkpoints of mini-batch gradient descent with momentum."""
        assert self.batch is not None
        ridge = self.alpha / y.size
        size = min(self.batch, y.size)
        largest = float(np.max(np.sum(Z**2, axis=1))) + 1.0
        smooth = _largest_eigenvalue(Z) + largest / size
        rate = 0.05 / (self._curvature * smooth + ridge)
        W, b = np.zeros((Z.shape[1], self._outputs(y))), np.zeros(self._outputs(y))
        moved_W, moved_b = np.zeros_like(W), np.zeros_like(b)
        steps = set(checkpoint_steps(self.iterations, self.checkpoints))
        half = max(1, self.iterations // 2)
        for epoch in range(1, self.iterations + 1):
            order = rng.permutation(y.size)
            pace = rate * min(1.0, half / epoch)
            for begin in range(0, y.size, size):
                rows = order[begin : begin + size]
                dW, db = self._gradient(Z[rows], y[rows], W, b, ridge)
                moved_W, moved_b = 0.9 * moved_W - pace * dW, 0.9 * moved_b - pace * db
                W, b = W + moved_W, b + moved_b
            if epoch in steps:
                yield W, b

    def quantizable(self, weights: Weights) -> tuple[bool, ...]:
        """Return that the coefficients of standardised features are quantized, and nothing else."""
        return (True, *(False for _ in weights[1:]))

    def layer_inputs(self, weights: Weights, X: FloatArray) -> dict[str, FloatArray]:
        """Return what the coefficients are given: the standardised features."""
        return {"coefficients": np.asarray((X - weights[2]) / weights[3])}

    def _folded(self, weights: Weights) -> tuple[FloatArray, FloatArray]:
        """Return matrix (p, C) and intercept for features that are not standardised."""
        W, b, location, scale = weights[:4]
        folded = (W / scale).T
        return folded, b - location @ folded

    def _in_units(self, weights: Weights, outputs: FloatArray) -> FloatArray:
        """Return outputs in the units of the target."""
        return outputs

    def _scores(self, weights: Weights, X: FloatArray) -> FloatArray:
        folded, level = self._folded(weights)
        return self._in_units(weights, np.asarray(X @ folded + level))

    def losses_together(self, weights: Sequence[Weights], X: FloatArray, y: FloatArray) -> FloatArray:
        """Return the loss of each point under each of several weights, shape (R, N), by one pass over the points."""
        parts = [self._folded(one) for one in weights]
        matrix, level = np.hstack([folded for folded, _ in parts]).T, np.concatenate([b for _, b in parts])
        found, step = np.empty((len(parts), len(X))), max(_AT_ONCE // level.size, 1)
        for begin in range(0, len(X), step):
            part = slice(begin, begin + step)
            outputs = (matrix @ X[part].T + level[:, None]).reshape(len(parts), -1, len(y[part]))
            for row, one, values in zip(found, weights, outputs, strict=True):
                row[part] = output_losses(self._in_units(one, values.T), y[part], self.task)
        return found

    def losses(self, weights: Weights, X: FloatArray, y: FloatArray) -> FloatArray:
        """Return the loss of each point, shape (N,)."""
        return output_losses(self._scores(weights, X), y, self.task)

    def predict(self, weights: Weights, X: FloatArray) -> FloatArray:
        """Return predictions: numbers or probabilities."""
        return output_prediction(self._scores(weights, X), self.task)

    def describe(self) -> dict[str, Any]:
        """Return what identifies the model."""
        return {"model": type(self).__name__, **asdict(self)}


def last_only(model: Model) -> Model:
    """Return the model without the checkpoints before the last, where these are of no use.

    A linear head then needs no path to its minimum.

    Examples
    --------
    >>> last_only(Linear(alpha=2.0))
    Linear(alpha=2.0, iterations=200, checkpoints=1, batch=None, standardise='auto')
    """
    return replace(model, checkpoints=1) if isinstance(model, _LinearHead) else model


def inner_products(model: Model, X: FloatArray, n: int) -> FloatArray | None:
    """Return the inner products of all points in their own units, (N, N), for training runs on n of them each.

    ``None`` where :func:`last_by` has no use for them, or they take more memory than a few training runs.
    """
    if type(model) not in (Linear, Logistic):  # a subclass may train otherwise
        return None
    assert isinstance(model, _LinearHead)
    one_minimum = model.batch is None and model.alpha > 0.0
    if not one_minimum or X.ndim != 2 or X.shape[1] <= _WIDE * n or len(X) > _MOST_ROWS:
        return None
    with one_thread():
        lower = _products(X, *scaling(X, model.standardise))
    return np.asarray(lower + np.tril(lower, -1).T)


def last_by(model: Model, products: FloatArray, X: FloatArray, y: FloatArray) -> Weights | None:
    """Return the weights at the end of a training run by inner products of its points in units of more points.

    Weights are those that the model trains to, which products in its own units take much longer for. ``None`` where
    the units differ too much.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> X, y, some = rng.normal(size=(60, 200)), np.arange(60) % 2.0, np.arange(0, 60, 3)
    >>> model = last_only(Logistic())
    >>> weights = last_by(model, inner_products(model, X, 20)[np.ix_(some, some)], X[some], y[some])
    >>> *_, trained = model.fit_path(X[some], y[some], rng)
    >>> bool(np.allclose(weights[0], trained[0], rtol=0.0, atol=1e-6))
    True
    """
    assert isinstance(model, (Linear, Logistic))
    return model.minimum_by(products, X, y)


def losses_together(model: Model, weights: Sequence[Weights], X: FloatArray, y: FloatArray) -> FloatArray | None:
    """Return the losses under each of several weights, (R, N), of one of the heads here; ``None`` of other models.

    Examples
    --------
    >>> weights = [(np.array([[w]]), np.zeros(1), np.zeros(1), np.ones(1)) for w in (0.0, 1.0)]
    >>> losses_together(Logistic(), weights, np.array([[2.0], [0.0]]), np.ones(2)).round(3)
    array([[0.693, 0.693],
           [0.127, 0.693]])
    """
    if isinstance(model, _LinearHead) and type(model) in (Linear, Logistic, Softmax):
        return model.losses_together(weights, X, y)
    return None


def _products(X: FloatArray, location: FloatArray, scale: FloatArray) -> FloatArray:
    """Return the inner products of standardised points, the lower half of (n, n); no copy of all points is made."""
    found = np.zeros((len(X), len(X)), order="F")
    for begin in range(0, X.shape[1], _TOGETHER):
        part = slice(begin, begin + _TOGETHER)
        Z = X[:, part] - location[part]
        Z /= scale[part]
        found = dsyrk(1.0, Z.T, beta=1.0, c=found, trans=1, lower=1, overwrite_c=1)
    return np.asarray(found)


def _turned(X: FloatArray, location: FloatArray, scale: FloatArray, c: FloatArray) -> FloatArray:
    """Return Zᵀc for standardised points Z, (p, m)."""
    return np.asarray((X.T @ c - np.outer(location, c.sum(axis=0))) / scale[:, None])


def _largest_eigenvalue(Z: FloatArray) -> float:
    """Return an upper estimate of the largest eigenvalue of [Z 1]ᵀ[Z 1]/n, by power iteration from a fixed start."""
    n, sums = Z.shape[0], Z.sum(axis=0)
    products = Z.T @ Z if Z.shape[1] <= n else None
    start = np.ones(n) + 0.5 * np.cos(np.arange(n))
    right = np.append(Z.T @ start, start.sum())
    value: float = 0.0
    for _ in range(_POWER_STEPS - 1):
        image = Z.T @ (Z @ right[:-1]) if products is None else products @ right[:-1]
        image = np.append(image + sums * right[-1], sums @ right[:-1] + n * right[-1])
        value = float(image @ image) / float(right @ image)
        right = image / np.linalg.norm(image)
    return float(1.1 * value / n)


@dataclass(frozen=True)
class Linear(_LinearHead):
    """Ridge regression; the target is standardised by the training subset, and so are the weights' units.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> X = rng.normal(size=(200, 2))
    >>> y = X @ [2.0, -1.0] + 3.0
    >>> model = Linear(alpha=0.0)
    >>> *_, final = model.fit_path(X, y, rng)
    >>> model.predict(final, np.array([[1.0, 1.0]])).round(6)
    array([4.])
    """

    task: ClassVar[Task] = "regression"
    _curvature: ClassVar[float] = 1.0

    def _residual(self, outputs: FloatArray, y: FloatArray) -> FloatArray:
        return outputs - y[:, None]

    def _bend(self, outputs: FloatArray) -> FloatArray:
        return np.ones_like(outputs)

    def _target_scaling(self, y: FloatArray) -> tuple[float, float]:
        return (0.0, 1.0) if self.standardise == "public" else target_scaling(y)

    def _released(self, W: FloatArray, b: FloatArray, units: Units) -> Weights:
        return (*super()._released(W, b, units), np.array([units.centre, units.unit]))

    def _minimum(
        self, Z: FloatArray, y: FloatArray, W: FloatArray, b: FloatArray, ridge: float
    ) -> tuple[FloatArray, FloatArray]:
        """Return the minimiser by the normal equations, in the smaller of the two dimensions."""
        centre, level = Z.mean(axis=0), float(y.mean())
        V, t = Z - centre, y - level
        if self.alpha == 0.0:
            W = np.linalg.lstsq(V, t[:, None], rcond=None)[0]
        elif V.shape[1] <= V.shape[0]:
            W = np.linalg.solve(V.T @ V + self.alpha * np.eye(V.shape[1]), V.T @ t[:, None])
        else:
            W = V.T @ np.linalg.solve(V @ V.T + self.alpha * np.eye(V.shape[0]), t[:, None])
        return W, level - centre @ W

    def _in_units(self, weights: Weights, outputs: FloatArray) -> FloatArray:
        centre, unit = weights[4]
        return np.asarray(centre + unit * outputs)


@dataclass(frozen=True)
class Logistic(_LinearHead):
    """Logistic regression for two classes.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> X = rng.normal(size=(300, 2))
    >>> y = (X[:, 0] + 0.3 * rng.normal(size=300) > 0.0).astype(float)
    >>> model = Logistic(checkpoints=5)
    >>> path = list(model.fit_path(X, y, rng))
    >>> len(path), bool(np.mean((model.predict(path[-1], X) > 0.5) == y) > 0.85)
    (5, True)
    """

    task: ClassVar[Task] = "binary"
    _curvature: ClassVar[float] = 0.25

    def _residual(self, outputs: FloatArray, y: FloatArray) -> FloatArray:
        return np.asarray(expit(outputs) - y[:, None])

    def _bend(self, outputs: FloatArray) -> FloatArray:
        return np.asarray(expit(outputs) * expit(-outputs))


@dataclass(frozen=True)
class Softmax(_LinearHead):
    """Softmax regression for several classes, one row of weights per class.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> X = rng.normal(size=(300, 2))
    >>> y = np.argmax(X @ rng.normal(size=(2, 3)), axis=1).astype(float)
    >>> model = Softmax()
    >>> *_, final = model.fit_path(X, y, rng)
    >>> final[0].shape, model.predict(final, X).shape
    ((3, 2), (300, 3))
    """

    task: ClassVar[Task] = "multiclass"
    _curvature: ClassVar[float] = 0.5

    def _outputs(self, y: FloatArray) -> int:
        return int(y.max()) + 1

    def _residual(self, outputs: FloatArray, y: FloatArray) -> FloatArray:
        return np.asarray(softmax(outputs, axis=1) - (y[:, None] == np.arange(outputs.shape[1])))
