"""S15 to S17: what a member of a penalised fit sees, what codes show of it, and what one fit tells of both.

Fits are made again without a point by plain Newton steps, attacks run on real least squares, and predictions from one
fit are held against the closed form, which they do not use.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import expit, ndtr

from qmis_kernels import backend
from qmis_stats.arrays import FloatArray
from qmis_stats.laws import LinearRegression
from qmis_stats.leak.estimate import leakage
from qmis_stats.leak.fits import fit_from
from qmis_stats.leak.leave_one_out import leave_one_out
from qmis_stats.problem import Problem
from qmis_stats.procedures import ThresholdPTQ
from qmis_stats.quantizers import Sign
from qmis_stats.simulate import likelihood_ratio, unquantized_leak
from qmis_stats.theory import proportional, unquantized_fit
from qmis_stats.verify.decisions import Control, z_decision
from qmis_stats.verify.evidence import Claim, Context, Evidence, Row

_SHOWN = 32


def _logistic(X: FloatArray, y: FloatArray, ridge: float, start: FloatArray) -> FloatArray:
    theta = start
    for _ in range(30):
        p = expit(X @ theta)
        step = np.linalg.solve((X.T * (p * (1.0 - p))) @ X + ridge * np.eye(theta.size), X.T @ (p - y) + ridge * theta)
        theta = np.asarray(theta - step)
        if np.max(np.abs(step)) < 1e-12:
            break
    return theta


def _proximal(context: Context) -> Evidence:
    rows = []
    for ratio in context.choose_many((4, 8), (2, 4, 8, 16)):
        d = 40
        n, ridge = ratio * d, 2.0
        rng = context.rng(f"penalised.proximal:{ratio}")
        X = rng.normal(size=(n, d))
        beta = rng.normal(size=d) * 1.5 / math.sqrt(d)
        y = np.asarray(rng.random(n) < expit(X @ beta), dtype=np.float64)
        theta = _logistic(X, y, ridge, np.zeros(d))
        missed, unmoved = [], []
        for i in range(min(n, context.choose(40, 120))):
            keep = np.arange(n) != i
            without = _logistic(X[keep], y[keep], ridge, theta)
            p = expit(X[keep] @ without)
            q = float(X[i] @ np.linalg.solve((X[keep].T * (p * (1.0 - p))) @ X[keep] + ridge * np.eye(d), X[i]))
            u, v = float(X[i] @ without), float(X[i] @ theta)
            # The proximal point solves v = u − qℓ'(v): what is left of the move is its error.
            move = v - u
            missed.append((v - u + q * (expit(v) - y[i])) / move)
            unmoved.append(1.0)
        mean, error = float(np.mean(missed)), float(np.std(missed, ddof=1)) / math.sqrt(len(missed))
        setting = f"logistic, ridge 2, d = 40, n = {n}: error of the proximal point, as a share of the move"
        rows.append(Row(setting, z_decision(mean, error, 3.0 / d), n, 0.0, None, mean, error))
        rows.append(
            Row(f"d = 40, n = {n}: no move at all", Control(z_decision(1.0, error, 3.0 / d)), n, 0.0, None, 1.0, error)
        )
    return Evidence(rows)


def _sign_read_out(beta: FloatArray, n: int, runs: int, rng: np.random.Generator) -> tuple[float, float]:
    """Return the AUC of the attack on signs of least squares, with its standard error over training sets."""
    d = beta.size
    kappa, scale = d / (n - d - 1.0), math.sqrt(1.0 / (n - d - 1.0))
    density = np.exp(-0.5 * (beta / scale) ** 2) / math.sqrt(2.0 * math.pi)
    up, down = scale * density / ndtr(beta / scale), -scale * density / ndtr(-beta / scale)
    rho, gamma = float(np.mean(density**2 / (ndtr(beta / scale) * ndtr(-beta / scale)))), d / n
    inside = np.array([[1.0, rho * gamma], [rho * gamma, rho**2 * gamma + rho * (1.0 - rho) * kappa]])
    form = np.diag([1.0, 1.0 / (rho * kappa)]) - np.linalg.inv(inside)
    areas = np.empty(runs)
    for r in range(runs):
        X, noise = rng.normal(size=(n, d)), rng.normal(size=n)
        read = np.where(beta + np.linalg.lstsq(X, noise)[0] > 0.0, up, down)
        fresh, other = rng.normal(size=(_SHOWN, d)), rng.normal(size=_SHOWN)
        sides = [
            np.column_stack([eps, points @ read]) for eps, points in ((noise[:_SHOWN], X[:_SHOWN]), (other, fresh))
        ]
        scores = [np.einsum("ij,jk,ik->i", side, form, side) for side in sides]
        areas[r] = np.mean(scores[0][:, None] > scores[1])
    return float(areas.mean()), float(areas.std(ddof=1)) / math.sqrt(runs)


def _read_out(context: Context) -> Evidence:
    rows = []
    for d, n in ((32, 64), (64, 128), (64, 256)):
        rng = context.rng(f"penalised.read_out:{d}:{n}")
        beta = rng.normal(size=d) / math.sqrt(d)
        law = LinearRegression(beta, np.eye(d), 1.0)
        theory = proportional(Problem(law, ThresholdPTQ(Sign())), n)
        assert theory.roc is not None
        area, error = _sign_read_out(beta, n, context.choose(300, 3000), rng)
        bound = 0.4 / d
        rows.append(
            Row(
                f"sign, d = {d}, n = {n}: AUC of the attack",
                z_decision(area - theory.roc.auc, error, bound * theory.roc.auc),
                n,
                theory.roc.auc,
                None,
                area,
                error,
            )
        )
        whole = unquantized_fit(law, n).roc
        assert whole is not None
        rows.append(
            Row(
                f"sign, d = {d}, n = {n}: the codes taken for the weights",
                Control(z_decision(area - whole.auc, error, bound * whole.auc)),
                n,
                whole.auc,
                None,
                area,
                error,
            )
        )
    return Evidence(rows)


def _oracle(context: Context) -> Evidence:
    """The closed form beside the exact likelihood ratio of S9f, with which it shares no code."""
    rows = []
    for d, n, coded in ((32, 64, False), (32, 128, False), (32, 64, True)):
        rng = context.rng(f"penalised.oracle:{d}:{n}:{coded}")
        law = LinearRegression(rng.normal(size=d) / math.sqrt(d), np.eye(d), 1.0)
        problem, count = Problem(law, ThresholdPTQ(Sign())), context.choose(20_000, 200_000)
        seed = int(rng.integers(2**31))
        closed = proportional(problem, n) if coded else unquantized_fit(law, n)
        exact = (
            likelihood_ratio(problem, n, replicates=count, seed=seed)
            if coded
            else unquantized_leak(law, n, replicates=count, seed=seed)
        )
        assert exact.std_error is not None
        name, bound = ("signs", 2.0 / d) if coded else ("not quantized", 0.5 / d)
        small = 2.0 / math.pi * math.atan(0.5 * math.sqrt(d / n))  # S8 takes d for small beside n
        for label, value, control in ((f"d = {d}, n = {n}, {name}", closed.delta, False), ("by S8", small, True)):
            if control and coded:
                continue
            decision = z_decision(exact.delta - value, exact.std_error, bound * value)
            rows.append(
                Row(label, Control(decision) if control else decision, n, value, None, exact.delta, exact.std_error)
            )
    return Evidence(rows)


def _one_fit(context: Context) -> Evidence:
    rows = []
    for d, n in ((64, 128), (64, 256)):
        rng = context.rng(f"penalised.one_fit:{d}:{n}")
        beta = rng.normal(size=d) / math.sqrt(d)
        law = LinearRegression(beta, np.eye(d), 1.0)
        truth = unquantized_fit(law, n).roc
        assert truth is not None
        areas, variances, plain = [], [], []
        for _ in range(context.choose(16, 100)):
            X = rng.normal(size=(n, d))
            y = X @ beta + rng.normal(size=n)
            fit = fit_from(X, y, np.linalg.lstsq(X, y)[0], "squared")
            found = leave_one_out(fit)
            areas.append(float(leakage(fit, []).auc[0]))
            variances.append(float(found.variance.mean()))
            plain.append(float(found.variance.mean()) / (1.0 - found.inflation))
        error = float(np.std(areas, ddof=1)) / math.sqrt(len(areas))
        area = float(np.mean(areas))
        # Deterministic equivalents have errors of order 1/d.
        rows.append(
            Row(
                f"d = {d}, n = {n}: AUC from one fit, mean over data sets",
                z_decision(area - truth.auc, error, 0.4 / d),
                n,
                truth.auc,
                None,
                area,
                error,
            )
        )
        expected = d / (n - d - 1.0)
        for label, values, control in (("corrected", variances, False), ("plain", plain, True)):
            mean = float(np.mean(values))
            spread = float(np.std(values, ddof=1)) / math.sqrt(len(values))
            decision = z_decision(mean - expected, spread, expected * 6.0 / d)
            rows.append(
                Row(
                    f"d = {d}, n = {n}: variance of a fitted value by the {label} jackknife",
                    Control(decision) if control else decision,
                    n,
                    expected,
                    None,
                    mean,
                    spread,
                )
            )
    return Evidence(rows)


def _kernels(context: Context) -> Evidence:
    """The kernel's proximal moments against the closed form of least squares, which is exact."""
    rng = context.rng("penalised.kernels")
    a, s, q, y = rng.normal(size=50), rng.uniform(0.2, 2.0, 50), rng.uniform(0.01, 3.0, 50), rng.normal(size=50)
    r = q / (1.0 + q)
    found = backend("numba").proximal_moments(a, s, q, y, 0)
    exact = np.column_stack([r * (y - a) / s, -r, r**2])
    gap = float(np.max(np.abs(found - exact)))
    wrong = float(np.max(np.abs(found - np.column_stack([q * (y - a) / s, -q, q**2]))))
    return Evidence(
        [
            Row("least squares: moments of the move", z_decision(gap, 0.0, 1e-9), 50, 0.0, None, gap, None),
            Row("the leverage forgotten", Control(z_decision(wrong, 0.0, 1e-9)), 50, 0.0, None, wrong, None),
        ]
    )


