"""`qmis figures`: files, and one line for whatever is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from paper_figures import FIGURES, studies

Qmis = Callable[..., Result]


def test_a_named_figure_is_three_files(qmis: Qmis, tmp_path: Path) -> None:
    result = qmis("figures", "coverage", "--quick", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "coverage.csv",
        "coverage.pdf",
        "coverage.png",
    ]
    assert result.stderr.count("wrote ") == 3


def test_an_unknown_name_is_one_line(qmis: Qmis, tmp_path: Path) -> None:
    result = qmis("figures", "coverage", "cover", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert result.stderr.startswith("figure = 'cover': must be one of convergence, ")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_one_line(qmis: Qmis, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = qmis("figures", "coverage", "--out", tmp_path / "file")
    assert result.exit_code == 2
    assert result.stderr.startswith("--out = ")


def test_without_the_source_a_study_is_refused(qmis: Qmis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studies, "STUDIES", tmp_path / "nowhere")
    result = qmis("figures", "coverage", "--out", tmp_path)
    assert result.exit_code == 2
    assert result.stderr.startswith("docs/studies/coverage.csv is not here: ")
    assert "checkout of the source" in result.stderr


@pytest.mark.long
def test_among_all_figures_a_missing_study_is_left_out(
    qmis: Qmis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studies, "STUDIES", tmp_path / "nowhere")
    monkeypatch.setattr("paper_figures.FIGURES", ("coverage", "rank_sets"))
    result = qmis("figures", "--quick", "--out", tmp_path)
    assert result.exit_code == 0
    assert result.stderr.startswith("warning: no figure coverage: docs/studies/coverage.csv is not here")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rank_sets.csv", "rank_sets.pdf", "rank_sets.png"]


def test_the_help_names_the_command(qmis: Qmis) -> None:
    assert "figures" in qmis("--help").stdout
    assert len(FIGURES) == 11
