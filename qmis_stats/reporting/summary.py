"""What ``summary()`` of every result returns: text that prints as it is, also in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from qmis_stats.reporting.tables import Table, lines_of

__all__ = ["Summary"]


class Summary(str):
    r"""A text whose lines a prompt and a notebook show as they are.

    Parameters
    ----------
    text : str
        Aligned lines.
    html : str, optional
        The same as HTML; by default the lines.

    Examples
    --------
    >>> Summary("method  sharp\nn       50")
    method  sharp
    n       50
    """

    __slots__ = ("_html",)
    _html: str

    def __new__(cls, text: str, html: str = "") -> Summary:  # noqa: D102
        made = super().__new__(cls, text)
        made._html = html
        return made

    @classmethod
    def of(cls, tables: Sequence[Table], remarks: Sequence[str]) -> Summary:
        """Return tables and then remarks, a blank line between them.

        Examples
        --------
        >>> Summary.of([Table("Results", ["method", "n"], [["sharp", "50"]])], ["One method."])
        Results
        method   n
        sharp   50
        <BLANKLINE>
        One method.
        """
        from qmis_stats.reporting.pages import render_page

        parts = [*map(lines_of, tables), list(remarks)]
        html = render_page("qmis_stats.reporting", "notebook.html.j2", tables=tables, remarks=remarks)
        return cls("\n\n".join("\n".join(lines) for lines in parts if lines), html)

    def as_text(self) -> str:
        """Return the lines."""
        return str(self)

    def as_html(self) -> str:
        """Return tables and notes as HTML."""
        return self._html or f"<pre>{escape(self)}</pre>"

    _repr_html_ = as_html

    def __repr__(self) -> str:
        return str(self)

    def __reduce__(self) -> tuple[type[Summary], tuple[str, str]]:
        return type(self), (str(self), self._html)
