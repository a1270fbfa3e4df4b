"""A folder that keeps what was computed for one specification: arrays, each with a small file that completes them."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from qmis_stats.errors import InputError, no_file
from qmis_stats.inference.array_file import write_archive
from qmis_stats.whole_files import whole_file

__all__ = ["KeptFolder", "digest_of"]


def digest_of(specification: Mapping[str, Any]) -> str:
    """Return the hash of a JSON-ready specification.

    Examples
    --------
    >>> digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    True
    """
    text = json.dumps(specification, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class KeptFolder:
    """Entries of one specification in a folder, two files each: arrays, then a JSON file that completes them.

    Attributes
    ----------
    folder : Path
        Made when it does not exist.
    key : str
        Hash of the specification.
    """

    folder: Path
    key: str

    @classmethod
    def opened(cls, folder: str | os.PathLike[str], specification: Mapping[str, Any]) -> Self:
        """Return what is kept for a specification in a folder, a new one if the folder has none.

        Raises
        ------
        InputError
            If the folder belongs to another specification (the first entry that differs is named) or cannot be used.
        """
        place = Path(folder)
        key = digest_of(specification)
        wanted = json.loads(json.dumps(specification, sort_keys=True, default=repr))
        file = place / "specification.json"
        try:
            place.mkdir(parents=True, exist_ok=True)
            if not file.exists():
                _write(file, {"key": key, "specification": wanted})
            found = json.loads(file.read_text())
            kept, old = found["key"], found["specification"]
        except OSError as error:
            raise no_file("store", place, "written", error.strerror or error) from None
        except (ValueError, KeyError, TypeError):
            raise InputError("store", str(file), "the specification of a store: the file is damaged") from None
        if kept != key:
            field = next((f for f in [*wanted, *old] if wanted.get(f) != old.get(f)), "key")
            difference = f"{field}: {_brief(old.get(field))} there, {_brief(wanted.get(field))} here"
            raise InputError("store", str(place), f"a folder of the same specification ({difference}), or a new one")
        return cls(place, key)

    def keep(self, name: str, arrays: Sequence[NDArray[Any]], meta: Mapping[str, Any]) -> None:
        """Write an entry; files appear whole or not at all, and the JSON file last."""
        write_archive(self.folder / f"{name}.npz", {str(i): array for i, array in enumerate(arrays)})
        _write(self.folder / f"{name}.json", {"key": self.key, **meta})

    def kept(self, name: str) -> tuple[dict[str, Any], list[NDArray[Any]]] | None:
        """Return an entry; ``None`` where there is none, or its files are damaged: it is then computed again."""
        try:
            meta = json.loads((self.folder / f"{name}.json").read_text())
            if meta["key"] != self.key:
                return None
            with np.load(self.folder / f"{name}.npz", allow_pickle=False) as archive:
                return meta, [archive[str(i)] for i in range(len(archive.files))]
        except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile, zlib.error):
            return None


def _write(file: Path, content: Mapping[str, Any]) -> None:
    with whole_file(file) as part:
        part.write_text(json.dumps(content, indent=1, sort_keys=True))


def _brief(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:59] + "…"
