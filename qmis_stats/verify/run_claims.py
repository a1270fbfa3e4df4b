"""Run every claim and collect the report."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

from qmis_stats.reporting.progress import steps
from qmis_stats.threads import one_thread
from qmis_stats.validation import checked_seed, instance_of, objects
from qmis_stats.verify.checked import CheckedClaim
from qmis_stats.verify.decisions import Statistical
from qmis_stats.verify.evidence import Claim, Context
from qmis_stats.verify.verification import Report

__all__ = ["DEFAULT_SEED", "run_verification"]

DEFAULT_SEED = 2026


def run_verification(
    quick: bool = False,
    progress: bool = False,
    seed: int = DEFAULT_SEED,
    claims: Sequence[Claim] | None = None,
) -> Report:
    """Check the theorems and return the report.

    Parameters
    ----------
    quick : bool
        Shorter grids and fewer replicates; every claim is still checked.
    progress : bool
        Say on standard error how far the run is: a bar on a terminal, elsewhere one line per minute.
    seed : int
        In [0, 2³²); two runs with one seed give the same report.
    claims : sequence of Claim, optional
        A part of the registry; all of it when omitted.

    Returns
    -------
    Report
        Its verdict, numbers, table and files.

    Raises
    ------
    InputError
        If the seed is out of range, or one of ``claims`` is no claim.

    Examples
    --------
    >>> from qmis_stats.verify.registry import CLAIMS
    >>> run_verification(quick=True, claims=[c for c in CLAIMS if c.key == "oracles.histogram"]).passed
    True
    """
    if claims is None:
        from qmis_stats.verify.registry import CLAIMS

        claims = CLAIMS
    instance_of(bool, "quick", quick)
    instance_of(bool, "progress", progress)
    claims = objects(Claim, "claims", claims, "chosen_claims finds them by statement and key")

    context = Context(quick, checked_seed(seed))
    checked: list[CheckedClaim] = []
    # Products of BLAS are short here: its threads wait for each other, and the last bits depend on their number.
    with one_thread("blas"), steps("claims") if progress else nullcontext() as tell:
        for claim in claims:
            if tell is not None:
                tell(len(checked), len(claims), f"{claim.statement} {claim.title} ({claim.key})")
            try:
                evidence = claim.check(context)
            except KeyboardInterrupt as stop:
                stop.add_note(f"{len(checked)} of {len(claims)} claims were checked")
                raise
            checked.append(CheckedClaim(claim, tuple(evidence.rows), tuple(evidence.plots)))
    statistical = sum(isinstance(row.decision, Statistical) for c in checked for row in c.rows)
    return Report(tuple(checked), quick, seed, statistical)
