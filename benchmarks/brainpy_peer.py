"""Evidence accumulation learned by e-prop in BrainPy: the peer with batches.

    python benchmarks/brainpy_peer.py --iterations 3

40 inputs, 50 LIF and 50 adaptive neurons and two readouts decide in trials of 2,250 steps, with
Adam after every batch of 128. It is e-prop as BrainPy's users write it: a network of BrainPy's
own neurons (``ALIFBellec2020`` with ``eprop=True``) whose recurrent spikes and resets pass no
gradient, so that backpropagation through the rest gives what eligibility traces sum up to, with
symmetric feedback. Forward pass, backward pass and Adam are one program compiled by JAX. (The
same in plain JAX was not faster, and traces carried forward in JAX for every synapse and sample
took over ten times as long.)

Prints one JSON object. ``ms`` holds the milliseconds of each iteration after a warm-up, which
``best_ms_per_sample`` and ``median_ms_per_sample`` divide by the batch. Batches are drawn by
NumPy outside of the measured time; losses, accuracies and mean rates are those of every
iteration, the warm-up's included. Numbers are of single precision, BrainPy's default, and JAX
uses a second core little: its loop over time runs on one. Uses nothing of brianlearn, and an
environment of its own, with Python 3.11:

    python3.11 -m venv brainpy
    brainpy/bin/pip install brainpy==2.4.3 brainpylib==0.3.1 numba \\
        jax==0.4.13 jaxlib==0.4.13 'numpy<1.26' 'scipy<1.12'

References
----------
Bellec, G. et al. (2020). A solution to the learning dilemma for recurrent networks of spiking
neurons. Nature Communications 11, 3625. doi:10.1038/s41467-020-17236-y
"""

import argparse
import json
import os
from statistics import median
from time import perf_counter

import numpy as np

N_IN, N_EACH, N_OUT = 40, 50, 2
N_REC = 2 * N_EACH
CUES, CUE, SPACING, BACKGROUND, RECALL = 7, 100, 50, 1050, 150
STEPS = CUES * (CUE + SPACING) + BACKGROUND + RECALL  # of 1 ms
TAU, TAU_ADAPT, V_TH, C_REG = 20.0, 2000.0, 0.6, 1.0
WARM_UP = 2  # iterations: BrainPy compiles the first, and again the second

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--batch", type=int, default=128, help="samples an iteration (%(default)s)")
parser.add_argument("--iterations", type=int, default=3, help="that are timed (%(default)s)")
parser.add_argument("--threads", type=int, default=2, help="cores to use (%(default)s)")
parser.add_argument("--seed", type=int, default=1)


def main(options):
    """Time the iterations and print them."""
    if min(options.batch, options.iterations, options.threads) < 1:
        parser.error("it takes at least one sample, one iteration and one thread.")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    os.environ["JAX_PLATFORMS"] = "cpu"  # before JAX counts the cores
    import brainpy as bp
    import jax

    rng = np.random.default_rng(options.seed)
    train = trainer(rng, options.batch)
    history, seconds = [], []
    for _ in range(WARM_UP + options.iterations):
        raster, labels = samples(rng, options.batch)
        began = perf_counter()
        history.append([float(value) for value in train(raster, labels)])  # waits for the result
        seconds.append(perf_counter() - began)
    losses, accuracies, rates = zip(*history, strict=True)
    ms = [1e3 * each for each in seconds[WARM_UP:]]
    result = {
        "task": "evidence",
        "brainpy": bp.__version__,
        "jax": jax.__version__,
        "threads": options.threads,
        "batch": options.batch,
        "steps": STEPS,
        "warm_up_seconds": sum(seconds[:WARM_UP]),
        "best_ms_per_sample": min(ms) / options.batch,
        "median_ms_per_sample": median(ms) / options.batch,
        "ms": ms,
        "losses": losses,
        "accuracies": accuracies,
        "rates_hz": rates,
    }
    print(json.dumps(result))


