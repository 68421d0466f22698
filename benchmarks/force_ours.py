"""The FORCE experiment of published_force.py by brianlearn: same network, same records.

Prints one JSON object, with the keys of published_force.py. `setup_seconds` counts from the
start of the process to the first step; `loop_seconds` (standalone only) is what Brian2's main
loop took by its own clock, without starting the program and without its files.

--profile, for standalone, runs by plain Brian2 calls and adds the seconds of every object.
"""

import argparse
import json
import tempfile
import time

import numpy as np
from brian2 import Network, SpikeMonitor, StateMonitor, defaultclock, ms, second
from brian2.devices.device import get_device
from published_force import Result

from brianlearn import RLS, Readout, experiment, set_target, simulate
from brianlearn.models import force_lif
from brianlearn.targets import TARGETS
from brianlearn.training import Timing

parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("--target", choices=TARGETS, default="cpp_standalone")
parser.add_argument("--neurons", type=int, default=2000)
parser.add_argument("--duration", type=float, default=15.0, help="in seconds")
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--start", type=float, default=5.0, help="of learning, in seconds")
parser.add_argument("--stop", type=float, default=10.0, help="of learning, in seconds")
parser.add_argument("--profile", action="store_true", help="time every object (standalone)")


def main(options):
    """Build, run and print the experiment."""
    set_target(options.target)
    defaultclock.dt = 0.05 * ms
    network = force(options)
    duration = options.duration * second
    with tempfile.TemporaryDirectory() as folder:
        if options.profile:
            timing = profile(duration, network, folder)
        else:
            timing = simulate(duration, network, progress=False)
        setup_seconds = experiment.process_age() - (time.time() - timing.began)
        result = recorded(network, timing)
        report = {
            "run_seconds": timing.run_seconds,
            "build_seconds": timing.build_seconds,
            "setup_seconds": setup_seconds,
            "spikes": result.spike_count,
            "rmse": result.errors(options.start, options.stop),
        }
        if options.target == "cpp_standalone":
            report["loop_seconds"] = get_device()._last_run_time
        if options.profile:
            report["objects"] = {name: float(time) for name, time in network.profiling_info}
    print(json.dumps(report))


def force(options):
    """Return the network: its monitors record what those of published_force.py do."""
    neurons, recurrent = force_lif.network(options.neurons, seed=options.seed)
    readout = Readout(neurons, "r", feedback="z", name="readout")
    rule = RLS(
        alpha=5e-6 * second**2,
        every=2.5 * ms,
        start=options.start * second,
        stop=options.stop * second,
        step="published",
    )
    rule.attach(readout, target="sin(2*pi*5*Hz*t)")
    trace = StateMonitor(readout, "z", record=True, name="trace")
    decoders = StateMonitor(readout.decoders, "phi", record=np.arange(10), name="decoders")
    spikes = SpikeMonitor(neurons[:20], name="spikes")
    counter = SpikeMonitor(neurons, record=False, name="counter")
    return Network(neurons, recurrent, readout, trace, decoders, spikes, counter, name="force")


def profile(duration, network, folder):
    """Run in standalone mode with every object timed, which `simulate` does not offer."""
    started = time.time()
    network.run(duration, namespace={}, profile=True)
    device = get_device()
    device.build(directory=folder, run=False, with_output=False)
    began = time.time()
    device.run(folder, with_output=False)
    return Timing(began - started, time.time() - began, began)


def recorded(network, timing):
    """Return what the monitors hold, as the peer's own class, whose errors are the yardstick."""
    return Result(
        run_seconds=timing.run_seconds,
        t=np.array(network["trace"].t_),
        z=np.array(network["trace"].z_[0]),
        decoders=np.array(network["decoders"].phi_),
        phi=np.array(network["readout_decoders"].phi_),
        spike_times=np.array(network["spikes"].t_),
        spike_neurons=np.array(network["spikes"].i),
        spike_count=int(network["counter"].num_spikes),
    )


if __name__ == "__main__":
    main(parser.parse_args())
