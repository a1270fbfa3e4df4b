"""Extreme inputs: what was asked, what came out, and how far it is from an independent answer.

Usage: python docs/studies/extremes.py [--all] [--out docs/studies]

Writes extremes.csv and extremes.md. ``--all`` adds the cases that take more than a few seconds. A case is either right,
to its stated tolerance against an oracle that shares no code (mpmath, a closed form, enumeration, the same problem in
other units), or refused by one of the package's own errors. Warnings of NumPy are errors here.
"""

import argparse
import csv
import math
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import mpmath as mp
import numpy as np
from study_page import render
from study_rows import read_rows

from qmis_stats import (
    CodebookERM,
    DomainWarning,
    FiniteLaw,
    FixedThresholds,
    GaussianMean,
    GaussianMixture,
    LinearRegression,
    LossTable,
    Problem,
    Sign,
    ThresholdPTQ,
    mis,
)
from qmis_stats.errors import QmisError
from qmis_stats.inference.ranking import rank
from qmis_stats.quantizers import quantizer

mp.mp.dps = 40


@dataclass(frozen=True)
class Case:
    """One question; ``oracle`` is ``None`` where a refusal is the answer."""

    group: str
    input: str
    asked: str
    value: Callable[[], float]
    oracle: Callable[[], float] | None
    tolerance: float = 0.0
    slow: bool = False

    @property
    def name(self) -> str:
        return f"{self.group}: {self.input}: {self.asked}"


@dataclass(frozen=True)
class Answer:
    """What came out: a value with its relative error, or the line of the refusal."""

    value: float | None
    oracle: float | None
    error: float | None
    line: str
    seconds: float

    def right(self, case: Case) -> bool:
        if case.oracle is None:
            return self.value is None
        return self.error is not None and self.error <= case.tolerance


def answer(case: Case) -> Answer:
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", DomainWarning)
        try:
            value = float(case.value())
        except QmisError as refusal:
            return Answer(None, None, None, str(refusal), time.perf_counter() - start)
        except (Exception, Warning) as defect:
            return Answer(math.nan, None, None, f"{type(defect).__name__}: {defect}", time.perf_counter() - start)
    seconds = time.perf_counter() - start
    if case.oracle is None:
        return Answer(value, None, None, "", seconds)
    truth = float(case.oracle())
    return Answer(value, truth, abs(value - truth) / max(abs(truth), 1e-300), "", seconds)


def log_delta(problem: Problem, n: int, method: str) -> float:
    return mis(problem, n, method).log_delta


def line(*thresholds: float) -> Problem:
    return Problem(GaussianMean([0.0], [[1.0]]), ThresholdPTQ(FixedThresholds(thresholds)))


def line_oracle(t: float, n: int) -> float:
    """log of 2 ∫ (P(T = 2 | w) − P(T = 2))_+ φ(w) dw in 40 digits, one threshold."""
    t, n = mp.mpf(t), mp.mpf(n)
    tail = mp.erfc(t * mp.sqrt(n / 2)) / 2

    def gain(w):
        return mp.erfc((n * t - w) / mp.sqrt(2 * (n - 1))) / 2 / tail - 1

    root = t * (n - mp.sqrt(n * (n - 1)))  # where the conditional tail equals the average one
    ends = [root, *(root + step for step in (1, 2, 4, 8)), *(t + step for step in (-4, -2, 0, 2, 4, 8, 16))]
    ends = sorted({end for end in ends if end >= root})
    mass = mp.quad(lambda w: gain(w) * mp.exp(-w * w / 2), ends)
    return float(mp.log(2 * mass / mp.sqrt(2 * mp.pi)) + mp.log(tail))


def coin_oracle(p: Fraction, n: int) -> float:
    """log of 2 p (1 − p) P(Bin(n − 1, p) = ⌊n/2⌋): the tails of two conditional laws differ by one term."""
    p, k = mp.mpf(p.numerator) / p.denominator, n // 2
    ways = mp.loggamma(n) - mp.loggamma(k + 1) - mp.loggamma(n - k)
    return float(mp.log(2 * p * (1 - p)) + ways + k * mp.log(p) + (n - 1 - k) * mp.log(1 - p))


def coin(p: Fraction) -> Problem:
    return Problem(FiniteLaw([1 - p, p]), LossTable([[0, 1], [1, 0]]))


