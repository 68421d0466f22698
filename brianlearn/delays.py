"""Delays of a `Projection`: how they are given and shared, and a ring of what is under way.

A spike is put at once into the slot of the ring that its delay says: what counts is the delay at
emission. A delay between two time steps is rounded, or divides the spike between both (linear
interpolation).
"""

import weakref
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from brian2.units.allunits import second
from brian2.units.fundamentalunits import Quantity

from brianlearn.checks import check_clocks, check_flag, plain_array
from brianlearn.errors import DelayError

__all__ = ["Delayed", "Delays", "all_trials", "in_steps", "propagate_delayed"]

HEADER = files("brianlearn") / "delays.h"
OUT_OF_RANGE = 1

all_trials = weakref.WeakSet()  # what may empty a ring


def propagate_delayed(spikes, first, samples, targets, rows, columns, weights, delay_steps,
                      strides, interpolates, slots, now, under_way, hears, fed):  # fmt: skip
    """The Python form: send the rows of the neurons that spiked on their way; deliver what is due.

    ``rows`` of -1 means that every pair has its place in ``weights``. What arrives at a target that
    does not hear is lost.
    """
    ring = under_way.reshape(slots[0], samples[0], targets[0])
    dense = len(rows) == 1
    sources = len(weights) // targets[0] if dense else len(rows) - 1
    for source in spikes[: spikes[-1]] - first[0]:
        if not 0 <= source < samples[0] * sources:
            continue
        sample, i = divmod(source, sources)
        k = (
            np.arange(i * targets[0], (i + 1) * targets[0])
            if dense
            else np.arange(*rows[i : i + 2])
        )
        j = k - i * targets[0] if dense else columns[k]
        delay = delay_steps[i * strides[0] + j * strides[1] + k * strides[2]]
        if not np.all((delay >= 0) & (delay <= slots[0] - 1 - interpolates[0])):
            return OUT_OF_RANGE
        whole = np.floor(delay).astype(int)
        later = delay - whole if interpolates[0] else (delay - whole >= 0.5).astype(float)
        arrival = now[0] + whole
        ring[arrival % slots[0], sample, j] += weights[k] * (1 - later)
        ring[(arrival + 1) % slots[0], sample, j] += weights[k] * later
    deaf = np.flatnonzero(~hears)
    kept = fed[deaf]
    fed += ring[now[0]].ravel()
    fed[deaf] = kept
    ring[now[0]] = 0
    now[0] = (now[0] + 1) % slots[0]


def in_steps(delay, dt, what: str) -> np.ndarray:
    """Times as numbers of time steps; whole or half where only rounding errors say otherwise.

    Raises
    ------
    brian2.DimensionMismatchError
        Naming ``what``, if they are no times.
    """
    steps = plain_array(delay, what, second.dim) / float(dt)
    near = np.round(2 * steps) / 2
    return np.where(np.abs(steps - near) <= 1e-9 * np.maximum(1, np.abs(steps)), near, steps)


