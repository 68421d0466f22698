"""What force.py found, as a table: nothing is measured here."""

PARTS = {
    "state update": ("neurons_stateupdater",),
    "thresholds and resets": ("neurons_spike_thresholder", "neurons_spike_resetter"),
    "events (projection)": ("neurons_recurrent",),
    "readout and feedback": ("readout_operation",),
    "RLS": ("readout_rls",),
    "monitors": ("trace", "decoders", "spikes", "counter"),
}
TARGETS = {
    "published / cpp_standalone": ">= 20",
    "published / cython": ">= 6",
    "RLS update / limit": "<= 1.25",
}


def split(timed, plain):
    """Return the microseconds per step of each part of the standalone run.

    Brian2 times an object by two calls of a clock, which cost time themselves: what the profiled
    loop took longer, shared among the objects. About one of the two calls falls into what is
    measured, and is taken off in `step_us`.

    Parameters
    ----------
    timed, plain : dict
        Results of a profiled run and of one without.
    """
    per_step = 1e6 / plain["steps"]
    objects = {name.removesuffix("_codeobject"): s for name, s in timed["objects"].items()}
    part_of = {name: part for part, names in PARTS.items() for name in names}
    loop = plain["loop_seconds"] * per_step
    clocks = max(0, timed["loop_seconds"] * per_step - loop) / len(objects)
    measured, step = dict.fromkeys(PARTS, 0.0), dict.fromkeys(PARTS, 0.0)
    for name, seconds in objects.items():
        part = part_of.get(name, name)
        measured[part] = measured.get(part, 0) + seconds * per_step
        step[part] = step.get(part, 0) + seconds * per_step - clocks / 2
    step["rest of the loop"] = loop - sum(step.values())
    step["program start, files"] = plain["step_us"] - loop
    return {"measured_us": measured, "step_us": step, "clocks_us_per_object": clocks}


def table(results):
    """Return everything as readable text."""
    sections = (runs, setup, update, profile, floor, growth, ratios)
    return "\n".join([header(results), *("\n" + section(results) for section in sections)])


def header(results):
    """Return where and with what it was measured."""
    machine, parameters = results["machine"], results["parameters"]
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    return (
        f"\nFORCE, {parameters['neurons']} neurons, {parameters['duration']:g} s at 0.05 ms, "
        f"best of {parameters['repeats']}; {results['date']}\n"
        f"{machine['cpu']}, {machine['cores']} cores, load {machine['load_before']:.1f} before; "
        f"{machine['compiler']}\n{versions}"
    )


def run_seconds(run):
    """Return the length of a run, extrapolated if only a part of it was simulated."""
    return run.get("extrapolated_run_seconds", run["run_seconds"])


def runs(results):
    """Return the table of whole runs."""
    peer = results["runs"].get("published")
    lines = [f"{'whole runs':24}{'run s':>10}{'us/step':>10}{'set-up s':>10}{'peer/ours':>10}"]
    for name, run in results["runs"].items():
        seconds = run_seconds(run)
        line = f"{name:24}{seconds:10.2f}{run['step_us']:10.2f}{run['setup_seconds']:10.2f}"
        if peer and run is not peer:
            line += f"{peer['run_seconds'] / seconds:10.2f}"
        if "extrapolated_run_seconds" in run:
            line += f"  (extrapolated from {run['duration']:g} s simulated)"
        lines.append(line)
    first = next(iter(results["runs"].values()))
    errors = ", ".join(f"{window}: {rmse:.6g}" for window, rmse in first["rmse"].items())
    names = ", ".join(name for name in results["runs"] if name != "numpy")
    lines.append(f"{names} agree: {first['spikes']} spikes, RMSE {errors}")
    if "numpy" in results["runs"]:
        lines.append("numpy agrees with cython over its part")
    return "\n".join(lines)


