"""Rates of logistic and Poisson regressions against mpmath, which shares no code with the package.

Usage: python docs/studies/generalized_linear.py [--problems 50] [--out docs/studies]

Writes generalized_linear.csv and generalized_linear.md. The reference integrates the definitions over x with 25 digits,
by Gauss-Legendre panels in coordinates of its own: losses subtracted as they stand, responses summed in closed form.
"""

import argparse
import csv
import math
import time
from pathlib import Path

import mpmath as mp
import numpy as np
from study_page import render
from study_rows import grouped, read_rows

from qmis_stats import CodebookERM, FixedThresholds, LogisticRegression, PoissonRegression, Problem, ThresholdPTQ

QUANTITIES = ("delta", "sigma2", "exponent", "tilt", "tilted variance")
_PANELS = {1: (0.5, 16, 16), 2: (1.0, 12, 10)}


def loss_parts(problem, face):
    """Return f and g of X = f(x) − y g(x) as functions of x, a list of mpf, and the law's own predictor."""
    law = problem.law
    intercept = mp.mpf(law.intercept)
    poisson = law.kind == "poisson_regression"

    def predictor(theta, x):
        return intercept + mp.fdot(theta, x)

    def partition(u):
        return mp.exp(u) if poisson else mp.log1p(mp.exp(u))

    def mean(u):
        return mp.exp(u) if poisson else 1 / (1 + mp.exp(-u))

    if problem.codebook is not None:
        best, rival = ([mp.mpf(v) for v in problem.codebook[k]] for k in (problem.best, face.cell))

        def parts(x):
            u, v = predictor(rival, x), predictor(best, x)
            return partition(u) - partition(v), u - v

    else:
        threshold = problem.thresholds[0][0]
        sign = 1 if threshold > law.coefficients[0] else -1

        def parts(x):
            return sign * mean(predictor([mp.mpf(threshold)], x)) * x[0], sign * x[0]

    truth = [mp.mpf(v) for v in law.coefficients]
    return parts, lambda x: predictor(truth, x), poisson


def rule(dimension):
    """Return nodes and weights of a product rule for N(0, I)."""
    width, order, reach = _PANELS[dimension]
    unit = np.polynomial.legendre.leggauss(order)[0]
    with mp.workdps(30):  # double-precision nodes, refined
        nodes, weights = [], []
        for start in unit:
            x = mp.findroot(lambda t: mp.legendre(order, t), mp.mpf(float(start)))
            slope = order * (mp.legendre(order - 1, x) - x * mp.legendre(order, x)) / (1 - x * x)
            nodes.append(x)
            weights.append(2 / ((1 - x * x) * slope**2))
    axis = []
    for panel in range(int(2 * reach / width)):
        left = -reach + panel * mp.mpf(width)
        for x, w in zip(nodes, weights, strict=True):
            z = left + width * (x + 1) / 2
            axis.append((z, w * width / 2 * mp.exp(-z * z / 2) / mp.sqrt(2 * mp.pi)))
    axis = [(z, w) for z, w in axis if w > mp.mpf(10) ** -40]
    if dimension == 1:
        return [([z], w) for z, w in axis]
    return [([a, b], v * w) for a, v in axis for b, w in axis if v * w > mp.mpf(10) ** -32]


def reference(problem, face, nodes):
    """Return the five quantities by mpmath, the tilt by one Newton step from the package's."""
    parts, predictor, poisson = loss_parts(problem, face)
    factor = mp.cholesky(mp.matrix(problem.law.covariance.tolist()))
    d = problem.law.dimension
    s = -mp.mpf(face.tilt.lam)
    sums = [mp.mpf(0)] * 5
    for z, weight in nodes:
        x = [mp.fsum(factor[i, j] * z[j] for j in range(i + 1)) for i in range(d)]
        (f, g), eta = parts(x), predictor(x)
        if poisson:
            mu = mp.exp(eta)
            moment = mp.exp(s * f + mu * mp.expm1(-s * g))
            tilted = mu * mp.exp(-s * g)
            first, second = f - g * tilted, g * g * tilted
            plain, spread = f - g * mu, g * g * mu
        else:
            p = 1 / (1 + mp.exp(-eta))
            zero, one = (1 - p) * mp.exp(s * f), p * mp.exp(s * (f - g))
            moment = zero + one
            q = one / moment
            first, second = f - g * q, g * g * q * (1 - q)
            plain, spread = f - g * p, g * g * p * (1 - p)
        sums[0] += weight * plain
        sums[1] += weight * (plain**2 + spread)
        sums[2] += weight * moment
        sums[3] += weight * moment * first
        sums[4] += weight * moment * (first**2 + second)
    delta = sums[0]
    slope = sums[3] / sums[2]
    curvature = sums[4] / sums[2] - slope**2
    # K at its minimum, from K at a point next to it: the error is of third order in the distance.
    value = mp.log(sums[2]) - slope**2 / (2 * curvature)
    return delta, sums[1] - delta**2, -value, -s + slope / curvature, curvature


