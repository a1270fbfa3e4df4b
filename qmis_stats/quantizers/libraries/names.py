"""Which libraries there are, by the name before the colon."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version

from qmis_stats.errors import InputError
from qmis_stats.quantizers.libraries.arrays import Gguf, OnnxRuntime
from qmis_stats.quantizers.libraries.base import LibraryQuantizer
from qmis_stats.quantizers.libraries.tensors import BitsAndBytes, Hqq, Quanto, Torch, TorchAO
from qmis_stats.validation import instance_of

__all__ = ["LIBRARIES", "installed_libraries", "library_quantizer"]

LIBRARIES: dict[str, type[LibraryQuantizer]] = {
    one.library: one for one in (Gguf, BitsAndBytes, TorchAO, Quanto, Hqq, Torch, OnnxRuntime)
}
"""The quantizers of each library."""

_DISTRIBUTIONS = {"quanto": "optimum-quanto"}


def library_quantizer(name: str) -> LibraryQuantizer:
    """Return the quantizer of a library, such as ``"gguf:Q4_0"``.

    Raises
    ------
    InputError
        If there is none of this name.
    MissingExtraError
        If the library is not installed.

    Examples
    --------
    >>> library_quantizer("quanto:qint3")
    Traceback (most recent call last):
    ...
    qmis_stats.errors.InputError: quantizer = 'quanto:qint3': must be quanto: and qint2, qint4 or qint8
    """
    instance_of(str, "quantizer", name, "such as 'quanto:qint4'")
    library, _, kind = name.partition(":")
    if library not in LIBRARIES or not re.fullmatch(r"[\w-]{1,40}", kind, re.ASCII):
        raise InputError("quantizer", name, f"one of {', '.join(LIBRARIES)}, a colon, and a kind of this library")
    return LIBRARIES[library](kind)


def installed_libraries() -> dict[str, str | None]:
    """Return the version of each library, ``None`` where it is not installed.

    Examples
    --------
    >>> list(installed_libraries())
    ['gguf', 'bitsandbytes', 'torchao', 'quanto', 'hqq', 'torch', 'onnxruntime']
    """
    found: dict[str, str | None] = {}
    for name in LIBRARIES:
        try:
            found[name] = version(_DISTRIBUTIONS.get(name, name))
        except PackageNotFoundError:
            found[name] = None
    return found
