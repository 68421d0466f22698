"""`RLS`: recursive least squares, the learner of FORCE."""

from dataclasses import dataclass, field
from importlib.resources import files

import numpy as np
from brian2.units.allunits import second
from brian2.units.fundamentalunits import Quantity, get_dimensions, get_or_create_dimension

from brianlearn import attachment, record, schedule
from brianlearn.checks import check_unit, real_numbers
from brianlearn.errors import DivergenceError
from brianlearn.kernel import Kernel, Signal, Steps
from brianlearn.readout import Readout
from brianlearn.teacher import Teacher, check_teacher, is_teacher

__all__ = ["RLS"]

_HEADER = files("brianlearn.learners") / "rls.h"

OUTPUT_NOT_A_NUMBER, TARGET_NOT_A_NUMBER, INDEFINITE, RUNAWAY = 1, 2, 3, 4

_FAULTS = {
    OUTPUT_NOT_A_NUMBER: (
        DivergenceError,
        "the output z is not a finite number at t = {time}. The likely cause is a network that "
        "diverged under its feedback: lower alpha or the feedback's strength, or check the rates.",
    ),
    TARGET_NOT_A_NUMBER: (
        DivergenceError,
        "the target is not a finite number at t = {time}: check the expression or the array.",
    ),
    INDEFINITE: (
        DivergenceError,
        "P is no longer positive definite at t = {time} (r.P.r is negative or not a number). The "
        "likely cause is rounding after many updates with a large alpha: lower alpha, or update "
        "less often.",
    ),
    RUNAWAY: (
        DivergenceError,
        "the error grows at t = {time}, while r.P.r has stayed above 2 for 20 updates: the "
        "published step, which is not divided by 1 + r.P.r, then overshoots each time. Lower "
        "alpha, or use step='exact'.",
    ),
}


def recursive_least_squares(
    step, learning, every, start, stop, exact, r, z, target, error, phi, P_packed, k, pending,
    product, q, P_trace, P_norm, updates, runaway, runaway_error,
):  # fmt: skip
    """The Python form; the packed lower triangle by rows is what BLAS calls upper by columns."""
    error[:] = z - target
    if not np.isfinite(z).all():
        return OUTPUT_NOT_A_NUMBER
    if not np.isfinite(target).all():
        return TARGET_NOT_A_NUMBER
    if not (learning[0] and step[0] % every[0] == 0 and start[0] < step[0] < stop[0]):
        return 0

    from scipy.linalg.blas import dspmv  # not needed, and slow to import, elsewhere

    _apply_pending(P_packed, k, pending)
    P_trace[0], P_norm[0] = _trace_and_norm(P_packed, len(r))
    k[:] = product[:] = dspmv(len(r), 1, P_packed, r)
    q[0] = r @ k
    if not q[0] >= 0:
        return INDEFINITE
    length = error / (1 + q[0]) if exact[0] else error
    phi -= np.outer(length, k).ravel()
    pending[0] = 1 / (1 + q[0])
    _apply_pending(P_packed, k, pending)

    updates += 1
    if exact[0] or q[0] <= 2:
        runaway[0] = 0
        return 0
    if runaway[0] == 0:
        runaway_error[0] = np.abs(error).max()
    runaway += 1
    return RUNAWAY if runaway[0] >= 20 and np.abs(error).max() > runaway_error[0] else 0


def _apply_pending(P, k, pending):
    """Subtract the last update's outer product, which the C++ form defers to the next update."""
    if pending[0]:
        from scipy.linalg.blas import dspr

        dspr(len(k), -pending[0], k, P, overwrite_ap=True)
        pending[0] = 0


def _diagonal(n):
    """Where the diagonal of a packed lower triangle lies."""
    return np.arange(n) * np.arange(3, n + 3) // 2


def _trace_and_norm(P, n):
    diagonal = P[_diagonal(n)]
    return diagonal.sum(), np.sqrt(2 * (P @ P) - diagonal @ diagonal)


