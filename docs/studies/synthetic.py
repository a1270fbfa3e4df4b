"""Which quantizer is private in 128 dimensions? Mixtures of Gaussian modes, three heads, all quantizers.

Usage: python docs/studies/synthetic.py [--quick] [--jobs 2] [--page-only]

For each head, number of modes and sample size: the indicator of every quantizer from independent training runs and many
evaluation points, attacks on membership against the same quantizers, what the codes retain of the estimate, and the
price in performance. Everything is written to synthetic.csv; write_synthetic.py makes the page and the figures from
that file. All seeds are fixed.
"""

import argparse
import csv
import os
import time
import warnings
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from scipy.stats import norm
from write_synthetic import write

from qmis_stats import DomainError, DomainWarning
from qmis_stats.audit import audit, from_arrays
from qmis_stats.audit.attacks import Discriminator, LiRA, LossThreshold, play, run_attacks
from qmis_stats.audit.models import MLP, Linear, Logistic
from qmis_stats.quantizers import DEFAULT_QUANTIZERS, ptq_indicator, quantizer

HERE = Path(__file__).resolve().parent
DIMENSION = 128
SEPARATION = 2.5  # distance of each mode from the origin, in standard deviations of a mode
LEVEL = 0.95
ATTACKS = (LiRA("offline"), LossThreshold(), Discriminator())
REFERENCE = "identity"


@dataclass(frozen=True)
class Setting:
    """A head, the number of modes and the size of the training sample."""

    head: str
    modes: int
    n: int

    @property
    def seed(self):
        """A seed of its own."""
        return 1_000_003 * ("linear", "logistic", "mlp").index(self.head) + 1009 * self.modes + self.n

    @property
    def model(self):
        """The head; features are not standardised, so that nothing but weights and intercepts is released."""
        if self.head == "mlp":
            return MLP("binary", (64,), epochs=40, standardise="none")
        return {"linear": Linear, "logistic": Logistic}[self.head](standardise="none")


@dataclass(frozen=True)
class Scale:
    """How much is run."""

    runs: int = 10
    points: int = 40_000
    shadows: int = 100
    calibrations: int = 100
    shown: int = 32
    trainings: int = 300
    members: int = 16
    draws: int = 1000


FULL = tuple(
    Setting(head, modes, n)
    for head, sizes in (("linear", (256, 1024, 4096)), ("logistic", (256, 1024, 4096)), ("mlp", (256, 1024)))
    for n in sizes
    for modes in (2, 4, 16)
    if modes == 4 or n < 4096
)
SMALLER = {"points": 10_000, "shadows": 50, "calibrations": 50, "shown": 16, "members": 8}  # perceptrons are slow
QUICK_SCALE = Scale(runs=3, points=1000, shadows=30, calibrations=30, shown=16, trainings=40, members=8, draws=300)
QUICK = (Setting("logistic", 4, 256),)


def full_scale(setting):
    """Return how much is run of a setting."""
    return Scale(**SMALLER) if setting.head == "mlp" else Scale()


def law(setting):
    """Return a sampler of points: features from k modes; their parity, or a linear function of them with noise."""
    rng = np.random.default_rng([setting.modes, 128])
    modes = rng.normal(size=(setting.modes, DIMENSION))
    modes *= SEPARATION / np.linalg.norm(modes, axis=1, keepdims=True)
    slope = rng.normal(size=DIMENSION) / np.sqrt(DIMENSION)

    def sampler(rng, count):
        mode = rng.integers(setting.modes, size=count)
        X = modes[mode] + rng.normal(size=(count, DIMENSION))
        if setting.head == "linear":
            return X, X @ slope + rng.normal(size=count)
        return X, (mode % 2).astype(np.float64)

    return sampler


def indicators(setting, scale, chosen):
    """Return the audit on disjoint training samples and fresh evaluation points."""
    size = scale.runs * setting.n
    X, y = law(setting)(np.random.default_rng([setting.seed, 1]), size + scale.points)
    name = f"{setting.modes} modes in {DIMENSION} dimensions"
    data = from_arrays(X, y, name=name, task="regression" if setting.head == "linear" else "binary")
    held = np.arange(size, size + scale.points)
    return audit(
        data,
        setting.model,
        chosen,
        runs=scale.runs,
        n=setting.n,
        evaluation=held,
        subsets="disjoint",
        draws=scale.draws,
        seed=setting.seed,
    )


