"""How a logistic regression ended."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["FitStatus"]


class FitStatus(IntEnum):
    """How a logistic regression ended; only a converged one has an estimate.

    See :func:`qmis_kernels.reference.logistic_fits` for the exact conditions.
    """

    CONVERGED = 0
    """The last Newton step moved no linear predictor by more than the tolerance."""
    SEPARABLE = 1
    """A vector with (2 y - 1) xᵀv > 0 at every point was found: no maximum of the likelihood exists."""
    DIVERGING = 2
    """Newton's steps lead away along a direction that separates the points weakly, up to 2^-36."""
    SINGULAR = 3
    """The columns of the design are linearly dependent, or fewer points than columns."""
    ITERATIONS = 4
    """None of the others within the number of steps allowed."""
