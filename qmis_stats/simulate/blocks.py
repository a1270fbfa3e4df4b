"""Blocks of replicates: independent estimates of one Δ_n, and their mean (Statement S10)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from qmis_stats.errors import InputError
from qmis_stats.results import LinearEstimate, MISResult
from qmis_stats.simulate.verdict import doubts, is_balanced
from qmis_stats.validation import objects

__all__ = ["pooled"]


def pooled(blocks: Sequence[MISResult]) -> MISResult:
    """Return the mean of blocks of replicates, with the standard error of the mean.

    Blocks of one seed have disjoint replicates, hence independent estimates. Estimates of Δ_n are averaged, not their
    logarithms: the mean keeps the expectation of one block. ``conditional`` and ``likelihood_ratio`` are unbiased; the
    bias of ``crude`` and ``tilted`` from misread signs is that of the size of one block however many there are, so
    the gap between the plug-in and the cross-fitted estimate is pooled too, and must be small against the *pooled*
    error. Sums run in the order of the blocks: the result depends on nothing else.

    Parameters
    ----------
    blocks : sequence of MISResult
        Results of one simulation, equal but for ``block``, at least one.

    Returns
    -------
    MISResult
        The one block itself, or the mean. Errors of nets, with 31 degrees of freedom each, add up to those of
        Satterthwaite.

    Raises
    ------
    InputError
        If there is no block, or the blocks are not of one simulation.

    Examples
    --------
    >>> from qmis_stats import FiniteLaw, LossTable, Problem
    >>> from qmis_stats.simulate import crude
    >>> coin = Problem(FiniteLaw(["1/2", "1/2"]), LossTable([[0, 1], [1, 0]]))
    >>> r = pooled([crude(coin, 5, replicates=1000, seed=1, backend="reference", block=b) for b in range(4)])
    >>> r.replicates, abs(r.log_delta - math.log(3 / 16)) < 6 * r.std_error
    (4000, True)
    """
    blocks = objects(MISResult, "blocks", blocks, "of one simulation")
    if not blocks:
        raise InputError("blocks", [], "at least one result")
    first, count = blocks[0], len(blocks)
    if count == 1:
        return first
    linear = [block.linear for block in blocks if block.linear is not None]
    simulations = {(b.method, b.n, b.seed, b.replicates, b.dof) for b in blocks}
    if len(simulations) > 1 or len(linear) < count:
        raise InputError("blocks", sorted(map(str, simulations)), "results of one simulation, equal but for block")
    mean = _mean(linear)
    reasons = doubts(mean, "raise the replicates of a block", balanced=is_balanced(first.method, first.dof))
    seen = mean.value > 0.0
    return MISResult(
        first.method,
        first.n,
        math.log(mean.value) + mean.log_scale if seen else -math.inf,
        mean.std_error / mean.value if seen else math.inf,
        in_domain=not reasons,
        domain="; ".join(reasons) if reasons else f"the mean of {count} blocks",
        seed=first.seed,
        replicates=None if first.replicates is None else count * first.replicates,
        dof=None if first.dof is None else _degrees_of_freedom(linear, first.dof),
        details={"blocks": count},
        linear=mean,
    )


def _factors(linear: Sequence[LinearEstimate]) -> tuple[float, list[float]]:
    """Return the largest scale and what takes each estimate to it; a block that saw nothing counts zero."""
    top = max(block.log_scale for block in linear)
    return top, [math.exp(block.log_scale - top) if block.log_scale > -math.inf else 0.0 for block in linear]


def _mean(linear: Sequence[LinearEstimate]) -> LinearEstimate:
    top, factors = _factors(linear)
    if top == -math.inf:
        return LinearEstimate.nothing_seen()
    count, pairs = len(linear), list(zip(linear, factors, strict=True))
    objecting = [f"block {i}: {text}" for i, block in enumerate(linear) for text in block.objections]
    return LinearEstimate(
        math.fsum(block.value * factor for block, factor in pairs) / count,
        math.sqrt(math.fsum((block.std_error * factor) ** 2 for block, factor in pairs)) / count,
        top,
        gap=math.fsum(block.gap * factor for block, factor in pairs) / count,
        effective=math.fsum(block.effective for block in linear),
        objections=tuple(objecting[:1]),
    )


def _degrees_of_freedom(linear: Sequence[LinearEstimate], dof: int) -> int:
    """Return Satterthwaite's degrees of freedom of a sum of variances with ``dof`` each."""
    variances = [(block.std_error * factor) ** 2 for block, factor in zip(linear, _factors(linear)[1], strict=True)]
    squares = math.fsum(v * v for v in variances)
    return round(dof * math.fsum(variances) ** 2 / squares) if squares > 0.0 else dof
