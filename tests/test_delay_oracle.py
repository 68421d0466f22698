"""The oracle of delays and dendrites against definitions, closed forms and finite differences."""

import numpy as np
import pytest

import delay_oracle as oracle
from differences import check_slopes, soft_spike, soft_spike_slope

TAU, DENDRITE = 6.0, [0, 0, 1, 2, 2]
SOMATA = [("first", "product"), ("all", "product"), ("first", "difference"), ("all", "difference")]


def inputs(seed=1, *, batch=3, steps=40, neurons=2, integer=False):
    """Spikes, weights and delays of five sources on three dendrites; some delays reach far."""
    random = np.random.default_rng(seed)
    spikes = (random.random((batch, steps, len(DENDRITE))) < 0.25).astype(float)
    delays = random.integers(0, 12, (len(DENDRITE), neurons)).astype(float)
    if not integer:
        delays += random.uniform(0.1, 0.9, delays.shape)
    return spikes, random.normal(1, 0.3, delays.shape), delays


@pytest.mark.parametrize("interpolate", [False, True])
def test_arrivals_written_out(interpolate):
    """One synapse after the other, by the definition; earlier than the first step there is 0."""
    random = np.random.default_rng(2)
    trains = random.random((2, 12, 3))
    delays = np.array([[0.0, 2.5, 0.49], [3.0, 1.25, 11.0], [11.7, 30.0, 4.999]])

    def value(b, s, i):
        return trains[b, s, i] if s >= 0 else 0.0

    for s in range(12):
        got, slope = oracle.arrivals(trains, s, delays, interpolate)
        for b, i, j in np.ndindex(2, 3, 3):
            n = int(delays[i, j])
            f = delays[i, j] - n
            expected = (1 - f) * value(b, s - n, i) + f * value(b, s - n - 1, i)
            if not interpolate:
                expected = value(b, s - (n if f < 0.5 else n + 1), i)
            assert got[b, i, j] == pytest.approx(expected, abs=1e-15)
            assert slope[b, i, j] == value(b, s - n - 1, i) - value(b, s - n, i)


def test_outputs_written_out():
    """Dendrites and somata in loops over everything."""
    spikes, w, d = inputs(batch=1, steps=25, neurons=1)
    sums = dict.fromkeys(SOMATA, 0.0)
    u = [0.0] * 3
    for s in range(25):
        u = [np.exp(-1 / TAU) * each for each in u]
        for i, k in enumerate(DENDRITE):
            n, f = int(d[i, 0]), d[i, 0] % 1
            for lag, share in ((n, 1 - f), (n + 1, f)):
                u[k] += w[i, 0] * share * spikes[0, s - lag, i] if s >= lag else 0.0
        sums["first", "product"] += u[0] * u[1] + u[0] * u[2]
        sums["all", "product"] += u[0] * u[1] + u[0] * u[2] + u[1] * u[2]
        sums["first", "difference"] -= (u[0] - u[1]) ** 2 + (u[0] - u[2]) ** 2
        sums["all", "difference"] -= (u[0] - u[1]) ** 2 + (u[0] - u[2]) ** 2 + (u[1] - u[2]) ** 2
        for which, expected in sums.items():
            got = oracle.dendrite_outputs(spikes, w, d, DENDRITE, TAU, *which)[0, s, 0]
            assert got == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_pairs_of_spikes():
    """A pair of spikes counts alpha^|difference of arrivals|/(1 - alpha^2), as in closed form."""
    spikes = np.zeros((1, 400, 2))
    spikes[0, [3, 10, 11], 0] = 1
    spikes[0, [5, 30], 1] = 1
    alpha = np.exp(-1 / TAU)
    for d in (0, 4, 17):
        delays = np.array([[8.0], [d]])
        o = oracle.dendrite_outputs(spikes, np.ones((2, 1)), delays, [0, 1], TAU)[0, -1, 0]
        gaps = np.array([[one + 8 - (two + d) for one in (3, 10, 11)] for two in (5, 30)])
        assert o == pytest.approx(np.sum(alpha ** np.abs(gaps)) / (1 - alpha**2), rel=1e-12)


@pytest.mark.parametrize(("pairs", "soma"), SOMATA)
def test_dendrite_gradients(pairs, soma):
    spikes, w, d = inputs()
    error = np.random.default_rng(3).normal(size=(3, 2))
    last = {"pairs": pairs, "soma": soma}
    gradient = oracle.dendrite_gradients(spikes, w, d, DENDRITE, TAU, error, **last)

    def loss(w, d):
        return np.sum(error * oracle.dendrite_outputs(spikes, w, d, DENDRITE, TAU, **last)[:, -1])

    check_slopes(lambda w: loss(w, d), w, gradient["weights"].sum(axis=0))
    check_slopes(lambda d: loss(w, d), d, gradient["delays"].sum(axis=0))


