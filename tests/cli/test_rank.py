"""`qmis rank`: text, JSON, plot, and one line for whatever is wrong with the file."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

import qmis_stats

Qmis = Callable[..., Result]
POINTS = 800


def matrices() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(4)
    base = rng.exponential(size=POINTS)
    return {
        name: np.vstack([base, base + rng.normal(size=(3, POINTS)) + gap + np.arange(3)[:, None]])
        for name, gap in (("sign", 0.2), ("ternary 90 %", 0.9), ("[b]NF4[/b]", 0.5))
    }


@pytest.fixture
def losses(tmp_path: Path) -> Path:
    file = tmp_path / "losses.npz"
    np.savez(file, **matrices())
    return file


def test_text(losses: Path, qmis: Qmis) -> None:
    result = qmis("rank", losses)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    rows = [line.strip() for line in lines]
    names = ("ternary 90 %", "[b]NF4[/b]", "sign")
    assert [name for row in rows for name in names if row.startswith(f"{name} ")] == list(names)
    assert "Possibly the most private: ternary 90 %" in result.stdout


@pytest.mark.parametrize("width", [40, 120])
def test_python_prints_the_same_table(losses: Path, qmis: Qmis, width: int) -> None:
    printed = qmis("rank", losses, "--level", "0.9", env={"COLUMNS": str(width)}).stdout
    (table,) = qmis_stats.rank(matrices()).tables(0.9)
    text = " ".join(printed.split())
    for cell in (*table.columns[1:], *(cell for row in table.rows for cell in row)):
        assert cell in text
    assert (" ".join(table.rows[0]) in text) == (width == 120)


def test_json(losses: Path, qmis: Qmis) -> None:
    result = qmis("rank", losses, "--json", "--draws", "500", "--level", "0.9", "--seed", "3")
    assert (result.exit_code, result.stderr) == (0, "")
    data = json.loads(result.stdout)
    assert (data["level"], data["points"], data["draws"], data["seed"]) == (0.9, POINTS, 500, 3)
    assert [row["name"] for row in data["quantizers"]] == ["ternary 90 %", "[b]NF4[/b]", "sign"]
    for rank, row in enumerate(data["quantizers"], 1):
        assert row["rank"] == rank
        assert row["rank_set"][0] <= rank <= row["rank_set"][1]
        assert row["ci"][0] < row["indicator"] < row["ci"][1]
        assert row["candidates"] == 4


def test_same_numbers_for_compressed_files(losses: Path, qmis: Qmis, tmp_path: Path) -> None:
    file = tmp_path / "compressed.npz"
    np.savez_compressed(file, **matrices())
    assert qmis("rank", file, "--json").stdout == qmis("rank", losses, "--json").stdout


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_plot(losses: Path, qmis: Qmis, tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"ranks.{ending}"
    result = qmis("rank", losses, "--plot", file)
    assert (result.exit_code, result.stderr) == (0, f"wrote {file}\n")
    assert file.stat().st_size > 1000


def test_repeated_rows_are_a_warning(qmis: Qmis, tmp_path: Path) -> None:
    found = matrices()
    found["sign"] = np.vstack([found["sign"], found["sign"][1]])
    np.savez(tmp_path / "losses.npz", **found)
    result = qmis("rank", tmp_path / "losses.npz")
    assert (result.exit_code, result.stderr) == (0, "warning: sign: row 4 repeated and left out\n")


def changed(**changes: object) -> dict[str, np.ndarray]:
    return {**matrices(), **changes}  # type: ignore[dict-item]


def broken(row: int, column: int, value: float) -> np.ndarray:
    matrix = matrices()["sign"]
    matrix[row, column] = value
    return matrix


BAD = [
    (changed(sign=broken(2, 7, np.nan)), "losses['sign'][2, 7] = nan: must be finite"),
    (changed(sign=broken(0, 799, np.inf)), "losses['sign'][0, 799] = inf: must be finite"),
    (changed(sign=np.zeros((3, 700))), "the same number of points"),
    (changed(sign=np.zeros((1, POINTS))), "at least two candidates"),
    (changed(sign=np.arange(POINTS) + np.array([[0.0], [1.0]])), "row 1 minus row 0"),
    (changed(sign=np.ones((3, POINTS))), "at least two different candidates"),
    (changed(sign=np.array([["a"] * POINTS] * 2)), "an array of real numbers"),
    (changed(sign=np.zeros(POINTS)), "of shape (K, N)"),
    ({name: matrix.T for name, matrix in matrices().items()}, "transposed"),
    ({}, "not empty"),
]


@pytest.mark.parametrize(("content", "words"), BAD, ids=[words[:24] for _, words in BAD])
def test_bad_losses_are_one_line(content: dict[str, np.ndarray], words: str, qmis: Qmis, tmp_path: Path) -> None:
    file = tmp_path / "losses.npz"
    np.savez(file, **content)
    result = qmis("rank", file)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(f"{file}: losses")
    assert words in result.stderr


def test_objects_are_never_loaded(qmis: Qmis, tmp_path: Path) -> None:
    file = tmp_path / "losses.npz"
    np.savez(file, sign=np.array([[{}] * 20] * 2, dtype=object))
    result = qmis("rank", file)
    assert result.exit_code == 2
    assert "array of object" in result.stderr


def test_files_that_are_no_archives(qmis: Qmis, tmp_path: Path, losses: Path) -> None:
    (tmp_path / "text.npz").write_text("a,b\n1,2\n")
    (tmp_path / "cut.npz").write_bytes(losses.read_bytes()[:-200])
    with zipfile.ZipFile(tmp_path / "words.npz", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with zipfile.ZipFile(tmp_path / "short.npz", "w") as archive, zipfile.ZipFile(losses) as whole:
        archive.writestr("sign.npy", whole.read("sign.npy")[:-8])
    for name in ("text", "cut", "words", "short", "missing"):
        result = qmis("rank", tmp_path / f"{name}.npz")
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1), name
        assert f"{name}.npz" in result.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--level", "95"], "level = 95.0"),
        (["--draws", "3"], "draws = 3"),
        (["--seed", "-1"], "seed = -1"),
        (["--plot", "ranks.txt"], ".png, .svg or .pdf"),
        (["--plot", "/no/such/folder/ranks.png"], "a folder that exists"),
    ],
)
def test_bad_options(options: list[str], words: str, losses: Path, qmis: Qmis) -> None:
    result = qmis("rank", losses, *options)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert words in result.stderr


def test_more_candidates_than_points_on_request(qmis: Qmis, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    file = tmp_path / "losses.npz"
    np.savez(file, wide=rng.normal(size=(60, 50)) + np.arange(60)[:, None])
    assert qmis("rank", file).exit_code == 2
    assert qmis("rank", file, "--no-axis-check").exit_code == 0
