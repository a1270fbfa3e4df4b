"""The attack of Statement S16: read the fitted value out of quantized weights, then take the likelihood ratio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from qmis_stats.audit.attacks.base import Scorer
from qmis_stats.audit.attacks.game import INSIDE, Flags, Known, Shown
from qmis_stats.audit.attacks.lira import LiRA
from qmis_stats.audit.data import Dataset
from qmis_stats.audit.models.base import Weights, checked_count
from qmis_stats.audit.models.calls import checkpoints_of
from qmis_stats.audit.models.linear import Linear, Logistic
from qmis_stats.audit.quantizers import quantized_by
from qmis_stats.audit.run import generator
from qmis_stats.errors import DomainError, InputError
from qmis_stats.leak.game import Game
from qmis_stats.leak.leave_one_out import leave_one_out
from qmis_stats.leak.losses import loss_named
from qmis_stats.leak.retained import scatter
from qmis_stats.leak.signal import PointSignal, best_direction
from qmis_stats.leak.sources import fit_of
from qmis_stats.scores.base import FloatArray

__all__ = ["ReadOut"]

Rows: TypeAlias = NDArray[np.intp]

_DRAWS = 400
_EXACT = 1e-9
_WIDEST = 4096


@dataclass(frozen=True)
class ReadOut:
    """De-quantize the released weights, read the point's fitted value out of them, and compare in with out (S16).

    For a linear or logistic head in a game with a data set. Shadow fits give the covariance C of the weights, their
    response G to a point, and the mean fitted value of every row that was left out. Each released value is a noisy
    measurement of its weight, whose gain and error are found by quantizing draws of the weights. The statistic is the
    best linear one, centred and scaled by the shadow trainings without the row, and its law under membership is that of
    the proximal map.

    Where shadow trainings show that members move or spread otherwise (near interpolation), normal laws with the move
    and spread that they had take the place of the proximal map's. Other models, several classes,
    fits without a unique minimum, more than 4096 features, and games with a sampler have no such read-out: there it is
    online LiRA on the outputs of the quantized model.

    Parameters
    ----------
    fits : int
        Shadow trainings whose second moments are averaged.
    name : str
        For tables.

    Examples
    --------
    >>> ReadOut().name
    'read-out'
    """

    fits: int = 8
    name: str = "read-out"
    threshold: float | None = None

    def __post_init__(self) -> None:
        """Check the settings."""
        checked_count("fits", self.fits, 1)

    def fit(self, known: Known) -> Scorer:
        """Return the log likelihood ratio of the read-out."""
        source, trained = known.source, known.shadow.trained
        if not isinstance(source, Dataset) or trained is None or not isinstance(known.model, (Linear, Logistic)):
            return LiRA("online").fit(known)
        if source.X.shape[1] > _WIDEST:
            return LiRA("online").fit(known)
        found = _Linear(known, source, trained)
        try:
            found.moments_of_fits(self.fits)
        except (DomainError, InputError):  # not at a minimum, or one that interpolates: there is no law to read by
            return LiRA("online").fit(known)
        found.fit_laws()
        return found.score


class _Linear:
    """The read-out of a linear or logistic head, fitted on shadow trainings."""

    def __init__(self, known: Known, data: Dataset, trained: Flags) -> None:
        self.known, self.data, self.trained = known, data, trained
        self.plain = [self._trained(rows) for rows in trained]

    def _trained(self, rows: NDArray[np.bool_]) -> Weights:
        *_, last = checkpoints_of(self.known.model, self.data.X[rows], self.data.y[rows], np.random.default_rng(0))
        return last

    def _design(self, location: FloatArray, scale: FloatArray) -> FloatArray:
        return np.column_stack([(self.data.X - location) / scale, np.ones(self.data.rows)])

    def moments_of_fits(self, fits: int) -> None:
        """Average C in the game's pool, and G, over some shadow fits."""
        covariance, response, values = [], [], []
        game = Game("pool", self.known.n / self.data.rows)
        for rows in self.trained[:fits]:
            fit = fit_of(self.known.model, self.data.X[rows], self.data.y[rows])
            found = leave_one_out(fit)
            spread = scatter(fit, found)
            covariance.append(spread.covariance * game.variance_share(found.inflation))
            response.append(spread.response)
            values.append(float(found.leverage.mean()) / spread.trace(spread.response))
        self.covariance = np.mean(covariance, axis=0)
        # The equivalents are scaled to the leverages that the fits had.
        self.response = np.mean(response, axis=0) * float(np.mean(values))

    def fit_laws(self) -> None:
        """Find what a release measures, and the laws of the statistic with and without a row."""
        plain = self.plain
        self._measurement(np.array([_flat(w) for w in plain]), generator(self.known.seed, INSIDE, 1))
        self.rows = self._design(plain[0][2], plain[0][3])
        self.shadow = np.array([self._observed(w) for w in self.known.shadow.shown.weights])
        self._laws(np.array([self._fitted(w) for w in plain]))

    def _measurement(self, weights: FloatArray, rng: np.random.Generator) -> None:
        """Find gain and error of each released value as a measurement of its weight, by quantizing draws."""
        self.mean = weights.mean(axis=0)
        errors = np.sqrt(np.diag(self.covariance))
        noise = rng.standard_normal((_DRAWS, errors.size))
        noise -= noise.mean(axis=0)
        drawn = self.mean + noise * errors
        released = np.array([self._released(theta) for theta in drawn])
        self.centre = released.mean(axis=0)
        away = released - self.centre
        gain = np.sum(away * noise, axis=0) / np.sum(noise**2, axis=0) / errors
        rest = np.sum((away - gain * noise * errors) ** 2, axis=0) / (_DRAWS - 2.0)
        informative = np.abs(gain) * errors > 0.2 * np.sqrt(rest)
        gain = np.where(informative | (rest == 0.0), gain, np.inf)
        with np.errstate(divide="ignore", invalid="ignore"):
            precision = np.where(np.isfinite(gain), gain**2 / rest, 0.0)
        self.gain = np.where(gain == 0.0, np.inf, gain)
        precision = np.where(self.gain == np.inf, 0.0, np.minimum(precision, 1.0 / (_EXACT * errors**2)))
        root = np.sqrt(precision)
        inner = np.linalg.inv(np.eye(root.size) + root[:, None] * self.covariance * root)
        self.inverse = root[:, None] * inner * root

    def _released(self, theta: FloatArray) -> FloatArray:
        quantizer = self.known.quantizer
        if quantizer is None:
            return theta
        return np.append(quantized_by(quantizer, theta[None, :-1])[0], theta[-1])

    def _observed(self, weights: Weights) -> FloatArray:
        """Return the measurement of the weights about their mean that a release is."""
        return np.asarray((_flat(weights) - self.centre) / self.gain)

    def _fitted(self, weights: Weights) -> FloatArray:
        """Return the fitted values of all rows, in units of the head's own target."""
        W, b, location, scale = weights[:4]
        return np.asarray(((self.data.X - location) / scale) @ W[0] + b[0])

    def _laws(self, fitted: FloatArray) -> None:
        """Find the mean of each row left out, and the two directions."""
        from qmis_kernels import backend

        out = ~self.trained
        count = np.maximum(out.sum(axis=0), 1)
        self.a = np.where(out, fitted, 0.0).sum(axis=0) / count
        parts = [
            np.einsum("ij,ij->i", self.rows @ (left @ self.inverse @ right), self.rows)
            for left, right in (
                (self.covariance, self.covariance),
                (self.covariance, self.response),
                (self.response, self.response),
            )
        ]
        variance, leverage = (
            np.einsum("ij,ij->i", self.rows @ matrix, self.rows) for matrix in (self.covariance, self.response)
        )
        signal = PointSignal(np.array(parts)[:, :, None, None], variance[:, None, None], leverage[:, None, None])
        self.s, self.q = np.sqrt(variance), leverage
        self.y = self.data.y
        if isinstance(self.known.model, Linear):
            centre, unit = np.mean([w[4] for w in (self._trained(self.trained[0]),)], axis=0)
            self.y = (self.data.y - centre) / unit
        self.loss = loss_named("squared" if isinstance(self.known.model, Linear) else "logistic").code
        numbers = (self.a, self.s, self.q, self.y, self.loss)
        self.moments = backend().proximal_moments(*numbers)
        c, first, second = signal.scalars()
        along, _ = best_direction(signal, self.moments, np.arange(c.size))
        ratio = np.clip(np.divide(along, c, out=np.ones_like(c), where=c > 0.0), -1.0, 1.0)
        angle = float(np.arccos(np.median(ratio)))
        self.c, self.e = np.cos(angle) * c, np.cos(angle) * first + np.sin(angle) * second
        size = np.sqrt(np.maximum(parts[0], np.finfo(float).tiny))
        depth = np.sqrt(np.maximum(parts[2] - (parts[1] / size) ** 2, 0.0))
        turn = np.where(second > 0.0, np.sin(angle) / np.where(depth > 0.0, depth, np.inf), 0.0)
        # One vector per row: the statistic is its product with a measurement.
        read = self.rows @ (self.covariance @ self.inverse)
        beside = self.rows @ (self.response @ self.inverse)
        self.vectors = read * (np.cos(angle) / size - turn * parts[1] / size**2)[:, None] + beside * turn[:, None]
        values = self.shadow @ self.vectors.T
        self.middle = np.where(out, values, 0.0).sum(axis=0) / count
        self._calibrate(values, out)

    def _calibrate(self, values: FloatArray, out: Flags) -> None:
        """Fit the scale of both laws and the move of members to the shadow trainings, pooled over their rows."""
        away = values - self.middle
        freedom = float(np.sum(np.maximum(out.sum(axis=0) - 1, 0)))
        self.spread = max(float(np.sqrt(np.sum(np.where(out, away, 0.0) ** 2) / max(freedom, 1.0))), 1e-12)
        mean, cross, square = self.moments.T
        self.move = self.e * mean
        self.variance = np.maximum(1.0 + 2.0 * self.c * self.e * cross + self.e**2 * square, 1e-6)
        # The mean of a row over k trainings has an error of its own.
        error = 1.0 / np.maximum(out.sum(axis=0), 1)
        seen = ~out & (out.sum(axis=0) > 0)
        w = away / self.spread
        where = np.broadcast_to(self.move, w.shape)[seen]
        self.slope = float(np.sum(w[seen] * where) / max(float(np.sum(where**2)), 1e-12))
        rest = (w - self.slope * self.move) ** 2
        self.excess = max(float(np.mean((rest / (self.variance + error))[seen])), 1e-6)
        self.error = error
        # Where the shadow trainings bear the law out, the law itself is used.
        self.borne_out = abs(self.slope - 1.0) < 0.1 and abs(np.log(self.excess)) < 0.2

    def score(self, shown: Shown) -> FloatArray:
        """Return the log likelihood ratio of each point that is shown."""
        assert shown.rows is not None
        found = np.empty(shown.y.shape)
        for t, (weights, rows) in enumerate(zip(shown.weights, shown.rows, strict=True)):
            w = (self.vectors[rows] @ self._observed(weights) - self.middle[rows]) / self.spread
            found[t] = self._law(np.clip(w, -30.0, 30.0), rows) if self.borne_out else self._fitted_law(w, rows)
        return found

    def _law(self, w: FloatArray, rows: Rows) -> FloatArray:
        from qmis_kernels import backend

        numbers = (part[rows] for part in (self.a, self.s, self.q, self.y))
        return np.asarray(
            backend().read_out_ratios(
                w, *numbers, self.loss, self.moments[rows], np.clip(self.c[rows], 0.0, 1.0), self.e[rows]
            )
        )

    def _fitted_law(self, w: FloatArray, rows: Rows) -> FloatArray:
        """Return the ratio of normal laws with the move and the spread that members of the shadow trainings had."""
        inside, outside = self.excess * (self.variance + self.error)[rows], 1.0 + self.error[rows]
        centre = self.slope * self.move[rows]
        return np.asarray(0.5 * (np.log(outside / inside) + w**2 / outside - (w - centre) ** 2 / inside))


def _flat(weights: Weights) -> FloatArray:
    """Return the row of weights with its intercept."""
    return np.append(weights[0][0], weights[1][0])