def _ratios(context: Context) -> Evidence:
    """The kernel's likelihood ratio of a read-out: under it a member's law is one, with the mean that theory gives."""
    rng, kernels = context.rng("penalised.ratios"), backend("numba")
    w = np.linspace(-12.0, 12.0, 4001)
    weight = np.exp(-0.5 * w**2) / math.sqrt(2.0 * math.pi) * (w[1] - w[0])
    rows = []
    for loss, name, bound in ((0, "squared", 1e-9), (1, "logistic", 1e-4)):
        gaps = []
        for _ in range(8):
            y = rng.normal() if loss == 0 else float(rng.integers(2))
            point = [np.array([v]) for v in (rng.normal(), rng.uniform(0.3, 1.5), rng.uniform(0.1, 2.0), y)]
            c, e = rng.uniform(0.2, 0.9), rng.uniform(0.3, 1.0)
            moments = kernels.proximal_moments(*point, loss)
            same = [np.full(w.size, value[0]) for value in point]
            given = np.repeat(moments, w.size, axis=0), np.full(w.size, c), np.full(w.size, e)
            density = np.exp(kernels.read_out_ratios(w, *same, loss, *given)) * weight
            move = e * moments[0, 0]
            gaps.append((abs(density.sum() - 1.0), abs(density @ w - move), abs(density @ w)))
        mass, mean, still = np.max(gaps, axis=0)
        rows += [
            Row(f"{name}: total mass less one", z_decision(mass, 0.0, bound), None, 0.0, None, mass, None),
            Row(f"{name}: mean read-out less its move", z_decision(mean, 0.0, bound), None, 0.0, None, mean, None),
            Row(f"{name}: the move forgotten", Control(z_decision(still, 0.0, bound)), None, 0.0, None, still, None),
        ]
    return Evidence(rows)


