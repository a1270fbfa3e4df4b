"""Rankings from losses: what tables, data and plots say, and that nothing but the losses and the seed decides it."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

import qmis_kernels
from qmis_stats import InputError, indicator, rank
from qmis_stats.inference.losses import LossBlocks
from qmis_stats.inference.minimum import SCREENING_SHARE
from qmis_stats.inference.ranking import ranking_of

RNG = np.random.default_rng(41)
POINTS = 3000
BASE = np.round(RNG.exponential(size=POINTS) * 256.0) / 256.0  # sums without rounding: ties are ties
NAMES = ("coarse", "middle", "fine", "twin")


def matrix(gap, rivals=3):
    noise = np.random.default_rng(int(1000 * gap)).normal(size=(rivals, POINTS))
    return np.vstack([BASE, BASE + noise + gap * (1.0 + np.arange(rivals)[:, None])])


LOSSES = {"coarse": matrix(0.6), "middle": matrix(0.3), "fine": matrix(0.06), "twin": matrix(0.3)}


@pytest.fixture(scope="module")
def ranking():
    return rank(LOSSES, draws=499, seed=3)


def test_order_and_ranks(ranking):
    assert ranking.names == NAMES
    assert ranking.params == pytest.approx([indicator(m, draws=199).indicator for m in LOSSES.values()], rel=1e-12)
    assert ranking.ranks.tolist() == [1, 2, 4, 2]  # twins share a rank
    assert ranking.order().tolist() == [0, 1, 3, 2]
    assert ranking.points == POINTS


def test_sets(ranking):
    sets = ranking.rank_sets()
    assert sets.tolist() == [[1, 1], [2, 3], [4, 4], [2, 3]]
    for kind in ("marginal", "holm"):
        assert ranking.rank_sets(kind=kind).tolist() == sets.tolist()
    assert ranking.best_set() == ("coarse",)
    assert set(ranking.best_set(2)) == {"coarse", "middle", "twin"}
    assert ranking.best_set(4) == NAMES
    below = ranking.significantly_below()
    assert below[2].tolist() == [True, True, False, True]
    assert not below[1, 3]
    assert not below[3, 1]
    with pytest.raises(InputError, match="kind = 'both': must be one of simultaneous, marginal, holm"):
        ranking.rank_sets(kind="both")


def test_frame(ranking):
    frame = ranking.to_frame(0.9)
    assert frame.index.tolist() == ["coarse", "middle", "twin", "fine"]
    assert frame.index.name == "quantizer"
    assert frame["rank"].tolist() == [1, 2, 2, 4]
    interval = ranking.conf_int(0.9)[ranking.order()]
    assert np.array_equal(frame[["low", "high"]].to_numpy(), interval)
    assert (frame["low"] <= frame["estimate"]).all()
    assert (frame["estimate"] <= frame["high"]).all()
    assert np.array_equal(frame[["rank_low", "rank_high"]], ranking.rank_sets(0.9)[ranking.order()])
    assert frame["candidates"].tolist() == [4, 4, 4, 4]
    assert frame["regular"].dtype == bool


def test_summary(ranking):
    text = str(ranking)
    for words in (*NAMES, "N = 3000 points", "95% set", "Rank 1 is the most private", "most private: coarse."):
        assert words in text
    assert "90% set" in str(ranking.summary(0.9))
    assert "95%" not in str(ranking.summary(0.9))
    assert "<table" in ranking.summary().as_html()


def strict(data):
    def refuse(name):
        raise AssertionError(name)

    return json.loads(json.dumps(data, allow_nan=False), parse_constant=refuse)


def test_dict(ranking):
    data = strict(ranking.to_dict(0.9))
    assert data["level"] == 0.9
    assert (data["points"], data["draws"], data["seed"]) == (POINTS, 499, 3)
    assert data["best_set"] == ["coarse"]
    assert [entry["name"] for entry in data["quantizers"]] == ["coarse", "middle", "twin", "fine"]
    last = data["quantizers"][-1]
    assert last["rank_set"] == [4, 4]
    assert last["indicator"] == ranking.params[2]
    assert last["ci"] == ranking.conf_int(0.9)[2].tolist()
    assert {"exponent", "corrected", "std_error", "effective_points", "in_domain", "rival"} == set(last["chernoff"])


def test_infinities_are_none():
    """One point that carries everything: an infinite upper limit; increments above zero: an infinite exponent."""
    rare = np.zeros((2, 50))
    rare[1, 7] = 1.0
    positive = np.vstack([np.zeros(50), RNG.random(50) + 0.5])
    found = rank({"rare": rare, "positive": positive}, draws=199)
    data = {entry["name"]: entry for entry in strict(found.to_dict())["quantizers"]}
    assert data["rare"]["ci"] == [0.0, None]
    assert data["positive"]["chernoff"]["exponent"] is None
    assert strict(found.to_dict(0.9999))["quantizers"][0]["ci"][0] >= 0.0
    assert "rare" in str(found)


def test_warnings():
    tie = np.vstack([BASE, RNG.permutation(BASE), BASE + 1.0 + RNG.normal(size=POINTS), BASE])
    rare = BASE.copy()
    rare[:3] += 5.0
    found = rank({"ties": tie, "rare": [BASE, rare, BASE + 0.5 + RNG.normal(size=POINTS)]}, draws=199)
    assert found.warnings() == [
        "ties: row 1 cannot be told from the best, row 0: the interval holds for whichever is the best; more points "
        "would settle it",
        "ties: row 3 repeated and left out",
        "rare: row 1 cannot be told from the best, row 0: the interval holds for whichever is the best; more points "
        "would settle it",
        "rare: row 1 differs from the best at too few points for a normal limit",
    ]
    assert found.indicators[0].ties == (1,)
    assert found.indicators[0].conf_int()[0] == 0.0
    assert [entry.regular for entry in found.indicators] == [False, False]
    assert found.to_dict()["warnings"] == found.warnings()
    assert all(line in str(found) for line in found.warnings())
    assert rank(LOSSES, draws=199).warnings() == []  # the control


def test_a_legend_names_what_its_axes_hold(ranking):
    left, right = Figure(layout="constrained").subplots(1, 2)
    left.plot([1, 2], label="something else")
    ranking.plot(right)
    assert not right.figure.legends
    assert [text.get_text() for text in right.get_legend().get_texts()] == [
        "95 % set, alone",
        "estimate",
        "95 % sets, all together",
    ]
    assert len(ranking.plot(Figure(layout="constrained").add_subplot()).figure.legends) == 1


def test_plot(ranking):
    own = ranking.plot()
    labels = [label.get_text() for label in own.get_yticklabels()]
    assert [label.split()[0] for label in labels] == ["coarse", "middle", "twin", "fine"]
    assert own.get_xlabel() == "rank (1 = most private)"
    figure, axes = plt.subplots()
    try:
        assert ranking.plot(axes, 0.9) is axes
        bars = [(bar.get_x() + 0.3, bar.get_x() + bar.get_width() - 0.3) for bar in axes.patches]
        assert np.array(bars) == pytest.approx(ranking.rank_sets(0.9)[ranking.order()])
        dots = axes.lines[0]
        assert dots.get_xdata().tolist() == [1, 2, 2, 4]
        figure.savefig("/dev/null", format="svg")
    finally:
        plt.close(figure)


def same(first, second):
    return (
        np.array_equal(first.comparisons.statistics, second.comparisons.statistics)
        and np.array_equal(first.comparisons.maxima, second.comparisons.maxima)
        and np.array_equal(first.conf_int(), second.conf_int())
    )


def test_threads_seeds_and_streams_change_nothing(ranking):
    before = qmis_kernels.threads()
    try:
        qmis_kernels.set_threads(2)
        two = rank(LOSSES, draws=499, seed=3)
    finally:
        qmis_kernels.set_threads(before)
    assert same(ranking, two)
    streams = {name: LossBlocks(lambda m=m: np.split(m, [7, 500, 2999], axis=1)) for name, m in LOSSES.items()}
    assert same(ranking, rank(streams, draws=499, seed=3))
    other = rank(LOSSES, draws=499, seed=4)
    assert not same(ranking, other)
    assert np.array_equal(other.params, ranking.params)


def test_order_of_quantizers_is_carried_along(ranking):
    names = ("twin", "fine", "coarse", "middle")
    found = rank({name: LOSSES[name] for name in names}, draws=499, seed=3)
    order = [NAMES.index(name) for name in names]
    assert np.array_equal(found.comparisons.statistics, ranking.comparisons.statistics[np.ix_(order, order)])
    assert np.array_equal(found.rank_sets(), ranking.rank_sets()[order])


def test_pairing_on_shared_points():
    """A difference far below the errors of either is found since both share them; on other points it is not."""
    rng = np.random.default_rng(5)
    common = rng.normal(size=POINTS)
    little = 0.02 * rng.normal(size=(2, POINTS))
    near = [BASE, BASE + 0.300 + common + little[0]]
    far = [BASE, BASE + 0.306 + common + little[1]]
    assert rank({"near": near, "far": far}).rank_sets().tolist() == [[2, 2], [1, 1]]
    order = rng.permutation(POINTS)
    assert rank({"near": near, "far": np.array(far)[:, order]}).rank_sets().tolist() == [[1, 2], [1, 2]]


def test_screening_is_shared_among_quantizers(ranking):
    """Whichever loses its smallest gap, comparisons can be wrong: all together may lose one with 0.001."""
    assert ranking.comparisons.screening == pytest.approx(SCREENING_SHARE)
    assert [entry.near.share for entry in ranking.indicators] == pytest.approx([SCREENING_SHARE / 4] * 4)
    alone = [indicator(m, name, draws=499, seed=3) for name, m in LOSSES.items()]
    assert ranking_of(alone, 499, 3).comparisons.screening == pytest.approx(4 * SCREENING_SHARE)
    single = rank({name: m[:2] for name, m in LOSSES.items()}, draws=199)
    assert single.comparisons.screening == 0.0


def test_one_quantizer():
    found = rank({"only": LOSSES["middle"]}, draws=199)
    assert found.ranks.tolist() == [1]
    for kind in ("simultaneous", "marginal", "holm"):
        assert found.rank_sets(kind=kind).tolist() == [[1, 1]]
    assert found.best_set() == ("only",)
    assert "only" in str(found)


def test_progress_wraps_the_quantizers():
    seen = []

    def watch(entries):
        for entry in entries:
            seen.append(entry.name)
            yield entry

    rank(LOSSES, draws=199, progress=watch)
    assert tuple(seen) == NAMES


def test_names_with_any_characters():
    names = ["a$b_{c}$", "[bold]", "ü — %s {}", "<i>"]
    found = rank(dict(zip(names, LOSSES.values(), strict=True)), draws=199)
    assert all(name in str(found) for name in names)
    strict(found.to_dict())
    found.plot().figure.savefig("/dev/null", format="svg")
