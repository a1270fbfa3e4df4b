"""The CUDA sources: formulas in ``.cuh`` files, kernels in ``.cu`` files, and how they become one text to compile.

Every kernel is a grid-stride loop over independent items, without shared memory or barriers, so that the same
source also runs as plain C++ (``host_shim.h``).  The bits are those of the Numba functions when the compiler
contracts nothing: ``--fmad=false`` for NVRTC, ``-ffp-contract=off`` for a host compiler.

Included files are put in place here and the coefficients of ``_constants.py`` and the statuses of fits written in
front: the text is complete, so that a digest of it is a valid key of any cache of compiled code.

Examples
--------
>>> kernels()["gaussian_rows"].parameters[:2]
(('double*', 'out'), ('long long', 'rows'))
>>> print(constants().splitlines()[0])
__device__ constexpr double LN2_HIGH = 0x1.62e42fee00000p-1;
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from qmis_kernels import FitStatus, _constants

__all__ = ["NVRTC_OPTIONS", "Kernel", "constants", "kernels", "source"]

NVRTC_OPTIONS = ("--std=c++17", "--fmad=false")
"""Options without which the device does not give the bits of the host."""

_FOLDER = Path(__file__).parent
_INCLUDE = re.compile(r'#include "(\w+\.cuh)"')
_KERNEL = re.compile(r'extern "C" __global__ void (?:__launch_bounds__\([\d, ]+\) )?(\w+)\(([^)]*)\)')


@dataclass(frozen=True)
class Kernel:
    """A kernel: the file it is in, its name, and the type and name of each parameter."""

    file: str
    name: str
    parameters: tuple[tuple[str, str], ...]


@cache
def kernels() -> dict[str, Kernel]:
    """Return every kernel of the ``.cu`` files by its name."""
    found: dict[str, Kernel] = {}
    for path in sorted(_FOLDER.glob("*.cu")):
        for name, declared in _KERNEL.findall(path.read_text()):
            parts = (part.removeprefix("const ").rpartition(" ") for part in " ".join(declared.split()).split(", "))
            found[name] = Kernel(path.name, name, tuple((kind, parameter) for kind, _, parameter in parts))
    return found


@cache
def constants() -> str:
    """Return coefficients and statuses as C++ definitions, in hexadecimal notation: exact."""
    lines = []
    for name, value in vars(_constants).items():
        if not name.isupper():
            continue
        if isinstance(value, tuple):
            entries = ", ".join(float(entry).hex() for entry in value)
            lines.append(f"__device__ constexpr double {name}[{len(value)}] = {{{entries}}};")
        elif isinstance(value, int):
            lines.append(f"__device__ constexpr long long {name} = {value}LL;")
        else:
            lines.append(f"__device__ constexpr double {name} = {float(value).hex()};")
    lines += [f"__device__ constexpr long long {status.name} = {status.value}LL;" for status in FitStatus]
    return "\n".join(lines) + "\n"


def source(*files: str) -> str:
    """Return the complete text of some files: coefficients, included files once each, and the files.

    ``#line`` directives let a compiler's messages name the original file and line.
    """
    text = [constants()]
    seen: set[str] = set()

    def append(file: str) -> None:
        seen.add(file)
        text.append(f'#line 1 "{file}"')
        for number, line in enumerate((_FOLDER / file).read_text().splitlines(), start=1):
            included = _INCLUDE.fullmatch(line)
            if included is None:
                if line != "#pragma once":
                    text.append(line)
                else:
                    text.append("")
                continue
            if included[1] not in seen:
                append(included[1])
            text.append(f'#line {number + 1} "{file}"')

    for file in files:
        append(file)
    return "\n".join(text) + "\n"
