"""Texts of pages are readable on light and dark screens: contrast 4.5 : 1, and 3 : 1 for marks of plots (WCAG AA)."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from qmis_stats.reporting.figures import COLOURS

STYLE = files("qmis_stats.reporting").joinpath("base.html.j2").read_text(encoding="utf-8")
LIGHT, DARK = (
    dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
)


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255.0 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, two: str) -> float:
    low, high = sorted((luminance(one), luminance(two)))
    return (high + 0.05) / (low + 0.05)


def test_the_formula_is_that_of_the_guidelines() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") < 4.5 < contrast("#767676", "#ffffff")


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_texts_and_marks(palette: dict[str, str]) -> None:
    assert len(palette) == 11
    for text in ("ink", "soft", "good", "bad", "accent", "note"):
        for ground in ("ground", "panel", "good-wash", "bad-wash"):
            assert contrast(palette[text], palette[ground]) >= 4.5, (text, ground)
    for colour in COLOURS:
        for ground in ("ground", "panel"):
            assert contrast(colour, palette[ground]) >= 3.0, (colour, ground)
