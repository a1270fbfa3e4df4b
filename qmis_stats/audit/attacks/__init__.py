"""Attacks on membership against released quantized weights, beside the most powerful attack where it is known (S1)."""

from qmis_stats.audit.attacks.attack_report import AttackReport
from qmis_stats.audit.attacks.attack_result import ATTACK_FPR, AttackResult, Rate
from qmis_stats.audit.attacks.attacking import run_attacks
from qmis_stats.audit.attacks.audited import ATTACKS, audit_attacks, self_check
from qmis_stats.audit.attacks.base import Attack
from qmis_stats.audit.attacks.discriminator import Discriminator
from qmis_stats.audit.attacks.game import AttackGame, Known, Shown, Trainings
from qmis_stats.audit.attacks.game_settings import Sampler
from qmis_stats.audit.attacks.lira import LiRA
from qmis_stats.audit.attacks.playing import play
from qmis_stats.audit.attacks.read_out import ReadOut
from qmis_stats.audit.attacks.side_by_side import AttackAudit
from qmis_stats.audit.attacks.simple import BayesOptimal, LossThreshold
from qmis_stats.audit.attacks.solvable import Solvable, solvable
from qmis_stats.audit.attacks.training_measure import per_release
from qmis_stats.audit.attacks.unit_attack import LocationsAndScales
from qmis_stats.inference.areas import delong
from qmis_stats.inference.shares import clopper_pearson

__all__ = [
    "ATTACKS",
    "ATTACK_FPR",
    "Attack",
    "AttackAudit",
    "AttackGame",
    "AttackReport",
    "AttackResult",
    "BayesOptimal",
    "Discriminator",
    "Known",
    "LiRA",
    "LocationsAndScales",
    "LossThreshold",
    "Rate",
    "ReadOut",
    "Sampler",
    "Shown",
    "Solvable",
    "Trainings",
    "audit_attacks",
    "clopper_pearson",
    "delong",
    "per_release",
    "play",
    "run_attacks",
    "self_check",
    "solvable",
]
