"""The page and the figures of the study of the indicator, from its CSV file; nothing is computed here but text."""

import itertools
import math

from matplotlib import rc_context
from matplotlib.figure import Figure
from study_page import minus, render
from study_rows import read_rows

FAMILIES = {
    "line": "Gaussian mean on a line",
    "plane": "Gaussian mean in the plane",
    "regression": "linear regression",
    "finite": "finite law, three atoms",
    "thresholds": "uniform and Lloyd–Max, 1 to 4 bits",
}
SIZES = (7, 40, 200, 2000)
POINTS = (500, 5000, 50000)
LOWEST = {"tau": -1.0, "share": 0.0}
# Okabe and Ito's palette, with markers and dashes beside the colours.
INK, BLUE, ORANGE, GREEN, GREY = "#000000", "#0072B2", "#D55E00", "#009E73", "#888888"
STYLE = {
    "svg.hashsalt": "indicator_ranking",
    "svg.fonttype": "none",
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "legend.handlelength": 3.5,
}


class Numbers:
    """The rows of the CSV file by their keys."""

    def __init__(self, path):
        self.rows = read_rows(path)
        self.index = {self.key(r): r for r in self.rows}

    @staticmethod
    def key(row):
        """Return what identifies a row."""
        return tuple(row[k] for k in ("part", "family", "setting", "n", "N", "quantity"))

    def row(self, part, family, quantity, *, setting="", n="", points=""):
        """Return one row."""
        return self.index[part, str(family), str(setting), str(n), str(points), quantity]

    def value(self, *args, **kwargs):
        """Return one number."""
        return float(self.row(*args, **kwargs)["value"])

    def shown(self, part, family, quantity, form="tau", *, setting="", n="", points=""):
        """Return a number as text; where quantity, n or points are lists, the cells of a row of a table."""
        keys = itertools.product(*(k if isinstance(k, list) else [k] for k in (n, points, quantity)))
        rows = (self.row(part, family, q, setting=setting, n=m, points=p) for m, p, q in keys)
        return " | ".join(formatted(row, form) for row in rows)

    def families(self, part):
        """Return the families of a part in their order."""
        return list(dict.fromkeys(r["family"] for r in self.rows if r["part"] == part))

    def settings(self, part, family):
        """Return the settings of a family in their order."""
        return list(dict.fromkeys(r["setting"] for r in self.rows if (r["part"], r["family"]) == (part, family)))

    def curve(self, part, family, quantity, axis, **kwargs):
        """Return the values of one quantity along n, N or the setting, with intervals."""
        found = [
            r
            for r in self.rows
            if (r["part"], r["family"], r["quantity"]) == (part, family, quantity)
            and all(r[k] == str(v) for k, v in kwargs.items())
        ]
        x = [float(r[axis]) for r in found]
        y = [float(r["value"]) for r in found]
        low = [max(0.0, y - max(-1.0, float(r["low"]))) for r, y in zip(found, y, strict=True)]
        high = [max(0.0, min(1.0, float(r["high"])) - y) for r, y in zip(found, y, strict=True)]
        return x, y, (low, high)


def formatted(row, form):
    """Return a number: with its interval, cut to the range of a correlation or of a share, or alone, in a form."""
    value = float(row["value"])
    if form == "%":
        return f"{100.0 * value:.0f} %"
    if form not in LOWEST:
        return minus(f"{value:{form}}")
    low, high = max(LOWEST[form], float(row["low"])), min(1.0, float(row["high"]))
    return minus(f"{value:.2f} [{low:.2f}, {high:.2f}]".replace("-0.00", "0.00"))


def pooled(x: Numbers, quantity: str, points: str = "") -> str:
    """Return the share over all random families together."""
    rows = [r for r in x.rows if r["part"] == "rank sets" and r["quantity"] == quantity and points in ("", r["N"])]
    count = sum(int(r["repetitions"]) for r in rows)
    return f"{100 * sum(float(r['value']) * int(r['repetitions']) for r in rows) / count:.1f} % of {count}"


def shortfall(x: Numbers) -> float:
    """Return the largest lead of the mean τ of r̂ over that of Î, over all families in which both are measured."""
    leads = []
    for r in x.rows:
        if r["quantity"] == "tau I" and r["n"] == "2000":
            leads.append(float(x.index[(*x.key(r)[:-1], "tau r")]["value"]) - float(r["value"]))
    return max(leads)


def page(folder) -> str:
    """Return the page of the CSV file in a folder."""
    x = Numbers(folder / "indicator_ranking.csv")
    regular = [(f, s) for f in FAMILIES for s in x.settings("regular", f)]
    one, two = ("prefactor", "one-sided"), ("prefactor", "two-sided")
    close, spread = (("one coordinate", k) for k in ("one coordinate close", "all coordinates fairly close"))
    return render(
        "indicator_ranking",
        x=x,
        families=FAMILIES,
        regular=regular,
        shortfall=shortfall(x),
        undecided=max(
            x.value("regular", "plane", "undecided pairs", setting=s, n=n)
            for f, s in regular
            if f == "plane"
            for n in SIZES
        ),
        outside=max(x.value("regular", f, "outside domain", setting=s, n=n) for f, s in regular for n in SIZES),
        held=pooled(x, "sets hold r_Q"),
        clear=pooled(x, "clear sets hold r_Q"),
        largest_error=max(
            float(r["value"]) for r in x.rows if (r["part"], r["quantity"]) == ("rivals", "standard error")
        ),
        margins=[
            x.value(*two, "log delta", n=n)
            - x.value(*one, "log delta", n=n)
            + n * (x.value(*two, "I") - x.value(*one, "I"))
            for n in (*SIZES, 20000)
        ],
        all_over_one={q: x.value(*spread, q, n=500) / x.value(*close, q, n=500) for q in ("n r_Q", "delta")},
    )


