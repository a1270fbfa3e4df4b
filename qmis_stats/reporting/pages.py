"""Templates of self-contained pages, and files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qmis_stats.errors import InputError
from qmis_stats.whole_files import whole_file

__all__ = ["render_page", "write_files"]


def render_page(package: str, template: str, **content: Any) -> str:
    """Return a page from a template of a package; it may extend ``base.html.j2``, and everything is escaped.

    Parameters
    ----------
    package : str
        Holds the template beside its modules.
    template : str
        Name of the file.
    **content
        What the template shows. ``markupsafe.Markup`` is taken as it is, all other text is escaped.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [jinja2.PackageLoader(package, "."), jinja2.PackageLoader("qmis_stats.reporting", ".")]
        ),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**content)


def write_files(directory: str | os.PathLike[str], contents: Mapping[str, str]) -> list[Path]:
    """Write files into a folder, which is made if needed; each appears whole or not at all.

    Parameters
    ----------
    directory : path
        The folder.
    contents : mapping from str to str
        Text of each file by its name.

    Returns
    -------
    list of Path
        What was written, in order.

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    if not isinstance(directory, (str, os.PathLike)):
        raise InputError("directory", directory, "a path: a str or a Path")
    folder = Path(directory)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [_write(folder / name, text) for name, text in contents.items()]
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError("out", str(directory), f"a directory that can be written ({reason})") from None


def _write(path: Path, text: str) -> Path:
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")
    return path
