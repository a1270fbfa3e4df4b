"""Cells of the limiting normal law of an estimate, with their probabilities and centroids (Statement S7)."""

from __future__ import annotations

import math

import numpy as np

from qmis_stats.arrays import FloatArray, IntArray
from qmis_stats.scores import GaussianScores
from qmis_stats.theory.points import normal_rule

__all__ = ["cell_centroids", "cells_of_limit", "centroids", "line_edges"]


def cells_of_limit(scores: GaussianScores, nodes: FloatArray, n: int) -> IntArray:
    """Return the cell of each node, shape (M,), at sample size n."""
    totals = math.sqrt(n) * scores.constant + nodes @ scores.linear.T
    return np.asarray(np.argmin(totals, axis=1), dtype=np.int64)


def line_edges(scores: GaussianScores) -> FloatArray:
    """Return the break points of the lower envelope of ``constant + linear·w``, sorted."""
    slopes = scores.linear[:, 0]
    order = np.lexsort((scores.constant, -slopes))
    hull: list[int] = []
    cuts: list[float] = []
    for k in order:
        if hull and slopes[k] == slopes[hull[-1]]:
            continue
        while hull:
            top = hull[-1]
            cut = float((scores.constant[k] - scores.constant[top]) / (slopes[top] - slopes[k]))
            if not cuts or cut > cuts[-1]:
                cuts.append(cut)
                break
            hull.pop()
            cuts.pop()
        hull.append(int(k))
    return np.array(cuts)


def centroids(scores: GaussianScores, n: int) -> tuple[FloatArray, FloatArray]:
    """Return probabilities and centroids of the limit's cells by the rule for N(0, I_q)."""
    nodes, weights = normal_rule(scores.rank)
    return cell_centroids(cells_of_limit(scores, nodes, n), nodes, weights)


def cell_centroids(cell: IntArray, nodes: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the cells' probabilities (K,) and centroids (K, q) from weighted nodes and the cell of each."""
    probability = np.bincount(cell, weights)
    first = np.stack([np.bincount(cell, weights * column) for column in nodes.T], axis=1)
    seen = probability > 0.0
    centroid = np.zeros(first.shape)
    centroid[seen] = first[seen] / probability[seen, None]
    return np.asarray(probability, dtype=np.float64), centroid
