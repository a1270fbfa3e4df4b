"""Run every claim and collect the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from qmis_stats.verify.decisions import Statistical
from qmis_stats.verify.evidence import Claim, Context
from qmis_stats.verify.report import CheckedClaim, Report

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
        Show a progress bar on standard error.
    seed : int
        In [0, 2³²); two runs with one seed give the same report.
    claims : sequence of Claim, optional
        A part of the registry; all of it when omitted.

    Returns
    -------
    Report
        Its verdict, numbers, table and files.

    Examples
    --------
    >>> from qmis_stats.verify.registry import CLAIMS
    >>> run_verification(quick=True, claims=[c for c in CLAIMS if c.key == "oracles.histogram"]).passed
    True
    """
    if claims is None:
        from qmis_stats.verify.registry import CLAIMS

        claims = CLAIMS
    context = Context(quick, seed)
    checked = []
    with _steps(len(claims), progress) as step:
        for claim in claims:
            step(f"{claim.statement}  {claim.title}")
            evidence = claim.check(context)
            checked.append(CheckedClaim(claim, tuple(evidence.rows), tuple(evidence.plots)))
    statistical = sum(isinstance(row.decision, Statistical) for c in checked for row in c.rows)
    return Report(tuple(checked), quick, seed, statistical)


@contextmanager
def _steps(total: int, progress: bool) -> Iterator[Callable[[str], None]]:
    """Yield a function that announces the next claim."""
    if not progress:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TimeElapsedColumn(),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        started = False

        def step(name: str) -> None:
            nonlocal started
            bar.update(task, description=name, advance=1 if started else 0)
            started = True

        yield step
