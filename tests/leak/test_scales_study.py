"""The study of scales and of several releases: its committed table says what it should."""

import csv
import importlib
from pathlib import Path

STUDIES = Path(__file__).resolve().parents[2] / "docs" / "studies"
FORMS = {
    f"{kind}:g{size}:{form}" for kind in ("sign-scaled", "nf4") for size in (32, 64, 128) for form in ("f16", "f32")
}


def test_theory_is_the_attack_and_codes_alone_fall_short():
    study = importlib.import_module("scales")
    with (STUDIES / "scales.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for name in {row["setting"] for row in rows}:
        assert [row["quantizer"] for row in rows if row["setting"] == name] == list(study.DESIGNS[name].names)
    assert all(abs(float(row["theory"]) - float(row["pool"] or row["attack"])) < 0.01 for row in rows)
    assert all(float(row["attack_error"]) < 0.002 for row in rows)
    law = [row for row in rows if row["setting"] == "blocks, d/n = 1/2, signal 6"]
    assert {row["quantizer"] for row in law} >= FORMS
    short = {
        row["quantizer"] for row in law if float(row["codes"]) < float(row["attack"]) - 3 * float(row["attack_error"])
    }
    # codes alone are not what is released; with one block for all 128 weights they nearly are
    assert short >= {name for name in FORMS if ":g32:" in name}
    assert not any(":g128:" in name for name in short)