def setup(results):
    """Return how long one waits for the first step."""
    cold, warm = results["setup"]["cold_seconds"], results["setup"]["warm_seconds"]
    return (
        f"standalone, process start to first step: {cold:.1f} s with an empty cache, "
        f"{warm:.1f} s the second time"
    )


def update(results):
    """Return the table of one RLS update."""
    columns = ("kernel", "limit", "read", "change", "scipy", "python_form", "numpy")
    ratios = ("kernel_to_limit", "kernel_to_one_pass")
    titles = (*columns, "/limit", "/one pass")
    lines = [f"{'one RLS update, ms':24}" + "".join(f"{title:>12}" for title in titles)]
    for N, statistics in results["rls_update"].items():
        for statistic, times in statistics.items():
            numbers = "".join(f"{times[key]:12.4f}" for key in columns)
            numbers += "".join(f"{times[key]:12.2f}" for key in ratios)
            lines.append(f"{f'N = {N}, {statistic}':24}{numbers}")
    lines.append(
        "limit = read + change, two passes over memory; the kernel needs one, a change. While P\n"
        "fits into the cores' own caches, up to a few hundred neurons, arithmetic is the limit."
    )
    return "\n".join(lines)


def profile(results):
    """Return the table of a step's parts."""
    found = results["profile"]
    lines = [f"{'standalone, us/step':24}{'measured':>10}{'less clock':>12}{'share':>8}"]
    total = sum(found["step_us"].values())
    for part, us in found["step_us"].items():
        measured = found["measured_us"].get(part)
        shown = "" if measured is None else f"{measured:.3f}"
        lines.append(f"{part:24}{shown:>10}{us:12.3f}{us / total:8.0%}")
    timed, plain = (
        1e6 * found[run]["loop_seconds"] / found[run]["steps"] for run in ("timed", "plain")
    )
    clocks = found["clocks_us_per_object"]
    lines.append(
        f"{'sum, the plain run':24}{'':10}{total:12.3f}\n"
        f"The profiled loop took {timed:.2f} us a step, the plain one {plain:.2f}: two calls of "
        f"the clock\ncost {clocks:.2f} us an object, half of it within what is measured: taken off."
    )
    return "\n".join(lines)


def floor(results):
    """Return the cost of Brian2's Python loop."""
    return (
        f"Brian2's Python loop (Cython, {results['floor']['neurons']} neurons): "
        f"{results['floor']['step_us']:.1f} us a step, the floor of runtime mode for this network"
    )


def growth(results):
    """Return the table of growth with the number of neurons."""
    lines = []
    for N, run in results["growth"].items():
        if not lines:
            title = f"standalone, {run['duration']:g} s simulated"
            lines.append(f"{title:32}{'run s':>10}{'us/step':>10}{'spikes':>10}")
        seconds, step = run["run_seconds"], run["step_us"]
        lines.append(f"{f'N = {N}':32}{seconds:10.2f}{step:10.2f}{run['spikes']:10d}")
    return "\n".join(lines)


def ratios(results):
    """Return the ratios, with what was aimed at where the experiment has its published size."""
    lines = ["ratios"]
    for name, ratio in results["ratios"].items():
        aim = TARGETS.get(name.partition(",")[0])
        lines.append(f"{name:36}{ratio:8.2f}" + (f"   (aim, at N = 2000: {aim})" if aim else ""))
    return "\n".join(lines)


def changes(earlier, results):
    """Return how each ratio changed since an earlier run."""
    lines = [f"since {earlier.get('date')}"]
    if earlier.get("parameters") != results["parameters"]:
        lines.append(f"(measured with other options: {earlier.get('parameters')})")
    before, now = earlier.get("ratios", {}), results["ratios"]
    for name in before | now:
        if name not in now or name not in before:
            lines.append(f"{name:36}{'not measured ' + ('now' if name in before else 'then')}")
            continue
        change = now[name] / before[name] - 1
        lines.append(f"{name:36}{before[name]:8.2f} -> {now[name]:.2f} ({change:+.0%})")
    return "\n" + "\n".join(lines)
