"""The oracle of e-prop for delays against e-prop without them, and finite differences."""

from dataclasses import replace

import numpy as np
import pytest

import delay_eprop_oracle as oracle
import eprop_oracle
from delay_oracle import arrivals, readout
from differences import check_slopes, soft_spike, soft_spike_slope
from eprop_cases import Case


def recurrent_case(seed=1, *, batch=3, steps=50, n_in=5, n_rec=6, n_out=2, **changes):
    """A random network that spikes."""
    random = np.random.default_rng(seed)
    changes = {"width": 0.5, "height": 0.6, "v_th": 0.5, "tau_m": 8.0, "tau_out": 12.0} | changes
    return Case(
        w_in=4 * random.normal(0.3, 1, size=(n_in, n_rec)),
        w_rec=4 * random.normal(size=(n_rec, n_rec)) * ~np.eye(n_rec, dtype=bool),
        w_out=random.normal(size=(n_rec, n_out)),
        feedback=random.normal(size=(n_rec, n_out)),
        raster=random.random((1, batch, steps, n_in)) < 0.25,
        target=random.normal(size=(1, batch, steps, n_out)),
        **changes,
    )


def random_delays(case, seed=2):
    """Delays of input and recurrent synapses, none of which is near a whole number."""
    random = np.random.default_rng(seed)
    shapes = case.w_in.shape, case.w_rec.shape
    return [random.integers(0, 9, shape) + random.uniform(0.1, 0.9, shape) for shape in shapes]


def run(case, d_in, d_rec, **options):
    weights = case.w_in, case.w_rec, case.w_out
    return oracle.forward(case, *weights, d_in, d_rec, case.raster[0], case.target[0], **options)


ALIF = np.array([0, 0.3, 0, 0.1, 0.3, 0.05])


@pytest.mark.parametrize("beta", [None, ALIF], ids=["lif", "alif"])
@pytest.mark.parametrize("average", [False, True])
def test_without_delays_it_is_eprop(beta, average):
    """Spikes and gradients of weights are those of the oracle that knows no delays."""
    case = recurrent_case(beta=beta, average=average, refractory_steps=2, window=30)
    none = [np.zeros_like(case.w_in), np.zeros_like(case.w_rec)]
    plain = eprop_oracle.forward(
        case, case.w_in, case.w_rec, case.w_out, case.raster[0], case.target[0]
    )
    traces = run(case, *none)
    assert 0.05 < plain["spikes"].mean() < 0.6
    for name, expected in plain.items():
        np.testing.assert_allclose(traces[name], expected, rtol=1e-11, atol=1e-12, err_msg=name)
    expected = eprop_oracle.gradients(case, plain)
    gradient = oracle.gradients(case, traces, case.w_in, case.w_rec, *none)
    for name in ("w_in", "w_rec"):
        scale = np.abs(expected[name]).max()
        np.testing.assert_allclose(gradient[name], expected[name], rtol=0, atol=1e-12 * scale)
    assert not gradient["d_rec"].diagonal().any()
    assert gradient["d_in"].any()


def test_whole_delays_shift_inputs():
    """Input spikes with a delay are those of a raster that is later by as much."""
    case = recurrent_case()
    case = replace(case, w_rec=0 * case.w_rec)
    none = np.zeros_like(case.w_rec)
    late = replace(case, raster=np.zeros_like(case.raster))
    late.raster[:, :, 4:] = case.raster[:, :, :-4]
    delayed, shifted = run(case, np.full_like(case.w_in, 4), none), run(late, 0 * case.w_in, none)
    np.testing.assert_array_equal(delayed["spikes"], shifted["spikes"])
    gradients = [
        oracle.gradients(case, delayed, case.w_in, case.w_rec, np.full_like(case.w_in, 4), none),
        oracle.gradients(late, shifted, case.w_in, case.w_rec, 0 * case.w_in, none),
    ]
    for name in ("w_in", "d_in"):
        np.testing.assert_allclose(gradients[0][name], gradients[1][name], rtol=1e-12)


