"""Neurons that compare the times of their inputs: dendrites that multiply (delays and coincidence).

Each input has a dendrite of its own, and what the soma makes of two of them is largest when their
spikes arrive together: the neuron measures the difference of its inputs' delays.
"""

from itertools import combinations

from brian2 import ms

from brianlearn import surrogates
from brianlearn.checks import is_whole
from brianlearn.surrogates import Surrogate
from brianlearn.template import Parameter, Template

__all__ = ["CITATION", "delay_dendrite", "linear_readout"]

CITATION = (
    "Jeffress (1948). A place theory of sound localization. Journal of Comparative and "
    "Physiological Psychology 41:35-39. doi:10.1037/h0061495. Gabbiani, Krapp, Koch and Laurent "
    "(2002). Multiplicative computation in a visual neuron sensitive to looming. Nature "
    "420:320-324. doi:10.1038/nature01190."
)

_SOMAS = {
    # what one pair adds, and its derivative by the first and by the second of it
    "product": ("{a}*{b}", "{b}", "{a}"),
    "difference": ("-({a} - {b})**2", "-2*({a} - {b})", "-2*({b} - {a})"),
}


def delay_dendrite(
    inputs: int = 2,
    *,
    pairs: str = "first",
    soma: str = "product",
    spiking: bool = False,
    surrogate: Surrogate = surrogates.piecewise_linear,
) -> Template:
    """A neuron with ``inputs`` dendrites ``u_1``, ``u_2``, ..., which hear ``x_1``, ``x_2``, ...

    Each spike adds its weight to its dendrite, which decays with ``tau_m``.

    Parameters
    ----------
    inputs : int
        2 or more.
    pairs : {"first", "all"}
        Which dendrites meet: each with the first, or each with each.
    soma : {"product", "difference"}
        What two of them add in a time step: their product, or minus the square of their difference.
    spiking : bool
        If not, the soma ``v`` sums this up over the trial, and can be a readout (it has
        ``target``, ``output`` and ``error``). If so, ``v`` is what the present step adds; at
        ``v_th`` the neuron spikes, and all of its dendrites are empty.
    surrogate : Surrogate
        Of the spike.

    Returns
    -------
    Template

    Raises
    ------
    ValueError
        If an argument is none of these.

    Examples
    --------
    >>> detectors = delay_dendrite(3, pairs="all").neurons(20, tau_m=10*ms)
    """
    if not is_whole(inputs, 2):
        raise ValueError(f"inputs is {inputs}, but a comparison needs 2 or more.")
    if pairs not in ("first", "all"):
        raise ValueError(f"pairs is {pairs!r}, but must be 'first' or 'all'.")
    if soma not in _SOMAS:
        raise ValueError(f"soma is {soma!r}, but must be one of {', '.join(_SOMAS)}.")
    names = range(1, inputs + 1)
    meet = [(a, b) for a, b in combinations(names, 2) if pairs == "all" or a == 1]
    return Template(
        name="delay_dendrite",
        equations="\n".join(map(_DENDRITE.format, names)) + (_SPIKES if spiking else _SUMS),
        update=_update(names, meet, _SOMAS[soma], surrogate if spiking else None),
        threshold="z > 0" if spiking else None,
        reset="\n".join(f"u_{k} = 0" for k in names) if spiking else None,
        method="exact",
        parameters={"tau_m": Parameter(10 * ms, "time constant of the dendrites")}
        | (_OF_SPIKES if spiking else {}),
        citation=CITATION,
    )


_DENDRITE = """
du_{0}/dt = -u_{0}/tau_m : 1
x_{0} : 1                           # weights of the spikes that arrive in this step
psi_{0} : 1                         # what the output owes to u_{0}
"""

_SUMS = """
v : 1                               # the integrated sum over pairs
target : 1
output : 1
error : 1
learning_signal : 1
"""

_SPIKES = """
v : 1                               # the present sum over pairs
z : 1                               # 1 in the step of a spike, else 0
learning_signal : 1
"""

_OF_SPIKES = {
    "v_th": Parameter(1.0, "threshold of the sum over pairs"),
    "psi_height": Parameter(0.3, "height of the surrogate gradient"),
    "psi_width": Parameter(1.0, "width of the surrogate gradient"),
    "empties": Parameter(True, "a spike empties the dendrites, which learners have to know"),
}


def _update(names, meet, soma, surrogate):
    """What happens in a time step after the dendrites have decayed."""
    added, by_first, by_second = soma
    owed = {k: [] for k in names}
    for a, b in meet:
        dendrites = {"a": f"u_{a}", "b": f"u_{b}"}
        owed[a].append(by_first.format(**dendrites))
        owed[b].append(by_second.format(**dendrites))
    total = " + ".join(added.format(a=f"u_{a}", b=f"u_{b}") for a, b in meet)
    lines = [f"u_{k} = u_{k} + x_{k}\nx_{k} = 0" for k in names]
    factor = ""
    if surrogate is None:
        lines.append(f"v = v + {total}")
    else:
        lines += [f"v = {total}", "z = int(v >= v_th)", f"slope = {surrogate.of('v - v_th')}"]
        factor = "slope*"
    lines += [f"psi_{k} = {factor}({' + '.join(owed[k])})" for k in names]
    return "\n".join(lines)


linear_readout = Template(
    name="linear_readout",
    equations="""
    v : 1                           # set by a `Graded` connection in each step
    target : 1
    output : 1
    error : 1
    """,
)
