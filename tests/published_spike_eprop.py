"""The published regression of e-prop that learns at every spike, as cases, and what is known of it.

Draws follow NEST's regression test of its e-prop models without a year in their names number for
number: NumPy's legacy generator in the published order, weights rounded to single precision.
"""

import numpy as np

from published_eprop import Golden, _scaled_normal, _without_autapses, golden_deviation
from spike_eprop_cases import SpikeCase

__all__ = [
    "LOSSES",
    "SURROGATES",
    "WEIGHTS",
    "Golden",
    "golden_deviation",
    "losses",
    "regression",
    "surrogate_task",
]

# Losses of five iterations with seed 1, by model: NEST's tests.
LOSSES = {
    "iaf": (
        0.14000491891386,
        0.28735818029752,
        0.22263713699860,
        0.23015072431384,
        0.17565248170694,
    ),
    "iaf_adapt": (
        0.02242584487453,
        0.01916753791522,
        0.00571493935652,
        0.00037875376195,
        0.00037823157578,
    ),
    "psc_delta": (
        0.27039631749159,
        0.51390204375229,
        0.53473859833866,
        0.53608474802202,
        0.49323580244201,
    ),
    "psc_delta_adapt": (
        0.16416646182675,
        0.27952159282830,
        0.29937515524341,
        0.26160957500433,
        0.26384514215024,
    ),
}

# The surrogate gradient of the last five steps of `surrogate_task`: NEST's tests.
SURROGATES = {
    "piecewise_linear": (
        0.21030100902759,
        0.18933659619924,
        0.17036721102500,
        0.15320300152221,
        0.13767218251307,
    ),
    "exponential": (
        0.28011776848615,
        0.26861558105999,
        0.25861553046549,
        0.24988832085299,
        0.24224569105944,
    ),
    "fast_sigmoid_derivative": (
        0.20044113201621,
        0.19020804299944,
        0.18160934703950,
        0.17432167613232,
        0.16809903522604,
    ),
    "arctan_derivative": (
        0.37433498786304,
        0.36073812744784,
        0.34852165076370,
        0.33759316659435,
        0.32784181049728,
    ),
}

# Final weights after the five iterations and two steps more, every pending update applied. They
# come from an implementation that is independent of NEST.
WEIGHTS = {
    "iaf": {
        "w_in": Golden(
            0.2015522162781303,
            0.08968967123395565,
            {
                (0, 1): -0.001821786401291539,
                (5, 0): -0.005170621410885312,
                (17, 42): -0.001110474331545973,
            },
        ),
        "w_rec": Golden(
            0.2184871793373082,
            0.08937084155067902,
            {
                (0, 1): 0.0006934613235709771,
                (5, 0): -0.001883384345525773,
                (17, 42): 0.004252665210515261,
            },
        ),
        "w_out": Golden(
            0.05102986402903951,
            0.001265493298705287,
            {
                (0, 0): -0.005825726513608243,
                (5, 0): 0.002867950420169519,
                (17, 0): 0.003081030498922125,
            },
        ),
    },
    "iaf_adapt": {
        "w_in": Golden(
            0.2928504487181459,
            0.08978914320095963,
            {
                (0, 1): -0.001835239542671948,
                (5, 0): -0.005158081020143044,
                (17, 42): -0.001116173343901226,
            },
        ),
        "w_rec": Golden(
            0.2675538453225403,
            0.08942468047055774,
            {
                (0, 1): 0.0006844956392616224,
                (5, 0): -0.001876002062442713,
                (17, 42): 0.004252665210515261,
            },
        ),
        "w_out": Golden(
            0.05333272616270809,
            0.001269781026543199,
            {
                (0, 0): -0.005794737918855536,
                (5, 0): 0.002909723045832085,
                (17, 0): 0.003108411687783776,
            },
        ),
    },
    "psc_delta": {
        "w_in": Golden(
            9.762137252175171,
            99.76606501710256,
            {
                (0, 1): -0.061134253105415,
                (5, 0): -0.1719394475221634,
                (17, 42): -0.03720646724104881,
            },
        ),
        "w_rec": Golden(
            8.915829979451985,
            99.36140513638422,
            {
                (0, 1): 0.02284856710040618,
                (5, 0): -0.06253378093242645,
                (17, 42): 0.1417555063962936,
            },
        ),
        "w_out": Golden(
            0.05288420473308032,
            0.001268951102023845,
            {
                (0, 0): -0.005796772773286239,
                (5, 0): 0.002902504418976287,
                (17, 0): 0.003105499839668187,
            },
        ),
    },
    "psc_delta_adapt": {
        "w_in": Golden(
            9.786297980949175,
            99.76723116247317,
            {
                (0, 1): -0.0611307996125473,
                (5, 0): -0.1719387637208799,
                (17, 42): -0.03720646724104881,
            },
        ),
        "w_rec": Golden(
            8.92870386249329,
            99.3610105407563,
            {
                (0, 1): 0.02284444976667539,
                (5, 0): -0.06253303534146648,
                (17, 42): 0.1417555063962936,
            },
        ),
        "w_out": Golden(
            0.05310916394907596,
            0.001269340934698124,
            {
                (0, 0): -0.005796083014895395,
                (5, 0): 0.002905980021471305,
                (17, 0): 0.003106285690484315,
            },
        ),
    },
}

