"""Sets of the Therapeutics Data Commons through its own loader (Huang et al. 2021), where PyTDC is installed."""

from __future__ import annotations

import importlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qmis_stats.audit.data import Dataset
from qmis_stats.audit.tables import load_table
from qmis_stats.errors import InputError

if TYPE_CHECKING:
    from qmis_stats.audit.data import Task

__all__ = ["load_tdc"]

_SMILES, _TARGET = "Drug", "Y"


def load_tdc(
    name: str,
    *,
    problem: str = "ADME",
    folder: str | os.PathLike[str] = "data",
    kind: str = "fingerprints",
    groups: str | None = "scaffold",
    task: Task | None = None,
) -> Dataset:
    """Fetch a set of molecules with one target by PyTDC, and read it as a table.

    PyTDC is not a dependency: its releases ask for versions of NumPy below 2. A set that it has fetched elsewhere is a
    table, ``<folder>/<name>.tab``, which :func:`~qmis_stats.audit.tables.load_table` reads without it.

    Parameters
    ----------
    name : str
        As PyTDC spells it, for instance ``"Caco2_Wang"``.
    problem : str
        Class of ``tdc.single_pred``: ``"ADME"``, ``"Tox"``, ``"HTS"``.
    folder : path
        Where PyTDC keeps what it has fetched.
    kind, groups, task
        As in :func:`~qmis_stats.audit.tables.load_table`; by default whole scaffolds are held out.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        If PyTDC is not installed or knows no such set or problem, or the table cannot be used.
    MissingExtraError
        If RDKit is not installed.

    Examples
    --------
    >>> load_tdc("Caco2_Wang", problem="Weather")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    qmis_stats.errors.InputError: ...
    """
    try:
        loaders: Any = importlib.import_module("tdc.single_pred")
    except ImportError:
        raise InputError(
            "name", name, "a set of PyTDC, which is not installed; what it has fetched is read by load_table"
        ) from None
    loader = getattr(loaders, problem, None)
    if not callable(loader):
        raise InputError("problem", problem, "a class of tdc.single_pred, for instance ADME or Tox")
    try:
        frame = loader(name=name, path=os.fspath(folder)).get_data(format="df")
    except ValueError as error:
        raise InputError("name", name, f"a set of {problem} that PyTDC knows: {' '.join(str(error).split())}") from None
    missing = [column for column in (_SMILES, _TARGET) if column not in frame.columns]
    if missing:
        raise InputError("name", name, f"a set with one molecule, one target per row: column {missing[0]} is missing")
    with tempfile.TemporaryDirectory() as place:
        file = Path(place, f"{Path(name).name}.tsv")
        frame[[_SMILES, _TARGET]].to_csv(file, sep="\t", index=False)
        return load_table(file, _TARGET, smiles=_SMILES, kind=kind, groups=groups, task=task, name=name)
