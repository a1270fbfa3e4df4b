"""Scores: every procedure as an argmin over sums, one representation a family of laws."""

from qmis_stats.scores.base import Draw, PointRule, ScoreModel, fixed_order_dot
from qmis_stats.scores.canonical import CanonicalScores, CodewordScores, ThresholdScores
from qmis_stats.scores.canonical_faces import codeword_increment, threshold_increment
from qmis_stats.scores.canonical_increment import CanonicalIncrement
from qmis_stats.scores.finite import FiniteScores
from qmis_stats.scores.gaussian import GaussianScores, reduce_rank
from qmis_stats.scores.mixture import MixtureScores
from qmis_stats.scores.quadratic import QuadraticScores

__all__ = [
    "CanonicalIncrement",
    "CanonicalScores",
    "CodewordScores",
    "Draw",
    "FiniteScores",
    "GaussianScores",
    "MixtureScores",
    "PointRule",
    "QuadraticScores",
    "ScoreModel",
    "ThresholdScores",
    "codeword_increment",
    "fixed_order_dot",
    "reduce_rank",
    "threshold_increment",
]
