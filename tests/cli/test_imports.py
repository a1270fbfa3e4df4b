"""What the package and the command load: nothing heavy before it is needed."""

from __future__ import annotations

import subprocess
import sys
from functools import cache

import pytest

HEAVY = (
    "numba",
    "scipy",
    "statsmodels",
    "matplotlib",
    "pandas",
    "cupy",
    "sklearn",
    "joblib",
    "rdkit",
    "torch",
    "pyarrow",
    "distributed",
)


LIGHT = (
    "import qmis_stats",
    "import qmis_kernels",
    "import qmis_stats.errors",
    "import qmis_stats.audit",
    *(
        f"from qmis_stats.cli import cli; cli({arguments}, standalone_mode=False)"
        for arguments in (
            ["--help"],
            *([command, "--help"] for command in ("evaluate", "rank", "audit", "sweep", "figures")),
            ["--version"],
        )
    ),
)
DESCRIBED = (
    "import qmis_stats.experiment",
    "from qmis_stats import Problem, mis, load_experiment, MISResult, Sign, CodebookERM",
)


@cache
def loaded_by(*programs: str) -> dict[str, set[str]]:
    """Return what is loaded after each program; they run in one process, one after the other."""
    loaded = "print('LOADED', *sorted({name.partition('.')[0] for name in sys.modules}))"
    code = "\n".join(["import sys", *(f"{program}\n{loaded}" for program in programs)])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("LOADED")]
    return {program: set(names) for program, names in zip(programs, found, strict=True)}


@pytest.mark.parametrize("program", LIGHT)
def test_nothing_heavy_is_loaded(program: str) -> None:
    found = loaded_by(*LIGHT)[program]
    assert found.isdisjoint(HEAVY)
    assert found.isdisjoint({"pydantic", "rich", "jinja2", "kernels"})


@pytest.mark.parametrize("program", DESCRIBED)
def test_a_described_problem_needs_neither_compiler_nor_plots(program: str) -> None:
    found = loaded_by(*DESCRIBED)[program]
    assert found.isdisjoint({"numba", "statsmodels", "matplotlib", "pandas", "cupy"})


def test_an_audit_loads_only_what_its_data_and_model_need() -> None:
    program = "from qmis_stats.audit import Linear, SklearnModel, TorchModel, audit, load_table"
    heavy = {"statsmodels", "matplotlib", "pandas", "sklearn", "joblib", "rdkit", "torch", "pyarrow"}
    assert loaded_by(program)[program].isdisjoint(heavy)


SIMULATION = """
from qmis_stats import CodebookERM, GaussianMean, LinearRegression, Problem
from qmis_stats.simulate import crude, tilted
for law in (GaussianMean([0.0], [[1.0]]), LinearRegression([1.0], [[1.0]], 1.0)):
    for simulate in (crude, tilted):
        simulate(Problem(law, CodebookERM([[0.0], [1.0]])), 20, replicates=100, backend="reference")
"""


def test_a_simulation_starts_without_what_it_does_not_use() -> None:
    """SciPy's statistics and solvers take longer to load than a first simulation may take."""
    unused = {"scipy.stats", "scipy.optimize", "statsmodels", "pandas"}
    code = f"import sys\n{SIMULATION}\nassert {unused!r}.isdisjoint(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_check_sees_what_is_loaded() -> None:
    """The control: of two programs the second imports SciPy and pandas, and is seen to."""
    before, after = loaded_by("import json", "import scipy, pandas").values()
    assert before.isdisjoint({"scipy", "pandas"})
    assert {"scipy", "pandas"} <= after
