"""Training runs of the membership game that are kept: each is known by its kind and number, and never repeated."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qmis_stats.audit.data import Dataset
from qmis_stats.audit.kept_folder import KeptFolder
from qmis_stats.audit.models.base import Model, Weights
from qmis_stats.audit.models.calls import description_of
from qmis_stats.errors import InputError

__all__ = ["TrainingStore"]

_FORMAT = 1


@dataclass(frozen=True)
class TrainingStore(KeptFolder):
    """Weights at the end of each training. Which rows it used follows from the seed, its kind and its number.

    Weights that are more than their numbers are not kept: estimators made of others ride on theirs.
    """

    @classmethod
    def of(cls, folder: str | os.PathLike[str], data: Dataset, model: Model, n: int, seed: int) -> TrainingStore:
        """Return the store of a game in a folder.

        Raises
        ------
        InputError
            If the folder belongs to another game or cannot be used.
        """
        specification: dict[str, Any] = {
            "format": _FORMAT,
            "dataset": data.name,
            "data": data.digest(),
            "model": description_of(model),
            "n": n,
            "seed": seed,
        }
        return cls.opened(Path(folder), specification)

    def save(self, role: int, number: int, weights: Weights) -> None:
        """Write the weights of a training, where arrays are all there is to them."""
        if all(type(array) is np.ndarray for array in weights):
            self.keep(_name(role, number), weights, {})

    def load(self, role: int, number: int) -> Weights | None:
        """Return the weights of a training; ``None`` where there are none."""
        found = self.kept(_name(role, number))
        return None if found is None else tuple(found[1])

    def has(self, role: int, number: int) -> bool:
        """Return whether the weights of a training are there."""
        return (self.folder / f"{_name(role, number)}.json").exists()

    def again(self, role: int, number: int) -> Weights:
        """Return the weights of a training that were there before.

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
