"""Requests that would not fit in memory: refused at once and in one line, by every function of the table."""

from __future__ import annotations

import ctypes
import time
import tracemalloc
from pathlib import Path
from types import ModuleType

import numpy as np
import psutil
import pytest

from qmis_kernels import FUNCTIONS, BackendUnavailable, backend, memory

pytestmark = pytest.mark.grid(2)

KEY = (1, 2)
HUGE = 2**50
TWO = np.zeros((2, 2))
MANY = memory.UNCHECKED // 8 + 1
ZEROS, ONES = (np.broadcast_to(x, (MANY,)) for x in (0.0, 1.0))
EXPOSED = (ZEROS, ONES, ONES, ZEROS)
TOO_LARGE = {
    "uniforms": (KEY, 0, 0, HUGE, 4),
    "normals": (KEY, 0, 0, 4, 2**32),
    "gaussian_sums": (KEY, 0, 0, HUGE, [0.0], [[1.0]]),
    "wishart_sums": (KEY, 0, 0, HUGE, 3, [[1.0]]),
    "multinomial_sums": (KEY, 0, 0, HUGE, 10, [0.5, 0.5]),
    "mixture_sums": (KEY, 0, 0, HUGE, 10, [1.0], [[0.0]], [[[1.0]]]),
    "all_pairs_wins": (TWO, np.ones(2), np.broadcast_to(np.zeros(2), (2**25, 2))),
    "all_pairs_rows": (np.broadcast_to(np.zeros(2), (2**25, 2)), TWO, TWO),
    "product_log_ratios": (KEY, 0, 0, HUGE, 10, [0.0], [0, 1]),
    "gammas": (KEY, 0, 0, HUGE, [3.0]),
    "regression_sums": (KEY, 0, 0, HUGE, 5, [0.0], [[1.0]], 1.0),
    "regression_factors": (KEY, 0, 0, HUGE, 5, [0.0], [[1.0]], 1.0),
    "logistic_sums": (KEY, 0, 0, HUGE, 5, [0.0], [[1.0]], 1e-8, 20),
    "add_one_wins": (
        np.eye(2)[None],
        np.zeros((1, 2)),
        np.zeros((10_000, 2)),
        np.zeros(10_000),
        np.tile(np.linspace(-1.0, 1.0, 2**14), 2),
        [0, 2**14, 2**15],
    ),
    "rank_one_updates": ([[[1.0]]], [[0.0]], np.zeros((1, MANY, 1)), np.zeros((1, MANY)), 1),
    "logistic_fits": (np.zeros((MANY, 1, 1)), np.zeros((MANY, 1)), 1e-8, 20),
    "rademacher_sums": (KEY, 0, 0, HUGE, [[1.0]]),
    "resampled_power_sums": (KEY, 0, 0, HUGE, [1.0]),
    "centred_power_sums": (np.zeros((MANY, 1)), [0.0], np.zeros(MANY)),
    "group_contrasts": (np.zeros(2**15), np.zeros((2**15, 16)), np.arange(2**15 + 1)),
    "proximal_moments": (*EXPOSED, 0),
    "read_out_ratios": (ZEROS, *EXPOSED, 0, np.broadcast_to(np.zeros(3), (MANY, 3)), ZEROS, ZEROS),
    "exposure_integrals": ([0.0], [1.0], [1.0], [0.0], 0, np.zeros((1, 3)), [[0.5]], [[0.5]], [1.0], [0], 2**30),
}
READS_ALL_ITS_INPUT = (
    "all_pairs_wins",
    "all_pairs_rows",
    "rank_one_updates",
    "logistic_fits",
    "centred_power_sums",
    "proximal_moments",
    "read_out_ratios",
)


def table_of(name: str) -> ModuleType:
    try:
        return backend(name)
    except BackendUnavailable as error:
        pytest.skip(str(error))


def test_every_function_has_a_case() -> None:
    assert set(TOO_LARGE) == set(FUNCTIONS)


@pytest.mark.parametrize("name", ["numba", "reference", "host"])
@pytest.mark.parametrize("function", sorted(set(FUNCTIONS) - set(READS_ALL_ITS_INPUT)))
def test_refused_at_once_on_this_machine(name: str, function: str) -> None:
    call = getattr(table_of(name), function)
    memory.available()  # imports what it asks
    tracemalloc.start()
    begin = time.process_time()
    try:
        with pytest.raises(
            memory.OutOfMemory, match=rf"^{function}: .* needs \d+ bytes .* available: lower "
        ) as caught:
            call(*TOO_LARGE[function])
        taken, peak = time.process_time() - begin, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert taken < 0.1
    assert peak < memory.UNCHECKED
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, MemoryError)


