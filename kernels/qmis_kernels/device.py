"""Two devices that run the CUDA kernels behind one small interface: a GPU through CuPy, or this processor."""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from qmis_kernels import BackendUnavailable, cuda
from qmis_kernels._cache import cache_directory

__all__ = ["HOST_FLAGS", "CupyDevice", "Device", "HostDevice", "why_no_gpu"]

HOST_FLAGS = ("-std=c++17", "-O3", "-march=native", "-ffp-contract=off", "-shared", "-fPIC")
"""Options of the host compiler; without the one on contraction its bits differ from Numba's."""

Array = NDArray[Any]


class Device(Protocol):
    """Where kernels run: memory on it, and one way to start a kernel.

    A buffer is whatever ``allocate`` and ``upload`` return; it is freed with its last reference.
    """

    name: str

    def free_bytes(self) -> int:
        """Return how many bytes can be allocated now."""

    def allocate(self, shape: tuple[int, ...], dtype: type) -> Any:
        """Return a new buffer; its contents are arbitrary."""

    def upload(self, array: Array) -> Any:
        """Return a new buffer with the contents of an array."""

    def download(self, buffer: Any, out: Array) -> None:
        """Wait for the kernels and copy a buffer into a contiguous array of its shape."""

    def launch(self, kernel: str, grid: int, block: int, arguments: Sequence[Any]) -> None:
        """Start a kernel on ``grid`` blocks of ``block`` threads; arguments are buffers and Python numbers."""


_SCALARS: dict[str, tuple[type[np.generic], type]] = {
    "long long": (np.int64, ctypes.c_int64),
    "unsigned": (np.uint32, ctypes.c_uint32),
    "unsigned long long": (np.uint64, ctypes.c_uint64),
    "double": (np.float64, ctypes.c_double),
}
"""NumPy's and ctypes' name of each scalar type that a kernel may take."""


def _parameters(kernel: str, arguments: Sequence[Any]) -> list[str]:
    """Return the declared type of each argument of a kernel."""
    declared = [kind for kind, _ in cuda.kernels()[kernel].parameters]
    if len(declared) != len(arguments):
        raise TypeError(f"kernel {kernel} has {len(declared)} parameters: {len(arguments)} arguments were given")
    return declared


@cache
def why_no_gpu() -> str | None:
    """Return in one line why CuPy cannot be used here, or None when it can; looked up once.

    CuPy imports without a GPU and fails at its first use, so the driver is asked for devices.
    """
    if importlib.util.find_spec("cupy") is None:
        return "cupy, of the extra gpu, is not installed"
    try:
        import cupy
    except Exception as error:  # a broken installation fails in many ways
        return f"cupy cannot be imported: {_one_line(error)}"
    try:
        if cupy.cuda.runtime.getDeviceCount() == 0:
            return "no CUDA device"
        probe = cupy.RawModule(code='extern "C" __global__ void probe() {}', options=cuda.NVRTC_OPTIONS)
        probe.get_function("probe")((1,), (1,), ())
        cupy.cuda.runtime.deviceSynchronize()
    except Exception as error:  # no driver, no device, no NVRTC: each has its own class
        return f"no usable CUDA device: {_one_line(error)}"
    return None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


class CupyDevice:
    """The current GPU of CuPy; each file of kernels is compiled at first use by NVRTC and kept in CuPy's cache.

    Raises
    ------
    BackendUnavailable
        If there is no usable GPU.
    """

    name = "cupy"

    def __init__(self) -> None:
        reason = why_no_gpu()
        if reason is not None:
            raise BackendUnavailable(f"backend 'cupy': {reason}; use 'numba'")
        import cupy

        self._cupy: Any = cupy
        self._kernels: dict[tuple[int, str], Any] = {}

    def free_bytes(self) -> int:
        """Return the free memory of the GPU and of CuPy's pool."""
        free: int = self._cupy.cuda.runtime.memGetInfo()[0]
        return free + int(self._cupy.get_default_memory_pool().free_bytes())

    def allocate(self, shape: tuple[int, ...], dtype: type) -> Any:
        """Return a new array on the GPU."""
        return self._cupy.empty(shape, dtype=dtype)

    def upload(self, array: Array) -> Any:
        """Return a copy of the array on the GPU."""
        return self._cupy.asarray(array)

    def download(self, buffer: Any, out: Array) -> None:
        """Copy an array on the GPU into ``out``."""
        buffer.get(out=out)

    def launch(self, kernel: str, grid: int, block: int, arguments: Sequence[Any]) -> None:
        """Start a kernel in the current stream."""
        declared = _parameters(kernel, arguments)
        values = [
            _SCALARS[kind][0](value) if kind in _SCALARS else value
            for kind, value in zip(declared, arguments, strict=True)
        ]
        self._kernel(kernel)((grid,), (block,), tuple(values))

    def _kernel(self, name: str) -> Any:
        place = (int(self._cupy.cuda.runtime.getDevice()), name)
        if place not in self._kernels:
            code = cuda.source(cuda.kernels()[name].file)
            module = self._cupy.RawModule(code=code, options=cuda.NVRTC_OPTIONS, backend="nvrtc")
            self._kernels[place] = module.get_function(name)
        return self._kernels[place]


