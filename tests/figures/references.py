"""The numbers behind the quick figures, as committed in reference/.

Usage: python tests/figures/references.py FOLDER [--update]  (FOLDER holds the CSVs of `qmis figures --quick`)
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import is_float_dtype

from paper_figures.runner import read

FOLDER = Path(__file__).parent / "reference"
TOLERANCE = 1e-6
"""Relative, of every number: a seed promises the same numbers up to rounding on any machine."""


def differences(found: pd.DataFrame, expected: pd.DataFrame) -> list[str]:
    """Return a sentence for each column that differs: words, counts and seeds at all, others beyond the tolerance."""
    if list(found.columns) != list(expected.columns) or len(found) != len(expected):
        return [f"columns {list(found.columns)} in {len(found)} rows, not {list(expected.columns)} in {len(expected)}"]
    lines = []
    for column in expected.columns:
        ours, theirs = found[column], expected[column]
        if is_float_dtype(theirs):
            same = np.isclose(ours.astype(float), theirs, rtol=TOLERANCE, atol=1e-12, equal_nan=True)
        else:
            same = (ours == theirs).to_numpy()
        if not same.all():
            at = int(np.argmin(same))
            lines.append(f"{column}: {int((~same).sum())} rows differ, first row {at}: {ours[at]}, not {theirs[at]}")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--update", action="store_true", help="make the numbers found the references")
    options = parser.parse_args()
    if options.update:
        for path in sorted(options.folder.glob("*.csv")):
            shutil.copy(path, FOLDER)
        return 0
    failed = False
    for reference in sorted(FOLDER.glob("*.csv")):
        found = options.folder / reference.name
        lines = differences(read(found), read(reference)) if found.exists() else [f"no {found}"]
        failed = failed or bool(lines)
        print(f"{reference.stem}: {'; '.join(lines) or 'as committed'}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