@dataclass(frozen=True, eq=False)
class RLS:
    """Recursive least squares: decoders that keep to the least-squares fit while the network runs.

    Every ``every``, strictly inside (``start``, ``stop``), with rates ``r`` and outputs ``z``:
    ``k = P r``, ``q = r.k``, ``error = z - target``, ``P -= k k^T/(1 + q)``, and the decoders by
    the exact step ``phi -= error k/(1 + q)`` or the published one ``phi -= error k``. This value
    only says so; `attach` makes the learner.

    Parameters
    ----------
    alpha : Quantity
        P starts as ``alpha`` times the identity; in units of one over the rates squared
        (second**2 for rates in Hz).
    every : Quantity
        Time between updates; a multiple of the network's time step.
    start, stop : Quantity
        The window of learning, ends excluded.
    step : {"exact", "published"}
        ``"exact"`` is recursive least squares [1]_. ``"published"`` is the step of [2]_'s code,
        which overshoots while q > 1 and diverges while q stays above 2.

    Raises
    ------
    brian2.DimensionMismatchError
        If a time has no unit of time.
    ValueError
        If the window is empty, ``alpha`` is not positive, or ``step`` is unknown.

    References
    ----------
    .. [1] Sussillo and Abbott (2009). Generating coherent patterns of activity from chaotic neural
       networks. Neuron 63:544. doi:10.1016/j.neuron.2009.07.018
    .. [2] Nicola and Clopath (2017). Supervised learning in spiking neural networks with FORCE
       training. Nature Communications 8:2208. doi:10.1038/s41467-017-01827-3

    Examples
    --------
    >>> from brian2 import Hz, NeuronGroup, ms, second
    >>> neurons = NeuronGroup(10, "r : Hz")
    >>> rule = RLS(alpha=5e-6*second**2, every=2.5*ms, start=5*second, stop=10*second)
    >>> learner = rule.attach(Readout(neurons, "r"), target="sin(2*pi*5*Hz*t)")
    """

    alpha: Quantity
    every: Quantity
    start: Quantity = field(default_factory=lambda: 0 * second)
    stop: Quantity = field(default_factory=lambda: np.inf * second)
    step: str = "exact"

    def __post_init__(self):
        for name in ("every", "start", "stop"):
            Steps(getattr(self, name), name)
        if not self.every > 0 * second or not self.start < self.stop:
            raise ValueError(f"{self} would never update: it needs every > 0 and start < stop.")
        if not real_numbers(self.alpha, "alpha", get_dimensions(self.alpha), shape=()) > 0:
            raise ValueError(f"alpha is {self.alpha}, but must be positive.")
        if self.step not in ("exact", "published"):
            raise ValueError(f"step is '{self.step}', but must be 'exact' or 'published'.")
        attachment.declare(self)

    def attach(self, readout: Readout, target, *, name: str | None = None) -> "RLSLearner":
        """Make the learner of a readout; it runs in every network that the readout is in.

        Parameters
        ----------
        readout : Readout
            With m outputs; it gains the variables ``target`` and ``error``.
        target : str, list of str, TimedArray, array or (group, "variable")
            What the outputs should be, as a function of time, in units of ``z``: an expression
            such as ``"sin(2*pi*5*Hz*t)"`` (or m of them), whose names are looked up where `attach`
            is called; a `TimedArray`; or an array with one row (of m values) per time step. Or a
            variable of m values of another group: what it holds at the start of the time step, as
            the rates do (of a `Readout`, the ``z`` of this step).
        name : str, optional

        Raises
        ------
        brianlearn.errors.LearnerConflictError
            If the readout has a learner already.
        brian2.DimensionMismatchError
            If ``alpha`` or ``target`` is in units that do not fit the readout.
        KeyError, TypeError, ValueError
            If ``target`` is nothing of these, has not m values, or takes other time steps.
        """
        attachment.check_free(self, readout)
        m, dim, taught = len(readout), readout.variables["z"].dim, is_teacher(target)
        if taught:
            check_teacher(target, readout, dim)
            signal = Quantity(np.zeros(m), dim=dim)
        else:
            signal = Signal.of(target, m, name="target", dim=dim, level=1)
        learner = RLSLearner(self, readout, signal, name or f"{readout.name}_rls")
        attachment.attach(learner, readout)
        if taught:
            options = schedule.TARGET, f"{learner.name}_target"
            readout.contained_objects.append(Teacher(target, (learner, "target"), *options))
        return learner


