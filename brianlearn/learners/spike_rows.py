"""The synapses of presynaptic neurons, a row each: what learning at spikes does to them, in NumPy.

Where sums say what a synapse collects (`brianlearn.learners.spike_signals`), nothing is done
between two spikes. A live row is then kept relative to its block of steps: after the block's step
number tau, with the sums P, Q and Phi of the synapse's target,

    presynaptic trace     zbar = alpha^tau c
    eligibility trace     ebar = kappa^tau (a + c Phi)
    gradient              pending + a P + c Q

A spike acts from the step after the next on, tau + 2. It is taken up at once, though the next
step's P and Q are not known yet: c grows by w = alpha^-(tau + 2), a changes by -w Phi[tau + 1],
which is known, and ``pending`` so that the gradient stays; the step's learning signal cancels out
of it. For neurons that adapt, for Adam, and for optimizers that act in every
step, the traces of live rows are kept step by step instead.
"""

import numpy as np

__all__ = ["NEVER", "Rows"]

NEVER = -9  # long before the first step


class Rows:
    """The synapses of presynaptic neurons, a row each, in plain NumPy.

    Parameters
    ----------
    arrays : dict
        The arguments of `learn_at_spikes` by name.

    Attributes
    ----------
    complete_step : int
        The last step whose learning signals are known.
    """

    def __init__(self, arrays: dict):
        self.__dict__.update(arrays)
        self.n, self.is_dense = int(self.targets[0]), len(self.rows) == 1
        self.told = self.complete.reshape(-1, self.n)
        self.a = self.traces.reshape(len(self.kappas), -1)
        self.complete_step = int(self.now[0]) - 1

    @property
    def tau(self) -> int:
        """How many steps of the block to which live rows are relative are complete."""
        return self.complete_step - int(self.begin[0]) + 1

    def power(self, of: int, exponent: int) -> float:
        """Of alpha (0) or of a kappa (1, 2)."""
        return self.powers.reshape(-1, int(self.block[0]) + 2)[of, exponent]

    def synapses(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All synapses of rows: their places, their targets, and which of the rows they are of."""
        if self.is_dense:
            k = (rows[:, None] * self.n + np.arange(self.n)).ravel()
            of = np.repeat(np.arange(len(rows)), self.n)
            exists = self.connected[k] if len(self.connected) > 1 else slice(None)
            return k[exists], k[exists] % self.n, of[exists]
        sizes = self.rows[rows + 1] - self.rows[rows]
        of = np.repeat(np.arange(len(rows)), sizes)
        k = (
            self.rows[rows][of]
            + np.arange(sizes.sum())
            - np.repeat(np.cumsum(sizes) - sizes, sizes)
        )
        return k, self.columns[k], of

    # -- by sums --------------------------------------------------------------------------------

    def _sums(self, j):
        """P, Q and Phi of targets, filters x synapses each; 0 where a block begins."""
        if self.tau == 0:
            return np.zeros((3, len(self.kappas), len(j)))
        if self.direct[0]:
            return np.stack([0 * self.sums[None, j], self.sums[None, j], 0 * self.sums[None, j]])
        return self.sums.reshape(-1, 3, self.n).swapaxes(0, 1)[:, :, j]

    def gradient(self, rows) -> np.ndarray:
        """What the synapses of live rows have collected in their block."""
        k, j, of = self.synapses(rows)
        P, Q, _ = self._sums(j)
        return (self.a[:, k] * P + self.trace[rows][of] * Q).sum(axis=0)

    def take_up(self, rows) -> None:
        """Let spikes that arrive begin to act when they do."""
        k, j, _ = self.synapses(rows)
        P, Q, _ = self._sums(j)
        ahead = self._ahead(j)
        own = 1 / self.power(0, self.tau + 2)
        self.trace[rows] += own
        if self.direct[0]:
            self.pending[k] -= own * (Q[0] + ahead[0])
        else:
            self.a[:, k] -= own * ahead
            self.pending[k] -= own * (Q - ahead * P).sum(axis=0)

    def _ahead(self, j):
        """By filter, Phi of the next step; of readouts, what Q gains in it. No more is known."""
        powers = self.powers.reshape(-1, int(self.block[0]) + 2)[:, self.tau + 1]
        following = powers[0] * self.coming[j]
        if self.direct[0]:
            return following[None]
        return self._sums(j)[2] + following / powers[1:, None]

    def enter(self, rows) -> None:
        """Keep rows relative to the present block."""
        k, j, of = self.synapses(rows)
        self.trace[rows] /= self.power(0, self.tau)
        _, _, phi = self._sums(j)
        kappas = [self.power(1 + f, self.tau) for f in range(len(self.kappas))]
        self.a[:, k] = self.a[:, k] / np.array(kappas)[:, None] - self.trace[rows][of] * phi
        self.pending[k] -= self.gradient(rows)

    def leave(self, rows) -> None:
        """The opposite of `enter`."""
        k, j, of = self.synapses(rows)
        self.pending[k] += self.gradient(rows)
        _, _, phi = self._sums(j)
        kappas = [self.power(1 + f, self.tau) for f in range(len(self.kappas))]
        self.a[:, k] = np.array(kappas)[:, None] * (self.a[:, k] + self.trace[rows][of] * phi)
        self.trace[rows] *= self.power(0, self.tau)

    def cross(self, rows) -> None:
        """At the end of a block, go over to the next one, whose sums are 0."""
        self.leave(rows)
        self.begin[0] = self.complete_step + 1

    # -- step by step ---------------------------------------------------------------------------

    def step(self, rows) -> None:
        """One step of the eligibility traces of live rows."""
        self.due[rows] >>= 1
        self.trace[rows] = self.alpha[0] * self.trace[rows] + (self.due[rows] & 1)
        k, j, of = self.synapses(rows)
        zbar = self.trace[rows][of]
        if self.direct[0]:
            self.pending[k] += self.told[0, j] * zbar
        else:
            self._filter(k, j, zbar)
        if self.each_step[0]:
            self.optimize(rows, np.full(len(rows), self.complete_step + 4))

    def _filter(self, k, j, zbar):
        eligibility = self.told[0, j] * zbar
        if self.adapts[0]:
            eligibility = self.told[0, j] * (zbar - self.beta[j] * self.adaptation[k])
            self.adaptation[k] = self.rho[0] * self.adaptation[k] + eligibility
        self.a[:, k] = self.kappas[:, None] * self.a[:, k] + eligibility
        self.pending[k] += (self.told[1:, j] * self.a[:, k]).sum(axis=0)

    # -- at a spike -----------------------------------------------------------------------------

    def decay(self, rows) -> None:
        """Let the traces of rows that were not live decay until now."""
        k, _, of = self.synapses(rows)
        steps = self.complete_step - (self.arrived[rows] - 2 + self.cutoff[0])
        self.trace[rows] *= self.alpha[0] ** steps
        for f, kappa in enumerate(self.kappas):
            self.a[f, k] *= (kappa**steps)[of]
        if self.adapts[0]:
            self.adaptation[k] *= (self.rho[0] ** steps)[of]

    def optimize(self, rows, until) -> None:
        """Change the weights of rows by what is pending; Adam counts its steps by time."""
        k, _, of = self.synapses(rows)
        rates = self.rates[rows]
        if not self.adam[0]:
            self.weights[k] -= rates[of] * self.pending[k]
        while self.adam[0] and (late := self.counts[rows] < until).any():
            self.power_1[rows[late]] *= self.beta_1[0]
            self.power_2[rows[late]] *= self.beta_2[0]
            self.counts[rows[late]] += 1
            length = rates * np.sqrt(1 - self.power_2[rows]) / (1 - self.power_1[rows])
            self._adam(k[late[of]], length[of][late[of]])
        self.pending[k] = 0
        self.weights[k] = np.clip(self.weights[k], self.lower[0], self.upper[0])

    def count(self, rows) -> None:
        """Let Adam's steps begin with the first spike that has one before it, be it at once."""
        if self.adam[0] and not self.each_step[0]:
            new = rows[self.counts[rows] < self.complete_step + 4]
            self.optimize(new, np.full(len(new), self.complete_step + 4))

    def _adam(self, k, length):
        g = self.pending[k]
        self.m[k] = self.beta_1[0] * self.m[k] + (1 - self.beta_1[0]) * g
        self.v[k] = self.beta_2[0] * self.v[k] + (1 - self.beta_2[0]) * g * g
        self.weights[k] -= length * self.m[k] / (np.sqrt(self.v[k]) + self.epsilon[0])
        self.pending[k] = 0

    def learn(self, rows) -> None:
        """What spikes that arrive at these rows make them learn."""
        live = rows[self.live[rows] != 0]
        if self.block[0]:
            self.pending[self.synapses(live)[0]] += self.gradient(live)
        known = rows[self.arrived[rows] != NEVER]
        if not self.each_step[0]:
            self.optimize(known, np.full(len(known), self.complete_step + 4))
        if self.block[0]:
            self.pending[self.synapses(live)[0]] -= self.gradient(live)
