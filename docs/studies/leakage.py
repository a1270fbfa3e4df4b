"""Leak of penalised fits: from one fit, with the law known, and as an attack achieves it (S15 to S17).

    python docs/studies/leakage.py [--settings NAME ...] [--laws 8] [--data-sets 25] [--runs 1200] [--seed 1]

writes ``docs/studies/leakage.csv`` and ``docs/studies/leakage.md``; with ``--settings`` only these rows are replaced,
after every law. Every setting has several laws of the data, with weights of their own, each with so many
data sets and attacked training runs. The attack knows means and second moments of the weights over training sets.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, ndtr
from scipy.stats import norm, rankdata
from study_rows import read_rows, write_rows

from qmis_kernels import backend
from qmis_stats import leakage
from qmis_stats.leak.fits import Fit, fit_from, newton_step
from qmis_stats.leak.law import figures
from qmis_stats.leak.leakage_result import LeakageResult
from qmis_stats.leak.losses import loss_named
from qmis_stats.leak.retained import cell_share
from qmis_stats.leak.signal import PointSignal, best_direction
from qmis_stats.quantizers import WeightQuantizer, quantizer

FOLDER = Path(__file__).parent
QUANTIZERS = ("sign", "sparse-33", "sparse-90", "uniform-3", "nf4", "identity")
COPY = "sign-scaled"
"""Leaks what the sign leaks: a pair that is never to be told apart."""
Releases = Sequence[str | WeightQuantizer]
SHOWN = 32
POINTS = 5000
"""Points whose exposures are averaged, with weights that give them the traits of so many more:"""
POPULATION = 150_000
KNOTS = 10
APART = 0.01
FIELDS = (
    "setting", "quantizer", "retained", "attack", "attack_error", "known", "predicted", "spread", "stated", "coverage",
    "delta_known", "delta_attack", "delta_predicted", "delta_spread", "delta_stated", "delta_coverage", "in_domain",
    "told_apart", "false_orders", "pairs_apart", "rightly_ordered", "laws", "data_sets",
)  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """A law of the data and a penalty: features with correlation r^|i − j| made of independent ones."""

    loss: str
    d: int
    n: int
    correlation: float
    ridge: float
    features: str = "normal"

    @property
    def second_moment(self) -> np.ndarray:
        return self.correlation ** np.abs(np.subtract.outer(np.arange(self.d), np.arange(self.d)))

    def weights(self, rng: np.random.Generator) -> np.ndarray:
        beta = rng.normal(size=self.d)
        size = {"poisson": 0.7}.get(self.loss, 1.5)
        return beta * size / np.sqrt(beta @ self.second_moment @ beta)

    def draw(self, m: int, beta: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        if self.features == "binary":
            z = np.where(rng.random((m, self.d)) < 0.2, 2.0, -0.5)
        elif self.features == "t5":
            z = rng.standard_t(5, size=(m, self.d)) / np.sqrt(5.0 / 3.0)
        else:
            z = rng.normal(size=(m, self.d))
        X = z @ np.linalg.cholesky(self.second_moment).T
        eta = X @ beta
        if self.loss == "squared":
            return X, eta + rng.normal(size=m)
        if self.loss == "logistic":
            return X, (rng.random(m) < expit(eta)) * 1.0
        return X, rng.poisson(np.exp(np.minimum(eta, 4.0))) * 1.0

    def trained(self, X: np.ndarray, y: np.ndarray) -> Fit:
        fit = Fit(loss_named(self.loss), X, y, np.zeros((1, self.d)), None, np.full(self.d, self.ridge), (self.d,))
        for _ in range(60):
            step, _ = newton_step(fit)
            fit = fit.with_parameters(fit.parameters + (np.clip(step, -1.0, 1.0) if self.loss == "poisson" else step))
            if np.max(np.abs(step)) < 1e-10:
                break
        return fit


SETTINGS = {
    "least squares, d/n = 1/4": Setting("squared", 64, 256, 0.0, 0.0),
    "least squares, d/n = 1/2": Setting("squared", 64, 128, 0.0, 0.0),
    "ridge 10, r = 0.7, d/n = 1/2": Setting("squared", 64, 128, 0.7, 10.0),
    "ridge 1, r = 0.95, d/n = 1/8": Setting("squared", 64, 512, 0.95, 1.0),
    "ridge 20, r = 0.3, d/n = 1.6": Setting("squared", 100, 64, 0.3, 20.0),
    "logistic, ridge 1, r = 0.7, d/n = 1/8": Setting("logistic", 64, 512, 0.7, 1.0),
    "logistic, ridge 3, r = 0.7, d/n = 1/3": Setting("logistic", 64, 192, 0.7, 3.0),
    "logistic, ridge 1, r = 0.95, d/n = 1/8": Setting("logistic", 64, 512, 0.95, 1.0),
    "logistic, ridge 1, binary, d/n = 1/4": Setting("logistic", 60, 240, 0.0, 1.0, "binary"),
    "logistic, ridge 10, t5, r = 0.5, d/n = 1/4": Setting("logistic", 64, 256, 0.5, 10.0, "t5"),
    "Poisson, ridge 1, r = 0.3, d/n = 1/5": Setting("poisson", 50, 250, 0.3, 1.0),
}


def forms(X: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", X @ matrix, X)


def equivalents(setting: Setting, response: float, variance: float) -> tuple[np.ndarray, np.ndarray]:
    """Return C and G of the true second moments with the traces that training runs had."""
    sigma, ridge = setting.second_moment, setting.ridge * np.eye(setting.d)

    def missed(log_curvature: float) -> float:
        return float(np.sum(sigma * np.linalg.inv(np.exp(log_curvature) * sigma + ridge))) - response

    G = np.linalg.inv(np.exp(brentq(missed, np.log(1e-3), np.log(1e6))) * sigma + ridge)
    C = G @ sigma @ G
    return C * (variance / np.sum(sigma * C)), G


def within(ends: np.ndarray, place: np.ndarray, mean: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of each weight within its cell, less its mean, and the mass of the cell."""
    a, b = ((ends[place + k] - mean) / errors for k in (0, 1))
    mass = np.maximum(np.where(a > 0.0, ndtr(-a) - ndtr(-b), ndtr(b) - ndtr(a)), 1e-300)
    return np.clip((norm.pdf(a) - norm.pdf(b)) / mass, a, b) * errors, mass


