"""What protects? Blocks, scales, bits, rounding and zeros: what each does to the leak, and what it costs.

    python docs/studies/protects.py [--data FOLDER] [--settings NAME ...] [--seed 1]

writes ``docs/studies/protects.csv`` and ``docs/studies/protects.md``, in about eight minutes on one core. Ridge heads
are answered by theory, rounding and fine-tuned perceptrons by attack. Settings that are run replace their rows;
without the folder of the molecular sets (``caco2_wang.tab``, ``lipophilicity_astrazeneca.tab``) those of Caco-2 stay.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from protects_study import attack, theory
from protects_study.answers import Row, answers, headline, line
from protects_study.releases import COMPARED
from protects_study.tally import FIELDS, Pairs
from study_page import render
from study_rows import read_rows, six_digits, write_rows

FOLDER = Path(__file__).parent
COMMAND = "python docs/studies/protects.py --data FOLDER --seed 1"
SETS, HEADS, NETWORKS, TRAININGS, OF_ONE_POOL = 20, 8, 8, 60, 150


@dataclass(frozen=True)
class Study:
    """A setting: what it is, where its intervals come from, and how it is run with a seed, or with data too."""

    what: str
    how: str
    run: Callable[..., Pairs]
    of_data: bool = False


def _law(name: str) -> Study:
    setting = theory.LAWS[name]
    return Study(
        f"Ridge regression on {setting.n} points with {setting.d} normal features of correlation "
        f"{setting.correlation:g}^|i − j|, with nearly the best penalty; {SETS} data sets, each of a law with weights "
        "of its own. The error is the exact expectation.",
        f"*{name}*: Student's intervals over {SETS} independent data sets.",
        partial(theory.of_law, name, SETS),
    )


def _pools(name: str, what: str, knobs: tuple[str, ...], pools: int) -> Study:
    return Study(
        f"{what} {pools} independent pools, {TRAININGS} attacked training runs in each.",
        f"*{name}*: Student's intervals over {pools} independent pools.",
        partial(attack.of_pools, name, knobs, pools, TRAININGS),
    )


def _one_pool(name: str, what: str, knobs: tuple[str, ...]) -> Study:
    def run(data: Path, seed: int) -> Pairs:
        return attack.of_one_pool(name, data, knobs, OF_ONE_POOL, seed)

    return Study(
        f"{what} {OF_ONE_POOL} attacked training runs.",
        f"*{name}*: over {OF_ONE_POOL} training runs on halves of this one pool; nothing is said of other molecules.",
        run, True,
    )  # fmt: skip


def _by_fit(data: Path, seed: int) -> Pairs:
    return theory.of_caco2(*theory.molecules(data, theory.WIDE)[:2], seed)


STUDIES = {
    **{name: _law(name) for name in theory.LAWS},
    theory.CACO2: Study(
        f"Ridge regression on half of Caco-2, {theory.WIDE} fingerprint bits, penalty {theory.CACO2_RIDGE:g}; the "
        "other half are the fresh points.",
        f"*{theory.CACO2}*: one fit, by the joint standard errors that `leakage` states, and over the molecules of the "
        "other half; fits with different penalties are taken for independent, which is too cautious.",
        _by_fit, True,
    ),
    "ridge, by attack": _pools(
        "ridge, by attack", "Ridge regression on half of 600 points with 64 features.", attack.HEAD_KNOBS, HEADS
    ),
    "perceptron": _pools(
        "perceptron", "A perceptron (128 features, 16 units) that was trained on 4000 public points and is fine-tuned "
        "on half of 1000 private ones, whose response has another linear part.", attack.NETWORK_KNOBS, NETWORKS,
    ),
    "ridge, Caco-2, by attack": _one_pool(
        "ridge, Caco-2, by attack", "Ridge regression on half of Caco-2, 64 fingerprint bits; errors on the others.",
        attack.HEAD_KNOBS,
    ),
    "perceptron, Caco-2": _one_pool(
        "perceptron, Caco-2", "A perceptron (128 fingerprint bits, 16 units) that was trained on lipophilicity and is "
        "fine-tuned on half of Caco-2; errors on the other half.", attack.NETWORK_KNOBS,
    ),
}  # fmt: skip


def page(folder: Path) -> str:
    """Return the page of the CSV file in a folder."""
    rows = [Row.of(row) for row in read_rows(folder / "protects.csv")]
    settings = []
    for name in dict.fromkeys(row.setting for row in rows):
        mine = [row for row in rows if row.setting == name]
        knobs = [(knob, [line(row) for row in mine if row.knob == knob]) for knob in COMPARED]
        study = STUDIES[name]
        shown = [(knob, lines) for knob, lines in knobs if lines]
        settings.append({"title": name[0].upper() + name[1:], "what": study.what, "how": study.how, "knobs": shown})
    said = {"headline": headline(rows), "answers": list(answers(rows))}
    return render("protects", **said, settings=settings, command=COMMAND)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the molecular sets")
    parser.add_argument("--settings", nargs="*", choices=STUDIES, default=list(STUDIES))
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    path = FOLDER / "protects.csv"
    rows = read_rows(path) if path.exists() else []
    for name in given.settings:
        study, begin = STUDIES[name], time.process_time()
        if study.of_data and given.data is None:
            continue
        found = study.run(given.data, given.seed) if study.of_data else study.run(given.seed)
        rows = [row for row in rows if row["setting"] != name] + six_digits(found.rows())
        rows.sort(key=lambda row: list(STUDIES).index(row["setting"]))
        write_rows(path, FIELDS, rows)
        (FOLDER / "protects.md").write_text(page(FOLDER), encoding="utf-8")
        print(f"{name}: {time.process_time() - begin:.0f} s of CPU time", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
