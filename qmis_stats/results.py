"""The one result that every route returns: log Δ_n with its error, its domain and its origin (Statement S1)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri, stdtrit

from qmis_stats.arrays import FloatArray, IntArray
from qmis_stats.errors import InputError
from qmis_stats.json_values import json_ready
from qmis_stats.reporting.decay_plot import DecayPoint, decay_plot
from qmis_stats.reporting.figures import INK, axes_or_new
from qmis_stats.reporting.notebook import NotebookResult
from qmis_stats.reporting.tables import Table, power_of_ten, shown, table_of
from qmis_stats.validation import (
    LARGEST_SIZE,
    checked_level,
    instance_of,
    nonnegative_number,
    objects,
    real_number,
    whole_number,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = [
    "REPORTED_FPR",
    "LinearEstimate",
    "MISResult",
    "MISSeries",
    "ROCCurve",
    "domain_remarks",
    "error_interval",
    "frame_of",
    "log1mexp",
    "shown_mis",
]

REPORTED_FPR = (1e-1, 1e-2, 1e-3, 1e-4)
"""False positive rates at which every ROC reports its true positive rate."""

CONFIDENCE_LEVEL = 0.95
_LOG_SMALL = math.log(1e-3)


def log1mexp(x: float) -> float:
    """Return log(1 − e^x) for x ≤ 0 without cancellation.

    Examples
    --------
    >>> round(log1mexp(-1e-20), 6)
    -46.051702
    """
    if real_number("x", x) >= 0.0:
        return -math.inf
    return math.log(-math.expm1(x)) if x > -math.log(2.0) else math.log1p(-math.exp(x))


def error_interval(
    estimate: float, std_error: float, dof: int | None = None, level: float = CONFIDENCE_LEVEL
) -> tuple[float, float]:
    """Return a normal interval, Student's where the standard error has degrees of freedom.

    Examples
    --------
    >>> low, high = error_interval(0.0, 1.0)
    >>> round(high, 4), round(error_interval(0.0, 1.0, 31)[1], 4)
    (1.96, 2.0395)
    """
    upper = 0.5 + 0.5 * checked_level(level)
    estimate = real_number("estimate", estimate)
    dof = None if dof is None else whole_number("dof", dof, 1, LARGEST_SIZE)
    half = float(ndtri(upper) if dof is None else stdtrit(dof, upper)) * nonnegative_number("std_error", std_error)
    return estimate - half, estimate + half


@dataclass(frozen=True)
class ROCCurve:
    """Points of the most powerful attack's ROC (Statement S1).

    Attributes
    ----------
    fpr, tpr : tuple of float
        False and true positive rates, both non-decreasing from 0 to 1.
    auc : float
        Area under the curve.
    tpr_at : dict
        True positive rate at fixed false positive rates, ``{fpr: (estimate, low, high)}``; the bounds equal the
        estimate where the curve is not estimated by simulation.
    """

    fpr: tuple[float, ...]
    tpr: tuple[float, ...]
    auc: float
    tpr_at: dict[float, tuple[float, float, float]]

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the curve on logarithmic axes, with what guessing achieves; returns the axes.

        Parameters
        ----------
        ax : matplotlib axes, optional
            Where to draw; by default a new figure.
        """
        ax = axes_or_new(ax, 4.6, 4.4)
        ax.plot([REPORTED_FPR[-1], 1.0], [REPORTED_FPR[-1], 1.0], color=INK, linestyle="--", linewidth=1.0)
        ax.plot(self.fpr, self.tpr, label=f"AUC {self.auc:.4g}")
        ax.set(xscale="log", yscale="log", xlim=(REPORTED_FPR[-1], 1.0), ylim=(REPORTED_FPR[-1], 1.0))
        ax.set_xlabel("false positive rate")
        ax.set_ylabel("true positive rate")
        ax.legend()
        return ax

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data without the curve's points."""
        return {
            "auc": self.auc,
            "tpr_at_fpr": [
                {"fpr": fpr, "tpr": value, "ci": [low, high]} for fpr, (value, low, high) in self.tpr_at.items()
            ],
        }


