"""Stores brought together: what several machines have swept, as if one had swept it all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from qmis_stats.errors import InputError
from qmis_stats.sweep.database import Progress, Store
from qmis_stats.validation import file_name

__all__ = ["merge_stores"]


def merge_stores(path: str | os.PathLike[str], sources: Sequence[str | os.PathLike[str]]) -> Progress:
    """Copy into a store what others hold and it lacks: everything, or nothing if one of them cannot be used.

    Cells and blocks are known by their keys: merging twice, or stores that overlap, adds nothing. A cell that two
    stores have finished keeps the result that is there first. The cells of the merged store are those of all files last
    swept; :func:`~qmis_stats.sweep.loop.run_sweep` with the whole grid and ``resume=True`` computes what no store
    holds.

    Parameters
    ----------
    path : str or path-like
        The store; made when it does not exist.
    sources : sequence of str or path-like
        Stores to read, in the order in which their cells are to stand. They stay as they are, and may be in use.

    Returns
    -------
    Progress

    Raises
    ------
    InputError
        If a store cannot be used, ``path`` is being swept or is one of the sources, or two stores hold different
        numbers for the same block: one of them is damaged, or comes from another family of processors.

    Examples
    --------
    >>> import tempfile
    >>> from qmis_stats.sweep import parse_sweep, run_sweep
    >>> tables = {
    ...     "law": {"kind": "gaussian_mean", "mean": [0.0], "covariance": [[1.0]]},
    ...     "procedure": {"kind": "erm", "codebook": [[0.0], [1.0]]},
    ... }
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for n in (50, 100):
    ...         sweep = parse_sweep({**tables, "run": {"methods": ["exact"], "n": n}})
    ...         _ = run_sweep(sweep, f"{folder}/{n}.sqlite")
    ...     merge_stores(f"{folder}/all.sqlite", [f"{folder}/50.sqlite", f"{folder}/100.sqlite"]).finished
    2
    """
    if isinstance(sources, str) or not isinstance(sources, Iterable):
        raise InputError("sources", sources, "a sequence of paths")
    file = Path(file_name("path", path))
    with contextlib.ExitStack() as opened:
        others = [opened.enter_context(Store(source, read_only=True)) for source in sources]
        for other in others:
            if file.exists() and file.samefile(other.path):
                raise InputError("store", other.path, "another store than the one that it is merged into")
        store = opened.enter_context(Store(file))
        store.absorb(others)
        return store.progress()