def codes_retain(weights, chosen):
    """Return what the codes retain of the weights over training runs, and how many codes change between two of them.

    The share of a coordinate's variance over training runs that its code explains is the retained information of S7;
    its unbiased form (ω²) is used, and the mean over coordinates.
    """
    codes = np.array([chosen.codes(w).ravel() for w in weights])
    values = weights.reshape(len(weights), -1)
    T, d = values.shape
    total = values.var(axis=0) * T
    within, groups, same = np.zeros(d), np.zeros(d), np.zeros(d)
    for code in np.unique(codes):
        member = codes == code
        count = member.sum(axis=0)
        mean = np.where(member, values, 0.0).sum(axis=0) / np.maximum(count, 1)
        within += np.where(member, (values - mean) ** 2, 0.0).sum(axis=0)
        groups += count > 0
        same += count * (count - 1.0) / (T * (T - 1.0))
    error = within / np.maximum(T - groups, 1.0)
    omega = np.clip((total - within - (groups - 1.0) * error) / (total + error), 0.0, 1.0)
    return float(omega.mean()), float(1.0 - same.mean())


def predicted_area(residuals, ratio):
    """Return the AUC of the best attack by S8: the effect of a point is proportional to its residual."""
    relative = np.abs(residuals) / np.sqrt(np.mean(residuals**2))
    nodes = np.quantile(relative, (np.arange(200) + 0.5) / 200.0)
    mu = nodes * np.sqrt(ratio)
    grid = np.linspace(-12.0, 12.0, 4001)
    scale = np.maximum(mu[:, None], 1e-9)
    # The log likelihood ratio of a point is N(±mu²/2, mu²); the area compares a member with another non-member.
    members = norm.cdf((grid - 0.5 * mu[:, None] ** 2) / scale).mean(axis=0)
    non_members = norm.cdf((grid + 0.5 * mu[:, None] ** 2) / scale).mean(axis=0)
    return float(np.trapezoid(1.0 - members, non_members))


def attacked(setting, scale, chosen):
    """Return for each quantizer the attacks' report on the same training runs, and what its codes retain."""
    game = play(
        law(setting),
        setting.model,
        None,
        setting.n,
        trainings=scale.trainings,
        shadows=scale.shadows,
        calibrations=scale.calibrations,
        members=scale.members,
        shown=scale.shown,
        seed=setting.seed,
    )
    every = [w for part in (game.known.shadow, game.calibration, game.target) for w in part.shown.weights]
    reports = {REFERENCE: run_attacks(game, ATTACKS)}
    reports |= {q.name: run_attacks(game.quantized(q), ATTACKS) for q in chosen}
    return reports, {} if setting.head == "mlp" else explained(setting, scale, chosen, every)


def explained(setting, scale, chosen, every):
    """Return what theory says of each quantizer of a linear head, from the weights of all training runs.

    The units of a perceptron are exchangeable, so that its weights have no common place over trainings: nothing is said
    of them.
    """
    weights = np.array([w[0] for w in every])
    average = tuple(np.mean(arrays, axis=0) for arrays in zip(*every, strict=True))
    X, y = law(setting)(np.random.default_rng([setting.seed, 2]), scale.points)
    residuals = y - setting.model.predict(average, X)
    variances = setting.n * np.var(weights, axis=0).ravel()
    found = {REFERENCE: {"retained": 1.0}}
    for q in chosen:
        retained, flips = codes_retain(weights, q)
        found[q.name] = {"retained": retained, "flips": flips, "analytic": _analytic(q, average[0], variances)}
    for row in found.values():
        row["predicted_auc"] = predicted_area(residuals, variances.size * row["retained"] / setting.n)
    return found


def _analytic(chosen, weights, variances):
    try:
        return ptq_indicator(chosen, weights, variances).indicator
    except DomainError:
        return ""  # faces that are not known


