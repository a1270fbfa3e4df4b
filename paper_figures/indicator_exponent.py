"""Where the indicator r and the exponent I part. (a) I against r, (b) their ratio. Equal for a Gaussian mean.
Empirical risk minimisation of a linear regression has I = ½ log((1 − 2r)/(1 − 4r)) (curve; marks: computed from
the codewords), so r saturates at ¼ while I grows without bound. With a finite law the sign of the skewness
decides at small r: a long tail towards the rival gives I < r, a long tail away from it I > r. At large r every
finite law has I < r.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from paper_figures.style import BLACK, BLUE, GREEN, ORANGE, PURPLE, RED, TEXT, Look, label_panels
from qmis_stats import (
    CodebookERM,
    FiniteLaw,
    FixedThresholds,
    GaussianMean,
    LinearRegression,
    LossTable,
    Problem,
    ThresholdPTQ,
)

ORIGIN = "deterministic"
SIZE = (TEXT, 2.8)
CLOSED_FORM = "closed form"
LOOKS = {
    "Gaussian mean": Look("Gaussian mean", BLACK, "o", hollow=True),
    "regression": Look("regression, codebook", BLUE, "D"),
    "threshold": Look("regression, thresholds", PURPLE, "s", (0, (5, 1.5, 1, 1.5)), hollow=True),
    "vote": Look(r"finite, $X=\pm 1$", GREEN, "^", (0, (4, 2))),
    "towards": Look(r"finite, $X\in\{1,-4\}$", RED, "v", (0, (1, 1.3))),
    "away": Look(r"finite, $X\in\{4,-1\}$", ORANGE, "P", (0, (2, 1))),
}


def problems(count: int) -> Iterator[tuple[str, float, Problem]]:
    """Yield families of problems along a parameter that moves the rival away."""
    regression = LinearRegression([0.0], [[1.0]], 1.0)
    for gap in np.geomspace(0.1, 60.0, count).tolist():
        yield "Gaussian mean", gap, Problem(GaussianMean([0.0], [[1.0]]), CodebookERM([[0.0], [gap]]))
        yield "regression", gap, Problem(regression, CodebookERM([[0.0], [gap]]))
        yield "threshold", gap, Problem(regression, ThresholdPTQ(FixedThresholds((gap,))))
    for family, (gain, loss) in {"vote": (1, -1), "towards": (1, -4), "away": (4, -1)}.items():
        zero = Fraction(gain, gain - loss)  # the probability of a loss at which the codewords are equally good
        for share in np.geomspace(0.95, 0.01, count).tolist():
            p = zero * Fraction(share).limit_denominator(10**6)
            yield family, float(p), Problem(FiniteLaw([1 - p, p]), LossTable([[0, 0], [gain, loss]]))


def compute(quick: bool) -> pd.DataFrame:
    rows = [(family, x, p.indicator, p.exponent) for family, x, p in problems(13 if quick else 25)]
    for r in (0.25 - 0.25 * np.geomspace(0.99, 1e-3, 60)).tolist():
        rows.append((CLOSED_FORM, np.nan, r, 0.5 * np.log((1.0 - 2.0 * r) / (1.0 - 4.0 * r))))
    return pd.DataFrame(rows, columns=["family", "parameter", "indicator", "exponent"])


def draw(frame: pd.DataFrame, figure: Figure) -> None:
    left, right = figure.subplots(1, 2)
    for family, rows in frame.groupby("family", sort=False):
        r, ratio = rows.indicator, rows.exponent / rows.indicator
        if family == CLOSED_FORM:
            left.plot(r, rows.exponent, **LOOKS["regression"].line())
            right.plot(r, ratio, **LOOKS["regression"].line())
            continue
        look = LOOKS[str(family)]
        drawn = look.points() if family == "regression" else look.both()
        left.plot(r, rows.exponent, **drawn)
        right.plot(r, ratio, **drawn)
        right.plot([], [], **look.both(), label=look.label)
    for ax in (left, right):
        ax.axvline(0.25, color="0.5", linewidth=0.7, linestyle=(0, (4, 3)), zorder=0)
        ax.set(xscale="log", yscale="log", xlabel=r"indicator $r$", xlim=(1e-3, 10.0))
    left.annotate(r"$r=\frac{1}{4}$", (0.25, 2e-3), xytext=(3, 0), textcoords="offset points", color="0.3")
    left.set(ylabel=r"exponent $I$", ylim=(1e-3, 10.0))
    right.set(ylabel=r"$I\,/\,r$", ylim=(0.08, 20.0))
    right.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    right.legend(loc="upper left")
    label_panels([left, right])
