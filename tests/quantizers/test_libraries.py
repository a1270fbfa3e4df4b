"""Quantizers of other packages: names, refusals, and, where a package is installed, what it makes of weights."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from qmis_stats import leakage
from qmis_stats.audit.codewords import Codewords
from qmis_stats.errors import DomainError, InputError, MissingExtraError
from qmis_stats.quantizers import quantizer
from qmis_stats.quantizers.libraries import LIBRARIES, installed_libraries
from qmis_stats.quantizers.libraries.base import LibraryQuantizer

KINDS = {
    "gguf": ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "TQ2_0"),
    "bitsandbytes": ("nf4", "fp4", "nf4-128", "fp4-256-dq", "nf4-dq"),
    "torchao": ("int8", "int4-g32", "int2-g16"),
    "quanto": ("qint2", "qint4", "qint8"),
    "hqq": ("1-g32", "2-g64", "3-g16", "4-g32", "8-g32"),
    "torch": ("per-channel", "per-tensor"),
    "onnxruntime": ("dynamic",),
}
NAMES = [f"{library}:{kind}" for library, kinds in KINDS.items() for kind in kinds]


def made(name: str):
    try:
        return quantizer(name)
    except MissingExtraError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(50,), (1, 77), (3, 96), (4, 3, 5, 5)])
def test_codes_and_values_of_any_shape(name: str, shape: tuple[int, ...]) -> None:
    q = made(name)
    assert q.name == name
    w = 0.3 * np.random.default_rng(1).normal(size=shape)
    before = w.copy()
    codes, values = q.encode(w)
    np.testing.assert_array_equal(w, before)
    assert codes.shape == values.shape == shape
    assert codes.dtype == np.int64
    assert values.dtype == np.float64
    assert np.unique(codes).size <= q.levels + 1  # those about a zero that may be at either end
    np.testing.assert_array_equal(q.quantize(w), values)
    assert np.unique(values).size < w.size
    # Values follow the weights up to a step.
    assert np.corrcoef(w.ravel(), values.ravel())[0, 1] > 0.4
    block = slice(0, 16)  # of one block in all of them
    order = np.lexsort((values.ravel()[block], codes.ravel()[block]))
    assert np.all(np.diff(values.ravel()[block][order]) >= 0.0)


@pytest.mark.parametrize("name", ["gguf:Q4_0", "gguf:Q5_1", "gguf:Q8_0", "bitsandbytes:nf4", "bitsandbytes:fp4"])
def test_the_same_as_what_is_built_in(name: str) -> None:
    library, kind = name.split(":")
    twin = quantizer(kind.lower() if library == "gguf" else f"{kind}:g64:f32")
    w = 0.3 * np.random.default_rng(2).normal(size=(3, 128))
    q = made(name)
    np.testing.assert_array_equal(q.codes(w), twin.codes(w))
    np.testing.assert_allclose(q.quantize(w), twin.quantize(w), rtol=2e-7)
    for one, other in zip(q.cells(w), twin.cells(w), strict=True):
        np.testing.assert_array_equal(one.edges, other.edges)
        np.testing.assert_array_equal(one.known, other.known)


@pytest.mark.parametrize("name", [f"{library}:{kinds[0]}" for library, kinds in KINDS.items()])
def test_theory_and_audits_take_them(name: str) -> None:
    q, rng = made(name), np.random.default_rng(3)
    X = rng.normal(size=(200, 32))
    y = X @ rng.normal(size=32) / 4.0 + rng.normal(size=200)
    from sklearn.linear_model import Ridge

    found = leakage(Ridge(alpha=1.0).fit(X, y), [q], X=X, y=y)
    assert 0.5 < found.auc[0] <= found.auc[1] + 0.005
    words = Codewords(q)
    w = rng.normal(size=(1, 32))
    released, mark = words.of((w, np.zeros(1)), (True, False))
    np.testing.assert_array_equal(released[0], q.quantize(w))
    assert words.of((-w, np.zeros(1)), (True, False))[1] != mark
    with pytest.raises(DomainError):
        q.faces(w)


@pytest.mark.parametrize("name", NAMES)
def test_a_library_that_is_missing_is_one_line(name: str, monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=f"the extra {name.split(':')[0]};") as caught:
        quantizer(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["gguf:q4_0", "gguf:Q6_K", "gguf:", "gguf:Q4_0:g32", "bitsandbytes:nf4-32", "torchao:int9", "torchao:int4",
     "torchao:int4-g032", "quanto:qint3", "hqq:5-g64", "hqq:2", "torch:dynamic", "onnxruntime:static", "awq:4"],
)  # fmt: skip
def test_other_kinds_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="must be") as caught:
        quantizer(name)
    assert "\n" not in str(caught.value)


def test_what_a_library_raises_names_it(monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: True)
    q = quantizer("gguf:Q8_0")
    with pytest.raises(InputError, match="single-precision number"):
        q.quantize([1e300])

    def broken(self, rows):
        raise RuntimeError("no kernel\nfor this")

    monkeypatch.setattr(type(q), "_called", broken)
    with pytest.raises(
        InputError, match=r"quantizer 'gguf:Q8_0' on weights of shape \(2, 3\) raised RuntimeError"
    ) as e:
        q.quantize(np.ones((2, 3)))
    assert "\n" not in str(e.value)


def test_blocks_are_filled_up_with_the_last_weight_of_a_row(monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: True)
    seen = []

    def called(self, rows):
        seen.append(rows)
        return rows, rows

    monkeypatch.setattr(LIBRARIES["gguf"], "_called", called)
    values = quantizer("gguf:Q8_0").quantize([[1.0, 2.0], [3.0, 4.0]])
    assert seen[0].shape == (2, 32)
    assert np.all(seen[0][:, 1:] == [[2.0], [4.0]])
    assert values.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_every_library_is_listed() -> None:
    assert set(KINDS) == set(LIBRARIES) == set(installed_libraries())
    assert all(issubclass(one, LibraryQuantizer) for one in LIBRARIES.values())