def measured(setting, scale):
    """Return the rows of one setting, one per quantizer."""
    begin = time.perf_counter()
    chosen = [quantizer(name) for name in DEFAULT_QUANTIZERS if name != REFERENCE]
    warnings.simplefilter("ignore", DomainWarning)
    result = indicators(setting, scale, chosen)
    privacy = time.perf_counter() - begin
    reports, theory = attacked(setting, scale, chosen)
    frame, runs = result.to_frame(LEVEL), result.over_runs.to_frame(LEVEL)
    rows = []
    for name, row in frame.iterrows():
        ranked = name != REFERENCE and name not in result.single
        entry = {
            "head": setting.head,
            "modes": setting.modes,
            "n": setting.n,
            "quantizer": name,
            "bits": row["bits"],
            "indicator": row["estimate"] if ranked else "",
            "indicator_low": row["low"] if ranked else "",
            "indicator_high": row["high"] if ranked else "",
            "rank": row["rank"] if ranked else "",
            "rank_low": row["rank_low"] if ranked else "",
            "rank_high": row["rank_high"] if ranked else "",
            "codewords": row["seen"],
            **run_columns(runs, name),
            **dict.fromkeys(("analytic", "retained", "flips", "predicted_auc"), ""),
            **theory.get(name, {}),
            "metric": result.metric,
            "score": row[result.metric],
            "score_low": row[f"{result.metric}_low"],
            "score_high": row[f"{result.metric}_high"],
            "price": row[f"{result.metric}_price"],
            "price_low": row[f"{result.metric}_price_low"],
            "price_high": row[f"{result.metric}_price_high"],
        }
        report = reports[name]
        for place, (key, found) in enumerate(zip(("lira", "loss", "learned"), report.results, strict=True)):
            low, high = found.auc_interval()
            strict = found.rates[1]
            entry |= {
                f"{key}_auc": found.auc,
                f"{key}_auc_low": low,
                f"{key}_auc_high": high,
                f"{key}_tpr_0.01": strict.tpr[0],
                f"{key}_tpr_0.01_low": strict.tpr[1],
                f"{key}_tpr_0.01_high": strict.tpr[2],
                f"{key}_control_auc": report.controls[place].auc,
            }
        entry |= contrasts(reports, name)
        entry |= {"seconds_audit": round(privacy, 1), "seconds": round(time.perf_counter() - begin, 1)}
        rows.append(entry)
    return rows


def run_columns(runs, name):
    """Return the mean of one run's indicator over runs, with its interval and rank set."""
    keys = ("rank", "rank_low", "rank_high", "indicator", "low", "high")
    names = ("run_rank", "run_rank_low", "run_rank_high", "run_indicator", "run_indicator_low", "run_indicator_high")
    if name not in runs.index:
        return dict.fromkeys(names, "")
    return {new: runs.loc[name, key] for new, key in zip(names, keys, strict=True)}


def contrasts(reports, name):
    """Return differences of AUCs of the learned attack from named quantizers, with errors on the same points."""
    found = {}
    for other in ("sparse-90", "sparse-33", "uniform-8"):
        difference, error = (0.0, 0.0) if other == name else reports[name].results[2].versus(reports[other].results[2])
        found |= {f"learned_minus_{other}": difference, f"learned_minus_{other}_se": error}
    return found


def _one(task):
    setting, scale = task
    rows = measured(setting, scale)
    print(f"{setting}: {rows[-1]['seconds']} s", flush=True)
    return rows


def main():
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one small setting, to see that everything works")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--page-only", action="store_true", help="make page and figures from the CSV file")
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    path = options.out / "synthetic.csv"
    if not options.page_only:
        settings = QUICK if options.quick else FULL
        # The longest first.
        order = sorted(settings, key=lambda s: -(s.n * (8 if s.head == "mlp" else 1)))
        tasks = [(s, QUICK_SCALE if options.quick else full_scale(s)) for s in order]
        with get_context("spawn").Pool(options.jobs) as pool:
            found = dict(zip(order, pool.map(_one, tasks, chunksize=1), strict=True))
        rows = [row for setting in settings for row in found[setting]]
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(
                {k: float(f"{v:.8g}") if isinstance(v, float) else v for k, v in row.items()} for row in rows
            )
    write(path)


if __name__ == "__main__":
    main()
