"""Learning at a spike: what a synapse has collected since the last one, then the spike's weight.

A spike that arrives at step a finds the errors of all steps up to a - 1, so the learning signals of
all up to a - 2: these are what its synapses learn from before they transmit it. The trace that the
spike itself leaves begins at a. After ``cutoff`` steps without a spike a synapse learns no more,
and its traces only decay.

The Python form goes through these steps one by one. So does the C++ form where it must: for neurons
that adapt, and for optimizers that act in every step. Else it has the same numbers from running sums
(`brianlearn.learners.spike_history`), at a cost that does not grow with the time between two spikes.
"""

from importlib.resources import files
from types import SimpleNamespace

import numpy as np

from brianlearn.kernel import Kernel

__all__ = ["ROW_STATES", "Rows", "learn_at_spikes"]

ROW_STATES = (
    "arrived", "advanced", "twice", "trace", "rates", "traces", "adaptation", "pending",
    "counts", "power_1", "power_2", "m", "v",
)  # fmt: skip
NEVER = -9  # long before the first step


class Rows:
    """The synapses of some presynaptic neurons, a row each, as arrays; in plain NumPy.

    Parameters
    ----------
    arrays : dict
        The arguments of `learn_at_spikes` by name.
    """

    def __init__(self, arrays: dict):
        self.__dict__.update(arrays)
        self.n, self.is_dense = int(self.targets[0]), len(self.rows) == 1
        self.past = self.history.reshape(int(self.length[0]), -1, self.n)
        self.filtered = self.traces.reshape(len(self.kappas), -1)

    def synapses(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All synapses of rows: their places, and for each which of the rows it belongs to."""
        if self.is_dense:
            places = (rows[:, None] * self.n + np.arange(self.n)).ravel()
            of = np.repeat(np.arange(len(rows)), self.n)
            exists = self.connected[places]
            return places[exists], of[exists]
        sizes = self.rows[rows + 1] - self.rows[rows]
        of = np.repeat(np.arange(len(rows)), sizes)
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return self.rows[rows][of] + within, of

    def advance(self, rows: np.ndarray, until: int) -> None:
        """Bring traces and gradients of rows up to a step, as far as the cutoff allows."""
        last = np.minimum(until, self.arrived[rows] - 2 + self.cutoff[0])
        while (late := self.advanced[rows] < last).any():
            rows, last = rows[late], last[late]
            self._step(rows)

    def _step(self, rows):
        """One step of the eligibility traces, each row at its own time."""
        self.advanced[rows] += 1
        e, arrived = self.advanced[rows], self.arrived[rows]
        jump = (e == arrived) | ((e == arrived - 1) & (self.twice[rows] != 0))
        self.trace[rows] = self.alpha[0] * self.trace[rows] + jump
        k, of = self.synapses(rows)
        j = k % self.n if self.is_dense else self.columns[k]
        then = (e % self.length[0])[of]
        zbar = self.trace[rows][of]
        if self.direct[0]:
            self._collect(rows, k, of, self.past[then, 0, j] * zbar)
            return
        eligibility = self.past[then, 0, j] * zbar
        if self.adapts[0]:
            beta = self.beta[j % len(self.beta)]
            eligibility = self.past[then, 0, j] * (zbar - beta * self.adaptation[k])
            self.adaptation[k] = self.rho[0] * self.adaptation[k] + eligibility
        gradient = 0
        for f, kappa in enumerate(self.kappas):
            self.filtered[f, k] = kappa * self.filtered[f, k] + eligibility
            gradient = gradient + self.past[then, 1 + f, j] * self.filtered[f, k]
        self._collect(rows, k, of, gradient)

    def _collect(self, rows, k, of, gradient):
        self.pending[k] += gradient
        if self.each_step[0]:
            self.optimize(rows, k, of, self.advanced[rows] + 4)

    def decay(self, rows: np.ndarray, until: int) -> None:
        """Let the traces of rows that learn no more decay."""
        k, of = self.synapses(rows)
        steps = until - self.advanced[rows]
        self.trace[rows] *= self.alpha[0] ** steps
        for f, kappa in enumerate(self.kappas):
            self.filtered[f, k] *= (kappa**steps)[of]
        if self.adapts[0]:
            self.adaptation[k] *= (self.rho[0] ** steps)[of]
        self.advanced[rows] = until

    def optimize(self, rows, k, of, until) -> None:
        """Change the weights ``k`` of rows by what is pending; Adam counts its steps by time."""
        rates = self.rates[rows]
        if not self.adam[0]:
            self.weights[k] -= rates[of] * self.pending[k]
        while self.adam[0] and (late := self.counts[rows] < until).any():
            self.power_1[rows[late]] *= self.beta_1[0]
            self.power_2[rows[late]] *= self.beta_2[0]
            self.counts[rows[late]] += 1
            length = rates * np.sqrt(1 - self.power_2[rows]) / (1 - self.power_1[rows])
            which = late[of]
            self._adam(k[which], length[of][which])
        self.pending[k] = 0
        self.weights[k] = np.clip(self.weights[k], self.lower[0], self.upper[0])

    def _adam(self, k, length):
        g = self.pending[k]
        self.m[k] = self.beta_1[0] * self.m[k] + (1 - self.beta_1[0]) * g
        self.v[k] = self.beta_2[0] * self.v[k] + (1 - self.beta_2[0]) * g * g
        self.weights[k] -= length * self.m[k] / (np.sqrt(self.v[k]) + self.epsilon[0])
        self.pending[k] = 0

    def receive(self, rows: np.ndarray, arrival: int) -> None:
        """Bring rows up to date for a spike that arrives at a step."""
        known = rows[self.arrived[rows] != NEVER]
        self.advance(known, arrival - 2)
        self.decay(known, arrival - 2)
        if not self.each_step[0]:
            k, of = self.synapses(known)
            self.optimize(known, k, of, np.full(len(known), arrival + 2))


def learn_at_spikes(
    now, length, spikes, first, sources, targets, rows, columns, connected, weights, history, sums,
    block, powers, alpha, kappas, adapts, beta, rho, direct, cutoff, learning, learning_rate, lower,
    upper, adam, each_step, beta_1, beta_2, epsilon, arrived, advanced, twice, trace, rates, traces,
    adaptation, pending, counts, power_1, power_2, m, v,
):  # fmt: skip
    """The Python form: before this step's spikes are transmitted, their weights are learned."""
    arrival = now[0] + 1
    all_rows = Rows(locals())
    if arrival % (length[0] // 2) == 0:  # before the ring forgets
        all_rows.advance(np.nonzero(arrived != NEVER)[0], now[0] - 1)
    spiking = spikes[: spikes[-1]] - first[0]
    spiking = np.unique(spiking[(spiking >= 0) & (spiking < sources[0])])
    all_rows.receive(spiking, arrival)
    advanced[spiking] = arrival - 2
    twice[spiking] = arrived[spiking] == arrival - 1
    arrived[spiking] = arrival
    rates[spiking] = learning_rate[0] if learning[0] else 0


def kernel_at_spikes(connection, past: Kernel, filters, neurons: dict, rule, trials, name: str):
    """The kernel that runs right before a projection propagates the same spikes.

    Parameters
    ----------
    connection : Projection
    past : Kernel
        Of `history_of_neurons` or `history_of_readouts`.
    filters : Filters
    neurons : dict
        ``direct`` for readouts, ``adapts``, ``beta`` and ``rho`` of the targets.
    rule : EProp
    trials : Trials
    name : str
    """
    m, size = connection.sources, connection.variables["weights"].size
    dense, optimizer = connection.is_dense, rule.optimizer
    nowhere = np.full(1, -1, np.int32)
    adam = optimizer.moments != ()
    numbers = {key: float(getattr(optimizer, key, 0.0)) for key in ("beta_1", "beta_2", "epsilon")}
    adapting = bool(neurons["adapts"])
    return Kernel(
        learn_at_spikes,
        files("brianlearn.learners") / "spike_update.h",
        {
            "now": (past, "now"),
            "length": (past, "length"),
            "spikes": (connection, "spikes"),
            "first": (connection, "first"),
            "sources": np.int64(m),
            "targets": np.int64(connection.targets),
            "rows": nowhere if dense else (connection, "rows"),
            "columns": nowhere if dense else (connection, "columns"),
            "connected": connection.mask.ravel() if dense else np.ones(1, dtype=bool),
            "weights": (connection, "weights"),
            "history": (past, "history"),
            "sums": (past, "sums"),
            "block": (past, "block"),
            "powers": (past, "powers"),
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
            "arrived": np.full(m, NEVER),
            "advanced": np.full(m, NEVER),
            "twice": np.zeros(m, np.int64),
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
        },
        clock=trials.clock,
        when=connection.when,
        order=connection.order - 1,
        name=name,
    )
