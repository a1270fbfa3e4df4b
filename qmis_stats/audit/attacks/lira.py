"""LiRA: the statistic of a point against its laws with and without the point among the members (Carlini et al. 2022).

Shadow models release *quantized* weights, as the target does: the spread of the statistic then contains the jumps of
codewords. The laws are those of :mod:`~qmis_stats.audit.attacks.point_laws`: what few shadow models leave unknown of a
point is taken from the others.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.audit.attacks.base import Scorer
from qmis_stats.audit.attacks.game import INSIDE, Known, Shown
from qmis_stats.audit.attacks.point_laws import Moments, PointLaw, point_laws
from qmis_stats.audit.attacks.statistic import Statistic, chosen_statistic, of_losses, under_each
from qmis_stats.audit.data import Dataset
from qmis_stats.audit.training_run import generator
from qmis_stats.errors import InputError
from qmis_stats.validation import one_of, real_number, whole_number

__all__ = ["LiRA"]

_POOLED = 64


@dataclass(frozen=True)
class LiRA:
    """Likelihood ratio attack with laws from quantized shadow models, pooled over points by empirical Bayes.

    Parameters
    ----------
    variant : {"online", "offline"}
        The log ratio of the densities with and without the point; or how far the statistic lies above its mean
        without the point, in standard deviations, for which no shadow model has to see the point.
    statistic : str or callable
        ``"logit"``, ``"residual"``, ``"loss"``, a function of (model, weights, X, y), or ``"auto"``: logit-scaled
        confidence for classes; for a regression the residual (online, where the loss is its square) or minus the loss.
    shrinkage : float, optional
        Degrees of freedom that the pooled variance is worth; by default estimated.
    inside : int
        In a game with a sampler no shadow training run has seen the points, and the online variant trains this many for
        every point that it scores.

    Notes
    -----
    In a game with a data set the shadow runs that used a row are its "in" models, the others its "out" models.
    Means and variances are pooled over the rows of the data set, or over points of the shadow runs: the score of a
    point does not depend on others that are shown.

    Examples
    --------
    >>> LiRA().name, LiRA("offline", "loss").name
    ('LiRA online', 'LiRA offline')
    """

    variant: str = "online"
    statistic: str | Statistic = "auto"
    shrinkage: float | None = None
    inside: int = 16
    name: str = field(default="")
    threshold: float | None = None

    def __post_init__(self) -> None:
        """Check the settings."""
        one_of("variant", self.variant, ("online", "offline"))
        if self.shrinkage is not None and not real_number("shrinkage", self.shrinkage) >= 0.0:
            raise InputError("shrinkage", self.shrinkage, "a number of at least 0, or None")
        whole_number("inside", self.inside, 2)
        if not self.name:
            object.__setattr__(self, "name", f"LiRA {self.variant}")

    def fit(self, known: Known) -> Scorer:
        """Return the score; shadow models are evaluated on points when these are shown."""
        online = self.variant == "online"
        shadow = known.shadow
        measure = chosen_statistic(self.statistic, known.model, shadow.shown, signed=online)
        if isinstance(known.source, Dataset):
            return self._from_rows(known, measure, online)
        X, y = _points(shadow.shown)
        # Where points are pooled: those of the shadow runs, which are not scored.
        own = np.repeat(np.arange(shadow.shown.trainings), shadow.member.shape[1])
        used = ~(shadow.member.ravel() & (own == np.arange(shadow.shown.trainings)[:, None]))
        few = slice(0, _POOLED)
        kinds = [Moments.of(_under_shadows(measure, known, X, y), used)]
        priors = [kinds[0].prior(self.shrinkage)]
        if online:
            kinds = [kinds[0].some(few), self._trained_on(measure, known, shadow.shown, X[few], y[few])]
            priors.append(kinds[1].prior(self.shrinkage))
        _, means = point_laws(kinds, priors)

        def from_points(shown: Shown) -> FloatArray:
            points, targets = _points(shown)
            here = [Moments.of(_under_shadows(measure, known, points, targets))]
            if online:
                here.append(self._trained_on(measure, known, shown, points, targets))
            laws, _ = point_laws(here, priors, means)
            return _scores(_observed(measure, known, shown), laws)

        return from_points

    def _from_rows(self, known: Known, measure: Statistic, online: bool) -> Scorer:
        data, pooled, flags = known.source, known.rows, known.shadow.trained
        assert isinstance(data, Dataset)
        assert pooled is not None
        assert flags is not None
        X, y = (data.X, data.y) if pooled.size == data.rows else (data.X[pooled], data.y[pooled])  # no copy of all
        # The statistic goes with what is kept of it, so that its id belongs to no other one.
        _, values = known.shadow.shown.once(
            ("LiRA", id(measure)), lambda: (measure, _under_shadows(measure, known, X, y))
        )
        trained = flags[:, pooled]
        kinds = [Moments.of(values, used) for used in ((~trained, trained) if online else (~trained,))]
        laws, _ = point_laws(kinds, [kind.prior(self.shrinkage) for kind in kinds])

        def from_rows(shown: Shown) -> FloatArray:
            assert shown.rows is not None
            rows = known.places(shown.rows.ravel())
            return _scores(_observed(measure, known, shown), [law.some(rows) for law in laws])

        return from_rows

    def _trained_on(self, measure: Statistic, known: Known, shown: Shown, X: FloatArray, y: FloatArray) -> Moments:
        """Return the moments of the statistic over models that were trained on each point."""

        def made() -> tuple[object, Moments]:
            return (known.shadow.shown, measure), Moments.of(self._inside(measure, known, X, y, shown.role))

        # What they are made of goes with them, so that the ids belong to nothing else.
        return shown.once(("inside", self.inside, id(known.shadow.shown), id(measure), y.size), made)[1]

    def _inside(self, measure: Statistic, known: Known, X: FloatArray, y: FloatArray, role: int) -> FloatArray:
        """Return the statistic of each point under models that were trained on it, (inside, P)."""
        assert not isinstance(known.source, Dataset)
        found = np.empty((self.inside, y.size))
        for point in range(y.size):
            rng = generator(known.seed, INSIDE, role, point)
            others, targets = known.source(rng, self.inside * (known.n - 1))
            own, own_y = X[point : point + 1], y[point : point + 1]
            trained = np.insert(others.reshape(self.inside, known.n - 1, *own.shape[1:]), 0, own[0], axis=1)
            labels = np.insert(targets.reshape(self.inside, -1), 0, own_y, axis=1)
            for model in range(self.inside):
                weights = known.train(trained[model], labels[model], rng)
                found[model, point] = measure(known.model, weights, own, own_y)[0]
        return found


def _finite(rows: list[FloatArray]) -> FloatArray:
    values = np.array(rows, dtype=np.float64)
    if not np.isfinite(values).all():
        raise InputError("statistic", float("nan"), "finite on all points of all shadow models")
    return values


def _points(shown: Shown) -> tuple[FloatArray, FloatArray]:
    return shown.X.reshape(-1, *shown.X.shape[2:]), shown.y.ravel()


def _under_shadows(measure: Statistic, known: Known, X: FloatArray, y: FloatArray) -> FloatArray:
    return _finite(under_each(measure, known.model, known.shadow.shown.weights, X, y))


def _observed(measure: Statistic, known: Known, shown: Shown) -> FloatArray:
    of_shown = of_losses(measure)
    if of_shown is not None:
        return _finite(list(of_shown(shown.losses)))
    return _finite(
        [measure(known.model, w, X, y) for w, X, y in zip(shown.weights, shown.points, shown.y, strict=True)]
    )


def _scores(observed: FloatArray, laws: list[PointLaw]) -> FloatArray:
    x, (out, *into) = observed.ravel(), laws
    found = into[0].log_density(x) - out.log_density(x) if into else (x - out.mean) / np.sqrt(out.scale)
    return np.asarray(found.reshape(observed.shape))
