"""Every bad file gives exit status 2, nothing on standard output, and one line that names file, field and value."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

pytestmark = pytest.mark.grid(3)

GAUSS = 'kind = "gaussian_mean"\nmean = [0.0]\ncovariance = [[1.0]]'
PLANE = 'kind = "gaussian_mean"\nmean = [0.0, 0.0]\ncovariance = [[1.0, 0.0], [0.0, 1.0]]'
REGRESSION = 'kind = "linear_regression"\ncoefficients = [1.0]\ncovariance = [[1.0]]\nnoise_std = 1.0'
COIN = 'kind = "finite"\nprobabilities = ["1/2", "1/2"]'
MIXTURE = 'kind = "gaussian_mixture"\nweights = [0.5, 0.5]\nmeans = [[0.0], [1.0]]\ncovariances = [[[1.0]], [[2.0]]]'
ERM = 'kind = "erm"\ncodebook = [[0.0], [1.0]]'
LOSSES = 'kind = "erm"\nlosses = [[0, 1], [1, 0]]'
PTQ = 'kind = "ptq"\nquantizer = "thresholds"\nthresholds = [-0.5, 0.5]'
TERNARY = 'kind = "ptq"\nquantizer = "ternary"\nsparsity = 0.9'
UNIFORM = 'kind = "ptq"\nquantizer = "uniform"\nbits = 3'
RUN = 'n = [7, 40]\nmethods = ["exact"]\nreplicates = 1000\nseed = 1\nbackend = "reference"'


def toml(law: str = GAUSS, procedure: str = ERM, run: str = RUN) -> str:
    return f"[law]\n{law}\n[procedure]\n{procedure}\n[run]\n{run}\n"


def law(old: str, new: str, base: str = GAUSS, procedure: str = ERM) -> str:
    assert old in base
    return toml(law=base.replace(old, new), procedure=procedure)


def procedure(old: str, new: str, base: str = ERM, law: str = GAUSS) -> str:
    assert old in base
    return toml(law=law, procedure=base.replace(old, new))


def run(old: str, new: str) -> str:
    assert old in RUN
    return toml(run=RUN.replace(old, new))


BAD = {
    # the file
    "empty": ("", "law is missing", "[law]"),
    "only a comment": ("# nothing\n", "law is missing", "[law]"),
    "no law": (f"[procedure]\n{ERM}\n[run]\n{RUN}\n", "law is missing", "[law]"),
    "no procedure": (f"[law]\n{GAUSS}\n[run]\n{RUN}\n", "procedure is missing", "[procedure]"),
    "no run": (f"[law]\n{GAUSS}\n[procedure]\n{ERM}\n", "run is missing", "[run]"),
    "syntax": ("[law\n", "file = '[law'", "valid TOML"),
    "repeated key": (law("mean = [0.0]", "mean = [0.0]\nmean = [1.0]"), "file = 'mean = [1.0]'", "valid TOML"),
    "not UTF-8": (b"[law]\nkind = '\xff'\n", "file = b", "UTF-8"),
    "binary": (bytes(range(256)), "file", "UTF-8"),
    "zero bytes": (b"\0" * 64, "file", "valid TOML"),
    "deep nesting": ("x = " + "[" * 100_000, "file", "valid TOML"),
    "long integer": ("x = " + "1" * 5000, "file", "valid TOML"),
    "unknown table": (toml() + "[laws]\n", "laws = {}", "law, procedure, run; did you mean law?"),
    "law is a number": (f"law = 3\n[procedure]\n{ERM}\n[run]\n{RUN}", "law = 3", "a table with a kind"),
    "law is a decimal": (f"law = 0.5\n[procedure]\n{ERM}\n[run]\n{RUN}", "law = 0.5", "a table with a kind"),
    "law is a date": (f"law = 1979-05-27\n[procedure]\n{ERM}\n[run]\n{RUN}", "law = ", "a table with a kind"),
    "procedure is a decimal": (f"procedure = nan\n[law]\n{GAUSS}\n[run]\n{RUN}", "procedure = nan", "a table"),
    "run is a decimal": (f"run = 0.5\n[law]\n{GAUSS}\n[procedure]\n{ERM}\n", "run = 0.5", "a table [run]"),
    "law is an array of tables": (toml().replace("[law]", "[[law]]"), "law = [", "a table with a kind"),
    "run is a list": (f"run = [1]\n[law]\n{GAUSS}\n[procedure]\n{ERM}\n", "run = [1]", "a table [run]"),
    # the law's kind and keys
    "no law kind": (law('kind = "gaussian_mean"\n', ""), "law.kind is missing", "one of gaussian_mean,"),
    "unknown law": (law("gaussian_mean", "gausian_mean"), "law.kind = 'gausian_mean'", "did you mean gaussian_mean?"),
    "law kind a number": (law('"gaussian_mean"', "3"), "law.kind = 3", "one of gaussian_mean,"),
    "law kind a list": (law('"gaussian_mean"', '["finite"]'), "law.kind = ['finite']", "one of gaussian_mean,"),
    "keys of a regression": (
        law("gaussian_mean", "logistic_regression"),
        "law.mean = [0.0]",
        "coefficients, covariance",
    ),
    "intercept a word": (
        law(
            'kind = "gaussian_mean"\nmean = [0.0]', 'kind = "poisson_regression"\ncoefficients = [0.5]\nintercept = "x"'
        ),
        "law.intercept = 'x'",
        "a finite number",
    ),
    "predictor too wide": (
        law('kind = "gaussian_mean"\nmean = [0.0]', 'kind = "poisson_regression"\ncoefficients = [9.0]'),
        "law.coefficients = [9.0]",
        "is at most 3",
    ),
    "misspelt key": (law("covariance", "covarance"), "law.covarance = [[1.0]]", "did you mean covariance?"),
    "key of another law": (law("mean =", "weights ="), "law.weights = [0.0]", "covariance, dimension, kind, mean"),
    "missing mean": (law("mean = [0.0]\n", ""), "law.mean is missing", "a list of d numbers"),
    # numbers and shapes of a law
    "NaN mean": (law("[0.0]", "[nan]"), "law.mean[0] = nan", "a finite number"),
    "infinite mean": (law("[0.0]", "[-inf]"), "law.mean[0] = -inf", "a finite number"),
    "huge mean": (law("[0.0]", "[1e400]"), "law.mean[0]", "a finite number"),
    "huge integer mean": (law("[0.0]", "[0x" + "f" * 5000 + "]"), "law.mean[0]", "a finite number"),
    "bool mean": (law("[0.0]", "[true]"), "law.mean[0] = True", "a finite number"),
    "date mean": (law("[0.0]", "[1979-05-27]"), "law.mean[0]", "a finite number"),
    "string in mean": (law("[0.0]", '["0"]'), "law.mean[0] = '0'", "a finite number"),
    "string for mean": (law("[0.0]", '"0.0"'), "law.mean = '0.0'", "a list of numbers"),
    "empty mean": (law("[0.0]", "[]"), "law.mean = []", "not empty"),
    "nested mean": (law("[0.0]", "[[0.0]]"), "law.mean = [[0.0]]", "a number or a list of numbers"),
    "scalar mean alone": (law("[0.0]", "0.0"), "law.mean = 0.0", "law.dimension = d"),
    "scalar covariance alone": (law("[[1.0]]", "1.0"), "law.covariance = 1.0", "law.dimension = d"),
    "dimension against mean": (law("mean =", "dimension = 2\nmean ="), "law.mean = [0.0]", "2 numbers"),
    "dimension zero": (law("mean =", "dimension = 0\nmean ="), "law.dimension = 0", "an integer from 1"),
    "dimension a float": (law("mean =", "dimension = 1.0\nmean ="), "law.dimension = 1.0", "an integer from 1"),
    "NaN covariance": (law("[[1.0]]", "[[nan]]"), "law.covariance[0][0] = nan", "a finite number"),
    "covariance shape": (law("[[1.0]]", "[[1.0, 0.0], [0.0, 1.0]]"), "law.covariance = [[1.0, 0.0]", "of shape (1, 1)"),
    "ragged covariance": (law("[0.0, 1.0]]", "[0.0]]", PLANE), "law.covariance = [[1.0, 0.0], [0.0]]", "same length"),
    "covariance too deep": (law("[[1.0]]", "[[[1.0]]]"), "law.covariance = [[[1.0]]]", "a number or a list"),
    "variances too many": (law("[[1.0]]", "[1.0, 2.0]"), "law.covariance = [1.0, 2.0]", "a list of 1 variances"),
    "variance zero": (law("[[1.0]]", "[0.0]"), "law.covariance = [0.0]", "positive"),
    "negative covariance": (law("[[1.0]]", "[[-1.0]]"), "law.covariance = [[-1.0]]", "positive definite"),
    "indefinite covariance": (law("1.0, 0.0], [0.0", "1.0, 2.0], [2.0", PLANE), "law.covariance", "positive definite"),
    "singular covariance": (law("1.0, 0.0], [0.0", "1.0, 1.0], [1.0", PLANE), "law.covariance", "positive definite"),
    "asymmetric covariance": (law("1.0, 0.0]", "1.0, 0.5]", PLANE), "law.covariance", "symmetric"),
    "noise zero": (law("noise_std = 1.0", "noise_std = 0.0", REGRESSION), "law.noise_std = 0.0", "positive"),
    "noise a list": (
        law("noise_std = 1.0", "noise_std = [1.0]", REGRESSION),
        "law.noise_std = [1.0]",
        "a finite number",
    ),
    "noise missing": (law("\nnoise_std = 1.0", "", REGRESSION), "law.noise_std is missing", "a positive number"),
    "weights": (law("[0.5, 0.5]", "[0.5, 0.4]", MIXTURE), "law.weights = [0.5, 0.4]", "summing to one"),
    "negative weight": (law("[0.5, 0.5]", "[1.5, -0.5]", MIXTURE), "law.weights = [1.5, -0.5]", "positive"),
    "means for weights": (law("[[0.0], [1.0]]", "[[0.0]]", MIXTURE), "law.means = [[0.0]]", "one row a component"),
    "mixture covariance": (law("[[2.0]]", "[[-2.0]]", MIXTURE), "law.covariances = [[-2.0]]", "positive definite"),
    "mixture depth": (law("[[[1.0]], [[2.0]]]", "[1.0, 2.0]", MIXTURE), "law.covariances = [1.0, 2.0]", "matrices"),
    # probabilities
    "sum below one": (law('"1/2"]', '"1/3"]', COIN, LOSSES), "law.probabilities = ['1/2', '1/3']", "not to 5/6"),
    "sum off by rounding": (
        law('["1/2", "1/2"]', "[0.1, 0.9000000000000001]", COIN, LOSSES),
        "law.probabilities",
        "summing to one exactly",
    ),
    "negative probability": (law('"1/2", "1/2"', '"3/2", "-1/2"', COIN, LOSSES), "law.probabilities", "positive"),
    "zero probability": (law('"1/2", "1/2"', '"1", "0"', COIN, LOSSES), "law.probabilities", "positive"),
    "probability a word": (law('"1/2"]', '"half"]', COIN, LOSSES), "law.probabilities[1] = 'half'", '"1/3"'),
    "division by zero": (law('"1/2"]', '"1/0"]', COIN, LOSSES), "law.probabilities[1] = '1/0'", '"1/3"'),
    "endless power": (law('"1/2"]', '"1e999999999"]', COIN, LOSSES), "law.probabilities[1]", '"1/3"'),
    "endless decimal": (law('"1/2"]', "1e-999999999]", COIN, LOSSES), "law.probabilities[1]", "finite"),
    "NaN probability": (law('"1/2"]', "nan]", COIN, LOSSES), "law.probabilities[1] = nan", "finite"),
    "bool probability": (law('"1/2"]', "true]", COIN, LOSSES), "law.probabilities[1] = True", '"1/3"'),
    "string for probabilities": (law('["1/2", "1/2"]', '"1/2"', COIN, LOSSES), "law.probabilities = '1/2'", "a list"),
    "no probabilities": (law('["1/2", "1/2"]', "[]", COIN, LOSSES), "law.probabilities = []", "not empty"),
    # the procedure
    "no procedure kind": (procedure('kind = "erm"\n', ""), "procedure.kind is missing", "erm, ptq, histogram"),
    "unknown procedure": (procedure('"erm"', '"sgd"'), "procedure.kind = 'sgd'", "erm, ptq, histogram"),
    "no codebook": (procedure("\ncodebook = [[0.0], [1.0]]", ""), "procedure.codebook is missing", "(K, d)"),
    "flat codebook": (procedure("[[0.0], [1.0]]", "[0.0, 1.0]"), "procedure.codebook = [0.0, 1.0]", "rows of numbers"),
    "ragged codebook": (procedure("[1.0]]", "[1.0, 2.0]]"), "procedure.codebook = [[0.0], [1.0, 2.0]]", "same length"),
    "codebook dimension": (procedure("[[0.0], [1.0]]", "[[0.0, 1.0]]"), "procedure.codebook", "of shape (K, 1)"),
    "NaN codeword": (procedure("[1.0]]", "[nan]]"), "procedure.codebook[1][0] = nan", "a finite number"),
    "empty codebook": (procedure("[[0.0], [1.0]]", "[]"), "procedure.codebook = []", "rows of numbers"),
    "empty codeword": (procedure("[1.0]]", "[]]"), "procedure.codebook[1] = []", "not empty"),
    "codebook for a finite law": (toml(COIN, ERM), "procedure.codebook", "losses under a finite law"),
    "losses for a Gaussian": (toml(GAUSS, LOSSES), "procedure.losses", "codebook under the law gaussian_mean"),
    "no losses": (toml(COIN, 'kind = "erm"'), "procedure.losses is missing", "(K, atoms)"),
    "losses shape": (procedure("[1, 0]", "[1, 0, 2]", LOSSES, COIN), "procedure.losses", "rows of 2 losses"),
    "flat losses": (procedure("[[0, 1], [1, 0]]", "[0, 1]", LOSSES, COIN), "procedure.losses[0] = 0", "a list"),
    "loss a word": (procedure("[1, 0]", '[1, "x"]', LOSSES, COIN), "procedure.losses[1][1] = 'x'", '"1/3"'),
    "loss infinite": (procedure("[1, 0]", "[1, inf]", LOSSES, COIN), "procedure.losses[1][1] = inf", "finite"),
    "ptq of a finite law": (toml(COIN, PTQ), "procedure.kind = 'ptq'", "erm under a finite law"),
    "histogram of a Gaussian": (toml(GAUSS, 'kind = "histogram"'), "procedure.kind = 'histogram'", "finite law"),
    "no quantizer": (procedure('quantizer = "thresholds"\n', "", PTQ), "procedure.quantizer is missing", "one of thr"),
    "unknown quantizer": (procedure('"ternary"', '"ternery"', TERNARY), "procedure.quantizer = 'ternery'", "ternary?"),
    "no thresholds": (procedure("[-0.5, 0.5]", "[]", PTQ), "procedure.thresholds = []", "not empty"),
    "thresholds missing": (
        procedure("\nthresholds = [-0.5, 0.5]", "", PTQ),
        "procedure.thresholds is missing",
        "strictly increasing",
    ),
    "thresholds order": (procedure("-0.5, 0.5", "0.5, 0.5", PTQ), "procedure.thresholds = [0.5, 0.5]", "increasing"),
    "NaN threshold": (procedure("0.5]", "nan]", PTQ), "procedure.thresholds[1] = nan", "a finite number"),
    "levels count": (procedure("kind", "levels = [0, 1]\nkind", PTQ), "procedure.levels = [0.0, 1.0]", "3 numbers"),
    "levels order": (procedure("kind", "levels = [0, 2, 1]\nkind", PTQ), "procedure.levels", "strictly increasing"),
    "unit": (
        procedure("kind", 'unit = "metre"\nkind', PTQ),
        "procedure.unit = 'metre'",
        "'absolute' or 'standard_error'",
    ),
    "sparsity one": (procedure("0.9", "1.0", TERNARY), "procedure.sparsity = 1.0", "strictly between 0 and 1"),
    "sparsity missing": (
        procedure("\nsparsity = 0.9", "", TERNARY),
        "procedure.sparsity is missing",
        "between 0 and 1",
    ),
    "bits zero": (procedure("bits = 3", "bits = 0", UNIFORM), "procedure.bits = 0", "an integer from 1 to 8"),
    "bits a float": (procedure("bits = 3", "bits = 3.0", UNIFORM), "procedure.bits = 3.0", "an integer from 1 to 8"),
    "scale negative": (procedure("bits", "scale = -1\nbits", UNIFORM), "procedure.scale = -1", "positive"),
    "sparsity for uniform": (procedure("bits", "sparsity = 1\nbits", UNIFORM), "procedure.sparsity = 1", "known keys"),
    "exponent": (procedure("kind", "exponent = 1.5\nkind"), "procedure.exponent = 1.5", "between 0"),
    "center alone": (procedure("kind", "center = [0.0]\nkind"), "procedure.center = [0.0]", "an exponent above 0"),
    "center dimension": (
        procedure("kind", "center = [0.0, 1.0]\nexponent = 0.5\nkind"),
        "procedure.center = [0.0, 1.0]",
        "of length 1",
    ),
    "exponent of losses": (procedure("kind", "exponent = 0.5\nkind", LOSSES, COIN), "procedure.exponent", "left out"),
    # the run
    "n missing": (run("n = [7, 40]\n", ""), "run.n is missing", "an integer of at least 2"),
    "n one": (run("[7, 40]", "[7, 1]"), "run.n[1] = 1", "an integer from 2"),
    "n one alone": (run("[7, 40]", "1"), "run.n = 1", "an integer from 2"),
    "n zero": (run("[7, 40]", "[0]"), "run.n[0] = 0", "an integer from 2"),
    "n negative": (run("[7, 40]", "[-5]"), "run.n[0] = -5", "an integer from 2"),
    "n a float": (run("[7, 40]", "[40.0]"), "run.n[0] = 40.0", "an integer from 2"),
    "n NaN": (run("[7, 40]", "[nan]"), "run.n[0] = nan", "an integer from 2"),
    "n a bool": (run("[7, 40]", "true"), "run.n = True", "an integer from 2"),
    "n a string": (run("[7, 40]", '"40"'), "run.n = '40'", "an integer from 2"),
    "n empty": (run("[7, 40]", "[]"), "run.n = []", "not empty"),
    "n nested": (run("[7, 40]", "[[7]]"), "run.n[0] = [7]", "an integer from 2"),
    "n astronomic": (run("[7, 40]", "[1" + "0" * 400 + "]"), "run.n[0]", "an integer from 2"),
    "unknown method": (run('"exact"', '"exakt"'), "run.methods[0] = 'exakt'", "did you mean exact?"),
    "methods a string": (run('["exact"]', '"exact"'), "run.methods = 'exact'", "a list"),
    "methods empty": (run('["exact"]', "[]"), "run.methods = []", "not empty"),
    "method a number": (run('["exact"]', "[1]"), "run.methods[0] = 1", "one of auto"),
    "replicates few": (run("1000", "99"), "run.replicates = 99", "an integer from 100"),
    "replicates a float": (run("1000", "1e5"), "run.replicates = 100000.0", "an integer from 100"),
    "seed negative": (run("seed = 1", "seed = -1"), "run.seed = -1", "from 0 to 4294967295"),
    "seed too large": (run("seed = 1", "seed = 4294967296"), "run.seed = 4294967296", "from 0 to 4294967295"),
    "backend": (run('"reference"', '"cuda"'), "run.backend = 'cuda'", "auto, numba, cupy, reference"),
    "unknown run key": (run("seed", "sed"), "run.sed = 1", "did you mean seed?"),
    # asked for what cannot be had
    "exact without oracle": (toml(MIXTURE), "run.methods = 'exact'", "no oracle is known"),
    "likelihood ratio of a finite law": (
        toml(COIN, LOSSES, RUN.replace("exact", "likelihood_ratio")),
        "run.methods = 'likelihood_ratio'",
        "a method that reaches this problem",
    ),
    "high dimension of a codebook": (
        toml(run=RUN.replace("exact", "high_dimension")),
        "run.methods = 'high_dimension'",
        "a method that reaches this problem",
    ),
    "second method out of reach": (
        toml(run=RUN.replace('"exact"', '"exact", "sharp", "high_dimension"')),
        "run.methods = 'high_dimension'",
        "a method that reaches this problem",
    ),
    "no CUDA": (
        toml(run=RUN.replace("exact", "crude").replace("reference", "cupy")),
        "run.backend = 'cupy'",
        "a backend that can run here",
    ),
}


def _cupy_runs() -> bool:
    import qmis_kernels

    try:
        qmis_kernels.backend("cupy")
    except qmis_kernels.BackendUnavailable:
        return False
    return True


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
@pytest.mark.parametrize("name", BAD)
def test_bad_file_is_refused_in_one_line(
    name: str, as_json: bool, qmis: Callable[..., Result], experiment: Callable[[str | bytes], Path]
) -> None:
    if name == "no CUDA" and _cupy_runs():
        pytest.skip("this machine runs the CUDA backend")
    text, field, allowed = BAD[name]
    file = experiment(text)
    result = qmis("evaluate", file, *["--json"] * as_json)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    line = lines[0]
    assert line.startswith(f"{file}: {field}"), line
    assert "must be" in line
    assert allowed in line.partition("must be")[2], line
    assert "Traceback" not in line
    assert "Decimal" not in line
    assert len(line) < 600


def test_valid_base_files_are_accepted(qmis: Callable[..., Result], experiment: Callable[[str | bytes], Path]) -> None:
    """The control: what the table above breaks is accepted when unbroken."""
    crude = RUN.replace("exact", "crude")
    pairs = [(GAUSS, ERM), (PLANE, PTQ), (REGRESSION, ERM), (COIN, LOSSES), (MIXTURE, ERM)]
    pairs += [(GAUSS, PTQ), (GAUSS, TERNARY), (GAUSS, UNIFORM)]
    for law_text, procedure_text in pairs:
        result = qmis("evaluate", experiment(toml(law_text, procedure_text, crude)))
        assert result.exit_code == 0, (law_text, procedure_text, result.stderr)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path / "absent.toml", "No such file or directory"),
        (lambda path: path, "Is a directory"),
        (lambda path: path / "absent" / "file.toml", "No such file or directory"),
        (lambda path: path / ("x" * 300), "File name too long"),
    ],
)
def test_unreadable_files(
    make: Callable[[Path], Path], reason: str, tmp_path: Path, qmis: Callable[..., Result]
) -> None:
    file = make(tmp_path)
    result = qmis("evaluate", file)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"{file}: cannot be read: ")
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1


def test_endless_file_is_refused(qmis: Callable[..., Result]) -> None:
    if not Path("/dev/zero").exists():
        pytest.skip("no /dev/zero on this system")
    result = qmis("evaluate", "/dev/zero")
    assert result.exit_code == 2
    assert "at most 16 MiB" in result.stderr


def test_a_file_name_with_a_line_break_stays_on_one_line(tmp_path: Path, qmis: Callable[..., Result]) -> None:
    result = qmis("evaluate", tmp_path / "two\nlines.toml")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
