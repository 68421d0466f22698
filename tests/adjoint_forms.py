"""Both forms of the adjoint rule as functions of arrays, and what drives them along a trial."""

from importlib.resources import files

import numpy as np

import eprop_oracle as oracle
from brianlearn.learners import eprop_adjoint
from native import empty, native

__all__ = [
    "HEADER", "NEURONS", "PYTHON", "arguments", "compiled", "differ", "follow", "form", "learn",
    "listing", "mutated", "of_connections",
]  # fmt: skip

HEADER = (files("brianlearn.learners") / "eprop_adjoint.h").read_text()
LISTS = {
    "spikes": "i4", "first": "i8", "sources": "i8", "lag": "i8", "rows": "i4", "columns": "i4",
    "weights": "f", "delay_steps": "f", "strides": "i8", "interpolates": "i8", "reach": "i8",
    "learns": "i8", "arrivals": "i4", "origins": "i4", "counts": "i8", "gradient": "f",
    "delay_gradient": "f",
}  # fmt: skip
TIMES = {"step": "i8", "steps": "i8", "interval": "f", "window": "i8", "learning": "b"}
NEURONS = TIMES | {
    "recording": "b", "samples": "i8", "psi": "f", "spiking": "i4", "empties": "i8", "error": "f",
    "feedback": "f", "learning_signal": "f", "tau_m": "f", "spread": "f", "beta": "f",
    "tau_adapt": "f", "kappa": "f", "gain": "f", "told_later": "i8", "c_reg": "f", "rate": "f",
    "kappa_reg": "f", "deviation": "f", "rate_history": "f", "psi_history": "f",
    "error_history": "f", "spike_counts": "i8", "spike_times": "b",
}  # fmt: skip
NEURONS |= {name: f"{code}*2" for name, code in LISTS.items()} | {"threads": "i8"}
READOUTS = TIMES | {
    "samples": "i8", "error": "f", "tau_m": "f", "spread": "f", "error_history": "f",
}  # fmt: skip
READOUTS |= {name: f"{code}*1" for name, code in LISTS.items()} | {"threads": "i8"}
PYTHON = eprop_adjoint.adjoint, eprop_adjoint.adjoint_readout


def form(text, function="adjoint", parameters=NEURONS, **options):
    """A C++ form, as a text defines it."""
    return native(text, function, headers=["parallel.h"], **options, **parameters)


def compiled():
    """The C++ forms, for neurons and for readouts."""
    return form(HEADER), form(HEADER, "adjoint_readout", READOUTS)


def mutated(text, language):
    """The form for neurons as a changed text defines it, and the one for readouts unchanged."""
    if language == "cpp":
        return form(text, optimized=False), PYTHON[1]
    namespace = {"__name__": "mutant"}
    exec(text, namespace)
    return namespace["adjoint"], PYTHON[1]


def listing(spikes):
    """Who spikes, as Brian2 keeps it: indices (as often as they spike), their number at the end."""
    times = spikes.ravel().astype(int)
    indices = np.repeat(np.arange(times.size), times)
    listed = np.zeros(max(times.size, len(indices)) + 1, dtype=np.int32)
    listed[: len(indices)] = indices
    listed[-1] = len(indices)
    return listed


def arguments(parameters, **values):
    """Arrays for all parameters: those given, as what the rule declares, and zeros."""
    arrays = {}
    for name, code in parameters.items():
        kind, _, count = code.partition("*")
        given_ = values.get(name, [0] * int(count) if count else 0)
        made = [
            np.array(value, dtype=empty(1, kind).dtype).reshape(-1)
            for value in (given_ if count else [given_])
        ]
        arrays[name] = made if count else made[0]
    return arrays


