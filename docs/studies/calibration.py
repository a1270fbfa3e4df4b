"""What quantizers that see data leak: of the rows that calibrate them, and of training points (S19).

    python docs/studies/calibration.py [--seed 1] [--data FOLDER] [--page-only]

writes ``docs/studies/calibration.csv`` and ``docs/studies/calibration.md``, in five minutes on one core. With the
folder of the molecular sets (by default ``../shared/data/tdc``, where it is there) Caco-2 is one of the settings;
without it its rows stay as they are. ``--page-only`` makes the page of the CSV file that is there.

Attackers know the law of the rows, or the pool they are from, and draw calibration sets of their own, with and without
the row in question. With the float weights they also have the error e of every weight, and what rounding left of column
j is δ_j = U_jj (U⁻ᵀe)_j with H⁻¹ = UᵀU: of each such set they get a law of δ and of the error of the row's output.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import ndtr
from study_page import interval, render
from study_rows import grouped, read_rows, write_rows

from qmis_stats.audit.attacks import ReadOut, play, run_attacks
from qmis_stats.audit.data import from_arrays
from qmis_stats.audit.models.linear import Linear
from qmis_stats.leak.calibration import calibration_leak
from qmis_stats.quantizers import quantizer

FOLDER = Path(__file__).parent
DATA = FOLDER.parents[1].parent / "shared" / "data" / "tdc"
ROWS = (32, 128, 512)
GPTQ, OTHERS = "gptq-4:g32", ("adaround-4:g32", "awq-4:g32")
SHADOWS, SHOWN, PUBLIC = 40, 8, 4000
ROUNDED, TRAININGS, MEMBERS = "3:g32", 600, 16
FIELDS = ("setting", "quantizer", "rows", "attack", "area", "error")
ERRORS, CODES, BOTH, PRIOR, SCALES, THEORY = (
    "errors of the output", "codes", "both", "no float weights", "scales of columns", "theory of errors",
)  # fmt: skip

READ_OUT, DIFFERENCE = "read-out of training points", "difference from rounding"
COLUMNS = {
    "`gptq`: errors": (GPTQ, ERRORS),
    "theory of errors": (GPTQ, THEORY),
    "codes": (GPTQ, CODES),
    "errors and codes": (GPTQ, BOTH),
    "without float weights": (GPTQ, PRIOR),
    "`adaround`: errors": (OTHERS[0], ERRORS),
    "`awq`: errors": (OTHERS[1], ERRORS),
    "`awq`: scales": (OTHERS[1], SCALES),
}


@dataclass
class Setting:
    """Float weights and rows of a layer; a pool is a table of rows, a law draws them."""

    title: str
    targets: int
    weights: Callable[[np.random.Generator], np.ndarray]
    pool: np.ndarray | None = None
    law: np.ndarray | None = None

    def sets(self, rng: np.random.Generator, rows: int, more: int) -> tuple[np.ndarray, np.ndarray]:
        """Return rows that calibrate and others, with their numbers in the pool in front; -1 where there is none."""
        if self.pool is None:
            X = rng.normal(size=(rows + more, len(self.law))) @ self.law.T
            numbered = np.column_stack([np.full(rows + more, -1.0), X])
        else:
            chosen = rng.permutation(len(self.pool))[: rows + more]
            numbered = np.column_stack([chosen, self.pool[chosen]])
        return numbered[:rows], numbered[rows:]


def settings(data: Path) -> list[Setting]:
    d = 64
    law = np.linalg.cholesky(0.5 ** np.abs(np.subtract.outer(np.arange(d), np.arange(d))))
    found = [
        Setting(f"normal rows, 64 features, {k} output{'s' if k > 1 else ''}", 100,
                lambda rng, k=k: rng.normal(size=(k, d)), law=law)
        for k in (1, 10)
    ]  # fmt: skip
    if (data / "caco2_wang.tab").is_file():
        from sklearn.linear_model import Ridge

        X, y = molecules_of(data)
        X = X - X.mean(axis=0)
        head = Ridge(alpha=30.0).fit(X, y).coef_[None]
        found.append(Setting("Caco-2, 64 fingerprint bits, ridge head", 40, lambda _: head, pool=X))
    return found


class Shadows:
    """Calibration sets of the attacker."""

    def __init__(self, setting: Setting, rows: int, rng: np.random.Generator) -> None:
        drawn = [setting.sets(rng, rows, 1) for _ in range(SHADOWS)]
        self.rows, self.numbers = rows, np.array([inside[:, 0] for inside, _ in drawn])
        self.sums = np.array([inside[:, 1:].T @ inside[:, 1:] for inside, _ in drawn])
        self.last, self.spare = (_squares([side[k, 1:] for side in sides]) for k, sides in
                                 ((-1, [one for one, _ in drawn]), (0, [other for _, other in drawn])))  # fmt: skip
        self.plain = Laws(self.sums, rows)

    def without(self, row: np.ndarray) -> Laws:
        """Return what follows from sets without a row, whose number in the pool comes first."""
        has = (row[0] >= 0.0) & np.any(self.numbers == row[0], axis=1)[:, None, None]
        if not has.any():
            return self.plain
        return Laws(self.sums + has * (self.spare - np.outer(row[1:], row[1:])), self.rows)

    def within(self, row: np.ndarray) -> Laws:
        """Return what follows from sets with it."""
        has = (row[0] >= 0.0) & np.any(self.numbers == row[0], axis=1)[:, None, None]
        return Laws(self.sums + ~has * (np.outer(row[1:], row[1:]) - self.last), self.rows)


def _squares(rows: list[np.ndarray]) -> np.ndarray:
    return np.array([np.outer(row, row) for row in rows])


class Laws:
    """What the attacker knows of GPTQ calibrated on one of some sets, by XᵀX of each."""

    def __init__(self, sums: np.ndarray, rows: int) -> None:
        d = sums.shape[-1]
        damped = sums + 0.01 * np.trace(sums, axis1=1, axis2=2)[:, None, None] / d * np.eye(d)
        R = np.linalg.cholesky(damped[:, ::-1, ::-1])[:, ::-1, ::-1]  # H = RRᵀ, R upper
        self.kept = R / np.diagonal(R, axis1=1, axis2=2)[:, None, :]
        self.spread = np.linalg.inv(self.kept)

    def codes(self, error: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
        """Return the log-likelihood that all that rounding left lies where the codes say."""
        left = self.kept.transpose(0, 2, 1) @ error.T
        mean, sd = left.mean(axis=0).T, left.std(axis=0, ddof=1).T + 1e-9
        return float(np.log(np.maximum(ndtr((high - mean) / sd) - ndtr((low - mean) / sd), 1e-12)).sum())

    def output(self, error: np.ndarray, x: np.ndarray, step: np.ndarray) -> float:
        """Return the log-likelihood of the errors of the outputs of a row."""
        residual = self.spread @ x
        variance = np.mean(residual**2, axis=0) @ (step**2 / 12.0).T
        return float(-0.5 * np.sum((error @ x) ** 2 / variance + np.log(variance)))

    def released(self, values: np.ndarray, size: float) -> float:
        """Return the log-likelihood of released weights, rounding errors of a size added to float weights unknown."""
        covariance = size * np.mean(self.spread.transpose(0, 2, 1) @ self.spread, axis=0)
        rest = float(np.mean(values**2)) - float(np.mean(np.diag(covariance)))
        covariance += max(rest, 1e-3 * float(np.mean(values**2))) * np.eye(len(covariance))
        fit = np.sum(values * np.linalg.solve(covariance, values.T).T)
        return float(-0.5 * (len(values) * np.linalg.slogdet(covariance)[1] + fit))


def by_scales(scales: np.ndarray, rows: int, points: np.ndarray, public: np.ndarray) -> np.ndarray:
    """Return the likelihood ratio of mean magnitudes that AWQ's scales are powers of; the power is found too."""
    if np.ptp(scales) == 0.0:
        return np.zeros(len(points))
    size = np.abs(public)
    mean = np.maximum(size.mean(axis=0), 1e-12)
    moment = np.cov(size.T) / rows + 1e-9 * np.eye(mean.size)
    log_error = moment / np.outer(mean, mean)
    inverse, centre = np.linalg.inv(log_error + 100.0), np.log(mean)  # their common factor is not released
    found, best = np.zeros(mean.size), -np.inf
    for power in np.linspace(0.05, 1.0, 20):
        away = np.log(scales) / power - centre
        likely = -0.5 * away @ inverse @ away - mean.size * np.log(power)
        if likely > best:
            found, best = away, likely
    moved = (np.abs(points) / mean - 1.0) / rows
    return moved @ inverse @ found - 0.5 * np.sum((moved @ inverse) * moved, axis=1)


