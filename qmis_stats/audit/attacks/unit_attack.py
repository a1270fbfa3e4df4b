"""An attack that looks at nothing but the locations and scales that are released beside weights (Proposition S17.4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qmis_stats.arrays import Flags, FloatArray
from qmis_stats.audit.attacks.base import Scorer
from qmis_stats.audit.attacks.game import Known, Shown
from qmis_stats.audit.data import Dataset
from qmis_stats.audit.models.units import Standardising, Units
from qmis_stats.audit.unit_moments import UnitMoments
from qmis_stats.errors import InputError
from qmis_stats.leak.fits import row_blocks
from qmis_stats.leak.memberships import Memberships

__all__ = ["LocationsAndScales"]

_SAME = 1e-9
_ERROR = 1e-5
"""Of the sums, in standard deviations of a column: far above that of floating-point numbers, far below one point."""


@dataclass(frozen=True)
class LocationsAndScales:
    """Read members off the locations and scales of features and target: sums over the training points, to all digits.

    With the number of training points they are up to 2p + 1 linear equations for who was trained on. The attack knows
    the pool, and takes memberships as normal numbers; a column without a scale excludes whoever differs in it. No
    quantizer changes what it sees.

    Parameters
    ----------
    name : str
        For tables.

    Examples
    --------
    >>> from qmis_stats.audit import bundled, head_for
    >>> from qmis_stats.audit.attacks import LocationsAndScales, play, run_attacks
    >>> data = bundled("breast_cancer")
    >>> game = play(data, head_for(data), None, 284, trainings=16, shadows=8, calibrations=8, members=16, seed=1)
    >>> run_attacks(game, [LocationsAndScales()], control=None).results[0].auc > 0.6
    True
    """

    name: str = "locations and scales"
    threshold: float | None = None

    def fit(self, known: Known) -> Scorer:
        """Return the log likelihood ratio of membership given locations and scales.

        Raises
        ------
        InputError
            If there is no data set, or the model works in no units of its own.
        """
        if not isinstance(known.source, Dataset) or not isinstance(known.model, Standardising):
            raise InputError("attack", self.name, "for a model that standardises the points of a data set")
        return _Equations(known, known.source, known.model).score


class _Equations:
    """What the units of a training run say of its members, set up once for those that are of the same columns."""

    def __init__(self, known: Known, data: Dataset, model: Standardising) -> None:
        self.known, self.data, self.model = known, data, model
        self.made = model.units(data.X, data.y).made[:-1]
        self.found: dict[bytes, tuple[UnitMoments, Memberships]] = {}

    def score(self, shown: Shown) -> FloatArray:
        """Return the log likelihood ratio of each point that is shown, which no label enters."""
        return shown.once(("locations and scales", self.known.n), lambda: self._scored(shown))

    def _scored(self, shown: Shown) -> FloatArray:
        assert shown.rows is not None
        found, everyone = np.empty(shown.y.shape), np.arange(self.data.rows)
        for t, (weights, rows) in enumerate(zip(shown.weights, shown.rows, strict=True)):
            units = self.model.released_units(weights)
            moments, members = self._of(units)
            seen = self.known.n * np.append(moments.averages(units), 1.0) / _ERROR
            _, [ratio] = members.read(seen, everyone)
            found[t] = np.where(self._never(units), -np.inf, ratio)[rows]
        return found

    def _never(self, units: Units) -> Flags:
        """Return which points cannot be members: a column was constant in the training, or 0 and 1 throughout."""
        X, (location, scale) = self.data.X, units.moments
        never = np.zeros(len(X), dtype=bool)
        for column in np.flatnonzero(self.made & (scale[:-1] == 1.0)):
            values, constant = X[:, column], location[column]
            there = np.abs(values - constant) <= _SAME * np.abs(constant)
            never |= ~(there if constant != 0.0 else there | (values == 1.0))
        return never

    def _of(self, units: Units) -> tuple[UnitMoments, Memberships]:
        """Return moments, and equations for memberships."""
        location, scale = units.moments
        key = np.packbits([location != 0.0, scale != 1.0]).tobytes()
        if key not in self.found:
            data = self.data
            moments = UnitMoments.of(units, data.X, data.y, data.rows)
            sums = np.full((moments.means.size + moments.squares.size + 1, data.rows), 1.0 / _ERROR)
            for part in row_blocks(data.rows):
                np.divide(moments.columns(data.X[part], data.y[part]).T, _ERROR, out=sums[:-1, part])
            self.found[key] = moments, Memberships(sums, np.full(data.rows, self.known.n / data.rows))
        return self.found[key]
