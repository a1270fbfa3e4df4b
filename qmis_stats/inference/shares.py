"""The exact interval of a share."""

from __future__ import annotations

import math

from qmis_stats.errors import InputError
from qmis_stats.validation import checked_level, real_number

__all__ = ["clopper_pearson"]


def clopper_pearson(successes: float, trials: float, level: float = 0.95) -> tuple[float, float]:
    """Return the exact interval for the probability of success in independent trials (Clopper and Pearson 1934).

    Parameters
    ----------
    successes, trials : float
        Counts; other numbers are allowed for effective sample sizes.
    level : float
        Confidence level, at least met whatever the probability.

    Raises
    ------
    InputError
        If the counts are out of order, or the level is not above 0.5 and below 1.

    Examples
    --------
    >>> [round(limit, 4) for limit in clopper_pearson(0, 10)]
    [0.0, 0.3085]
    """
    successes, trials = real_number("successes", successes), real_number("trials", trials)
    if not 0.0 <= successes <= trials or not 0.0 < trials < math.inf:
        raise InputError("successes", (successes, trials), "between 0 and a positive finite number of trials")
    from statsmodels.stats.proportion import proportion_confint  # slow to load

    low, high = proportion_confint(successes, trials, 1.0 - checked_level(level), method="beta")
    return float(low), float(high)