def area(members: np.ndarray, non_members: np.ndarray) -> float:
    ahead = members[:, None] - non_members[None]
    return float(np.mean(ahead > 0.0) + 0.5 * np.mean(ahead == 0.0))


def attacked(setting: Setting, place: int, rows: int, seed: int) -> list[dict]:
    """Return mean areas over independent calibrations."""
    rng = np.random.default_rng([seed, place, rows])
    shadows = Shadows(setting, rows, rng)
    public = np.concatenate([setting.sets(rng, rows, 0)[0][:, 1:] for _ in range(-(-PUBLIC // rows))])
    moment = public.T @ public / len(public)
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for _ in range(setting.targets):
        weights = setting.weights(rng)
        inside, outside = setting.sets(rng, rows, SHOWN)
        shown = np.concatenate([inside[:SHOWN], outside])
        points = shown[:, 1:]
        made = quantizer(GPTQ).calibrate(weights, inside[:, 1:])
        codes, values = made.encode(weights)
        error = weights - values
        grid = quantizer(GPTQ)._grid(weights)
        step, top = grid.largest / grid.top, grid.top
        low = np.where(codes == -top, -np.inf, -0.5) * step
        high = np.where(codes == top, np.inf, 0.5) * step
        ratio = np.empty((len(shown), 3))
        for k, row in enumerate(shown):
            into, out = (
                np.array([law.codes(error, low, high), law.output(error, row[1:], step),
                          law.released(values, float(np.mean(step**2)) / 12.0)])
                for law in (shadows.within(row), shadows.without(row))
            )  # fmt: skip
            ratio[k] = into - out
        scores = {CODES: ratio[:, 0], ERRORS: ratio[:, 1], BOTH: ratio[:, 0] + ratio[:, 1], PRIOR: ratio[:, 2]}
        for name, score in scores.items():
            found[GPTQ, name].append(area(score[:SHOWN], score[SHOWN:]))
        found[GPTQ, THEORY].append(calibration_leak(quantizer(GPTQ), weights, inside[:, 1:]).auc)
        for other in OTHERS:
            made = quantizer(other).calibrate(weights, inside[:, 1:])
            error = weights - made.quantize(weights)
            outputs = points @ error.T
            fit = np.linalg.solve(error @ moment @ error.T, outputs.T).T
            score = -np.sum(outputs * fit, axis=1)
            found[other, ERRORS].append(area(score[:SHOWN], score[SHOWN:]))
            if other.startswith("awq"):
                score = by_scales(made.learned, rows, points, public)
                found[other, SCALES].append(area(score[:SHOWN], score[SHOWN:]))
    return [
        {"setting": setting.title, "quantizer": name, "rows": rows, "attack": attack, "area": np.mean(areas),
         "error": np.std(areas, ddof=1) / np.sqrt(len(areas))}
        for (name, attack), areas in found.items()
    ]  # fmt: skip


def trained(title: str, X: np.ndarray, y: np.ndarray, alpha: float, seed: int) -> list[dict]:
    """Return AUCs of the read-out attack on training points, and differences from rounding to nearest, paired."""
    data = from_arrays(X, y, name=title)
    areas: dict[str, np.ndarray] = {}
    for whose in ("training", "held-out"):
        game = play(
            data, Linear(alpha=alpha), None, data.rows // 2, trainings=TRAININGS, shadows=96, calibrations=4,
            members=MEMBERS, calibrate=whose, seed=seed,
        )  # fmt: skip
        for method in ("uniform", "gptq", "adaround", "awq"):
            if method == "uniform" and whose != "training":
                continue
            [result] = run_attacks(game.quantized(quantizer(f"{method}-{ROUNDED}")), [ReadOut()], control=None).results
            name = f"{method}-{ROUNDED}" + (f", {whose}" if method != "uniform" else "")
            each = zip(result.scores, result.member, strict=True)
            areas[name] = np.array([area(score[member], score[~member]) for score, member in each])
    plain = areas[f"uniform-{ROUNDED}"]
    found = []
    for name, one in areas.items():
        for attack, values in ((READ_OUT, one), (DIFFERENCE, one - plain)):
            found.append({"setting": title, "quantizer": name, "rows": 128, "attack": attack, "area": np.mean(values),
                          "error": np.std(values, ddof=1) / np.sqrt(len(values))})  # fmt: skip
    return found


def training_sets(data: Path, seed: int) -> list[tuple]:
    rng = np.random.default_rng([seed, 9])
    law = np.linalg.cholesky(0.5 ** np.abs(np.subtract.outer(np.arange(64), np.arange(64))))
    X = rng.normal(size=(600, 64)) @ law.T
    found = [
        ("ridge on 300 of 600 normal rows, 64 features", X, X @ rng.normal(size=64) / 4.0 + rng.normal(size=600), 1.0)
    ]
    if (data / "caco2_wang.tab").is_file():
        X, y = molecules_of(data)
        found.append(("ridge on half of Caco-2, 64 fingerprint bits", X, y, 30.0))
    return found


def molecules_of(data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the 64 bits that vary most, and the target."""
    from qmis_stats.audit.tables import load_table

    molecules = load_table(data / "caco2_wang.tab", "Y", smiles="Drug")
    return molecules.X[:, np.argsort(-molecules.X.var(axis=0), kind="stable")[:64]], molecules.y


def trained_rows(rows: list[dict[str, str]]) -> list[dict[str, object]]:
    """Return the AUCs of the releases of a training set, and how much more they are than those of rounding."""
    found = []
    for name, both in grouped(rows, "quantizer").items():
        by = {row["attack"]: row for row in both}
        stem, comma, whose = name.partition(",")
        more = with_interval(by[DIFFERENCE], -1.0, "+.4f")
        found.append({"stem": stem, "whose": comma + whose, "area": with_interval(by[READ_OUT]), "more": more})
    return found


def with_interval(row: dict[str, str], least: float = 0.0, form: str = ".3f") -> str:
    """Return an area, or a difference of two, with its 95 % interval."""
    middle, reach = float(row["area"]), 1.96 * float(row["error"])
    return interval(middle, max(middle - reach, least), min(middle + reach, 1.0), form)


def page(folder: Path) -> str:
    """Return the page of the CSV file in a folder."""
    rows = read_rows(folder / "calibration.csv")
    by = {(row["setting"], row["quantizer"], row["rows"], row["attack"]): row for row in rows}
    calibrated = dict.fromkeys(row["setting"] for row in rows if row["attack"] == THEORY)
    trained = dict.fromkeys(row["setting"] for row in rows if row["attack"] == READ_OUT)
    for title in calibrated:
        calibrated[title] = [
            (count, [with_interval(by[title, name, str(count), attack]) for name, attack in COLUMNS.values()])
            for count in ROWS
        ]
    for title in trained:
        trained[title] = trained_rows([row for row in rows if row["setting"] == title])
    return render("calibration", calibrated=calibrated, trained=trained, columns=list(COLUMNS), trainings=TRAININGS)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--page-only", action="store_true", help="the page of the CSV file that is there")
    chosen = parser.parse_args()
    if not chosen.page_only:
        computed(chosen.data, chosen.seed)
    (FOLDER / "calibration.md").write_text(page(FOLDER), encoding="utf-8")


def computed(data: Path, seed: int) -> None:
    """Compute all settings and write the table; rows of settings that are not there stay."""
    rows = []
    for place, setting in enumerate(settings(data)):
        for count in ROWS:
            rows += attacked(setting, place, count, seed)
            print(setting.title, count, file=sys.stderr)
    for given in training_sets(data, seed):
        rows += trained(*given, seed)
        print(given[0], file=sys.stderr)
    written = [{key: value if isinstance(value, str) else f"{value:.6g}" for key, value in row.items()} for row in rows]
    table = FOLDER / "calibration.csv"
    if table.exists():
        new = {row["setting"] for row in written}
        written += [row for row in read_rows(table) if row["setting"] not in new]
    write_rows(table, FIELDS, written)


if __name__ == "__main__":
    main()
