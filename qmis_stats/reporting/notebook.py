"""What a prompt and a notebook show of a result: its tables, and what has to be known to read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qmis_stats.by_value import ByValue
from qmis_stats.reporting.summary import Summary
from qmis_stats.reporting.tables import Table, table_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NotebookResult"]


class NotebookResult(ByValue):
    """A result that is printed, and shown in notebooks, as tables.

    Results compare and pickle by value. A subclass has ``to_frame``, and says in ``title`` and ``remarks`` what the
    table is about; ``tables`` where the frame is not what a reader needs.

    Examples
    --------
    >>> import pandas as pd
    >>> class Rate(NotebookResult):
    ...     def to_frame(self):
    ...         return pd.DataFrame({"law": ["a < b"], "rate": [0.125]})
    >>> '<th scope="row">a &lt; b</th>' in Rate()._repr_html_()
    True
    """

    def to_frame(self) -> pd.DataFrame:
        """Return the numbers as a pandas frame."""
        raise NotImplementedError

    def title(self) -> str:
        """Return what the table shows, in a few words."""
        return type(self).__name__

    def remarks(self) -> list[str]:
        """Return what has to be known to read the numbers, a sentence each."""
        return []

    def tables(self) -> list[Table]:
        """Return the tables of the summary, by default the frame."""
        return [table_of(self.to_frame(), self.title())]

    def summary(self) -> Summary:
        """Return tables and remarks as text."""
        return Summary.of(self.tables(), self.remarks())

    def __str__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        return self.summary().as_html()
