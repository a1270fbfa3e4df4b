"""Pages of studies: a template beside the numbers, and what all templates share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import jinja2

HERE = Path(__file__).resolve().parent


def minus(text: object) -> str:
    """Return text with proper minus signs."""
    return str(text).replace("-", "−")


def interval(value: float, low: float, high: float, form: str) -> str:
    """Return "value [low, high]"."""
    return f"{value:{form}} [{low:{form}},\N{NO-BREAK SPACE}{high:{form}}]"


def interval_of(row: Mapping[str, float], name: str, form: str) -> str:
    """Return a number of a row with its interval."""
    return interval(*(float(row[key]) for key in (name, f"{name}_low", f"{name}_high")), form)


# A tag that has a line to itself leaves nothing behind; after one at the end of a line of text, "+%}" keeps the line.
ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE / "templates"),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
ENVIRONMENT.filters |= {"minus": minus, "form": lambda value, form: f"{float(value):{form}}"}
ENVIRONMENT.globals |= {"interval": interval, "interval_of": interval_of}


def render(name: str, /, **data: object) -> str:
    """Return the page of a study: its template, filled in."""
    return ENVIRONMENT.get_template(f"{name}.md.j2").render(data)
