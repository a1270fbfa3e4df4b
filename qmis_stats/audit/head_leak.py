"""What theory says of the head that an audit releases: its leak under each quantizer, from one fit (S15 to S17)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from qmis_stats.arrays import FloatArray, Indices
from qmis_stats.audit.data import Dataset
from qmis_stats.audit.models.base import Model, Weights
from qmis_stats.audit.models.linear import Linear, Logistic, Softmax
from qmis_stats.audit.models.single_head import single_head
from qmis_stats.audit.models.sklearn_adapter import SklearnModel
from qmis_stats.audit.quantizers import IDENTITY, Quantizer
from qmis_stats.errors import DomainError, InputError
from qmis_stats.leak.estimate import LEAST_POINTS, leakage
from qmis_stats.leak.fits import Fit
from qmis_stats.leak.leakage_result import LeakageResult
from qmis_stats.leak.sources import fit_of, fit_of_weights, points_like
from qmis_stats.quantizers.calibrated.base import sees_data

__all__ = ["head_fit", "head_leak", "no_theory"]

_FEWEST_GROUPS = 20
_WIDEST = 4096


def head_fit(model: Model, X: FloatArray, y: FloatArray, weights: Weights | None = None) -> Fit:
    """Return the fit that a head is after training on some points, or that its weights after such a training run are.

    Raises
    ------
    DomainError
        If it is not the one minimum of a penalised likelihood: by its objective, or because it stops short of it.
    """
    with _one_minimum():
        if weights is not None:
            return fit_of_weights(model, weights, X, y)
        return fit_of(*single_head(*model.fitted(X, y))) if isinstance(model, SklearnModel) else fit_of(model, X, y)


@contextmanager
def _one_minimum() -> Iterator[None]:
    try:
        yield
    except InputError as error:
        reason = f"the head is not the minimum of a penalised likelihood ({error})"
        raise DomainError("leakage", reason, "train to convergence") from error


def _others(model: Model, dataset: Dataset, rows: Indices) -> tuple[FloatArray, FloatArray]:
    """Return the other points of a dataset as the fit to these rows has them."""
    X, y = dataset.X[rows], dataset.y[rows]
    left = np.setdiff1d(np.arange(dataset.rows), rows)
    features, targets = dataset.X[left], dataset.y[left]
    with _one_minimum():
        if not isinstance(model, SklearnModel):
            return points_like(model, features, targets, (X, y))
        units, (fitted, *_) = model.units(X, y), model.fitted(X, y)
        head, features, targets = single_head(fitted, (features - units.location) / units.scale, targets)
        return points_like(head, features, targets, (None, None))


def no_theory(model: Model, quantizers: Sequence[Quantizer], points: int, size: int) -> str:
    """Return the reason why theory has no answer that is known before a fit to so many points, or an empty text.

    Parameters
    ----------
    model, quantizers
        Of the audit.
    points, size : int
        Training points, and weights of a linear head.

    Examples
    --------
    >>> from qmis_stats.audit import MLP, Linear
    >>> no_theory(Linear(), [], 200, 10), no_theory(MLP("regression"), [], 200, 10)
    ('', 'it is for linear, logistic and softmax heads')
    """
    if not isinstance(model, (Linear, Logistic, Softmax, SklearnModel)):
        return "it is for linear, logistic and softmax heads"
    if seen := [one.name for one in quantizers if sees_data(one)]:
        return f"it knows no quantizers that see data ({', '.join(seen)})"
    if mixed := [one.name for one in quantizers if hasattr(one, "of_layers")]:
        return f"it knows no quantizers that choose by layers ({', '.join(mixed)}): a head has one"
    if points < LEAST_POINTS:
        return f"it needs at least {LEAST_POINTS} training points, not {points}"
    if size > _WIDEST:
        return f"the head has {size} weights, more than the {_WIDEST} that it is computed for"
    return ""


def head_leak(
    dataset: Dataset,
    model: Model,
    quantizers: Sequence[Quantizer],
    rows: Indices,
    *,
    pool: bool = False,
    seed: int = 0,
) -> tuple[LeakageResult | None, str]:
    """Return the leak of a head that is trained on some rows, or ``None`` and the reason why theory has no answer.

    Parameters
    ----------
    dataset : Dataset
        The data.
    model : Model
        Linear, logistic and softmax heads have a theory, the estimators of scikit-learn among them, also as the one
        head of a pipeline, a search or a transformed target.
    quantizers : sequence of Quantizer
        With different names.
    rows : (n,) ndarray of int
        Training points.
    pool : bool
        Whether the attacker knows that the training points are some of this very dataset, and all of its points.
    seed : int
        In [0, 2³²).

    Examples
    --------
    >>> import numpy as np
    >>> from qmis_stats.audit import MLP, bundled, head_for
    >>> from qmis_stats.quantizers import quantizer
    >>> data = bundled("diabetes")
    >>> head_leak(data, head_for(data), [quantizer("sign")], np.arange(200))[1]
    'outside of its domain, only about 4.8 weights carry what the codes tell: the read-out is not normal'
    >>> head_leak(data, MLP("regression"), [quantizer("sign")], np.arange(200))[1]
    'it is for linear, logistic and softmax heads'
    """
    if reason := no_theory(model, quantizers, rows.size, dataset.columns * dataset.outputs):
        return None, reason
    groups = None if dataset.groups is None else dataset.groups[rows]
    if groups is not None and len(set(groups.tolist())) < _FEWEST_GROUPS:
        groups = None
    try:
        fit = head_fit(model, dataset.X[rows], dataset.y[rows])
        if fit.weights.size > _WIDEST:  # of the features that a pipeline makes
            return None, f"the head has {fit.weights.size} weights, more than the {_WIDEST} that it is computed for"
        found = leakage(  # named here, the other points would be kept as long as it takes
            fit, quantizers, pool=_others(model, dataset, rows) if pool else None, groups=groups, seed=seed
        )
    except DomainError as error:
        return None, error.reason
    # All is compared with no quantization in the population: without its domain nothing is known.
    objections = found.reasons[found.names.index(IDENTITY)] if not pool else ()
    return (None, f"outside of its domain, {'; '.join(objections)}") if objections else (found, "")
