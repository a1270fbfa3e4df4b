"""What a newcomer gives in the place of an object, mostly the name of a file or of a claim: one line that says more."""

from pathlib import Path

import numpy as np
import pytest

from qmis_stats import (
    CodebookERM,
    GaussianMean,
    InputError,
    LinearRegression,
    LogisticRegression,
    MISResult,
    MISSeries,
    Problem,
    Sign,
    ThresholdPTQ,
    Tracker,
    gap_interval,
    indicator,
    load_experiment,
    mis,
    rank,
)
from qmis_stats.audit import (
    MLP,
    Linear,
    Logistic,
    audit,
    bundled,
    from_arrays,
    head_for,
    in_units,
    load_table,
    public_rows,
    public_units,
)
from qmis_stats.audit.answer import answer
from qmis_stats.audit.attacks import (
    LiRA,
    audit_attacks,
    clopper_pearson,
    delong,
    play,
    run_attacks,
    self_check,
    solvable,
)
from qmis_stats.audit.audit_page import report_html
from qmis_stats.audit.audit_page import write_report as write_audit
from qmis_stats.environment import environment_table
from qmis_stats.exact import exact, gaussian_line, histogram, quadratic_form
from qmis_stats.experiment import run_experiment
from qmis_stats.inference.areas import area_interval, placements
from qmis_stats.inference.comparison import compare_exponents
from qmis_stats.inference.exponent_tests import exponent_against_indicator
from qmis_stats.inference.indicator import indicator_of
from qmis_stats.inference.loss_file import load_losses
from qmis_stats.inference.measured import undominated
from qmis_stats.inference.rank_results import rank_estimates
from qmis_stats.inference.ranking import ranking_of
from qmis_stats.inference.rates import (
    fit_dof,
    fit_exponent,
    fit_power,
    lack_of_fit,
    slope_interval,
    slope_test,
    wald_test,
)
from qmis_stats.inference.runs import run_means
from qmis_stats.leak import leave_one_out
from qmis_stats.leak.game import Game
from qmis_stats.quantizers import ptq_indicator, quantizer
from qmis_stats.quantizers.calibrated import GPTQ
from qmis_stats.quantizers.weights.sign import SignWeights
from qmis_stats.results import domain_remarks, error_interval, frame_of, log1mexp, shown_mis
from qmis_stats.simulate import empirical_roc, pooled, tilted, tilted_series
from qmis_stats.sweep import (
    Adaptive,
    Store,
    export,
    load_sweep,
    merge_stores,
    parse_sweep,
    run_sweep,
    to_frame,
    write_report,
)
from qmis_stats.theory import (
    BivariateRatio,
    MemberPoints,
    canonical_law,
    cell_moments,
    centroid_correlation,
    collision_bound,
    coordinate_cells,
    estimate_law,
    gaussian_roc,
    largest_share,
    read_out_law,
    retained_information,
    sharp,
    shift_information,
    unquantized,
    unquantized_information,
    worst_case_constant,
)
from qmis_stats.verify import run_verification
from qmis_stats.verify.registry import chosen_claims

