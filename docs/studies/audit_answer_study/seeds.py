"""The same audit with another seed: another split, other training runs, other attacks."""

from __future__ import annotations

from audit_answer_study.said import said

from qmis_stats.audit import audit, bundled, head_for
from qmis_stats.audit.attacks import audit_attacks
from qmis_stats.quantizers import DEFAULT_QUANTIZERS, quantizer

AUDITED = {
    "breast_cancer, linear head": ("breast_cancer", "linear", 0),
    "diabetes, perceptron": ("diabetes", "mlp", 32),
}
"""Data set, head, and training runs that are attacked: none where theory has the answer."""
NAMES = tuple(name for name in DEFAULT_QUANTIZERS if name != "identity")


def answered(name: str, seed: int) -> dict[str, str]:
    """Return what an audit of the default quantizers says, with its attacks."""
    of, kind, trainings = AUDITED[name]
    data, chosen = bundled(of), [quantizer(one) for one in NAMES]
    model = head_for(data, kind)
    attacks = audit_attacks(data, model, chosen, trainings=trainings, seed=seed) if trainings else None
    return said(audit(data, model, chosen, seed=seed), NAMES, attacks)