def test_recurrent_spikes_arrive_one_step_and_the_delay_later():
    case = recurrent_case(n_rec=2, n_in=1, batch=1, steps=20, regular=True)
    case = replace(
        case, w_in=np.array([[1.0, 0.0]]), w_rec=np.array([[0.0, 1.0], [0.0, 0.0]]),
        raster=np.zeros_like(case.raster),
    )  # fmt: skip
    case.raster[0, 0, 5] = True
    for d in (0, 1, 7):
        spikes = run(case, np.zeros((1, 2)), np.full((2, 2), float(d)))["spikes"][0]
        assert np.argmax(spikes, axis=0).tolist() == [5, 6 + d]


@pytest.mark.parametrize("interpolate", [False, True])
def test_rounding_in_recurrent_networks(interpolate):
    case = recurrent_case(beta=ALIF)
    d_in, d_rec = random_delays(case)
    rounded = run(case, d_in, d_rec, interpolate=False)
    whole = run(case, np.floor(d_in + 0.5), np.floor(d_rec + 0.5), interpolate=interpolate)
    np.testing.assert_array_equal(rounded["v"], whole["v"])


class Soft:
    """The surrogate network: smooth spikes, while hard ones, held fixed, reset the membrane.

    Neurons 0 to 2 are driven by inputs only; they drive neurons 3 to 5, which alone are read out:
    so no path of the gradient runs where e-prop does not look.
    """

    def __init__(self, beta):
        case = recurrent_case(beta=beta, tau_adapt=20.0, c_reg=0.0, steps=40)
        split = np.outer(np.arange(6) < 3, np.arange(6) >= 3)
        read = (np.arange(6) >= 3)[:, None]
        w_out = case.w_out * read
        self.case = replace(
            case, w_in=0.4 * case.w_in, w_rec=0.8 * case.w_rec * split, w_out=w_out, feedback=w_out
        )
        self.d_in, self.d_rec = random_delays(case)
        self.resets = run(self.case, self.d_in, self.d_rec)["spikes"]

    def __call__(self, w_in, w_rec, d_in, d_rec):
        k, case, raster = eprop_oracle.constants(self.case), self.case, self.case.raster[0]
        v, a, z = np.zeros((3, 3, 6))
        before, rows = np.zeros_like(self.resets), []
        for s in range(40):
            before[:, s] = z
            x = np.sum(w_in * arrivals(raster, s, d_in)[0], axis=1)
            x += np.sum(w_rec * arrivals(before, s, d_rec)[0], axis=1)
            reset = self.resets[:, s - 1] if s else 0
            v = k.alpha * v + k.zeta * x - case.v_th * reset
            a = k.rho * a + z
            distance = v - (case.v_th + k.beta * a)
            z = soft_spike(distance)
            rows.append((z, soft_spike_slope(distance)))
        z, psi = (np.stack(column, axis=1) for column in zip(*rows, strict=True))
        output = readout(z, case.w_out, k.kappa, k.zeta_out)
        return {"spikes": z, "psi": psi, "raster": raster, "error": output - case.target[0]}


@pytest.mark.parametrize("beta", [None, ALIF], ids=["lif", "alif"])
def test_eprop_for_delays_where_it_is_exact(beta):
    soft = Soft(beta)
    assert 0.05 < soft.resets.mean() < 0.6
    values = {
        "w_in": soft.case.w_in, "w_rec": soft.case.w_rec, "d_in": soft.d_in, "d_rec": soft.d_rec
    }  # fmt: skip
    gradient = oracle.gradients(soft.case, soft(**values), **values)
    exact = {  # what is read out, of what drives it
        "w_in": (slice(None), slice(3, 6)), "w_rec": (slice(0, 3), slice(3, 6)),
    }  # fmt: skip
    exact |= {"d_in": exact["w_in"], "d_rec": exact["w_rec"]}

    for name, part in exact.items():

        def loss(block, name=name, part=part):
            changed = values[name].copy()
            changed[part] = block
            return 0.5 * np.sum(soft(**(values | {name: changed}))["error"] ** 2) / 3

        check_slopes(loss, values[name][part], gradient[name][part])