def centroids(
    release: str | WeightQuantizer, weights: np.ndarray, mean: np.ndarray, errors: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return E[θ | code] less the mean, (R, d), and the mean retained shares, (d,)."""
    if release == "identity":
        return weights - mean, np.full(mean.size, 1.0 - 1e-9)
    one = quantizer(release) if isinstance(release, str) else release
    found, share = np.empty_like(weights), np.zeros(mean.size)
    for r, theta in enumerate(weights):
        for cells in one.cells(theta):
            at, known = cells.inside, cells.known
            ends = np.concatenate(([-np.inf], cells.edges, [np.inf]))
            middle, _ = within(ends, np.searchsorted(cells.edges, theta[at]), mean[at], errors[at])
            kept = cell_share(cells.edges, mean[None, at], errors[at])[0]
            middle[known], kept[known] = (theta[at] - mean[at])[known], 1.0
            found[r, at] = middle
            share[at] += kept / len(weights)
    return found, np.clip(share, 1e-9, 1.0 - 1e-9)


def area(inside: np.ndarray, outside: np.ndarray) -> tuple[float, float]:
    """Return the area under the ROC curve, and its standard error over training sets (rows)."""
    ranks = rankdata(np.concatenate([inside.ravel(), outside.ravel()]))
    size = inside.size
    value = (ranks[:size].sum() - size * (size + 1) / 2) / (size * outside.size)
    # The members of each training run against all non-members, and the reverse.
    ordered_out, ordered_in = np.sort(outside.ravel()), np.sort(inside.ravel())
    influence = np.searchsorted(ordered_out, inside).mean(axis=1) / outside.size
    influence -= np.searchsorted(ordered_in, outside).mean(axis=1) / inside.size
    return float(value), float(np.std(influence, ddof=1) / np.sqrt(len(inside)))


def read_out(X: np.ndarray, C: np.ndarray, G: np.ndarray, inverse: np.ndarray, law: tuple, angle: float | None):
    """Return vectors whose products with a measurement of the weights are the best statistic, its c and e, the angle.

    ``law`` has the numbers of the points (a, s, q, y, loss) and their moments; an angle of None is chosen for them.
    """
    *numbers, moments = law
    kk, kd, dd = (forms(X, left @ inverse @ right) for left, right in ((C, C), (C, G), (G, G)))
    signal = PointSignal(
        np.array([kk, kd, dd])[:, :, None, None], numbers[1][:, None, None] ** 2, numbers[2][:, None, None]
    )
    c, first, second = signal.scalars()
    if angle is None:
        along, _ = best_direction(signal, moments, np.arange(c.size))
        angle = float(np.arccos(np.clip(along[0] / c[0], -1.0, 1.0)))
    depth = np.sqrt(np.maximum(dd - kd**2 / kk, 1e-300))
    turn = np.where(second > 0.0, np.sin(angle) / depth, 0.0)
    vectors = X @ (C @ inverse) * (np.cos(angle) / np.sqrt(kk) - turn * kd / kk)[:, None]
    vectors += X @ (G @ inverse) * turn[:, None]
    return vectors, np.cos(angle) * c, np.cos(angle) * first + np.sin(angle) * second, angle


def traits(setting: Setting, X: np.ndarray, y: np.ndarray, mean: np.ndarray, C: np.ndarray, knots: dict) -> np.ndarray:
    """Return what exposures depend on smoothly: hat functions of the residual or the mean, by target, and the size."""
    a, size = X @ mean, np.sqrt(forms(X, C))
    value, kind = (np.abs(y - a), np.zeros(y.size)) if setting.loss == "squared" else (a, np.minimum(y, 7.0))
    if not knots:
        knots[-1] = size.mean()
        knots |= {k: np.unique(np.quantile(value[kind == k], np.linspace(0.0, 1.0, KNOTS))) for k in np.unique(kind)}
    apart = size / knots[-1] - 1.0
    columns = [apart**2]
    for k, places in knots.items():
        if k >= 0:
            for hat in np.eye(places.size):
                columns.append(np.interp(value, places, hat) * (kind == k))
                columns.append(columns[-1] * apart)
    return np.array(columns).T


def representative(
    setting: Setting, beta: np.ndarray, mean: np.ndarray, C: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return points with weights in [0, 1] that give them the mean traits of a population: means with less noise."""
    X, y = setting.draw(POINTS, beta, np.random.default_rng([seed, 3]))
    knots: dict = {}
    own, blocks = traits(setting, X, y, mean, C, knots), POPULATION // 50_000
    wanted = np.zeros(own.shape[1])
    for k in range(blocks):
        more = setting.draw(50_000, beta, np.random.default_rng([seed, 4, k]))
        wanted += traits(setting, *more, mean, C, knots).mean(axis=0)
    moved = np.linalg.lstsq(own.T @ own / POINTS, wanted / blocks - own.mean(axis=0), rcond=1e-10)[0]
    return X, y, np.clip((1.0 + own @ moved) / 4.0, 0.0, 1.0)


def played(
    setting: Setting, beta: np.ndarray, runs: int, seed: int, names: Releases = QUANTIZERS, shown: int = SHOWN
) -> Iterator[tuple[str | WeightQuantizer, list[np.ndarray], np.ndarray]]:
    """Yield each quantizer with the scores of members and of others, (runs, shown) each, and Δ and AUC of S16.

    The law has the weights without one point, and leverages less by what their noise takes off the mean pull.
    """
    weights, without = np.empty((runs, setting.d)), np.empty((runs, setting.d))
    response, pulls, leverages, members, others = 0.0, [], [], [], []
    for r in range(runs):
        rng = np.random.default_rng([seed, 1, r])
        X, y = setting.draw(setting.n, beta, rng)
        fit = setting.trained(X, y)
        weights[r], values = fit.weights[0], X @ fit.weights.T
        w = fit.loss.curvature(y, values)[:, 0, 0]
        inverse = np.linalg.inv((X.T * w) @ X + setting.ridge * np.eye(setting.d))
        h = forms(X, inverse)
        pulls.append(float(np.mean(w * h)))
        leverages.append((h / (1.0 - w * h))[:shown])
        row = inverse @ X[0] / (1.0 - w[0] * h[0])
        without[r] = weights[r] + row * fit.loss.gradient(y, values)[0, 0]
        response += float(np.sum(setting.second_moment * (inverse + np.outer(row, inverse @ X[0]) * w[0])) / runs)
        members.append((X[:shown], y[:shown]))
        others.append(setting.draw(shown, beta, rng))
    mean = without.mean(axis=0)
    C, G = equivalents(setting, response, float(np.sum(setting.second_moment * np.cov(without.T))))
    errors, code, kernels = np.sqrt(np.diag(C)), loss_named(setting.loss).code, backend()
    noise = np.var(np.log(np.concatenate(leverages)) - np.log(forms(np.concatenate([X for X, _ in members]), G)))
    G *= 1.0 - float(noise) * float(np.mean(pulls))
    sides = []
    *alone, share_of = representative(setting, beta, mean, C, seed)
    both = [tuple(np.concatenate(part) for part in zip(*points, strict=True)) for points in (members, others)]
    for X, y in [*both, tuple(alone)]:
        numbers = (X @ mean, np.sqrt(forms(X, C)), forms(X, G), y, code)
        sides.append((X, (*numbers, kernels.proximal_moments(*numbers))))
    for name in names:
        middle, share = centroids(name, weights, mean, errors)
        inverse = np.linalg.inv(C + np.diag((1.0 - share) / share * np.diag(C)))
        read = np.repeat(middle / share, shown, axis=0)
        X, law = sides[2]
        _, c, move, angle = read_out(X, C, G, inverse, law, None)
        tv, inside, outside = kernels.exposure_integrals(
            *law, c[:, None], move[:, None], share_of, np.zeros(share_of.size, dtype=int), 1
        )
        known = figures(share_of @ tv / share_of.sum(), inside[0] * 1.0, outside[0] * 1.0)[0][:2]
        scores = []
        for X, law in sides[:2]:
            vectors, c, move, _ = read_out(X, C, G, inverse, law, angle)
            scores.append(kernels.read_out_ratios(np.einsum("ij,ij->i", vectors, read), *law, c, move))
        yield name, [part.reshape(runs, shown) for part in scores], known


def attacked(
    setting: Setting, beta: np.ndarray, runs: int, seed: int, names: Releases = QUANTIZERS
) -> dict[str | WeightQuantizer, dict[str, float]]:
    """Return, for each quantizer, what the attack achieves and what S16 says with the law known."""
    found = {}
    for name, scores, (delta, known) in played(setting, beta, runs, seed, names):
        value, error = area(*scores)
        found[name] = {
            "attack": value, "attack_error": error, "known": known, "delta_known": delta,
            "delta_attack": float(np.mean(scores[0] > 0.0) - np.mean(scores[1] > 0.0)),
        }  # fmt: skip
    return found


def orders(results: list[LeakageResult], known: list[dict[str, dict[str, float]]]) -> dict[str, float]:
    """Return shares of pairs told apart and of data sets with a false order, and how pairs of unlike areas are ordered.

    Unlike are areas more than ``APART`` apart; told apart is what one fit says with confidence.

    A copy of the sign with a scale is among the quantizers: to tell the two apart is wrong in either order.
    """
    told, wrong, apart, right = [], [], 0, 0
    for result, law in zip(results, known, strict=True):
        ranking = result.ranking()
        truth = np.array([law["sign" if name == COPY else name]["delta_known"] for name in ranking.names])
        below = ranking.significantly_below()  # a row leaks more than the column
        told.append(np.sum(below) / (len(truth) * (len(truth) - 1) / 2 - 1))
        wrong.append(np.any(below & (truth[:, None] <= truth[None, :])))
        areas = np.array([law[name]["known"] for name in QUANTIZERS])
        said = np.array([result.auc[result.names.index(name)] for name in QUANTIZERS])
        above = areas[:, None] - areas[None, :] > APART
        apart += int(above.sum())
        right += int(np.sum(above & (said[:, None] > said[None, :])))
    return {
        "told_apart": float(np.mean(told)), "false_orders": float(np.mean(wrong)),
        "pairs_apart": float(apart), "rightly_ordered": right / max(apart, 1),
    }  # fmt: skip


def compared(setting: Setting, laws: int, data_sets: int, runs: int, seed: int) -> Iterator[list[dict]]:
    """Yield, after each law, a row per quantizer: the attack, the known law and what single fits say so far."""
    results: list[LeakageResult] = []
    each, known = [], []
    for number in range(laws):
        beta = setting.weights(np.random.default_rng([seed, 0, number]))
        each.append(attacked(setting, beta, runs, 1000 * seed + number))
        for k in range(data_sets):
            X, y = setting.draw(setting.n, beta, np.random.default_rng([seed, 2, number, k]))
            fit = fit_from(X, y, setting.trained(X, y).weights[0], setting.loss, setting.ridge)
            results.append(leakage(fit, [*QUANTIZERS[:-1], COPY]))
            known.append(each[-1])
        yield summarised(results, each, known)


def summarised(results: list[LeakageResult], each: list[dict], known: list[dict]) -> list[dict]:
    """Return a row per quantizer, from results, what was found of each law, and that of the law of each result."""
    common = orders(results, known) | {"laws": len(each), "data_sets": len(results)}
    rows = []
    for name in QUANTIZERS:
        q = results[0].names.index(name)
        row = {"quantizer": name, "retained": np.mean([r.retained[q] for r in results]), **common}
        row |= {key: np.mean([one[name][key] for one in each]) for key in each[0][name]}
        row["attack_error"] = np.sqrt(np.sum([one[name]["attack_error"] ** 2 for one in each])) / len(each)
        for figure, prefix in (("auc", ""), ("delta", "delta_")):
            values = np.array([(r.auc if figure == "auc" else r.delta)[q] for r in results])
            ends = np.array([r.conf_int(figure=figure)[q] for r in results])
            truth = np.array([one[name][f"{prefix}known"] for one in known])
            row |= {
                f"{prefix}predicted": values.mean(),
                f"{prefix}spread": (values - truth).std(ddof=1),
                f"{prefix}stated": np.mean([r.std_errors(figure)[q] for r in results]),
                f"{prefix}coverage": np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1])),
            }
        row["in_domain"] = np.mean([r.in_domain[q] for r in results])
        rows.append(row)
    return rows