def random_problem(law, number, rng):
    """Return the number-th problem of a law: lines and planes, codebooks with and without the truth, thresholds."""
    poisson = law is PoissonRegression
    scale = 0.6 if poisson else 1.5
    d = 2 if number % 5 in (3, 4) else 1
    beta = rng.normal(size=d) * scale / math.sqrt(d)
    root = rng.normal(size=(d, d)) * 0.3 + np.eye(d)
    covariance = root @ root.T / np.trace(root @ root.T) * d
    made = law(beta, 0.5 * (covariance + covariance.T), float(rng.uniform(-1.0, 1.0)))
    kind = ("truth", "off the truth", "threshold", "truth", "off the truth")[number % 5]
    gap = float(rng.choice([1.0, -1.0]) * rng.uniform(0.2, 1.0)) * scale
    if kind == "threshold":
        return made, f"threshold, d = {d}", Problem(made, ThresholdPTQ(FixedThresholds((float(beta[0]) + gap,))))
    step = np.full(d, gap / math.sqrt(d)) * rng.uniform(0.5, 1.0, size=d)
    best = beta.copy()
    if kind == "off the truth":
        # Between the truth and the rival, where both laws have a tilt; logistic ones have one anywhere.
        best = beta + 0.2 * step + (0.0 if poisson else 0.1 * rng.normal(size=d))
    return made, f"{kind}, d = {d}", Problem(made, CodebookERM(np.stack((best, beta + step))))


def rows(law, count, seed):
    """Yield one row a problem: what it is, the package's numbers and their relative errors."""
    rng = np.random.default_rng(seed)
    nodes = {d: rule(d) for d in (1, 2)}
    for number in range(count):
        made, name, problem = random_problem(law, number, rng)
        face = problem.faces[0]
        found = face.delta, face.sigma2, face.chernoff_exponent, face.tilt.lam, face.tilt.variance
        row = {"law": made.kind, "problem": name, "kind": face.kind, **dict(zip(QUANTITIES, found, strict=True))}
        if face.kind == "regular":
            true = reference(problem, face, nodes[made.dimension])
            for quantity, value, exact in zip(QUANTITIES, found, true, strict=True):
                row[f"error of {quantity}"] = float(abs(mp.mpf(value) / exact - 1))
        yield row


def write(path, table):
    """Write the CSV and the page."""
    with (path / "generalized_linear.csv").open("w", newline="", encoding="utf-8") as file:
        columns = list(dict.fromkeys([*table[0], *(f"error of {q}" for q in QUANTITIES)]))
        writer = csv.DictWriter(file, columns, lineterminator="\n", restval="")
        writer.writeheader()
        for row in table:
            writer.writerow({k: f"{v:.12g}" if isinstance(v, float) else v for k, v in row.items()})
    (path / "generalized_linear.md").write_text(page(path), encoding="utf-8")


def page(folder):
    """Return the page of the CSV file in a folder."""
    regular = [row for row in read_rows(folder / "generalized_linear.csv") if row["kind"] == "regular"]
    return render("generalized_linear", quantities=QUANTITIES, laws=grouped(regular, "law"))


def main():
    """Compute and write both laws' problems."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", type=int, default=50)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    arguments = parser.parse_args()
    mp.mp.dps = 25
    started = time.perf_counter()
    table = [
        row
        for seed, law in enumerate((LogisticRegression, PoissonRegression))
        for row in rows(law, arguments.problems, seed)
    ]
    write(arguments.out, table)
    print(f"{len(table)} problems in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