def test_samples_of_a_batch_are_apart():
    spikes, w, d = inputs()
    error = np.random.default_rng(3).normal(size=(3, 2))
    together = oracle.dendrite_gradients(spikes, w, d, DENDRITE, TAU, error)
    for b in range(3):
        part = slice(b, b + 1)
        alone = oracle.dendrite_gradients(spikes[part], w, d, DENDRITE, TAU, error[part])
        for name in together:
            np.testing.assert_array_equal(together[name][part], alone[name])


@pytest.mark.parametrize("soma", ["product", "difference"])
def test_whole_delays_have_the_slope_on_their_right(soma):
    """There a quadratic function begins, whose slope three of its points give exactly."""
    spikes, w, d = inputs(batch=1, neurons=1, integer=True)
    error = np.ones((1, 1))
    gradient = oracle.dendrite_gradients(spikes, w, d, DENDRITE, TAU, error, "first", soma)
    left_differs = False
    for i in range(len(d)):

        def o(shift, i=i):
            moved = d.copy()
            moved[i] += shift
            return oracle.dendrite_outputs(spikes, w, moved, DENDRITE, TAU, soma=soma)[0, -1, 0]

        right = (-3 * o(0) + 4 * o(0.25) - o(0.5)) / 0.5
        assert gradient["delays"][0, i, 0] == pytest.approx(right, rel=1e-9, abs=1e-9)
        if d[i, 0] > 0:
            left = (3 * o(0) - 4 * o(-0.25) + o(-0.5)) / 0.5
            left_differs |= abs(left - right) > 0.01
    assert left_differs


def test_rounded_delays():
    """The forward pass is that of whole delays; the derivative, the interpolated one."""
    spikes, w, d = inputs()
    d[0] = [2.5, 3.4999]
    whole = np.floor(d + 0.5)
    assert whole[0].tolist() == [3, 3]
    rounded = oracle.dendrite_outputs(spikes, w, d, DENDRITE, TAU, interpolate=False)
    expected = oracle.dendrite_outputs(spikes, w, whole, DENDRITE, TAU)
    np.testing.assert_array_equal(rounded, expected)
    for s in range(40):
        slopes = [oracle.arrivals(spikes, s, d, interpolate)[1] for interpolate in (False, True)]
        np.testing.assert_array_equal(*slopes)


@pytest.mark.parametrize("pairs", ["first", "all"])
def test_spiking_dendrites(pairs):
    """Without recurrence e-prop is exact for the surrogate network, with the resets held."""
    spikes, w, d = inputs(seed=5, steps=60)
    random = np.random.default_rng(6)
    w_out, target = random.normal(size=(2, 3)), random.normal(size=(3, 60, 3))
    kappa = np.exp(-1 / 9)
    run = (DENDRITE, TAU, 1.5, soft_spike_slope, pairs)
    hard = oracle.spiking_forward(spikes, w, d, *run)
    assert 0.05 < hard["z"].mean() < 0.5
    after = hard["z"][:, :-1].astype(bool)
    soft = soft_spike(hard["p"] - 1.5)
    error = oracle.readout(soft, w_out, kappa, 1 - kappa) - target
    gradient = oracle.spiking_gradients(hard, error, w_out, kappa)

    def loss(w, d):
        p = oracle.spiking_forward(spikes, w, d, *run, spikes=hard["z"])["p"]
        y = oracle.readout(soft_spike(p - 1.5), w_out, kappa, 1 - kappa)
        return 0.5 * np.sum((y - target) ** 2)

    check_slopes(lambda w: loss(w, d), w, gradient["weights"].sum(axis=0))
    check_slopes(lambda d: loss(w, d), d, gradient["delays"].sum(axis=0))
    other = oracle.spiking_forward(spikes, w, d, *run, spikes=0 * hard["z"])["p"]
    assert np.abs(other - hard["p"])[:, 1:][after].max() > 0.1  # resets do something


def test_a_spike_empties_its_neuron():
    """Two coincidences in a row: the second starts from 0, and spikes under way still arrive."""
    spikes = np.zeros((1, 8, 2))
    spikes[0, [1, 2], :] = 1
    d = np.array([[0.0, 0.0], [0.0, 3.0]])
    out = oracle.spiking_forward(spikes, np.ones((2, 2)), d, [0, 1], TAU, 0.9, soft_spike_slope)
    alpha = np.exp(-1 / TAU)
    assert out["z"][0, :, 0].tolist() == [0, 1, 1, 0, 0, 0, 0, 0]
    assert out["p"][0, :4, 0].tolist() == [0, 1, 1, 0]
    later = alpha**2 + alpha**3  # of input 1 when input 2 arrives
    np.testing.assert_allclose(out["p"][0, :5, 1], [0, 0, 0, 0, later])


def test_rates_enter_unfiltered():
    random = np.random.default_rng(7)
    e = [{"delays": random.normal(size=(2, 3, 4))} for _ in range(9)]
    rates = random.normal(size=(2, 4))
    silent = np.zeros((2, 9, 4))
    total = oracle.learned(e, silent, 0.9, rates)["delays"]
    expected = rates[:, None, :] * sum(step["delays"] for step in e)
    np.testing.assert_allclose(total, expected)
