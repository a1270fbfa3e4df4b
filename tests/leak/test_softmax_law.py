"""Signals and exposures of several classes: they hang on the fit alone, and no release tells more than the weights."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from qmis_stats import leakage
from qmis_stats.leak import softmax_law
from qmis_stats.leak.fits import Fit
from qmis_stats.leak.game import Game
from qmis_stats.leak.law import exposures
from qmis_stats.leak.leave_one_out import leave_one_out
from qmis_stats.leak.pool import DrawnPools
from qmis_stats.leak.posterior import points_of
from qmis_stats.leak.retained import read_out, retained, scatter
from qmis_stats.leak.signal import Directions
from qmis_stats.leak.sources import fit_of
from qmis_stats.quantizers import quantizer

RNG = np.random.default_rng(7)
X = RNG.normal(size=(90, 12))
Y = np.argmax(X @ RNG.normal(size=(12, 3)) / 2.0 + RNG.gumbel(size=(90, 3)), axis=1)
GAMES = {"population": {}, "pool": {"game": "pool", "fraction": 0.5}}


@pytest.fixture(scope="module")
def model() -> LogisticRegression:
    return LogisticRegression(C=0.1, tol=1e-9, max_iter=2000).fit(X, Y)


@pytest.mark.parametrize("game", GAMES)
def test_signs_of_eigenvectors_decide_nothing(
    model: LogisticRegression, monkeypatch: pytest.MonkeyPatch, game: str
) -> None:
    """Libraries choose them, and with other threads others."""
    one = leakage(model, ["sign"], X=X, y=Y, **GAMES[game])
    signs, plain = np.random.default_rng(0), np.linalg.eigh

    def turned(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values, vectors = plain(matrices)
        return values, vectors * signs.choice([-1.0, 1.0], size=values.shape)[..., None, :]

    monkeypatch.setattr(np.linalg, "eigh", turned)
    two = leakage(model, ["sign"], X=X, y=Y, **GAMES[game])
    np.testing.assert_allclose(two.estimates, one.estimates, rtol=1e-9)


@pytest.mark.parametrize("step", [0.0, -0.05, 0.05])
def test_no_release_of_a_pool_tells_more_than_the_weights(model: LogisticRegression, step: float) -> None:
    """Along every contrast of a point's classes, also where nothing is lost and rounding is all that is left."""
    fit: Fit = fit_of(model, X, Y)
    found, game = leave_one_out(fit), Game("pool", 0.5)
    spread = scatter(fit, found)
    pools = DrawnPools.of(fit, spread, found, game, 0)
    directions = Directions.of(fit, spread, found, pools.widened)
    for kept in retained(fit, spread, [quantizer(name) for name in ("ternary-absmean", "identity")]):
        signal = directions.signal(pools.read_out(kept), step)
        kk, kd, dd = signal.gram
        whole = np.block([[kk, kd], [kd.transpose(0, 2, 1), dd]])
        for matrices in (whole, directions.variance - kk):
            values = np.linalg.eigvalsh(matrices)
            assert np.all(values[:, 0] > -1e-9 * np.abs(directions.variance).max())


def test_the_net_is_fine_enough(model: LogisticRegression, monkeypatch: pytest.MonkeyPatch) -> None:
    fit = fit_of(model, X, Y)
    found = leave_one_out(fit)
    spread = scatter(fit, found)
    kept = retained(fit, spread, [quantizer("sign"), quantizer("identity")])
    signals = [Directions.of(fit, spread, found).signal(read_out(spread, one)) for one in kept]

    def exposure() -> np.ndarray:
        return exposures(fit, points_of(fit, found, Game()), signals, np.zeros(len(X), dtype=np.int64)).exposure

    coarse = exposure()
    monkeypatch.setattr(softmax_law, "_MOVES", 128)
    monkeypatch.setattr(softmax_law, "_RATIOS", 2048)
    fine = exposure()
    np.testing.assert_allclose(coarse, fine, atol=5e-3)
    np.testing.assert_allclose(coarse.mean(axis=0), fine.mean(axis=0), atol=1e-3)
