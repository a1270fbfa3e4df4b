"""The tables of an experiment file, and the laws and procedures that they spell."""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import pairwise
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator

from qmis_stats.errors import InputError, did_you_mean
from qmis_stats.experiment.fields import (
    LARGEST_DIMENSION,
    Integer,
    Losses,
    Matrix,
    Number,
    Rationals,
    ScalarOrArray,
    ScalarOrVector,
    Stack,
    Vector,
    integer,
    refuse,
)
from qmis_stats.experiment.shown import shown
from qmis_stats.laws import (
    FiniteLaw,
    GaussianMean,
    GaussianMixture,
    Law,
    LinearRegression,
    LogisticRegression,
    ParametricLaw,
    PoissonRegression,
)
from qmis_stats.procedures import CodebookERM, LossTable, Procedure, ReleasedHistogram, ThresholdPTQ
from qmis_stats.quantizers import FixedThresholds, LloydMax, ScalarQuantizer, Sign, Ternary, Uniform
from qmis_stats.validation import LARGEST_SIZE

__all__ = ["LAW_KINDS", "PROCEDURE_KINDS", "QUANTIZERS", "ExperimentTable", "Table"]

_BACKENDS = ("auto", "numba", "cupy", "reference")


class Table(BaseModel):
    """A table of the file: no key beyond the named ones, no conversion between types."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, arbitrary_types_allowed=True)


class LawTable(Table, ABC):
    """The table ``[law]``."""

    @abstractmethod
    def build(self) -> Law:
        """Return the law, or raise :class:`~qmis_stats.errors.InputError`."""


def _dimension(field: str, location: float | list[float], dimension: int | None) -> int:
    if isinstance(location, list):
        if dimension is not None and len(location) != dimension:
            raise InputError(field, location, f"{dimension} numbers: law.dimension = {dimension}")
        return len(location)
    if dimension is None:
        raise InputError(field, location, "a list of d numbers, or one number with law.dimension = d")
    return dimension


def _vector(location: float | list[float], dimension: int) -> list[float]:
    return location if isinstance(location, list) else [location] * dimension


def _covariance(value: float | list[float] | list[list[float]], dimension: int, repeat: bool) -> Any:
    """Return the matrix spelt by a matrix, by its diagonal, or by one number when ``repeat`` allows it."""
    field = "law.covariance"
    if not isinstance(value, list):
        if not repeat:
            raise InputError(field, value, "a (d, d) list of rows, or one number with law.dimension = d")
        diagonal = [value] * dimension
    else:
        diagonal = [entry for entry in value if isinstance(entry, float)]
        if not diagonal:
            return value
        if len(diagonal) != dimension:
            d = dimension
            raise InputError(field, value, f"a ({d}, {d}) list of rows, or a list of {d} variances")
    if min(diagonal) <= 0.0:
        raise InputError(field, value, "positive: these are variances")
    return np.diag(diagonal)


class GaussianMeanTable(LawTable):
    """Z ~ N(mean, covariance)."""

    kind: Literal["gaussian_mean"]
    mean: ScalarOrVector = Field(description="a list of d numbers, or one number together with dimension = d")
    covariance: ScalarOrArray = Field(
        description="a (d, d) list of rows, d variances, or one number together with dimension = d"
    )
    dimension: Annotated[int | None, Integer(1, LARGEST_DIMENSION)] = None

    def build(self) -> Law:
        """Return the law."""
        d = _dimension("law.mean", self.mean, self.dimension)
        covariance = _covariance(self.covariance, d, self.dimension is not None)
        return GaussianMean(_vector(self.mean, d), covariance)


class LinearRegressionTable(LawTable):
    """x ~ N(0, covariance), y = xᵀcoefficients + noise."""

    kind: Literal["linear_regression"]
    coefficients: ScalarOrVector = Field(description="a list of d numbers, or one number together with dimension = d")
    covariance: ScalarOrArray = Field(
        description="a (d, d) list of rows, d variances, or one number together with dimension = d"
    )
    noise_std: Number = Field(description="a positive number")
    dimension: Annotated[int | None, Integer(1, LARGEST_DIMENSION)] = None

    def build(self) -> Law:
        """Return the law."""
        d = _dimension("law.coefficients", self.coefficients, self.dimension)
        covariance = _covariance(self.covariance, d, self.dimension is not None)
        return LinearRegression(_vector(self.coefficients, d), covariance, self.noise_std)


class GeneralizedLinearTable(LawTable):
    """x ~ N(0, covariance), y with the natural parameter intercept + xᵀcoefficients."""

    coefficients: ScalarOrVector = Field(description="a list of d numbers, or one number together with dimension = d")
    covariance: ScalarOrArray = Field(
        description="a (d, d) list of rows, d variances, or one number together with dimension = d"
    )
    intercept: Number = 0.0
    dimension: Annotated[int | None, Integer(1, LARGEST_DIMENSION)] = None

    def arguments(self) -> tuple[list[float], Any, float]:
        """Return coefficients, covariance and intercept."""
        d = _dimension("law.coefficients", self.coefficients, self.dimension)
        covariance = _covariance(self.covariance, d, self.dimension is not None)
        return _vector(self.coefficients, d), covariance, self.intercept


class LogisticRegressionTable(GeneralizedLinearTable):
    """Responses 0 and 1."""

    kind: Literal["logistic_regression"]

    def build(self) -> Law:
        """Return the law."""
        return LogisticRegression(*self.arguments())


class PoissonRegressionTable(GeneralizedLinearTable):
    """Counts."""

    kind: Literal["poisson_regression"]

    def build(self) -> Law:
        """Return the law."""
        return PoissonRegression(*self.arguments())


class FiniteTable(LawTable):
    """Finitely many atoms."""

    kind: Literal["finite"]
    probabilities: Rationals = Field(description='a list of numbers or strings such as "1/3", summing to one')

    def build(self) -> Law:
        """Return the law."""
        return FiniteLaw(self.probabilities)


class GaussianMixtureTable(LawTable):
    """A mixture of C normal laws."""

    kind: Literal["gaussian_mixture"]
    weights: Vector = Field(description="a list of C positive numbers summing to one")
    means: Matrix = Field(description="a (C, d) list of rows, one row a component")
    covariances: Stack = Field(description="a (C, d, d) list of matrices, one matrix a component")

    def build(self) -> Law:
        """Return the law."""
        return GaussianMixture(self.weights, self.means, self.covariances)


class ProcedureTable(Table, ABC):
    """The table ``[procedure]``."""

    @abstractmethod
    def build(self, law: Law) -> Procedure:
        """Return the procedure, or raise :class:`~qmis_stats.errors.InputError`."""


class Shrinking(Table):
    """Cells that shrink with n to a centre."""

    exponent: Number = 0.0
    center: ScalarOrVector | None = None

    def _shrinking(self, law: Law) -> dict[str, Any]:
        center = self.center
        if center is not None and self.exponent == 0.0:
            raise InputError("procedure.center", center, "left out, or used with an exponent above 0")
        if isinstance(center, float):
            center = [center] * (law.dimension if isinstance(law, ParametricLaw) else 1)
        return {"exponent": self.exponent, "center": center}


class ERMTable(ProcedureTable, Shrinking):
    """Empirical risk minimisation over a codebook, or over the columns of a table of losses."""

    kind: Literal["erm"]
    codebook: Matrix | None = Field(None, description="a (K, d) list of rows, one row a codeword")
    losses: Losses | None = Field(None, description="a (K, atoms) list of rows, one row of losses per codeword")

    def build(self, law: Law) -> Procedure:
        """Return the procedure; a finite law takes losses, any other law a codebook."""
        if isinstance(law, FiniteLaw):
            if self.codebook is not None:
                raise InputError("procedure.codebook", self.codebook, "given as losses under a finite law")
            if self.losses is None:
                raise InputError("procedure.losses", None, "a (K, atoms) list of rows under a finite law")
            if self.exponent != 0.0:
                raise InputError("procedure.exponent", self.exponent, "left out under a finite law")
            self._shrinking(law)
            return LossTable(self.losses)
        if self.losses is not None:
            raise InputError("procedure.losses", "a table", f"given as codebook under the law {law.kind}")
        if self.codebook is None:
            raise InputError("procedure.codebook", None, "a (K, d) list of rows, one row a codeword")
        return CodebookERM(self.codebook, **self._shrinking(law))


class PTQTable(ProcedureTable, Shrinking):
    """Post-training quantization of the estimate, coordinate by coordinate."""

    kind: Literal["ptq"]
    ridge: Number = Field(0.0, description="a number of at least zero")

    @abstractmethod
    def scalar_quantizer(self) -> ScalarQuantizer:
        """Return the quantizer of one coordinate."""

    def build(self, law: Law) -> Procedure:
        """Return the procedure."""
        return ThresholdPTQ(self.scalar_quantizer(), ridge=self.ridge, **self._shrinking(law))


class ThresholdsTable(PTQTable):
    """The same thresholds on every coordinate; the levels do not change Δ, only their order is checked."""

    quantizer: Literal["thresholds"]
    thresholds: Vector = Field(description="a list of numbers, strictly increasing")
    levels: Vector | None = None
    unit: Literal["absolute", "standard_error"] = "absolute"

    def scalar_quantizer(self) -> ScalarQuantizer:
        """Return the thresholds."""
        quantizer = FixedThresholds(tuple(self.thresholds), self.unit)
        if self.levels is not None:
            count = len(self.thresholds) + 1
            if len(self.levels) != count or any(b <= a for a, b in pairwise(self.levels)):
                raise InputError(
                    "procedure.levels",
                    self.levels,
                    f"{count} numbers, strictly increasing: one more than thresholds",
                )
        return quantizer


class SignTable(PTQTable):
    """One bit a coordinate."""

    quantizer: Literal["sign"]

    def scalar_quantizer(self) -> ScalarQuantizer:
        """Return the sign."""
        return Sign()


class TernaryTable(PTQTable):
    """Levels −1, 0, 1 by magnitude."""

    quantizer: Literal["ternary"]
    sparsity: Number = Field(description="a number strictly between 0 and 1")

    def scalar_quantizer(self) -> ScalarQuantizer:
        """Return the ternary quantizer."""
        return Ternary(self.sparsity)


class UniformTable(PTQTable):
    """Equally spaced levels."""

    quantizer: Literal["uniform"]
    bits: Annotated[int, Integer(1, 8)] = Field(description="an integer from 1 to 8")
    scale: Number | None = None

    def scalar_quantizer(self) -> ScalarQuantizer:
        """Return the uniform quantizer."""
        return Uniform(self.bits, self.scale)


class LloydMaxTable(PTQTable):
    """Levels of least mean squared error for a normal law."""

    quantizer: Literal["lloyd_max"]
    bits: Annotated[int, Integer(1, 8)] = Field(description="an integer from 1 to 8")
    scale: Number | None = None

    def scalar_quantizer(self) -> ScalarQuantizer:
        """Return the Lloyd–Max quantizer."""
        return LloydMax(self.bits, self.scale)


class HistogramTable(ProcedureTable):
    """The whole histogram of a finite law is released."""

    kind: Literal["histogram"]

    def build(self, law: Law) -> Procedure:
        """Return the procedure."""
        return ReleasedHistogram()


def _sizes(value: object) -> tuple[int, ...]:
    if not isinstance(value, list):
        return (integer(value, 2, LARGEST_SIZE),)
    if not value:
        refuse(value, "an integer of at least 2 or a list of them, not empty")
    return tuple(integer(n, 2, LARGEST_SIZE, (i,)) for i, n in enumerate(value))


def _choice(value: object, choices: tuple[str, ...], index: tuple[int, ...] = ()) -> str:
    if not isinstance(value, str) or value not in choices:
        refuse(value, f"one of {', '.join(choices)}{did_you_mean(value, choices)}", index)
    return value


def _methods(value: object) -> tuple[str, ...]:
    # The routes are imported only where a file is read: this table is also described without them.
    from qmis_stats.evaluate import METHODS

    if not isinstance(value, list) or not value:
        refuse(value, f"a list, not empty, of some of {', '.join(METHODS)}")
    return tuple(_choice(method, METHODS, (i,)) for i, method in enumerate(value))


class RunTable(Table):
    """The table ``[run]``."""

    n: Annotated[tuple[int, ...], PlainValidator(_sizes)] = Field(
        description="an integer of at least 2 or a list of them"
    )
    methods: Annotated[tuple[str, ...], PlainValidator(_methods)] = ("auto",)
    replicates: Annotated[int, Integer(100, 10**9)] = 100_000
    seed: Annotated[int, Integer(0, 2**32 - 1)] = 0
    backend: Annotated[str, PlainValidator(lambda value: _choice(value, _BACKENDS))] = "auto"


LawUnion = (
    GaussianMeanTable
    | LinearRegressionTable
    | LogisticRegressionTable
    | PoissonRegressionTable
    | FiniteTable
    | GaussianMixtureTable
)
PTQUnion = ThresholdsTable | SignTable | TernaryTable | UniformTable | LloydMaxTable
LAW_KINDS = (
    "gaussian_mean",
    "linear_regression",
    "logistic_regression",
    "poisson_regression",
    "finite",
    "gaussian_mixture",
)
PROCEDURE_KINDS = ("erm", "ptq", "histogram")
QUANTIZERS = ("thresholds", "sign", "ternary", "uniform", "lloyd_max")


def _short_tags(table: object) -> object:
    """Shorten what stands where a kind should be: the union writes it into its message, however long it is."""
    if not isinstance(table, dict):
        # The union would also take any object for a table and look for a kind among its attributes.
        refuse(table, "a table with a kind")
    return {key: shown(value) if key in ("kind", "quantizer") else value for key, value in table.items()}


class ExperimentTable(Table):
    """The whole file."""

    law: Annotated[LawUnion, Field(discriminator="kind"), BeforeValidator(_short_tags)] = Field(
        description="a table [law] with a kind"
    )
    procedure: Annotated[
        ERMTable | Annotated[PTQUnion, Field(discriminator="quantizer")] | HistogramTable,
        Field(discriminator="kind"),
        BeforeValidator(_short_tags),
    ] = Field(description="a table [procedure] with a kind")
    run: RunTable = Field(description="a table [run] with n")
