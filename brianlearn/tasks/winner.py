"""Patterns for the winner-take-all search of delays, and which delay wins them all.

Each pattern is a spike train, heard twice: by the first input, and by the second some time earlier
or later. All is in time steps of 0.1 ms.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from brianlearn.checks import whole_numbers

__all__ = ["Patterns", "draw", "firing_steps", "reached", "walks", "winners"]

DT = 1e-4  # seconds
LEAD = 100  # before the first input's first spike, so that the second can be earlier
KINDS = ((5, 300), (20, 1000))  # spikes, in how many steps


@dataclass(frozen=True)
class Patterns:
    """Spike trains of two inputs each.

    Attributes
    ----------
    first, second : list of arrays of int
        For each pattern, the steps in which the inputs spike.
    offsets : array of int
        By how many steps the second is later.
    """

    first: list
    second: list
    offsets: np.ndarray

    def events(self) -> tuple[np.ndarray, np.ndarray]:
        """Which input spikes (two for each pattern, one after another), and when."""
        trains = [train for pair in zip(self.first, self.second, strict=True) for train in pair]
        inputs = np.repeat(np.arange(len(trains)), [len(train) for train in trains])
        return inputs, np.concatenate(trains)


def draw(seed: int, patterns: int, most: int = 100) -> Patterns:
    """Random patterns: by turns of 5 spikes in 30 ms and of 20 in 100 ms.

    Parameters
    ----------
    seed : int
    patterns : int
    most : int
        The largest offset, in steps.

    Raises
    ------
    ValueError
        If there are no patterns, or ``most`` lies outside 0 to 100.

    Examples
    --------
    >>> [len(train) for train in draw(seed=1, patterns=3).first]
    [5, 20, 5]
    """
    if patterns < 1 or not 0 <= most <= LEAD:
        raise ValueError(f"{patterns} patterns with offsets up to {most}: at least 1, 0 to {LEAD}.")
    random = np.random.default_rng(seed)
    first = []
    for k in range(patterns):
        spikes, window = KINDS[k % len(KINDS)]
        first.append(LEAD + np.sort(random.choice(window, spikes, replace=False)))
    offsets = random.integers(-most, most + 1, patterns)
    second = [train + offset for train, offset in zip(first, offsets, strict=True)]
    return Patterns(first, second, offsets)


def firing_steps(patterns: Patterns, rule: Mapping, delays, steps: int) -> np.ndarray:
    """When a neuron with each of the delays would fire, if it were alone: by trying them all.

    Parameters
    ----------
    patterns : Patterns
    rule : mapping
        The parameters of the neuron: ``reference_delay``, ``theta_0``, ``tau_theta``,
        ``tau_dendrite``, ``tau_soma`` (times in seconds, or with units) and ``gain``.
    delays : array of int
        In steps.
    steps : int
        Of a presentation.

    Returns
    -------
    array of int (patterns, delays)
        The step of the first spike; the last one if there was none before.
    """
    dendrite, soma, theta_decay = (
        np.exp(-DT / float(rule[f"tau_{name}"])) for name in ("dendrite", "soma", "theta")
    )
    reference = round(float(rule["reference_delay"]) / DT)
    delays = whole_numbers(delays, "delays, in steps,")
    heard_1, heard_2 = (_raster(trains, steps) for trains in (patterns.first, patterns.second))
    u_1, u_2, v = np.zeros((3, len(heard_1), len(delays)))
    theta = float(rule["theta_0"])
    fired = np.full(v.shape, steps - 1)
    for step in range(steps - 1):
        product = float(rule["gain"]) * u_1 * u_2
        v = product + (v - product) * soma
        u_1, u_2, theta = u_1 * dendrite, u_2 * dendrite, theta * theta_decay
        fired[(v >= theta) & (fired == steps - 1)] = step
        u_1 += _arriving(heard_1, step - np.array([reference]))
        u_2 += _arriving(heard_2, step - delays)
    return fired


def _raster(trains, steps):
    raster = np.zeros((len(trains), steps))
    for row, train in zip(raster, trains, strict=True):
        row[train] = 1
    return raster


def _arriving(raster, emitted):
    """Spikes emitted in these steps; none before the presentation."""
    return raster[:, np.maximum(emitted, 0)] * (emitted >= 0)


def winners(spike_steps, spike_neurons, pattern, presentations: int, steps: int) -> np.ndarray:
    """Who won each presentation of each pattern.

    Parameters
    ----------
    spike_steps, spike_neurons : arrays of int
        All spikes.
    pattern : array of int
        Which pattern each neuron hears.
    presentations, steps : int
        How many, and of how many steps each.

    Returns
    -------
    array of int (presentations, patterns)

    Raises
    ------
    ValueError
        If there was not exactly one winner everywhere.
    """
    won = np.full((presentations, pattern.max() + 1), -1)
    where = np.asarray(spike_steps) // steps, pattern[spike_neurons]
    won[where] = spike_neurons
    if len(spike_neurons) != won.size or won.min() < 0:
        raise ValueError("A presentation had no winner, or several.")
    return won


def walks(first, won: np.ndarray, delays: int) -> np.ndarray:
    """The delay of each neuron in each presentation: it moves by a step when it has not won.

    Parameters
    ----------
    first : array of int
        Delays at first, in steps of the search.
    won : array (presentations, patterns)
        From `winners`.
    delays : int
        How many there are.

    Returns
    -------
    array of int (presentations, neurons)
    """
    moves = np.ones((len(won), len(first)), dtype=int)
    np.put_along_axis(moves, won, 0, axis=1)
    moved = np.vstack([np.zeros_like(moves[:1]), np.cumsum(moves, axis=0)[:-1]])
    return (np.asarray(first) + moved) % delays


def reached(won_with: np.ndarray, best: np.ndarray) -> np.ndarray:
    """From which presentation on (counted from 1) a delay that is best won every time.

    Parameters
    ----------
    won_with : array of int (presentations, patterns)
        The delay of the winner, as an index.
    best : array of bool (patterns, delays)
        Which delays fire first of all.

    Returns
    -------
    array of int (patterns)
        0 where the last winner's delay is not among the best.
    """
    good = np.take_along_axis(best.T, won_with, axis=0)
    since = len(good) - np.argmin(np.vstack([good[::-1], np.zeros((1, best.shape[0]))]), axis=0)
    return np.where(good[-1], since + 1, 0)
