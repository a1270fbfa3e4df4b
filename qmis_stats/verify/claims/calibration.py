"""S19: errors of a layer on the rows that calibrated it, against those on fresh rows, by real calibrations."""

from __future__ import annotations

import math

import numpy as np

from qmis_stats.leak.calibration import calibration_leak
from qmis_stats.quantizers.calibrated import GPTQ
from qmis_stats.quantizers.weights import UniformSymmetric
from qmis_stats.verify.decisions import Control, Numeric, z_decision
from qmis_stats.verify.evidence import Claim, Context, Evidence, Row

_FEATURES, _OUTPUTS, _SHOWN = 48, 8, 12
_MISSED = 0.015
"""Codes at the ends of the grid are clipped: what that does to r."""

_UNDAMPED = GPTQ(UniformSymmetric(8, per_channel=True), damping=1e-9)


def _ratio(rows: int) -> float:
    """Return the mean error on the rows over that on fresh ones, from expectations of least squares residuals."""
    later = np.arange(_FEATURES)[::-1]
    return float(np.sum(1.0 - later / rows) / np.sum(1.0 + later / (rows - later - 1.0)))


def _error(values: list[float]) -> float:
    return float(np.std(values, ddof=1) / math.sqrt(len(values)))


def _errors(context: Context) -> Evidence:
    rows = []
    for count in (2 * _FEATURES, 6 * _FEATURES):
        rng = context.rng(f"calibration.errors:{count}")
        theory, seen = _ratio(count), []
        for _ in range(context.choose(60, 600)):
            weights, inputs = rng.normal(size=(_OUTPUTS, _FEATURES)), rng.normal(size=(count, _FEATURES))
            error = weights - _UNDAMPED.calibrate(weights, inputs).quantize(weights)
            seen.append(float(np.sum((error @ inputs.T) ** 2) / np.sum(error**2)) / count)
        mean, std_error, title = float(np.mean(seen)), _error(seen), f"{count} rows, {_FEATURES} features"
        found = z_decision(mean - theory, std_error, _MISSED)
        rows.append(Row(title, found, count, theory=theory, estimate=mean, std_error=std_error))
        rows.append(Row(f"{title}: 1 in the place of r", Control(z_decision(mean - 1.0, std_error, _MISSED)), count))
        if count == 2 * _FEATURES:
            wrong = z_decision(mean - 1.0 + _FEATURES / count, std_error, _MISSED)
            rows.append(Row(f"{title}: 1 − d/n in the place of r", Control(wrong), count))
    closed = (1.0 / 6.0) * (11.0 / 12.0) / math.log(6.0 / 5.0)
    off = _ratio(6 * _FEATURES) / closed - 1.0
    rows.append(Row("d/n = 1/6: limit", Numeric(off, 0.5 / _FEATURES), theory=closed, exact=_ratio(6 * _FEATURES)))
    return Evidence(rows)


def _areas(context: Context) -> Evidence:
    rows = []
    for count in (_FEATURES, 2 * _FEATURES, 6 * _FEATURES):
        rng = context.rng(f"calibration.areas:{count}")
        quantizer = GPTQ(UniformSymmetric(4, per_channel=True))
        missed, areas, plain = [], [], []
        for _ in range(context.choose(80, 800)):
            weights, inputs = rng.normal(size=(_OUTPUTS, _FEATURES)), rng.normal(size=(count, _FEATURES))
            error = weights - quantizer.calibrate(weights, inputs).quantize(weights)
            points = np.concatenate([inputs[:_SHOWN], rng.normal(size=(_SHOWN, _FEATURES))])
            score = -np.sum((points @ error.T) ** 2, axis=1) / np.sum(points**2, axis=1)
            ahead = float(np.mean(score[:_SHOWN, None] > score[_SHOWN:]))
            area = calibration_leak(quantizer, weights, inputs).auc
            missed.append(ahead - area)
            areas.append(area)
            plain.append(ahead - 0.5)
        theory, title = float(np.mean(areas)), f"{count} rows, {_FEATURES} features"
        away = float(np.mean(missed))
        found = z_decision(away, _error(missed), 0.4 / _FEATURES)
        rows.append(Row(title, found, count, theory=theory, estimate=theory + away, std_error=_error(missed)))
        if count <= 2 * _FEATURES:
            wrong = z_decision(float(np.mean(plain)), _error(plain), 0.4 / _FEATURES)
            rows.append(Row(f"{title}: chance", Control(wrong), count))
    return Evidence(rows)


CLAIMS = (
    Claim(
        "calibration.errors",
        "S19",
        "Calibration makes errors small on its own rows",
        "The mean squared error of the output on rows that calibrated GPTQ, over that on fresh rows, is the ratio of "
        "residuals of least squares within and without the sample.",
        "r = Σ(1 − m/n) / Σ(1 + m/(n − m − 1)) → γ(1 − γ/2)/(−log(1 − γ))",
        "x ~ N(0, I_d), 8 outputs, 8 bits, damping 1e-9",
        "Statistical: z over calibrations less 0.015 for clipped codes. With 1, or 1 − d/n, the same tests must fail.",
        _errors,
        quantity="ratio",
        scale="plain",
    ),
    Claim(
        "calibration.areas",
        "S19",
        "The attack on errors has the AUC of the formula",
        "The AUC of the attack that looks at the error of a row's output, over calibrations, is that found from each "
        "calibration alone.",
        "AUC = mean of P(F_KK > r_i)",
        "x ~ N(0, I_d), 8 outputs, 4 bits, damping 1 %, n/d of 1, 2 and 6",
        "Statistical: z over calibrations less 0.4/d. Chance must be rejected.",
        _areas,
        quantity="AUC",
        scale="plain",
    ),
)