def of_connections(masks, lags, batch, steps):
    """The arguments that exist for each connection; a dense one has no rows and columns."""
    sizes = [(mask.size if mask.all() else mask.sum()) for mask in masks]
    capacity = [batch * steps * len(mask) for mask in masks]
    ends = [np.concatenate([[0], np.cumsum(mask.sum(axis=1))]) for mask in masks]
    return {
        "sources": [len(mask) for mask in masks],
        "lag": lags,
        "rows": [-1 if mask.all() else end for mask, end in zip(masks, ends, strict=True)],
        "columns": [-1 if mask.all() else np.nonzero(mask)[1] for mask in masks],
        "learns": [3 for _ in masks],
        "strides": [np.zeros(3) for _ in masks],
        "arrivals": [np.zeros(n) for n in capacity],
        "origins": [np.zeros(n) for n in capacity],
        "counts": [np.zeros(min(batch, eprop_adjoint.PARTS)) for _ in masks],
        "gradient": [np.zeros(n) for n in sizes],
    }


def follow(case):
    """The oracle's traces of all batches of a case, weights as they are."""
    weights = {name: getattr(case, name) for name in oracle.WEIGHTS}
    return [
        oracle.forward(case, **weights, raster=raster, target=target)
        for raster, target in zip(case.raster, case.target, strict=True)
    ]


def learn(forms, case, traces, masks=None, later=0, **neurons):
    """Drive the forms along the traces of several batches; the gradients of each connection.

    ``masks`` of "w_in" and "w_rec" make these connections sparse; ``later`` says in which step
    readouts hear the spikes of this one, and ``neurons`` replaces constants.
    """
    batch, steps, n_rec = traces[0]["psi"].shape
    k = oracle.constants(case)
    masks = [
        (masks or {}).get(name, np.ones(getattr(case, name).shape, dtype=bool))
        for name in oracle.WEIGHTS
    ]
    common = {"steps": steps, "interval": 1e-3, "samples": batch, "learning": True, "threads": 2}
    common["window"] = neurons.pop("window", case.window or steps)
    common["error_history"] = np.zeros(batch * steps * case.n_out)
    constants = {
        "tau_m": 1e-3 * case.tau_m, "spread": not case.regular, "beta": np.tile(k.beta, batch),
        "tau_adapt": 1e-3 * case.tau_adapt, "kappa": k.kappa, "gain": 1 - k.kappa, "kappa_reg": -1,
        "told_later": later, "c_reg": case.c_reg, "rate": case.f_target, "feedback": case.feedback,
        "deviation": np.zeros(batch * n_rec), "rate_history": np.zeros(batch * steps * n_rec),
        "psi_history": np.zeros(batch * steps * n_rec), "spike_counts": np.zeros(batch * n_rec),
        "learning_signal": np.zeros(batch * n_rec), "psi": np.zeros(batch * n_rec),
        "spiking": np.zeros(batch * n_rec + 1), "error": np.zeros(batch * case.n_out),
    }  # fmt: skip
    hidden = arguments(
        NEURONS,
        **common,
        **constants | neurons,
        **of_connections(masks[:2], [0, 1], batch, steps),
    )
    out = arguments(
        READOUTS, **common, tau_m=1e-3 * case.tau_out, spread=not case.regular_out,
        error=constants["error"], **of_connections(masks[2:], [later], batch, steps),
    )  # fmt: skip
    for each in traces:
        for s in range(steps):
            spikes = listing(each["spikes"][:, s])
            for state in (hidden, out):
                state["step"][:] = s
                state["error"][:] = each["error"][:, s].ravel()
            hidden["psi"][:] = each["psi"][:, s].ravel()
            if "deviation" in each:
                hidden["deviation"][:] = each["deviation"][:, s].ravel()
            hidden["spiking"] = spikes
            hidden["spikes"] = [listing(each["raster"][:, s]), spikes]
            out["spikes"] = [spikes]
            forms[0](**hidden)
            forms[1](**out)
    sums = [*hidden["gradient"], *out["gradient"]]
    gradients = {}
    for name, mask, total in zip(oracle.WEIGHTS, masks, sums, strict=True):
        gradients[name] = np.zeros(mask.shape)
        gradients[name][mask] = total
    np.fill_diagonal(gradients["w_rec"], 0)
    return gradients


def differ(ours, theirs):
    """The largest deviation of gradients, each relative to its largest element."""
    return max(
        np.abs(ours[name] - theirs[name]).max() / max(np.abs(theirs[name]).max(), 1e-300)
        for name in oracle.WEIGHTS
    )
