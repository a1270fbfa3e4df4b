"""What GPTQ leaks of the rows that calibrate it: identities by other means, and the study."""

import csv
import importlib
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2, norm

from qmis_stats.errors import InputError
from qmis_stats.leak.calibration import calibration_leak, residual_area, residual_delta
from qmis_stats.quantizers import quantizer

STUDIES = Path(__file__).resolve().parents[2] / "docs" / "studies"


def layer(outputs=3, features=20, rows=50, seed=0):
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(rows, features)) @ (np.eye(features) + 0.3 * rng.normal(size=(features, features)))
    return rng.normal(size=(outputs, features)), mixed


def test_the_ratio_is_that_of_ridge_residuals_with_and_without_each_row():
    """Regressions of each input on those after it, fitted anew without each row."""
    weights, inputs = layer()
    rows, d = inputs.shape
    chosen = quantizer("gptq-4:channel")
    error = weights - chosen.calibrate(weights, inputs).quantize(weights)
    penalty = 0.01 * np.mean(inputs**2) * rows

    def coefficients(kept, j):
        X = inputs[kept]
        return np.linalg.solve(X[:, j + 1 :].T @ X[:, j + 1 :] + penalty * np.eye(d - j - 1), X[:, j + 1 :].T @ X[:, j])

    left = np.zeros_like(error)
    hessian = inputs.T @ inputs + penalty * np.eye(d)
    for j in range(d):  # the error at j less the one that would make up best for those before it
        best = np.linalg.solve(hessian[j:, j:], hessian[j:, :j] @ error[:, :j].T)[0]
        left[:, j] = error[:, j] + best
    step = np.abs(weights).max(axis=1, keepdims=True) / 7
    inner = np.abs(chosen.calibrate(weights, inputs).codes(weights)) < 7
    assert np.all(np.abs(left)[inner] <= 0.5 * np.broadcast_to(step, left.shape)[inner] * (1.0 + 1e-9))
    size = np.mean(left**2, axis=0)
    every = np.arange(rows)
    seen, fresh = np.zeros(rows), np.zeros(rows)
    for j in range(d):
        within = inputs[:, j] - inputs[:, j + 1 :] @ coefficients(every, j)
        without = [inputs[i, j] - inputs[i, j + 1 :] @ coefficients(every != i, j) for i in every]
        seen += size[j] * within**2
        fresh += size[j] * np.square(without)
    found = calibration_leak(chosen, weights, inputs)
    np.testing.assert_allclose(found.ratio, seen / fresh, rtol=1e-9)
    assert (found.outputs, found.in_domain) == (3, True)
    np.testing.assert_allclose(found.auc, np.mean(residual_area(found.ratio, 3)))
    np.testing.assert_allclose(found.delta, np.mean(found.exposure))


def test_areas_and_advantages_are_those_of_scaled_chi_squares():
    for outputs in (1, 2, 7):
        for ratio in (0.05, 0.5, 0.95):
            grid = np.linspace(0.0, 60.0 * outputs, 400_001)
            non_members, members = chi2.cdf(grid, outputs), chi2.cdf(grid / ratio, outputs)
            assert abs(residual_delta(ratio, outputs) - np.max(members - non_members)) < 1e-6
            under = np.sum(np.diff(non_members) * 0.5 * (members[1:] + members[:-1]))
            assert abs(residual_area(ratio, outputs) - under) < 1e-3
    assert residual_area(1.0, 5) == pytest.approx(0.5)
    assert residual_delta(1.0, 5) == 0.0


def test_white_rows_have_the_closed_form():
    """With 8 bits: within the error of 40 calibrations, and 0.03 for clipped codes and finitely many features."""
    d, rows, gamma = 60, 120, 0.5
    found = [float(np.mean(calibration_leak(quantizer("gptq-8:channel"), *white(d, rows, k)).ratio)) for k in range(40)]
    closed = gamma * (1.0 - gamma / 2.0) / -np.log(1.0 - gamma)
    error = np.std(found, ddof=1) / np.sqrt(len(found))
    assert abs(np.mean(found) - closed) < 0.03 + 6.5 * error
    assert abs(np.mean(found) - (1.0 - gamma)) > 0.03 + error
    assert abs(np.mean(found) - 1.0) > 0.3


def white(d, rows, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(4, d)), rng.normal(size=(rows, d))


def test_more_rows_leak_less_and_few_inputs_are_out_of_the_domain():
    weights, inputs = white(40, 400, 1)
    areas = [calibration_leak(quantizer("gptq-4:g8"), weights, inputs[:rows]).auc for rows in (20, 40, 80, 400)]
    assert all(np.diff(areas) < 0.0)
    assert areas[0] > 0.95
    assert areas[-1] > 0.5
    few = calibration_leak(quantizer("gptq-4"), weights[:, :3], inputs[:, :3])
    assert not few.in_domain
    assert "inputs carry the error" in few.reasons[0]


def test_arguments():
    weights, inputs = layer()
    with pytest.raises(InputError, match="quantizer = 'adaround-4': must be a GPTQ"):
        calibration_leak(quantizer("adaround-4"), weights, inputs)
    with pytest.raises(InputError, match="at least 20 rows"):
        calibration_leak(quantizer("gptq-4"), weights, inputs[:5])
    with pytest.raises(InputError, match="of shape"):
        calibration_leak(quantizer("gptq-4"), weights, inputs[:, :5])


def test_in_the_study_theory_is_the_attack():
    study = importlib.import_module("calibration")
    with (STUDIES / "calibration.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    by = {(row["setting"], row["quantizer"], row["rows"], row["attack"]): row for row in rows}
    compared = [key for key in by if key[3] == study.THEORY]
    assert {key[2] for key in compared} == {"32", "128", "512"}
    for key in compared:
        attack, theory = by[*key[:3], study.ERRORS], by[key]
        reach = 0.02 + norm.isf(1e-9) * np.hypot(float(attack["error"]), float(theory["error"]))
        assert abs(float(attack["area"]) - float(theory["area"])) < reach


def test_rows_of_one_source_and_wide_steps_are_outside_of_the_domain():
    rng = np.random.default_rng(3)
    weights, rows = rng.normal(size=(10, 64)), rng.normal(size=(128, 64))
    assert calibration_leak(quantizer("gptq-4:g32"), weights, rows).in_domain
    assert calibration_leak(quantizer("gptq-3:channel"), weights, rows).in_domain
    near = np.repeat(rows[:8], 16, axis=0) + 0.1 * rng.normal(size=(128, 64))
    for dependent in (near, np.repeat(rows[:32], 4, axis=0)):
        (reason,) = calibration_leak(quantizer("gptq-4:g32"), weights, dependent).reasons
        assert reason.startswith("100 % of the rows nearly repeat another one")
    outliers = np.where(rng.random(weights.shape) < 0.02, 20.0 * weights, weights)
    for name, given in (("gptq-2", weights), ("gptq-4", outliers), ("gptq-4:channel", outliers)):
        (reason,) = calibration_leak(quantizer(name), given, rows).reasons
        assert "standard deviations of the weights" in reason
    for unit in (2.0**-600, 2.0**600):
        assert calibration_leak(quantizer("gptq-3:channel"), unit * weights, rows).auc == pytest.approx(
            calibration_leak(quantizer("gptq-3:channel"), weights, rows).auc, rel=1e-9
        )
