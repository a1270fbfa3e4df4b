# ruff: noqa: E501 - prose and tables of the page
"""The page of the study, from its table; nothing is simulated here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from leak_checks_study import attacks, order, records
from leak_checks_study.rows import PARTS, Row, load
from statsmodels.stats.multitest import multipletests

TAU, PAIRS, SPEARMAN, DECILE = 0.9, 0.99, 0.9, 0.03
"""Targets."""

KINDS = ("one fit", "several fits", "law known")
"""Predictions of exposures."""

Z = 1.959963984540054
COMMAND = "python docs/studies/leak_checks.py"


class Table:
    """The rows of one part."""

    def __init__(self, rows: list[Row], part: str) -> None:
        self.part = part
        self.found = {row[1:4]: row[4:] for row in rows if row.part == part}
        self.sets = list(dict.fromkeys(row.set for row in rows if row.part == part))

    def value(self, name: str, figure: str, quantizer: str = "") -> float:
        return self.found[name, quantizer, figure][0]

    def error(self, name: str, figure: str, quantizer: str = "") -> float:
        return self.found[name, quantizer, figure][1]

    def each(self, figure: str) -> np.ndarray:
        """Return a figure of all settings that have it."""
        return np.array([self.found[name, "", figure][0] for name in self.sets if (name, "", figure) in self.found])

    def command(self) -> str:
        """Return how the part was run."""
        seeds = sorted({int(value) for value in self.each("seed")})
        scales = sorted({key[2][7:] for key in self.found if key[2].startswith("scale: ")})
        data = "" if self.part == "order" else " --data FOLDER"
        return f"`{COMMAND} --parts {self.part}{data} --scale {'/'.join(scales)} --seed {'/'.join(map(str, seeds))}`"

    def scale(self, figure: str) -> str:
        """Return how much was run, as a number or a range."""
        low, high = int(self.each(figure).min()), int(self.each(figure).max())
        return str(low) if low == high else f"{low} to {high}"


def row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def header(*titles: str) -> list[str]:
    return [row(*titles), "|" + "---|" * len(titles)]


def signed(value: float, error: float) -> str:
    """Return a difference and its standard error, with a proper minus sign."""
    return f"{value:+.4f} ({error:.4f})".replace("-", "−")


def order_lines(table: Table) -> list[str]:
    """Return the section on the order of quantizers."""
    means = table.each("tau")
    apart, right = table.each("pairs apart"), table.each("pairs right")
    share = right.sum() / apart.sum()
    lines = [
        "## Does one fit order the quantizers?",
        "",
        f"{table.command()}: {table.scale('trainings')} attacked training runs per setting with {order.SHOWN} members and as many others each, "
        f"{table.scale('fits')} independent fits that predict.",
        "Kendall's τ between orders of the 15 default quantizers by area. *Attack*: the optimal attack of",
        "{doc}`leakage`, which knows means and second moments of the weights. It is itself measured with noise, and some",
        "quantizers differ by less: *halves* is τ between its areas on two halves of the training runs, *law known* the order by",
        "{ref}`S16 <S16>` with the attack's knowledge. *Indicator*: the paper's r̂ by an audit of four training runs.",
        "The last four settings have the law of {doc}`synthetic`; their heads have no intercept.",
        "",
        *header(
            "setting", "one fit, attack", "halves of attack", "law known, attack", "one fit, law known",
            "indicator, attack", f"pairs > {order.APART} apart", "rightly ordered",
        ),
    ]  # fmt: skip
    for name in table.sets:
        indicator = (
            f"{table.value(name, 'tau of indicator'):.2f}".replace("-", "−")
            if (name, "", "tau of indicator") in table.found
            else ""
        )
        pairs, said = table.value(name, "pairs apart"), table.value(name, "pairs right")
        lines.append(
            row(
                name,
                f"{table.value(name, 'tau'):.3f} ({table.error(name, 'tau'):.3f})",
                *(f"{table.value(name, f'tau {k}'):.3f}" for k in ("of halves", "of law known", "with law known")),
                indicator,
                f"{pairs:.0f}",
                f"{100 * said / max(pairs, 1):.1f} %",
            )
        )
    indicators = table.each("tau of indicator")
    lines += [
        "",
        f"Mean τ with the attack {means.mean():.3f} (target {TAU}; reached in {np.sum(means >= TAU)} of {means.size} "
        f"settings), with the law known {table.each('tau with law known').mean():.3f}; of two halves of the attack "
        f"{table.each('tau of halves').mean():.3f}.",
        f"Of pairs whose measured areas differ by more than {order.APART} a fit orders {100 * share:.2f} % rightly "
        f"(target {100 * PAIRS:.0f} %).",
    ]
    if indicators.size:
        lines.append(
            f"The indicator's mean τ is {indicators.mean():.2f} over {indicators.size} settings.".replace("-", "−")
        )
    return [*lines, "", *claim_lines(table)]


def claim_lines(table: Table) -> list[str]:
    """Return the three claims of the paper, by the optimal attack and by one fit."""
    titles = {
        "most private": "next least area less sparse-90",
        "sign leaks more": "sign less sparse-33",
        "sparsity first": "(sparse-33 less sparse-90) less (uniform-8 less uniform-3)",
    }
    lines = [
        "### The claims of the paper, by the optimal attack",
        "",
        "Differences of areas with standard errors, paired on the same training runs; a claim holds where they are positive. In",
        "the first column it is the weakest of the differences from all others, by standard errors. Beside each: the share of",
        "fits in which `leakage` says that the claim holds.",
        "",
        *header("setting", *(part for claim in titles for part in (titles[claim], "fits for it"))),
    ]
    for name in table.sets:
        cells = [
            cell
            for claim in titles
            for cell in (
                signed(table.value(name, claim), table.error(name, claim)),
                f"{100 * table.value(name, f'{claim}, one fit'):.0f} %",
            )
        ]
        lines.append(row(name, *cells))
    lines.append("")
    words = {
        "most private": "**1.58 bits with 90 % zeros is the most private.**",
        "sign leaks more": "**The sign is less private than 1.58 bits with 33 % zeros.**",
        "sparsity first": "**Sparsity matters more than bits.**",
    }
    for claim, text in words.items():
        values = table.each(claim)
        z = values / np.array([table.error(name, claim) for name in table.sets])
        fits = 100 * table.each(f"{claim}, one fit").mean()
        lines += [
            f"{text} By the optimal attack in {np.sum(z > 0)} of {z.size} settings, with confidence in {np.sum(z > Z)}; the "
            f"opposite with confidence in {np.sum(z < -Z)}. By one fit in {fits:.0f} % of all fits.",
            "",
        ]
    return lines


def record_lines(table: Table) -> list[str]:
    """Return the section on the exposure of records."""
    lines = [
        "## Does one fit tell which records are exposed?",
        "",
        f"{table.command()}: {table.scale('trainings')} training runs on random halves of the set, and {table.scale('fits')} "
        "others that predict, each half of the records.",
        "Ridge 1 and a free intercept on 1024 fingerprint bits. *Measured*: true less false positive rate, record by record,",
        "of the test between the normal laws that the read-out of {ref}`S16 <S16>` had with and without the record; laws from",
        "one half of the training runs, rates from the other, and the reverse. On average it is at most the total variation, and",
        f"its bias for normal laws is {bias_text(table)}. Correlations are Spearman's; in brackets",
        "divided by the root of the measurement's reliability, from its two halves. *Several fits*: exposures of `.records()`",
        "averaged over the fits that used the record; *law known*: S16 with means over all training runs and no posterior.",
        "*Ceiling*: correlation, by simulation, that one fit could have if it knew all of the law but the means of the records,",
        "of which it sees only the fitted value that each had in this training.",
        "",
        *header(
            "set", "quantizer", "one fit", "several fits", "law known", "ceiling of one fit", "mean measured", "fits say", "law known says",
            "ρ, fits", "ρ, law known", "worst decile, one fit", "several fits", "law known",
        ),
    ]  # fmt: skip
    correlations, worst, ceilings = [], [], []
    for name in table.sets:
        for q in records.NAMES:
            root = np.sqrt(table.value(name, "reliability", q))
            cells = [table.value(name, kind, q) for kind in ("one fit", "several fits", "law known")]
            gaps = [decile_gaps(table, name, q, kind) for kind in KINDS]
            largest = [gap[np.argmax(np.abs(gap))] for gap in gaps]
            correlations.append([c / root for c in cells])
            ceilings.append(table.value(name, "ceiling", q))
            worst.append(np.abs(largest))
            means = [table.value(name, f"mean {kind}", q) for kind in ("measured", "predicted", "law known")]
            lines.append(
                row(
                    name,
                    q,
                    *(f"{c:.2f} ({c / root:.2f})" for c in cells),
                    f"{table.value(name, 'ceiling', q):.2f}",
                    *(f"{m:.3f}" for m in means),
                    *(f"{table.value(name, kind, q):.2f}" for kind in ("retained", "retained law known")),
                    *(f"{g:+.3f}".replace("-", "−") for g in largest),
                )
            )
    reached = np.array(correlations) >= SPEARMAN
    lines += [
        "",
        f"The target {SPEARMAN} for the corrected correlation is reached in {reached[:, 0].sum()} of {len(reached)} rows by "
        f"one fit, in {reached[:, 1].sum()} by several, in {reached[:, 2].sum()} with the law known; deciles stay within "
        f"{DECILE} in {', '.join(str(int(k)) for k in np.sum(np.array(worst) <= DECILE, axis=0))} of {len(worst)}, in the same order.",
        f"One fit cannot reach it on these sets: the ceiling is {min(ceilings):.2f} to {max(ceilings):.2f}.",
        "",
        "Decile gaps are predicted less measured means, records sorted by the prediction. One fit's exposure is an average over",
        "what the fit leaves open of the record. Averaging such averages over several fits ranks records better, and is too flat:",
        "",
        *header("set", "quantizer", "prediction", *map(str, range(1, records.DECILES + 1))),
    ]
    for name in table.sets:
        for q in records.NAMES:
            for kind in KINDS:
                gaps = [f"{gap:+.3f}".replace("-", "−") for gap in decile_gaps(table, name, q, kind)]
                lines.append(row(name, q, kind, *gaps))
    return [*lines, ""]


def bias_text(table: Table) -> str:
    """Return the simulated bias of the measurement at some total variations."""
    figures = [key[2] for key in table.found if key[0] == table.sets[0] and key[2].startswith("bias at ")]
    return ", ".join(f"{table.each(figure).mean():+.3f} {figure[5:]}" for figure in figures).replace("-", "−")


def decile_gaps(table: Table, name: str, quantizer: str, kind: str) -> np.ndarray:
    """Return predicted less measured mean exposures by deciles of the prediction."""
    return np.array(
        [
            table.value(name, f"decile {k} predicted of {kind}", quantizer)
            - table.value(name, f"decile {k} measured of {kind}", quantizer)
            for k in range(1, records.DECILES + 1)
        ]
    )


def attack_lines(table: Table) -> list[str]:
    """Return the section on the attacks of the package."""
    others = [attack.name for attack in attacks.OTHERS]
    tests = [(name, q, other) for name in table.sets for q in attacks.NAMES for other in others]
    p_values = [
        attacks.two_sided(*table.found[name, q, f"read-out less {other}"], table.value(name, "trainings"))
        for name, q, other in tests
    ]
    corrected = dict(zip(tests, multipletests(p_values, method="holm")[1], strict=True))
    lines = [
        "## Is the read-out beaten?",
        "",
        f"{table.command()}: {table.scale('trainings')} attacked training runs of linear heads (ridge 1) on random halves of each "
        f"set (of the larger ones {attacks.MOST} random records play), {attacks.MEMBERS} members and as many non-members each, and {table.scale('shadows')} shadow runs.",
        "Areas under the ROC curve; differences are paired on the same points, with training runs as clusters. Holm's correction",
        f"is over all {len(tests)} comparisons of the read-out with another attack. *One fit*: the area that `leakage` predicts",
        "from one training in the pool game; * outside of its domain.",
        "",
        *header("set", "quantizer", "read-out", *others, "read-out less best other", "p, Holm", "one fit"),
    ]
    beaten, ahead, gaps = [], 0, []
    for name in table.sets:
        for q in attacks.NAMES:
            best = max(others, key=lambda other: table.value(name, other, q))
            figure = f"read-out less {best}"
            difference, error = table.found[name, q, figure]
            for other in others:
                gap, significant = table.value(name, f"read-out less {other}", q), corrected[name, q, other] < 0.05
                ahead += gap > 0.0 and significant
                if gap < 0.0 and significant:
                    beaten.append(f"{name}, `{q}`: {other} by {-gap:.4f}")
            said = f"{table.value(name, 'leakage', q):.3f}" + ("" if table.value(name, "in domain", q) else " *")
            gaps.append(table.value(name, "leakage", q) - table.value(name, "read-out", q))
            areas = [f"{table.value(name, other, q):.3f}" for other in others]
            lines.append(
                row(
                    name,
                    q,
                    f"{table.value(name, 'read-out', q):.3f} ({table.error(name, 'read-out', q):.3f})",
                    *areas,
                    signed(difference, error),
                    f"{corrected[name, q, best]:.2g}",
                    said,
                )
            )
    return [
        *lines,
        "",
        f"The read-out is ahead with confidence in {ahead} of {len(tests)} comparisons, and behind in {len(beaten)}"
        + (": " + "; ".join(beaten) if beaten else "")
        + ".",
        f"What one fit predicts differs from the read-out's area by {np.max(np.abs(gaps)):.3f} at worst, by "
        f"{np.mean(np.abs(gaps)):.3f} on average.",
        "",
    ]


SECTIONS: dict[str, Callable[[Table], list[str]]] = dict(
    zip(PARTS, (order_lines, record_lines, attack_lines), strict=True)
)


def write(path: Path) -> None:
    """Write the page beside the CSV file."""
    rows = load(path)
    lines = [
        "# Checks of leakage: order, records, attacks",
        "",
        "`leakage` predicts from one fit what an optimal attack achieves ({ref}`S15 to S17 <S15>`). Three checks of what it is",
        "used for: choosing a quantizer, finding exposed records, and being sure that no known attack does better. Standard",
        "errors are in brackets, numbers in [leak_checks.csv](leak_checks.csv).",
        "",
    ]
    for part, section in SECTIONS.items():
        table = Table(rows, part)
        if table.sets:
            lines += section(table)
    path.with_suffix(".md").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
