"""Figures for papers: one recipe a module, each with ``compute`` (numbers) and ``draw`` (ink).

``qmis figures`` runs them; the docstring of a recipe is the caption of its figure.
"""

FIGURES = (
    "convergence",
    "uniformity",
    "shrinking_cells",
    "indicator_exponent",
    "high_dimension",
    "attack_roc",
    "rank_sets",
    "synthetic",
    "molecules",
    "coverage",
    "run_times",
)
"""Names of the recipes, in the order of the gallery."""
