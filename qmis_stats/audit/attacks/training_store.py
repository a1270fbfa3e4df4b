"""Training runs of the membership game that are kept: each is known by its kind and number, and never repeated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qmis_stats.audit.kept_folder import KeptFolder
from qmis_stats.audit.models.base import Weights
from qmis_stats.errors import InputError

__all__ = ["TrainingStore"]


@dataclass(frozen=True)
class TrainingStore(KeptFolder):
    """Weights at the end of each training run. Which rows it used follows from the seed, its kind and its number.

    Weights that are more than their numbers are not kept: estimators made of others ride on theirs.
    """

    def save(self, role: int, number: int, weights: Weights) -> None:
        """Write the weights of a training run, where arrays are all there is to them."""
        if all(type(array) is np.ndarray for array in weights):
            self.keep(_name(role, number), weights, {})

    def load(self, role: int, number: int) -> Weights | None:
        """Return the weights of a training run; ``None`` where there are none."""
        found = self.kept(_name(role, number))
        return None if found is None else tuple(found[1])

    def has(self, role: int, number: int) -> bool:
        """Return whether the weights of a training run are there."""
        return (self.folder / f"{_name(role, number)}.json").exists()

    def again(self, role: int, number: int) -> Weights:
        """Return the weights of a training run that were there before.

        Raises
        ------
        InputError
            If they are no longer there.
        """
        found = self.load(role, number)
        if found is None:
            raise InputError("store", str(self.folder / _name(role, number)), "a training run that is still there")
        return found


def _name(role: int, number: int) -> str:
    return f"training-{role}-{number:05d}"