@dataclass(frozen=True)
class LinearEstimate:
    """The average behind a simulated result: what blocks of replicates are pooled from.

    Attributes
    ----------
    value, std_error : float
        Estimate of Δ_n and its standard error, times ``exp(−log_scale)``; a bias correction may make the estimate
        negative, which a logarithm could not say.
    log_scale : float
        Common logarithmic scale; −inf when nothing was seen.
    gap : float
        Plug-in minus cross-fitted estimate on the same scale: in expectation the two bracket Δ_n; zero where the
        estimate is unbiased.
    effective : float
        Effective number of draws that carry the estimate.
    objections : tuple of str
        What the draws were found to miss.
    """

    value: float
    std_error: float
    log_scale: float
    gap: float = 0.0
    effective: float = math.inf
    objections: tuple[str, ...] = ()

    @classmethod
    def nothing_seen(cls) -> LinearEstimate:
        """Return the estimate of draws among which nothing happened."""
        return cls(0.0, 0.0, -math.inf, effective=0.0)


@dataclass(frozen=True, eq=False, repr=False)
class MISResult(NotebookResult):
    """Δ_n = 1 − MIS_n at one sample size, by one method.

    Attributes
    ----------
    method : str
        The route that gave the number.
    n : int
        Sample size.
    log_delta : float
        Natural logarithm of Δ_n, the primary number: Δ reaches 1e−300 and less. −inf when nothing leaks.
    std_error : float or None
        Standard error of ``log_delta``; ``None`` for deterministic methods, infinite when the simulation saw nothing.
    in_domain : bool
        Whether the method's error is controlled for this problem.
    domain : str
        The domain in words, with what was found outside it.
    seed, replicates : int or None
        Seed and number of simulated sums, for Monte Carlo methods.
    fraction : Fraction or None
        Exact Δ_n, for finite laws.
    roc : ROCCurve or None
        The most powerful attack's ROC, where the method gives it.
    dof : int or None
        Degrees of freedom of ``std_error``, where it comes from few independent estimates; ``None`` for a normal error.
    details : dict
        JSON-ready diagnostics: bias correction, effective sample size, backend.
    linear : LinearEstimate or None
        The average that was taken, for Monte Carlo methods; ``None`` where more replicates would change nothing.

    Examples
    --------
    >>> r = MISResult("sharp", 100, math.log(0.01))
    >>> round(r.mis, 12), r.conf_int() == (r.log_delta, r.log_delta)
    (0.99, True)
    """

    method: str
    n: int
    log_delta: float
    std_error: float | None = None
    in_domain: bool = True
    domain: str = ""
    seed: int | None = None
    replicates: int | None = None
    fraction: Fraction | None = None
    roc: ROCCurve | None = None
    dof: int | None = None
    details: dict[str, Any] = field(default_factory=dict)
    linear: LinearEstimate | None = None

    def __post_init__(self) -> None:
        instance_of(str, "method", self.method)
        whole_number("n", self.n, 1)
        if any(isinstance(value, float) and math.isnan(value) for value in (self.log_delta, self.std_error)):
            raise ArithmeticError(f"method {self.method} produced a NaN at n = {self.n}; please report this problem")
        real_number("log_delta", self.log_delta)
        if self.std_error is not None and real_number("std_error", self.std_error) < 0.0:
            raise InputError("std_error", self.std_error, "a number of at least zero, or None")

    @property
    def delta(self) -> float:
        """Δ_n; zero when it is below the smallest float (``log_delta`` still holds it)."""
        return math.exp(self.log_delta)

    @property
    def mis(self) -> float:
        """Membership inference security 1 − Δ_n."""
        return 0.0 - math.expm1(self.log_delta)

    @property
    def accuracy(self) -> float:
        """Accuracy (1 + Δ_n)/2 of the most powerful attack on balanced membership."""
        return 0.5 * (1.0 + self.delta)

    @property
    def relative_error(self) -> float | None:
        """Relative standard error of Δ_n, to first order the standard error of its logarithm."""
        return self.std_error

    def conf_int(self, level: float = CONFIDENCE_LEVEL) -> tuple[float, float]:
        """Return the interval for ``log_delta``: of what simulation leaves open, and so of width zero without any.

        Student's with ``dof`` degrees of freedom where these are given, else normal.
        """
        checked_level(level)
        if self.std_error is None:
            return self.log_delta, self.log_delta
        if not math.isfinite(self.log_delta) or not math.isfinite(self.std_error):
            # Nothing was seen, or Δ is exactly zero: the interval says which by its upper end.
            return (-math.inf, self.log_delta if self.std_error == 0.0 else 0.0)
        return error_interval(self.log_delta, self.std_error, self.dof, level)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data in the public form; infinities become ``None``."""
        data: dict[str, Any] = {
            "n": self.n,
            "method": self.method,
            "log_delta": self.log_delta,
            "delta": self.delta,
            "mis": self.mis,
            "std_error": self.std_error,
            "ci": None if self.std_error is None else self.conf_int(),
            "seed": self.seed,
            "in_domain": self.in_domain,
            "domain": self.domain,
            "replicates": self.replicates,
        }
        if self.dof is not None:
            data["dof"] = self.dof
        if self.fraction is not None:
            data["fraction"] = _fraction_text(self.fraction)
        if self.roc is not None:
            data["roc"] = self.roc.to_dict()
        if self.details:
            data["details"] = self.details
        return dict(json_ready(data))

    def to_frame(self) -> pd.DataFrame:
        """Return one row as a pandas frame."""
        return frame_of([self])

    def title(self) -> str:
        """Return the caption of the table."""
        return "Membership inference security, 1 − Δ"

    def remarks(self) -> list[str]:
        """Return where the result is outside its method's domain."""
        return domain_remarks([self])

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw log₁₀ Δ at n with its 95 % interval; returns the axes, to which other results can be added.

        Parameters
        ----------
        ax : matplotlib axes, optional
            Where to draw; by default a new figure.
        """
        return decay_plot([self.decay_point()], ax)

    def decay_point(self) -> DecayPoint:
        """Return what a plot against n shows of the result."""
        interval = None if self.std_error is None else self.conf_int()
        return DecayPoint(self.method, self.n, self.log_delta, interval, self.in_domain)

    def tables(self) -> list[Table]:
        """Return a row per number."""
        rows = [
            ("n", str(self.n)),
            ("log delta", f"{self.log_delta:.6g}"),
            ("delta", f"{self.delta:.6g}"),
            ("MIS", shown_mis(self.log_delta)),
            ("best attack's accuracy", f"{self.accuracy:.6g}"),
        ]
        if self.std_error is not None:
            low, high = self.conf_int()
            rows.append(("std err of log delta", f"{self.std_error:.3g}"))
            rows.append(("95 % interval of log delta", f"[{low:.6g}, {high:.6g}]"))
        rows.append(("in domain", shown(self.in_domain)))
        return [Table(self.title(), ("method", self.method), rows, frozenset({0, 1}))]


@dataclass(frozen=True, eq=False, repr=False)
class MISSeries(NotebookResult):
    """Δ_n = 1 − MIS_n at several sample sizes: a sequence of results.

    Attributes
    ----------
    results : tuple of MISResult
        In the order that was asked for.

    Examples
    --------
    >>> series = MISSeries((MISResult("sharp", 10, -3.0), MISResult("sharp", 20, -5.0)))
    >>> series.n, series.log_delta, series[-1].n
    (array([10, 20]), array([-3., -5.]), 20)
    >>> print(series)
    Membership inference security, 1 − Δ
    method   n  log_delta       delta       mis  std_error  in_domain
    sharp   10         -3   0.0497871  0.950213             yes
    sharp   20         -5  0.00673795  0.993262             yes
    """

    results: tuple[MISResult, ...]

    def __post_init__(self) -> None:
        _checked(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def __iter__(self) -> Iterator[MISResult]:
        return iter(self.results)

    def __getitem__(self, place: int) -> MISResult:
        return self.results[place]

    @property
    def n(self) -> IntArray:
        """Sample sizes, shape (k,)."""
        return np.array([result.n for result in self.results], dtype=np.int64)

    @property
    def log_delta(self) -> FloatArray:
        """Natural logarithms of Δ_n, shape (k,)."""
        return np.array([result.log_delta for result in self.results])

    def conf_int(self, level: float = CONFIDENCE_LEVEL) -> FloatArray:
        """Return the interval for each ``log_delta``, shape (k, 2)."""
        return np.array([result.conf_int(level) for result in self.results])

    def to_frame(self) -> pd.DataFrame:
        """Return one row per result as a pandas frame."""
        return frame_of(self.results)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data in the public form."""
        return {"results": [result.to_dict() for result in self.results]}

    def title(self) -> str:
        """Return the caption of the table."""
        return "Membership inference security, 1 − Δ"

    def tables(self) -> list[Table]:
        """Return the frame with Δ and MIS as they are where floats would be 0 and 1."""
        table = table_of(self.to_frame(), self.title())
        rows = []
        for row, result in zip(table.rows, self.results, strict=True):
            written = {"delta": power_of_ten(result.log_delta, 6), "mis": shown_mis(result.log_delta)}
            rows.append([written.get(head, cell) for head, cell in zip(table.columns, row, strict=True)])
        return [replace(table, rows=rows)]

    def remarks(self) -> list[str]:
        """Return which results are outside their method's domain."""
        return domain_remarks(self.results)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw log₁₀ Δ against n, a series per method, with 95 % intervals; returns the axes.

        Parameters
        ----------
        ax : matplotlib axes, optional
            Where to draw; by default a new figure.
        """
        return decay_plot([result.decay_point() for result in self.results], ax)


def domain_remarks(results: Iterable[MISResult]) -> list[str]:
    """Return which results are outside their method's domain, once for all sizes with one reason.

    Examples
    --------
    >>> domain_remarks(MISResult("sharp", n, -1.0, in_domain=False, domain="n < 10") for n in (3, 4))
    ['outside its domain: sharp at n = 3, 4: n < 10']
    """
    sizes: dict[tuple[str, str], list[str]] = {}
    for result in _checked(results):
        if not result.in_domain:
            sizes.setdefault((result.method, result.domain), []).append(str(result.n))
    return [f"outside its domain: {method} at n = {', '.join(n)}: {why}" for (method, why), n in sizes.items()]


def shown_mis(log_delta: float) -> str:
    """Return 1 − Δ for a table, as a difference where six decimals would hide Δ.

    Examples
    --------
    >>> shown_mis(math.log(0.25)), shown_mis(-23.03), shown_mis(-math.inf)
    ('0.750000', '1 − 9.96e-11', '1')
    """
    if real_number("log_delta", log_delta) == -math.inf:
        return "1"
    return f"{-math.expm1(log_delta):.6f}" if log_delta > _LOG_SMALL else f"1 − {power_of_ten(log_delta, 3)}"


def _checked(results: Iterable[MISResult]) -> tuple[MISResult, ...]:
    return objects(MISResult, "results", results, "mis returns one per n")


def _fraction_text(value: Fraction) -> str | None:
    """Return ``"8/27"``; ``None`` beyond the digits that Python reads back as an integer (4300 by default)."""
    try:
        return str(value)
    except ValueError:
        return None


def frame_of(results: Iterable[MISResult]) -> pd.DataFrame:
    """Return one row per result as a pandas frame."""
    import pandas as pd

    keys = ("method", "n", "log_delta", "delta", "mis", "std_error", "in_domain")
    frame = pd.DataFrame(
        [{key: getattr(result, key) for key in keys} for result in _checked(results)], columns=list(keys)
    )
    return frame.astype({"std_error": np.float64})  # where none has one as well
