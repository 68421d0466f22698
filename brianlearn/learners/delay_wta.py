"""Delays found by competition: no gradient, no teacher, only who fires first.

Several neurons hear the same two inputs, each with a delay of its own for the second. The first to
fire has won the presentation and keeps its delay; the others try the next one. Whoever finds a
delay with which it fires earlier wins from then on, so that the delay that fires first of all is
found, and kept.
"""

from dataclasses import dataclass, field

import numpy as np
from brian2 import ms, second
from brian2.groups.neurongroup import NeuronGroup
from brian2.synapses.synapses import Synapses
from brian2.units.fundamentalunits import Quantity

from brianlearn.checks import check_unit, is_number, real_numbers, whole_numbers
from brianlearn.kernel import Steps
from brianlearn.plastic_delay import PlasticDelay

__all__ = ["DelayCompetition", "WinnerTakeAllDelays"]

EQUATIONS = """
du_1/dt = -u_1/tau_dendrite : 1                         # dendrite of the first input
du_2/dt = -u_2/tau_dendrite : 1                         # and of the second, which comes delayed
dv/dt = (competes*gain*u_1*u_2 - v)/tau_soma : 1        # soma: their product, integrated
dtheta/dt = -theta/tau_theta : 1                        # threshold
competes : 1                                            # 1 until someone has won
waits : 1                                               # how many others crossed first
own_delay : second
"""

PRESENTATION = """
begins = int(t_in_timesteps % timestep(presentation, dt) == 0)
ends = int((t_in_timesteps + 1) % timestep(presentation, dt) == 0)
u_1 = u_1*(1 - begins)
u_2 = u_2*(1 - begins)
v = v*(1 - begins)
theta = (theta_0*begins + theta*(1 - begins))*(1 - ends)  # at the end somebody has to win
competes = clip(competes + begins, 0, 1)
waits = waits*(1 - begins)
own_delay = own_delay*int(own_delay < max_delay + step/2)  # behind the last delay comes the first
"""

WON = """
v = 0
theta = theta_0
competes = 0
"""

LOST = """
v_post = 0
theta_post = theta_0
competes_post = 0
own_delay_post += step
"""


@dataclass(frozen=True)
class WinnerTakeAllDelays:
    """Competition for the delay that makes a neuron fire first.

    A neuron has two dendrites, which leak, and a soma that integrates their product: it counts
    coincidences. Its threshold decays, so that the neuron with the largest count fires first. This
    neuron inhibits the others (their soma goes to 0, their threshold is restored, and until the
    next presentation nobody fires again), and each of them moves its delay by one step; behind
    ``max_delay`` comes 0. When several reach their threshold in one time step, the one with the
    lowest index wins: two with one delay never win both, and the search goes on. If nobody has
    fired by the last time step of a presentation, the threshold falls to 0.

    Parameters
    ----------
    presentation : Quantity
        How long each lasts, as the source's patterns do. All states begin anew, but for the delays;
        so it must be long enough for the last spike to arrive before the next begins, and for the
        threshold to fall to what a neuron can reach.
    step, max_delay : Quantity
        The delays are 0, step, 2 step, ..., ``max_delay``.
    reference_delay : Quantity
        That of the first input.
    theta_0 : float
        The threshold at the beginning of a presentation.
    tau_theta, tau_dendrite, tau_soma : Quantity
        Time constants.
    gain : float
        Of the product.

    Raises
    ------
    brian2.DimensionMismatchError
        If a time has no unit of time.
    ValueError
        If a time is not positive, or ``max_delay`` is no multiple of ``step``.

    Notes
    -----
    The search takes at most ``2*max_delay/step`` presentations: in each, all but one move, and
    nobody has more than ``max_delay/step`` steps to go.

    Examples
    --------
    >>> from brian2 import SpikeGeneratorGroup, ms
    >>> source = SpikeGeneratorGroup(2, [0, 1], [5, 8]*ms, period=300*ms)
    >>> rule = WinnerTakeAllDelays(max_delay=20*ms, step=0.1*ms)
    >>> competition = rule.attach(source, [3], [0, 5, 10]*ms)
    """

    presentation: Quantity = field(default_factory=lambda: 300 * ms)
    step: Quantity = field(default_factory=lambda: 0.1 * ms)
    max_delay: Quantity = field(default_factory=lambda: 20 * ms)
    reference_delay: Quantity = field(default_factory=lambda: 10 * ms)
    theta_0: float = 8
    tau_theta: Quantity = field(default_factory=lambda: 50 * ms)
    tau_dendrite: Quantity = field(default_factory=lambda: 0.5 * ms)
    tau_soma: Quantity = field(default_factory=lambda: 1 * second)
    gain: float = 2000

    def __post_init__(self):
        for name, value in vars(self).items():
            if name not in ("theta_0", "gain"):
                Steps(value, name)
                real_numbers(value, name, second.dim, shape=())
            elif not is_number(value):
                raise TypeError(f"{name} is {value!r}, but must be a number without unit.")
            if not (float(value) >= 0 if name == "reference_delay" else float(value) > 0):
                raise ValueError(f"{name} is {value}, but must be positive.")
        if self._places(self.max_delay, "max_delay") < 1:
            raise ValueError(f"max_delay ({self.max_delay}) must be at least a step ({self.step}).")

    @property
    def delays(self) -> Quantity:
        """All that a delay can be."""
        return np.arange(self._places(self.max_delay, "max_delay") + 1) * self.step

    def places(self, delays) -> np.ndarray:
        """How many steps long some delays are.

        Raises
        ------
        brian2.DimensionMismatchError
            If they are no times.
        ValueError
            If one is no whole number of steps, negative, or above ``max_delay``.
        """
        check_unit(delays, second.dim, "A delay")  # a monitor's are welcome
        places = self._places(delays, "A delay")
        if places.min(initial=0) < 0 or places.max(initial=0) >= len(self.delays):
            raise ValueError(f"A delay lies outside 0 s to {self.max_delay}.")
        return places

    def _places(self, delays, what):
        steps = np.asarray(delays, dtype=float) / float(self.step)
        places = np.round(steps)
        if not np.all(np.abs(steps - places) <= 1e-3):
            raise ValueError(f"{what} is no multiple of the step, {self.step}.")
        return places.astype(int)

    def attach(
        self, source, competitors, delays, *, events=None, name="competition"
    ) -> "DelayCompetition":
        """Make the neurons that compete.

        Parameters
        ----------
        source : Group
            Two neurons for each pattern, one after another: its first and its second input.
        competitors : sequence of int
            For each pattern, how many neurons search its delay: at least two.
        delays : Quantity
            Where the search begins, one for each neuron.
        events : dict of str to str, optional
            More events of the neurons, as for `NeuronGroup`: an `EventMonitor` of one that lasts
            some presentations records these alone.
        name : str

        Raises
        ------
        brian2.DimensionMismatchError
            If the delays are no times.
        ValueError
            If the numbers do not fit, a pattern has a single neuron, a delay is no whole number of
            steps up to ``max_delay``, or ``step`` is no whole number of time steps.
        """
        return DelayCompetition(self, source, competitors, delays, events or {}, name)


