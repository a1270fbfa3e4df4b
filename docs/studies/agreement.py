"""Three routes to one number: losses, faces with a covariance, and exact exponents, where all three are known.

Usage: python docs/studies/agreement.py [--samples 400] [--points 2000] [--processes 2] [--out docs/studies]

Writes agreement.csv and agreement.md. For a Gaussian mean and for linear regression: the indicator from losses of
codewords with the coverage of its interval, the analytic indicator from estimate and covariance, the Chernoff exponent,
and the slope of −log Δ_n. About two minutes on two cores. All seeds are fixed.
"""

import argparse
import math
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from scipy.stats import t as student
from statsmodels.regression.linear_model import RegressionResults
from study_page import render
from study_rows import grouped, read_rows, write_rows

from qmis_stats import (
    CodebookERM,
    FixedThresholds,
    GaussianMean,
    LinearRegression,
    Problem,
    Sign,
    ThresholdPTQ,
    Uniform,
    mis,
)
from qmis_stats.errors import DomainError
from qmis_stats.inference.indicator import indicator
from qmis_stats.inference.rates import fit_exponent, slope_interval
from qmis_stats.inference.shares import clopper_pearson
from qmis_stats.quantizers import ptq_indicator, quantizer
from qmis_stats.simulate import tilted_series

SIZES = (100, 150, 220, 330, 500)
LEVEL = 0.95

Analytic = Callable[[np.ndarray, np.ndarray], float]
"""From an estimate and the covariance of one observation's influence to an indicator."""


@dataclass(frozen=True)
class Setting:
    """A law, the codewords whose losses are seen, and the procedure that releases one of them.

    Attributes
    ----------
    name : str
        What is quantized, and how.
    law : GaussianMean or LinearRegression
        With squared loss.
    codebook : (K, d) array
        The codewords.
    analytic : callable
        The analytic indicator.
    relation : {"equal", "line", "below", "apart"}
        What the theory says of the indicator r from losses, the analytic one a and the exponent I of the procedure:
        all equal; r = a/(1 + 4a) and I = ½ log(1 + 2a); r at most that, and I = ½ log((1 − 2r)/(1 − 4r)); or r speaks
        of another procedure than the one that is run.
    procedure : Problem or None
        What is run; ``None`` for least squares with thresholds, whose estimates have Student's law.
    exponent : float
        Its exact exponent.
    """

    name: str
    law: GaussianMean | LinearRegression
    codebook: np.ndarray
    analytic: Analytic
    relation: str
    procedure: Problem | None
    exponent: float

    @property
    def erm(self) -> Problem:
        """Return empirical risk minimisation over the codewords: what their losses are about."""
        return Problem(self.law, CodebookERM(self.codebook))

    @property
    def rate(self) -> float:
        """Return the limit of the indicator from losses."""
        return self.erm.indicator

    @property
    def analytic_rate(self) -> float:
        """Return the analytic indicator at the true parameter."""
        return self.analytic(self.law.parameter, self.law.parameter_covariance)


