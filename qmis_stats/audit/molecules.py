"""Molecules from SMILES by RDKit (extra ``molecules``): fingerprints, descriptors, scaffolds, and what was left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qmis_stats.arrays import FloatArray, Indices, IntArray
from qmis_stats.errors import InputError, extra_module
from qmis_stats.validation import one_of

__all__ = ["BITS", "KINDS", "RADIUS", "Molecules", "molecules", "scaffold_groups"]

RADIUS, BITS = 2, 1024
"""Of the Morgan fingerprints."""

KINDS = ("fingerprints", "descriptors", "both")
"""What a molecule can be turned into."""

_TAIL = 0.005
"""Beyond these quantiles descriptors are clipped: a standardised value is then at most about 15."""

_LARGEST = 1e9
_SHOWN = 3
_LONGEST = 40


@dataclass(frozen=True)
class Molecules:
    """Features of the different molecules of a list of SMILES.

    Attributes
    ----------
    rows : (M,) ndarray of intp
        Places of the molecules that are kept in the list that was given.
    X : (M, p) ndarray
        Features.
    features : tuple of str
        Their names.
    smiles : tuple of str
        Canonical SMILES.
    groups : (M,) ndarray of int64
        Number of the Bemis-Murcko scaffold; molecules without a ring share one.
    notes : tuple of str
        Invalid SMILES and repeated molecules, with examples.
    """

    rows: Indices
    X: FloatArray
    features: tuple[str, ...]
    smiles: tuple[str, ...]
    groups: IntArray
    notes: tuple[str, ...]


def _rdkit() -> Any:
    return extra_module("rdkit.Chem", "to read SMILES", "molecules")


def molecules(
    smiles: Sequence[object],
    kind: str = "fingerprints",
    *,
    targets: Sequence[object] | None = None,
    rows: Sequence[int] | Indices | None = None,
) -> Molecules:
    """Return features of molecules; each molecule once, by its canonical SMILES without atom maps.

    Parameters
    ----------
    smiles : sequence of str
        What does not parse is counted in the notes, with examples.
    kind : {"fingerprints", "descriptors", "both"}
        Morgan fingerprints of radius 2 in 1024 bits; RDKit's descriptors, clipped to their
        quantiles 0.005 and 0.995, those left out that are not finite, beyond 10⁹ or constant; or both side by side.
    targets : sequence, optional
        Of the rows: molecules that are repeated with another target are counted; the first is kept.
    rows : sequence of int, optional
        Places in the list that are looked at; by default all.

    Returns
    -------
    Molecules

    Raises
    ------
    MissingExtraError
        If RDKit is not installed.
    InputError
        If the kind is unknown or no SMILES parses.

    Examples
    --------
    >>> import pytest
    >>> _ = pytest.importorskip("rdkit")
    >>> found = molecules(["CCO", "OCC", "c1ccccc1C", "not a molecule"])
    >>> found.smiles, found.rows.tolist(), found.X.shape
    (('CCO', 'Cc1ccccc1'), [0, 2], (2, 1024))
    >>> found.notes[0]
    "1 of 4 SMILES do not parse and are left out: row 4 'not a molecule'."
    """
    one_of("kind", kind, KINDS)
    chem = _rdkit()
    places = range(len(smiles)) if rows is None else [int(row) for row in rows]
    parsed, invalid = _parsed(chem, smiles, places)
    if not parsed:
        raise InputError("SMILES", [str(s) for s in smiles[:_SHOWN]], "SMILES of molecules: none of them parses")
    first: dict[str, int] = {}
    repeated: list[int] = []
    conflicts: list[int] = []
    for row, molecule in parsed.items():
        canonical = chem.MolToSmiles(molecule)
        if canonical not in first:
            first[canonical] = row
            continue
        repeated.append(row)
        if targets is not None and targets[row] != targets[first[canonical]]:
            conflicts.append(row)
    notes = []
    if invalid:
        notes.append(f"{len(invalid)} of {len(places)} SMILES do not parse and are left out: {_examples(invalid)}.")
    if repeated:
        more = f", {len(conflicts)} of them with another target" if conflicts else ""
        notes.append(
            f"{len(repeated)} rows repeat a molecule (same canonical SMILES){more}; the first row of each is kept."
        )
    kept = [parsed[row] for row in first.values()]
    X, features, said = _features(kept, kind)
    groups, scaffolds = _scaffolds(chem, kept)
    acyclic = sum(scaffolds[group] == "" for group in groups)
    notes += said
    notes.append(
        f"{len(kept)} molecules with {len(scaffolds)} Bemis-Murcko scaffolds"
        + (f"; {acyclic} without a ring count as one." if acyclic else ".")
    )
    return Molecules(np.array(list(first.values()), dtype=np.intp), X, features, tuple(first), groups, tuple(notes))


def _parsed(chem: Any, smiles: Sequence[object], rows: Iterable[int]) -> tuple[dict[int, Any], dict[int, object]]:
    """Return the molecules and the values that are not molecules, by row; RDKit's own messages are kept silent."""
    from rdkit import rdBase

    found: dict[int, Any] = {}
    invalid: dict[int, object] = {}
    with rdBase.BlockLogs():
        for row in rows:
            text = smiles[row]
            molecule = chem.MolFromSmiles(text) if isinstance(text, str) and text.strip() else None
            if molecule is None or molecule.GetNumAtoms() == 0:
                invalid[row] = text
            else:
                found[row] = _without_maps(chem, molecule)
    return found, invalid


