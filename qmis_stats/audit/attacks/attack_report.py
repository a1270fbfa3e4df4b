"""Several attacks against one game, beside the optimum and beside a control in which nothing can be found (S1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from qmis_stats.audit.attacks.attack_result import AttackResult
from qmis_stats.audit.wording import number
from qmis_stats.errors import InputError
from qmis_stats.reporting.notebook import NotebookResult
from qmis_stats.reporting.tables import Table
from qmis_stats.validation import checked_significance

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["FALSE_ALARM", "AttackReport", "attack_table"]

FALSE_ALARM = 1e-9
"""Level of the two checks: no attack beats the optimum, every attack is at chance in the control."""


@dataclass(frozen=True, eq=False, repr=False)
class AttackReport(NotebookResult):
    """What the attacks achieved.

    Attributes
    ----------
    results : tuple of AttackResult
        Against the game.
    controls : tuple of AttackResult
        The same attacks, fitted and scored where membership is independent of the weights; may be empty.
    delta : float or None
        Δ of the most powerful attack, where it is known.
    game : dict
        What was played, JSON-ready.
    """

    results: tuple[AttackResult, ...]
    controls: tuple[AttackResult, ...]
    delta: float | None
    game: Mapping[str, Any]

    def __getitem__(self, name: str) -> AttackResult:
        """Return the result of an attack by its name."""
        for result in self.results:
            if result.name == name:
                return result
        raise InputError("attack", name, f"one of {', '.join(r.name for r in self.results)}")

    def only(self, name: str) -> AttackReport | None:
        """Return the report of one attack, or ``None`` where it was not run."""
        places = [place for place, result in enumerate(self.results) if result.name == name]
        if not places:
            return None
        results, controls = (tuple(some[p] for p in places if some) for some in (self.results, self.controls))
        return replace(self, results=results, controls=controls)

    def beating(self, level: float = FALSE_ALARM) -> tuple[str, ...]:
        """Return the attacks whose accuracy exceeds (1 + Δ)/2 significantly: one that does sees too much.

        Each test is valid at every number of training runs; the level is divided by their number (Bonferroni).
        """
        share = checked_significance(level) / len(self.results)
        p_values = {r.name: r.excess_p_value() for r in self.results}
        return tuple(name for name, p in p_values.items() if p is not None and p < share)

    def off_chance(self, level: float = FALSE_ALARM) -> tuple[str, ...]:
        """Return the attacks whose accuracy differs from one half significantly in the control."""
        share = checked_significance(level) / max(len(self.controls), 1)
        return tuple(r.name for r in self.controls if r.chance_p_value() < share)

    def to_frame(self) -> pd.DataFrame:
        """Return one row an attack, those of the control below."""
        import pandas as pd

        return pd.concat([r.to_frame() for r in (*self.results, *self.controls)])

    def comparison(self) -> pd.DataFrame:
        """Return the differences of the AUCs of all pairs of attacks, with standard errors on the same points."""
        import pandas as pd

        rows = []
        for i, one in enumerate(self.results):
            for two in self.results[i + 1 :]:
                difference, error = one.versus(two)
                rows.append({"attack": one.name, "other": two.name, "difference": difference, "std_error": error})
        return pd.DataFrame(rows, columns=["attack", "other", "difference", "std_error"])

    def tables(self) -> list[Table]:
        """Return accuracy, AUC and rates of each attack with their intervals."""
        return [attack_table(self.title(), [("", self)], wide=True)]

    def title(self) -> str:
        """Return the caption of the table."""
        quantizer = self.game.get("quantizer") or "no quantizer"
        return f"Attacks on membership, {self.game.get('source')}, {quantizer}, n = {self.game.get('n')}"

    def remarks(self) -> list[str]:
        """Return the verdicts."""
        return self.verdicts()

    def verdicts(self) -> list[str]:
        """Return the outcome of the two checks, and what the intervals rest on, in plain sentences."""
        first = self.results[0]
        found = []
        if self.delta is None:
            found.append("The optimum is not known: the attacks bound what leaks from below.")
        else:
            beating = ", ".join(self.beating())
            found.append(
                f"Optimal accuracy {0.5 * (1.0 + self.delta):.4f}: "
                + (f"EXCEEDED by {beating}." if beating else f"no attack exceeds it (level {FALSE_ALARM:g}).")
            )
        if self.controls:
            off = ", ".join(self.off_chance())
            kind = self.controls[0].control
            found.append(
                f"Control ({kind}): "
                + (f"NOT at chance: {off}." if off else f"every attack is at chance (level {FALSE_ALARM:g}).")
            )
        exact = "exact" if first.pairs == 1 else "adjusted for points that share a training run"
        found.append(
            f"{first.trainings} target training runs with {first.pairs} pair(s) each; intervals of rates are {exact}, "
            "at thresholds fixed on other training runs."
        )
        if any(not rate.resolved for result in self.results for rate in result.rates):
            found.append("* too few non-members in the calibration training runs to fix a threshold for this rate.")
        return found

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the accuracy of each attack with its interval; returns the axes.

        Parameters
        ----------
        ax : matplotlib axes, optional
            Where to draw; by default a new figure.
        """
        from qmis_stats.audit.attacks.accuracy_plot import accuracy_plot

        attacks, controls = (
            [(result.name, result.accuracy, result.accuracy_interval()) for result in results]
            for results in (self.results, self.controls)
        )
        return accuracy_plot(attacks, controls, self.delta, ax)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        return {
            "game": dict(self.game),
            "delta": self.delta,
            "results": [r.to_dict() for r in self.results],
            "controls": [r.to_dict() for r in self.controls],
            "beating_the_optimum": list(self.beating()),
            "off_chance_in_control": list(self.off_chance()),
        }


def attack_table(caption: str, parts: Sequence[tuple[str, AttackReport]], *, wide: bool = False) -> Table:
    """Return accuracy, AUC and rates of each attack, a row each; a rate without a sure threshold has an asterisk.

    Parameters
    ----------
    caption : str
        What it shows.
    parts : sequence of (str, AttackReport)
        A row with this name alone heads the attacks of each, unless it is empty.
    wide : bool
        Whether rates have their intervals, and the accuracy in the control is there: too much for a terminal.
    """
    rows: list[tuple[str, ...]] = []
    ends, controlled = ("low", "high") if wide else (), wide and all(report.controls for _, report in parts)
    rates = [f"{rate.nominal:g}" for rate in parts[0][1].results[0].rates]
    heads = ("attack", "acc.", "low", "high", "AUC", "low", "high", *(head for rate in rates for head in (rate, *ends)))
    heads += ("control",) * controlled
    for name, report in parts:
        if name:
            rows.append((name, *[""] * (len(heads) - 1)))
        for place, result in enumerate(report.results):
            numbers = (result.accuracy, *result.accuracy_interval(), result.auc, *result.auc_interval())
            cells = [f"{'  ' if name else ''}{result.name}", *map(number, numbers)]
            for rate in result.rates:
                cells.append(number(rate.tpr[0]) + "*" * (not rate.resolved))
                cells += map(number, rate.tpr[1:] if wide else ())
            if controlled:
                cells.append(number(report.controls[place].accuracy))
            rows.append(tuple(cells))
    return Table(caption, heads, rows)