def page(rows: list[dict[str, str]], command: str) -> str:
    """Return the page of the table."""
    text = [
        "# Leak of penalised fits: predicted and achieved",
        "",
        "AUCs ({ref}`S15 to S17 <S15>`). *attack*: of the attack that knows means and second",
        "moments of the weights over training sets, with its standard error; *law known*: S16 with the same knowledge;",
        "*one fit*: mean of `leakage` over independent data sets. *off*: standard deviation of one fit less the law",
        "known; *stated*: the mean standard error that it says it has; *holds*: how often its 95 % interval holds *law",
        "known*. The last columns are the same for Δ.",
        "",
        f"Command: `{command}`, with `--settings` of those shown. Quantizers act on the weights with scales that are",
        "released too. A setting has several laws of the data, each with its own true weights and equally many data",
        "sets, together as many as the first column says. *Law known* has a Monte Carlo error of its own, of about",
        "0.0003 without quantization.",
        "",
        "| setting (data sets) | quantizer | ρ | attack | law known | one fit | off | stated | holds "
        "| Δ known | Δ one fit | off | stated | holds |",
        "|" + "---|" * 14,
    ]
    for row in rows:
        n = {key: float(value) for key, value in row.items() if key not in ("setting", "quantizer")}
        known = f"{n['attack']:.4f} ({n['attack_error']:.4f}) | {n['known']:.4f}"
        cells = [f"{row['setting']} ({int(n['data_sets'])})", row["quantizer"], f"{n['retained']:.2f}", known]
        for prefix in ("", "delta_"):
            if prefix:
                cells.append(f"{n['delta_known']:.4f}")
            cells += [f"{n[prefix + key]:.4f}" for key in ("predicted", "spread", "stated")]
            cells.append(f"{100 * n[prefix + 'coverage']:.0f} %")
        text.append("| " + " | ".join(cells) + " |")
    gaps = np.array([float(r["predicted"]) - float(r["attack"]) for r in rows])
    errors = np.array([float(r["attack_error"]) for r in rows])
    text += [
        "",
        f"Over the {len(rows)} rows one fit differs from the attack by {np.mean(gaps):+.4f} on average, by at most "
        f"{np.max(np.abs(gaps)):.4f}, with standard errors of the attack up to {errors.max():.4f}.",
        "",
    ]
    held = {
        figure: {
            setting: np.array([float(r[f"{prefix}coverage"]) for r in rows if r["setting"] == setting])
            for setting in dict.fromkeys(r["setting"] for r in rows)
        }
        for figure, prefix in (("AUCs", ""), ("Δ", "delta_"))
    }
    for figure, of in held.items():
        each, means = np.concatenate(list(of.values())), np.array([some.mean() for some in of.values()])
        within, settings = (int(np.sum((some >= 0.93) & (some <= 0.97))) for some in (each, means))
        text.append(
            f"Intervals of {figure} hold in {100 * each.mean():.1f} % of data sets on average, in "
            f"{100 * each.min():.0f} to {100 * each.max():.0f} %, in 93 to 97 % for {within} of {len(rows)} rows, "
            f"and on average over quantizers for {settings} of {len(means)} settings."
        )
    text += [
        "",
        "## By setting",
        "",
        "How often intervals hold, on average over quantizers.",
        f"Of these quantizers and {COPY}, which leaks what the sign leaks: pairs that one fit tells apart, together",
        "at 95 %, and data sets in which any of them is in the wrong order of *Δ known*, or the copy is told from the",
        f"sign. Last, of pairs whose known AUCs differ by more than {APART:g}, those that one fit orders rightly.",
        "",
        "| setting | intervals of AUCs hold | of Δ | pairs told apart | data sets with a false order "
        "| pairs rightly ordered |",
        "|---|---|---|---|---|---|",
    ]
    signs = [row for row in rows if row["quantizer"] == "sign"]
    for row in signs:
        parts = [of[row["setting"]].mean() for of in held.values()]
        parts += [float(row[key]) for key in ("told_apart", "false_orders", "rightly_ordered")]
        shares = " | ".join(f"{100 * part:.1f} %" for part in parts)
        text.append(f"| {row['setting']} | {shares} |")
    wrong = np.mean([float(row["false_orders"]) for row in signs])
    apart = sum(float(row["pairs_apart"]) for row in signs)
    right = sum(float(row["pairs_apart"]) * float(row["rightly_ordered"]) for row in signs) / max(apart, 1.0)
    text += [
        "",
        f"A false order in {100 * wrong:.1f} % of all data sets (at most 5 % is promised); of {int(apart)} pairs more "
        f"than {APART:g} apart {100 * right:.2f} % are rightly ordered.",
        "",
    ]
    return "\n".join(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--settings", nargs="*", choices=list(SETTINGS), default=list(SETTINGS))
    parser.add_argument("--laws", type=int, default=8)
    parser.add_argument("--data-sets", type=int, default=25, help="of each law")
    parser.add_argument("--runs", type=int, default=1200, help="of each law")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=FOLDER)
    given = parser.parse_args()
    stored = given.out / "leakage.csv"
    sizes = f"--laws {given.laws} --data-sets {given.data_sets} --runs {given.runs} --seed {given.seed}"
    for name in given.settings:
        for new in compared(SETTINGS[name], given.laws, given.data_sets, given.runs, given.seed):
            rows = read_rows(stored) if stored.exists() else []
            rows = [row for row in rows if row["setting"] != name] + [
                {"setting": name} | {k: v if isinstance(v, str) else f"{v:.6g}" for k, v in row.items()} for row in new
            ]
            rows.sort(key=lambda row: (list(SETTINGS).index(row["setting"]), QUANTIZERS.index(row["quantizer"])))
            write_rows(stored, FIELDS, rows)
            (given.out / "leakage.md").write_text(page(rows, f"python docs/studies/leakage.py {sizes}"))
        print(f"{name}: largest difference {max(abs(r['predicted'] - r['attack']) for r in new):.4f}", file=sys.stderr)


if __name__ == "__main__":
    main()