class DelayCompetition:
    """Neurons that compete for delays; made by `WinnerTakeAllDelays.attach`.

    A `Network` takes it as it takes any collection of Brian2 objects; Brian2's ``run`` without a
    network would not find what is in it.

    Attributes
    ----------
    neurons : NeuronGroup
        The competitors, pattern after pattern. Their spikes are the victories; ``own_delay`` is
        the delay of each.
    pattern : array of int
        Which pattern each of them hears.
    reference, delayed, inhibition : Synapses
        From the first inputs, from the second ones, and among competitors.
    plastic : PlasticDelay
        Of ``delayed``.
    """

    def __init__(self, rule, source, competitors, delays, events, name):
        competitors = whole_numbers(competitors, "competitors")
        if len(source) != 2 * len(competitors) or competitors.min(initial=2) < 2:
            raise ValueError(
                f"'{source.name}' has {len(source)} neurons: two for each of the "
                f"{len(competitors)} patterns are needed, and at least two competitors."
            )
        Steps(rule.step, "step").count(source.clock.dt)  # delays that differ must arrive apart
        self.rule, self.name = rule, name
        delays = real_numbers(delays, "A delay", second.dim) * second
        if rule.places(delays).shape != (competitors.sum(),):
            raise ValueError(
                f"{competitors.sum()} competitors need a delay each: {np.size(delays)}."
            )
        self.pattern = np.repeat(np.arange(len(competitors)), competitors)
        self._namespace = dict(vars(rule))
        self.neurons = self._neurons(events, source.clock)
        self.neurons.own_delay = delays
        self.inhibition = self._inhibition()
        self.reference, self.delayed = self._inputs(source)
        self.plastic = PlasticDelay(
            self.delayed, max_delay=rule.max_delay, name=f"{name}_plastic_delay"
        )

    def __iter__(self):
        # Not a BrianObject that contains them: standalone mode overlooks contained Synapses
        return iter([self.neurons, self.inhibition, self.reference, self.delayed, self.plastic])

    def _neurons(self, events, clock):
        crossing = "v >= theta and competes > 0"
        neurons = NeuronGroup(
            len(self.pattern),
            EQUATIONS,
            threshold=f"{crossing} and waits == 0",
            reset=WON,
            events={**events, "crossing": crossing},
            method="exponential_euler",
            namespace=self._namespace,
            clock=clock,
            name=f"{self.name}_neurons",
        )
        neurons.set_event_schedule("crossing", when="thresholds", order=-2)
        neurons.run_regularly(PRESENTATION, when="start", name=f"{self.name}_presentation")
        return neurons

    def _inhibition(self):
        """All competitors of a pattern on each other."""
        synapses = Synapses(
            self.neurons,
            self.neurons,
            on_pre={"inhibit": LOST, "first_come": "waits_post += int(i < j)"},
            on_event={"inhibit": "spike", "first_come": "crossing"},
            namespace=self._namespace,
            clock=self.neurons.clock,
            name=f"{self.name}_inhibition",
        )
        synapses.first_come.when, synapses.first_come.order = "thresholds", -1  # before they spike
        together = self.pattern[:, np.newaxis] == self.pattern
        i, j = np.nonzero(together & ~np.eye(len(together), dtype=bool))
        synapses.connect(i=i, j=j)
        return synapses

    def _inputs(self, source):
        every = np.arange(len(self.pattern))
        reference = Synapses(
            source, self.neurons, on_pre="u_1_post += 1", delay=self.rule.reference_delay,
            clock=source.clock, name=f"{self.name}_reference",
        )  # fmt: skip
        reference.connect(i=2 * self.pattern, j=every)
        delayed = Synapses(
            source, self.neurons, "d : second", on_pre="u_2_post += 1", clock=source.clock,
            name=f"{self.name}_delayed",
        )  # fmt: skip
        delayed.connect(i=2 * self.pattern + 1, j=every)
        delayed.run_regularly(
            "d = own_delay_post", when="start", order=1, name=f"{self.name}_delays"
        )
        return reference, delayed
