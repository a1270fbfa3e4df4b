"""The two devices: why one cannot be used, what keys compiled code, and what is checked before a launch."""

from __future__ import annotations

import importlib.machinery
import sys
from collections.abc import Callable, Iterator
from inspect import signature
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import qmis_kernels
from qmis_kernels import FUNCTIONS, BackendUnavailable, backend, cuda, device, gpu
from qmis_kernels.device import CupyDevice, HostDevice, host_source, why_no_gpu

Install = Callable[..., ModuleType]


class FakeArray(np.ndarray):
    """An array on the pretended GPU."""

    def get(self, out: np.ndarray) -> None:
        assert out.flags.c_contiguous
        assert (out.shape, out.dtype) == (self.shape, self.dtype)
        out[...] = self


class FakeModule:
    """Stands for CuPy's compiler: runs the kernels on the host after a look at how it was asked."""

    def __init__(self, code: str, options: tuple[str, ...], backend: str = "nvrtc") -> None:
        assert "--fmad=false" in options
        assert "#include" not in code
        self.code = code

    def get_function(self, name: str) -> Callable[..., None]:
        def start(grid: tuple[int], block: tuple[int], arguments: tuple[Any, ...]) -> None:
            assert f" {name}(" in self.code
            for argument in arguments:
                assert isinstance(argument, (FakeArray, np.int64, np.uint32, np.uint64, np.float64))
            if name != "probe":
                values = [a if isinstance(a, FakeArray) else a.item() for a in arguments]
                HostDevice().launch(name, *grid, *block, values)

        return start


@pytest.fixture
def fake_cupy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Put a stand-in for CuPy in place, with a number of devices or an error."""

    def install(devices: int | Exception) -> ModuleType:
        def count() -> int:
            if isinstance(devices, Exception):
                raise devices
            return devices

        cupy: Any = ModuleType("cupy")
        cupy.__spec__ = importlib.machinery.ModuleSpec("cupy", None)
        cupy.RawModule = FakeModule
        cupy.empty = lambda shape, dtype: np.full(shape, -1, dtype).view(FakeArray)
        cupy.asarray = lambda array: np.array(array).view(FakeArray)
        cupy.get_default_memory_pool = lambda: SimpleNamespace(free_bytes=lambda: 1000)
        cupy.cuda = SimpleNamespace(
            runtime=SimpleNamespace(
                getDeviceCount=count,
                getDevice=lambda: 0,
                deviceSynchronize=lambda: None,
                memGetInfo=lambda: (50_000, 100_000),
            )
        )
        monkeypatch.setitem(sys.modules, "cupy", cupy)
        why_no_gpu.cache_clear()
        gpu.table.cache_clear()
        return cupy

    yield install
    monkeypatch.undo()
    why_no_gpu.cache_clear()
    gpu.table.cache_clear()


def takes_key(function: str) -> bool:
    return "key" in signature(getattr(backend("reference"), function)).parameters


def compiler() -> HostDevice:
    try:
        return HostDevice()
    except BackendUnavailable as reason:
        pytest.skip(str(reason))


def refused() -> str:
    """Return the one line with which the CUDA backend is refused."""
    with pytest.raises(BackendUnavailable) as caught:
        backend("cupy")
    assert "\n" not in str(caught.value)
    assert backend("auto") is backend("numba")
    return str(caught.value)


def test_without_cupy(fake_cupy: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_cupy(1)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert refused() == "backend 'cupy': cupy, of the extra gpu, is not installed; use 'numba'"


def test_cupy_that_cannot_be_imported(fake_cupy: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_cupy(1)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert "cupy cannot be imported" in refused()


def test_without_driver_or_device(fake_cupy: Install) -> None:
    fake_cupy(RuntimeError("cudaErrorInsufficientDriver: CUDA driver version\nis insufficient"))
    assert "cudaErrorInsufficientDriver: CUDA driver version is insufficient" in refused()
    fake_cupy(0)
    assert "no CUDA device" in refused()


def test_a_gpu_is_looked_for_once(fake_cupy: Install) -> None:
    cupy: Any = fake_cupy(0)
    assert backend("auto") is backend("numba")
    cupy.cuda.runtime.getDeviceCount = lambda: pytest.fail("asked twice")
    assert backend("auto") is backend("numba")


def test_a_gpu_is_taken_when_it_is_there(fake_cupy: Install, random_call: tuple, same_bits: Any) -> None:
    compiler()
    fake_cupy(1)
    assert backend("auto") is backend("cupy")
    assert CupyDevice().free_bytes() == 51_000
    name, arguments = random_call
    call = ((3, 4), 5, 2**32 - 20, 57, *arguments)
    same_bits(getattr(backend("cupy"), name)(*call), getattr(backend("numba"), name)(*call))


@pytest.mark.parametrize("function", [name for name in FUNCTIONS if not takes_key(name)])
def test_a_gpu_takes_arrays(function: str, fake_cupy: Install, random_problem: Any, same_bits: Any) -> None:
    compiler()
    fake_cupy(1)
    arguments = random_problem(function, 12)
    same_bits(getattr(backend("cupy"), function)(*arguments), getattr(backend("numba"), function)(*arguments))


def test_without_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(BackendUnavailable, match=r"^backend 'host': the compiler 'no-such-compiler' was not found"):
        HostDevice()


def test_a_compiler_that_fails() -> None:
    compiler()
    with pytest.raises(BackendUnavailable, match=r"^backend 'host': .* failed: .*no-such-option") as caught:
        _ = HostDevice(["-no-such-option"]).library
    assert "\n" not in str(caught.value)


def test_no_place_for_the_library_is_not_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    compiler()
    monkeypatch.setattr(device, "cache_directory", lambda: None)
    found = gpu.Table(HostDevice(["-shared", "-fPIC"])).uniforms((1, 2), 0, 0, 2, 3)
    assert (found == backend("reference").uniforms((1, 2), 0, 0, 2, 3)).all()


def test_the_text_that_keys_the_library_holds_every_source() -> None:
    text = host_source()
    folder = Path(cuda.__file__).parent
    files = [path for path in folder.iterdir() if path.suffix in {".cu", ".cuh", ".h"}]
    assert len(files) > 15
    for path in files:
        for line in path.read_text().splitlines():
            assert line in text or line.startswith(("#include", "#pragma")), (path.name, line)


def test_kernels_are_found_with_their_parameters() -> None:
    sources = "".join(path.read_text() for path in Path(cuda.__file__).parent.glob("*.cu"))
    assert len(cuda.kernels()) == sources.count("__global__")
    kinds = {kind for kernel in cuda.kernels().values() for kind, _ in kernel.parameters}
    assert kinds == {"double*", "long long*", "long long", "unsigned", "unsigned long long", "double"}


def test_constants_are_exact() -> None:
    text = cuda.constants()
    assert f"LN2_LOW = {qmis_kernels._constants.LN2_LOW.hex()};" in text
    assert float.fromhex(text.split("LN2_LOW = ")[1].split(";")[0]) == 1.90821492927058770002e-10


def test_a_wrong_number_of_arguments_is_refused() -> None:
    with pytest.raises(TypeError, match="add_blocks has 5 parameters: 2 arguments were given"):
        compiler().launch("add_blocks", 1, 1, (1, 2))
