"""Everything that an experiment asks for, computed before anything is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qmis_stats.errors import BackendUnavailableError, DomainError, InputError
from qmis_stats.evaluate import mis
from qmis_stats.experiment.load import Experiment
from qmis_stats.experiment.outcome_tables import SHOWN_FACES, faces_table, results_table
from qmis_stats.experiment.refusal import ExperimentError
from qmis_stats.experiment.schema import RunTable
from qmis_stats.json_values import json_ready
from qmis_stats.problem import Face, Problem
from qmis_stats.reporting.decay_plot import decay_plot
from qmis_stats.reporting.notebook import NotebookResult
from qmis_stats.reporting.tables import Table
from qmis_stats.results import MISResult, domain_remarks, frame_of
from qmis_stats.validation import instance_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["Outcome", "run_experiment"]


@dataclass(frozen=True, eq=False, repr=False)
class Outcome(NotebookResult):
    """The results of an experiment.

    Attributes
    ----------
    problems : tuple of (int, Problem)
        The problem at each sample size; a single entry when its cells do not depend on n.
    size_adaptive : bool
        Whether the cells depend on n.
    results : tuple of MISResult
        One for each sample size and method, in the order of the file, sample sizes first.
    """

    problems: tuple[tuple[int, Problem], ...]
    size_adaptive: bool
    results: tuple[MISResult, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return one row per result as a pandas frame."""
        return frame_of(self.results)

    def title(self) -> str:
        """Return the caption of the table."""
        return "Results of the experiment"

    def tables(self) -> list[Table]:
        """Return the faces of the first problem that leak most, and the results."""
        n, problem = self.problems[0]
        caption = "Faces of the best cell" + (f" at n = {n}" if self.size_adaptive else "")
        faces = () if problem.penalised else problem.faces
        results = results_table(self.title(), self.results)
        return [faces_table(caption, faces), results] if faces else [results]

    def remarks(self) -> list[str]:
        """Return the rates, and which results are outside their method's domain."""
        found = [
            f"indicator r = {at.indicator:.6g}, exponent I = {at.exponent:.6g}"
            + (f" at n = {n}" if self.size_adaptive else "")
            for n, at in self.problems
            if not at.penalised and at.faces
        ]
        count = len(self.problems[0][1].faces) if found else 0
        if count > SHOWN_FACES:
            found.append(f"the lowest {SHOWN_FACES} of {count} faces; JSON has all of them")
        return [*found, *(f"* {line}" for line in domain_remarks(self.results))]

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw log₁₀ Δ against n, a series per method, with 95 % intervals; returns the axes.

        Parameters
        ----------
        ax : matplotlib axes, optional
            Where to draw; by default a new figure.
        """
        return decay_plot([result.decay_point() for result in self.results], ax)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data in the public form; infinities become ``None``.

        Raises
        ------
        ArithmeticError
            If a rate or a detail is NaN.
        """
        problem = self.problems[0][1]
        rates: dict[str, Any] = {"faces": _faces(problem), **_rates(problem)}
        if self.size_adaptive:
            rates["rates_by_n"] = [{"n": n, **_rates(at)} for n, at in self.problems]
        for result in self.results:
            json_ready(result.details, unknown=False)
        results = [result.to_dict() for result in self.results]
        return {"rates": json_ready(rates, unknown=False), "results": results}


def run_experiment(experiment: Experiment) -> Outcome:
    """Evaluate every method at every sample size.

    Parameters
    ----------
    experiment : Experiment
        From :func:`~qmis_stats.experiment.load.load_experiment`.

    Returns
    -------
    Outcome

    Raises
    ------
    ExperimentError
        If a method does not reach the problem, its numbers leave the range of floats, or a backend cannot run here.

    Warns
    -----
    DomainWarning
        If a method's error is not controlled; the result says ``in_domain = False``.

    Examples
    --------
    >>> from qmis_stats.experiment import parse_experiment
    >>> outcome = run_experiment(parse_experiment({
    ...     "law": {"kind": "finite", "probabilities": ["1/2", "1/2"]},
    ...     "procedure": {"kind": "erm", "losses": [[0, 1], [1, 0]]},
    ...     "run": {"n": 3, "methods": ["exact"]},
    ... }))
    >>> outcome.to_dict()["results"][0]["fraction"]
    '1/4'
    """
    instance_of(Experiment, "experiment", experiment, "load_experiment reads one from a file")
    problem, path = experiment.problem, experiment.path
    adaptive = problem.procedure.size_adaptive
    sizes = experiment.n if adaptive else experiment.n[:1]
    problems = tuple((n, problem.at(n)) for n in sizes)
    results = tuple(_evaluate(experiment, n, method) for n in experiment.n for method in experiment.methods)
    try:
        for _, at in problems:
            _faces(at)  # computed here, where a refusal still names the file
    except (DomainError, ArithmeticError, ValueError) as error:
        allowed = f"a procedure whose faces can be computed: {error}"
        raise ExperimentError(path, "procedure.kind", problem.procedure.kind, allowed) from error
    return Outcome(problems, adaptive, results)


def _evaluate(experiment: Experiment, n: int, method: str) -> MISResult:
    path = experiment.path
    try:
        return mis(
            experiment.problem,
            n,
            method,
            replicates=experiment.replicates,
            seed=experiment.seed,
            backend=experiment.backend,
        )
    except DomainError as error:
        allowed = f"a method that reaches this problem at n = {n}: {error.reason}; {error.advice}"
        raise ExperimentError(path, "run.methods", method, allowed) from None
    except BackendUnavailableError as error:
        allowed = f"a backend that can run here: {error}"
        raise ExperimentError(path, "run.backend", experiment.backend, allowed) from None
    except InputError as error:
        field = f"run.{error.field}" if error.field in RunTable.model_fields else error.field
        raise ExperimentError(path, field, error.value, error.allowed) from None
    except (ArithmeticError, ValueError) as error:
        # Scales so far apart that a formula leaves the range of floating-point numbers.
        allowed = f"a method whose numbers stay in range for this problem at n = {n}: {error}"
        raise ExperimentError(path, "run.methods", method, allowed) from error


def _faces(problem: Problem) -> list[dict[str, Any]]:
    """Return the faces; none of a penalised estimate, whose rates are not computed."""
    return [] if problem.penalised else [_face(face) for face in problem.faces]


def _rates(problem: Problem) -> dict[str, Any]:
    if problem.penalised:
        return {"indicator": None, "exponent": None}
    return {"indicator": problem.indicator, "exponent": problem.exponent}


def _face(face: Face) -> dict[str, Any]:
    return {
        "face": face.name,
        "kind": face.kind,
        "cell": face.cell,
        "delta": face.delta,
        "sigma2": face.sigma2,
        "moderate_deviation_rate": face.moderate_deviation_rate,
        "chernoff_exponent": face.chernoff_exponent,
        "tilt": face.tilt.lam,
        "exact": face.exact,
    }
