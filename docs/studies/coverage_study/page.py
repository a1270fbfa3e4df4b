"""The page of the coverage study: what was asked for, what was found, and every number."""

from coverage_study.conclusions import conclusions
from coverage_study.targets import targets

METHODS = ("adjusted", "delta", "noncentral_t", "bca")
POINTS = ("50", "100", "200", "500", "2000", "10000", "100000")

HEAD = """# Coverage of intervals and rank sets

An interval that is said to hold in 95 of 100 cases is simulated on increments whose law is known, and the cases are
counted. Here this is done for {doc}`every interval and every set of ranks <../api/inference>` of the package: for one
rival known beforehand, for the smallest of up to 999 gaps, for the ranks of up to 20 quantizers, and beside another
package on the same inputs. Every share stands with its own exact 95 % interval (Clopper and Pearson).

What is simulated: losses of a best candidate, and of rivals that exceed it by increments with standardised gap
$s=\\delta/\\sigma$. The increments are Gaussian, exponential (skewed to the right, or reversed: a long tail towards and
beyond the best), Student's with five and three degrees of freedom, lognormal, or 1, 0 and −1 as differences of 0-1
losses are. A common factor of share 0.8 makes rivals, or quantizers, dependent. Bootstraps have 2000 draws,
comparisons of given estimates 10 000.

```{image} coverage.svg
:alt: Coverage of four intervals for one rival against the number of points, for six laws of the increments
```

*One rival: coverage with its 95 % interval. The grey band is 94 to 96 %; numbers at the lower edge are values below
80 %.*
"""

FOOT = """
## How to repeat it

```console
$ pip install multiple-inference==1.2.0
$ python docs/studies/run_coverage.py --out docs/studies/coverage.csv
$ python docs/studies/write_coverage.py docs/studies/coverage.csv
```

or `make study`. Every setting derives its own stream of random numbers from seed 20261 and its name, so that settings
can be run in any order and in parts (`--part`, `--quick`); rows that a file already has are kept. The rows:
{download}`coverage.csv`. {RUN_TIME}
"""

RUN_TIME = "A full run takes about 35 minutes in two processes on a shared virtual machine of two cores."


def percent(value: str) -> str:
    return f"{100.0 * float(value):.1f}"


def cell(row: dict | None) -> str:
    """Return a share with its interval, in per cent."""
    if row is None:
        return ""
    return f"{percent(row['coverage'])} [{percent(row['low'])}, {percent(row['high'])}]"


def table(head: list[str], lines: list[list[str]]) -> list[str]:
    return ["", f"| {' | '.join(head)} |", "|" + "---|" * len(head), *(f"| {' | '.join(line)} |" for line in lines), ""]


def settings(rows: list[dict], part: str) -> list[dict[str, dict]]:
    """Return the rows of every setting by method."""
    found: dict[tuple[str, ...], dict[str, dict]] = {}
    for row in rows:
        if row["part"] == part:
            key = tuple(row[name] for name in ("law", "configuration", "N", "K", "Q"))
            found.setdefault(key, {})[row["method"]] = row
    return list(found.values())


def any_row(setting: dict[str, dict]) -> dict:
    return next(iter(setting.values()))


def one_rival(rows: list[dict]) -> list[str]:
    chosen = [row for row in rows if row["part"] == "one rival"]
    cases = list(dict.fromkeys((row["law"], row["configuration"]) for row in chosen))
    by_place = {(r["law"], r["configuration"], r["N"], r["method"]): r for r in chosen}
    lines = ["", "## One rival", ""]
    for method in METHODS:
        points = [p for p in POINTS if any(key[2:] == (p, method) for key in by_place)]
        body = []
        for law, configuration in cases:
            cells = [cell(by_place.get((law, configuration, p, method))) for p in points]
            if any(cells):
                body.append([f"{law}, {configuration}", *cells])
        lines += [f"### `{method}`", "", "Coverage in per cent with its interval, by number of points N."]
        lines += table(["increments", *(f"N = {p}" for p in points)], body)
    lines += ["### Where they miss, and how wide they are, at N = 500", ""]
    lines += ["Shares in per cent of intervals that lie below the truth / above it; mean width."]
    body = []
    for law, configuration in cases:
        found = [by_place.get((law, configuration, "500", method)) for method in METHODS]
        body.append([f"{law}, {configuration}", *(misses(row) for row in found)])
    return lines + table(["increments", *(f"`{m}`" for m in METHODS)], body)


def misses(row: dict | None) -> str:
    if row is None:
        return ""
    shares = (100.0 * int(row[side]) / int(row["replicates"]) for side in ("below", "above"))
    return f"{' / '.join(f'{share:.1f}' for share in shares)}; {float(row['width']):.3f}"


