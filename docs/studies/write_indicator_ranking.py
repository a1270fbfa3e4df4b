# ruff: noqa: E501 - prose and tables of the page
"""The page and the figures of the study of the indicator, from its CSV file; nothing is computed here but text."""

import csv
import math

from matplotlib import rc_context
from matplotlib.figure import Figure

FAMILIES = {
    "line": "Gaussian mean on a line",
    "plane": "Gaussian mean in the plane",
    "regression": "linear regression",
    "finite": "finite law, three atoms",
    "thresholds": "uniform and Lloyd–Max, 1–4 bits",
}
SIZES = ("7", "40", "200", "2000")
POINTS = ("500", "5000", "50000")
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
        with path.open(encoding="utf-8", newline="") as source:
            self.rows = list(csv.DictReader(source))
        self.index = {self.key(r): r for r in self.rows}

    @staticmethod
    def key(row):
        """Return what identifies a row."""
        return tuple(row[k] for k in ("part", "family", "setting", "n", "N", "quantity"))

    def row(self, part, family, quantity, *, setting="", n="", points=""):
        """Return one row."""
        return self.index[part, family, str(setting), str(n), str(points), quantity]

    def value(self, *args, **kwargs):
        """Return one number."""
        return float(self.row(*args, **kwargs)["value"])

    def settings(self, part, family):
        """Return the settings of a family in their order."""
        return list(dict.fromkeys(r["setting"] for r in self.rows if (r["part"], r["family"]) == (part, family)))

    def interval(self, *args, digits=2, low=-1.0, **kwargs):
        """Return "value [low, high]", cut to the range of a correlation or of a share."""
        r = self.row(*args, **kwargs)
        a, b = max(low, float(r["low"])), min(1.0, float(r["high"]))
        value = f"{float(r['value']):.{digits}f}"
        return f"{value} [{a:.{digits}f}, {b:.{digits}f}]".replace("-0.00", "0.00").replace("-", "−")

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


def table(head, rows):
    """Return a Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def number(value, digits=3):
    """Return a number with a proper minus sign."""
    return f"{value:.{digits}g}".replace("-", "−")


def size_name(setting):
    """Return how a codebook size is shown."""
    return setting.replace("-", "–")


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


# --- the page --------------------------------------------------------------------------------------------------------


def regular(x: Numbers) -> str:
    """Return the section on random families."""
    keys = [(f, s) for f in FAMILIES for s in x.settings("regular", f)]
    population = table(
        ["law", "K", *(f"n = {n}" for n in SIZES), "same with I_Q, n = 7", "I_Q, n = 2000", "τ(r_Q, I_Q)"],
        [
            [
                FAMILIES[f],
                size_name(s),
                *(x.interval("regular", f, "tau r_Q", setting=s, n=n) for n in SIZES),
                *(x.interval("regular", f, "tau I_Q", setting=s, n=n) for n in ("7", "2000")),
                f"{x.value('regular', f, 'tau r_Q with I_Q', setting=s):.2f}",
            ]
            for f, s in keys
        ],
    )
    estimated = table(
        ["law", "K", *(f"N = {p}, n = {n}" for n in ("40", "2000") for p in POINTS)],
        [
            [
                FAMILIES[f],
                size_name(s),
                *(x.interval("regular", f, "tau r", setting=s, n=n, points=p) for n in ("40", "2000") for p in POINTS),
            ]
            for f, s in keys
        ],
    )
    chernoff = table(
        ["law", "K", *(f"{w}, N = {p}" for p in POINTS for w in ("r̂", "Î"))],
        [
            [
                FAMILIES[f],
                size_name(s),
                *(
                    f"{x.value('regular', f, q, setting=s, n='2000', points=p):.2f}"
                    for p in POINTS
                    for q in ("tau r", "tau I")
                ),
            ]
            for f, s in keys
        ],
    )
    sets = table(
        [
            "law",
            "K",
            "N",
            "rank by r_Q",
            "clear best",
            "rank by r_Q among these",
            "mean size",
            *(f"MIS, n = {n}" for n in SIZES),
        ],
        [
            [
                FAMILIES[f],
                size_name(s),
                p,
                x.interval("rank sets", f, "sets hold r_Q", setting=s, points=p, low=0.0),
                f"{100 * x.value('rank sets', f, 'clear best', setting=s, points=p):.0f} %",
                x.interval("rank sets", f, "clear sets hold r_Q", setting=s, points=p, low=0.0),
                f"{x.value('regular', f, 'set width', setting=s, points=p):.1f}",
                *(f"{x.value('regular', f, 'sets hold MIS', setting=s, n=n, points=p):.2f}" for n in SIZES),
            ]
            for f, s in keys
            for p in POINTS[:2]
        ],
    )
    undecided = max(
        x.value("regular", f, "undecided pairs", setting=s, n=n) for f, s in keys for n in SIZES if f == "plane"
    )
    outside = max(x.value("regular", f, "outside domain", setting=s, n=n) for f, s in keys for n in SIZES)
    held = pooled(x, "sets hold r_Q")
    clear = pooled(x, "clear sets hold r_Q")
    few = [x.interval("rank sets", "line", "sets hold r_Q", setting="17", points=p, low=0.0) for p in POINTS[:2]]
    wide = x.interval("regular", "line", "sets hold MIS", setting="17", n="7", points=POINTS[-1], low=0.0)
    late = x.interval("regular", "line", "sets hold MIS", setting="17", n="2000", points=POINTS[-1], low=0.0)
    return f"""## Random quantizers, fixed cells

