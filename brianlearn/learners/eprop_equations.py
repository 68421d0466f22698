"""The equations of eligibility traces, for weights and delays, as `EligibilitySynapses` need them.

What a user of networks of their own takes and changes: every line below is Brian2's language.
"""

import re

from brian2.utils.stringtools import word_substitute

from brianlearn.learners.eprop_parts import adapts, find_constant, is_emptied

__all__ = ["DELAY_ON_PRE", "TraceEquations"]

MODEL = """
    w : 1
    jump = 1 - int(spread)*exp(-dt/tau_m) : 1     # the zeta of the target: what a spike adds
    zbar : 1                        # presynaptic spikes, filtered by the membrane
    gradient : 1                    # of this sample's loss, so far in the trial
"""

ON_PRE = """
    x_post += w
    zbar += jump
"""

NEURON_MODEL = """
    eps : 1                         # zbar's part in the adaptation of the threshold
    ebar : 1                        # eligibility, filtered as the readout filters spikes
    eligibility_sum : 1
"""

NEURON_TRACES = ("eps", "ebar", "eligibility_sum")

NEURON_UPDATE = """
    e = psi_post*(zbar - beta*eps)
    eps = exp(-dt/tau_adapt)*eps + e
    ebar = exp(-dt/tau_out)*ebar + (1 - exp(-dt/tau_out))*e
    gradient += learning_signal_post*ebar
    eligibility_sum += e
    zbar *= exp(-dt/tau_m)
"""

# What takes the place of a line: without adaptation; where the readout adds up what it is given,
# instead of filtering it; and where a spike empties the neuron.

WITHOUT_ADAPTATION = "    e = psi_post*(zbar)"
ADDED_UP = "    ebar = ebar + e"
EMPTIED = "    zbar *= exp(-dt/tau_m)*(1 - z_post)"

READOUT_UPDATE = """
    gradient += error_post*zbar
    zbar *= exp(-dt/tau_m)
"""

# Delays: a spike arrives in two parts, after the whole time steps of its delay and one step later.
# How zbar changes with the delay takes the place of zbar in the delay's own traces.

DELAY_MODEL = """
    delay_steps : 1
    lead : second                   # the whole time steps of the delay
    rest = delay_steps - floor(delay_steps) : 1
    slope : 1                       # how zbar changes with the delay
    delay_gradient : 1
"""

SHARE = {True: "later = rest : 1", False: "later = int(rest >= 0.5) : 1"}  # interpolated or rounded

DELAY_ON_PRE = {
    "early": """
    x_post += w*(1 - later)
    zbar += jump*(1 - later)
    slope -= jump
""",
    "late": """
    x_post += w*later
    zbar += jump*later
    slope += jump
""",
}

_OF_DELAYS = {name: f"delay_{name}" for name in ("e", *NEURON_TRACES, "gradient")} | {
    "zbar": "slope"
}


def _of_delays(text: str) -> str:
    """The recursions of the weights' traces for those of the delays.

    What a spike of weight w adds changes by w times the slope; the slope itself decays as zbar.
    """
    place = _line_that_sets(text, "zbar")
    lines = [
        word_substitute(line, _OF_DELAYS if k == place else _OF_DELAYS | {"zbar": "w*slope"})
        for k, line in enumerate(text.split("\n"))
    ]
    return "\n".join(lines)


def _line_that_sets(text: str, variable: str) -> int:
    """The place of the one line that does; an error if there is none, or another."""
    lines = text.split("\n")
    places = [k for k, line in enumerate(lines) if re.match(rf"\s*{variable}\s*[-+*/]?=", line)]
    if len(places) != 1:
        raise ValueError(f"{len(places)} lines set '{variable}', but one should, in:\n{text}")
    return places[0]


def _with_line(text: str, variable: str, *line: str) -> str:
    """The text with another line, or none, in place of the one that sets a variable."""
    lines, place = text.split("\n"), _line_that_sets(text, variable)
    return "\n".join([*lines[:place], *line, *lines[place + 1 :]])


class TraceEquations:
    """The equations for one target: with its constants, and without what it has not got."""

    def __init__(self, target, readout, is_readout, variable, surrogate, layout):
        adapting = adapts(target)
        integrates = not is_readout and (
            "tau_m" not in (readout.namespace or {}) or target is readout
        )
        constants = ["tau_m", "spread", *(["tau_adapt", "beta"] if adapting else [])]
        found = {key: find_constant(target, key) for key in constants}
        self.renamed = {key: f"{key}_post" for key in constants if isinstance(found[key], tuple)}
        given = target.namespace or {}
        self.namespace = {
            key: given.get(key, float(found[key][0]))
            for key in constants
            if key not in self.renamed
        }
        self.renamed |= {"x_post": f"{variable}_post", "psi_post": f"{surrogate}_post"}
        update = READOUT_UPDATE if is_readout else NEURON_UPDATE
        if not (adapting or is_readout):
            update = _with_line(_with_line(update, "e", WITHOUT_ADAPTATION), "eps")
        if integrates:  # the readout adds up what it is given
            update = _with_line(update, "ebar", ADDED_UP)
        else:
            find_constant(readout, "tau_m")
            self.namespace["tau_out"] = readout.namespace["tau_m"]
        if is_emptied(target):
            update = _with_line(update, "zbar", EMPTIED)
        self.model = MODEL + ("" if is_readout else NEURON_MODEL)
        self.traces = ("zbar", "gradient", *(() if is_readout else NEURON_TRACES))
        self.update, self.on_pre = update, self.finish(ON_PRE)
        if layout:
            self.update += _of_delays(update)
            self.model += DELAY_MODEL + SHARE[layout.interpolates]
            self.model += "" if is_readout else word_substitute(NEURON_MODEL, _OF_DELAYS)
            self.traces += tuple(_OF_DELAYS[name] for name in self.traces)
            self.on_pre = {part: self.finish(text) for part, text in DELAY_ON_PRE.items()}

    def finish(self, text):
        """Equations with the names that the groups have for what they use."""
        return word_substitute(text, self.renamed)
