"""The study of scales and of several releases: its page is that of the committed table, and says what it should."""

import csv
import importlib
from pathlib import Path

STUDIES = Path(__file__).resolve().parents[2] / "docs" / "studies"


def test_the_page_is_made_from_the_committed_rows():
    study = importlib.import_module("scales")
    with (STUDIES / "scales.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert (STUDIES / "scales.md").read_text(encoding="utf-8") == study.page(rows, "python docs/studies/scales.py")
    assert {row["setting"] for row in rows} == set(study.DESIGNS)
    assert all(abs(float(row["theory"]) - float(row["attack"])) < 0.01 for row in rows)
    short = [row for row in rows if ":g32" in row["quantizer"] and not row["quantizer"].startswith("nf4")]
    assert short
    for row in short:  # codes alone are not what is released
        assert float(row["codes"]) < float(row["attack"]) - 2.5 * float(row["attack_error"])
