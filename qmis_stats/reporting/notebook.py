"""What a notebook shows of a result: its frame as a table, with a caption and what has to be known to read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qmis_stats.by_value import ByValue
from qmis_stats.reporting.summary import Summary

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NotebookResult"]


class NotebookResult(ByValue):
    """A result that notebooks show as a table.

    Results compare and pickle by value. A subclass has ``to_frame``, and says in ``title`` and ``remarks`` what the
    table is about.

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

    def summary(self) -> Summary:
        """Return title, table and remarks as text."""
        from qmis_stats.reporting.tables import lines_of, table_of

        lines = lines_of(table_of(self._frame_shown(), self.title()))
        return Summary("\n".join([*lines, *self.remarks()]), self._repr_html_())

    def __str__(self) -> str:
        return self.summary()

    def _frame_shown(self) -> pd.DataFrame:
        """Return what a notebook shows of the frame, by default all of it."""
        return self.to_frame()

    def _repr_html_(self) -> str:
        from qmis_stats.reporting.pages import render_page
        from qmis_stats.reporting.tables import table_of

        table = table_of(self._frame_shown(), self.title())
        return render_page("qmis_stats.reporting", "notebook.html.j2", table=table, remarks=self.remarks())