CLAIMS = (
    Claim(
        "penalised.proximal",
        "S15",
        "A member sees the proximal point of what a non-member sees",
        "Logistic fits are made again without each of some points. The fitted value with the point is the proximal "
        "point of the one without it, up to the error of one Newton step.",
        "xᵀθ̂ = prox_q(xᵀθ̂₋z),  q = xᵀH₋z⁻¹x",
        "x ~ N(0, I_d), logistic y, ridge 2, d/n from 1/2 to 1/16",
        "Statistical: z of the mean error as a share of the move, less 3/d. Taking the two values for the same must be "
        "rejected.",
        _proximal,
        quantity="share",
        scale="plain",
    ),
    Claim(
        "penalised.moments",
        "S15",
        "The compiled proximal map",
        "Moments of the move of a fitted value, by the kernel, are those of the closed form of least squares.",
        "E D = r(y − a)/s,  Cov(τ, D) = −r,  Var D = r²,  r = q/(1 + q)",
        "50 random points",
        "Numeric: 1e-9. With q in the place of r the check must fail.",
        _kernels,
        quantity="moment",
        scale="plain",
    ),
    Claim(
        "penalised.ratios",
        "S16",
        "The compiled likelihood ratio of a read-out",
        "Times a non-member's normal density it is a density; its mean is how far membership moves the read-out.",
        "∫ e^{ℓ(w)} φ(w) dw = 1,  ∫ w e^{ℓ(w)} φ(w) dw = e·E D",
        "squared and logistic loss, 8 random points each",
        "Numeric: 1e-9 (squared), 1e-4 (logistic). A mean without the move must fail.",
        _ratios,
        quantity="gap",
        scale="plain",
    ),
    Claim(
        "penalised.read_out",
        "S16",
        "The attack that de-quantizes attains the closed form",
        "Signs of real least squares with d/n up to one half: the attack that reads the fitted value out of the signs "
        "and takes the ratio of the two normal pairs has the AUC of the formula.",
        "Δ = TV of two bivariate normal laws of (ε, W)",
        "x ~ N(0, I_d), y = βᵀx + ε, ordinary least squares, signs",
        "Statistical: z of the AUC less 0.4/d. The AUC without quantization must be rejected.",
        _read_out,
        quantity="AUC",
        scale="plain",
    ),
    Claim(
        "penalised.oracle",
        "S16",
        "The closed form is what the exact likelihood ratio gives",
        "Δ of least squares with d/n of one half and one quarter, released as it is and as signs, by the likelihood "
        "ratio of the estimate (S9f), which knows nothing of high dimension.",
        "Δ = TV of two bivariate normal laws = E (1 − Λ)₊",
        "x ~ N(0, I_d), y = βᵀx + ε, ordinary least squares",
        "Statistical: z of Δ less 0.5/d of it, 2/d for signs. The form of S8, for d small beside n, must be rejected.",
        _oracle,
        quantity="Δ",
        scale="plain",
    ),
    Claim(
        "penalised.one_fit",
        "S17",
        "One fit tells what leaks",
        "The AUC predicted from a single fit, averaged over data sets, is that of the closed form, and the "
        "corrected jackknife has the variance of a fitted value over training sets.",
        "s² = (1 − φ) · jackknife, left out on both sides",
        "x ~ N(0, I_d), y = βᵀx + ε, ordinary least squares, d/n of 1/2 and 1/4",
        "Statistical: z over data sets less 0.4/d for AUCs and 6/d for variances. The plain jackknife must be "
        "rejected.",
        _one_fit,
        quantity="AUC",
        scale="plain",
    ),
)
