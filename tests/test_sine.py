"""The measures of the sine task, on signals whose truth is known."""

import numpy as np
import pytest
from brian2 import DimensionMismatchError, Hz

from brianlearn.tasks import sine

TIME = np.arange(0, 5, 5e-5)


@pytest.mark.parametrize("frequency", [5, 7.3])
@pytest.mark.parametrize("drift", [-0.04, 0, 0.03])
def test_frequency_and_alignment(frequency, drift):
    z = np.sin(2 * np.pi * (frequency + drift) * TIME + 1)
    assert sine.oscillation(TIME, z, frequency) == pytest.approx(frequency + drift, abs=2e-3)
    assert sine.aligned_error(TIME, z, frequency) < 0.1
    assert sine.rms(z - np.sin(2 * np.pi * frequency * TIME)) > 0.3


def test_alignment_sees_the_shape():
    """An error of the amplitude is not aligned away: that of half a sine is 0.5/sqrt(2)."""
    z = 0.5 * np.sin(2 * np.pi * 5 * TIME + 2)
    assert sine.aligned_error(TIME, z, 5) == pytest.approx(0.5 / np.sqrt(2), rel=1e-6)
    assert sine.aligned_error(TIME, np.zeros_like(TIME), 5) == pytest.approx(np.sqrt(0.5), rel=1e-6)


def test_too_short():
    few = TIME[:100]
    assert np.isnan(sine.aligned_error(few, few, 5))
    assert np.isnan(sine.oscillation(few, few, 5))
    assert np.isnan(sine.rms([]))


def test_target():
    assert sine.target(5 * Hz) == "sin(2*pi*5.0*Hz*t)"
    with pytest.raises(ValueError, match="frequency is -5. Hz, but must be positive"):
        sine.target(-5 * Hz)
    with pytest.raises(DimensionMismatchError, match="frequency needs a unit"):
        sine.target(5)
