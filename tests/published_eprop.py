"""The published e-prop tasks as cases: their draws, their reference losses and golden weights.

Draws follow NEST's regression tests of the ``bsshslm_2020`` models number for number: NumPy's
legacy generator in the published order, weights rounded to single precision.

References
----------
Bellec, G., Scherr, F., Subramoney, A., Hajek, E., Salaj, D., Legenstein, R. and Maass, W. (2020).
A solution to the learning dilemma for recurrent networks of spiking neurons. Nature Communications
11, 3625. doi:10.1038/s41467-020-17236-y
"""

from typing import NamedTuple

import numpy as np

from eprop_cases import Case

# Losses of five iterations with seed 1: NEST's tests, and Bellec's own code in TensorFlow.
SINE_LOSSES = (
    101.964356999041,
    103.466731126205,
    103.340607074771,
    103.680244037686,
    104.412775748752,
)
SINE_LOSSES_TENSORFLOW = (
    101.964363098144,
    103.466735839843,
    103.340606689453,
    103.680244445800,
    104.412780761718,
)
EVIDENCE_LOSSES = {  # by batch
    1: (0.741152550006, 0.740388187700, 0.665785233177, 0.663644193322, 0.729428962844),
    2: (0.702163370672, 0.735555303152, 0.740354864111, 0.683882815282, 0.707841122268),
}
EVIDENCE_LOSSES_TENSORFLOW = (
    0.741152524948,
    0.740388214588,
    0.665785133838,
    0.663644134998,
    0.729429066181,
)


class Golden(NamedTuple):
    """What is known of a final weight matrix; ``entries`` are indexed ``[source, target]``."""

    sum: float
    sum_of_squares: float
    entries: dict


# Final weights after the five iterations, every pending update applied. They come from an
# implementation that is independent of NEST.
SINE_WEIGHTS = {
    "w_in": Golden(
        2.263679595454373,
        99.60198238721509,
        {
            (0, 1): -0.06160814493754746,
            (5, 0): -0.1720178195789316,
            (17, 42): -0.03710534983398554,
        },
    ),
    "w_rec": Golden(
        4.059505415800793,
        99.18503657196364,
        {
            (0, 1): 0.02265223119007805,
            (5, 0): -0.06260975905611897,
            (17, 42): 0.1418345698936806,
        },
    ),
    "w_out": Golden(
        2.05145009344053,
        1.427781645735576,
        {
            (0, 0): -0.1923239578103587,
            (5, 0): 0.1017484645005111,
            (17, 0): 0.1048885313767387,
        },
    ),
}
EVIDENCE_WEIGHTS = {  # by batch
    1: {
        "w_in": Golden(
            7.717068383819104,
            100.3948135713824,
            {
                (0, 1): -0.07883266220426832,
                (5, 0): -0.2575002468358343,
                (17, 42): -0.03698594448802481,
            },
        ),
        "w_rec": Golden(
            7.764904824270066,
            100.2870011378692,
            {
                (0, 1): 0.01011461250995654,
                (5, 0): -0.03888054606402436,
                (17, 42): 0.06353889903143325,
            },
        ),
        "w_out": Golden(
            3.426776428241283,
            3.889551216423671,
            {
                (0, 1): 0.2375824643390938,
                (5, 0): 0.02038209230649021,
                (17, 1): -0.2000621705714205,
            },
        ),
    },
    2: {
        "w_in": Golden(
            6.629921602393519,
            100.4091246880095,
            {
                (0, 1): -0.08862726920201798,
                (5, 0): -0.262964065669197,
                (17, 42): -0.0362062770020154,
            },
        ),
        "w_rec": Golden(
            12.43749209536074,
            100.536596123831,
            {
                (0, 1): 0.009083167568379364,
                (5, 0): -0.03842720236648033,
                (17, 42): 0.0431710423980911,
            },
        ),
        "w_out": Golden(
            3.426776428241283,
            3.950377043316604,
            {
                (0, 1): 0.235236535108244,
                (5, 0): 0.03186906909134864,
                (17, 1): -0.2038593237900731,
            },
        ),
    },
}


def golden_deviation(outcome, weights):
    """Return the largest relative deviation of final weights from a golden table."""
    deviations = []
    for name, golden in weights.items():
        matrix = getattr(outcome, name)
        pairs = [(matrix.sum(), golden.sum), ((matrix**2).sum(), golden.sum_of_squares)]
        pairs += [(matrix[index], value) for index, value in golden.entries.items()]
        deviations += [abs(ours / theirs - 1) for ours, theirs in pairs]
    return max(deviations)


def _single(weights):
    """Round to single precision, as the published draws are."""
    return weights.astype(np.float32).astype(float)


def _scaled_normal(random, n_source, n_target):
    return _single(random.randn(n_source, n_target) / np.sqrt(n_source))


def _without_autapses(weights):
    return weights * ~np.eye(len(weights), dtype=bool)