@pytest.mark.parametrize("name", ["numba", "reference", "host"])
@pytest.mark.parametrize("function", READS_ALL_ITS_INPUT)
def test_pairs_are_refused(name: str, function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: 2**20)
    with pytest.raises(memory.OutOfMemory, match=rf"^{function}: "):
        getattr(table_of(name), function)(*TOO_LARGE[function])


@pytest.mark.parametrize("name", ["numba", "reference", "host"])
def test_two_large_groups_are_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The result is small, the scales of the pairs of rows are not."""
    monkeypatch.setattr(memory, "available", lambda: 2**20)
    with pytest.raises(memory.OutOfMemory, match=r"^group_contrasts: .* lower the sizes of the groups$"):
        table_of(name).group_contrasts(np.zeros(6000), np.zeros((6000, 1)), [0, 3000, 6000])


def test_the_limit_itself_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    size = 2 * memory.UNCHECKED
    monkeypatch.setattr(memory, "available", lambda: size)
    assert backend().uniforms(KEY, 0, 0, size // 8, 1).nbytes == size
    message = (
        r"^uniforms: a result of shape \(16777217, 1\) needs 134217736 bytes \(128.0 MiB\), "
        r"134217728 bytes \(128.0 MiB\) are available: lower count or draws$"
    )
    with pytest.raises(memory.OutOfMemory, match=message):
        backend().uniforms(KEY, 0, 0, size // 8 + 1, 1)


def test_small_requests_do_not_ask_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked() -> int:
        raise AssertionError

    monkeypatch.setattr(memory, "available", asked)
    assert memory.fits(memory.UNCHECKED - 1)
    assert backend().uniforms(KEY, 0, 0, 1000, 8).shape == (1000, 8)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1024 bytes (1.0 KiB)"), (10**10, "10000000000 bytes (9.3 GiB)")],
)
def test_sizes_are_readable(size: int, text: str) -> None:
    assert memory.readable(size) == text


def test_sizes_beyond_all_units_are_readable() -> None:
    assert memory.readable(2**80).endswith("(1048576.0 EiB)")


def group(folder: Path, version: int, limit: str, usage: int, inactive: int) -> None:
    names = {2: ("memory.max", "memory.current", ""), 1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_")}
    most, used, prefix = names[version]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / most).write_text(f"{limit}\n")
    (folder / used).write_text(f"{usage}\n")
    (folder / "memory.stat").write_text(f"anon 7\n{prefix}inactive_file {inactive}\n")


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A control-group file system whose process is in the group /outer/inner of both versions."""
    (tmp_path / "own").write_text("4:cpu,memory:/outer/inner\n1:name=systemd:/x\n0::/outer/inner\n")
    monkeypatch.setattr(memory, "_OWN_GROUPS", tmp_path / "own")
    monkeypatch.setattr(memory, "_CONTROL_GROUPS", tmp_path / "fs")
    return tmp_path / "fs"


def test_the_tightest_control_group_counts(groups: Path) -> None:
    unlimited = memory.available()
    group(groups / "outer", 2, "5000", 3000, 500)
    group(groups / "outer" / "inner", 2, "max", 3000, 500)
    assert memory.available() == 5000 - 3000 + 500
    group(groups / "memory" / "outer" / "inner", 1, "2000", 1900, 50)
    assert memory.available() == 2000 - 1900 + 50
    group(groups / "memory", 1, "100", 300, 0)
    assert memory.available() == 0
    assert unlimited > 5000


def test_no_control_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_OWN_GROUPS", tmp_path / "absent")
    assert memory.available() > 0


def test_freed_memory_is_given_back() -> None:
    if not hasattr(ctypes.CDLL(None), "malloc_trim"):
        pytest.skip("no glibc")
    process, arrays = psutil.Process(), [np.ones(2**13) for _ in range(1600)]  # 100 MiB, too small to be mapped each
    last = arrays.pop()  # keeps the allocator from giving back what lies before it
    arrays.clear()
    before = process.memory_info().rss
    memory.give_back()
    assert before - process.memory_info().rss > 2**25
    assert last.size
