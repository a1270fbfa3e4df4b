"""Turn the p-values of the batteries into the page that is published with the documentation.

Usage: python write_page.py results.csv > generator.md; exit status 1 when a stream fails or a control does not.
"""

import csv
import sys
from collections import defaultdict
from pathlib import Path

from scipy.stats import binom
from words import ACROSS_THE_CARRY, CONTROLS, EXPERIMENT, HALVES, SEED, STREAM, STREAMS

LISTED = 1e-3
FAMILY_WISE_RATE = 1e-6

Run = tuple[str, str, str]
PValues = list[tuple[str, float]]

INTRODUCTION = f"""# The generator under TestU01

Written by `make battery`. Philox4x32-10 itself is known to pass BigCrush; what is tested here is what this package
adds to it: the address of a number (key = seed and experiment; counter = replicate, block and stream), the map from
words to uniforms, and the normals. The words are read off the numbers that the public functions return, so every
step is inside the test.

TestU01 1.2.3 (P. L'Ecuyer and R. Simard, ACM Transactions on Mathematical Software 33, 2007), seed {SEED},
experiment {EXPERIMENT}, stream {STREAM} where nothing else is said. SmallCrush reads 2.3·10⁸ words; Alphabit is given
2³⁰ bits, Rabbit 2²⁸. All p-values are in `docs/studies/battery/results.csv`.

A uniform has 52 random bits. *High* words are its upper 32 bits, *low* words its lower 32 bits in reverse order, since
most tests look at the leading bits of a word. Of normals mapped back, the last 12 bits are left out: they hold the
rounding of the distribution function.

| stream | numbers, in their order |
|---|---|"""

FOLLOW_UP = """## MultinomialBitsOver of Rabbit

The small p-value of *normals low* was followed up. With seed 2 it is 3.5e-06. The uniforms behind the normals give
5.2e-04, 4.0e-06, 0.13 and 4.5e-04 for seeds 1 to 4, so the normals have no part in it; NumPy's PCG64 gives 0.50, 0.53,
0.996 and 8.1e-05 for its seeds 1 to 4, so the p-values are too extreme for any generator. The test takes the number of
equal 38-bit windows for a Poisson number, but its windows overlap: two equal windows are followed by two equal ones
with probability 1/2, matches come in clumps of geometric size, and their number has three times the variance. Clumps
are Poisson. By these two laws, and on Rabbit's own segments of the uniforms (`clumps.py`; matches of seeds 1 and 2 as
TestU01 counts them):

| seeds | clumps | expected | z | matches | expected | z |
|---|---|---|---|---|---|---|
| 1 to 4, which raised the question | 9942 | 9709 | 2.37 | 20275 | 19418 | 3.55 |
| 101 to 108, chosen before they were run | 19500 | 19416 | 0.60 | 38805 | 38833 | −0.08 |

An excess like that of seeds 1 to 4 would put the second row at 3.3 (clumps) and 5.0 (matches); nothing of it is seen.

To time them, the batteries had been tried on *replicates* before: SmallCrush on the high words, Rabbit and Alphabit
(2²⁸ bits) on the low words; every p-value lay inside [0.001, 0.999]."""

SENSITIVITY = """
Normals times 1.001 are not told from right ones by SmallCrush (all p-values inside [0.001, 0.999]): what a battery for
uniforms does not see, the moments of normals in `tests/kernels/test_normal_statistics.py` are for."""

OVERLAP = """
The high and the low words share 12 bits. Gap looks at eight of them and asks whether all are zero, whatever their
order: its p-values for the two words of a stream agree, except for normals."""

HOW_LISTED = """
P-values are those of the right tail: close to 0 and close to 1 are equally suspicious."""


def read(path: Path) -> dict[Run, PValues]:
    runs: dict[Run, PValues] = defaultdict(list)
    with path.open(newline="") as lines:
        for row in csv.DictReader(lines):
            runs[row["stream"], row["half"], row["battery"]].append((row["test"], float(row["p"])))
    return runs


