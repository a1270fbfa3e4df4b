"""The attack of Statement S16: read the fitted values out of quantized weights, then take the likelihood ratio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from qmis_stats.arrays import Flags, FloatArray, Indices
from qmis_stats.audit.attacks.base import Attack, Scorer
from qmis_stats.audit.attacks.game import Known, Shown
from qmis_stats.audit.attacks.lira import LiRA
from qmis_stats.audit.attacks.measured_weights import MeasuredWeights
from qmis_stats.audit.attacks.member_law import MemberLaw
from qmis_stats.audit.attacks.point_laws import VariancePrior
from qmis_stats.audit.attacks.score_equations import ScoreEquations
from qmis_stats.audit.attacks.shadow_fits import ShadowFits
from qmis_stats.audit.data import Dataset
from qmis_stats.audit.models.base import Weights
from qmis_stats.audit.models.linear import Linear, Logistic, Softmax
from qmis_stats.errors import DomainError
from qmis_stats.inference.areas import delong
from qmis_stats.leak.losses import in_basis
from qmis_stats.leak.stacks import positive
from qmis_stats.quantizers.weights.base import to_be_calibrated

__all__ = ["ReadOut"]

_WIDEST = 4096
_PAIRS = 2000
_SEARCH = 40
_START = ((1.0, 0.02), (0.7, 0.02), (1.0, 0.1))
_SMALL = 1e-4
_FINE = 0.9
"""Share of the variance of weights that codes retain from which on weights are as good as known."""

_STEPS = 3
"""Times that a guess of finely coded weights is improved."""

_TRIED = 32
"""Shadow runs on which more rounds are tried."""

_LARGEST, _DENSEST = 2e7, 2000


@dataclass(frozen=True)
class ReadOut:
    """De-quantize the released weights, read the point's fitted values out of them, and compare in with out (S16).

    For a linear, logistic or softmax head in a game with a data set. The attack knows the data set. Shadow fits give
    the mean fitted values of every row that was left out, and gradients and curvatures of those trained on. From these
    follow the covariance C of the weights over subsets of this very pool and their response G to a point (Proposition
    S17.2); the shadow runs correct C as far as they contradict it. Each released value is a noisy measurement of its
    weight, whose gain and error are found by quantizing draws of the weights. Two linear statistics for each fitted
    value tell of a row: along the move Gx of its membership, and along the direction Cx of its fitted value. Their law
    under membership is that of the proximal map, with a factor of the move and a further variance that are fitted to
    the members of the shadow runs; centres and scales are those of the shadow training runs without the row.

    Codes that retain 90 % of the variance of the weights, and weights that are released as they are, tell more: the
    equations that the minimum solves, with gradients at the released weights themselves, by members that are 0 or 1
    (Proposition S17.3). Which of the two tells more, and by how many rounds, members of the shadow runs say.

    Other models, fits without a unique minimum, more than 4096 features, and games with a sampler have no such
    read-out: there it is online LiRA on the outputs of the quantized model.

    Parameters
    ----------
    name : str
        For tables.
    shadows : ShadowFits, optional
        From :meth:`prepared`; by default those of the game.

    Examples
    --------
    >>> ReadOut().name
    'read-out'
    """

    name: str = "read-out"
    threshold: float | None = None
    shadows: ShadowFits | None = field(default=None, repr=False, compare=False)

    def prepared(self, known: Known) -> Attack:
        """Return the attack with what is the same for every quantizer."""
        shadows = self._shadows(known)
        return LiRA("online", name=self.name) if shadows is None else replace(self, shadows=shadows)

    def fit(self, known: Known) -> Scorer:
        """Return the log likelihood ratio of the read-out."""
        shadows = self.shadows or self._shadows(known)
        return LiRA("online").fit(known) if shadows is None else _Head(known, shadows).score

    def _shadows(self, known: Known) -> ShadowFits | None:
        data = known.source
        if not isinstance(data, Dataset) or not isinstance(known.model, (Linear, Logistic, Softmax)):
            return None
        if data.X.shape[1] > _WIDEST:
            return None
        try:
            return ShadowFits.of(known, data)
        except DomainError:  # not at a minimum, or one that interpolates: there is no law to read by
            return None


@dataclass(frozen=True, eq=False)
class _Seen:
    """What does not depend on who was trained on: units, read-outs and their laws, for the rows of a game.

    Attributes
    ----------
    weights : MeasuredWeights
        What releases tell of weights.
    fits : ShadowFits
        Of the same game.
    unit : (R, 2k, 2k) ndarray
        What makes read-outs along the pool's Cx and Gx standard normal for a non-member.
    law : MemberLaw
        Of each row, its means those over all shadow runs.
    fitted : (T, R, k) ndarray
        Fitted values of the shadow runs before quantization.
    values : (T, R, 2k) ndarray
        Read-outs of the shadow runs.
    """

    weights: MeasuredWeights
    fits: ShadowFits
    unit: FloatArray
    law: MemberLaw
    fitted: FloatArray
    values: FloatArray

    @classmethod
    def of(cls, known: Known, fits: ShadowFits) -> _Seen:
        """Return it for the shadow runs of a game, under its quantizer."""
        weights, basis = MeasuredWeights(known, fits), fits.basis
        others = fits.law.left_out
        (kk, kd, dd), turned = others.seen(*fits.law.products(in_basis(weights.inverse, basis)))
        fitted = np.asarray(fits.law.design @ (basis.T @ fits.plain).transpose(0, 2, 1))
        precision = np.asarray(np.linalg.inv(others.variance), dtype=np.float64)
        unit = _units(kk, kd, dd)
        back = unit.transpose(0, 2, 1)
        seen = back @ np.concatenate([kk, kd.transpose(0, 2, 1)], axis=1) @ precision
        push = back @ np.concatenate([kd, dd], axis=1)
        noise = np.eye(seen.shape[1]) - seen @ np.linalg.solve(precision, seen.transpose(0, 2, 1))
        noise = positive(0.5 * (noise + noise.transpose(0, 2, 1)))
        law = MemberLaw(fits.loss, basis, fits.y, fitted.mean(axis=0), precision, others.leverage, seen, push, noise)
        made = cls(weights, fits, turned.transpose(0, 2, 1) @ unit, law, fitted, np.empty(0))
        everyone = np.arange(fits.y.size)
        return replace(made, values=np.array([made.read(w, everyone) for w in known.shadow.shown.weights]))

    def read(self, weights: Weights, places: Indices) -> FloatArray:
        """Return the read-outs of some rows, shape (N, 2k)."""
        law, basis = self.fits.law, self.fits.basis
        z = (basis.T @ self.weights.read(weights).reshape(basis.shape[0], -1)).ravel()
        moved = np.concatenate([(M @ z).reshape(basis.shape[1], -1) for M in (law.covariance, law.response)])
        return np.asarray(np.einsum("nab,na->nb", self.unit[places], law.design[places] @ moved.T))


class _Head:
    """The read-out of a linear head, fitted on shadow runs."""

    def __init__(self, known: Known, shadows: ShadowFits) -> None:
        trained = known.shadow.trained
        assert trained is not None
        self.known, self.seen = (
            known,
            known.shadow.shown.once(("read-out", id(shadows)), lambda: _Seen.of(known, shadows)),
        )
        trained = trained[:, known.rows]
        self.law = replace(self.seen.law, mean=_mean_of(self.seen.fitted, ~trained))
        self._calibrate(trained)
        possible = self._equations()
        self.equations = self._told_best(possible, trained) if possible else None

    def _told_best(self, possible: Sequence[ScoreEquations], trained: Flags) -> tuple[ScoreEquations, int] | None:
        """Return the equations and rounds that tell the members of the shadow runs best, ``None`` for the read-out.

        Their laws are linear in errors of codes, and fit where these are small; rounds settle, or do not. The mean of
        a row over runs without it has a part of each of these: of what is left of it that is made good.
        """
        shown, member = self.known.shadow.shown, self.known.shadow.member
        assert shown.rows is not None
        count, plain = np.sum(~trained, axis=0), np.empty(member.shape)
        grown = np.where(count > 1, count / np.maximum(count - 1, 1), 1.0)
        for t, rows in enumerate(shown.rows):
            places = self.known.places(rows)
            away = self.seen.values[t, places] - self.middle[places]
            away = np.where(trained[t, places], 1.0, grown[places])[:, None] * away
            plain[t] = self._log_ratio(away, places)

        def area(scores: FloatArray) -> float:
            some = member[: len(scores)]
            return float(delong(scores[some], scores[~some])[0][0])

        once = {equations: self._by_equations(equations, shown, (1,))[0] for equations in possible}
        best = max(possible, key=lambda equations: area(once[equations]))
        found = None if area(plain) >= area(once[best]) else (best, 1)
        more = [k for k in best.rounds if k > 1]
        if not more:
            return found
        read = self._by_equations(best, shown, more, _TRIED)
        least = area((plain if found is None else once[best])[:_TRIED])
        gains = {k: area(scores) - least for k, scores in zip(more, read, strict=True)}
        most = max(more, key=lambda k: gains[k])
        return (best, most) if gains[most] > 0.0 else found

    def _equations(self) -> tuple[ScoreEquations, ...]:
        """Return the equations that finely coded weights solve, about two guesses, where all of the pool is at hand."""
        data, weights, fits = self.known.source, self.seen.weights, self.seen.fits
        assert isinstance(data, Dataset)
        parameters, points = fits.law.response.shape[0], fits.y.size * fits.basis.shape[1]
        large = parameters * points > _LARGEST or min(fits.y.size, weights.root.size) > _DENSEST
        sees = to_be_calibrated(self.known.quantizer)
        told = weights.kept[weights.kept > 0.0]
        if fits.y.size < data.rows or large or sees or not told.size or float(told.mean()) < _FINE:
            return ()
        given = (weights, fits, self.known.n / data.rows, self.seen.law.leverage)
        # About exact weights there is nothing to improve.
        return tuple(ScoreEquations(*given, steps) for steps in ((1,) if self.known.quantizer is None else (1, _STEPS)))

    def _calibrate(self, trained: Flags) -> None:
        """Fit to the shadow runs: means of rows left out, two scales, and the move and noise of members."""
        from scipy.optimize import minimize

        count, values = np.sum(~trained, axis=0), self.seen.values
        self.middle = _mean_of(values, ~trained)
        away = values - self.middle
        power = np.sum(np.where(trained[:, :, None], 0.0, away**2), axis=0)
        freedom = np.any(self.seen.unit != 0.0, axis=1) * np.maximum(count - 1, 0)[:, None]
        # Estimated second moments err differently along the move and along what the fitted value adds to it.
        halves = zip(np.hsplit(power, 2), np.hsplit(freedom, 2), strict=True)
        self.spread = np.sqrt(np.hstack([VariancePrior.of_quartiles(*half).shrunk(*half) for half in halves]))
        # The mean of a row over k training runs has an error of its own; one that is always a member has no mean.
        self.usable, self.error = count > 0, 1.0 / np.maximum(count, 1)
        inside, rows = np.nonzero(trained & (count > 0))
        few = np.random.default_rng(0).permutation(rows.size)[:_PAIRS]
        v, rows = away[inside[few], rows[few]] / self.spread[rows[few]], rows[few]
        law, error = self.law.some(rows), self.error[rows]

        def missed(logs: FloatArray) -> float:
            pull, noise = np.exp(np.clip(logs, -9.0, 1.0))
            return -float(np.mean(law.log_density(v, float(pull), error + noise)))

        settings = {"maxfev": _SEARCH, "initial_simplex": np.log(_START)}
        find: Any = minimize
        found = np.asarray(find(missed, np.log(_START[0]), method="Nelder-Mead", options=settings).x)
        self.pull, self.noise = (float(number) for number in np.exp(np.clip(found, -9.0, 1.0)))

    def score(self, shown: Shown) -> FloatArray:
        """Return the log likelihood ratio of each point that is shown."""
        if self.equations is not None:
            equations, rounds = self.equations
            return np.asarray(self._by_equations(equations, shown, [rounds])[0])
        assert shown.rows is not None
        found = np.empty(shown.y.shape)
        for t, (weights, rows) in enumerate(zip(shown.weights, shown.rows, strict=True)):
            places = self.known.places(rows)
            found[t] = self._log_ratio(self.seen.read(weights, places) - self.middle[places], places)
        return found

    def _by_equations(
        self, equations: ScoreEquations, shown: Shown, rounds: Sequence[int], runs: int | None = None
    ) -> FloatArray:
        """Return log likelihood ratios by the equations, (R, T, n): labels do not enter, a control has the same."""
        rows = shown.rows
        assert rows is not None

        def found() -> FloatArray:
            pairs = list(zip(shown.weights, rows, strict=True))[:runs]
            read = [equations.log_ratios(weights, self.known.places(some), rounds) for weights, some in pairs]
            return np.array(read).transpose(1, 0, 2)

        return shown.once(("score equations", id(self.seen), equations.steps, *rounds, runs), found)

    def _log_ratio(self, away: FloatArray, places: Indices) -> FloatArray:
        """Return the log likelihood ratio of rows whose read-outs are so far away from their means, shape (N,)."""
        v, alone = away / self.spread[places], 1.0 + self.error[places]
        outside = -0.5 * (np.sum(v**2, axis=1) / alone + v.shape[1] * np.log(alone))
        inside = self.law.some(places).log_density(v, self.pull, self.error[places] + self.noise)
        return np.where(self.usable[places], inside - outside, 0.0)


def _mean_of(values: FloatArray, used: Flags) -> FloatArray:
    """Return the mean over the training runs that count for each row, shape (N, …)."""
    total = np.sum(np.where(used[:, :, None], values, 0.0), axis=0)
    return np.asarray(total / np.maximum(used.sum(axis=0), 1)[:, None])


def _units(kk: FloatArray, kd: FloatArray, dd: FloatArray) -> FloatArray:
    """Return what makes the read-outs along (k, δ) standard normal: first those along δ, then what k adds to them."""
    first = _whitening(dd, dd)
    across = first @ first.transpose(0, 2, 1) @ kd.transpose(0, 2, 1)
    second = _whitening(kk - kd @ across, kk)
    return np.block([[np.zeros_like(first), second], [first, -across @ second]])


def _whitening(gram: FloatArray, whole: FloatArray) -> FloatArray:
    """Return factors F with Fᵀ·gram·F the identity, and zero along what is a small share of the whole."""
    values, vectors = np.linalg.eigh(0.5 * (gram + gram.transpose(0, 2, 1)))
    kept = values > _SMALL * np.trace(whole, axis1=1, axis2=2)[:, None]
    return np.asarray(vectors * np.where(kept, 1.0 / np.sqrt(np.where(kept, values, 1.0)), 0.0)[:, None, :])
