"""`qmis evaluate`: the public JSON form, its numbers, its determinism, and the tables."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from qmis_stats import CodebookERM, GaussianMean, Problem, mis

GAUSS = """
[law]
kind = "gaussian_mean"
mean = [0.07]
covariance = [[1.69]]
[procedure]
kind = "erm"
codebook = [[-0.8], [-0.1], [0.35], [1.4]]
[run]
n = [12, 40]
methods = ["exact", "sharp", "crude"]
replicates = 2000
seed = 1
"""

THREE_POINTS = """
[law]
kind = "finite"
probabilities = [0.5, 0.3, 0.2]
[procedure]
kind = "histogram"
[run]
n = 50
methods = ["exact"]
"""

COIN = """
[law]
kind = "finite"
probabilities = ["1/2", "1/2"]
[procedure]
kind = "erm"
losses = [[0, 1], [1, 0], [0, 1]]
[run]
n = 3
methods = ["exact"]
"""

TERNARY = """
[law]
kind = "gaussian_mean"
mean = 0.0
covariance = 1.0
dimension = 16
[procedure]
kind = "ptq"
quantizer = "ternary"
sparsity = 0.9
[run]
n = [100, 400]
methods = ["high_dimension"]
"""

REGRESSION = """
[law]
kind = "linear_regression"
coefficients = [0.0]
covariance = [[1.0]]
noise_std = 1.0
[procedure]
kind = "erm"
codebook = [[0.0], [1.0]]
[run]
n = [50]
methods = ["exact", "sharp"]
"""

Qmis = Callable[..., Result]
Write = Callable[[str], Path]


def evaluated(qmis: Qmis, file: Path) -> dict[str, Any]:
    result = qmis("evaluate", file, "--json")
    assert result.exit_code == 0, result.stderr

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    data: dict[str, Any] = json.loads(result.stdout, parse_constant=refuse)
    return data


def test_public_form(qmis: Qmis, experiment: Write) -> None:
    data = evaluated(qmis, experiment(GAUSS))
    assert list(data) == ["rates", "results"]
    assert {"faces", "indicator", "exponent"} <= set(data["rates"])
    face_keys = {"face", "delta", "sigma2", "moderate_deviation_rate", "chernoff_exponent", "tilt"}
    assert len(data["rates"]["faces"]) == 3
    for face in data["rates"]["faces"]:
        assert face_keys | {"kind", "cell", "exact"} <= set(face)
    result_keys = {"n", "method", "log_delta", "delta", "mis", "std_error", "ci", "seed", "in_domain"}
    for result in data["results"]:
        assert result_keys <= set(result)
    assert [(r["n"], r["method"]) for r in data["results"]] == [
        (n, method) for n in (12, 40) for method in ("exact", "sharp", "crude")
    ]
    assert "rates_by_n" not in data["rates"]


def test_deterministic_and_simulated_results_differ_in_their_errors(qmis: Qmis, experiment: Write) -> None:
    for result in evaluated(qmis, experiment(GAUSS))["results"]:
        assert math.isclose(math.exp(result["log_delta"]), result["delta"], rel_tol=1e-12)
        assert math.isclose(1.0 - result["delta"], result["mis"], rel_tol=1e-12)
        if result["method"] == "crude":
            low, high = result["ci"]
            assert low < result["log_delta"] < high
            assert math.isclose(high - low, 2 * 1.959963984540054 * result["std_error"], rel_tol=1e-9)
            assert result["seed"] == 1
        else:
            assert result["ci"] is None
            assert result["std_error"] is None
            assert result["seed"] is None


def test_faces_and_rates_by_hand(qmis: Qmis, experiment: Write) -> None:
    """Codeword -0.1 is nearest to the mean 0.07; against 0.35 the threshold is 0.125, 0.055 away."""
    rates = evaluated(qmis, experiment(GAUSS))["rates"]
    face = next(f for f in rates["faces"] if f["face"] == "codeword 2")
    assert face["cell"] == 2
    assert face["kind"] == "regular"
    assert face["exact"] is True
    assert face["delta"] == pytest.approx(2 * 0.45 * 0.055, rel=1e-12)
    assert face["sigma2"] == pytest.approx(4 * 0.45**2 * 1.69, rel=1e-12)
    rate = 0.055**2 / (2 * 1.69)
    for name in ("moderate_deviation_rate", "chernoff_exponent"):
        assert face[name] == pytest.approx(rate, rel=1e-10)
    assert face["tilt"] == pytest.approx(face["delta"] / face["sigma2"], rel=1e-10)
    assert rates["indicator"] == pytest.approx(rate, rel=1e-10)
    assert rates["exponent"] == pytest.approx(rate, rel=1e-10)


def test_command_gives_what_the_library_gives(qmis: Qmis, experiment: Write) -> None:
    law = GaussianMean([0.07], [[1.69]])
    problem = Problem(law, CodebookERM([[-0.8], [-0.1], [0.35], [1.4]]))
    for result in evaluated(qmis, experiment(GAUSS))["results"]:
        expected = mis(problem, result["n"], result["method"], replicates=2000, seed=1)
        assert result["log_delta"] == expected.log_delta


def test_measured_histogram(qmis: Qmis, experiment: Write) -> None:
    data = evaluated(qmis, experiment(THREE_POINTS))
    assert data["results"][0]["delta"] == pytest.approx(0.07613, abs=5e-6)
    assert data["rates"] == {"faces": [], "indicator": None, "exponent": None}


def test_fraction_of_too_many_digits_is_null(qmis: Qmis, experiment: Write) -> None:
    file = experiment(THREE_POINTS.replace("n = 50", "n = [50, 5000]"))
    short, long = evaluated(qmis, file)["results"]
    assert math.isclose(float(Fraction(short["fraction"])), short["delta"], rel_tol=1e-12)
    assert long["fraction"] is None
    # de Moivre: sum of sqrt(p(1 - p)) over sqrt(2 pi n), with an error of relative order 1/n.
    limit = (0.5 + math.sqrt(0.21) + 0.4) / math.sqrt(2 * math.pi * 5000)
    assert math.isclose(long["delta"], limit, rel_tol=1e-3)
    assert qmis("evaluate", file).exit_code == 0


def test_exact_fraction_and_infinite_rates(qmis: Qmis, experiment: Write) -> None:
    data = evaluated(qmis, experiment(COIN))
    assert data["results"][0]["fraction"] == "1/4"
    tie, duplicate = data["rates"]["faces"]
    assert (tie["kind"], duplicate["kind"]) == ("tie", "duplicate")
    assert data["rates"]["exponent"] == 0.0


def test_nothing_leaks_is_null_in_json(qmis: Qmis, experiment: Write) -> None:
    one_cell = COIN.replace("[[0, 1], [1, 0], [0, 1]]", "[[0, 1]]")
    data = evaluated(qmis, experiment(one_cell))
    assert data["results"][0]["log_delta"] is None
    assert data["results"][0]["delta"] == 0.0
    assert data["rates"] == {"faces": [], "indicator": None, "exponent": None}
    assert qmis("evaluate", experiment(one_cell)).exit_code == 0


def test_size_adaptive_rates_are_given_for_every_n(qmis: Qmis, experiment: Write) -> None:
    rates = evaluated(qmis, experiment(TERNARY))["rates"]
    assert [entry["n"] for entry in rates["rates_by_n"]] == [100, 400]
    first, second = rates["rates_by_n"]
    assert first["indicator"] == rates["indicator"]
    # Thresholds at 1.6449 standard errors: r = 1.6449² / (2n).
    for entry in (first, second):
        assert entry["indicator"] == pytest.approx(1.6448536269514722**2 / (2 * entry["n"]), rel=1e-9)
        assert entry["exponent"] == pytest.approx(entry["indicator"], rel=1e-9)
    assert len(rates["faces"]) == 32


def test_regression_rates_by_hand(qmis: Qmis, experiment: Write) -> None:
    """C_uu = 2, C_vv = C_uv = 1: δ = 1, D = 1, I = ½ log(5/4), r = 1/12."""
    rates = evaluated(qmis, experiment(REGRESSION))["rates"]
    assert rates["exponent"] == pytest.approx(0.5 * math.log(1.25), rel=1e-12)
    assert rates["indicator"] == pytest.approx(1.0 / 12.0, rel=1e-12)


@pytest.mark.parametrize("text", [GAUSS, COIN, TERNARY, REGRESSION], ids=["gauss", "coin", "ternary", "regression"])
@pytest.mark.parametrize("flags", [["--json"], []], ids=["json", "text"])
def test_two_runs_are_identical(text: str, flags: list[str], qmis: Qmis, experiment: Write) -> None:
    file = experiment(text)
    first, second = (qmis("evaluate", file, *flags) for _ in range(2))
    assert first.exit_code == 0
    assert first.stdout == second.stdout


def test_text_fits_80_columns_and_names_what_matters(qmis: Qmis, experiment: Write) -> None:
    for text in (GAUSS, TERNARY, COIN, THREE_POINTS, REGRESSION):
        result = qmis("evaluate", experiment(text))
        assert result.exit_code == 0
        assert max(len(line) for line in result.stdout.splitlines()) <= 80
        assert "log delta" in result.stdout
        assert "\x1b" not in result.stdout
    assert "the lowest 10 of 32 faces" in qmis("evaluate", experiment(TERNARY)).stdout
    assert "1/4" in qmis("evaluate", experiment(COIN)).stdout


def test_domain_warning_is_one_line_on_standard_error(qmis: Qmis, experiment: Write) -> None:
    file = experiment(GAUSS.replace("[12, 40]", "[2, 40]").replace('"exact", "sharp", "crude"', '"sharp"'))
    result = qmis("evaluate", file, "--json")
    assert result.exit_code == 0
    assert result.stderr.startswith("warning: sharp at n = 2: ")
    assert result.stderr.count("\n") == 1
    assert [r["in_domain"] for r in json.loads(result.stdout)["results"]] == [False, True]


def test_a_row_outside_its_domain_is_marked_and_its_remark_said_once(qmis: Qmis, experiment: Write) -> None:
    file = experiment(GAUSS.replace("[12, 40]", "[2, 3, 40]").replace('"exact", "sharp", "crude"', '"sharp"'))
    result = qmis("evaluate", file)
    assert (result.exit_code, result.stderr) == (0, "")
    assert [line.split()[0] for line in result.stdout.splitlines() if line.startswith("sharp")] == [
        "sharp*",
        "sharp*",
        "sharp",
    ]
    assert result.stdout.count("outside its domain") == 1
    assert "* outside its domain: sharp at n = 2, 3: n < 10" in result.stdout


def test_security_near_one_shows_what_is_missing(qmis: Qmis, experiment: Write) -> None:
    text = qmis("evaluate", experiment(REGRESSION.replace("[50]", "[500]"))).stdout
    assert "1.000000" not in text
    assert "1 − " in text


@pytest.mark.parametrize("width", [40, 60, 80])
def test_names_and_digits_are_whole_at_any_width(width: int, qmis: Qmis, experiment: Write) -> None:
    file = experiment(GAUSS)
    text = qmis("evaluate", file, env={"COLUMNS": str(width)}).stdout
    assert max(map(len, text.splitlines())) <= width
    data = evaluated(qmis, file)
    numbers = [f"{r['log_delta']:.6f}" for r in data["results"]] + [f["face"] for f in data["rates"]["faces"]]
    for whole in (*numbers, "exponent I", "log delta"):
        assert whole in text


def test_a_sweep_file_is_named_as_such(qmis: Qmis, experiment: Write) -> None:
    file = experiment(GAUSS + '[grid]\n"run.n" = [20, 40]\n')
    result = qmis("evaluate", file)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"{file}: [grid] makes this a sweep: use qmis sweep, or run_sweep in Python\n"