@dataclass(frozen=True, eq=False)
class Delays:
    """Delays of a connection, in time steps.

    Attributes
    ----------
    steps : array
        As they are stored: for each connection, source or target, or one for all.
    shape : tuple of int
        Of the delays as sources x targets, 1 where they are shared.
    strides : array of 3 int
        What a source, a target and a connection of a list count in ``steps``.
    maximum : int
        The largest delay possible, in time steps.
    interpolates : bool
    """

    steps: np.ndarray
    shape: tuple
    strides: np.ndarray
    maximum: int
    interpolates: bool

    @classmethod
    def of(cls, delay, max_delay, interpolates, dt, pairs, shape, dense, listed) -> "Delays":
        """Check delays with units, and lay them out.

        Parameters
        ----------
        delay : Quantity
            Of shape () for all, (1, targets), (sources, 1) or (sources, targets); or one for each
            of the pairs.
        max_delay : Quantity or None
            By default, the largest of ``delay``.
        interpolates : bool
        dt : Quantity
        pairs : (array, array)
            Sources and targets of the connections, as they are stored.
        shape : (int, int)
        dense : bool
            Whether every pair has its place in the weights.
        listed : bool
            Whether the pairs were given one by one, as delays may be, too.

        Raises
        ------
        brian2.DimensionMismatchError, ValueError
        brianlearn.errors.DelayError
            If a delay is negative, no number, or longer than ``max_delay``.
        """
        check_flag("interpolate", interpolates)
        steps = in_steps(delay, dt, "delay, such as 2*ms,")
        maximum = longest = steps.max() if steps.size else 0
        if max_delay is not None:
            if np.ndim(max_delay):
                raise ValueError(f"max_delay is {np.shape(max_delay)}, but must be one time.")
            maximum = float(in_steps(max_delay, dt, "max_delay, such as 20*ms,"))
            longest = max_delay
        if not 0 <= maximum < np.inf:
            raise DelayError(f"max_delay is {longest}, but must be a time from 0 on.")
        if max_delay is not None and maximum != round(maximum):
            raise ValueError(f"max_delay ({max_delay}) is not a multiple of the time step, {dt}.")
        maximum = int(np.ceil(maximum))
        i, j = pairs
        if listed and steps.ndim == 1 and steps.shape == i.shape:
            given, steps = steps, np.zeros(shape)
            steps[i, j] = given
        steps = steps.reshape((1, 1) if steps.ndim == 0 else steps.shape)
        if steps.ndim != 2 or any(a not in (1, b) for a, b in zip(steps.shape, shape, strict=True)):
            raise ValueError(
                f"delay is {np.shape(delay)}, but must be one time, or {shape}, or with 1 in place "
                "of either number, for one delay per target or per source."
            )
        whole = steps.shape == shape and np.prod(shape) > 1
        kept = steps[i, j] if whole and not dense else steps.ravel()
        strides = (0, 0, 1) if whole and not dense else _strides(steps.shape)
        delays = cls(kept, steps.shape, np.array(strides), maximum, bool(interpolates))
        delays.check(kept, dt)
        return delays

    def check(self, steps, dt) -> None:
        """Refuse delays that the ring cannot hold.

        Raises
        ------
        brianlearn.errors.DelayError
            Naming the worst.
        """
        wrong = ~((steps >= 0) & (steps <= self.maximum))
        if np.any(wrong):
            raise DelayError(
                f"A delay is {steps[wrong][0] * dt}, but must lie between 0 and max_delay, "
                f"{self.maximum * dt}: give a larger max_delay."
            )

    @property
    def slots(self) -> int:
        """Time steps in the ring."""
        return self.maximum + 1 + self.interpolates

    def arguments(self, neurons: int) -> dict:
        """What a kernel needs of them, besides the connection itself."""
        return {
            "delay_steps": self.steps,
            "strides": self.strides.astype(np.int64),
            "interpolates": np.int64(self.interpolates),
            "slots": np.int64(self.slots),
            "now": np.int64(0),
            "under_way": np.zeros(self.slots * neurons),
        }

    def matrix(self, steps, mask) -> np.ndarray:
        """Stored ``steps`` in their shape: per connection, 0 where there is none."""
        if not self.strides[2]:
            return np.reshape(steps, self.shape)
        matrix = np.zeros(mask.shape)
        matrix[mask] = steps[: mask.sum()]  # of Synapses, the first sample's copy
        return matrix

    def stored(self, steps, mask, dt) -> np.ndarray:
        """The opposite of `matrix`; the errors are those of `of`."""
        steps = plain_array(steps, "delays").astype(float)
        if steps.ndim != 2 or steps.shape != (mask.shape if self.strides[2] else self.shape):
            raise ValueError(f"delays is {steps.shape}, but must be {self.shape}.")
        steps = steps[mask] if self.strides[2] else steps.ravel()
        self.check(steps, dt)
        return steps


def _strides(shape):
    """What source and target count in an array of this shape."""
    return (shape[1] if shape[0] > 1 else 0, int(shape[1] > 1), 0)


class Delayed:
    """The part of a connection that knows its delays; ``layout`` is None if it has none."""

    def remember_delays(self) -> None:
        """Note what the delays count on, once the kernel is made."""
        self._interval = float(self.clock.dt)

    def before_run(self, run_namespace):
        """Brian2's hook: time steps are what they were, and no trial hears the one before."""
        check_clocks(f"'{self.name}'", self.source, self.target)
        if self.layout and float(self.clock.dt) != self._interval:
            raise ValueError(
                f"The time step has changed to {self.clock.dt} since '{self.name}' was made, which "
                "counts its delays in time steps: make it anew."
            )
        here = [one for one in all_trials if one.in_run == id(run_namespace)]
        for trials in here if self.layout else ():
            begun = {id(group) for group in trials.begun_anew}
            if id(self.target) in begun and id(self) not in begun:
                raise ValueError(
                    f"'{self.name}' would deliver delayed spikes of one trial in the next: add it "
                    f"to the reset of '{trials.name}'."
                )
        super().before_run(run_namespace)

    @property
    def delays(self) -> Quantity:
        """The delays in the shape in which they are shared; 0 where there is no connection.

        Raises
        ------
        brianlearn.errors.DelayError
            If there are none.
        """
        layout = self.require_delays()
        steps = layout.matrix(self.present_delay_steps, self.mask)
        return steps * self.clock.dt

    @property
    def present_delay_steps(self) -> np.ndarray:
        """The delays in time steps as they are stored, also before a run in standalone mode."""
        return np.array(self._array("delay_steps"))

    def set_delays(self, delay: Quantity) -> None:
        """Set all delays, given as `delays` shows them; for spikes emitted from now on.

        Raises
        ------
        brian2.DimensionMismatchError, ValueError, brianlearn.errors.DelayError
            If they are no times, of another shape, or outside 0 and ``max_delay``.
        """
        self.set_delay_steps(in_steps(delay, self.clock.dt, "A delay, such as 2*ms,"))

    def set_delay_steps(self, steps) -> None:
        """The same for delays in time steps, to the bit."""
        stored = self.require_delays().stored(steps, self.mask, self.clock.dt)
        self.variables["delay_steps"].set_value(stored)

    def require_delays(self) -> Delays:
        """How the delays are laid out; an error if there are none that could move."""
        if self.layout is None:
            raise DelayError(f"'{self.name}' has no delays: make it with delay and max_delay.")
        return self.layout

    @property
    def states(self) -> list:
        """What begins empty in each trial, for the ``reset`` of `Trials`: the spikes under way."""
        return [(self, "under_way")] if self.layout else []
