"""Small data sets for the tests of audits."""

import os
from pathlib import Path

import numpy as np
import pytest
from markupsafe import Markup

from qmis_stats.audit import audit_page
from qmis_stats.audit.attacks import audited
from qmis_stats.audit.data import from_arrays

ROOT = Path(__file__).resolve().parents[2]
CHECKED = {"trainings": 24, "shadows": 10}


def shorten_check(patched: pytest.MonkeyPatch) -> None:
    """Let audits check their attacks with few training runs: most of the time of a small audit is its check."""
    patched.setattr(audited, "_CHECK_TRAININGS", CHECKED["trainings"])
    patched.setattr(audited, "_CHECK_SHADOWS", CHECKED["shadows"])


@pytest.fixture(scope="module", autouse=True)
def _short_check():
    with pytest.MonkeyPatch.context() as patched:
        shorten_check(patched)
        yield


@pytest.fixture
def undrawn(monkeypatch):
    """Leave the pictures of a page out, which take longer than all else of it: the tests of the report have them."""
    image = Markup('<svg role="img" aria-labelledby="{0}-alt"><title id="{0}-alt">{1}</title></svg>')
    monkeypatch.setattr(audit_page, "inline_svg", lambda _figure, name, alt: image.format(name, alt))


@pytest.fixture(scope="session")
def binary():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(240, 4))
    y = (X @ [1.0, -0.5, 0.3, 0.0] + rng.logistic(size=240) > 0.0).astype(float)
    return from_arrays(X, y, name="binary")


@pytest.fixture(scope="session")
def multiclass():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(300, 3))
    y = np.argmax(X @ rng.normal(size=(3, 3)) + rng.gumbel(size=(300, 3)), axis=1)
    return from_arrays(X, y, name="multiclass")


@pytest.fixture(scope="session")
def regression():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(200, 5)) * [1.0, 10.0, 0.1, 1.0, 1.0] + [0.0, 5.0, 0.0, 0.0, 1.0]
    y = 3.0 + X @ [1.0, -0.2, 4.0, 0.0, 0.5] + rng.normal(size=200)
    return from_arrays(X, y, name="regression")


@pytest.fixture(scope="session")
def tdc():
    """The folder of the TDC sets, or a skip that says where they are looked for."""
    places = [Path(os.environ["QMIS_DATA"])] if "QMIS_DATA" in os.environ else []
    places.append(ROOT.parent / "shared" / "data")
    for place in places:
        for folder in (place / "tdc", place):
            if (folder / "bbb_martins.tab").is_file():
                return folder
    pytest.skip(f"TDC sets not found in {', '.join(map(str, places))}: name their folder by QMIS_DATA")
