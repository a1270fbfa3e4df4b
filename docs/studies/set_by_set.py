"""The command line of a study of the molecular sets that keeps the sets it has finished."""

import argparse
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from molecules import SETS, MolecularSet
from study_rows import grouped, read_rows, six_digits, write_rows

HERE = Path(__file__).resolve().parent


def run(
    name: str,
    about: str,
    rows: Callable[[MolecularSet, Path, int], Iterable[Mapping[str, object]]],
    page: Callable[[Path], str],
) -> None:
    """Write NAME.csv and NAME.md after every set that is not in the table yet; with --fresh every set is computed.

    Parameters
    ----------
    name : str
        Of the study.
    about : str
        What the help begins with.
    rows : callable
        (set, folder of the sets, processes) to the rows of a set.
    page : callable
        Folder with the table to the page.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--fresh", action="store_true")
    given = parser.parse_args()
    table = HERE / f"{name}.csv"
    kept = read_rows(table) if table.exists() and not given.fresh else []
    done = grouped(kept, "set")
    for chosen in (one for one in SETS if one.name not in done):
        kept += six_digits(rows(chosen, given.data, given.jobs))
        write_rows(table, list(kept[0]), kept)
        (HERE / f"{name}.md").write_text(page(HERE), encoding="utf-8")
