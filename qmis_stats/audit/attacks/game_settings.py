"""What the training runs of a membership game follow from, checked: the key under which they are kept too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.audit.data import Dataset
from qmis_stats.audit.models.base import Model
from qmis_stats.audit.models.calls import checked_model, description_of
from qmis_stats.errors import InputError
from qmis_stats.validation import checked_seed, whole_number

__all__ = ["GameSettings", "Sampler"]

Sampler: TypeAlias = Callable[[np.random.Generator, int], tuple[FloatArray, FloatArray]]
"""``sampler(rng, k)`` draws k independent points: features (k, p) and targets (k,)."""

_FORMAT = 1


@dataclass(frozen=True, eq=False)
class GameSettings:
    """Where points come from, what is trained on them, and the seed of everything that is drawn.

    Parameters
    ----------
    source : Dataset or Sampler
        Of points.
    model : Model
        Training procedure.
    n : int
        Points per training run, at least 2 and fewer than a data set has.
    seed : int
        In [0, 2³²).

    Raises
    ------
    InputError
        If an argument is refused, or the model cannot be trained again.

    Examples
    --------
    >>> from qmis_stats.audit.models import Linear
    >>> from qmis_stats.audit.tables import bundled
    >>> GameSettings(bundled("diabetes"), Linear(), 50, 1).room
    50
    >>> GameSettings(bundled("diabetes"), Linear(), 442, 1)
    Traceback (most recent call last):
    ...
    qmis_stats.errors.InputError: n = 442: must be below 442, the rows of diabetes: non-members are needed
    """

    source: Dataset | Sampler
    model: Model
    n: int
    seed: int

    def __post_init__(self) -> None:
        """Check that the source has points, and enough of them, for the model."""
        if bool(getattr(self.model, "trained_elsewhere", False)):
            raise InputError("model", type(self.model).__name__, "one that can be trained again")
        whole_number("n", self.n, 2)
        if isinstance(self.source, Dataset):
            checked_model(self.model, self.source)
            if self.room < 1:
                allowed = f"below {self.source.rows}, the rows of {self.source.name}: non-members are needed"
                raise InputError("n", self.n, allowed)
        elif not callable(self.source):
            raise InputError("source", self.source, "a Dataset or a function (rng, k)")
        object.__setattr__(self, "seed", checked_seed(self.seed))

    @property
    def room(self) -> int:
        """Most members that a training run can show, with as many non-members."""
        return min(self.n, self.source.rows - self.n) if isinstance(self.source, Dataset) else self.n

    @property
    def specification(self) -> dict[str, Any]:
        """What training runs on a data set follow from, JSON-ready: the key of a store."""
        assert isinstance(self.source, Dataset)
        return {
            "format": _FORMAT,
            "dataset": self.source.name,
            "data": self.source.digest(),
            "model": description_of(self.model),
            "n": self.n,
            "seed": self.seed,
        }