def _sines(random, steps):
    """Four sines of 1, 2, 3 and 5 cycles, from 0 on, the largest excursion 1."""
    amplitudes = random.uniform(0.5, 2.0, 4)
    phases = random.uniform(0.0, 2 * np.pi, 4)
    signal = np.zeros(steps)
    for amplitude, phase, cycles in zip(amplitudes, phases, (1, 2, 3, 5), strict=True):
        signal += amplitude * np.sin(np.linspace(phase, phase + 2 * np.pi * cycles, steps))
    signal -= signal[0]
    return signal / np.abs(signal).max()


def sine(seed=1, iterations=5, n_in=100, n_rec=100, n_out=1, steps=1000, **changes):
    """Pattern generation: a frozen Poisson input, a sum of four sines for each readout.

    Parameters
    ----------
    seed : int
        Seed of the legacy generator.
    iterations, n_in, n_rec, n_out, steps : int
        Sizes; the defaults are those of the test.
    **changes
        Fields of `Case` that replace the published ones.
    """
    random = np.random.RandomState(seed)
    w_in = _scaled_normal(random, n_in, n_rec)
    w_rec = _without_autapses(_scaled_normal(random, n_rec, n_rec))
    w_out = _scaled_normal(random, n_rec, n_out)
    feedback = _single(random.randn(n_rec, n_out) / np.sqrt(n_rec))
    raster = random.rand(steps, n_in) < 0.05
    raster[0] = False
    target = np.stack([_sines(random, steps) for _ in range(n_out)], axis=-1)
    published = {
        "raster": np.tile(raster, (iterations, 1, 1, 1)),
        "target": np.tile(target, (iterations, 1, 1, 1)),
        "height": 0.3 / 0.03,
    }
    return Case(w_in, w_rec, w_out, feedback, **published | changes)


_CUE, _SPACING, _CUES, _NOISE, _RECALL = 100, 50, 7, 1050, 150
_STEPS = _CUES * (_CUE + _SPACING) + _NOISE + _RECALL


def _cues(random, batch, n_in):
    """Draw a batch of trials: raster (batch, steps, inputs), and whether cue 1 prevailed."""
    sides = random.choice([0, 1], batch)
    odds = np.array([[0.3, 0.7], [0.7, 0.3]], dtype=np.float32)[sides]
    cues = np.stack([random.choice([0, 1], _CUES, p=p) for p in odds])
    probability = np.zeros((batch, _STEPS, 4, n_in // 4))
    for k in range(_CUES):
        on = slice(k * (_CUE + _SPACING) + _SPACING, (k + 1) * (_CUE + _SPACING))
        for trial in range(batch):
            probability[trial, on, cues[trial, k]] = 0.04
    probability[:, -_RECALL:, 2] = 0.04
    probability[:, :, 3] = 0.01
    draws = random.rand(probability.size)
    raster = (probability.ravel() > draws).reshape(batch, _STEPS, n_in)
    raster[:, 0] = False
    return raster, cues.sum(axis=1) > _CUES // 2


def evidence(seed=1, iterations=5, batch=1, **changes):
    """Evidence accumulation: which of two cues came more often, asked a second later.

    Parameters
    ----------
    seed : int
        Seed of the legacy generator.
    iterations, batch : int
        Number of updates, and of trials in each.
    **changes
        Fields of `Case` that replace the published ones.
    """
    random = np.random.RandomState(seed)
    n_in, n_regular, n_adaptive, n_out = 40, 50, 50, 2
    n_rec = n_regular + n_adaptive
    w_in = _scaled_normal(random, n_in, n_rec)
    w_rec = _without_autapses(_scaled_normal(random, n_rec, n_rec))
    limit = np.sqrt(3 / ((n_rec + n_out) / 2))
    w_out = _single(random.uniform(-limit, limit, (n_rec, n_out)))
    feedback = _single(random.randn(n_rec, n_out))
    rasters, labels = zip(*(_cues(random, batch, n_in) for _ in range(iterations)), strict=True)
    one_hot = np.eye(n_out)[np.array(labels, dtype=int)]
    strength = 1.7 * (1 - np.exp(-1 / 2000)) / (1 - np.exp(-1 / 20))
    published = {
        "raster": np.stack(rasters),
        "target": np.repeat(one_hot[:, :, None], _STEPS, axis=2),
        "beta": np.repeat([0.0, strength], [n_regular, n_adaptive]),
        "tau_m": 20.0,
        "tau_out": 20.0,
        "v_th": 0.6,
        "refractory_steps": 5,
        "regular": True,
        "height": 0.3 / 0.6,
        "width": 0.6,
        "loss": "cross_entropy",
        "window": _RECALL,
        "average": True,
        "optimizer": "adam",
        "learning_rate": 5e-3,
    }
    return Case(w_in, w_rec, w_out, feedback, **published | changes)
