"""NVRTC compiles every CUDA source to machine code of two GPU generations, without a GPU; registers are bounded."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from qmis_kernels import cuda

nvrtc: Any = pytest.importorskip(
    "cuda.bindings.nvrtc", reason="NVRTC is not installed: it comes with the test extra on Linux x86-64"
)
try:
    nvrtc.nvrtcVersion()
except RuntimeError as missing:  # the bindings are there, the compiler is not
    pytest.skip(f"NVRTC cannot be loaded: {missing}", allow_module_level=True)

ARCHITECTURES = ("sm_80", "sm_90")
FILES = sorted({kernel.file for kernel in cuda.kernels().values()})
MOST_REGISTERS = 128  # at 128 threads a block: four blocks fit into a multiprocessor's 65536
ENTRY = re.compile(r"Compiling entry function '(\w+)' for '(\w+)'")
SPILLS = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
ARITHMETIC = re.compile(r"^\s+((?:add|sub|mul|mad|fma|div|rcp|sqrt|ex2|lg2)(?:\.\w+)*)\.(f32|f64)\s", re.MULTILINE)
REGISTERS = re.compile(r"Used (\d+) registers")


@dataclass(frozen=True)
class Usage:
    registers: int
    stack: int
    spills: int


def bytes_of(length: Any, read: Any, program: Any) -> bytes:
    error, size = length(program)
    assert error == nvrtc.nvrtcResult.NVRTC_SUCCESS
    content = b" " * size
    (error,) = read(program, content)
    assert error == nvrtc.nvrtcResult.NVRTC_SUCCESS
    return content


def machine_code(text: str, architecture: str, *more: str) -> tuple[bytes, str]:
    """Compile a text; return the machine code (empty after an error) and what the compiler says."""
    error, program = nvrtc.nvrtcCreateProgram(text.encode(), b"kernels.cu", 0, [], [])
    assert error == nvrtc.nvrtcResult.NVRTC_SUCCESS
    options = [*cuda.NVRTC_OPTIONS, f"--gpu-architecture={architecture}", "--ptxas-options=-v", *more]
    (error,) = nvrtc.nvrtcCompileProgram(program, len(options), [option.encode() for option in options])
    log = bytes_of(nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog, program).decode().rstrip("\0")
    if error != nvrtc.nvrtcResult.NVRTC_SUCCESS:
        return b"", log
    return bytes_of(nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN, program), log


@cache
def compiled(file: str, architecture: str) -> dict[str, Usage]:
    """Compile a file; return what each of its kernels uses."""
    code, log = machine_code(cuda.source(file), architecture)
    assert code.startswith(b"\x7fELF"), f"{file} for {architecture}:\n{log}"
    usage, name = {}, ""
    for line in log.splitlines():
        if entry := ENTRY.search(line):
            name = entry[1]
            assert entry[2] == architecture
        elif found := SPILLS.search(line):
            frame = int(found[1]), int(found[2]) + int(found[3])
        elif used := REGISTERS.search(line):
            usage[name] = Usage(int(used[1]), *frame)
    return usage


@pytest.mark.parametrize("architecture", [pytest.param("sm_80", marks=pytest.mark.long), "sm_90"])
@pytest.mark.parametrize("file", FILES)
@pytest.mark.grid(3)
def test_compiles_without_spills(file: str, architecture: str) -> None:
    usage = compiled(file, architecture)
    assert set(usage) == {kernel.name for kernel in cuda.kernels().values() if kernel.file == file}
    for name, used in usage.items():
        assert used.registers <= MOST_REGISTERS, (name, used)
        assert (used.stack, used.spills) == (0, 0), (name, used)


def intermediate_code(file: str, *options: str) -> str:
    error, program = nvrtc.nvrtcCreateProgram(cuda.source(file).encode(), b"kernels.cu", 0, [], [])
    assert error == nvrtc.nvrtcResult.NVRTC_SUCCESS
    arguments = ["--gpu-architecture=compute_80", *options]
    (error,) = nvrtc.nvrtcCompileProgram(program, len(arguments), [option.encode() for option in arguments])
    assert error == nvrtc.nvrtcResult.NVRTC_SUCCESS
    return bytes_of(nvrtc.nvrtcGetPTXSize, nvrtc.nvrtcGetPTX, program).decode()


@pytest.mark.parametrize("file", FILES)
def test_every_operation_is_rounded_by_itself(file: str) -> None:
    """All double arithmetic of the PTX is marked as rounded to nearest: nothing later may fuse or approximate it."""
    found = {operation for operation, kind in ARITHMETIC.findall(intermediate_code(file, *cuda.NVRTC_OPTIONS))}
    assert found <= {f"{name}.rn" for name in ("add", "sub", "mul", "div", "sqrt", "rcp")}


def test_without_the_flag_operations_are_fused() -> None:
    options = [option for option in cuda.NVRTC_OPTIONS if not option.startswith("--fmad")]
    fused = [operation for operation, _ in ARITHMETIC.findall(intermediate_code("normals.cu", *options))]
    assert fused.count("fma.rn") > 20


def test_an_error_names_file_and_line() -> None:
    text = cuda.source("normals.cu").replace("own[0] = normal(u.first);", "own[0] = abnormal(u.first);")
    code, log = machine_code(text, "sm_90")
    assert code == b""
    file = (cuda.__file__ or "").replace("__init__.py", "normals.cu")
    with open(file) as stream:
        line = 1 + next(i for i, line in enumerate(stream) if "own[0] = normal(u.first);" in line)
    assert f"normals.cu({line}): error" in log


def test_no_local_header_is_left_out() -> None:
    """The text that is compiled is complete: nothing is read from a folder at compile time."""
    for file in FILES:
        assert "#include" not in cuda.source(file)


def main() -> None:
    """Print compile times, registers and spills: python tests/kernels/test_cuda_compiles.py."""
    print(f"{'kernel':<20} {'for':<6} {'registers':>9} {'stack':>6} {'spills':>6} {'ms/file':>8}")
    for architecture in ARCHITECTURES:
        for file in FILES:
            start = time.perf_counter()
            usage = compiled(file, architecture)
            elapsed = 1e3 * (time.perf_counter() - start)
            for name, used in usage.items():
                print(
                    f"{name:<20} {architecture:<6} {used.registers:>9} {used.stack:>6} {used.spills:>6} {elapsed:8.0f}"
                )


if __name__ == "__main__":
    main()
