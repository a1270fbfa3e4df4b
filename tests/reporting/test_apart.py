"""Labels of near points: apart, inside, and on their points where these are alone."""

from __future__ import annotations

import numpy as np
import pytest

from qmis_stats.reporting.apart import apart


@pytest.mark.parametrize("points", [np.full((15, 2), 30.0), np.zeros((8, 2)), [[0.0, 10.0], [1.0, 10.0], [2.0, 10.0]]])
def test_labels_are_apart_and_inside(points):
    placed = apart(points, 10.0, 300.0, 200.0)
    gaps = np.hypot(*(placed[:, None] - placed[None]).transpose(2, 0, 1))[np.triu_indices(len(placed), 1)]
    assert gaps.min() > 9.0
    assert placed.min() >= 5.0 - 1e-9
    assert (placed.max(axis=0) <= [295.0, 195.0]).all()


def test_a_label_that_is_alone_stays_on_its_point():
    points = [[20.0, 30.0], [80.0, 30.0]]
    assert apart(points, 10.0, 100.0, 100.0).tolist() == points


def test_the_same_points_have_the_same_places():
    points = np.random.default_rng(1).uniform(0.0, 40.0, size=(12, 2))
    assert (apart(points, 10.0, 100.0, 100.0) == apart(points, 10.0, 100.0, 100.0)).all()
    assert apart([], 10.0, 100.0, 100.0).shape == (0, 2)