def scaled(kind: str, s: float) -> Problem:
    """The same problem in units of s."""
    square = s * s
    match kind:
        case "Gaussian mean, codebook":
            law = GaussianMean([0.1 * s, 0.0], np.array([[1.0, 0.3], [0.3, 2.0]]) * square)
            return Problem(law, CodebookERM(np.array([[0.0, 0.0], [1.0, 0.2]]) * s))
        case "Gaussian mean, thresholds":
            return Problem(GaussianMean([0.1 * s], [[square]]), ThresholdPTQ(FixedThresholds((-0.3 * s, 0.4 * s))))
        case "regression, response":
            law = LinearRegression([0.1 * s, 0.0], np.eye(2), 0.5 * s)
            return Problem(law, CodebookERM(np.array([[0.0, 0.0], [1.0, 0.2]]) * s))
        case "regression, coefficients":
            law = LinearRegression([0.1 * s, 0.0], np.eye(2) / square, 0.5)
            return Problem(law, CodebookERM(np.array([[0.0, 0.0], [1.0, 0.2]]) * s))
        case "mixture, thresholds":
            law = GaussianMixture([0.4, 0.6], [[0.0], [0.3 * s]], [[[square]], [[2.0 * square]]])
            return Problem(law, ThresholdPTQ(FixedThresholds((-0.3 * s, 0.4 * s))))
    unit = Fraction(s)
    return Problem(FiniteLaw(["1/2", "1/3", "1/6"]), LossTable([[0, unit, unit], [unit, 0, unit]]))


SCALED = (
    "Gaussian mean, codebook",
    "Gaussian mean, thresholds",
    "regression, response",
    "regression, coefficients",
    "mixture, thresholds",
    "finite law",
)
WITHIN = {
    "Gaussian mean, codebook": 1e74,
    "Gaussian mean, thresholds": 1e149,
    "regression, response": 1e74,
    "regression, coefficients": 1e149,
    "mixture, thresholds": 1e149,
    "finite law": 1e149,
}


def scales() -> Iterator[Case]:
    for kind in SCALED:
        for s in (1e70, 1e-70, 1e80, 1e-80, 1e148, 1e-148, 1e152, 1e-152):
            allowed = 1.0 / WITHIN[kind] <= s <= WITHIN[kind]
            for method in ("sharp", "sharp2", "certificate"):
                yield Case(
                    "units",
                    f"{kind}, data times {s:g}",
                    f"log Δ, {method}, n = 50",
                    lambda kind=kind, s=s, method=method: log_delta(scaled(kind, s), 50, method),
                    (lambda kind=kind, method=method: log_delta(scaled(kind, 1.0), 50, method)) if allowed else None,
                    1e-9,
                )


def exponents() -> Iterator[Case]:
    for t in (5.0, 10.0, 37.0, 100.0, 141.5, 1000.0):
        for method, tolerance in (("exact", 1e-13), ("sharp", 1e-4)):
            yield Case(
                "exponents",
                f"Gaussian mean, threshold {t:g}: I = {0.5 * t * t:g}",
                f"log Δ, {method}, n = 100",
                lambda t=t, method=method: log_delta(line(t), 100, method),
                lambda t=t: line_oracle(t, 100),
                tolerance,
            )
    yield Case("exponents", "threshold 100", "log Δ, sharp2", lambda: log_delta(line(100.0), 100, "sharp2"), None)
    yield Case("exponents", "threshold 100", "log Δ, critical", lambda: log_delta(line(100.0), 100, "critical"), None)


def sizes() -> Iterator[Case]:
    for n in (10**6, 10**9, 10**12):
        for t in (0.0, 1e-4, 0.05):
            yield Case(
                "sample size",
                f"Gaussian mean, threshold {t:g}, n = {n:g}",
                "log Δ, exact",
                lambda t=t, n=n: log_delta(line(t), n, "exact"),
                lambda t=t, n=n: line_oracle(t, n),
                1e-12,
            )
        for method in ("sharp", "sharp2"):
            yield Case(
                "sample size",
                f"biased coin, p = 499/1000, n = {n:g}",
                f"log Δ, {method}",
                lambda n=n, method=method: log_delta(coin(Fraction(499, 1000)), n, method),
                lambda n=n: coin_oracle(Fraction(499, 1000), n),
                1e-6,
            )
        yield Case(
            "sample size",
            f"biased coin, n = {n:g}",
            "log Δ, exact",
            lambda n=n: log_delta(coin(Fraction(499, 1000)), n, "exact"),
            None,
        )
        regression = Problem(LinearRegression([0.0], [[1.0]], 0.5), CodebookERM([[0.0], [0.01]]))
        yield Case(
            "sample size",
            f"regression, two codewords, n = {n:g}",
            "log Δ, exact (against sharp2, S12)",
            lambda n=n, p=regression: log_delta(p, n, "exact"),
            lambda n=n, p=regression: log_delta(p, n, "sharp2"),
            1e-6,
        )


