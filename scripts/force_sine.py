"""FORCE: a network of spiking neurons learns to keep a sine going (Nicola and Clopath 2017).

2,000 leaky integrate-and-fire neurons run on their own, learn by recursive least squares
during the middle third of the time, and are then left alone with what they learned. With seed
1 and the defaults this is the published trajectory: RMSE 0.0198 while learning (6 to 10 s).

The published step of the decoders is not divided by 1 + r.P.r, and overshoots at first. With
--step exact, which is true least squares, the RMSE while learning is 0.0249.
"""

import numpy as np
from brian2 import (
    Hz,
    Network,
    SpikeMonitor,
    StateMonitor,
    defaultclock,
    ms,
    second,
)

from brianlearn import RLS, Readout, experiment, plots, set_target, simulate
from brianlearn.models import force_lif
from brianlearn.tasks import sine

parser = experiment.arguments(__doc__, "force_sine")
parser.add_argument("--neurons", type=int, default=2000, help="how many, at least 20 (%(default)s)")
parser.add_argument("--duration", type=float, default=15, help="in seconds (%(default)s)")
parser.add_argument("--frequency", type=float, default=5, help="of the sine, in Hz (%(default)s)")
parser.add_argument(
    "--step", choices=("published", "exact"), default="published", help="of RLS (%(default)s)"
)


def main(options):
    target = sine.target(options.frequency * Hz)
    if options.neurons < 20 or not 0.1 <= options.duration < np.inf:
        raise ValueError("it takes at least 20 neurons, and a finite duration of at least 0.1.")
    set_target(options.target)
    defaultclock.dt = 0.05 * ms
    duration = round(options.duration / 0.0075) * 7.5 * ms  # three parts of whole updates
    start, stop = duration / 3, 2 * duration / 3

    neurons, recurrent = force_lif.network(options.neurons, seed=options.seed)
    readout = Readout(neurons, "r", feedback="z", name="readout")
    rule = RLS(alpha=5e-6 * second**2, every=2.5 * ms, start=start, stop=stop, step=options.step)
    rule.attach(readout, target=target)

    trace = StateMonitor(readout, ["z", "target"], record=True, name="trace")
    decoders = StateMonitor(readout.decoders, "phi", record=np.arange(10), name="decoders")
    spikes = SpikeMonitor(neurons, name="spikes")
    network = Network(neurons, recurrent, readout, trace, decoders, spikes)
    timing = simulate(duration, network)
    setup_seconds = experiment.process_age() - timing.run_seconds

    t, z = np.array(trace.t / second), trace.z[0]
    wanted, spike_t = trace.target[0], np.array(spikes.t / second)
    window = (float(start), float(stop))
    learning = (t >= window[0] + (window[1] - window[0]) / 5 - 1e-9) & (t < window[1] - 1e-9)
    free = t >= window[1] - 1e-9
    result = {
        "train_rmse": sine.rms((z - wanted)[learning]),
        "train_correlation": np.corrcoef(z[learning], wanted[learning])[0, 1],
        "test_rmse": sine.rms((z - wanted)[free]),
        "test_correlation": np.corrcoef(z[free], wanted[free])[0, 1],
        "aligned_rmse": sine.aligned_error(t[free], z[free], options.frequency),
        "test_frequency": sine.oscillation(t[free], z[free], options.frequency),
        "test_amplitude": z[free].std(),
        "rate": (spike_t >= window[1]).sum() / options.neurons / (t[-1] - window[1]),
        "spikes": len(spike_t),
        "run_seconds": timing.run_seconds,
        "setup_seconds": setup_seconds,
    }
    few = spikes.i < 20
    arrays = {
        "t": t,
        "z": z,
        "target": wanted,
        "decoder_t": t[::50],
        "decoders": np.array(decoders.phi)[:, ::50],
        "phi": np.array(readout.decoders.phi),
        "spike_t": spike_t[few],
        "spike_i": np.array(spikes.i)[few],
    }
    figures = {}
    if not options.no_plot:
        label = f"{options.frequency:g} Hz sine"
        figures["force_sine.png"] = plots.force(arrays, window=window, target=label)
    readout.save(options.out / "decoders.npz")
    parameters = {"model": force_lif.values(), "rule": str(rule), "dt": defaultclock.dt}
    experiment.write(options, parameters, result, arrays, figures)
    print(
        f"RMSE {result['train_rmse']:.4f} (correlation {result['train_correlation']:.4f}) while "
        f"learning, {result['test_rmse']:.4f} ({result['test_correlation']:.4f}) after; "
        f"{timing.run_seconds:.1f} s for {options.duration:g} s simulated; in {options.out}"
    )


if __name__ == "__main__":
    experiment.run(main, parser)
