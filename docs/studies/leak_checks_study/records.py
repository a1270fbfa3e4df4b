"""Part 2: is the exposure that one fit predicts for a record what attacks on a thousand training runs find?

The pool game on a molecular set: each run trains on a random half of the records. The attack reads both directions of
S16 that tell of a record out of the codes, learns the normal laws of the pair with and without the record from one
half of the training runs, and is scored on the other half: no theory decides what it achieves, and on average this is
at most the total variation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from leak_checks_study.rows import Row
from leakage import centroids
from molecules import SETS
from scipy.linalg import cho_factor, cho_solve
from scipy.special import ndtri
from scipy.stats import spearmanr

from qmis_kernels import backend
from qmis_stats import leakage
from qmis_stats.leak import Fit, fit_from
from qmis_stats.leak.fits import FREE
from qmis_stats.leak.losses import loss_named
from qmis_stats.leak.pool_law import PoolLaw
from qmis_stats.leak.signal import PointSignal

CHOSEN = ("caco2_wang", "cyp3a4_substrate_carbonmangels")
NAMES = ("sign", "sparse-33", "nf4", "identity")
RIDGE = 1.0
DECILES = 10
MOST = 1.0 - 1e-6
"""Share of its variance that a weight retains at most: without a record the others solve for it beyond that."""


@dataclass(frozen=True)
class Pool:
    """Records, of which training runs use random halves."""

    X: np.ndarray
    y: np.ndarray
    loss: str

    @classmethod
    def of(cls, name: str, folder: Path) -> Pool:
        """Return a molecular set; the target of a regression is standardised."""
        [entry] = [one for one in SETS if one.name == name]
        data = entry.load(folder)
        if data.task == "binary":
            return cls(data.X, data.y, "logistic")
        return cls(data.X, (data.y - data.y.mean()) / data.y.std(), "squared")

    def halves(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Return who is trained on, (count, N)."""
        first = np.arange(self.y.size) < self.y.size // 2
        return rng.permuted(np.tile(first, (count, 1)), axis=1)

    def trained(self, member: np.ndarray) -> np.ndarray:
        """Return weights and intercept of each training run, (R, D + 1): ridge penalty, free intercept."""
        products = self.X @ self.X.T
        found = []
        for rows in map(np.flatnonzero, member):
            dual, intercept = minimum(products[np.ix_(rows, rows)], self.y[rows], self.loss)
            found.append(np.append(self.X[rows].T @ dual, intercept))
        return np.array(found)

    def fit(self, rows: np.ndarray, theta: np.ndarray) -> Fit:
        """Return one of the training runs as a fit."""
        return fit_from(self.X[rows], self.y[rows], theta[:-1], self.loss, RIDGE, theta[-1])


def minimum(products: np.ndarray, y: np.ndarray, loss: str) -> tuple[np.ndarray, float]:
    """Return α and b of the weights Xᵀα and intercept b that minimise loss and penalty, by Newton's method."""
    chosen, value = loss_named(loss), np.zeros(y.size)
    for _ in range(50):
        gradient = chosen.gradient(y, value[:, None])[:, 0]
        w = np.maximum(chosen.curvature(y, value[:, None])[:, 0, 0], 1e-12)
        inner = cho_factor(products + np.diag(RIDGE / w))
        solved = cho_solve(inner, np.column_stack([value - gradient / w, np.ones(y.size)]))
        intercept = solved[:, 0].sum() / solved[:, 1].sum()
        dual = solved[:, 0] - intercept * solved[:, 1]
        before, value = value, products @ dual + intercept
        if np.max(np.abs(value - before)) < 1e-8:
            return dual, float(intercept)
    raise RuntimeError(f"no minimum after 50 steps, of {y.size} points")


def pool_law(pool: Pool, weights: np.ndarray, member: np.ndarray) -> PoolLaw:
    """Return the law of the weights over halves of the pool, with what gradients and curvatures were in these runs."""
    loss, design = loss_named(pool.loss), np.column_stack([pool.X, np.ones(pool.y.size)])
    squares, curvature = np.zeros((2, pool.y.size))
    for theta, inside in zip(weights, member, strict=True):
        values = (design[inside] @ theta)[:, None]
        squares[inside] += loss.gradient(pool.y[inside], values)[:, 0] ** 2
        curvature[inside] += loss.curvature(pool.y[inside], values)[:, 0, 0]
    count = member.sum(axis=0)
    own = [(total / count)[:, None, None] for total in (curvature, squares)]
    law = PoolLaw.of(design, *own, np.append(np.full(pool.X.shape[1], RIDGE), 0.0), float(member.mean()))
    scale = weights.var(axis=0, ddof=1).sum() / np.trace(law.covariance)
    return replace(law, covariance=scale * law.covariance, squares=scale * law.squares)


