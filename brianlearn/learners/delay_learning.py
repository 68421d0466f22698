"""`DelayLearning`: the exact gradient of neurons that do not spike, by each of their delays."""

from dataclasses import dataclass

import numpy as np

from brianlearn.learners.eprop import EProp

__all__ = ["DelayLearning"]


@dataclass(frozen=True, eq=False)
class DelayLearning(EProp):
    """Learn the delays (and weights) of neurons whose soma sums up what their dendrites make.

    A three-factor rule: how the soma changes with a delay is local, to the spikes that arrive there
    and to the dendrites that they meet; it is summed up over the trial, and multiplied with the
    error of the soma, or of readouts that it leads to by `Graded` connections. The gradient is that
    of interpolated delays, exact; with rounded delays, it is the same by definition. At a whole
    number of time steps, where it jumps, it is that of the right side.

    The parameters are those of `EProp`, with other defaults: only delays learn, and the error
    counts at the trial's last time step, unless ``window`` says otherwise. A connection that is not
    given to `attach` keeps its delays, as that of the reference often does. ``feedback`` matters
    for neurons that `Graded` connections lead to readouts; somas that are readouts know their
    error.

    References
    ----------
    .. [1] Bellec, Scherr, Subramoney, Hajek, Salaj, Legenstein and Maass (2020). A solution to the
       learning dilemma for recurrent networks of spiking neurons. Nature Communications 11:3625.
       doi:10.1038/s41467-020-17236-y

    Examples
    --------
    >>> import numpy as np
    >>> from brian2 import ms
    >>> from brianlearn import Adam, CrossEntropy, Projection, SpikeInput, Trials
    >>> from brianlearn.models import delay_dendrite
    >>> left, right = np.eye(2)[:, :, None] * np.ones((1, 1, 5))  # two inputs, five detectors
    >>> inputs, detectors = SpikeInput(2), delay_dendrite().neurons(5)
    >>> first = Projection(inputs, detectors, left, variable="x_1", delay=10*ms)
    >>> second = Projection(inputs, detectors, right, variable="x_2", max_delay=20*ms,
    ...                     delay=np.linspace(8, 12, 5)[None]*ms, interpolate=True)
    >>> trials = Trials(80*ms, inputs, [detectors, first, second], readout=detectors)
    >>> rule = DelayLearning(loss=CrossEntropy(), delay_optimizer=Adam(0.1))
    >>> learner = rule.attach(trials, detectors, [second])
    """

    learn: tuple | dict = ("delays",)

    def _window(self, trials):
        if self.window is None:
            return np.arange(trials.steps_per_trial) == trials.steps_per_trial - 1
        return super()._window(trials)