def regression_exponent(noise: float) -> float:
    return float(mp.log1p(mp.mpf(1) / (4 * mp.mpf(noise) ** 2)) / 2)


def singular() -> Iterator[Case]:
    for digits in (6, 9, 12, 14, 15, 16):
        c = 1.0 - 10.0**-digits
        yield Case(
            "nearly singular",
            f"correlation 1 - 1e-{digits}, rival across",
            "exponent I",
            lambda c=c: (
                Problem(
                    GaussianMean([0.0, 0.0], [[1.0, c], [c, 1.0]]), CodebookERM([[0.0, 0.0], [0.25, -0.25]])
                ).exponent
            ),
            lambda c=c: float(mp.mpf("0.015625") / (1 - mp.mpf(c))),
            min(1e-6, 10.0**digits * 1e-15),  # what a change of the last bit of the correlation does
        )
    yield Case(
        "nearly singular",
        "correlation 1",
        "exponent I",
        lambda: (
            Problem(
                GaussianMean([0.0, 0.0], [[1.0, 1.0], [1.0, 1.0]]), CodebookERM([[0.0, 0.0], [0.25, -0.25]])
            ).exponent
        ),
        None,
    )
    for noise in (1e-3, 1e-6, 1e-7, 1e-9, 1e-12, 1e-60):
        problem = Problem(LinearRegression([0.0], [[1.0]], noise), CodebookERM([[0.0], [1.0]]))
        yield Case(
            "nearly singular",
            f"regression, noise {noise:g} beside codewords one apart",
            "exponent I",
            lambda p=problem: p.exponent,
            lambda noise=noise: regression_exponent(noise),
            1e-13,
        )
        yield Case(
            "nearly singular",
            f"regression, noise {noise:g}",
            "log Δ at n = 20, exact (against sharp, S4)",
            lambda p=problem: log_delta(p, 20, "exact"),
            (lambda p=problem: log_delta(p, 20, "sharp")) if noise > 1e-50 else None,
            1e-3,
        )
    yield Case(
        "nearly singular",
        "regression, three codewords, noise 1e-9",
        "log Δ at n = 20, tilted",
        lambda: log_delta(
            Problem(LinearRegression([0.0, 0.0], np.eye(2), 1e-9), CodebookERM([[0.0, 0.0], [1.0, 0.2], [-0.4, 1.0]])),
            20,
            "tilted",
        ),
        None,
    )


def rare() -> Iterator[Case]:
    for power in (10, 100, 290, 400):
        p = Fraction(1, 10**power)
        yield Case(
            "rare atoms",
            f"coin, p = 1e-{power}",
            "log Δ, n = 20, exact",
            lambda p=p: log_delta(coin(p), 20, "exact"),
            lambda p=p: coin_oracle(p, 20),
            1e-14,
        )
        yield Case(
            "rare atoms",
            f"coin, p = 1e-{power}",
            "exponent I",
            lambda p=p: coin(p).exponent,
            (lambda power=power: float(-mp.log(4 * mp.mpf(10) ** -power * (1 - mp.mpf(10) ** -power)) / 2))
            if power < 300
            else None,
            1e-12,
        )


