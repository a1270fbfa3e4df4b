"""Every library of quantizers releases the heads of digits and of Caco-2, and an audit answers what that leaks."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from qmis_stats.audit import audit, from_arrays, head_for
from qmis_stats.audit.data import Dataset
from qmis_stats.errors import MissingExtraError
from qmis_stats.quantizers import quantizer

NAMES = {
    "gguf": ("gguf:Q4_0", "gguf:Q8_0", "gguf:Q5_1"),
    "bitsandbytes": ("bitsandbytes:nf4", "bitsandbytes:fp4"),
    "torchao": ("torchao:int8", "torchao:int4-g32"),
    "quanto": ("quanto:qint2", "quanto:qint4", "quanto:qint8"),
    "hqq": ("hqq:2-g64",),
    "torch": ("torch:per-channel",),
    "onnxruntime": ("onnxruntime:dynamic",),
}


@cache
def digits() -> Dataset:
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return from_arrays(X[::3], y[::3] % 2, name="digits, even or odd")


@cache
def molecules(file: Path) -> Dataset:
    pytest.importorskip("rdkit")
    from qmis_stats.audit.tables import load_table

    found = load_table(file, "Y", smiles="Drug")
    chosen = np.argsort(-found.X.var(axis=0), kind="stable")[:64]
    return from_arrays(found.X[:, chosen], found.y, name="caco2_wang")


@pytest.mark.parametrize("source", ["digits", "Caco-2"])
@pytest.mark.parametrize("library", NAMES)
def test_a_library_releases_a_head_and_an_audit_answers(library: str, source: str, request) -> None:
    try:
        quantizers = [quantizer(name) for name in NAMES[library]]
    except MissingExtraError as error:
        pytest.skip(str(error))
    data = digits() if source == "digits" else molecules(request.getfixturevalue("tdc") / "caco2_wang.tab")
    found = audit(data, head_for(data), quantizers, runs=2, draws=199, seed=1)
    assert found.leak is not None, found.no_leak
    assert found.leak.names == (*NAMES[library], "identity")
    area = dict(zip(found.leak.names, found.leak.auc, strict=True))
    score = "accuracy" if source == "digits" else "r2"
    for name in NAMES[library]:
        assert 0.5 < area[name] <= area["identity"] + 0.01
        assert np.isfinite(found.performance.loc[name, score]).all()
