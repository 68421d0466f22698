"""The sine task: a target, and what to make of a readout that is left alone with it."""

from itertools import pairwise

import numpy as np
from brian2.units.allunits import hertz
from brian2.units.fundamentalunits import DimensionMismatchError, Quantity, get_dimensions

from brianlearn.checks import plain_array

__all__ = ["aligned_error", "oscillation", "rms", "target"]


def target(frequency: Quantity) -> str:
    """The expression of a sine of unit amplitude.

    Raises
    ------
    brian2.DimensionMismatchError
        If ``frequency`` is not a frequency.
    ValueError
        If it is not positive.

    Examples
    --------
    >>> from brian2 import Hz
    >>> target(5*Hz)
    'sin(2*pi*5.0*Hz*t)'
    """
    if get_dimensions(frequency) is not hertz.dim:
        raise DimensionMismatchError(
            f"frequency needs a unit, such as 5*Hz; got {frequency!r}", get_dimensions(frequency)
        )
    if not frequency > 0 * hertz:
        raise ValueError(f"frequency is {frequency}, but must be positive.")
    return f"sin(2*pi*{float(frequency)!r}*Hz*t)"


def rms(values) -> float:
    """Root of the mean square; NaN for no values at all."""
    values = plain_array(values, "values")
    return float(np.sqrt(np.mean(np.square(values)))) if values.size else float("nan")


def _windows(t, frequency):
    """Slices of about a second: as many whole periods as come nearest, at least one."""
    length = max(1, round(frequency)) / frequency
    count = int((t[-1] - t[0]) / length + 1e-6) if len(t) > 1 else 0
    edges = np.searchsorted(t, t[0] + length * np.arange(count + 1) - 1e-9)
    return [slice(a, b) for a, b in pairwise(edges)]


def _phase(t, z, frequency):
    """The phase of the component of ``z`` at ``frequency``, that of a sine being 0."""
    return np.angle(1j * np.sum(z * np.exp(-2j * np.pi * frequency * t)))


def aligned_error(t, z, frequency: float) -> float:
    """Root-mean-square error per second after the best phase shift, averaged.

    A free-running oscillator drifts in phase, which says nothing of the shape it has learned.

    Parameters
    ----------
    t, z : arrays
        Times (seconds) and outputs.
    frequency : float
        Of the target, in Hz.
    """
    errors = []
    for window in _windows(t, frequency):
        angle = 2 * np.pi * frequency * t[window] + _phase(t[window], z[window], frequency)
        errors.append(rms(z[window] - np.sin(angle)))
    return float(np.mean(errors)) if errors else float("nan")


def oscillation(t, z, frequency: float) -> float:
    """The frequency (Hz) at which ``z`` really oscillates, from the drift of its phase.

    Parameters
    ----------
    t, z : arrays
        Times (seconds) and outputs, for at least two seconds.
    frequency : float
        Near which it is sought, in Hz.
    """
    windows = _windows(t, frequency)
    if len(windows) < 2:
        return float("nan")
    phases = np.unwrap([_phase(t[window], z[window], frequency) for window in windows])
    middles = [np.mean(t[window]) for window in windows]
    return float(frequency + np.polyfit(middles, phases, 1)[0] / (2 * np.pi))
