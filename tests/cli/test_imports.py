"""What the package and the command load: nothing heavy before it is needed."""

from __future__ import annotations

import subprocess
import sys

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


def loaded_by(program: str) -> set[str]:
    code = f"import sys\n{program}\nprint('LOADED', *sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("LOADED")[2].split())


@pytest.mark.parametrize(
    "program",
    [
        "import qmis_stats",
        "import qmis_kernels",
        "import qmis_stats.errors",
        "import qmis_stats.audit",
        "from qmis_stats.cli import cli; cli(['--help'], standalone_mode=False)",
        "from qmis_stats.cli import cli; cli(['evaluate', '--help'], standalone_mode=False)",
        "from qmis_stats.cli import cli; cli(['rank', '--help'], standalone_mode=False)",
        "from qmis_stats.cli import cli; cli(['audit', '--help'], standalone_mode=False)",
        "from qmis_stats.cli import cli; cli(['sweep', '--help'], standalone_mode=False)",
        "from qmis_stats.cli import cli; cli(['figures', '--help'], standalone_mode=False)",
        "from qmis_stats.cli import cli; cli(['--version'], standalone_mode=False)",
    ],
)
def test_nothing_heavy_is_loaded(program: str) -> None:
    found = loaded_by(program)
    assert found.isdisjoint(HEAVY)
    assert found.isdisjoint({"pydantic", "rich", "jinja2", "kernels"})


@pytest.mark.parametrize(
    "program",
    [
        "import qmis_stats.experiment",
        "from qmis_stats import Problem, mis, load_experiment, MISResult, Sign, CodebookERM",
    ],
)
def test_a_described_problem_needs_neither_compiler_nor_plots(program: str) -> None:
    assert loaded_by(program).isdisjoint({"numba", "statsmodels", "matplotlib", "pandas", "cupy"})


def test_an_audit_loads_only_what_its_data_and_model_need() -> None:
    found = loaded_by("from qmis_stats.audit import Linear, SklearnModel, TorchModel, audit, load_table")
    assert found.isdisjoint({"statsmodels", "matplotlib", "pandas", "sklearn", "joblib", "rdkit", "torch", "pyarrow"})


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
    """The control: a program that does import SciPy and pandas is seen to."""
    assert {"scipy", "pandas"} <= loaded_by("import scipy, pandas")
