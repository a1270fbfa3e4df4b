"""Sets of the Therapeutics Data Commons through its loader; a stand-in for PyTDC, which needs another NumPy."""

import sys
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from qmis_stats.audit import load_tdc
from qmis_stats.audit.molecules import molecules
from qmis_stats.errors import InputError

SMILES = ["C" * n + tail for n in range(1, 11) for tail in ("O", "N", "c1ccccc1")]
TARGET = np.linspace(0.1, 3.0, len(SMILES)) ** 2


@pytest.fixture
def loader(monkeypatch):
    """Return what the stand-in was asked for; ``Nothing`` has no target, other names are unknown."""
    asked = []

    class ADME:
        def __init__(self, name, path):
            asked.append((name, path))
            if name not in ("Caco2_Wang", "Nothing"):
                raise ValueError(f"{name} does not\nmatch")
            self.columns = {"Drug_ID": range(len(SMILES)), "Drug": SMILES, "Y": TARGET}
            if name == "Nothing":
                del self.columns["Y"]

        def get_data(self, format):
            assert format == "df"
            return pd.DataFrame(self.columns)

    single = ModuleType("tdc.single_pred")
    single.ADME = ADME
    monkeypatch.setitem(sys.modules, "tdc", ModuleType("tdc"))
    monkeypatch.setitem(sys.modules, "tdc.single_pred", single)
    return asked


def test_a_set_is_read_as_a_table(loader, tmp_path):
    pytest.importorskip("rdkit")
    data = load_tdc("Caco2_Wang", folder=tmp_path)
    assert loader == [("Caco2_Wang", str(tmp_path))]
    assert (data.name, data.task, data.rows) == ("Caco2_Wang", "regression", len(SMILES))
    assert np.array_equal(data.y, TARGET)  # to the last bit
    assert np.array_equal(data.X, molecules(SMILES).X)
    assert data.groups is not None
    assert load_tdc("Caco2_Wang", groups=None).groups is None


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"name": "Caco3"}, "name = 'Caco3': must be a set of ADME that PyTDC knows: Caco3 does not match"),
        ({"name": "Nothing"}, "column Y is missing"),
        ({"name": "Caco2_Wang", "problem": "Weather"}, "problem = 'Weather': must be a class of tdc.single_pred"),
    ],
)
def test_refused(loader, arguments, match):
    with pytest.raises(InputError, match=match):
        load_tdc(**arguments)


def test_without_pytdc(monkeypatch):
    monkeypatch.setitem(sys.modules, "tdc.single_pred", None)
    with pytest.raises(InputError, match="PyTDC, which is not installed"):
        load_tdc("Caco2_Wang")
