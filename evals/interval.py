"""An interval: between which values the mean over all such cases lies, by resampling these.

Two kinds, chosen by simulated coverage of the true mean at 95 % (`tests/evals/test_compare.py`):

* Shares, from 0 to 1: the Bayesian bootstrap (Rubin 1981) with half a case more at 0 and half a
  case more at 1. For yes-or-no metrics this is Jeffreys' interval (Brown, Cai and DasGupta 2001).
  Sixty cases that are right with probability 0.97 are covered at 97 %, with the percentile
  bootstrap at 83 %, with BCa at 80 %: from a sample that is all right, these two conclude that
  there is no doubt. Mixed shares are covered at 95 to 96 %.
* Everything else, and differences: the percentile bootstrap (Efron 1979). BCa (Efron 1987) covers
  no more here, and less where most differences are 0, as they are between two like releases.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
RESAMPLES = 4000
SEED = 20_000
"""Fixed: the same scores give the same interval, on every machine."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean, and the range at 95 % confidence. All are NaN when there are no values."""

    mean: float
    low: float
    high: float


def of_shares(values: Sequence[float]) -> Interval:
    """Of values from 0 to 1. Also where all are the same the interval has a width."""
    if not values:
        return _NOTHING
    array = np.asarray(values, float)
    random = np.random.default_rng(SEED)
    weights = random.exponential(size=(RESAMPLES, len(array)))
    at_bounds = random.gamma(0.5, size=(RESAMPLES, 2))
    total = weights.sum(axis=1) + at_bounds.sum(axis=1)
    means = (weights @ array + at_bounds[:, 1]) / total
    low, high = _middle(means)
    mean = float(array.mean())
    # Where all cases are right, so is the mean: no interval leaves out what was measured.
    return Interval(mean, min(low, mean), max(high, mean))


def of_values(values: Sequence[float]) -> Interval:
    """Of values without bounds, such as milliseconds, and of differences."""
    if not values:
        return _NOTHING
    array = np.asarray(values, float)
    picks = np.random.default_rng(SEED).integers(0, len(array), (RESAMPLES, len(array)))
    low, high = _middle(array[picks].mean(axis=1))
    return Interval(float(array.mean()), low, high)


def _middle(means: NDArray[np.float64]) -> tuple[float, float]:
    outside = (1 - LEVEL) / 2
    low, high = np.quantile(means, (outside, 1 - outside))
    return float(low), float(high)


_NOTHING = Interval(math.nan, math.nan, math.nan)
