"""The table of functions: complete, alike in every backend, lazy, and clear about wrong arguments."""

from __future__ import annotations

import inspect
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

import qmis_kernels
from qmis_kernels import FUNCTIONS, BackendUnavailable, _cache, _compile, backend, set_threads, threads
from qmis_kernels.device import why_no_gpu
from qmis_kernels.gpu import Table


@pytest.mark.parametrize("function", FUNCTIONS)
def test_backends_offer_the_same_functions(function: str) -> None:
    compiled, plain = (getattr(backend(name), function) for name in ("numba", "reference"))
    assert inspect.signature(compiled) == inspect.signature(plain)
    assert inspect.signature(partial(getattr(Table, function), None)) == inspect.signature(plain)
    assert plain.__doc__


def test_every_public_function_of_the_compiled_table_is_listed() -> None:
    table = backend("numba")
    for offered, modules in ((table, {table.__name__}), (Table, {part.__module__ for part in Table.__mro__})):
        public = {
            name
            for name, member in inspect.getmembers(offered, inspect.isfunction)
            if member.__module__ in modules and not name.startswith("_")
        }
        assert public == set(FUNCTIONS)


def test_every_random_function_has_a_case(random_call: tuple) -> None:
    from inspect import signature

    assert list(signature(getattr(backend(), random_call[0])).parameters)[:4] == [
        "key",
        "stream",
        "first",
        "count",
    ]


def test_names_of_backends() -> None:
    reason = why_no_gpu()
    assert backend("auto") is backend("numba" if reason else "cupy")
    if reason:
        with pytest.raises(BackendUnavailable, match=re.escape(f"backend 'cupy': {reason}")):
            backend("cupy")
    assert issubclass(BackendUnavailable, RuntimeError)
    with pytest.raises(ValueError, match="auto, numba, reference, cupy, host"):
        backend("fortran")


def test_import_is_lazy_and_under_its_own_name() -> None:
    code = (
        "import sys, qmis_kernels, qmis_kernels.reference\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        "assert not loaded & {'numba', 'scipy', 'cupy', 'kernels', 'qmis_stats'}, loaded"
    )
    path = str(Path(qmis_kernels.__file__).parents[1])
    subprocess.run([sys.executable, "-c", f"import sys; sys.path.insert(0, {path!r})\n{code}"], check=True)
    assert not [name for name in sys.modules if name.split(".")[0] == "kernels"]


def test_threads() -> None:
    before = threads()
    set_threads(1)
    assert threads() == 1
    set_threads(before)
    for number in (0, 10_000):
        with pytest.raises(ValueError, match="threads"):
            set_threads(number)