Ten quantizers with random codebooks of K codewords on one law; {x.row("regular", "line", "tau r_Q", setting="2", n="7")["repetitions"]}
independent families and sets of evaluation points give the Student intervals. MIS is exact on the line, for two
codewords of a regression, for two codewords in the plane and for the finite law up to n = 200; elsewhere it is simulated (tilted), and
pairs closer than three standard errors count as ties of τ_b (at most {100 * undecided:.1f} % of the pairs in the plane; at
most {100 * outside:.1f} % of the results of a row are outside their method's domain). In the finite families every rival beats the
best somewhere.

![Kendall's tau against n](indicator_ranking_regular.svg)

**What the indicator itself gets wrong**: τ between MIS_n and the population's r_Q, nothing estimated; beside it the
Chernoff exponent.

{population}

For a Gaussian mean r_Q is I_Q, and in a regression they give the same order (below): what is missing to 1 at small n is
prefactors and further rivals, and with two codewords nothing is missing, at any n. On the finite law r_Q misorders pairs that I_Q
orders, also at large n. At n = 2000 the order by I_Q is complete but for near ties. The last family has exact ties (thresholds
shared by quantizers: {100 * x.value("regular", "thresholds", "undecided pairs", setting="2-16", n="2000"):.0f} % of its pairs at n = 2000), on which an estimate without ties cannot reach 1.

**With estimation**: τ between MIS_n and r̂ from N points.

{estimated}

**r̂ against the empirical Chernoff exponent Î** at n = 2000 (means of τ). Î was nowhere worse by more than {shortfall(x):.2f}.

{chernoff}

**Rank confidence sets** (simultaneous, 95 %): share of families in which all ten sets hold the rank, with Wilson
intervals. The sets promise the rank by r_Q. They held it in {held} families; with 17 codewords on a line in {few[0]} of them
at N = 500 and in {few[1]} at N = 5000. Where the best codeword cannot be told from the next (`near_ties`) its gaps are only
bounded, without pairing, and the sets are wide ("clear best" is the share of quantizers that are not concerned). Ranked
among themselves, the quantizers whose best is clear were held in {clear}. The rank by MIS_n is
another thing where the orders differ, the more so the smaller the sets are: for 17 codewords on a line and N = 50000 it was
held in {wide} of the families at n = 7 and in {late} at n = 2000.

{sets}
"""


def skewed(x: Numbers) -> str:
    """Return the section on r against I."""
    one, many = "few disagreements, one-sided", "many"
    pair = table(
        ["", "a", "b", "r", "I", *(f"log Δ, n = {n}" for n in (7, 40, 200, 2000))],
        [
            [
                name,
                *(number(x.value("0-1 pair", name, q)) for q in ("a", "b")),
                *(f"{x.value('0-1 pair', name, q):.4f}" for q in ("r", "I")),
                *(f"{x.value('0-1 pair', name, 'log delta', n=n):.2f}".replace("-", "−") for n in SIZES),
            ]
            for name in (one, many)
        ],
    )
    order = table(
        ["N", "r̂ orders right", "rank sets exclude the right order", "Î orders right", "Î in its domain, both"],
        [
            [
                p,
                *(
                    x.interval("0-1 pair", "order", q, points=p, low=0.0)
                    for q in ("r orders right", "rank sets exclude MIS", "I orders right", "I in domain")
                ),
            ]
            for p in POINTS
        ],
    )
    rare = table(
        ["", "r", "I", *(f"log Δ, n = {n}" for n in SIZES)],
        [
            [
                name,
                *(f"{x.value('rare class', name, q):.4f}" for q in ("r", "I")),
                *(f"{x.value('rare class', name, 'log delta', n=n):.3f}".replace("-", "−") for n in SIZES),
            ]
            for name in ("threshold below, 0.03", "threshold above, 0.185")
        ],
    )
    opposed = table(
        ["", *(f"n = {n}" for n in SIZES)],
        [
            ["r_Q", *(f"{x.value('opposed', 'tau', 'tau r_Q', n=n):.2f}".replace("-", "−") for n in SIZES)],
            ["I_Q", *(f"{x.value('opposed', 'tau', 'tau I_Q', n=n):.2f}".replace("-", "−") for n in SIZES)],
            *(
                [f"{w}, N = {p}", *(x.interval("opposed", "tau", q, n=n, points=p) for n in SIZES)]
                for p in POINTS
                for w, q in (("r̂", "tau r"), ("Î", "tau I"))
            ),
        ],
    )
    random = table(
        ["", *(f"n = {n}" for n in SIZES), "Î in its domain"],
        [
            ["r_Q", *(x.interval("0-1 families", "random", "tau r_Q", n=n) for n in SIZES), ""],
            ["I_Q", *(x.interval("0-1 families", "random", "tau I_Q", n=n) for n in SIZES), ""],
            *(
                [
                    f"{w}, N = {p}",
                    *(x.interval("0-1 families", "random", q, n=n, points=p) for n in SIZES),
                    f"{100 * x.value('0-1 families', 'random', 'I in domain', points=p):.0f} %" if w == "Î" else "",
                ]
                for p in POINTS
                for w, q in (("r̂", "tau r"), ("Î", "tau I"))
            ),
        ],
    )
    ranges = list(dict.fromkeys(r["family"] for r in x.rows if r["part"] == "saturation"))
    saturation = table(
        ["ρ", "r, mean range", "I up to", "r_Q", *(f"{w}, N = {p}" for p in POINTS for w in ("r̂", "Î")), "Î in domain"],
        [
            [
                f,
                f"{x.value('saturation', f, 'smallest r'):.4f}–{x.value('saturation', f, 'largest r'):.4f}",
                f"{x.value('saturation', f, 'largest I'):.2f}",
                f"{x.value('saturation', f, 'tau r_Q', n='200'):.2f}",
                *(x.interval("saturation", f, q, n="200", points=p) for p in POINTS for q in ("tau r", "tau I")),
                ", ".join(f"{100 * x.value('saturation', f, 'I in domain', points=p):.0f} %" for p in POINTS),
            ]
            for f in ranges
        ],
    )
    return f"""## Where it fails

### (i) r against I: skewed increments

**0–1 losses.** Two candidates differ where one is right and the other wrong: the best alone is right on a share a of the
points, alone wrong on a share b. A rival with few disagreements, almost all to its cost, is nearly never chosen; its r does
not see that, its I does.

{pair}

The smaller r has the larger I, and the smaller Δ at every n that was tried from 7 on (exact). Losses on N
points, {x.row("0-1 pair", "order", "r orders right", points="500")["repetitions"]} evaluation sets:

{order}

More points make the order by r̂ *surely wrong*: its confidence sets, right about r_Q, exclude the order by MIS. The empirical
exponent gets it right, and says when it cannot know.

![The pair, and how often it is ordered rightly](indicator_ranking_exponent.svg)

**A family turned round.** Ten 0–1 quantizers with I falling from {x.value("opposed", "quantizer 0", "I"):.3f} to
{x.value("opposed", "quantizer 9", "I"):.3f} while r rises from {x.value("opposed", "quantizer 0", "r"):.4f} to
{x.value("opposed", "quantizer 9", "r"):.4f}; τ with exact MIS:

{opposed}

**0–1 losses at random** (a uniform on 0.02–0.35, b/a uniform on 0–0.6): the turned family is the worst case, not the rule.

{random}

**Thresholds about a rare class.** The mean of a class of probability 1/10 under squared loss, one threshold below or above
it. The long tail makes the upper side more dangerous than its variance says; exact rational values:

{rare}

Up to n = 40 the prefactors decide, and the order is still that of r; from n = 200 on it is that of I.

**Linear regression saturates, but does not cross.** In a Gaussian regression, for codebooks as for thresholds,
I = ½ log((1 − 2r)/(1 − 4r)): r stays below ¼ while I grows without bound, and the two give *the same order*. What suffers
is the estimate: differences of r vanish near ¼ while its error, from fourth moments, does not. The empirical exponent averages
bounded numbers and keeps the order with far fewer points. Two codewords, ρ = δ/(2√D) uniform in a range; τ with exact MIS at
n = 200 (there τ of r_Q itself is 1):

{saturation}
"""


def prefactors(x: Numbers) -> str:
    """Return the section on small n."""
    sizes = (20, 40, 100, 200, 400, 1000, 2000)
    rivals = table(
        ["rivals", "r", *(f"n = {n}" for n in sizes)],
        [
            [
                k,
                f"{x.value('rivals', k, 'r'):.4f}",
                *(f"{x.value('rivals', k, 'log delta', n=n):.2f}".replace("-", "−") for n in sizes),
            ]
            for k in ("1", "2", "4", "8", "16")
        ],
    )
    largest = max(x.value("rivals", k, "standard error", n=n) for k in ("2", "4", "8", "16") for n in sizes)
    factor = table(
        ["disagreements", "a", "b", "r", "I", *(f"log Δ, n = {n}" for n in (*SIZES, "20000"))],
        [
            [
                k,
                *(number(x.value("prefactor", k, q)) for q in ("a", "b")),
                *(f"{x.value('prefactor', k, q):.4f}" for q in ("r", "I")),
                *(f"{x.value('prefactor', k, 'log delta', n=n):.2f}".replace("-", "−") for n in (*SIZES, "20000")),
            ]
            for k in ("one-sided", "two-sided")
        ],
    )
    margins = [
        x.value("prefactor", "two-sided", "log delta", n=n)
        - x.value("prefactor", "one-sided", "log delta", n=n)
        + int(n) * (x.value("prefactor", "two-sided", "I") - x.value("prefactor", "one-sided", "I"))
        for n in (*SIZES, "20000")
    ]
    return f"""### (ii) Small n: rivals and prefactors

One rival with its face at 0.30 standard deviations of one point, against k rivals at 0.32 in orthogonal directions: log Δ,
exact for one rival, else simulated with standard errors up to {largest:.3f}.

{rivals}

The k rivals have the larger r, and leak more until n times the difference of the rates exceeds the logarithm of what the
number of rivals adds. Equal exponents do not make equal leaks either; two pairs of 0–1 losses, I equal to 2 %:

{factor}

Here even the order by I is right only beyond n = 2000: prefactors of one-sided disagreements are small. **Rule**: a
difference of rates decides when n times the difference exceeds what prefactors and rivals add to log Δ: at most the logarithm
of their number in the first table, {min(margins):.1f} to {max(margins):.1f} in the second.
"""


def critical(x: Numbers) -> str:
    """Return the section on the critical scale."""
    points = ("200", *POINTS)
    rows = []
    for family in ("line", "plane"):
        for s in x.settings("critical", family):
            rows.append(
                [
                    FAMILIES[family],
                    s,
                    *(x.interval("critical", family, q, setting=s, n=200) for q in ("tau r_Q", "tau critical")),
                    f"{100 * x.value('critical', family, 'undecided pairs', setting=s, n=200):.0f} %",
                    *(x.interval("critical", family, "tau r", setting=s, n=200, points=p) for p in points),
                    f"{100 * x.value('critical', family, 'near ties', setting=s, n=200, points='5000'):.0f} %",
                ]
            )
    found = table(
        [
            "law",
            "K",
            "r_Q",
            "critical form",
            "undecided pairs",
            *(f"r̂, N = {p}" for p in points),
            "near ties, N = 5000",
        ],
        rows,
    )
    return f"""### (iii) The critical scale: cells of width n^(−1/2)

Codebooks of spread 3/√n at n = 200; τ with MIS (exact on the line, simulated in the plane).

{found}

On a line with squared loss r_Q keeps the order even here: Σ_k |φ(c_(k−1)) − φ(c_k)| = 2 φ(c) with c the threshold nearest to
the mean, so that to first order nothing but the nearest threshold matters. In the plane the other faces count; the critical
form orders, up to pairs that the simulation cannot decide (with a share u of them τ_b is at most √(1 − u)). Estimation needs far more evaluation points than training points: gaps are of order n^(−1/2)
and their errors N^(−1/2), and `near_ties` says so.
"""


def dimension(x: Numbers) -> str:
    """Return the section on high dimension."""
    dims = x.settings("dimension", "grids")
    by_d = table(
        ["d", "r_Q", "ρ_Q", "critical form", "Δ, mean of the smallest and the largest", "undecided pairs"],
        [
            [
                d,
                *(x.interval("dimension", "grids", q, setting=d, n=500) for q in ("tau r_Q", "tau rho_Q")),
                x.interval("dimension", "grids", "tau critical", setting=d, n=500) if int(d) <= 32 else "",
                f"{x.value('dimension', 'grids', 'smallest delta', setting=d, n=500):.3f}–"
                f"{x.value('dimension', 'grids', 'largest delta', setting=d, n=500):.3f}",
                f"{100 * x.value('dimension', 'grids', 'undecided pairs', setting=d, n=500):.0f} %",
            ]
            for d in dims
        ],
    )
    names = ("one coordinate close", "all coordinates fairly close")
    pair = table(
        ["128 coordinates, n = 500", "n r_Q", "ρ_Q", "Δ simulated", "mixed form", "high-dimensional form"],
        [
            [
                k,
                number(x.value("one coordinate", k, "n r_Q", n=500)),
                number(x.value("one coordinate", k, "rho_Q", n=500)),
                f"{x.value('one coordinate', k, 'delta', n=500):.4f} "
                f"({x.value('one coordinate', k, 'standard error', n=500):.4f})",
                *(f"{x.value('one coordinate', k, q, n=500):.4f}" for q in ("mixed", "high_dimension")),
            ]
            for k in names
        ],
    )
    sizes = ("50", "500", "5000", "50000", "500000")
    fixed = table(
        ["d", "", *(f"n = {n}" for n in sizes)],
        [
            [
                d,
                w,
                *(
                    f"{x.value('fixed grids', 'grids', q, setting=d, n=n):.1f}"
                    if q == "nearest in errors"
                    else x.interval("fixed grids", "grids", q, setting=d, n=n)
                    for n in sizes
                ),
            ]
            for d in x.settings("fixed grids", "grids")
            for w, q in (
                ("τ, r_Q", "tau r_Q"),
                ("τ, ρ_Q", "tau rho_Q"),
                ("nearest threshold, in standard errors", "nearest in errors"),
            )
        ],
    )
    return f"""### (iv) High dimension: retained information decides

Grid quantizers on all d coordinates, steps of 1 to 6 standard errors, a random mean; n = 500. MIS is simulated from exact
likelihood ratios (exact at d = 1).

{by_d}

On one coordinate r_Q orders, and ρ_Q does not: far thresholds retain information that is hardly ever output. With two it takes
the critical form, from four on ρ_Q is enough. (With a tenth of the pairs undecided τ_b cannot exceed 0.95.)

The smallest r of a thousand faces is an extreme value: it belongs to the coordinate that happens to be nearest to a threshold,
and Δ is made by all of them. The extreme case, one threshold near one coordinate against thresholds fairly near all of them:

{pair}

r_Q says that the first is worse by a factor of {x.value("one coordinate", names[1], "n r_Q", n=500) / x.value("one coordinate", names[0], "n r_Q", n=500):.0f} in
the rate; it leaks {x.value("one coordinate", names[1], "delta", n=500) / x.value("one coordinate", names[0], "delta", n=500):.0f} times less. The same grids,
kept fixed while n grows, return to the nearest face, and the indicator to its order, when the nearest threshold is several
standard errors away:

{fixed}

![Kendall's tau against dimension and n](indicator_ranking_dimension.svg)
"""


def subsets(x: Numbers) -> str:
    """Return the section on subsets and ties."""
    names = list(dict.fromkeys(r["family"] for r in x.rows if r["part"] == "subsets"))

    def cell(name, quantity):
        return x.value("subsets", name, quantity, n=200, points=5000)

    found = table(
        ["codewords evaluated", "their mean number", "r of the subset over r_Q, median", "holds the nearest", "τ, r̂"],
        [
            [
                k.replace("n/10", "20"),
                f"{cell(k, 'codewords'):.1f}",
                number(cell(k, "subset r over r_Q")),
                f"{100 * cell(k, 'subset holds nearest'):.0f} %",
                x.interval("subsets", k, "tau r", n=200, points=5000),
            ]
            for k in names
        ],
    )
    ties = table(
        ["N", "τ, r̂", "quantizers flagged by `near_ties`"],
        [
            [
                p,
                x.interval("ties", "plane", "tau r", setting=9, n=20, points=p),
                f"{100 * x.value('ties', 'plane', 'flagged', setting=9, n=20, points=p):.0f} %",
            ]
            for p in POINTS
        ],
    )
    return f"""### (v) Subsets of codewords, and ties

The indicator of some of the codewords is an upper bound on r_Q: a rival that was not evaluated may be nearer. Codebooks of 17
in the plane, N = 5000, τ with MIS at n = 200; "visited" means that the rivals are those that training on 20 points returned at
least once in so many runs:

{found}

Random subsets lose the order; visited codewords are the near ones, and a few keep it.

**Ties.** Nine codewords in the plane, two of them equally good: r_Q = 0 for every quantizer, and r̂ is the square of an
estimation error. τ with MIS at n = 20 (whose logarithms spread over {x.value("ties", "plane", "spread of log delta", setting=9, n=20):.2f}); the critical form
reaches {x.interval("ties", "plane", "tau critical", setting=9, n=20)}:

{ties}
"""


def summary(x: Numbers) -> str:
    """Return the page's head: what to do, in plain words."""
    worst = x.value("opposed", "tau", "tau r_Q", n="2000")
    tired = x.value("saturation", "2 to 8", "tau r", n="200", points="5000")
    fresh = x.value("saturation", "2 to 8", "tau I", n="200", points="5000")
    return f"""# Does the indicator rank correctly?

The indicator r_Q = min δ²/(2σ²) is estimated from losses and used to rank quantizers by privacy. Here it is held against
the membership inference security MIS_n itself, on problems where that is known: Kendall's τ between the two orders, with
95 % intervals (1: the same order; 0: none; −1: turned round). Where MIS is simulated its standard errors are counted.
The page and [its table](indicator_ranking.csv) are written by `python docs/studies/indicator_ranking.py`.

## In plain words

**Trust the order by r̂** when all of this holds:

* one candidate is clearly the best (`near_ties` is empty), with rivals that differ from it at many points;
* its nearest rivals were among the candidates: all codewords, or those that many training runs visit;
* differences of losses are roughly symmetric about their mean, as for a Gaussian mean or small steps, or all come from a
  Gaussian regression, where r and the exponent give the same order;
* the parameter has few coordinates near a threshold, or n is large enough for the nearest face to be several standard errors away;
* n times the difference of two rates is large: above the logarithm of the number of near rivals, and several units more
  where losses are one-sided;
* the rank confidence sets decide. What they leave open is open.

Then τ with exact MIS at n = 2000 was {x.value("regular", "line", "tau r", setting="5", n="2000", points="50000"):.2f} on a line,
{x.value("regular", "plane", "tau r", setting="5", n="2000", points="50000"):.2f} in the plane and
{x.value("regular", "regression", "tau r", setting="5", n="2000", points="50000"):.2f} in a regression (five codewords, N = 50000).

**Look at the empirical Chernoff exponent as well**: every ranking reports it. At n = 2000 its τ was nowhere lower than that
of r̂ by more than {shortfall(x):.2f}, and often much higher. Where the two orders differ, that is a warning.

**Do not trust r̂, and look elsewhere**:

| situation | what happens | look at |
|---|---|---|
| 0–1 losses, rare classes, one-sided disagreements | the order can be turned round (τ = {number(worst)}), and more points make it surely wrong | the empirical Chernoff exponent `chernoff`, where `in_domain` |
| saturated r (near ¼ in a regression) | right order, but its differences drown in error: τ = {tired:.2f} with N = 5000 | `chernoff`, the same order with less noise: τ = {fresh:.2f} |
| small n, or rates that nearly agree | the number of rivals and the prefactor decide | Δ itself: `mis` with `exact`, `sharp` or `tilted` |
| cells of width n^(−1/2), two coordinates or a plane | all faces near the estimate count | `critical` |
| four and more coordinates near thresholds | the smallest r is an accident of one coordinate | ρ_Q: `high_dimension`, `mixed` |
| ties for the best candidate | r̂ is noise | `near_ties`; `critical` or `tilted` |
| only some codewords evaluated | r̂ is too large | codewords visited by training; read it as an upper bound |
"""


# --- figures ---------------------------------------------------------------------------------------------------------


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
        ax.set_title(f"{family}, K = {size_name(setting)}", fontsize=9)
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
    page = "\n".join(part(x) for part in (summary, regular, skewed, prefactors, critical, dimension, subsets))
    path.with_suffix(".md").write_text(page, encoding="utf-8")
    with rc_context(STYLE):
        for name, draw in (("regular", draw_regular), ("exponent", draw_exponent), ("dimension", draw_dimension)):
            target = path.with_name(f"{path.stem}_{name}.svg")
            draw(x).savefig(target, format="svg", metadata={"Date": None, "Creator": None})
    assert all(math.isfinite(float(r["value"])) for r in x.rows)
