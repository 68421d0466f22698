"""Delays that learn by brianlearn beside PyTorch, and what delays cost, measured in one run.

Alignment of patterns (3 inputs, 20 classes, batches of 500, learning included) runs in turn with
the PyTorch peer, each in a process of its own: with trials of 80 steps, as published, and of 200.
Then come the nanoseconds of a synaptic event of a `Projection` with delays beside one without, and
what it costs to move delays of Brian2's own Synapses during a run.

    python benchmarks/delays.py --torch torch/bin/python     # 5 minutes, if all is compiled
    python benchmarks/delays.py --quick                      # without the peer; rough numbers

It prints a table and writes all numbers to --out. PyTorch needs a Python of its own (see
delays_torch_peer.py).
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import plastic_delays
from force import machine

from brianlearn import record
from brianlearn.experiment import versions

HERE = Path(__file__).parent
AIM_SECONDS, AIM_RATIO = 0.05, 1.5  # an epoch of 80 steps; an event with delays to one without

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--torch", metavar="PYTHON", help="a Python that has PyTorch")
parser.add_argument("--repeats", type=int, default=3, help="in turn with the peer (%(default)s)")
parser.add_argument("--epochs", type=int, default=40, help="of ours that are timed (%(default)s)")
parser.add_argument("--steps", type=int, nargs="*", default=[80, 200], help="of a trial")
parser.add_argument("--quick", action="store_true", help="everything once, and briefly")
parser.add_argument("--out", type=Path, default=HERE / "delays_results.json", help="(%(default)s)")


def main(options):
    """Measure everything, then print and save it."""
    if options.quick:
        options.repeats, options.epochs = 1, 10
    parameters = {key: value for key, value in vars(options).items() if key != "out"}
    results = {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "parameters": parameters | {"torch": bool(options.torch)},
        "alignment": {str(steps): alignment(options, steps) for steps in options.steps},
        "events": child("delays_events.py", *(("--rounds", 5) if options.quick else ())),
    }
    print(table(results))
    results["plastic_delays"] = plastic_delays.main()
    record.save_json(options.out, results)
    print(f"\nWritten to {options.out}")


def child(script, *arguments, python=sys.executable):
    """What a script in this folder prints as JSON, run in a process of its own."""
    words = [script, *map(str, arguments)]
    print("...", *words, file=sys.stderr, flush=True)
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    command = [python, str(HERE / script), *words[1:]]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(words)} failed:\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def alignment(options, steps):
    """Seconds of an epoch by PyTorch, in both of its forms, and by us, in turn."""
    found = {}
    for _ in range(options.repeats):
        if options.torch:
            for form in ("loop", "early"):
                flags = ("--steps", steps, "--form", form, "--epochs", max(3, options.epochs // 4))
                run = child("delays_torch_peer.py", *flags, python=options.torch)
                found.setdefault(f"PyTorch, {form}", []).append(run["seconds"])
        run = child("delays_ours.py", "--steps", steps, "--epochs", options.epochs)
        found.setdefault("brianlearn, standalone", []).append(run["seconds"])
        found.setdefault("brianlearn, start included", []).append([run["wall_seconds"]])
    return {name: summary(runs) for name, runs in found.items()}


def summary(runs):
    """The best and the median of all, and the best of each repeat."""
    everything = [seconds for run in runs for seconds in run]
    best = [min(run) for run in runs]
    return {"best": min(everything), "median": median(everything), "best_of_each": best}


def table(results):
    """What was measured, for people."""
    lines = []
    for steps, found in results["alignment"].items():
        aim = f"  (aim: {1e3 * AIM_SECONDS:.0f})" if steps == "80" else ""
        lines.append(f"{f'alignment, {steps} steps, ms an epoch' + aim:48}{'best':>9}{'median':>9}")
        for name, times in found.items():
            lines.append(f"  {name:46}{1e3 * times['best']:9.1f}{1e3 * times['median']:9.1f}")
    lines.append(f"{'a synaptic event':48}{'ns':>9}{'median':>9}{'ratio':>9}  (aim: {AIM_RATIO})")
    for density, kinds in results["events"].items():
        for kind, each in kinds.items():
            numbers = (each["best_ns"], each["median_ns"], each["best_ratio"])
            lines.append(
                f"  {density + ', delays: ' + kind:46}" + "".join(f"{n:9.2f}" for n in numbers)
            )
    return "\n".join(lines)


if __name__ == "__main__":
    main(parser.parse_args())
