"""Figure: −log Δ_n / n converges to the exponent I_Q; plain simulation cannot follow, tilted simulation can.

Usage: python paper_figures/convergence.py [--out figures] [--replicates 200000]

Writes convergence.csv (the plotted numbers with their seed), convergence.pdf and convergence.png.
"""

import argparse
import csv
import math
import warnings
from pathlib import Path

import numpy as np

from qmis_stats import CodebookERM, DomainWarning, LinearRegression, Problem, mis

SEED = 1
SIZES = (10, 20, 40, 80, 160, 320, 640, 1280, 2560)
METHODS = ("exact", "sharp", "tilted", "crude")


def compute(replicates: int) -> tuple[float, list[dict[str, object]]]:
    """Evaluate every method at every n; crude simulation that saw nothing gives no point."""
    problem = Problem(LinearRegression([0.0], [[1.0]], 1.0), CodebookERM([[0.0], [0.55]]))
    rows = []
    for n in SIZES:
        for method in METHODS:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DomainWarning)
                result = mis(problem, n, method, replicates=replicates, seed=SEED)
            if math.isfinite(result.log_delta):
                rows.append(
                    {
                        "n": n,
                        "method": method,
                        "log_delta": result.log_delta,
                        "std_error": result.std_error,
                        "seed": SEED,
                        "replicates": replicates,
                    }
                )
    return problem.exponent, rows


def draw(exponent: float, rows: list[dict[str, object]], folder: Path) -> None:
    """Draw the stored numbers."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    style = {
        "exact": {"color": "#000000", "marker": "o", "linestyle": "none", "label": "exact"},
        "sharp": {"color": "#0072B2", "linestyle": "-", "label": "sharp form"},
        "tilted": {"color": "#D55E00", "marker": "x", "linestyle": "none", "label": "tilted simulation"},
        "crude": {"color": "#009E73", "marker": "s", "linestyle": "none", "fillstyle": "none", "label": "crude"},
    }
    figure, axes = plt.subplots(figsize=(3.4, 2.6), layout="constrained")
    for method in METHODS:
        chosen = [r for r in rows if r["method"] == method]
        n = np.array([r["n"] for r in chosen], dtype=float)
        y = -np.array([r["log_delta"] for r in chosen], dtype=float) / n
        axes.plot(n, y, markersize=4, linewidth=1, **style[method])
    axes.axhline(exponent, color="0.5", linewidth=0.8, linestyle="--")
    axes.annotate(r"$I_Q$", (SIZES[-1], exponent), textcoords="offset points", xytext=(0, 3), ha="right", color="0.3")
    axes.set(xscale="log", xlabel=r"sample size $n$", ylabel=r"$-\log \Delta_n\,/\,n$", ylim=(0, None))
    axes.legend(frameon=False, fontsize=7)
    figure.savefig(folder / "convergence.pdf", metadata={"CreationDate": None})
    figure.savefig(folder / "convergence.png", dpi=200)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("figures"))
    parser.add_argument("--replicates", type=int, default=200_000)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    exponent, rows = compute(options.replicates)
    with (options.out / "convergence.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    draw(exponent, rows, options.out)


if __name__ == "__main__":
    main()