class HostDevice:
    """The processor of this machine: the same sources compiled as C++, one thread after the other, for checks.

    Parameters
    ----------
    flags : sequence of str
        Options of the compiler (``g++`` unless the environment variable CXX names another).

    Raises
    ------
    BackendUnavailable
        If there is no compiler, or at first use when it fails.
    """

    name = "host"

    def __init__(self, flags: Sequence[str] = HOST_FLAGS) -> None:
        self.flags = tuple(flags)
        wanted = os.environ.get("CXX", "g++")
        found = shutil.which(wanted)
        if found is None:
            raise BackendUnavailable(f"backend 'host': the compiler {wanted!r} was not found; use 'numba'")
        self._compiler = found

    def free_bytes(self) -> int:
        """Return the memory of this machine that is free, or all of it where the system does not say."""
        pages = "SC_AVPHYS_PAGES" if "SC_AVPHYS_PAGES" in os.sysconf_names else "SC_PHYS_PAGES"
        return os.sysconf(pages) * os.sysconf("SC_PAGE_SIZE")

    def allocate(self, shape: tuple[int, ...], dtype: type) -> Array:
        """Return a new array."""
        return np.empty(shape, dtype=dtype)

    def upload(self, array: Array) -> Array:
        """Return a copy of the array."""
        return np.array(array, order="C")

    def download(self, buffer: Array, out: Array) -> None:
        """Copy an array into ``out``."""
        np.copyto(out, buffer, casting="no")

    def launch(self, kernel: str, grid: int, block: int, arguments: Sequence[Any]) -> None:
        """Run a kernel to its end."""
        declared = _parameters(kernel, arguments)
        values = [
            _SCALARS[kind][1](value) if kind in _SCALARS else ctypes.c_void_p(value.ctypes.data)
            for kind, value in zip(declared, arguments, strict=True)
        ]
        self.library[f"run_{kernel}"](ctypes.c_uint(grid), ctypes.c_uint(block), *values)

    @cached_property
    def library(self) -> ctypes.CDLL:
        """The compiled sources, built when the cache does not hold them."""
        text = host_source()
        # The predefined macros name the compiler, its version and, with -march=native, the instruction set.
        macros = self._compile("-dM", "-E", "-x", "c++", os.devnull)
        key = "\0".join((text, *self.flags, macros)).encode()
        name = f"host_{hashlib.sha256(key).hexdigest()[:16]}.so"
        folder = cache_directory()
        if folder is not None and (folder / name).exists():
            return ctypes.CDLL(str(folder / name))
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            code, built = Path(scratch, "kernels.cpp"), Path(scratch, name)
            code.write_text(text)
            self._compile(str(code), "-o", str(built))
            if folder is not None:
                built = built.replace(folder / name)  # at once: no process ever loads half a file
            return ctypes.CDLL(str(built))

    def _compile(self, *arguments: str) -> str:
        done = subprocess.run([self._compiler, *self.flags, *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if "error" in line]
            reason = (errors or done.stderr.splitlines() or ["no message"])[0]
            raise BackendUnavailable(f"backend 'host': {self._compiler} failed: {reason.strip()}")
        return done.stdout


def host_source() -> str:
    """Return all sources as one C++ text, with a function ``run_<kernel>`` that runs a grid of each kernel."""
    shim = Path(cuda.__file__).with_name("host_shim.h").read_text().replace("#pragma once\n", "")
    runners = ["namespace qmis {"]
    for kernel in cuda.kernels().values():
        parameters = "".join(f", {kind} {name}" for kind, name in kernel.parameters)
        names = ", ".join(name for _, name in kernel.parameters)
        runners.append(
            f'extern "C" void run_{kernel.name}(unsigned grid_, unsigned block_{parameters}) '
            f"{{ over_grid(grid_, block_, [&] {{ {kernel.name}({names}); }}); }}"
        )
    files = sorted({kernel.file for kernel in cuda.kernels().values()})
    return "\n".join([shim, cuda.source(*files), *runners, "}", ""])