def codewords() -> Iterator[Case]:
    few = np.arange(-200, 200)[:, None] * 0.05 + 0.015
    for count, slow in ((10**3, False), (10**4, True), (10**5, True)):
        many = np.arange(-count // 2, count // 2)[:, None] * 0.05 + 0.015
        yield Case(
            "codewords",
            f"line of {count} codewords",
            "log Δ, n = 50, exact (against the nearest 400)",
            lambda many=many: log_delta(Problem(GaussianMean([0.0], [[1.0]]), CodebookERM(many)), 50, "exact"),
            lambda few=few: log_delta(Problem(GaussianMean([0.0], [[1.0]]), CodebookERM(few)), 50, "exact"),
            1e-12,
            slow,
        )


def dimensions() -> Iterator[Case]:
    for d, slow in ((500, False), (2000, True), (10_000, True)):
        yield Case(
            "dimension",
            f"signs of {d} coordinates",
            "Δ, n = 10⁶, critical",
            lambda d=d: (
                mis(Problem(GaussianMean(np.zeros(d), np.eye(d)), ThresholdPTQ(Sign())), 10**6, "critical").delta
            ),
            lambda d=d: math.sqrt(d / 1e6) / math.pi,
            1e-9,
            slow,
        )
    for name, levels in (("sign", 2), ("uniform-4", 15), ("nf4", 16)):
        yield Case(
            "dimension",
            f"10⁷ weights, {name}",
            "number of levels",
            lambda name=name: float(np.unique(quantizer(name).quantize(many_weights())).size),
            lambda levels=levels: float(levels),
            0.0,
            True,
        )


def many_weights() -> np.ndarray:
    return np.sin(np.arange(10**7, dtype=np.float64)) * 3.0


def loss_matrix() -> np.ndarray:
    rng = np.random.default_rng(1)
    base = rng.normal(size=400)
    return np.vstack([base, base + 0.3 + 0.5 * rng.normal(size=400), base + 0.5 + rng.normal(size=400)])


def indicator(matrix: np.ndarray) -> float:
    return float(rank({"q": matrix}, draws=199).params[0])


def indicator_oracle(matrix: np.ndarray) -> float:
    """min over rivals of δ²/(2σ²) from the floats that are given, in 40 digits."""
    rows = [[mp.mpf(float(x)) for x in row] for row in matrix]
    best = min(range(len(rows)), key=lambda k: mp.fsum(rows[k]))
    found = []
    for k, row in enumerate(rows):
        if k != best:
            x = [a - b for a, b in zip(row, rows[best], strict=True)]
            mean = mp.fsum(x) / len(x)
            found.append(mean**2 / (2 * mp.fsum((v - mean) ** 2 for v in x) / (len(x) - 1)))
    return float(min(found))


def rankings() -> Iterator[Case]:
    matrix = loss_matrix()
    for factor in (1.0, 1e60, 1e-60, 1e75, 1e-75, 1e150, 1e-150, 1e300):
        inside = 1e-65 < factor < 1e65
        yield Case(
            "rankings",
            f"losses times {factor:g}",
            "indicator",
            lambda factor=factor: indicator(matrix * factor),
            (lambda factor=factor: indicator_oracle(matrix * factor)) if inside else None,
            1e-12,
        )
    for offset in (1e6, 1e9, 1e12):
        yield Case(
            "rankings",
            f"losses plus {offset:g}",
            "indicator",
            lambda offset=offset: indicator(matrix + offset),
            lambda offset=offset: indicator_oracle(matrix + offset),
            1e-9,
        )
    yield Case("rankings", "two codewords with identical losses", "indicator", lambda: indicator(matrix[[0, 0]]), None)
    constant = np.vstack([matrix[0], matrix[0] + 1e-3])
    yield Case("rankings", "a rival that differs by a constant", "indicator", lambda: indicator(constant), None)


CASES = [
    *scales(),
    *exponents(),
    *sizes(),
    *singular(),
    *rare(),
    *codewords(),
    *dimensions(),
    *rankings(),
]


def shown(number: float | None) -> str:
    return "" if number is None else f"{number:.12g}"


def page(folder: Path, everything: bool = True) -> str:
    """Return the page of the CSV file in a folder."""
    rows = read_rows(folder / "extremes.csv")
    return render("extremes", rows=rows, refused=sum(row["result"] == "refused" for row in rows), everything=everything)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    options = parser.parse_args()
    rows, wrong = [], []
    for case in CASES:
        if case.slow and not options.all:
            continue
        found = answer(case)
        if not found.right(case):
            wrong.append(case.name)
            print(f"WRONG {case.name}: {found}", flush=True)
        rows.append(
            {
                "group": case.group,
                "input": case.input,
                "asked": case.asked,
                "result": shown(found.value) or "refused",
                "oracle": shown(found.oracle),
                "relative error": "" if found.error is None else f"{found.error:.1e}",
                "allowed": f"{case.tolerance:.0e}" if case.oracle else "refusal",
                "seconds": f"{found.seconds:.2f}",
                "refusal": found.line,
            }
        )
    with (options.out / "extremes.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    (options.out / "extremes.md").write_text(page(options.out, options.all))
    print(f"{len(rows)} cases, {len(wrong)} wrong")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
