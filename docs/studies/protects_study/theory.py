"""Ridge heads by theory: the area from each one fit, and the error of what is released on fresh points."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from leakage import Setting
from protects_study.releases import BY_THEORY, DENSE, compared, made, releases
from protects_study.tally import Pairs
from scipy.optimize import brentq

from qmis_stats import leakage
from qmis_stats.leak.fits import Fit, fit_from

WIDE = 256
LAWS = {
    "ridge, d/n = 1/2": Setting("squared", WIDE, 512, 0.3, 110.0),
}
CACO2 = "ridge, Caco-2"
CACO2_RIDGE = 100.0
MOST = 1e7


@dataclass(frozen=True)
class Trained:
    """A ridge regression for every penalty, and what its errors on fresh points are."""

    X: np.ndarray
    y: np.ndarray
    squares: object
    """weights → squared error of fresh points: the expectation, or one number for each of some points."""

    def fit(self, ridge: float) -> Fit:
        gram = self.X.T @ self.X
        gram.flat[:: len(gram) + 1] += ridge
        return fit_from(self.X, self.y, np.linalg.solve(gram, self.X.T @ self.y), "squared", ridge)

    def error(self, weights: np.ndarray) -> float:
        return float(np.mean(self.squares(weights)))

    def as_bad(self, error: float, ridge: float) -> float:
        """Return the penalty, no smaller, with which float weights have this error."""
        sizes, vectors = np.linalg.eigh(self.X.T @ self.X)
        inner = vectors.T @ (self.X.T @ self.y)

        def missed(log_ridge: float) -> float:
            return self.error(vectors @ (inner / (sizes + np.exp(log_ridge)))) - error

        grid = np.linspace(np.log(ridge), np.log(MOST), 60)
        values = np.array([missed(one) for one in grid])
        best = int(np.argmin(values))
        above = np.flatnonzero(values[best:] >= 0.0)
        if values[best] >= 0.0:  # no float model is as good
            return float(np.exp(grid[best]))
        if not above.size:
            return MOST
        return float(np.exp(brentq(missed, grid[best + above[0] - 1], grid[best + above[0]])))


def of_law(name: str, sets: int, seed: int) -> Pairs:
    """Return areas and errors over independent data sets, each of a law with true weights of its own."""
    setting, names = LAWS[name], releases(BY_THEORY)
    pairs = Pairs(name, "theory")
    for k in range(sets):
        rng = np.random.default_rng([seed, len(name), k])
        beta = setting.weights(rng)
        X, y = setting.draw(setting.n, beta, rng)

        def squares(w: np.ndarray, beta: np.ndarray = beta) -> np.ndarray:
            return np.atleast_1d(1.0 + (w - beta) @ setting.second_moment @ (w - beta))

        trained = Trained(X, y, squares)
        fit = trained.fit(setting.ridge)
        found = leakage(fit, [made(one) for one in names])
        weights, float_error = fit.weights[0], trained.error(fit.weights[0])
        area = dict(zip(found.names, found.auc, strict=True))
        error = {one: trained.error(made(one).quantize(weights)) for one in names} | {"identity": float_error}
        pairs.outside |= {one for one, inside in zip(found.names, found.in_domain, strict=True) if not inside}
        for knob, one, other in compared(BY_THEORY):
            if other == DENSE:
                dense = leakage(trained.fit(trained.as_bad(error[one], setting.ridge)), [])
                area[other], error[other] = float(dense.auc[0]), error[one]
            prices = (100.0 * (error[name] / float_error - 1.0) for name in (one, other))
            pairs.add(knob, one, other, area[one], area[other], *prices)
    return pairs


def of_caco2(X: np.ndarray, y: np.ndarray, seed: int) -> Pairs:
    """Return areas and errors of one fit on half of the molecules; the other half are its fresh points.

    Differences of areas have the joint covariance that the fit says; between the fit and one with another penalty,
    which have no joint one, errors are added as if they were independent.
    """
    order = np.random.default_rng([seed, 7]).permutation(len(X))
    mine, fresh = np.split(order, [len(order) // 2])
    centre, middle = X[mine].mean(axis=0), y[mine].mean()
    Z, t = X - centre, y - middle
    trained = Trained(Z[mine], t[mine], lambda w: (t[fresh] - Z[fresh] @ w) ** 2)
    fit, names = trained.fit(CACO2_RIDGE), releases(BY_THEORY)
    found = leakage(fit, [made(one) for one in names])
    place = {name: k for k, name in enumerate(found.names)}
    covariance = found.covariance[1]
    squares = {one: trained.squares(made(one).quantize(fit.weights[0])) for one in names}
    squares["identity"] = trained.squares(fit.weights[0])
    whole = squares["identity"].mean()
    pairs = Pairs(CACO2, "theory")
    pairs.outside |= {one for one, inside in zip(found.names, found.in_domain, strict=True) if not inside}
    for knob, one, other in compared(BY_THEORY):
        a = place[one]
        if other == DENSE:
            dense = leakage(trained.fit(trained.as_bad(float(squares[one].mean()), CACO2_RIDGE)), [])
            variances, second = (covariance[a, a], dense.covariance[1, 0, 0], 0.0), float(dense.auc[0])
            squares[other] = squares[one]
        else:
            b = place[other]
            variances, second = (covariance[a, a], covariance[b, b], covariance[a, b]), float(found.auc[b])
        costs = 100.0 * (np.array([squares[one], squares[other]]) / whole - 1.0)
        pairs.add_once(knob, one, other, (float(found.auc[a]), second), variances, found.dof, costs)
    return pairs


def molecules(data: Path, bits: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the fingerprint bits of Caco-2 that vary most, the target, and which bits these are."""
    from qmis_stats.audit.tables import load_table

    found = load_table(data / "caco2_wang.tab", "Y", smiles="Drug")
    chosen = np.argsort(-found.X.var(axis=0), kind="stable")[:bits]
    return found.X[:, chosen], found.y, chosen
