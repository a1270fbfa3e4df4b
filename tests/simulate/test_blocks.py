"""Blocks of replicates are disjoint and independent, and their mean is an estimate like any other."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from qmis_stats import CodebookERM, FiniteLaw, GaussianMean, LossTable, Problem, Sign, ThresholdPTQ
from qmis_stats.errors import InputError
from qmis_stats.exact import exact
from qmis_stats.results import LinearEstimate
from qmis_stats.simulate import conditional, crude, likelihood_ratio, pooled, tilted
from qmis_stats.simulate.settings import Settings

LINE = Problem(GaussianMean([0.0], [[1.0]]), CodebookERM([[-1.2], [0.0], [1.0]]))
COIN = Problem(FiniteLaw(["1/3", "2/3"]), LossTable([[0, 1], [1, 0]]))
SIGNS = Problem(GaussianMean([0.1], [[1.0]]), ThresholdPTQ(Sign()))
CASES = {
    "crude": (crude, COIN, 9),
    "conditional": (conditional, LINE, 60),
    "likelihood_ratio": (likelihood_ratio, SIGNS, 12),
    "tilted, random": (tilted, COIN, 40),
    "tilted, nets": (tilted, LINE, 60),
}
SLOW = ("likelihood_ratio", "tilted, random")
"""Their blocks are independent in the same way: sums of `crude`, and other numbers of each block."""


def blocks(name, count, seed=3, replicates=2000):
    method, problem, n = CASES[name]
    return [method(problem, n, replicates=replicates, seed=seed, block=b) for b in range(count)]


@pytest.mark.parametrize("name", list(CASES))
def test_the_first_block_is_the_simulation_itself(name):
    method, problem, n = CASES[name]
    alone = method(problem, n, replicates=2000, seed=3)
    assert pooled(blocks(name, 1)).to_dict() == alone.to_dict()


@pytest.mark.parametrize("name", list(CASES))
@pytest.mark.statistical
def test_the_mean_of_blocks_agrees_with_the_exact_value(name):
    _, problem, n = CASES[name]
    result = pooled(blocks(name, 16))
    assert abs(result.log_delta - exact(problem, n).log_delta) < 6 * result.std_error
    assert result.replicates == 16 * blocks(name, 1)[0].replicates
    assert result.in_domain, result.domain


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long) if name in SLOW else name for name in CASES]
)
@pytest.mark.statistical
def test_the_pooled_error_is_the_spread_of_the_blocks(name):
    """Independent blocks: the variance among them is the mean of the variances that they state."""
    found = blocks(name, 200, replicates=400)
    values = np.exp([b.log_delta for b in found])
    stated = pooled(found).std_error * np.mean(values) * math.sqrt(200)
    assert 0.75 < np.std(values, ddof=1) / stated < 1.33  # 200 blocks: a standard deviation to 5 %, stated to less


def test_likelihood_ratios_of_blocks_are_those_of_one_long_run():
    whole = likelihood_ratio(SIGNS, 12, replicates=6000, seed=3)
    parts = pooled(blocks("likelihood_ratio", 3))
    assert parts.log_delta == pytest.approx(whole.log_delta, rel=1e-12)
    assert parts.std_error == pytest.approx(whole.std_error, rel=1e-3)


def test_a_negative_block_counts_as_it_is():
    """Cross-fitted estimates may be negative: cutting them off at zero would bias the mean upwards."""
    block = blocks("crude", 1)[0]
    signed = [replace(block, linear=LinearEstimate(v, 0.1, 0.0, effective=60.0)) for v in (1.0, -0.5, 0.7)]
    assert pooled(signed).delta == pytest.approx(0.4)


def test_scales_far_apart_meet_on_the_largest():
    block = blocks("conditional", 1)[0]
    parts = [replace(block, linear=LinearEstimate(1.0, 0.01, scale)) for scale in (-2000.0, -2000.0 + math.log(3.0))]
    assert pooled(parts).log_delta == pytest.approx(-2000.0 + math.log(2.0), abs=1e-12)


def test_blocks_that_saw_nothing_are_no_number():
    rare = [crude(LINE, 2000, replicates=100, seed=1, block=b) for b in range(3)]
    result = pooled(rare)
    assert result.log_delta == -math.inf
    assert result.std_error == math.inf
    assert not result.in_domain


def test_more_blocks_do_not_hide_the_bias_of_small_ones():
    """Codewords so close that signs are misread: the bias of a block stays, the error falls, the result says so."""
    close = Problem(GaussianMean([0.0], [[1.0]]), CodebookERM(np.linspace(-0.3, 0.3, 12)[:, None].tolist()))
    many = pooled([crude(close, 400, replicates=100, seed=1, block=b) for b in range(64)])
    assert not many.in_domain
    assert "signs" in many.domain


def test_degrees_of_freedom_add_up():
    many = pooled(blocks("tilted, nets", 8))
    assert 31 < many.dof <= 8 * 31


def test_an_objection_of_a_block_is_passed_on():
    good = blocks("crude", 2)
    bad = replace(good[1], linear=replace(good[1].linear, objections=("a region may be missed",)))
    assert "block 1: a region may be missed" in pooled([good[0], bad]).domain


def test_blocks_of_different_simulations_are_refused():
    with pytest.raises(InputError, match="blocks"):
        pooled([blocks("crude", 1)[0], blocks("crude", 1, seed=4)[0]])
    with pytest.raises(InputError, match="at least one"):
        pooled([])


@pytest.mark.parametrize("block", [-1, 2**32, 1.0, True])
def test_a_block_out_of_range_is_refused(block):
    with pytest.raises(InputError, match="block"):
        Settings(1000, 1, block=block)


def test_the_last_block_can_be_drawn():
    assert likelihood_ratio(SIGNS, 12, replicates=100, seed=1, block=2**32 - 1).delta > 0.0
