"""Whose data calibrates the quantizers that see data, and what each layer of a model is given of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from qmis_stats.arrays import FloatArray, Indices
from qmis_stats.audit.data import Dataset
from qmis_stats.audit.models.base import Model, Weights
from qmis_stats.audit.quantizers import Quantizer, by_layer, quantized_by
from qmis_stats.audit.values import numbers
from qmis_stats.errors import InputError, QmisError
from qmis_stats.foreign import raised_by
from qmis_stats.quantizers.weights.base import to_be_calibrated
from qmis_stats.validation import whole_number

__all__ = [
    "HELD_OUT",
    "TRAINING",
    "CalibrationData",
    "CalibrationSource",
    "calibrated",
    "calibration_data",
    "released_weights",
    "seeing",
]

TRAINING, HELD_OUT = "training", "held-out"
"""Words for the points that a model was trained on, and for points that it was not."""

ROWS = 128
"""Rows that calibrate unless told otherwise, as in the paper of GPTQ."""

CalibrationSource: TypeAlias = "str | Dataset | ArrayLike"
"""``"training"``, ``"held-out"``, or public rows: a data set with the same features, or their array."""


@dataclass(frozen=True, eq=False)
class CalibrationData:
    """Whose rows calibrate.

    Attributes
    ----------
    source : str
        ``"training"``, ``"held-out"`` or ``"public"``.
    rows : int
        At most so many, drawn at random in each training run.
    public : (N, ...) ndarray or None
        Public rows.
    """

    source: str
    rows: int
    public: FloatArray | None = None

    def draw(self, inside: Indices, outside: Indices, rng: np.random.Generator) -> Indices:
        """Return the numbers of the rows that calibrate one training run: of public rows, or of the data set.

        Parameters
        ----------
        inside, outside : ndarray of int
            Rows of the data set that the model was trained on, and rows that it was not.
        rng : Generator
            The draw.

        Raises
        ------
        InputError
            If there is none to draw from.
        """
        if self.public is not None:
            among = np.arange(len(self.public))
        else:
            among = np.unique(inside if self.source == TRAINING else outside)
        if not among.size:
            raise InputError("calibrate", self.source, "of points that are left: all others are trained on or shown")
        return np.sort(rng.permutation(among)[: self.rows])

    def points(self, data: Dataset, rows: Indices) -> FloatArray:
        """Return the features of drawn rows."""
        return (data.X if self.public is None else self.public)[rows]

    def describe(self) -> dict[str, Any]:
        """Return JSON-ready data that identifies it."""
        told: dict[str, Any] = {"source": self.source, "rows": self.rows}
        if self.public is not None:
            told["public"] = hashlib.sha256(np.ascontiguousarray(self.public).tobytes()).hexdigest()[:16]
        return told

    def note(self, names: Sequence[str]) -> str:
        """Return the sentence of an audit on whose data calibrated which quantizers."""
        who = f"{', '.join(names)}: calibrated in every training run on"
        if self.source == TRAINING:
            return f"{who} at most {self.rows} of its own training points."
        if self.source == HELD_OUT:
            return f"{who} at most {self.rows} held-out points; performance is measured on points among which they are."
        assert self.public is not None
        return f"{who} {min(self.rows, len(self.public))} of {len(self.public)} public rows."


def seeing(quantizers: Sequence[Quantizer]) -> tuple[str, ...]:
    """Return the names of quantizers that have to be calibrated on data.

    Examples
    --------
    >>> from qmis_stats.quantizers import quantizer
    >>> seeing([quantizer("sign"), quantizer("gptq-4")])
    ('gptq-4',)
    """
    return tuple(one.name for one in quantizers if to_be_calibrated(one))


def calibration_data(source: CalibrationSource, rows: int, dataset: Dataset) -> CalibrationData:
    """Return checked calibration data for a data set.

    Raises
    ------
    InputError
        If the source is no word that is known, or public rows do not have the features of the data set.

    Examples
    --------
    >>> from qmis_stats.audit.tables import bundled
    >>> calibration_data("public", 128, bundled("diabetes"))
    Traceback (most recent call last):
    ...
    qmis_stats.errors.InputError: calibrate = 'public': must be training, held-out, or public rows of 10 features
    """
    count = whole_number("calibration_rows", rows, 1)
    shape = dataset.X.shape[1:]
    wanted = f"{TRAINING}, {HELD_OUT}, or public rows of {dataset.columns} features"
    if isinstance(source, str):
        if source not in (TRAINING, HELD_OUT):
            raise InputError("calibrate", source, wanted)
        return CalibrationData(source, count)
    if isinstance(source, Dataset):
        if source.features != dataset.features or source.X.shape[1:] != shape:
            missing = next((name for name in dataset.features if name not in source.features), None)
            what = "other features in another order" if missing is None else f"no feature {missing!r}"
            allowed = f"rows with the features of {dataset.name}"
            raise InputError("calibrate", f"{source.name}, which has {what}", allowed)
        return CalibrationData("public", count, source.X)
    public = numbers("calibrate", source)
    if public.shape[1:] != shape or not len(public) or not np.all(np.isfinite(public)):
        raise InputError("calibrate", f"an array of shape {public.shape}", f"{wanted}, finite numbers")
    return CalibrationData("public", count, public)


def calibrated(
    quantizer: Quantizer, model: Model, weights: Weights, mask: Sequence[bool], X: FloatArray | None
) -> tuple[Quantizer, ...]:
    """Return the quantizer of each array of the mask; those that see data are calibrated layer by layer.

    What a layer is given comes out of the layers before it as they are released: quantized.

    Parameters
    ----------
    quantizer : Quantizer
        One without ``calibrate`` and ``of_layers`` is the quantizer of every array.
    model : Model
        With a method ``layer_inputs``: it returns, by name, what the layer of each quantized array is given.
    weights, mask
        Weights, and which of them are quantized.
    X : (N, ...) ndarray or None
        Points that calibrate.

    Raises
    ------
    InputError
        If there are no points, the model gives no inputs of its layers, or the quantizer cannot be calibrated on them,
        or has none for a layer.
    """
    places = [place for place, use in enumerate(mask) if use]
    each: tuple[Any, ...] = by_layer(quantizer, model, len(places))
    if not any(map(to_be_calibrated, each)):
        return each
    if X is None:
        raise InputError(f"quantizer {quantizer.name!r}", "one that sees data", "of weights alone here: none are given")
    if not hasattr(model, "layer_inputs"):
        allowed = (
            f"one with a method layer_inputs, which {quantizer.name} is calibrated on; linear heads and MLP have it"
        )
        raise InputError("model", type(model).__name__, allowed)
    made: list[Quantizer] = []
    now = list(weights)
    for k, place in enumerate(places):
        sees = each[k]
        made.append(
            _on_inputs(sees, _inputs(model, now, X, len(places), k), weights[place]) if to_be_calibrated(sees) else sees
        )
        if k + 1 < len(places):
            now[place] = quantized_by(made[k], np.asarray(weights[place]))
    return tuple(made)


def _inputs(model: Any, now: Sequence[FloatArray], X: FloatArray, count: int, k: int) -> tuple[str, FloatArray]:
    """Return the name of a layer and what it is given."""
    field = f"layer_inputs of model {type(model).__name__}"
    with raised_by(field, but=(QmisError,)):
        inputs = dict(model.layer_inputs(tuple(now), X))
    if len(inputs) != count:
        raise InputError(field, list(inputs), f"one array for each of {count} that are quantized")
    return list(inputs.items())[k]


def _on_inputs(sees: Any, given: tuple[str, FloatArray], weights: FloatArray) -> Quantizer:
    name, inputs = given
    with raised_by(f"quantizer {sees.name!r} in the calibration of {name}"):
        one = sees.calibrate(np.array(weights), inputs)
        whole = isinstance(getattr(one, "name", None), str) and callable(getattr(one, "quantize", None))
    if not whole:
        raise InputError(f"calibrate of quantizer {sees.name!r}", one, "code that returns a quantizer")
    made: Quantizer = one
    return made


def released_weights(
    quantizer: Quantizer | None, model: Model, weights: Weights, mask: Sequence[bool], X: FloatArray | None
) -> Weights:
    """Return the weights with the arrays of the mask quantized."""
    if quantizer is None:
        return weights
    each = iter(calibrated(quantizer, model, weights, mask, X))
    return tuple(quantized_by(next(each), w) if use else w for w, use in zip(weights, mask, strict=True))