def samples(rng, batch):
    """Draw a batch: rasters (steps, batch, inputs), and the sides on which more cues lay."""
    odds = rng.choice([0.3, 0.7], batch)
    sides = (rng.random((batch, CUES)) < odds[:, np.newaxis]).astype(int)
    probability = np.zeros((STEPS, batch, 4, N_IN // 4), dtype=np.float32)
    for number in range(CUES):
        start = number * (CUE + SPACING) + SPACING
        probability[start : start + CUE, np.arange(batch), sides[:, number]] = 0.04
    probability[-RECALL:, :, 2] = 0.04
    probability[:, :, 3] = 0.01
    probability = probability.reshape(STEPS, batch, N_IN)
    raster = rng.random(probability.shape, dtype=np.float32) < probability
    return raster.astype(np.float32), (sides.sum(axis=1) > CUES // 2).astype(int)


def network(rng):
    """Return the network, whose class needs BrainPy at hand."""
    import brainpy as bp
    import brainpy.math as bm
    from jax.lax import stop_gradient

    decay, decay_adapt = np.exp(-1 / TAU), np.exp(-1 / TAU_ADAPT)
    beta = np.repeat([0, 1.7 * (1 - decay_adapt) / (1 - decay)], N_EACH)
    per_spike = 1 / (1 - decay)  # a spike adds its weight to the membrane, whatever the step

    def dense(n_in, n_out):
        weights = rng.standard_normal((n_in, n_out)) / np.sqrt(n_in)
        return bp.dnn.Dense(n_in, n_out, W_initializer=bm.asarray(weights), b_initializer=None)

    class Evidence(bp.DynamicalSystem):
        def __init__(self):
            super().__init__()
            self.from_input = dense(N_IN, N_REC)
            self.from_recurrent = dense(N_REC, N_REC)
            self.to_readout = dense(N_REC, N_OUT)
            self.recurrent = bp.neurons.ALIFBellec2020(
                N_REC, V_rest=0.0, V_th=V_TH, R=per_spike, beta=bm.asarray(beta),
                tau=TAU, tau_a=TAU_ADAPT, tau_ref=5.0, eprop=True, input_var=False,
                V_initializer=bp.init.ZeroInit(), a_initializer=bp.init.ZeroInit(),
                spike_fun=bm.surrogate.ReluGrad(alpha=0.3, width=1.0),
            )  # fmt: skip
            self.readout = bp.neurons.LeakyIntegrator(N_OUT, tau=TAU, input_var=False)

        def update(self, x):
            before = stop_gradient(bm.as_jax(self.recurrent.spike))
            spikes = self.recurrent(self.from_input(x) + self.from_recurrent(before))
            return spikes, self.readout(self.to_readout(spikes))

    return Evidence()


def trainer(rng, batch):
    """Return a compiled function of a batch that learns, and returns loss, accuracy and rate."""
    import brainpy as bp
    import brainpy.math as bm

    bm.set(mode=bm.training_mode, dt=1.0)
    net = network(rng)
    weights = net.train_vars().unique()
    adam = bp.optim.Adam(lr=5e-3, train_vars=weights)

    def loss(raster, labels):
        net.reset_state(batch)
        spikes, z = bm.for_loop(net.step_run, (bm.arange(STEPS), raster))
        z = z[-RECALL:]
        everywhere = bm.broadcast_to(labels, z.shape[:2])
        wrong = bp.losses.cross_entropy_loss(z.reshape(-1, N_OUT), everywhere.flatten())
        rates = spikes.mean(axis=(0, 1))  # spikes per step
        accuracy = (z.mean(axis=0).argmax(axis=1) == labels).mean()
        return wrong + C_REG * ((rates - 0.01) ** 2).sum(), (accuracy, 1e3 * rates.mean())

    gradient = bm.grad(loss, grad_vars=weights, has_aux=True, return_value=True)

    @bm.jit
    def train(raster, labels):
        slopes, value, (accuracy, rate) = gradient(raster, labels)
        adam.update(slopes)
        return value, accuracy, rate

    return train


if __name__ == "__main__":
    main(parser.parse_args())
