"""Delays without gradients: neurons that compete find the delay with which they fire first.

50 random patterns are heard twice, by a reference input and by one that is up to 10 ms earlier or
later. For each pattern, two to eight neurons with multiplicative dendrites search the delay of the
second input: the first to fire keeps its delay, the others move theirs by a step of 0.1 ms. The
delay that fires first of all (found beside it by trying all) has won after at most 400
presentations, in every pattern, and stays. In Brian2 alone a delay cannot move during a run.
"""

import numpy as np
from brian2 import EventMonitor, Network, SpikeGeneratorGroup, SpikeMonitor, defaultclock, second

from brianlearn import WinnerTakeAllDelays, check_delays, experiment, plots, set_target, simulate
from brianlearn.tasks import winner

STATES = ("u_1", "u_2", "v", "theta")

parser = experiment.arguments(__doc__, "delay_wta")
parser.add_argument("--patterns", type=int, default=50, help="how many (%(default)s)")
parser.add_argument("--neurons", type=int, help="for each pattern (by turns 2 to 8)")
parser.add_argument(
    "--presentations", type=int, help="of each pattern (2*max_delay/step, in which all are found)"
)


def traces(film, count, steps):
    """The two presentations, each with its states as neurons x steps."""
    order = np.lexsort((film.t, film.i))
    states = {name: np.array(getattr(film, name))[order].reshape(count, -1) for name in STATES}
    time = np.arange(steps) * winner.DT * 1e3
    return [
        {"time": time} | {name: values[:, part] for name, values in states.items()}
        for part in (slice(None, steps), slice(-steps, None))
    ]


def main(options):
    rule = WinnerTakeAllDelays()
    places = len(rule.delays)
    presentations = options.presentations or 2 * (places - 1)
    patterns = winner.draw(options.seed, options.patterns)
    competitors = np.full(options.patterns, options.neurons or 0)
    if options.neurons is None:
        competitors = 2 + np.arange(options.patterns) % 7
    if competitors.min() < 2 or presentations < 1:
        raise ValueError("it takes at least two neurons, and one presentation.")
    set_target(options.target)
    defaultclock.dt = winner.DT * second
    random = np.random.default_rng(options.seed + 1)
    begin = random.integers(0, places, competitors.sum())

    inputs, steps = patterns.events()
    source = SpikeGeneratorGroup(
        2 * options.patterns, inputs, steps * defaultclock.dt, period=rule.presentation,
        name="source",
    )  # fmt: skip
    length = round(float(rule.presentation) / winner.DT)
    looked_at = min(2, options.patterns - 1)
    some = competitors[:looked_at].sum() + np.array([0, competitors[looked_at]])
    filmed = (
        f"i >= {some[0]} and i < {some[1]} and (t_in_timesteps < {length} or "
        f"t_in_timesteps >= {(presentations - 1) * length})"
    )
    competition = rule.attach(source, competitors, begin * rule.step, events={"filmed": filmed})
    victories = SpikeMonitor(competition.neurons, name="victories")
    duration = presentations * rule.presentation
    film = EventMonitor(competition.neurons, "filmed", variables=STATES, name="film")
    network = Network(source, competition, victories, film)
    check_delays(network)
    timing = simulate(duration, network)
    setup_seconds = experiment.process_age() - timing.run_seconds

    spike_steps = np.round(np.array(victories.t / second) / winner.DT).astype(int)
    heard = competition.pattern
    won = winner.winners(spike_steps, np.array(victories.i), heard, presentations, length)
    walks = winner.walks(begin, won, places)
    grid = np.round(np.asarray(rule.delays) / winner.DT).astype(int)
    firing = winner.firing_steps(patterns, vars(rule), grid, length)
    best = firing == firing.min(axis=1, keepdims=True)
    reached = winner.reached(np.take_along_axis(walks, won, axis=1), best)
    result = {
        "found": np.count_nonzero(reached),
        "trials": options.patterns,
        "presentations": reached,
        "run_seconds": timing.run_seconds,
        "setup_seconds": setup_seconds,
    }
    mine = slice(*some)
    step_ms = float(rule.step) * 1e3
    course = {
        "delays": walks[:, mine] * step_ms,
        "winner": won[:, looked_at] - some[0],
        "best": np.argmax(best[looked_at]) * step_ms,
        "step": step_ms,
    }
    films = traces(film, competitors[looked_at], length)
    for trace, k in zip(films, (0, -1), strict=True):
        trace["delays"], trace["winner"] = course["delays"][k], course["winner"][k]
        trace["fired"] = firing[looked_at, walks[k, won[k, looked_at]]] * winner.DT * 1e3
    arrays = {"won": won, "walks": walks, "firing": firing, "offsets": patterns.offsets}
    for name, part in (("first", films[0]), ("last", films[1]), ("course", course)):
        arrays |= {f"{name}.{key}": values for key, values in part.items()}
    figures = {}
    if not options.no_plot:
        figures["delay_wta.png"] = plots.competition(*films, course)
    parameters = {"rule": str(rule), "dt": defaultclock.dt}
    experiment.write(options, parameters, result, arrays, figures)
    print(
        f"{result['found']} of {options.patterns} best delays found, after at most "
        f"{reached.max()} presentations; {timing.run_seconds:.1f} s for {presentations} of each; "
        f"in {options.out}"
    )


if __name__ == "__main__":
    experiment.run(main, parser)
