"""How much a fit leaks under each quantizer: figures, intervals, differences, ranks, records (Statement S17)."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from qmis_stats.arrays import FloatArray, IntArray
from qmis_stats.errors import InputError
from qmis_stats.leak.game import Game
from qmis_stats.leak.releases import ReleaseLeak
from qmis_stats.reporting.tables import texts
from qmis_stats.validation import checked_level

if TYPE_CHECKING:
    import pandas as pd

    from qmis_stats.leak.group_results import GroupLeak
    from qmis_stats.leak.groups import Basis

__all__ = ["LeakageResult"]


@dataclass(frozen=True, eq=False, repr=False)
class LeakageResult(ReleaseLeak):
    """Leak of a fit under each quantizer and without one, by theory.

    Beside what :class:`~qmis_stats.leak.releases.ReleaseLeak` tells:

    Attributes
    ----------
    exposure, exposure_error : (n, Q) ndarray
        Exposure of each training record, TV with and without it, and its standard error.
    retained : (Q,) ndarray
        ρ, the share of the variance of a fitted value that the release retains.
    solved_auc : (Q,) ndarray
        In a known pool, of an attack that solves the equations of exact weights and fine codes for members that are 0
        or 1, simulated from the fit (Proposition S17.3); NaN where the figures hold without it.
    notes : tuple of str
        What was assumed.
    game : Game
        Population or pool.
    weights : int
        Quantized weights.
    basis : Basis or None
        What the figures were computed from, for :meth:`by_group`.
    """

    exposure: FloatArray
    exposure_error: FloatArray
    retained: FloatArray
    solved_auc: FloatArray
    notes: tuple[str, ...]
    game: Game
    weights: int
    basis: Basis | None = field(default=None, repr=False)

    def source(self) -> str:
        """Return where the figures come from, a clause."""
        return f"By theory (S15 to S17) from one fit of {self.points} points"

    @cached_property
    def near_duplicates(self) -> IntArray | None:
        """For each record the one that it nearly repeats, −1 where there is none; ``None`` with too many to compare.

        What such a record leaks is understated: the likes of it tell of it too. See
        :func:`~qmis_stats.leak.near.near_duplicates` for the rule.
        """
        from qmis_stats.leak.near import near_duplicates

        return None if self.basis is None else near_duplicates(self.basis.fit.X)

    def records(self) -> pd.DataFrame:
        """Return a row per record and quantizer: exposure with its interval.

        The interval tells what the fit leaves open about the record's own mean; figures outside of the domain are
        marked in ``in_domain``. ``near_duplicate_of`` is the record that this one nearly repeats: its exposure is then
        understated.
        """
        import pandas as pd

        half = float(ndtri(0.5 + 0.5 * checked_level(self.level))) * self.exposure_error
        n, count = self.exposure.shape
        near = self.near_duplicates
        like = pd.array([pd.NA] * n if near is None else np.where(near < 0, np.nan, near), dtype="Int64")
        return pd.DataFrame(
            {
                "row": np.repeat(np.arange(n), count),
                "quantizer": np.tile(np.array(self.names, dtype=object), n),
                "exposure": self.exposure.ravel(),
                "exposure_low": np.clip(self.exposure - half, 0.0, 1.0).ravel(),
                "exposure_high": np.clip(self.exposure + half, 0.0, 1.0).ravel(),
                "in_domain": np.tile(np.array(self.in_domain), n),
                "near_duplicate_of": like.repeat(count),
            }
        )

    def by_group(self, labels: ArrayLike, level: float | None = None) -> GroupLeak:
        """Return what groups of records leak, to an attacker who knows the group, with simultaneous intervals.

        A group's Δ is the mean exposure of its records; its ROC is that of the best test within the group. The law
        over points from which mean fitted values are read is that of the group (Statement S17).

        Parameters
        ----------
        labels : (n,) array_like
            Group of each training record, of any type; a missing one is a group of its own. At most 50 different ones.
            Groups of fewer than 50 records have no figures, and are named as too small.
        level : float, optional
            Of intervals; by default the result's.

        Raises
        ------
        InputError
            If there is not one label per record, or there are too many different ones.

        Notes
        -----
        Of a group with more than 5000 records the figures are those of 5000 drawn at random.

        Examples
        --------
        >>> from sklearn.linear_model import Ridge
        >>> from qmis_stats import leakage
        >>> rng = np.random.default_rng(1)
        >>> sex = np.where(rng.random(600) < 0.3, "f", "m")
        >>> X = rng.normal(size=(600, 64)) * np.where(sex == "f", 2.0, 1.0)[:, None]
        >>> y = X @ rng.normal(size=64) / 8.0 + rng.normal(size=600)
        >>> found = leakage(Ridge(alpha=1.0).fit(X, y), ["sign"], X=X, y=y).by_group(sex)
        >>> found.groups, found.exposed("identity").index.tolist()
        (('f', 'm'), ['f'])
        """
        from qmis_stats.leak.groups import group_leak

        chosen = checked_level(self.level if level is None else level)
        if self.basis is None:
            raise InputError("basis", None, "that of a result of leakage")
        return group_leak(self.basis, labels, self.names, self.in_domain, chosen)

    def to_frame(self, level: float | None = None) -> pd.DataFrame:
        """Return a row per quantizer: figures with intervals, retained share, domain."""
        frame = super().to_frame(level)
        frame.insert(len(frame.columns) - 1, "retained", self.retained)
        return frame

    def to_dict(self, level: float | None = None) -> dict[str, Any]:
        """Return JSON-ready data; infinities and NaN become ``None``."""
        game = {"game": self.game.kind, "fraction": self.game.fraction, "weights": self.weights}
        return {**game, **super().to_dict(level), "notes": list(self.notes)}

    def title(self) -> str:
        """Return the caption of the table."""
        return f"What {self.points} training points leak through {self.weights} weights"

    def remarks(self) -> list[str]:
        """Return the game, and what has to be known to read the numbers."""
        kind = "fresh points of a population" if self.game.kind == "population" else "subsets of a known pool"
        lines = [f"Best attack on released codes, scales and intercept; training points are {kind}."]
        grouped: dict[str, list[str]] = {}
        for name, reasons in zip(self.names, self.reasons, strict=True):
            for reason in reasons:
                grouped.setdefault(reason, []).append(name)
        for reason, names in grouped.items():
            which = "all" if len(names) == len(self.names) else ", ".join(names)
            lines.append(f"Outside of the domain ({which}): {reason}.")
        return [*lines, *self.notes]

    def _columns(self) -> dict[str, list[str]]:
        return {"retained": texts(self.retained, ".3f")}