def tail(p: float) -> float:
    return min(p, 1.0 - p)


def shown(p: float) -> str:
    return f"{p:.3f}" if tail(p) >= LISTED else f"**{p:.1e}**" if p < 0.5 else f"**1 − {1.0 - p:.1e}**"


def table(runs: dict[Run, PValues], battery: str) -> list[str]:
    """Return one row a test and one column a stream."""
    columns = [run for run in runs if run[2] == battery]
    header = " | ".join(f"{stream} {half}" for stream, half, _ in columns)
    lines = [f"| test | {header} |", "|---" * (len(columns) + 1) + "|"]
    for i, (name, _) in enumerate(runs[columns[0]]):
        values = " | ".join(shown(runs[run][i][1]) for run in columns)
        lines.append(f"| {name} | {values} |")
    return lines


def main() -> int:
    runs = read(Path(sys.argv[1]))
    ours = {run: values for run, values in runs.items() if run[0] in STREAMS}
    controls = {run: values for run, values in runs.items() if run[0] in CONTROLS}
    every = [(run, name, p) for run, values in ours.items() for name, p in values]
    listed = [(run, name, p) for run, name, p in every if tail(p) < LISTED]
    level = FAMILY_WISE_RATE / len(every)
    failed = [entry for entry in every if tail(entry[2]) < 0.5 * level]
    caught = {run: [name for name, p in values if tail(p) < 0.5 * level] for run, values in controls.items()}

    lines = INTRODUCTION.splitlines()
    for name, function in STREAMS.items():
        about = (function.__doc__ or "").rstrip(".")
        start = f", from number {ACROSS_THE_CARRY} on, so that its high word changes" if name == "replicates" else ""
        lines.append(f"| {name} | {about}{start} |")
    lines += ["", "## Verdict", ""]
    expected, worst = 2.0 * LISTED * len(every), min(tail(p) for _, _, p in every)
    chance = float(binom.sf(len(listed) - 1, len(every), 2.0 * LISTED))
    lines += [
        f"{'**No stream fails.**' if not failed else f'**{len(failed)} tests fail.**'} Of {len(every)} p-values "
        f"{len(listed)} lie outside [0.001, 0.999]; {expected:.1f} are expected, and as many or more would be "
        f"seen with probability {chance:.2g} if the tests were independent. The one farthest out is {worst:.1e} from "
        f"its end; a stream fails below {0.5 * level:.1e}, which a perfect generator does once in a million such runs.",
        "",
    ]
    if listed:
        lines += ["| stream | battery | test | p |", "|---|---|---|---|"]
        lines += [f"| {run[0]} {run[1]} | {run[2]} | {name} | {shown(p)} |" for run, name, p in listed]
        lines.append("")
    lines += [
        *FOLLOW_UP.splitlines(),
        "",
        "## Controls",
        "",
        "Wrong generators, through the same command, have to fail.",
        "",
    ]
    lines += ["| control | half | tests of SmallCrush failed | which |", "|---|---|---|---|"]
    for (name, half, battery), tests in caught.items():
        about = (CONTROLS[name].__doc__ or "").removeprefix("Control: ").rstrip(".")
        lines.append(f"| {about} | {half} | {len(tests)} of {len(runs[name, half, battery])} | {', '.join(tests)} |")
    lines += [*SENSITIVITY.splitlines(), *OVERLAP.splitlines()]
    for battery, title in (("smallcrush", "SmallCrush"), ("alphabit", "Alphabit"), ("rabbit", "Rabbit")):
        lines += ["", f"## {title}", *HOW_LISTED.splitlines(), "", *table(ours, battery)]
    print("\n".join(lines))
    complete = {(name, half, "smallcrush") for name in STREAMS for half in HALVES} <= set(ours)
    return 0 if complete and not failed and controls and all(caught.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
