"""Finite differences, and a smooth spike that has them."""

import numpy as np

__all__ = ["check_slopes", "soft_spike", "soft_spike_slope"]

STEP = 1e-5


def check_slopes(function, values, gradient, tolerance=1e-6):
    """Compare central differences of `function` of an array with its gradient there."""
    assert np.abs(gradient).max() > 0
    for index in np.ndindex(*values.shape):
        shift = np.zeros_like(values)
        shift[index] = STEP
        slope = (function(values + shift) - function(values - shift)) / (2 * STEP)
        assert abs(slope - gradient[index]) <= tolerance * np.abs(gradient).max(), index


def soft_spike(distance):
    """Return what a surrogate network has in place of a spike, `distance` above the threshold."""
    return 1 / (1 + np.exp(-3 * distance))


def soft_spike_slope(distance):
    """Return the derivative of `soft_spike`."""
    return 3 * soft_spike(distance) * (1 - soft_spike(distance))