class RLSLearner(Kernel):
    """A running `RLS`; made by `RLS.attach`.

    Attributes
    ----------
    learning : bool
        Set it to False between runs to stop learning; the network then runs as if without.
    target, error : m values
        ``error = z - target``, at every time step.
    q : float
        ``r.P.r`` at the last update: how far the rates are from what P has seen.
    P_trace, P_norm : floats
        Trace (for this matrix, the nuclear norm) and Frobenius norm of P as the last update
        found it.
    updates : int
        The number of updates so far.
    """

    def __init__(self, rule, readout, target, name):
        rates = readout.rates
        n, dim, inverse = len(readout.source), rates.dim, rates.dim**-2
        what = f"alpha of '{name}', one over the square of '{readout.variable}',"
        check_unit(rule.alpha, inverse, what)
        P = np.zeros(n * (n + 1) // 2)
        P[_diagonal(n)] = float(rule.alpha)
        super().__init__(
            recursive_least_squares,
            _HEADER,
            {
                "step": (readout, "t_in_timesteps"),
                "learning": True,
                "every": Steps(rule.every, "every"),
                "start": Steps(rule.start, "start"),
                "stop": Steps(rule.stop, "stop"),
                "exact": rule.step == "exact",
                "r": (readout.source, readout.variable),
                "z": (readout, "z"),
                "target": target,
                "error": Quantity(np.zeros(len(readout)), dim=readout.variables["z"].dim),
                "phi": (readout.decoders, "phi"),
                "P_packed": Quantity(P, dim=inverse),
                "k": Quantity(np.zeros(n), dim=dim**-1),
                "pending": 0.0,
                "product": Quantity(np.zeros(n), dim=dim**-1),
                "q": 0.0,
                "P_trace": Quantity(0.0, dim=inverse),
                "P_norm": Quantity(0.0, dim=inverse),
                "updates": 0,
                "runaway": 0,
                "runaway_error": 0.0,
            },
            size=len(readout),
            faults=_FAULTS,
            clock=readout.clock,
            when=schedule.LEARN.when,
            order=schedule.LEARN.order,
            name=name,
        )
        for variable in ("target", "error"):
            readout.variables.add_reference(variable, self, variable)

    @property
    def P(self) -> Quantity:
        """The inverse correlation of the rates, n x n, with all updates applied."""
        packed, k = self.P_packed_, self.k_
        _apply_pending(packed, k, np.array(self.pending_, ndmin=1))
        P = np.zeros((len(k), len(k)))
        P[np.tril_indices(len(k))] = packed
        P += np.tril(P, -1).T
        return Quantity(P, dim=self.variables["P_packed"].dim)

    def save(self, path) -> None:
        """Write the learner's state to a ``.npz`` file: to go on, save the readout as well."""
        state = {name: np.asarray(self.state(name, use_units=False)) for name in _STATE}
        record.save(path, **state, P_dimensions=self.variables["P_packed"].dim._dims)

    def load(self, path) -> None:
        """Go on from what `save` wrote.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it was saved with another number of neurons, or the file is damaged.
        brian2.DimensionMismatchError
            If it was saved for rates in other units.
        """
        saved = record.load(path, *_STATE, "P_dimensions")
        dim = get_or_create_dimension(saved["P_dimensions"])
        check_unit(dim, self.variables["P_packed"].dim, f"The P of '{self.name}'")
        for name in _STATE:
            self.set_array(name, Quantity(saved[name], dim=self.variables[name].dim))


_STATE = (
    "P_packed", "k", "pending", "q", "P_trace", "P_norm", "updates", "runaway", "runaway_error",
)  # fmt: skip