def _without_maps(chem: Any, molecule: Any) -> Any:
    """Return the molecule without the numbers that reactions give its atoms: they would make it another one."""
    mapped = [atom for atom in molecule.GetAtoms() if atom.GetAtomMapNum()]
    if not mapped:
        return molecule
    for atom in mapped:
        atom.SetAtomMapNum(0)
    # Read again: numbered hydrogens and centres that only the numbers made chiral are gone, brackets are as usual.
    return chem.MolFromSmiles(chem.MolToSmiles(molecule)) or molecule


def _examples(invalid: dict[int, object]) -> str:
    shown = []
    for row, text in list(invalid.items())[:_SHOWN]:
        value = " ".join(str(text).split())
        shown.append(f"row {row + 1} {value[:_LONGEST] + '…' if len(value) > _LONGEST else value!r}")
    return ", ".join(shown) + (", ..." if len(invalid) > _SHOWN else "")


def _features(kept: list[Any], kind: str) -> tuple[FloatArray, tuple[str, ...], list[str]]:
    from rdkit import rdBase

    parts: list[FloatArray] = []
    names: list[str] = []
    notes: list[str] = []
    with rdBase.BlockLogs():
        if kind != "descriptors":
            from rdkit.Chem import rdFingerprintGenerator

            generator = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=BITS)
            parts.append(np.array([generator.GetFingerprintAsNumPy(m) for m in kept], dtype=np.float64))
            names += [f"morgan{bit}" for bit in range(BITS)]
            notes.append(f"Features: Morgan fingerprints of radius {RADIUS} in {BITS} bits.")
        if kind != "fingerprints":
            values, found, said = _descriptors(kept)
            parts.append(values)
            names += found
            notes.append(said)
    return np.hstack(parts), tuple(names), notes


def _descriptors(kept: list[Any]) -> tuple[FloatArray, list[str], str]:
    from rdkit.Chem import Descriptors

    functions = Descriptors.descList
    values = np.array([[_number(function, m) for _, function in functions] for m in kept], dtype=np.float64)
    usable = np.isfinite(values).all(axis=0) & (np.abs(values).max(axis=0) < _LARGEST)
    inside = np.where(usable, values, 0.0)
    low = np.quantile(inside, _TAIL, axis=0, method="lower")
    high = np.quantile(inside, 1.0 - _TAIL, axis=0, method="higher")
    values = np.clip(inside, low, high)
    varying = high > low
    if not varying.any():
        raise InputError("descriptors", f"{len(kept)} molecules", "different for some of the molecules")
    names = [functions[i][0] for i in np.flatnonzero(varying)]
    said = (
        f"Features: {len(names)} of RDKit's {len(functions)} descriptors, "
        f"clipped to their quantiles {_TAIL} and {1.0 - _TAIL} over all molecules"
    )
    left = [functions[i][0] for i in np.flatnonzero(~usable)]
    constant = int(np.sum(usable & ~varying))
    reasons = (
        [f"{len(left)} not finite or beyond {_LARGEST:g} for some molecule ({', '.join(left[:_SHOWN])})"]
        if left
        else []
    )
    reasons += [f"{constant} constant between these quantiles"] if constant else []
    return values[:, varying], names, f"{said}; left out: {', '.join(reasons)}." if reasons else f"{said}."


def _number(function: Any, molecule: Any) -> float:
    try:
        return float(function(molecule))
    except Exception:
        return float("nan")


def _scaffolds(chem: Any, kept: list[Any]) -> tuple[IntArray, list[str]]:
    from rdkit.Chem.Scaffolds import MurckoScaffold

    scaffold_of: Any = MurckoScaffold.GetScaffoldForMol
    found: dict[str, int] = {}
    groups = []
    for molecule in kept:
        core = chem.MolToSmiles(scaffold_of(molecule), isomericSmiles=False)
        groups.append(found.setdefault(core, len(found)))
    return np.array(groups, dtype=np.int64), list(found)


def scaffold_groups(smiles: Sequence[str]) -> IntArray:
    """Return the number of each molecule's Bemis-Murcko scaffold, in order of appearance.

    Raises
    ------
    InputError
        If a SMILES does not parse.

    Examples
    --------
    >>> import pytest
    >>> _ = pytest.importorskip("rdkit")
    >>> scaffold_groups(["Cc1ccccc1", "CCO", "c1ccccc1CC(=O)O"]).tolist()
    [0, 1, 0]
    """
    chem = _rdkit()
    parsed, invalid = _parsed(chem, smiles, range(len(smiles)))
    if invalid:
        row, text = next(iter(invalid.items()))
        raise InputError(f"smiles, row {row + 1}", text, "a SMILES that RDKit parses")
    return _scaffolds(chem, list(parsed.values()))[0]