def test_cache_is_keyed_by_the_sources(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1")
    before = _cache.sources_digest(tmp_path)
    assert before == _cache.sources_digest(tmp_path)
    (tmp_path / "a.py").write_text("x = 2")
    assert before != _cache.sources_digest(tmp_path)


def test_no_place_for_the_cache_is_not_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    _cache.cache_directory.cache_clear()
    try:
        assert _cache.cache_directory() is None
        assert _compile.compiled(lambda x: x + 1.0)(1.0) == 2.0
    finally:
        _cache.cache_directory.cache_clear()


@pytest.mark.parametrize("directory", ["absent", None])
def test_nowhere_to_write_is_not_an_error(directory: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numba finds no place: not in NUMBA_CACHE_DIR, not beside the sources, not at home."""
    njit = numba.njit
    asked = []

    def without_a_place(cache: bool = False, **options: bool) -> Any:
        asked.append(cache)
        if cache:
            raise RuntimeError("cannot cache function 'f': no locator available for file 'f.py'")
        return njit(**options)

    if directory is not None:
        monkeypatch.setenv("NUMBA_CACHE_DIR", directory)
    monkeypatch.setattr(numba, "njit", without_a_place)
    assert _compile.compiled(lambda x: x + 1.0)(1.0) == 2.0
    assert asked == [True, False]


KEY = (1, 2)
WRONG = [
    ("key", "uniforms", ((1,), 0, 0, 1, 1)),
    ("key", "uniforms", ((2**32, 0), 0, 0, 1, 1)),
    ("key", "uniforms", ((0, -1), 0, 0, 1, 1)),
    ("stream", "normals", (KEY, 2**32, 0, 1, 1)),
    ("first", "normals", (KEY, 0, -1, 1, 1)),
    ("count", "normals", (KEY, 0, 0, -1, 1)),
    ("count", "normals", (KEY, 0, 0, 1.5, 1)),
    ("draws", "uniforms", (KEY, 0, 0, 1, -1)),
    ("mean", "gaussian_sums", (KEY, 0, 0, 1, [[0.0]], [[1.0]])),
    ("factor", "gaussian_sums", (KEY, 0, 0, 1, [0.0, 0.0], [[1.0]])),
    ("dof", "wishart_sums", (KEY, 0, 0, 1, 0, [[1.0]])),
    ("factor", "wishart_sums", (KEY, 0, 0, 1, 3, [[1.0, 0.0]])),
    ("trials", "multinomial_sums", (KEY, 0, 0, 1, -1, [1.0])),
    ("probabilities", "multinomial_sums", (KEY, 0, 0, 1, 1, [0.0, 0.0])),
    ("probabilities", "multinomial_sums", (KEY, 0, 0, 1, 1, [1.5, -0.5])),
    ("probabilities", "multinomial_sums", (KEY, 0, 0, 1, 1, [np.nan, 0.5])),
    ("probabilities", "multinomial_sums", (KEY, 0, 0, 1, 1, [])),
    ("weights", "mixture_sums", (KEY, 0, 0, 1, 1, [-1.0], [[0.0]], [[[1.0]]])),
    ("means", "mixture_sums", (KEY, 0, 0, 1, 1, [1.0], [0.0], [[[1.0]]])),
    ("factors", "mixture_sums", (KEY, 0, 0, 1, 1, [1.0], [[0.0]], [[1.0]])),
    ("sum_scores", "all_pairs_wins", (np.zeros((2, 0)), [1.0, 1.0], np.zeros((2, 0)))),
    ("weights", "all_pairs_wins", (np.zeros((2, 3)), [1.0], np.zeros((2, 3)))),
    ("point_scores", "all_pairs_wins", (np.zeros((2, 3)), [1.0, 1.0], np.zeros((2, 2)))),
    ("coefficients", "all_pairs_rows", (np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((3, 3)))),
    ("n", "product_log_ratios", (KEY, 0, 0, 1, 1, [0.0], [0, 1])),
    ("edges", "product_log_ratios", (KEY, 0, 0, 1, 5, [[0.0]], [0, 1])),
    ("offsets", "product_log_ratios", (KEY, 0, 0, 1, 5, [0.0], [0, 2])),
    ("offsets", "product_log_ratios", (KEY, 0, 0, 1, 5, [0.0, 1.0], [0, 3, 2])),
    ("shape", "gammas", (KEY, 0, 0, 1, [[1.0]])),
    ("shape", "gammas", (KEY, 0, 0, 1, [1.0, 0.01])),
    ("shape", "gammas", (KEY, 0, 0, 1, [np.nan])),
    ("shape", "gammas", (KEY, 0, 0, 1, [np.inf])),
    ("n", "regression_sums", (KEY, 0, 0, 1, 1, [0.0, 0.0], np.eye(2), 1.0)),
    ("coefficients", "regression_sums", (KEY, 0, 0, 1, 5, [[0.0]], [[1.0]], 1.0)),
    ("coefficients", "regression_sums", (KEY, 0, 0, 1, 5, [np.nan], [[1.0]], 1.0)),
    ("transform", "regression_sums", (KEY, 0, 0, 1, 5, [0.0, 0.0], [[1.0, 0.0]], 1.0)),
    ("noise_std", "regression_factors", (KEY, 0, 0, 1, 5, [0.0], [[1.0]], -1.0)),
    ("noise_std", "regression_factors", (KEY, 0, 0, 1, 5, [0.0], [[1.0]], "loud")),
    ("noise_std", "regression_factors", (KEY, 0, 0, 1, 5, [0.0], [[1.0]], np.inf)),
    ("design", "rank_one_updates", ([[[1.0]]], [[0.0]], [[1.0]], [[1.0]], 1)),
    ("design", "rank_one_updates", ([[[1.0]]], [[0.0]], [[[np.inf]]], [[1.0]], 1)),
    ("factors", "rank_one_updates", ([[[1.0, 0.0]]], [[0.0]], [[[1.0]]], [[1.0]], 1)),
    ("factors", "rank_one_updates", ([[[0.0]]], [[0.0]], [[[1.0]]], [[1.0]], 1)),
    ("estimates", "rank_one_updates", ([[[1.0]]], [[0.0, 1.0]], [[[1.0]]], [[1.0]], 1)),
    ("response", "rank_one_updates", ([[[1.0]]], [[0.0]], [[[1.0]]], [[1.0, 2.0]], 1)),
    ("sign", "rank_one_updates", ([[[1.0]]], [[0.0]], [[[1.0]]], [[1.0]], 0)),
    ("x", "add_one_wins", ([[[1.0]]], [[0.0]], [1.0], [1.0], [0.0], [0, 1])),
    ("factors", "add_one_wins", ([[[-1.0]]], [[0.0]], [[1.0]], [1.0], [0.0], [0, 1])),
    ("estimates", "add_one_wins", ([[[1.0]]], [0.0], [[1.0]], [1.0], [0.0], [0, 1])),
    ("response", "add_one_wins", ([[[1.0]]], [[0.0]], [[1.0]], [1.0, 2.0], [0.0], [0, 1])),
    ("offsets", "add_one_wins", ([[[1.0]]], [[0.0]], [[1.0]], [1.0], [0.0, 1.0], [0, 1, 2])),
    (
        "offsets",
        "add_one_wins",
        ([np.eye(40)], np.zeros((1, 40)), np.zeros((1, 40)), [1.0], np.zeros(40), np.arange(41)),
    ),
    ("x", "logistic_fits", ([[1.0]], [[1]], 1e-8, 20)),
    ("x", "logistic_fits", (np.zeros((1, 3, 0)), [[1, 0, 1]], 1e-8, 20)),
    ("x", "logistic_fits", ([[[np.nan]]], [[1]], 1e-8, 20)),
    ("y", "logistic_fits", ([[[1.0]]], [[1, 0]], 1e-8, 20)),
    ("y", "logistic_fits", ([[[1.0]]], [[0.5]], 1e-8, 20)),
    ("tolerance", "logistic_fits", ([[[1.0]]], [[1]], 0.0, 20)),
    ("tolerance", "logistic_fits", ([[[1.0]]], [[1]], 1.0, 20)),
    ("iterations", "logistic_fits", ([[[1.0]]], [[1]], 1e-8, 0)),
    ("n", "logistic_sums", (KEY, 0, 0, 1, 0, [0.0], [[1.0]], 1e-8, 20)),
    ("n", "logistic_sums", (KEY, 0, 0, 1, 2**33, [0.0], [[1.0]], 1e-8, 20)),
    ("coefficients", "logistic_sums", (KEY, 0, 0, 1, 5, [], np.zeros((0, 0)), 1e-8, 20)),
    ("factor", "logistic_sums", (KEY, 0, 0, 1, 5, [0.0], [[1.0, 0.0]], 1e-8, 20)),
    ("tolerance", "logistic_sums", (KEY, 0, 0, 1, 5, [0.0], [[1.0]], None, 20)),
    ("key", "rademacher_sums", ((1,), 0, 0, 1, [[1.0]])),
    ("values", "rademacher_sums", (KEY, 0, 0, 1, [1.0])),
    ("values", "rademacher_sums", (KEY, 0, 0, 1, [[np.nan]])),
    ("point", "rademacher_sums", (KEY, 0, 0, 1, [[1.0]], 64)),
    ("point", "rademacher_sums", (KEY, 0, 0, 1, [[1.0]], -128)),
    ("point", "rademacher_sums", (KEY, 0, 0, 1, [[1.0]], 128.0)),
    ("point", "rademacher_sums", (KEY, 0, 0, 1, np.ones((1, 129)), 2**39 - 128)),
    ("stream", "resampled_power_sums", (KEY, -1, 0, 1, [1.0])),
    ("values", "resampled_power_sums", (KEY, 0, 0, 1, [])),
    ("values", "resampled_power_sums", (KEY, 0, 0, 1, [[1.0]])),
    ("values", "resampled_power_sums", (KEY, 0, 0, 1, [np.inf])),
    ("values", "centred_power_sums", ([1.0], [1.0], [1.0])),
    ("reference", "centred_power_sums", ([[1.0, 2.0]], [1.0], [1.0])),
    ("centres", "centred_power_sums", ([[1.0, 2.0]], [1.0, 2.0], [1.0, 2.0])),
    ("estimates", "group_contrasts", ([[1.0]], [[1.0]], [0, 1])),
    ("estimates", "group_contrasts", ([np.nan], [[1.0]], [0, 1])),
    ("draws", "group_contrasts", ([1.0], [[1.0], [2.0]], [0, 1])),
    ("draws", "group_contrasts", ([1.0], np.zeros((1, 0)), [0, 1])),
    ("draws", "group_contrasts", ([1.0], [[2.0**500]], [0, 1])),
    ("draws", "group_contrasts", ([1.0], [[np.nan]], [0, 1])),
    ("offsets", "group_contrasts", ([1.0, 2.0], [[1.0], [2.0]], [0, 1])),
    ("offsets", "group_contrasts", ([1.0, 2.0], [[1.0], [2.0]], [0, 1, 1, 2])),
    ("offsets", "group_contrasts", ([1.0, 2.0], [[1.0], [2.0]], [1, 2])),
    ("offsets", "group_contrasts", ([1.0, 2.0], [[1.0], [2.0]], [0.0, 2.0])),
    ("offsets", "group_contrasts", ([], np.zeros((0, 3)), [])),
]


@pytest.mark.parametrize("name", ["numba", "reference", "host"])
@pytest.mark.parametrize(("field", "function", "arguments"), WRONG)
def test_wrong_arguments_are_named(name: str, field: str, function: str, arguments: tuple) -> None:
    if name == "host" and shutil.which("g++") is None:
        pytest.skip("no C++ compiler")
    with pytest.raises(ValueError, match=rf"^{field}\b") as caught:
        getattr(backend(name), function)(*arguments)
    assert "\n" not in str(caught.value)
