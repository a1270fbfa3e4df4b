"""A folder that keeps finished runs: an interrupted audit goes on, and a finished run is never computed again."""

from __future__ import annotations

from dataclasses import dataclass

from qmis_stats.audit.kept_folder import KeptFolder
from qmis_stats.audit.training_run import Run, Visited

__all__ = ["RunStore"]

_FIELDS = ("losses", "marks", "seen", "prediction")


@dataclass(frozen=True)
class RunStore(KeptFolder):
    """Runs of one specification."""

    def save(self, run: Run) -> None:
        """Write a run."""
        arrays = [getattr(visited, field) for visited in run.visited.values() for field in _FIELDS]
        meta = {
            "number": run.number,
            "checkpoints": run.checkpoints,
            "distinct": run.distinct,
            "seconds": run.seconds,
            "quantizers": list(run.visited),
            "with_scales": list(run.with_scales),
            **({"bits": run.bits} if run.bits else {}),
        }
        self.keep(_name(run.number), arrays, meta)

    def load(self, number: int) -> Run | None:
        """Return a finished run; ``None`` where there is none."""
        found = self.kept(_name(number))
        if found is None:
            return None
        meta, arrays = found
        try:
            visited = {
                name: Visited(*arrays[len(_FIELDS) * q : len(_FIELDS) * (q + 1)])
                for q, name in enumerate(meta["quantizers"])
            }
            scales, bits = tuple(meta["with_scales"]), meta.get("bits", {})
            return Run(number, meta["checkpoints"], meta["distinct"], meta["seconds"], visited, scales, bits)
        except (KeyError, TypeError):
            return None


def _name(number: int) -> str:
    return f"run-{number:05d}"
