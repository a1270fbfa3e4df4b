"""Tables of texts for a prompt, a page or a notebook; how they look there is in ``macros.html.j2``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Table",
    "estimates",
    "lines_of",
    "power_of_ten",
    "ranges",
    "rank_set",
    "shown",
    "table_of",
    "texts",
    "with_ends",
]


@dataclass(frozen=True)
class Table:
    """A table with a caption; the first column names the rows.

    Attributes
    ----------
    caption : str
        What it shows.
    columns : sequence of str
        Heads, the one of the row names included.
    rows : sequence of sequence of str
        As long as ``columns``.
    words : frozenset of int
        Places of the columns that hold words; the others hold numbers and are set flush right.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: frozenset[int] = frozenset({0})

    @classmethod
    def of(cls, caption: str, columns: Mapping[str, Iterable[str]], words: int = 1) -> Table:
        """Return the table of some columns by their heads, of which the first ``words`` hold words.

        Examples
        --------
        >>> Table.of("Results", {"method": ["sharp", "tilted"], "n": ["50", "100"]}).rows
        [('sharp', '50'), ('tilted', '100')]
        """
        return cls(caption, list(columns), list(zip(*columns.values(), strict=True)), frozenset(range(words)))


def shown(value: object, spec: str = ".6g") -> str:
    """Return a value as a table shows it: a float in its format, and nothing where there is no value.

    Examples
    --------
    >>> [shown(v) for v in (1.0 / 3.0, 12, True, None, float("nan"), "sign")]
    ['0.333333', '12', 'yes', '', '', 'sign']
    """
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:{spec}}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or isinstance(value, str):
        return value or ""
    import pandas as pd

    return "" if value is pd.NA else str(value)


def texts(values: Iterable[object], spec: str = ".6g") -> list[str]:
    """Return values as a table shows them.

    Examples
    --------
    >>> texts([0.5, 2.0 / 3.0, float("nan")], ".3f")
    ['0.500', '0.667', '']
    """
    return [shown(value, spec) for value in values]


def with_ends(value: float, low: float, high: float, spec: str) -> str:
    """Return an estimate with its interval, and nothing where there is none.

    Examples
    --------
    >>> with_ends(0.71, 0.69, 0.73, ".2f")
    '0.71 [0.69, 0.73]'
    """
    return "" if math.isnan(value) else f"{value:{spec}} [{low:{spec}}, {high:{spec}}]"


def estimates(frame: pd.DataFrame, spec: str, value: str, low: str = "", high: str = "") -> list[str]:
    """Return a column with its intervals, whose ends are by default in ``<value>_low`` and ``<value>_high``.

    Examples
    --------
    >>> import pandas as pd
    >>> estimates(pd.DataFrame({"auc": [0.71], "auc_low": [0.69], "auc_high": [0.73]}), ".2f", "auc")
    ['0.71 [0.69, 0.73]']
    """
    ends = frame[low or f"{value}_low"], frame[high or f"{value}_high"]
    return [with_ends(*row, spec=spec) for row in zip(frame[value], *ends, strict=True)]


def rank_set(low: object, high: object) -> str:
    """Return a set of ranks by its ends.

    Examples
    --------
    >>> rank_set(1, 3)
    '1..3'
    """
    return f"{low}..{high}"


def ranges(frame: pd.DataFrame, name: str) -> list[str]:
    """Return sets of ranks, whose ends are in ``<name>_low`` and ``<name>_high``.

    Examples
    --------
    >>> import pandas as pd
    >>> ranges(pd.DataFrame({"rank_low": [1], "rank_high": [3]}), "rank")
    ['1..3']
    """
    ends = zip(texts(frame[f"{name}_low"]), texts(frame[f"{name}_high"]), strict=True)
    return [rank_set(low, high) if low else "" for low, high in ends]


def lines_of(table: Table) -> list[str]:
    """Return a table as lines of text: the caption, the heads, and a row per line.

    Examples
    --------
    >>> lines_of(Table("Results", ["method", "n"], [["sharp", "50"], ["tilted", "100"]]))
    ['Results', 'method    n', 'sharp    50', 'tilted  100']
    """
    rows = [list(table.columns), *map(list, table.rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [table.caption] + [
        "  ".join(
            cell.ljust(width) if place in table.words else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def power_of_ten(log_value: float, digits: int = 5) -> str:
    """Return e^log_value in decimal, also far below the smallest float.

    Examples
    --------
    >>> power_of_ten(-1.0), power_of_ten(-5000.0), power_of_ten(-math.inf)
    ('0.36788', '3.3697e-2172', '0')
    """
    if log_value == -math.inf:
        return "0"
    if log_value > -600.0:
        return f"{math.exp(log_value):.{digits}g}"
    exponent, mantissa = divmod(log_value / math.log(10.0), 1.0)
    shown = f"{10.0**mantissa:.{digits - 1}f}"
    return f"1e{int(exponent) + 1}" if shown.startswith("10") else f"{shown}e{int(exponent)}"


def table_of(frame: pd.DataFrame, caption: str) -> Table:
    """Return the table of a frame; named indices become the first columns.

    Examples
    --------
    >>> import pandas as pd
    >>> table_of(pd.DataFrame({"method": ["sharp"], "delta": [1e-9]}), "Results").rows
    [['sharp', '1e-09']]
    """
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    whole = frame.reset_index() if any(name is not None for name in frame.index.names) else frame
    words = {0}
    for place, kind in enumerate(whole.dtypes):
        if is_bool_dtype(kind) or not is_numeric_dtype(kind):
            words.add(place)
    rows = [[shown(value) for value in row] for row in whole.astype(object).to_numpy().tolist()]
    return Table(caption, [str(name) for name in whole.columns], rows, frozenset(words))
