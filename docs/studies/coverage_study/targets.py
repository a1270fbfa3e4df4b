"""The targets of the study against its rows."""

from scipy.stats import binom

NOMINAL = 0.95
WIDER = 1.5
"""Ratio of the normal quantiles of 5 % shared by 15 settings and of 5 %."""


def share(row: dict) -> float:
    return float(row["coverage"])


def regular(rows: list[dict], part: str, method: str) -> list[dict]:
    return [r for r in rows if r["part"] == part and r["method"] == method and r["regular"] == "yes"]


def described(row: dict) -> str:
    sizes = ", ".join(f"{key} = {row[key]}" for key in ("N", "K", "Q") if row[key] and row["part"] != "one rival")
    place = sizes or f"N = {row['N']}"
    return f"{row['law']}, {row['configuration']}, {place}"


def interval(row: dict) -> str:
    low, high = (100.0 * float(row[key]) for key in ("low", "high"))
    return f"{100.0 * share(row):.2f} % [{low:.2f}, {high:.2f}]"


def tail(row: dict, least: float) -> float:
    """Return the probability of so few covered samples, or fewer, at the share ``least``."""
    replicates = int(row["replicates"])
    return float(binom.cdf(round(share(row) * replicates), replicates, least))


def at_least(rows: list[dict], least: float) -> str:
    """Say whether every share is at least ``least``; one is short when an exact test says so, at 5 % for all rows."""
    short = [row for row in rows if tail(row, least) < 0.05 / len(rows)]
    below = [row for row in rows if share(row) < least]
    if short:
        return "short: " + "; ".join(f"{described(row)}: {interval(row)}" for row in short)
    if not below:
        return "met"
    lowest = min(tail(row, least) for row in below)
    more = (
        f"{len(below)} of {len(rows)} shares are below the target, none significantly (smallest p-value {lowest:.2g})"
    )
    return f"met within the error of simulation: {more}"


def targets(rows: list[dict]) -> list[list[str]]:
    return [
        _one_rival(rows),
        _lowest(rows, "minimum", "Indicator.conf_int", "the minimum"),
        _lowest(rows, "ranks", "simultaneous", "simultaneous sets of ranks"),
        _false_orders(rows),
        *_narrower(rows),
    ]


def _one_rival(rows: list[dict]) -> list[str]:
    chosen = regular(rows, "one rival", "adjusted")
    lowest, highest = min(chosen, key=share), max(chosen, key=share)
    outside = [row for row in chosen if not 0.94 <= share(row) <= 0.96]
    verdict = "met" if not outside else "not met: " + "; ".join(f"{described(r)}: {interval(r)}" for r in outside)
    return [
        "one rival, adjusted interval: 94 to 96 % from N = 500 on, for Gaussian, exponential and discrete increments",
        f"{len(chosen)} settings from {interval(lowest)} ({described(lowest)}) to {interval(highest)} "
        f"({described(highest)})",
        verdict,
    ]


def _lowest(rows: list[dict], part: str, method: str, text: str) -> list[str]:
    chosen = regular(rows, part, method)
    lowest = min(chosen, key=share)
    return [
        f"{text}: 94.5 % at least in every regular setting",
        f"{len(chosen)} settings, the lowest {interval(lowest)} ({described(lowest)})",
        at_least(chosen, 0.945),
    ]


def _false_orders(rows: list[dict]) -> list[str]:
    chosen = [r for r in regular(rows, "ranks", "simultaneous") if r["configuration"].startswith("all equal")]
    covered = sum(round(share(row) * int(row["replicates"])) for row in chosen)
    total = sum(int(row["replicates"]) for row in chosen)
    return [
        "all quantizers equal: any pair ordered falsely in 5 % of samples at most",
        f"{100.0 * (1.0 - covered / total):.2f} % of {total} samples in {len(chosen)} settings; the highest "
        f"{100.0 * (1.0 - min(map(share, chosen))):.2f} %",
        at_least(chosen, NOMINAL),
    ]


def ends(row: dict, value: str) -> tuple[float, float]:
    """Return the interval of a difference of widths or of coverages, at 95 % for all settings together."""
    middle = float(row[value])
    half = WIDER * (float(row["width_high" if value == "width" else "high"]) - middle)
    return middle - half, middle + half


def _narrower(rows: list[dict]) -> list[list[str]]:
    found = []
    for other, name, text in (
        ("multiple-inference, simultaneous", "multiple-inference", "simultaneous sets no wider than those of"),
        ("multiple-inference, marginal", "multiple-inference", "marginal sets no wider than those of"),
        ("Bonferroni", "pairwise Bonferroni", "simultaneous sets narrower than those of"),
    ):
        chosen = [r for r in rows if r["part"] == "comparison" and r["method"] == f"difference to {other}"]
        wider = [row for row in chosen if ends(row, "width")[0] > 0.0]
        narrower = [row for row in chosen if ends(row, "width")[1] < 0.0]
        worse = [row for row in chosen if ends(row, "coverage")[1] < 0.0]
        mean = sum(float(row["width"]) for row in chosen) / len(chosen)
        verdict = "met" if not wider else "not met: wider in " + "; ".join(described(row) for row in wider)
        if worse:
            verdict += f" for widths; coverage is lower than theirs, which is above 95 %, in {len(worse)} settings"
        found.append(
            [
                f"{text} {name}, at equal or better coverage",
                f"{mean:+.3f} ranks on average over {len(chosen)} settings; significantly narrower in {len(narrower)}, "
                f"wider in {len(wider)}; coverage significantly lower in {len(worse)}",
                verdict,
            ]
        )
    return found
