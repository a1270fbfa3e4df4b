"""The study of scales and of several releases: its committed table says what it should."""

import csv
import importlib
from pathlib import Path

STUDIES = Path(__file__).resolve().parents[2] / "docs" / "studies"


def test_theory_is_the_attack_and_codes_alone_fall_short():
    study = importlib.import_module("scales")
    with (STUDIES / "scales.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["setting"] for row in rows} == set(study.DESIGNS)
    assert all(abs(float(row["theory"]) - float(row["attack"])) < 0.01 for row in rows)
    short = [row for row in rows if ":g32" in row["quantizer"] and not row["quantizer"].startswith("nf4")]
    assert short
    for row in short:  # codes alone are not what is released
        assert float(row["codes"]) < float(row["attack"]) - 2.5 * float(row["attack_error"])