SIZES = [50.0, 100.0, 200.0, 400.0]
FIT = fit_exponent(SIZES, [-0.1 * n for n in SIZES], [0.01] * 4)
LOSSES = np.random.default_rng(1).normal(size=(3, 40))
PROBLEM = Problem(GaussianMean([0.3], [[1.0]]), ThresholdPTQ(Sign()))
NORMAL = LinearRegression([1.0, 0.5], np.eye(2), 1.0)
LOGISTIC = LogisticRegression([1.0, 0.5], np.eye(2))
CELLS = coordinate_cells([[0.0], [0.0]], [1.0, 0.5], [0.2, 0.2])
TABLE = Path(__file__).parent / "figures" / "reference" / "synthetic.csv"
NAN = float("nan")
DATA = bundled("diabetes")
HEAD = head_for(DATA)
SIGNS = [quantizer("sign")]


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: mis(GaussianMean([0.0], [[1.0]]), 5), "problem = GaussianMean(mean=[0.0], covariance=[[1.0]]): must"),
        (lambda: ThresholdPTQ("sign"), "procedure.quantizer = 'sign': must be a ScalarQuantizer; such as Sign()"),
        (lambda: ThresholdPTQ(CodebookERM([[0.0]])), "procedure.quantizer = CodebookERM(codebook=[[0.0]]): must be"),
        (lambda: run_sweep("a.toml", "a.sqlite"), "sweep = 'a.toml': must be a Sweep; load_sweep reads one"),
        (lambda: parse_sweep("a.toml"), "data = 'a.toml': must be a Mapping; load_sweep reads a file"),
        (lambda: to_frame("a.sqlite"), "store = 'a.sqlite': must be a Store; Store(path, read_only=True) opens"),
        (lambda: export("a.sqlite", Path("a.csv")), "store = 'a.sqlite': must be a Store; "),
        (lambda: write_report("a.sqlite", "report"), "store = 'a.sqlite': must be a Store; "),
        (lambda: run_verification(claims=["sharp.order"]), "claims = 'sharp.order': must be a Claim; chosen_claims"),
        (lambda: run_verification(claims="sharp.order"), "claims = 'sharp.order': must be a sequence of Claim; chosen"),
        (lambda: chosen_claims("S4"), "statements = 'S4': must be a sequence of str; such as ['S4']"),
        (lambda: chosen_claims(keys="sharp.order"), "keys = 'sharp.order': must be a sequence of str; such as"),
        (lambda: load_sweep(3), "path = 3: must be a path: a str or a Path"),
        (lambda: load_experiment(None), "path = None: must be a path: a str or a Path"),
        (lambda: load_table(3, "age"), "path = 3: must be a path: a str or a Path"),
        (lambda: load_losses(b"losses.npz"), "path = b'losses.npz': must be a path: a str or a Path"),
        (lambda: public_rows(3, DATA), "path = 3: must be a path: a str or a Path"),
        (lambda: clopper_pearson("3", 10), "successes = '3': must be a number"),
        (lambda: delong("x", [0.1, 0.2]), "members = 'x': must be an array of numbers"),
        (lambda: delong([0.1, 0.2], []), "non_members = []: must be at least one number"),
        (lambda: empirical_roc(1.0, [0.0]), "independent = (): must be of shape (R,)"),
        (lambda: tilted_series(PROBLEM, 50), "n = 50: must be a sequence; such as [100, 200]"),
        (lambda: tilted(PROBLEM, 50, backend=np.zeros(2)), "backend = array([0., 0.]): must be one of auto, numba"),
        (lambda: mis(PROBLEM, 50, ["exact", "sharp"]), "method = ['exact', 'sharp']: must be one of auto, "),
        (lambda: gaussian_line.log_delta("0", 50), "thresholds = '0': must be a list of numbers of shape (m,), not ()"),
        (lambda: quadratic_form.log_delta("1", 1.0, 50), "alpha = '1': must be a positive number"),
        (lambda: histogram.delta(0.5, 50), "probabilities = 0.5: must be a sequence"),
        (lambda: Linear("1"), "alpha = '1': must be a number of at least zero"),
        (lambda: MLP("binary", learning_rate=None), "learning_rate = None: must be a positive number"),
        (lambda: Logistic(standardise=["all"]), "standardise = ['all']: must be one of auto, all, none, public"),
        (lambda: from_arrays(DATA.X, DATA.y, features=3), "features = 3: must be a sequence"),
        (
            lambda: from_arrays(DATA.X, DATA.y, groups="id"),
            "data: groups = 'shape ()': must be one value per row",
        ),
        (
            lambda: from_arrays(DATA.X, DATA.y, by=["sex"]),
            "by = ['sex']: must be a Mapping; from names of columns",
        ),
        (lambda: from_arrays(DATA.X, DATA.y, notes="x"), "notes = 'x': must be a sequence of str"),
        (lambda: from_arrays(DATA.X, DATA.y, name=3), "name = 3: must be a str"),
        (lambda: load_table(TABLE, "y", columns=[1]), "columns = 1: must be a str"),
        (lambda: load_table(TABLE, "y", ignore=3), "ignore = 3: must be a sequence of str"),
        (lambda: load_table(TABLE, "y", by=None), "by = None: must be a sequence of str"),
        (lambda: load_table(TABLE, "y", groups=["id"]), "groups = ['id']: must be a str; the name of a column"),
        (lambda: load_table(TABLE, "y", separator=3), "separator = 3: must be a str"),
        (lambda: load_table(TABLE, "y", missing_values=9), "missing_values = 9: must be a sequence; such as ['n/a']"),
        (
            lambda: audit(DATA, HEAD, SIGNS, evaluation=[[1], [2, 3]]),
            "evaluation = [[1], [2, 3]]: must be a share ",
        ),
        (lambda: bundled(["diabetes"]), "name = ['diabetes']: must be one of "),
        (lambda: ptq_indicator(SIGNS[0], [1.0, 2.0], [[1.0], [0.0, 1.0]]), "covariance = [[1.0], [0.0, 1.0]]: must be"),
        (lambda: ptq_indicator(SIGNS[0], [1.0, 10**400], [1.0, 1.0]), "weights = [1.0, 1000000"),
        (lambda: gap_interval(LOSSES[0], method=["bca"]), "method = ['bca']: must be one of adjusted, delta,"),
        (lambda: Tracker().indicator(["sign"]), "quantizer = ['sign']: must be one of those recorded: none yet"),
        (lambda: empirical_roc(["x"], [0.0]), "independent = ['x']: must be an array of numbers"),
        (lambda: empirical_roc([0.0], [float("nan")]), "member = nan: must be numbers, none of them NaN"),
        (lambda: Store(3), "path = 3: must be a path: a str or a Path"),
        (lambda: merge_stores("all.sqlite", "a.sqlite"), "sources = 'a.sqlite': must be a sequence of paths"),
        (lambda: merge_stores(3, []), "path = 3: must be a path: a str or a Path"),
        (lambda: run_verification(claims=[]).write(3), "directory = 3: must be a path: a str or a Path"),
        (lambda: answer("report"), "result = 'report': must be an AuditResult; audit returns one"),
        (lambda: report_html("report"), "result = 'report': must be an AuditResult; audit returns one"),
        (lambda: write_audit("report", "out"), "result = 'report': must be an AuditResult; audit returns one"),
        (lambda: public_units("people.csv"), "dataset = 'people.csv': must be a Dataset; load_table reads one"),
        (lambda: in_units(DATA, "public"), "units = 'public': must be a Units; public_units makes them of a data set"),
        (lambda: LiRA("both"), "variant = 'both': must be one of online, offline"),
        (lambda: LiRA(shrinkage="1"), "shrinkage = '1': must be a number"),
        (lambda: Adaptive("1 %"), "relative_error = '1 %': must be a positive number"),
        (lambda: Adaptive(0.01, NAN), "replicates = nan: must be an integer of at least 1"),
        (lambda: run_attacks("x", []), "game = 'x': must be an AttackGame; play plays one"),
        (lambda: self_check(["loss"]), "attacks = 'loss': must be an Attack; such as [ReadOut()]"),
        (lambda: solvable("sign", 5), "problem = 'sign': must be a Problem"),
        (lambda: sharp("a.toml", 5), "problem = 'a.toml': must be a Problem"),
        (lambda: tilted("a.toml", 5), "problem = 'a.toml': must be a Problem"),
        (lambda: tilted_series("a.toml", [5]), "problem = 'a.toml': must be a Problem"),
        (lambda: exact("a.toml", 5), "problem = 'a.toml': must be a Problem"),
        (lambda: pooled("x"), "blocks = 'x': must be a sequence of MISResult; of one simulation"),
        (lambda: run_experiment("a.toml"), "experiment = 'a.toml': must be an Experiment; load_experiment reads one"),
        (lambda: leave_one_out("model"), "fit = 'model': must be a Fit; fit_from makes one of arrays"),
        (lambda: GPTQ("uniform-4"), "grid = 'uniform-4': must be a WeightQuantizer; such as quantizer('uniform-4')"),
        (lambda: head_for("people.csv"), "dataset = 'people.csv': must be a Dataset; load_table reads one"),
        (lambda: audit("people.csv", HEAD, SIGNS), "dataset = 'people.csv': must be a Dataset; load_table reads one"),
        (lambda: audit_attacks("people.csv", HEAD, SIGNS), "dataset = 'people.csv': must be a Dataset; "),
        (
            lambda: wald_test("fit.json", {"n": -0.1}),
            "fit = 'fit.json': must be what fit_exponent or fit_power returns",
        ),
        (lambda: wald_test(FIT, 0.1), "hypothesis = 0.1: must be a mapping from parameters to values, or (matrix"),
        (lambda: slope_test(None, 0.1), "fit = None: must be what fit_exponent or fit_power returns"),
        (lambda: slope_test(FIT, "0.1"), "exponent = '0.1': must be a finite number"),
        (lambda: slope_test(FIT, NAN), "exponent = nan: must be a finite number"),
        (lambda: slope_interval(FIT.params), "fit = array(["),
        (lambda: lack_of_fit(3), "fit = 3: must be what fit_exponent or fit_power returns"),
        (lambda: fit_dof("a"), "fit = 'a': must be what fit_exponent or fit_power returns"),
        (
            lambda: fit_exponent(SIZES, SIZES, SIZES, correction="one"),
            "correction = 'one': must be an integer from 0 t",
        ),
        (lambda: fit_exponent(SIZES, SIZES, SIZES, prefactor="no"), "prefactor = 'no': must be a bool"),
        (lambda: fit_power(SIZES, SIZES, covariance=np.eye(4), dof="4"), "dof = '4': must be an integer from 4 to"),
        (lambda: fit_power(SIZES, [1, 2, 3, 10**400], SIZES), "log_delta = [1, 2, 3, 1000000"),
        (lambda: compare_exponents("fits.json"), "fits = 'fits.json': must be a sequence; fit_exponent returns one"),
        (lambda: compare_exponents([FIT, None]), "fit = None: must be what fit_exponent or fit_power returns"),
        (lambda: compare_exponents([FIT, FIT], [1, 2]), "names = 1: must be a str"),
        (lambda: exponent_against_indicator(FIT, "a.toml"), "problem = 'a.toml': must be a Problem"),
        (lambda: exponent_against_indicator("a.json", None), "fit = 'a.json': must be what fit_exponent"),
        (lambda: indicator_of(LOSSES, 200, 0), "losses = array([["),
        (lambda: indicator(LOSSES, None), "name = None: must be a str"),
        (lambda: ranking_of(["sign"], 200, 0), "indicators = 'sign': must be an Indicator; indicator returns one"),
        (lambda: ranking_of([], 200, 0), "indicators = (): must be at least one, all of the same points and draws"),
        (lambda: rank({"a": LOSSES}, progress="bar"), "progress = 'bar': must be a function that wraps an iterable"),
        (lambda: Tracker().record("sign", [[1.0], [1.0, 2.0]]), "losses of 'sign' = [[1.0], [1.0, 2.0]]: must be numb"),
        (lambda: rank_estimates([1.0, 2.0], np.eye(2), dof="2"), "dof = '2': must be a number"),
        (lambda: rank_estimates([1.0, 2.0], np.eye(2), "ab"), "names = 'ab': must be a sequence of str"),
        (lambda: run_means(LOSSES.T, names=3), "names = 3: must be a sequence of str"),
        (lambda: run_means([[10**400, 1.0]]), "values = [[1000"),
        (lambda: undominated("sign"), "merits = 'sign': must be a Mapping"),
        (lambda: area_interval("0.5", 0.01, 9), "area = '0.5': must be a finite number"),
        (lambda: area_interval(0.5, NAN, 9), "variance = nan: must be a number of at least zero"),
        (lambda: placements([0.5], []), "among = []: must be at least one number"),
        (lambda: delong([0, 1], [0, 1], [[1], [1, 2]], [0, 1]), "member_clusters = [[1], [1, 2]]: must be an array of"),
        (lambda: clopper_pearson(1, float("inf")), "successes = (1.0, inf): must be between 0 and a positive finite"),
        (lambda: log1mexp("0"), "x = '0': must be a number"),
        (lambda: log1mexp(NAN), "x = nan: must be a number"),
        (lambda: shown_mis(NAN), "log_delta = nan: must be a number"),
        (lambda: error_interval(0.0, "1"), "std_error = '1': must be a number of at least zero"),
        (lambda: error_interval(0.0, 1.0, -1), "dof = -1: must be an integer from 1 to"),
        (lambda: MISResult("crude", "5", -1.0), "n = '5': must be an integer of at least 1"),
        (lambda: MISResult("crude", 5, -1.0, "0.1"), "std_error = '0.1': must be a number"),
        (lambda: MISResult(5, 5, -1.0), "method = 5: must be a str"),
        (lambda: MISSeries("crude"), "results = 'crude': must be a sequence of MISResult; mis returns one per n"),
        (lambda: domain_remarks([3]), "results = 3: must be a MISResult; mis returns one per n"),
        (lambda: frame_of(None), "results = None: must be a sequence of MISResult; mis returns one per n"),
        (lambda: environment_table("numba"), "found = 'numba': must be what environment() returns"),
        (lambda: mis(Problem(NORMAL, ThresholdPTQ(Sign())), 10**400), "n = 1000000000000"),
        (
            lambda: canonical_law(NORMAL, 50),
            "law = LinearRegression(coefficients=[1.0, 0.5], covariance=[[1.0, 0.0], [0",
        ),
        (lambda: canonical_law(LOGISTIC, "50"), "n = '50': must be an integer of at least 2"),
        (lambda: canonical_law(LOGISTIC, 50, "1"), "ridge = '1': must be a number of at least zero"),
        (lambda: estimate_law("normal", 50), "law = 'normal': must be a LinearRegression"),
        (lambda: estimate_law(NORMAL, 50, NAN), "ridge = nan: must be a number of at least zero"),
        (lambda: largest_share(0.5), "law = 0.5: must be a GeneralizedLinear; such as LogisticRegression(coefficients"),
        (lambda: worst_case_constant([0.5, 0.5]), "law = [0.5, 0.5]: must be a FiniteLaw"),
        (lambda: collision_bound("ab"), "cell_probabilities = 'ab': must be an array of numbers of shape (K,)"),
        (lambda: collision_bound([2.0, 3.0]), "cell_probabilities = [2.0, 3.0]: must be numbers of at least zero that"),
        (lambda: cell_moments([0.5, 0.1]), "edges = [0.5, 0.1]: must be finite numbers in increasing order"),
        (lambda: retained_information("0"), "edges = '0': must be a list of numbers of shape (m,), not ()"),
        (lambda: retained_information([NAN]), "edges = [nan]: must be finite numbers in increasing order"),
        (lambda: coordinate_cells([[0.0]], [1.0], [0.0]), "standard_errors = array([0.]): must be 1 positive numbers"),
        (lambda: coordinate_cells([], [1.0], [0.1]), "thresholds = []: must be 1 sorted arrays, one per mean"),
        (lambda: centroid_correlation("cells", np.eye(2)), "cells = 'cells': must be a CoordinateCells; coordinate_c"),
        (lambda: centroid_correlation(CELLS, [[1.0, 2.0], [2.0, 1.0]]), "correlation = [[1.0, 2.0], [2.0, 1.0]]"),
        (lambda: shift_information(NORMAL, CELLS), "estimate = LinearRegression(coefficients=[1.0, 0.5], covariance="),
        (lambda: shift_information(estimate_law(NORMAL, 9), 3), "cells = 3: must be a CoordinateCells; coordinate_ce"),
        (lambda: unquantized_information(None), "estimate = None: must be an EstimateLaw; estimate_law returns one"),
        (lambda: unquantized("3", 50), "dimension = '3': must be an integer from 1 to 1000000000000000"),
        (lambda: unquantized(3, NAN), "n = nan: must be an integer of at least 1"),
        (lambda: gaussian_roc("1"), "mu = '1': must be a number of at least zero"),
        (lambda: gaussian_roc(1.0, [1.0, 2.0], [1.0]), "weights = [1.0]: must be 2 numbers of at least zero, one per"),
        (lambda: BivariateRatio(NAN, 0.5), "gain = nan: must be a positive number"),
        (lambda: MemberPoints([0.0], [0.0, 1.0], [1.0], 1.0, 1.0), "response = [0.0, 1.0]: must be 1 numbers, one per"),
        (lambda: read_out_law("logistic", None, 0.5), "family = 'logistic': must be a Family; such as qmis_stats"),
        (
            lambda: quantizer("q4_0").cells([1e308]),
            "weights = 'a magnitude of 1e+308': must be smaller: scales are kept",
        ),
        (lambda: SignWeights(scaled="no"), "scaled = 'no': must be a bool"),
        (lambda: SignWeights(per_channel=np.array([True])), "per_channel = array([ True]): must be a bool"),
        (lambda: tilted_series(PROBLEM, [50], common=1), "common = 1: must be a bool"),
        (lambda: unquantized(3, 50, regression=np.ones(2)), "regression = array([1., 1.]): must be a bool"),
        (lambda: rank({"a": LOSSES}, check_axes=np.ones(2)), "check_axes = array([1., 1.]): must be a bool"),
        (lambda: run_verification(quick=np.ones(2)), "quick = array([1., 1.]): must be a bool"),
        (lambda: Game("pool", np.ones(2)), "fraction = array([1., 1.]): must be a number strictly between 0 and 1, th"),
        (lambda: mis(PROBLEM, 10**5000), "n = int that is too long to show: must be an integer from 2 to 100000000000"),
        (lambda: play(DATA, HEAD, "sign", 40), "quantizers = 'sign': must be objects, not names: quantizer('sign')"),
    ],
)
def test_one_line_says_what_is_wanted_and_how_to_come_by_it(call, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        call()
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())
