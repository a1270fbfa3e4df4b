"""The one head inside a fitted scikit-learn estimator, with the features and the target that it was trained on."""

from __future__ import annotations

from typing import Any

from qmis_stats.audit.models.estimator_parts import searched

__all__ = ["single_head"]


def single_head(fitted: Any, X: Any, y: Any) -> tuple[Any, Any, Any]:
    """Return what decides all weights that an estimator releases, and the features and the target that it was given.

    Of a search it is the best estimator, of a pipeline the last step, of a transformed target the regressor, and of one
    against the rest the only classifier of two classes. What else is made of several estimators comes back as it is.

    Parameters
    ----------
    fitted : estimator
        Fitted to X and y.
    X : (n, p) array_like
        Features.
    y : (n,) ndarray
        Target.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> X, y = np.array([[1.0], [3.0]]), np.array([0.0, 1.0])
    >>> head, features, _ = single_head(make_pipeline(StandardScaler(), Ridge()).fit(X, y), X, y)
    >>> head, features.tolist()
    (Ridge(), [[-1.0], [1.0]])
    """
    fitted = searched(fitted)
    if hasattr(fitted, "steps"):
        made = fitted[:-1].transform(X) if len(fitted.steps) > 1 else X
        return single_head(fitted.steps[-1][1], made.toarray() if hasattr(made, "toarray") else made, y)
    if hasattr(fitted, "regressor_"):
        return single_head(fitted.regressor_, X, fitted.transformer_.transform(y.reshape(-1, 1)).ravel())
    if type(fitted).__name__ == "OneVsRestClassifier" and len(fitted.estimators_) == 1:
        return single_head(fitted.estimators_[0], X, y)
    return fitted, X, y
