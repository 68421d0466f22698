"""Learning at a spike: what a synapse has collected since the last one, then the spike's weight.

A spike that arrives at step a finds the errors of all steps up to a - 1, so the learning signals of
all up to a - 2: these are what its synapses learn from before they transmit it. The trace that the
spike itself leaves begins at a. After ``cutoff`` steps without a spike a synapse learns no more,
and its traces only decay; until then its row, the synapses of a presynaptic neuron, is live.
"""

from importlib.resources import files

import numpy as np

from brianlearn.kernel import Kernel
from brianlearn.learners.spike_rows import NEVER, Rows
from brianlearn.optimizers import Adam

__all__ = ["ROW_STATES", "kernel_at_spikes", "learn_at_spikes"]

ROW_STATES = (
    "begin", "done", "arrived", "live", "due", "trace", "rates", "traces", "adaptation",
    "pending", "counts", "power_1", "power_2", "m", "v",
)  # fmt: skip


def learn_at_spikes(
    now, spikes, first, sources, targets, rows, columns, connected, weights, complete, coming,
    sums, block, powers, alpha, kappas, adapts, beta, rho, direct, cutoff, learning,
    learning_rate, lower, upper, adam, each_step, beta_1, beta_2, epsilon, begin, done, arrived,
    live, due, trace, rates, traces, adaptation, pending, counts, power_1, power_2, m, v,
):  # fmt: skip
    """The Python form: before this step's spikes are transmitted, their weights are learned."""
    arrival, all_rows = now[0] + 1, Rows(locals())
    lively = np.nonzero(live)[0]
    if block[0]:
        if all_rows.tau == block[0]:
            all_rows.cross(lively)
    elif done[0] < all_rows.complete_step:
        all_rows.step(lively)
    done[0] = all_rows.complete_step
    ends = lively[arrived[lively] - 2 + cutoff[0] == all_rows.complete_step]
    if block[0]:
        all_rows.leave(ends)
    live[ends] = 0

    spiking = spikes[: spikes[-1]] - first[0]
    here = (spiking >= 0) & (spiking < sources[0])
    spiking, times = np.unique(spiking[here], return_counts=True)
    asleep = spiking[(live[spiking] == 0) & (arrived[spiking] != NEVER)]
    all_rows.decay(asleep)
    all_rows.learn(spiking)
    if block[0]:
        all_rows.enter(asleep)
        all_rows.take_up(spiking)
    live[spiking], arrived[spiking] = 1, arrival
    if not block[0]:
        due[spiking] |= 4  # two steps from now
    rates[spiking] = learning_rate[0] if learning[0] else 0
    all_rows.count(spiking[times > 1])


def kernel_at_spikes(connection, signals: Kernel, filters, neurons: dict, rule, trials, name: str):
    """The kernel that runs right before a projection propagates the same spikes.

    Parameters
    ----------
    connection : Projection
    signals : Kernel
        Of `signals_of_neurons` or `signals_of_readouts`.
    filters : Filters
    neurons : dict
        ``direct`` for readouts; ``adapts``, ``beta`` and ``rho`` of the targets.
    rule : EProp
    trials : Trials
    name : str
    """
    m, size = connection.sources, connection.variables["weights"].size
    dense, mask, optimizer = connection.is_dense, connection.mask, rule.optimizer
    nowhere = np.full(1, -1, np.int32)
    adam = isinstance(optimizer, Adam)
    numbers = {key: float(getattr(optimizer, key, 0.0)) for key in ("beta_1", "beta_2", "epsilon")}
    return Kernel(
        learn_at_spikes,
        files("brianlearn.learners") / "spike_update.h",
        {
            **{
                key: (signals, key)
                for key in ("now", "complete", "coming", "sums", "block", "powers")
            },
            "spikes": (connection, "spikes"),
            "first": (connection, "first"),
            "sources": np.int64(m),
            "targets": np.int64(connection.targets),
            "rows": nowhere if dense else (connection, "rows"),
            "columns": nowhere if dense else (connection, "columns"),
            "connected": mask.ravel() if dense and not mask.all() else np.ones(1, dtype=bool),
            "weights": (connection, "weights"),
            "alpha": filters.alpha,
            "kappas": np.array(filters.kappas),
            **neurons,
            "cutoff": np.int64(rule.cutoff_steps(trials.clock.dt)),
            "learning": (trials, "learning"),
            "learning_rate": float(optimizer.learning_rate),
            "lower": float(optimizer.lower),
            "upper": float(optimizer.upper),
            "adam": np.int64(adam),
            "each_step": np.int64(rule.each_step),
            **numbers,
            **_states(m, size, filters, bool(neurons["adapts"]), adam),
        },
        clock=trials.clock,
        when=connection.when,
        order=connection.order - 1,
        name=name,
    )


def _states(m, size, filters, adapting, adam):
    """What is kept of rows and synapses, as before the first step."""
    return {
        "begin": np.int64(0),
        "done": np.int64(NEVER),
        "arrived": np.full(m, NEVER),
        "live": np.zeros(m, np.int64),
        "due": np.zeros(m, np.int64),
        "trace": np.zeros(m),
        "rates": np.zeros(m),
        "traces": np.zeros(len(filters.kappas) * size),
        "adaptation": np.zeros(size if adapting else 1),
        "pending": np.zeros(size),
        "counts": np.ones(m, np.int64),
        "power_1": np.ones(m),
        "power_2": np.ones(m),
        "m": np.zeros(size if adam else 1),
        "v": np.zeros(size if adam else 1),
    }