def minimum(rows: list[dict]) -> list[str]:
    body = []
    for setting in settings(rows, "minimum"):
        row, naive = setting["Indicator.conf_int"], setting["as if the rival were known"]
        shares = [f"{100.0 * int(row[side]) / int(row['replicates']):.1f}" for side in ("below", "above")]
        body.append(
            [
                row["law"],
                row["configuration"],
                row["N"],
                row["K"],
                row["replicates"],
                cell(row),
                " / ".join(shares),
                row["width"],
                percent(naive["coverage"]),
                row["regular"],
            ]
        )
    head = ["increments", "gaps of the rivals", "N", "K", "samples", "coverage, %", "below / above, %", "mean width"]
    return [
        "",
        "## The minimum",
        "",
        "The interval of `Indicator.conf_int` for the smallest of K − 1 gaps (smallest s = 0.4). *Unique minimum*: the "
        "others from 0.5 to 1; *near ties*: gaps from 0.4 to 0.4 + 3/√N; *three tied*: three at 0.4. *Naive*: the "
        "adjusted interval of the rival that looks closest, as if it had been known beforehand. In the last four rows "
        "the best candidate itself is in doubt (s of its rival is 0 or 1/√N): these are not regular, and neither are "
        "those with N = 200, for which no target is set.",
        *table([*head, "naive, %", "regular"], body),
    ]


def ranks(rows: list[dict]) -> list[str]:
    kinds = ("simultaneous", "holm", "marginal", "best set 1", "best set 2", "unadjusted pairs")
    body, widths = [], []
    for setting in settings(rows, "ranks"):
        row = any_row(setting)
        start = [row["law"], row["configuration"], row["N"], row["Q"]]
        shares = [cell(setting["simultaneous"]), *(percent(setting[kind]["coverage"]) for kind in kinds[1:])]
        body.append([*start, row["replicates"], *shares, row["regular"]])
        widths.append([*start, *(f"{float(setting[kind]['width']):.2f}" for kind in kinds)])
    names = ["simultaneous", "Holm", "marginal", "best 1", "best 2", "unadjusted"]
    head = ["increments", "quantizers", "N", "Q"]
    return [
        "",
        "## Ranks",
        "",
        "Coverage of sets of ranks for Q quantizers on shared points, each with one rival unless more are named. A set "
        "covers when it holds every rank that its quantizer may be given among its equals; under *all equal* the share "
        "that is missing is the family-wise error: how often any pair is ordered falsely. *Marginal* is that of the "
        "quantizer in the middle. *Unadjusted*: every ordered pair tested at 5 %, which is what the adjustment is for. "
        "No target is set for N = 200. *Two clusters*: gaps 4/√N apart; *equally spaced*: 1.5/√N each; "
        "*one outlier*: 5/√N.",
        *table([*head, "samples", *(f"{n}, %" for n in names), "regular"], body),
        "Mean number of ranks in a set; for the sets of the best, their mean size.",
        *table([*head, *names], widths),
    ]


def comparison(rows: list[dict]) -> list[str]:
    lines = [
        "",
        "## Beside multiple-inference and Bonferroni",
        "",
        "Sets of ranks from estimates with a known normal error, the same for all: `rank_estimates` against "
        "`SimultaneousRanking` and `MarginalRanking` of multiple-inference 1.2.0, and against one-sided tests of all "
        "ordered pairs at 5 % divided by their number. *Difference*: ours less theirs on the same inputs, with its "
        "normal 95 % interval; a negative difference of widths is a narrower set.",
    ]
    for ours, other, label in (
        ("simultaneous", "multiple-inference, simultaneous", "multiple-inference, simultaneous sets"),
        ("marginal", "multiple-inference, marginal", "multiple-inference, marginal sets"),
        ("simultaneous", "Bonferroni", "Bonferroni"),
    ):
        body = []
        for setting in settings(rows, "comparison"):
            mine, theirs, difference = setting[ours], setting[other], setting[f"difference to {other}"]
            low, high = float(difference["width_low"]), float(difference["width_high"])
            body.append(
                [
                    mine["configuration"],
                    mine["Q"],
                    mine["replicates"],
                    cell(mine),
                    cell(theirs),
                    f"{float(mine['width']):.3f}",
                    f"{float(theirs['width']):.3f}",
                    f"{float(difference['width']):+.4f} [{low:+.4f}, {high:+.4f}]",
                ]
            )
        head = ["estimates", "Q", "samples", "ours, %", "theirs, %", "our width", "their width", "difference"]
        lines += ["", f"### {label}", *table(head, body)]
    return lines


def page(rows: list[dict], source: str) -> str:
    """Return the page."""
    lines = [
        HEAD,
        "## What was asked for, and what was found",
        *table(["target", "measured", "verdict"], targets(rows)),
        *conclusions(rows),
        *one_rival(rows),
        *minimum(rows),
        *ranks(rows),
        *comparison(rows),
        FOOT.replace("{RUN_TIME}", RUN_TIME).replace("coverage.csv}", source + "}"),
    ]
    return "\n".join(lines).rstrip() + "\n"