_SCALE = 1 - 0.97  # 1 - kappa: the published parameters are those of a filter with this gain

_PARAMETERS = {
    "iaf": {"optimizer": "adam"},
    "iaf_adapt": {"adapt_beta": 0.0174, "adapt_tau": 2000.0},
    "psc_delta": {"v_th": 0.5, "v_reset": -0.5, "c_reg": 2.0 / 100 / _SCALE**2},
    "psc_delta_adapt": {"v_th": 0.5, "v_reset": -0.5, "c_reg": 2.0 / 100 / _SCALE**2},
}


def losses(case, outcome, iterations=5):
    """Half the sum of squared errors in each of the iterations; steps left over do not count."""
    length = case.steps // iterations
    error = outcome.error[: iterations * length].reshape(iterations, length, -1)
    return 0.5 * (error**2).sum(axis=1).mean(axis=1)


def regression(model="iaf", seed=1, iterations=5, n_in=100, n_rec=100, n_out=1, length=100, **more):
    """A frozen Poisson input, and a target of 0: NEST's sines do not begin in trials this short.

    Two steps follow the task, without input: then the error of every step has become a learning
    signal, and the weights of the outcome have learnt from all of them.

    Parameters
    ----------
    model : str
        One of `spike_eprop_cases.MODELS`.
    seed : int
        Seed of the legacy generator.
    iterations, n_in, n_rec, n_out, length : int
        Sizes; the defaults are those of the test.
    **more
        Fields of `SpikeCase` that replace the published ones.
    """
    random = np.random.RandomState(seed)
    weights = {
        "w_in": _scaled_normal(random, n_in, n_rec),
        "w_rec": _without_autapses(_scaled_normal(random, n_rec, n_rec)),
        "w_out": _scaled_normal(random, n_rec, n_out),
        "feedback": _scaled_normal(random, n_rec, n_out),
    }
    counts = (random.rand(length, n_in) < 0.05).astype(int)
    published = {
        "counts": np.concatenate([np.tile(counts, (iterations, 1)), np.zeros((2, n_in), int)]),
        "target": np.zeros((iterations * length + 2, n_out)),
        "model": model,
        "cutoff": 100,
        "eta": 1e-4 * _SCALE**2,
    }
    return SpikeCase(**_scaled(model, weights) | published | _PARAMETERS[model] | more)


def _scaled(model, weights):
    """Scale weights, in single precision, to a filter whose gain is not ``1 - kappa`` but 1."""
    scale = np.float32(_SCALE)
    single = {name: w.astype(np.float32) for name, w in weights.items()}
    single["w_out"] *= scale
    if model.startswith("psc_delta"):
        single["feedback"] /= scale
    else:
        for name in ("w_in", "w_rec", "feedback"):
            single[name] *= scale
    return {name: w.astype(float) for name, w in single.items()}


def surrogate_task(surrogate, **more):
    """One neuron without learning that six spikes drive; `SURROGATES` are its steps 12 to 16.

    Parameters
    ----------
    surrogate : str
        A key of `SURROGATES`.
    **more
        Fields of `SpikeCase` that replace the published ones.
    """
    counts = np.zeros((17, 1), int)
    counts[[0, 1, 2, 4, 8, 10]] = 1
    published = {
        "counts": counts,
        "target": np.zeros((17, 1)),
        "tau_m": 10.0,
        "v_th": 0.6,
        "t_ref": 3,
        "surrogate": surrogate,
        "height": 0.5,
        "width": 1 / 1.7,
        "c_reg": 0.0,
    }
    zero = np.zeros((1, 1))
    return SpikeCase(np.array([[0.3]]), zero, zero, zero, **published | more)
