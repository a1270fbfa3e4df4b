"""Experiment files: a law, a procedure and a run, written in TOML."""

from qmis_stats.experiment.load import Experiment, load_experiment, parse_experiment
from qmis_stats.experiment.outcome import Outcome, run_experiment
from qmis_stats.experiment.refusal import ExperimentError

__all__ = [
    "Experiment",
    "ExperimentError",
    "Outcome",
    "load_experiment",
    "parse_experiment",
    "run_experiment",
]
