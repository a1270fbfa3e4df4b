"""What attacks achieved under each quantizer, side by side, with the verdicts on the attacks themselves (S1)."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qmis_stats.audit.attacks.attack_leak import AttackLeak, attack_leak
from qmis_stats.audit.attacks.attack_report import FALSE_ALARM, AttackReport, attack_table
from qmis_stats.audit.attacks.attack_result import AttackResult
from qmis_stats.audit.attacks.read_out import ReadOut
from qmis_stats.audit.quantizers import release_name
from qmis_stats.leak.leakage_result import LeakageResult
from qmis_stats.reporting.notebook import NotebookResult
from qmis_stats.reporting.tables import Table
from qmis_stats.validation import checked_level, checked_significance

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AttackAudit", "Compared", "in_order"]


_EVERY = "every release"


class Compared(NamedTuple):
    """AUCs of one release by theory and of the read-out attack, whether they agree, and that simulated from the fit.

    The last is ``None`` where nothing was simulated.
    """

    name: str
    predicted: float
    attacked: float
    agree: bool
    solved: float | None


@dataclass(frozen=True, eq=False, repr=False)
class AttackAudit(NotebookResult):
    """Attacks on the same training runs under several quantizers.

    Attributes
    ----------
    reports : dict of str to AttackReport
        By quantizer, the last one without quantization (``"identity"``).
    check : AttackReport
        The same attacks where the optimum is known.
    beside : AttackReport or None
        The attack on locations and scales, which are the same under every quantizer; ``None`` where none are released.
    whole : dict of str to AttackReport
        By quantizer, the attack on all that is released, weights by the read-out beside locations and scales; empty
        where there are none, or no read-out was run.
    level : float
        Of the intervals.
    grouped : bool
        Whether the data set has groups, whose points may be members and non-members of one training run.
    predicted : LeakageResult or None
        What theory says of the best attack in the same game, from one training run; ``None`` where it has no answer.
    by : dict of str to (N,) ndarray of str
        Groups of the rows of the data set, by column.
    """

    reports: Mapping[str, AttackReport]
    check: AttackReport
    level: float
    grouped: bool = False
    predicted: LeakageResult | None = None
    by: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)
    beside: AttackReport | None = None
    whole: Mapping[str, AttackReport] = field(default_factory=dict)

    def compared(self, level: float | None = None, *, inside: bool = True) -> tuple[Compared, ...]:
        """Return AUC by theory and of the read-out attack for every release whose theory is in its domain, or is not.

        They disagree where they differ significantly, at the level for all releases together (Bonferroni).

        Parameters
        ----------
        level : float, optional
            By default that of the intervals.
        inside : bool
            Whether those inside the domain are compared, or those outside of it.
        """
        if self.predicted is None:
            return ()
        chosen = checked_level(self.level if level is None else level)
        theory = self.predicted
        names = [
            name
            for name, within in zip(theory.names, theory.in_domain, strict=True)
            if within == inside and name in self.reports and _read_out(self.reports[name]) is not None
        ]
        share = 1.0 - (1.0 - chosen) / max(len(names), 1)
        found = []
        for name in names:
            result = _read_out(self.reports[name])
            assert result is not None
            q = theory.names.index(name)
            low, high = theory.conf_int(share, "auc")[q]
            below, above = result.auc_interval(share)
            # Half-widths add in squares: the two come from different training runs.
            room = math.hypot(0.5 * (high - low), 0.5 * (above - below))
            area = float(theory.auc[q])
            solved = None if np.isnan(theory.solved_auc[q]) else float(theory.solved_auc[q])
            found.append(Compared(name, area, result.auc, abs(result.auc - area) <= room, solved))
        return tuple(found)

    def leak(self, bits: Mapping[str, float] | None = None) -> AttackLeak:
        """Return what the strongest attack on each release measures of its leak, a lower bound, paired over releases.

        Parameters
        ----------
        bits : dict of str to float, optional
            Bits per weight of the quantizers.

        Raises
        ------
        InputError
            If thresholds were fixed for other false positive rates than those of an audit.
        """
        game = next(iter(self.reports.values())).game
        found = {name: report.results for name, report in self.reports.items()}
        return attack_leak(found, bits or {}, int(game["n"]), self.level, game["rows"])

    def pairs(self) -> Iterator[tuple[str, AttackResult, AttackResult]]:
        """Yield quantizer, result, and result of the same attack where membership is random."""
        for name, report in self._all().items():
            for result, control in zip(report.results, report.controls, strict=True):
                yield name, result, control

    def _all(self) -> dict[str, AttackReport]:
        """Return what was found of each release, and of what is the same in all of them."""
        each = {name: self._of(name) for name in self.reports}
        return {**each, **({} if self.beside is None else {_EVERY: self.beside})}

    def _of(self, name: str) -> AttackReport:
        """Return what was found of one release, of all of it too."""
        report = self.reports[name]
        if name not in self.whole:
            return report
        more = self.whole[name]
        return replace(report, results=(*report.results, *more.results), controls=(*report.controls, *more.controls))

    def off_chance(self, level: float = FALSE_ALARM) -> tuple[tuple[str, str], ...]:
        """Return (quantizer, attack) whose accuracy under random membership differs from one half significantly.

        The level is divided by the number of all tests (Bonferroni).
        """
        controls = [(name, control) for name, _, control in self.pairs()]
        share = checked_significance(level) / max(len(controls), 1)
        return tuple((name, c.name) for name, c in controls if c.chance_p_value() < share)

    def verdicts(self) -> list[str]:
        """Return the outcome of the checks, and what the numbers rest on, in plain sentences."""
        percent = f"{100.0 * self.level:g} %"
        optimum = self.check.results[0]
        assert self.check.delta is not None
        bound = 0.5 * (1.0 + self.check.delta)
        beating = self.check.beating()
        verdict = f"EXCEEDED by {', '.join(beating)}" if beating else "no attack exceeds it"
        strongest = max(self.check.results[1:], key=lambda result: result.accuracy)
        low, high = strongest.accuracy_interval()
        controls = [control for _, _, control in self.pairs()]
        held = sum(within[0] <= 0.5 <= within[1] for within in (c.accuracy_interval() for c in controls))
        off = ", ".join(f"{attack} on {name}" for name, attack in self.off_chance())
        away = max(abs(control.accuracy - 0.5) for control in controls)
        game = next(iter(self.reports.values())).game
        found = [
            f"Where the optimum is known (the sign of a mean of {self.check.game['n']} normal numbers) it is "
            f"{bound:.4f}: {verdict} (level {FALSE_ALARM:g}). The optimal attack attains {optimum.accuracy:.4f}, the "
            f"best of the others, {strongest.name}, {strongest.accuracy:.4f} [{low:.4f}, {high:.4f}].",
            "With random membership "
            + (f"NOT at chance: {off}" if off else "every attack on every quantizer is at chance")
            + f" (level {FALSE_ALARM:g}): {held} of {len(controls)} intervals ({percent}) for the accuracy hold one "
            f"half, and the largest distance from it is {away:.4f}.",
            f"{game['trainings']} training runs on {game['n']} rows were attacked, with {game['pairs']} members and as "
            f"many non-members each; {game['shadows']} others served the attacks, {game['calibrations']} fixed "
            "thresholds. All quantizers act on the same training runs.",
            "Attacks bound what leaks from below: a better one may find more.",
        ]
        if any(not rate.resolved for _, result, _ in self.pairs() for rate in result.rates):
            found.append("* too few non-members in the calibration training runs to fix a threshold for this rate.")
        if self.grouped:
            found.append(
                "Points of one group may be members and non-members of the same training run: the attacks then work "
                "against the group."
            )
        return found

    def to_frame(self) -> pd.DataFrame:
        """Return one row per quantizer, attack and control: accuracy, area and rates with their intervals."""
        import pandas as pd

        frames = {name: report.to_frame() for name, report in self._all().items()}
        return pd.concat(frames, names=["quantizer"])

    def tables(self, first: Sequence[str] = ()) -> list[Table]:
        """Return accuracy and AUC with their intervals, and rates, of each attack on each quantizer.

        Parameters
        ----------
        first : sequence of str
            Quantizers that come first, as far as they were attacked; the others follow, then the solvable problem.
        """
        chosen, others = in_order(self.reports, first)
        return [attack_table(self.title(), [*self.parts([*chosen, *others]), *self.last()])]

    def parts(self, names: Sequence[str]) -> list[tuple[str, AttackReport]]:
        """Return what tables call the releases of some quantizers, with what was found of them."""
        return [(release_name(name), self._of(name)) for name in names]

    def last(self) -> list[tuple[str, AttackReport]]:
        """Return what tables end with: what is the same in all releases, and the problem whose optimum is known."""
        return [*([] if self.beside is None else [(_EVERY, self.beside)]), ("solvable model", self.check)]

    def title(self, under: str = "") -> str:
        """Return the caption of a table, of all releases or of those that are named."""
        return f"Attacks on membership{under and f' under {under}'}: {100.0 * self.level:g} % intervals"

    def remarks(self) -> list[str]:
        """Return what the columns mean, then the verdicts."""
        legend = (
            "acc.: accuracy, AUC: area under the ROC curve; then true positive rates at these false ones; *: too few "
            "non-members to fix the threshold"
        )
        return [legend, *self.verdicts()]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        return {
            "level": self.level,
            "quantizers": [{"quantizer": name, **report.to_dict()} for name, report in self.reports.items()],
            "beside": None if self.beside is None else self.beside.to_dict(),
            "whole": {name: report.to_dict() for name, report in self.whole.items()},
            "solvable": self.check.to_dict(),
            "off_chance": [list(pair) for pair in self.off_chance()],
            "beating_the_optimum": list(self.check.beating()),
            "verdicts": self.verdicts(),
            "theory": None if self.predicted is None else self.predicted.to_dict(self.level),
            "compared": [one._asdict() for one in self.compared()],
        }


def in_order(attacked: Collection[str], first: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the attacked quantizers of first interest, in this order, and the other ones.

    Examples
    --------
    >>> in_order(["sign", "uniform-4", "identity"], ["uniform-4", "nf4"])
    (['uniform-4'], ['sign', 'identity'])
    """
    return [name for name in first if name in attacked], [name for name in attacked if name not in first]


def _read_out(report: AttackReport) -> AttackResult | None:
    """Return the attack of the theory, where it was run."""
    found = report.only(ReadOut.name)
    return None if found is None else found.results[0]
