"""Figures: the numbers behind them are those committed, twice the same bytes, and drawing needs nothing else."""

from __future__ import annotations

import ast
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.font_manager import fontManager

import paper_figures
from paper_figures import FIGURES, runner, studies
from paper_figures.style import METHODS, QUANTIZERS, family
from qmis_stats.errors import InputError
from qmis_stats.quantizers import DEFAULT_QUANTIZERS
from qmis_stats.reporting.figures import add_fonts
from tests.figures.references import FOLDER, TOLERANCE, differences

pytestmark = pytest.mark.grid(2)

HOME = Path(paper_figures.__file__).parent
CHEAP = ("convergence", "indicator_exponent", "rank_sets", "coverage", "run_times")
"""Recomputed by `make test`, the others by `make test-long`."""


SHOWN = tuple(name for name in FIGURES if (FOLDER / f"{name}.csv").exists())


def reference(name: str) -> pd.DataFrame:
    return runner.read(FOLDER / f"{name}.csv")


def test_every_figure_is_a_module_and_has_a_reference():
    """A figure of a study that is not in the checkout has neither numbers nor reference."""
    helpers = {"__init__", "evaluate", "product_quantizers", "runner", "studies", "style"}
    assert {path.stem for path in HOME.glob("*.py")} - helpers == set(FIGURES)
    origins = {name: runner.recipe(name).ORIGIN for name in FIGURES}
    missing = {name for name, origin in origins.items() if "/" in origin and not (HOME.parent / origin).exists()}
    assert set(FIGURES) - missing <= set(SHOWN)
    assert {path.stem for path in FOLDER.glob("*.csv")} == set(SHOWN)


@pytest.mark.parametrize(
    "name", [name if name in CHEAP else pytest.param(name, marks=pytest.mark.long) for name in SHOWN]
)
def test_numbers_are_as_committed(name, tmp_path):
    found = runner.read(runner.write(name, tmp_path, quick=True))
    assert differences(found, reference(name)) == []


def test_fonts_are_found_whatever_list_of_fonts_a_user_has(monkeypatch):
    """Matplotlib keeps one list per user: that of another installation lacks the fonts of this one."""
    others = [font for font in fontManager.ttflist if not font.name.startswith(("STIX", "cm"))]
    monkeypatch.setattr(fontManager, "ttflist", others)
    add_fonts()
    assert {"STIXGeneral", "cmss10", "cmex10"} <= {font.name for font in fontManager.ttflist}
    count = len(fontManager.ttflist)
    add_fonts()
    assert len(fontManager.ttflist) == count


@pytest.mark.parametrize("name", ["indicator_exponent", "rank_sets"])
def test_two_runs_write_the_same_bytes(name, tmp_path):
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    first, second = (runner.write(name, folder, quick=True).read_bytes() for folder in folders)
    assert first == second


@pytest.mark.parametrize("name", [*SHOWN[:4], *(pytest.param(name, marks=pytest.mark.long) for name in SHOWN[4:])])
def test_a_figure_is_drawn_from_its_csv_alone(name, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("drawing computes")

    frame = reference(name)
    monkeypatch.setattr(runner.recipe(name), "compute", refuse)
    for module in ("evaluate.mis", "studies.study"):
        monkeypatch.setattr(f"paper_figures.{module}", refuse)
    stream = io.BytesIO()
    runner.save(name, frame, stream, format="pdf", metadata={"CreationDate": None})
    assert stream.getvalue().startswith(b"%PDF")
    assert b"CreationDate" not in stream.getvalue()


@pytest.mark.parametrize("name", FIGURES)
def test_captions_and_sizes_fit_a_page(name):
    chosen = runner.recipe(name)
    assert 100 < len(chosen.__doc__) < 800
    assert chosen.SIZE[0] in (3.4, 7.0)
    assert chosen.SIZE[1] < 9.0


def test_the_header_tells_origin_and_command(tmp_path):
    lines = runner.write("rank_sets", tmp_path, quick=True).read_text().splitlines()
    assert lines[0] == "# qmis figures rank_sets --quick"
    assert lines[1].startswith("# seed 1; qmis_stats ")
    assert "numpy" in lines[1]


def test_simulated_marks_have_intervals():
    for name in ("convergence", "shrinking_cells", "high_dimension", "attack_roc"):
        frame = reference(name)
        value = next(column for column in ("tpr", "delta", "log_delta") if column in frame)
        simulated = frame[frame.seed.notna() & np.isfinite(frame[value])]
        assert len(simulated) > 5
        assert (simulated.low < simulated[value]).all()
        assert (simulated[value] < simulated.high).all()


def test_differences_are_seen():
    frame = reference("rank_sets")
    assert differences(frame, frame) == []
    assert differences(frame.assign(estimate=frame.estimate * (1.0 + 0.1 * TOLERANCE)), frame) == []
    assert "estimate" in differences(frame.assign(estimate=frame.estimate * (1.0 + 10.0 * TOLERANCE)), frame)[0]
    assert "seed" in differences(frame.assign(seed=frame.seed + 1), frame)[0]
    assert "rows" in differences(frame.iloc[1:].reset_index(drop=True), frame)[0]


@pytest.mark.parametrize("looks", [METHODS, QUANTIZERS], ids=["methods", "quantizers"])
def test_looks_differ_in_grey_too(looks):
    assert len({look.marker for look in looks.values()}) == len(looks)
    assert len({look.color for look in looks.values()}) == len(looks)


def test_every_default_quantizer_has_a_family():
    assert {family(name).label for name in DEFAULT_QUANTIZERS} >= {"one bit", "ternary", "not quantized"}


def test_an_unknown_figure_is_refused():
    with pytest.raises(InputError, match="one of convergence"):
        runner.recipe("cover")


def test_the_folder_of_the_studies_is_not_written_to():
    with pytest.raises(InputError, match="another folder"):
        runner.write("coverage", studies.STUDIES, quick=True)


@pytest.mark.parametrize("path", sorted(HOME.glob("*.py")), ids=lambda path: path.stem)
def test_recipes_use_public_names_only(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            assert not any(part.startswith("_") for part in node.module.split(".") if part != "__future__")
            assert not any(alias.name.startswith("_") and alias.name != "__version__" for alias in node.names)
