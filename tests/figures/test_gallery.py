"""The gallery has every figure with its present caption, in small files."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

DOCS = Path(__file__).resolve().parents[2] / "docs"
PICTURES = sorted((DOCS / "figures").glob("*.png"))
LARGEST = 140_000


@pytest.fixture(scope="module")
def gallery() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_gallery", DOCS / "write_gallery.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_recipes_say(gallery):
    names = [name for name in gallery.FIGURES if (DOCS / "figures" / f"{name}.png").exists()]
    assert len(names) == len(PICTURES)
    assert (DOCS / "gallery.md").read_text(encoding="utf-8") == gallery.page(names)


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_pictures_are_small(path):
    assert path.stat().st_size <= LARGEST


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_pictures_say_their_resolution(path):
    with Image.open(path) as picture:
        assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.01)