def line(ax, curve, color, marker, label, dashes="-"):
    """Draw one curve with its intervals."""
    ax.errorbar(
        curve[0], curve[1], curve[2], color=color, marker=marker, linestyle=dashes, label=label, markersize=4, capsize=2
    )


def draw_regular(x: Numbers) -> Figure:
    """Return tau against n in five families."""
    figure = Figure(figsize=(10.0, 2.9), layout="constrained")
    chosen = (("line", "17"), ("plane", "9"), ("regression", "5"), ("finite", "5"), ("thresholds", "2-16"))
    for ax, (family, setting) in zip(figure.subplots(1, 5, sharey=True), chosen, strict=True):
        for p, color, marker in zip(POINTS, (GREY, ORANGE, BLUE), "s^o", strict=True):
            line(ax, x.curve("regular", family, "tau r", "n", setting=setting, N=p), color, marker, f"r̂, N = {p}")
        line(ax, x.curve("regular", family, "tau r_Q", "n", setting=setting), INK, "D", "r_Q", "--")
        line(ax, x.curve("regular", family, "tau I_Q", "n", setting=setting), GREEN, "x", "I_Q", ":")
        ax.set_xscale("log")
        ax.set_title(f"{family}, K = {setting.replace('-', '–')}", fontsize=9)
        ax.set_xlabel("n")
        ax.set_ylim(0.0, 1.03)
    figure.axes[0].set_ylabel("Kendall's τ with MIS")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


def draw_exponent(x: Numbers) -> Figure:
    """Return the pair of 0-1 losses: values, and how often it is ordered rightly."""
    figure = Figure(figsize=(8.4, 3.1), layout="constrained")
    left, right = figure.subplots(1, 2)
    names = {"few disagreements, one-sided": (BLUE, "o"), "many": (ORANGE, "s")}
    for name, (color, marker) in names.items():
        rate = x.value("0-1 pair", name, "r"), x.value("0-1 pair", name, "I")
        n = [float(r["n"]) for r in x.rows if r["family"] == name and r["quantity"] == "log delta"]
        y = [float(r["value"]) for r in x.rows if r["family"] == name and r["quantity"] == "log delta"]
        per = [-v / m for v, m in zip(y, n, strict=True)]
        left.plot(n[1:], per[1:], color=color, marker=marker, markersize=4, label=f"{name}: −log Δ / n")
        left.axhline(rate[0], color=color, linestyle=":", label=f"r = {rate[0]:.4f}")
        left.axhline(rate[1], color=color, linestyle="--", label=f"I = {rate[1]:.4f}")
    left.set_xscale("log")
    left.set_ylim(0.04, 0.3)
    left.set_xlabel("n")
    left.legend(fontsize=7)
    for quantity, label, color, marker in (
        ("r orders right", "r̂ orders right", ORANGE, "s"),
        ("rank sets exclude MIS", "rank sets exclude the right order", GREY, "^"),
        ("I orders right", "Î orders right", BLUE, "o"),
    ):
        line(right, x.curve("0-1 pair", "order", quantity, "N"), color, marker, label)
    right.set_xscale("log")
    right.set_xlabel("evaluation points N")
    right.set_ylabel("share of evaluation sets")
    right.legend(fontsize=7)
    return figure


def draw_dimension(x: Numbers) -> Figure:
    """Return tau against the dimension and against n."""
    figure = Figure(figsize=(8.4, 3.1), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    line(left, x.curve("dimension", "grids", "tau r_Q", "setting"), ORANGE, "s", "r_Q")
    line(left, x.curve("dimension", "grids", "tau rho_Q", "setting"), BLUE, "o", "ρ_Q")
    line(left, x.curve("dimension", "grids", "tau critical", "setting"), GREEN, "x", "critical form", ":")
    left.set_xscale("log")
    left.set_xlabel("coordinates d (n = 500)")
    left.set_ylabel("Kendall's τ with MIS")
    left.legend(fontsize=7)
    for d, dashes in (("8", "--"), ("128", "-")):
        for quantity, label, color, marker in (("tau r_Q", "r_Q", ORANGE, "s"), ("tau rho_Q", "ρ_Q", BLUE, "o")):
            curve = x.curve("fixed grids", "grids", quantity, "n", setting=d)
            line(right, curve, color, marker, f"{label}, d = {d}", dashes)
    right.set_xscale("log")
    right.set_xlabel("n (cells fixed)")
    right.legend(fontsize=7)
    return figure


def write(path) -> None:
    """Write the page and the figures beside the CSV file."""
    x = Numbers(path)
    path.with_suffix(".md").write_text(page(path.parent), encoding="utf-8")
    with rc_context(STYLE):
        for name, draw in (("regular", draw_regular), ("exponent", draw_exponent), ("dimension", draw_dimension)):
            target = path.with_name(f"{path.stem}_{name}.svg")
            draw(x).savefig(target, format="svg", metadata={"Date": None, "Creator": None})
    assert all(math.isfinite(float(r["value"])) for r in x.rows)
