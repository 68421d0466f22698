"""The waves task: a frozen pattern of input spikes, and a sum of four sines to make of it.

The task on which e-prop is compared with its authors' code (Bellec et al. 2020, Nature
Communications 11:3625), drawn by NumPy's legacy generator in the published order, so that
``draw(1)`` holds the published numbers.
"""

from dataclasses import dataclass

import numpy as np

from brianlearn.checks import check_whole

__all__ = ["Waves", "Weights", "draw", "normal_weights", "single"]

SPIKE_PROBABILITY = 0.05  # per input and step
CYCLES = (1, 2, 3, 5)  # of the four sines within a trial


@dataclass(frozen=True, eq=False)
class Weights:
    """Initial weights of a recurrent network with readouts, indexed ``[source, target]``.

    They are float64 numbers rounded to single precision, as published.

    Parameters
    ----------
    w_in : array (n_in, n_rec)
        From the inputs to the recurrent neurons.
    w_rec : array (n_rec, n_rec)
        Among these, with a diagonal of zeros.
    w_out : array (n_rec, n_out)
        To the readouts.
    feedback : array (n_rec, n_out)
        By which a readout's error reaches each recurrent neuron.
    """

    w_in: np.ndarray
    w_rec: np.ndarray
    w_out: np.ndarray
    feedback: np.ndarray


@dataclass(frozen=True, eq=False)
class Waves(Weights):
    """A draw of the task: the weights, and what is shown in every trial.

    Parameters
    ----------
    raster : array of bool (steps, n_in)
        Which inputs spike at which step; none does at step 0.
    target : array (steps, n_out)
        What the readouts should do, within -1 and 1.
    """

    raster: np.ndarray
    target: np.ndarray


def normal_weights(random: np.random.RandomState, n_in: int, n_rec: int):
    """Input and recurrent weights: normal numbers over the root of their sources, no autapses."""
    w_in = random.randn(n_in, n_rec) / np.sqrt(n_in)
    w_rec = random.randn(n_rec, n_rec) / np.sqrt(n_rec)
    np.fill_diagonal(w_rec, 0.0)
    return single(w_in), single(w_rec)


def single(values):
    """Float64 numbers rounded to single precision."""
    return np.asarray(values, np.float32).astype(np.float64)


def _sines(random, steps):
    """A sum of sines of random amplitudes and phases that starts at 0, of largest size 1."""
    amplitudes = random.uniform(0.5, 2.0, len(CYCLES))
    phases = random.uniform(0.0, 2 * np.pi, len(CYCLES))
    total = sum(
        amplitude * np.sin(np.linspace(phase, phase + 2 * np.pi * cycles, steps))
        for amplitude, phase, cycles in zip(amplitudes, phases, CYCLES, strict=True)
    )
    total -= total[0]
    return total / np.abs(total).max()


def draw(seed: int, n_in: int = 100, n_rec: int = 100, n_out: int = 1, steps: int = 1000) -> Waves:
    """Draw weights, input and target; the same for the same seed.

    The numbers are those after ``np.random.seed(seed)``, whose state stays as it is. Several
    readouts have targets of their own.

    Raises
    ------
    ValueError
        If a size is not positive, or there are fewer than 3 steps.

    Examples
    --------
    >>> waves = draw(seed=1)
    >>> waves.w_in.shape, waves.raster.shape, waves.target.shape
    ((100, 100), (1000, 100), (1000, 1))
    >>> float(waves.w_in[0, 0])
    0.16243453323841095
    """
    for name, size, least in (
        ("n_in", n_in, 1),
        ("n_rec", n_rec, 1),
        ("n_out", n_out, 1),
        ("steps", steps, 3),
    ):
        check_whole(name, size, least)
    random = np.random.RandomState(seed)
    w_in, w_rec = normal_weights(random, n_in, n_rec)
    w_out = single(random.randn(n_rec, n_out) / np.sqrt(n_rec))
    feedback = single(random.randn(n_rec, n_out) / np.sqrt(n_rec))
    raster = random.rand(steps, n_in) < SPIKE_PROBABILITY
    raster[0] = False
    target = np.stack([_sines(random, steps) for _ in range(n_out)], axis=1)
    return Waves(w_in, w_rec, w_out, feedback, raster, target)
