"""Mixed precision: another quantizer for each layer, chosen by the name of the layer or by its place."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qmis_stats.errors import InputError
from qmis_stats.quantizers.weights.base import WeightQuantizer, WithoutCodes
from qmis_stats.validation import objects

__all__ = ["FIRST", "LAST", "Mixed"]

FIRST, LAST = "first", "last"
"""Words for the first and the last layer that is quantized, whatever their names."""


@dataclass(frozen=True)
class Mixed(WithoutCodes):
    """A quantizer for each layer, by patterns of names: of several patterns that fit a layer, the first one counts.

    Without the names of layers it has no codes, and everything that would ask for them says so. Audits ask the model:
    PyTorch modules name their parameters; the matrices of all other models are ``layer 1``, ``layer 2`` and so on.

    Parameters
    ----------
    choices : tuple of (str, WeightQuantizer), or dict
        Patterns of names (``"blocks.*.weight"``), or ``"first"`` and ``"last"``, each with its quantizer. An object of
        your own with name, bits and ``quantize`` will do.

    Notes
    -----
    *Bits* of an audit are the mean over the weights that are quantized; before the layers are known they are NaN. A
    layer that is left as it is, by ``identity``, counts 32 bits, and tells no codewords apart. *Codes* are those of
    each layer's own quantizer. *Cells* and *faces* are not given.

    Examples
    --------
    >>> from qmis_stats.quantizers import quantizer
    >>> mixed = quantizer("mixed(first=uniform-8,last=uniform-8,*=uniform-4)")
    >>> [one.name for one in mixed.of_layers(["0.weight", "2.weight", "4.weight"])]
    ['uniform-8', 'uniform-4', 'uniform-8']
    >>> mixed == Mixed({"first": quantizer("uniform-8"), "last": quantizer("uniform-8"), "*": quantizer("uniform-4")})
    True
    """

    choices: tuple[tuple[str, WeightQuantizer], ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.choices, Mapping):
            object.__setattr__(self, "choices", tuple(self.choices.items()))
        choices = objects(tuple, "choices", self.choices, "pairs of a pattern and a quantizer, or a dictionary")
        if any(len(pair) != 2 for pair in choices):
            raise InputError("choices", choices, "pairs of a pattern and a quantizer, or a dictionary")
        patterns = [pattern for pattern, _ in self.choices]
        if self.per_channel or not patterns or len(set(patterns)) < len(patterns):
            raise InputError("choices", patterns, "one quantizer for each of some different patterns")
        for pattern, one in self.choices:
            if not isinstance(pattern, str) or not pattern or set(pattern) & set("=,()+"):
                raise InputError("choices", pattern, "patterns of names, without = , ( ) and +")
            if isinstance(one, Mixed) or not isinstance(getattr(one, "name", None), str):
                raise InputError(f"choices: {pattern}", getattr(one, "name", one), "a quantizer, and not a mixed one")

    @property
    def parts(self) -> tuple[WeightQuantizer, ...]:
        """The quantizers of the choices."""
        return tuple(one for _, one in self.choices)

    @property
    def stem(self) -> str:
        """``mixed(PATTERN=NAME,...)``."""
        return f"mixed({','.join(f'{pattern}={one.name}' for pattern, one in self.choices)})"

    @property
    def levels(self) -> int:
        """The most that a weight of any layer can take."""
        return max(one.levels for one in self.parts)

    @property
    def bits(self) -> float:
        """NaN: they depend on how many weights the layers have."""
        return math.nan

    def of_layers(self, layers: Sequence[str]) -> tuple[WeightQuantizer, ...]:
        """Return the quantizer of each layer.

        Parameters
        ----------
        layers : sequence of str
            Their names, in order.

        Raises
        ------
        InputError
            If a pattern fits no layer, or no pattern fits a layer.
        """
        listed = ", ".join(layers)
        fits = [[_fits(pattern, place, layers) for place in range(len(layers))] for pattern, _ in self.choices]
        for (pattern, _), own in zip(self.choices, fits, strict=True):
            if not any(own):
                allowed = f"{FIRST}, {LAST}, or names of layers or patterns of them: {listed}"
                raise InputError(f"{self.name}: pattern", pattern, allowed)
        left = [name for name, any_fits in zip(layers, zip(*fits, strict=True), strict=True) if not any(any_fits)]
        if left:
            raise InputError(
                f"{self.name}: layers", ", ".join(left), "named by a pattern: *=QUANTIZER names all others"
            )
        return tuple(self.parts[column.index(True)] for column in zip(*fits, strict=True))

    @property
    def _wanting(self) -> tuple[str, str]:
        return (
            "its codes follow the names of layers, and weights alone have none",
            "audit a model, or quantize by of_layers(names)",
        )

    @property
    def _own_blocks(self) -> bool:
        return True


def _fits(pattern: str, place: int, layers: Sequence[str]) -> bool:
    by_place = {FIRST: 0, LAST: len(layers) - 1}
    return place == by_place[pattern] if pattern in by_place else fnmatch.fnmatchcase(layers[place], pattern)
