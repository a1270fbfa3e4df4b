"""Tables for a terminal of any width: names and numbers are never broken."""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

__all__ = ["Fitted"]

_UNBOUNDED = 10_000


class Fitted:
    """A table where its words and numbers fit side by side, closer together if need be; else a block of lines per row.

    Parameters
    ----------
    table : rich.table.Table
        Columns of names and numbers are ``no_wrap``.
    names : int
        How many of the first columns name a row: they head its block.

    Examples
    --------
    >>> table = Table("quantizer", "delta", box=None)
    >>> table.add_row("uniform-4", "0.1459")
    >>> Console(width=16).print(Fitted(table))
    uniform-4
      delta 0.1459
    """

    def __init__(self, table: Table, names: int = 1) -> None:
        self.table = table
        self.names = names

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        if self._width(console, options) > options.max_width and self.table.box is not None:  # which parts columns
            self.table.padding = 0
        if self._width(console, options, broken=True) <= options.max_width:
            yield self.table
            return
        if self.table.title is not None:
            yield Text.styled(str(self.table.title), "bold")
        heads = [str(column.header) for column in self.table.columns]
        for cells in zip(*(column.cells for column in self.table.columns), strict=True):
            texts = [cell if isinstance(cell, Text) else Text(str(cell)) for cell in cells]
            yield Text(" ").join(text for text in texts[: self.names] if text)
            block = Table.grid(padding=(0, 1))
            block.add_column(no_wrap=True)
            block.add_column(overflow="fold")
            for head, text in zip(heads[self.names :], texts[self.names :], strict=True):
                if text:
                    block.add_row(f"  {head}", text)
            yield block

    def _width(self, console: Console, options: ConsoleOptions, broken: bool = False) -> int:
        """Return the width of the table; if broken, at the spaces of columns that may be wrapped."""
        width = Measurement.get(console, options.update_width(_UNBOUNDED), self.table).maximum
        for column in self.table.columns if broken else ():
            texts = [str(cell) for cell in (column.header, *column.cells)]
            pieces = texts if column.no_wrap else [word for text in texts for word in text.split()]
            width -= max(map(cell_len, texts)) - max(map(cell_len, pieces), default=0)
        return width
