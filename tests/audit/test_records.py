"""Exposures of records: which rows of the input they are of, and their files."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from qmis_stats import InputError
from qmis_stats.audit.algorithm import audit, head_for
from qmis_stats.audit.data import from_arrays
from qmis_stats.audit.record_file import write_records
from qmis_stats.audit.tables import load_table
from qmis_stats.quantizers import quantizer


def table(rows: int = 400, columns: int = 30) -> pd.DataFrame:
    """Return a table in which one record in the middle is far from all others."""
    rng = np.random.default_rng(4)
    X = rng.normal(size=(rows, columns))
    X[rows // 2] *= 4.0
    frame = pd.DataFrame(X, columns=[f"f{i}" for i in range(columns)])
    return frame.assign(y=X @ rng.normal(size=columns) + rng.normal(size=rows))


@pytest.fixture(scope="module")
def result():
    frame = table()
    data = from_arrays(frame.drop(columns="y"), frame["y"], name="records")
    held = np.flatnonzero(np.arange(data.rows) % 4 == 1)
    return audit(data, head_for(data), [quantizer("sign")], runs=1, evaluation=held.tolist())


def test_rows_are_those_of_the_input(result):
    found = result.records()
    assert set(found["quantizer"]) == {"sign", "identity"}
    kept = [row for row in range(1, 401) if (row - 1) % 4 != 1]
    assert sorted(set(found["row"])) == kept
    plain = found[found["quantizer"] == "identity"]
    assert int(plain.loc[plain["exposure"].idxmax(), "row"]) == 201


def test_rows_that_were_left_out_are_counted(tmp_path):
    frame = table()
    frame.loc[7, "f3"] = np.nan
    frame.loc[9] = frame.loc[8]
    frame.to_csv(tmp_path / "t.csv", index=False)
    data = load_table(tmp_path / "t.csv", "y", missing="drop")
    assert data.origin.tolist() == [row for row in range(400) if row not in (7, 9)]


def test_files(result, tmp_path):
    written = write_records(result, tmp_path / "r.csv")
    found = pd.read_csv(written)
    pd.testing.assert_frame_equal(found, result.records().reset_index(drop=True), check_dtype=False)
    pytest.importorskip("pyarrow", reason="Parquet needs the extra 'parquet'")
    assert len(pd.read_parquet(write_records(result, tmp_path / "r.parquet"))) == len(found)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.csv", "r.parquet"]
    with pytest.raises(InputError, match="ends with"):
        write_records(result, tmp_path / "r.txt")
    with pytest.raises(InputError, match="cannot be written"):
        write_records(result, tmp_path / "no" / "r.csv")


def test_without_a_leak_there_are_no_records(binary):
    found = audit(binary, head_for(binary), [quantizer("sign")], runs=1)
    with pytest.raises(InputError, match="outside of its domain"):
        found.records()
