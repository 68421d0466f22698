"""What it costs to move delays of Brian2's Synapses in a run, on the target cython.

All delays of a million synapses at once, beside the time to read and write the arrays involved;
and a hundred of them by `PlasticDelay.set`, in networks of different size.
"""

import time

import numpy as np
from brian2 import Network, NeuronGroup, Synapses, defaultclock, ms, second

from brianlearn import set_target
from brianlearn.plastic_delay import PlasticDelay

REPEATS = 30
FEW = 100


def network(n, **options):
    """Synapses of 1000 neurons that never spike, with a `PlasticDelay` that has run once."""
    source = NeuronGroup(1000, "x : 1", threshold="x > 0", reset="", name="source")
    synapses = Synapses(source, source, "d : second", on_pre="x_post += 0", name="synapses")
    synapses.connect(i=np.arange(n) % 1000, j=np.arange(n) // 1000 % 1000)
    plastic = PlasticDelay(synapses, max_delay=20 * ms, name="plastic", **options)
    net = Network(source, synapses, plastic)
    net.run(defaultclock.dt)
    return synapses, plastic, net


def best(prepare, timed):
    """The shortest of many times, in seconds."""
    seconds = []
    for k in range(REPEATS):
        prepare(k)
        began = time.perf_counter()
        timed()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def all_at_once(n):
    """Seconds to move all delays, to look at them when none has moved, and to pass through them."""
    synapses, plastic, _net = network(n)
    delays = synapses.variables["d"].get_value()
    random = np.random.default_rng(1)
    draws = [random.uniform(0, 20e-3, n) for _ in range(2)]
    steps = [np.zeros(n, dtype=np.int32) for _ in range(2)]

    def pass_through():
        delays.max()
        np.copyto(steps[0], steps[1])

    def draw(k):
        delays[:] = draws[k % 2]

    return {
        "all_seconds": best(draw, plastic.run),
        "none_seconds": best(lambda k: None, plastic.run),
        "read_and_write_seconds": best(draw, pass_through),
    }


def few(n):
    """Seconds to set a hundred delays and to move them."""
    _synapses, plastic, _net = network(n, every=np.inf * second)
    random = np.random.default_rng(1)
    indices = random.choice(n, FEW, replace=False)
    draws = random.uniform(0, 20e-3, (REPEATS, FEW)) * second
    changes = iter(draws)

    def change():
        plastic.set(indices, next(changes))
        plastic.run()

    return best(lambda k: None, change)


def main():
    """Measure, print a table, and return the numbers."""
    set_target("cython")
    result = {"synapses": 10**6, **all_at_once(10**6)}
    result["ratio"] = result["all_seconds"] / result["read_and_write_seconds"]
    result["few_seconds"] = {n: few(n) for n in (10**4, 10**5, 10**6)}
    print("all delays of 1,000,000 synapses                    ms")
    for label, key in (
        ("moved", "all_seconds"),
        ("looked at, none moved", "none_seconds"),
        ("read and written, nothing else", "read_and_write_seconds"),
    ):
        print(f"  {label:40s}{1e3 * result[key]:12.3f}")
    print(f"  {'moved / read and written':40s}{result['ratio']:12.2f}")
    print(f"{FEW} delays by PlasticDelay.set                       us")
    for n, seconds in result["few_seconds"].items():
        print(f"  {f'of {n:,} synapses':40s}{1e6 * seconds:12.1f}")
    return result


if __name__ == "__main__":
    main()
