"""What the rows say in words; nothing is said that is not shown."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from protects_study.releases import COMPARED, DENSE
from protects_study.tally import LEVEL
from scipy.special import stdtrit

SHORT = {
    "block size": "small blocks",
    "bits": "few bits",
    "bits at equal error": "few bits at equal error",
    "sparsity": "zeros",
    "sparsity at equal error": "zeros at equal error",
    "scale precision": "coarse scales",
    "rounding": "other rounding than to nearest",
    "rounding at equal error": "three bits at equal error",
}
SUBJECTS = {
    "block size": "Blocks of 128, 64 or 32 weights, against one scale for the tensor",
    "bits": "Fewer bits, against float weights",
    "bits at equal error": "Fewer bits, against a float model with as large an error",
    "sparsity": "Zeros for the smallest weights, against float weights",
    "sparsity at equal error": "Zeros for the smallest weights, against a float model with as large an error",
    "scale precision": "Scales in 16 bits, or in 8, against 32",
    "rounding": "Rounding at random, by GPTQ or AdaRound, against rounding to nearest",
    "rounding at equal error": "Rounding of any kind, against a float model with as large an error",
}


@dataclass(frozen=True)
class Row:
    """A row of the table, read."""

    setting: str
    way: str
    knob: str
    release: str
    reference: str
    numbers: dict[str, float]
    in_domain: bool

    @classmethod
    def of(cls, row: dict[str, str]) -> Row:
        texts = ("setting", "way", "knob", "release", "reference")
        numbers = {key: float(value) for key, value in row.items() if key not in (*texts, "in_domain")}
        return cls(*(row[key] for key in texts), numbers, row["in_domain"] == "True")

    def __getitem__(self, key: str) -> float:
        return self.numbers[key]

    def verdict(self, what: str) -> int:
        """Return 1 or −1 where a difference is shown to be positive or negative, 0 where it is not shown."""
        p = self[f"{what}_p"]
        return int(math.copysign(1.0, self[what])) if p <= LEVEL else 0


def _times(count: int, what: str) -> str:
    return f"{count} {what}" if count != 1 else f"1 {what.removesuffix('s')}"


def _between(values: Sequence[float], digits: int, unit: str = "") -> str:
    low, high = (f"{value:.{digits}f}" for value in (min(values), max(values)))
    if not float(high):
        return f"by less than {10.0**-digits:g}{unit}"
    return f"by {low}{unit}" if low == high else f"by {low} to {high}{unit}"


def _leak(rows: Sequence[Row]) -> str:
    """Return what is shown of the leak, a clause."""
    shown = {sign: [abs(row["more"]) for row in rows if row.verdict("more") == sign] for sign in (-1, 1)}
    parts = [
        f"leak {word} in {len(values)}, {_between(values, 3)} in AUC"
        for word, values in (("less", shown[-1]), ("more", shown[1]))
        if values
    ]
    open_ones = [row for row in rows if not row.verdict("more")]
    if open_ones and parts:
        parts.append(f"nothing is shown in {len(open_ones)}")
    elif open_ones:
        parts.append("are not shown to leak differently in any")
    return ", ".join(parts)


def _price(rows: Sequence[Row]) -> str:
    """Return what is shown of the price, a sentence; nothing where errors are equal by construction."""
    if all(math.isnan(row["cost_p"]) for row in rows):
        return ""
    shown = {sign: [abs(row["cost"]) for row in rows if row.verdict("cost") == sign] for sign in (-1, 1)}
    parts = [
        f"{word} in {len(values)}, {_between(values, 1, ' %')}"
        for word, values in (("larger", shown[1]), ("smaller", shown[-1]))
        if values
    ]
    said = ", and ".join(parts) if parts else "not shown to differ in any"
    return f" Errors on fresh points are {said}."


def headline(rows: Sequence[Row]) -> str:
    """Return which knobs are shown to lower or to raise the leak in most of their comparisons, and never otherwise."""
    groups: dict[str, list[str]] = {"Leak less": [], "Leak more": [], "Not settled": []}
    for knob in COMPARED:
        shown = [row.verdict("more") for row in rows if row.knob == knob and row.in_domain]
        if not shown:
            continue
        less, more = shown.count(-1), shown.count(1)
        where = "Leak less" if 2 * less > len(shown) and not more else "Not settled"
        where = "Leak more" if 2 * more > len(shown) and not less else where
        groups[where].append(SHORT[knob])
    parts = [f"{word}: {', '.join(names)}." for word, names in groups.items() if names]
    return f"**In most comparisons, and never shown otherwise.** {' '.join(parts)}"


def answers(rows: Sequence[Row]) -> Iterator[str]:
    """Yield a paragraph for each knob, from comparisons inside the domain."""
    for knob in COMPARED:
        mine = [row for row in rows if row.knob == knob and row.in_domain]
        if not mine:
            continue
        settings = len({row.setting for row in mine})
        where = f"of {_times(len(mine), 'comparisons')} in {_times(settings, 'settings')}"
        least = ""
        if knob == "scale precision":
            least = f" AUCs differ by less than {max(map(widest, mine)):.3f}, with all bounds together at 95 %."
        yield f"**{SUBJECTS[knob]}:** {where} they {_leak(mine)}.{least}{_price(mine)}{_single(mine)}"


def _single(rows: Sequence[Row]) -> str:
    """Return which releases the verdict on leak is the same for in every setting, where releases disagree."""
    by: dict[str, set[int]] = {}
    for row in rows:
        by.setdefault(row.release, set()).add(row.verdict("more"))
    if len(set.union(*by.values())) == 1:
        return ""
    parts = []
    for sign, word in ((-1, "less"), (1, "more")):
        always = [name for name, verdicts in by.items() if verdicts == {sign}]
        if always:
            parts.append(f"{word} in every setting: {', '.join(f'`{name}`' for name in always)}")
    never = [name for name, verdicts in by.items() if verdicts == {0}]
    if never:
        parts.append(f"nothing shown in any: {', '.join(f'`{name}`' for name in never)}")
    return f" By release, {'; '.join(parts)}." if parts else ""


def widest(row: Row) -> float:
    """Return a bound on a difference of AUCs; Bonferroni over the differences in scale precision."""
    pairs = len(COMPARED["scale precision"])
    dof = row["sets"] - 1.0 if row["sets"] > 1.0 else math.inf
    return abs(row["more"]) + float(stdtrit(min(dof, 1e9), 1.0 - 0.5 * LEVEL / pairs)) * row["more_error"]


def line(row: Row) -> str:
    """Return a row of a table of the page."""
    marks = {-1: "less", 0: "not shown", 1: "more"}
    price = f"{row['price']:+.1f} %"
    if row.reference != DENSE:
        price += f" ({row['cost']:+.1f}, {row['cost_error']:.1f})"
    against = row.reference if row.reference == DENSE else f"`{row.reference}`"
    return (
        f"| `{row.release}`{'' if row.in_domain else ' *'} | {against} "
        f"| {row['area']:.4f} | {row['more']:+.4f} ({row['more_error']:.4f}) | {marks[row.verdict('more')]} | {price} |"
    )
