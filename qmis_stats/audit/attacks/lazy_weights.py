"""Weights of large models are not kept for all training runs at once: they are read, or quantized, when asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qmis_kernels import memory
from qmis_stats.audit.models.base import Weights
from qmis_stats.errors import InputError

__all__ = ["MadeAgain", "check_room", "is_large"]

_LARGE = 2**22
"""Bytes of one model from which on its weights are made again: half a million numbers."""


@dataclass(frozen=True, eq=False)
class MadeAgain(Sequence[Weights]):
    """Weights of training runs that are made each time they are asked for.

    Attributes
    ----------
    made : callable
        Returns the weights of a training run from what is given of it.
    given : tuple of sequence
        Of all training runs.

    Examples
    --------
    >>> doubled = MadeAgain(lambda one: tuple(2.0 * array for array in one), ([(np.ones(2),), (np.zeros(1),)],))
    >>> len(doubled), [weights[0].tolist() for weights in doubled]
    (2, [[2.0, 2.0], [0.0]])
    """

    made: Callable[..., Weights]
    given: tuple[Sequence[Any], ...]

    def __len__(self) -> int:
        """Return the number of training runs."""
        return len(self.given[0])

    def __getitem__(self, training: Any) -> Any:
        """Return the weights of one."""
        return self.made(*(one[training] for one in self.given))


def _size_of(weights: Weights) -> int:
    """Return how many bytes weights are."""
    return sum(np.asarray(array).nbytes for array in weights)


def is_large(weights: Weights) -> bool:
    """Return whether weights are made again in place of being kept for all training runs.

    Examples
    --------
    >>> is_large((np.zeros(100),)), is_large((np.zeros(10**6),))
    (False, True)
    """
    return _size_of(weights) >= _LARGE


def check_room(weights: Weights, left: int) -> None:
    """Refuse to go on when the weights of so many further training runs would not fit.

    Raises
    ------
    InputError
        If they would not.
    """
    needed = left * _size_of(weights)
    if not memory.fits(needed):
        free = memory.readable(memory.available())
        allowed = f"fewer, or with a store, a folder: their weights need {memory.readable(needed)} and {free} are free"
        raise InputError("trainings", f"{left} more", allowed)