def draw(setting: Setting, rng: np.random.Generator, points: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return losses (K, N), and the estimate and its sandwich covariance from the same points."""
    law = setting.law
    if isinstance(law, GaussianMean):
        z = rng.multivariate_normal(law.mean, law.covariance, points)
        losses = ((z[None, :, :] - setting.codebook[:, None, :]) ** 2).sum(axis=2)
        return losses, z.mean(axis=0), np.cov(z, rowvar=False, ddof=1).reshape(law.dimension, law.dimension)
    x = rng.multivariate_normal(np.zeros(law.dimension), law.covariance, points)
    y = x @ law.coefficients + law.noise_std * rng.standard_normal(points)
    losses = (y[None, :] - setting.codebook @ x.T) ** 2
    estimate = np.linalg.lstsq(x, y, rcond=None)[0]
    influence = (y - x @ estimate)[:, None] * np.linalg.solve(x.T @ x / points, x.T).T
    return losses, estimate, influence.T @ influence / points


# --- settings --------------------------------------------------------------------------------------------------------


def grid(*levels: float, dimension: int = 1) -> np.ndarray:
    """Return all vectors with these levels."""
    return np.array(list(product(levels, repeat=dimension)))


def weights(name: str) -> Analytic:
    """Return the analytic indicator of a quantizer of weight tensors."""
    return lambda w, v: ptq_indicator(quantizer(name), w, v).indicator


def thresholds(values: np.ndarray) -> Analytic:
    """Return the analytic indicator of thresholds that are the same on every coordinate."""
    edges = np.asarray(values, dtype=np.float64)
    return lambda w, v: float(np.min((w[:, None] - edges[None, :]) ** 2 / (2.0 * np.diag(v)[:, None])))


def bisectors(codebook: np.ndarray, metric: np.ndarray) -> Analytic:
    """Return the analytic indicator of nearest codewords in a metric: linear faces between the best and its rivals."""

    def rate(w: np.ndarray, v: np.ndarray) -> float:
        errors = codebook - w
        best = int(np.argmin(np.einsum("kd,de,ke->k", errors, metric, errors)))
        steps = np.delete(codebook, best, axis=0) - codebook[best]
        normals = steps @ metric
        margins = np.einsum("kd,kd->k", normals, 0.5 * steps + codebook[best] - w)
        return float(np.min(margins**2 / (2.0 * np.einsum("kd,de,ke->k", normals, v, normals))))

    return rate


def ptq(
    name: str, law: GaussianMean, quantized: object, codebook: np.ndarray, analytic: Analytic, relation: str
) -> Setting:
    """Return post-training quantization of a Gaussian mean."""
    problem = Problem(law, ThresholdPTQ(quantized))
    return Setting(name, law, codebook, analytic, relation, problem, problem.exponent)


def erm(name: str, law: GaussianMean | LinearRegression, codebook: np.ndarray, relation: str) -> Setting:
    """Return empirical risk minimisation over a codebook."""
    metric = law.covariance if isinstance(law, LinearRegression) else np.eye(law.dimension)
    problem = Problem(law, CodebookERM(codebook))
    return Setting(name, law, codebook, bisectors(codebook, metric), relation, problem, problem.exponent)


def signs_of_regression(name: str, law: LinearRegression) -> Setting:
    """Return least squares followed by signs: each coordinate of the estimate has Student's law exactly."""
    gap = np.min(law.parameter**2 / np.diag(law.parameter_covariance))
    return Setting(
        name, law, grid(-1.0, 1.0, dimension=law.dimension), weights("sign"), "apart", None, 0.5 * math.log1p(gap)
    )


LINE = GaussianMean([0.3], [[1.0]])
SPACE = GaussianMean([0.4, -0.3, 0.25], [[1.0, 0.4, 0.0], [0.4, 0.8, -0.2], [0.0, -0.2, 1.2]])
SLOPE = LinearRegression([0.45], [[1.3]], 0.9)
ONES = np.eye(3)
TWINS = np.array([[1.0, 0.8, 0.0], [0.8, 1.0, 0.0], [0.0, 0.0, 1.0]])
UNEVEN = np.array([[-0.8], [-0.1], [0.35], [1.4]])
SCATTERED = np.array([[0.5, 0, 0.3], [-0.6, 0.2, 0], [0.9, -0.9, 0.8], [0.1, 0.7, -0.4], [0.2, -0.8, 1.1]])
TWO_BITS = ThresholdPTQ(Uniform(2, 1.0)).at(LINE, 2)[0]
STEP = float(TWO_BITS[2])
LEVELS = (-1.5 * STEP, -0.5 * STEP, 0.5 * STEP, 1.5 * STEP)

SETTINGS = (
    ptq("Gaussian mean, d = 1, sign", LINE, Sign(), grid(-1.0, 1.0), weights("sign"), "equal"),
    ptq(
        "Gaussian mean, d = 1, ternary, threshold ½, levels ±1",
        LINE,
        FixedThresholds((-0.5, 0.5)),
        grid(-1.0, 0.0, 1.0),
        thresholds([-0.5, 0.5]),
        "equal",
    ),
    ptq("Gaussian mean, d = 1, uniform 2 bits", LINE, Uniform(2, 1.0), grid(*LEVELS), thresholds(TWO_BITS), "equal"),
    ptq(
        "Gaussian mean, d = 1, powers of two",
        GaussianMean([0.9], [[0.25]]),
        FixedThresholds((0.375, 0.75, 1.5)),
        grid(0.25, 0.5, 1.0, 2.0),
        weights("log2-4"),
        "equal",
    ),
    erm("Gaussian mean, d = 1, codebook of 4", GaussianMean([0.0], [[1.69]]), UNEVEN, "equal"),
    ptq("Gaussian mean, d = 3, sign", SPACE, Sign(), grid(-1.0, 1.0, dimension=3), weights("sign"), "equal"),
    ptq(
        "Gaussian mean, d = 3, ternary, threshold ½, levels ±1",
        SPACE,
        FixedThresholds((-0.5, 0.5)),
        grid(-1.0, 0.0, 1.0, dimension=3),
        thresholds([-0.5, 0.5]),
        "equal",
    ),
    ptq(
        "Gaussian mean, d = 3, uniform 2 bits",
        SPACE,
        Uniform(2, 1.0),
        grid(*LEVELS, dimension=3),
        thresholds(TWO_BITS),
        "equal",
    ),
    erm("Gaussian mean, d = 3, codebook of 5", SPACE, SCATTERED, "equal"),
    erm("regression, d = 1, two codewords", SLOPE, grid(0.0, 1.0) + 0.1, "line"),
    erm("regression, d = 1, two codewords far apart", SLOPE, np.array([[0.4], [6.0]]), "line"),
    erm("regression, d = 1, codebook of 4", SLOPE, UNEVEN, "line"),
    erm(
        "regression, d = 2, two codewords",
        LinearRegression([1.0, 0.0], [[1.0, 0.3], [0.3, 1.0]], 0.7),
        np.array([[0.8, 0.3], [1.5, -0.4]]),
        "below",
    ),
    erm("regression, d = 3, codebook of 5", LinearRegression([0.4, -0.3, 0.5], ONES, 0.8), SCATTERED, "below"),
    ptq(
        "Gaussian mean, d = 1, ternary, threshold ½, levels ±2",
        LINE,
        FixedThresholds((-0.5, 0.5)),
        grid(-2.0, 0.0, 2.0),
        thresholds([-0.5, 0.5]),
        "apart",
    ),
    ptq(
        "Gaussian mean, d = 1, ternary, threshold ½, levels ±0.7",
        LINE,
        FixedThresholds((-0.5, 0.5)),
        grid(-0.7, 0.0, 0.7),
        thresholds([-0.5, 0.5]),
        "apart",
    ),
    signs_of_regression(
        "least squares, then signs, d = 3, uncorrelated", LinearRegression([0.4, 0.9, -1.1], ONES, 0.8)
    ),
    signs_of_regression(
        "least squares, then signs, d = 3, correlation 0.8", LinearRegression([0.4, 0.9, 1.1], TWINS, 0.8)
    ),
)


# --- measurements ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Samples:
    """What repeated samples say of one setting: one entry per sample."""

    indicators: np.ndarray
    analytic: np.ndarray
    covered: np.ndarray


@dataclass(frozen=True)
class Slope:
    """The slope of −log Δ_n in n; the interval is empty where it is that of exact values."""

    value: float
    fit: RegressionResults
    interval: tuple[float, float] | None


def slope_of(setting: Setting) -> Slope:
    """Return the slope of −log Δ_n, or of −log P(T ≠ home) where that is known from Student's law."""
    if setting.procedure is None:
        gap = math.sqrt(math.expm1(2.0 * setting.exponent))
        freedom = np.array(SIZES) - setting.law.dimension + 1.0
        values = student.logsf(gap * np.sqrt(freedom), freedom)
    else:
        try:
            values = np.array([mis(setting.procedure, n, "exact").log_delta for n in SIZES])
        except DomainError:
            series = tilted_series(setting.procedure, SIZES, replicates=16_000, seed=1)
            fit = fit_exponent(series.n, series.log_delta, covariance=series.covariance, dof=series.dof)
            low, high = slope_interval(fit, LEVEL)
            return Slope(-float(fit.params[1]), fit, (-high, -low))
    fit = fit_exponent(SIZES, values, np.ones(len(SIZES)), correction=2)
    return Slope(-float(fit.params[1]), fit, None)


def sampled(setting: Setting, samples: int, points: int, seed: int) -> Samples:
    """Return what independent samples of evaluation points say."""
    rng = np.random.default_rng([20_262, seed])
    rate, rows = setting.rate, []
    for sample in range(samples):
        losses, estimate, covariance = draw(setting, rng, points)
        entry = indicator(losses, seed=sample)
        low, high = entry.conf_int(LEVEL)
        rows.append((entry.indicator, setting.analytic(estimate, covariance), low <= rate <= high))
    found, analytic, covered = map(np.array, zip(*rows, strict=True))
    return Samples(found, analytic, covered)


def measured_at(place: int, samples: int, points: int) -> tuple[Samples, Slope]:
    """Measure a setting by its place: its functions cannot be sent to a process."""
    return sampled(SETTINGS[place], samples, points, place), slope_of(SETTINGS[place])


# --- page ------------------------------------------------------------------------------------------------------------


def row_of(setting: Setting, found: Samples, slope: Slope, points: int) -> dict[str, object]:
    """Return what is kept of a setting."""
    low, high = slope.interval or ("", "")
    return {
        "setting": setting.name,
        "relation": setting.relation,
        "points": points,
        "samples": found.covered.size,
        "covered": int(found.covered.sum()),
        "r": setting.rate,
        "found": found.indicators.mean(),
        "a": setting.analytic_rate,
        "a_found": found.analytic.mean(),
        "exponent": setting.exponent,
        "slope": slope.value,
        "slope_low": low,
        "slope_high": high,
    }


def page(folder: Path) -> str:
    """Return the page of the CSV file in a folder."""
    rows = read_rows(folder / "agreement.csv")
    samples, covered = int(rows[0]["samples"]), [int(row["covered"]) for row in rows]
    for row in rows:
        row["low"], row["high"] = clopper_pearson(int(row["covered"]), samples)
    total = samples * len(rows)
    low, high = clopper_pearson(sum(covered), total)
    fitted, exact = ([row for row in rows if bool(row["slope_low"]) == kind] for kind in (True, False))
    return render(
        "agreement",
        **{
            "samples": samples,
            "points": int(rows[0]["points"]),
            "sizes": SIZES,
            "relations": grouped(rows, "relation"),
        },
        share={
            "value": sum(covered) / total,
            "total": total,
            "low": low,
            "high": high,
            "lowest": min(covered) / samples,
        },
        inside=[float(r["slope_low"]) <= float(r["exponent"]) <= float(r["slope_high"]) for r in fitted],
        apart=[abs(float(row["slope"]) / float(row["exponent"]) - 1.0) for row in exact],
    )


def main() -> None:
    """Write the table and the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=400)
    parser.add_argument("--points", type=int, default=2000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    options = parser.parse_args()
    count = len(SETTINGS)
    with ProcessPoolExecutor(options.processes) as pool:
        measured = list(pool.map(measured_at, range(count), [options.samples] * count, [options.points] * count))
    rows = [row_of(setting, *found, options.points) for setting, found in zip(SETTINGS, measured, strict=True)]
    texts = [{k: f"{v:.12g}" if isinstance(v, float) else str(v) for k, v in row.items()} for row in rows]
    write_rows(options.out / "agreement.csv", list(texts[0]), texts)
    (options.out / "agreement.md").write_text(page(options.out), encoding="utf-8")


if __name__ == "__main__":
    main()