def mean_where(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the mean of each column over the chosen rows."""
    return np.where(chosen, values, 0.0).sum(axis=0) / chosen.sum(axis=0)


def measurements(name: str, weights: np.ndarray, mean: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what the codes say of weights and intercept, (R, D + 1), and the share that each retains."""
    middle, share = centroids(name, weights[:, :-1], mean[:-1], errors[:-1])
    read = np.column_stack([middle, weights[:, -1] - mean[-1]])
    share = np.minimum(np.append(share, 1.0), MOST)
    return read / share, share


@dataclass(frozen=True)
class Law:
    """What the attack knows of the records: the numbers of S16, and how the codes show them in a pair of statistics."""

    centre: np.ndarray
    deviation: np.ndarray
    leverage: np.ndarray
    y: np.ndarray
    loss: str
    c: np.ndarray
    move: np.ndarray
    beside: np.ndarray

    def exposure(self, centre: np.ndarray) -> np.ndarray:
        """Return the exposure of each record with these mean fitted values, (N,)."""
        numbers = (centre, self.deviation, self.leverage, self.y, loss_named(self.loss).code)
        moments, ones = backend().proximal_moments(*numbers), np.ones(centre.size)
        reading = (self.c[:, None], self.move[:, None], ones, ones.astype(int) - 1, 1)
        return backend().exposure_integrals(*numbers, moments, *reading, beside=self.beside[:, None])[0][:, 0]

    def ceiling(self, rng: np.random.Generator, draws: int = 4) -> float:
        """Return how well exposures could be ranked from one fit by who knows all of the law but the records' means.

        One fit shows of a mean only the fitted value that the record had in it; about the target, or about the mean of
        its class, the best linear guess is taken.
        """
        base = self.y
        if self.loss == "logistic":
            base = np.where(self.y > 0.0, self.centre[self.y > 0.0].mean(), self.centre[self.y == 0.0].mean())
        away = self.centre - base
        keep = away.var() / (away.var() + self.deviation**2)
        found = []
        for _ in range(draws):
            seen = away + self.deviation * rng.normal(size=away.size)
            guess = base + away.mean() + keep * (seen - away.mean())
            found.append(correlation(self.exposure(guess), self.exposure(self.centre)))
        return float(np.mean(found))


def read_outs(
    pool: Pool, name: str, weights: np.ndarray, member: np.ndarray, law: PoolLaw
) -> tuple[np.ndarray, Law, float]:
    """Return each record's two statistics in each run, (R, N, 2), their law, and the share ρ that the codes retain."""
    others, size = law.left_out, len(law.covariance)
    C = law.covariance + FREE * np.trace(law.covariance) / size * np.eye(size)  # for features that no record has
    mean, centre = weights.mean(axis=0), mean_where(weights @ law.design.T, ~member)
    read, share = measurements(name, weights, mean, np.sqrt(np.diag(C)))
    inverse = np.linalg.inv(C + np.diag((1.0 - share) / share * np.diag(C)))
    grams, turned = others.seen(*law.products(inverse))
    variance, leverage = others.variance[:, 0, 0], others.leverage[:, 0, 0]
    reading = PointSignal(grams, others.variance, others.leverage, pair=True).scalars()
    along = np.stack([read @ inverse @ matrix @ law.design.T for matrix in (C, law.response)], axis=-1)
    known = Law(centre, np.sqrt(variance), leverage, pool.y, pool.loss, *reading)
    return np.einsum("nab,rnb->rna", turned, along), known, float(grams[0].sum() / variance.sum())


def advantage(read: np.ndarray, member: np.ndarray, learnt: np.ndarray) -> np.ndarray:
    """Return true less false positive rate of each record on the training runs that are not ``learnt``, (N,).

    A run is called one with the record where the normal law that members had in the runs ``learnt`` has the larger
    density there. The laws do not see the training runs on which they are scored: on average the advantage is at most
    the total variation.

    Parameters
    ----------
    read : (R, N, k) ndarray
        Statistics.
    member : (R, N) ndarray of bool
        Who was trained on.
    learnt : (R,) ndarray of bool
        Runs of which the laws are known.
    """
    inside, outside = (_log_density(read[learnt], chosen[learnt], read[~learnt]) for chosen in (member, ~member))
    called = (inside > outside) * 1.0
    return mean_where(called, member[~learnt]) - mean_where(called, ~member[~learnt])


def _log_density(known: np.ndarray, chosen: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the log density at some runs, (R, N), of each record's normal law in the chosen ones of others."""
    count = chosen.sum(axis=0)
    mean = np.einsum("rn,rnk->nk", chosen, known) / count[:, None]
    away = known - mean
    covariance = np.einsum("rn,rnk,rnl->nkl", chosen, away, away) / count[:, None, None]
    # Where both directions are one the second tells nothing.
    covariance += 1e-9 * np.einsum("nkk->nk", covariance)[:, :, None] * np.eye(known.shape[2])
    distance = np.einsum("rnk,nkl,rnl->rn", at - mean, np.linalg.inv(covariance), at - mean)
    return -0.5 * (distance + np.linalg.slogdet(covariance)[1])


def halves(read: np.ndarray, member: np.ndarray) -> np.ndarray:
    """Return the advantages on each half of the training runs with laws learnt on the other, (2, N)."""
    first = np.arange(len(read)) < len(read) // 2
    return np.array([advantage(read, member, learnt) for learnt in (first, ~first)])


def bias(tv: float, trainings: int, rng: np.random.Generator, records: int = 2000) -> float:
    """Return the mean of the measurement less the total variation, for normal laws that differ by a shift."""
    member = rng.random((trainings, records)) < 0.5
    read = rng.normal(size=(*member.shape, 2))
    read[:, :, 0] += 2.0 * ndtri(0.5 * (1.0 + tv)) * member
    return float(halves(read, member).mean() - tv)


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return Spearman's correlation."""
    return float(spearmanr(first, second).statistic)


def reliability(halves: np.ndarray) -> float:
    """Return the reliability of the mean of two halves of the measurement (Spearman and Brown)."""
    between = correlation(*halves)
    return 2.0 * between / (1.0 + between)


def deciles(predicted: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Return mean prediction, mean measurement and its standard error over records, by deciles of the prediction."""
    parts = np.array_split(np.argsort(predicted, kind="stable"), DECILES)
    return np.array(
        [(predicted[k].mean(), measured[k].mean(), measured[k].std(ddof=1) / np.sqrt(k.size)) for k in parts]
    )


def predicted(pool: Pool, members: np.ndarray, fits: int) -> tuple[np.ndarray, np.ndarray]:
    """Return exposures of the records of some runs, and each ρ.

    Parameters
    ----------
    pool : Pool
        The records.
    members : (R, N) ndarray of bool
        Who was trained on in each run.
    fits : int
        Of how many runs the records are predicted.

    Returns
    -------
    exposures : (2, fits, quantizers, N) ndarray
        From the run alone, and with the fitted values that the others gave to records without which they were trained;
        NaN for records that the run did not use.
    shares : (fits, quantizers) ndarray
        ρ.
    """
    weights = pool.trained(members)
    values = np.where(members, np.nan, weights @ np.column_stack([pool.X, np.ones(pool.y.size)]).T)
    exposures, shares = np.full((2, fits, len(NAMES), pool.y.size), np.nan), []
    for k, (theta, member) in enumerate(zip(weights[:fits], members, strict=False)):
        given = (pool.fit(np.flatnonzero(member), theta), NAMES[:-1])
        pair = {"pool": (pool.X[~member], pool.y[~member])}
        alone = leakage(*given, **pair)
        exposures[0, k][:, member] = alone.exposure.T
        exposures[1, k][:, member] = leakage(*given, **pair, left_out=values[:, member]).exposure.T
        shares.append(alone.retained)
    return exposures, np.array(shares)


def checked(name: str, folder: Path, runs: int, further: int, fits: int, seed: int) -> Iterator[Row]:
    """Yield how predicted exposures of a set's records compare with what ``runs`` training runs show."""
    pool, rng = Pool.of(name, folder), np.random.default_rng([seed, 4, CHOSEN.index(name)])
    apart, member = pool.halves(fits, rng), pool.halves(runs, rng)
    said, shares = predicted(pool, np.concatenate([apart, pool.halves(further, rng)]), fits)
    weights = pool.trained(member)
    known_pool = pool_law(pool, weights, member)
    yield Row("records", name, "", "records", pool.y.size)
    for q, quantizer in enumerate(NAMES):
        read, known, kept = read_outs(pool, quantizer, weights, member, known_pool)
        law = known.exposure(known.centre)
        both = halves(read, member)
        measured = both.mean(axis=0)
        there = ~np.isnan(said[0, :, q])
        each = np.array(
            [[correlation(one[k], measured[k]) for one, k in zip(by, there, strict=True)] for by in said[:, :, q]]
        )
        found = measured[np.any(there, axis=0)]
        figures = {
            "one fit": (each[0].mean(), each[0].std(ddof=1)),
            "several runs": (each[1].mean(), each[1].std(ddof=1)),
            "ceiling": (known.ceiling(rng),),
            "law known": (correlation(law, measured),),
            "reliability": (reliability(both),),
            "retained": (shares[:, q].mean(), shares[:, q].std(ddof=1)),
            "retained law known": (kept,),
            "mean predicted": (np.nanmean(said[0, :, q]),),
            "mean law known": (law.mean(),),
            "mean measured": (found.mean(), found.std(ddof=1) / np.sqrt(found.size)),
        }
        for figure, values in figures.items():
            yield Row("records", name, quantizer, figure, *values)
        by_fit = [[deciles(one[k], measured[k]) for one, k in zip(by, there, strict=True)] for by in said[:, :, q]]
        tables = {
            "of one fit": np.mean(by_fit[0], axis=0),
            "of several runs": np.mean(by_fit[1], axis=0),
            "of law known": deciles(law, measured),
        }
        for kind, table in tables.items():
            for k, (expected, seen, error) in enumerate(table):
                yield Row("records", name, quantizer, f"decile {k + 1} predicted {kind}", expected)
                yield Row("records", name, quantizer, f"decile {k + 1} measured {kind}", seen, error)
    for tv in (0.1, 0.3, 0.6):
        yield Row("records", name, "", f"bias at {tv}", bias(tv, runs, rng))
