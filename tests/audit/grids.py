"""Small quantizers for the tests of audits, apart from what test modules load: processes load them too."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Grid:
    """Rounds to multiples of a step."""

    step: float
    bits: float = 4.0

    @property
    def name(self):
        return f"grid-{self.step:g}"

    def quantize(self, weights):
        return self.step * np.round(weights / self.step)


@dataclass(frozen=True)
class ScaledSign:
    """Signs times the mean magnitude: a scale that depends continuously on the weights."""

    name: str = "sign-scaled"
    bits: float = 1.0
    discrete: bool = False

    def quantize(self, weights):
        return np.where(weights > 0.0, 1.0, -1.0) * np.mean(np.abs(weights))

    def codes(self, weights):
        return np.where(weights > 0.0, 1, -1)


class GroupsOf64:
    """Works for weights whose number 64 divides, as many real quantizers do."""

    name, bits = "groups-64", 1.0

    def quantize(self, weights):
        groups = np.reshape(weights, (-1, 64))
        return (np.where(groups > 0.0, 1.0, -1.0) * np.abs(groups).mean(axis=1, keepdims=True)).reshape(weights.shape)
