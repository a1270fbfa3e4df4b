"""Holm's procedure is that of statsmodels, ties and all, and decides at the rate that it is asked for."""

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from qmis_stats.inference.holm import adjusted, decided


@pytest.mark.parametrize("count", [1, 2, 7, 40])
def test_it_is_that_of_statsmodels(count, monkeypatch):
    monkeypatch.setattr("gc.collect", lambda: 0)  # which it does at every call
    rng = np.random.default_rng(count)
    for _ in range(50):
        p = np.round(rng.random(count) ** 3 / 5.0, 2)  # with ties, zeros, and values at the border
        for rate in (0.01, 0.05, 0.2):
            rejected, expected, *_ = multipletests(p, alpha=rate, method="holm")
            np.testing.assert_array_equal(decided(p, rate), rejected)
            np.testing.assert_array_equal(adjusted(p), expected)


def test_nothing_is_decided_of_nothing():
    assert adjusted(np.empty(0)).size == decided(np.empty(0), 0.05).size == 0
