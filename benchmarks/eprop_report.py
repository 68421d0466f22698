"""What eprop.py found, as a table: nothing is measured here."""

AIMS = {
    "sine: NEST / standalone, adjoint": "4 ms or less, by NEST's 91 ms: >= 23",
    "evidence: NEST, 2 threads / trained": "1 ms or less, by NEST's 172 ms: >= 172",
    "evidence: BrainPy / trained": "1 ms or less, by BrainPy's 6.4 ms: >= 6.4",
}
# Arrays of a neuron's state that one step reads or writes: integration, threshold, history,
# and the recursion backwards; a variable that is read and written counts twice.
ARRAYS = {"sine": 9 + 1 + 1 + 5, "evidence": 11 + 1 + 1 + 7}
PARTS = {
    "events": lambda p: p["no learning"] - p["neither"],
    "neurons, readout, loss": lambda p: p["neither"],
    "history and recursion": lambda p: p["no spikes"] - p["neither"],
    "product": lambda p: p["all"] - p["no spikes"] - p["no learning"] + p["neither"],
}


def table(results):
    """Everything as readable text."""
    sections = (header, sine, evidence, samples, sizes, parts, ratios)
    return "\n\n".join(section(results) for section in sections)


def header(results):
    """Where and with what it was measured."""
    machine, parameters = results["machine"], results["parameters"]
    used = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    return (
        f"\nE-prop, {parameters['repeats']} repeats of {parameters['seconds']:g} s; "
        f"{results['date']}\n"
        f"{machine['cpu']}, {machine['cores']} cores, load {machine['load_before']:.1f} before; "
        f"{machine['compiler']}\n{used}"
    )


def sine(results):
    """The table of the sine."""
    lines = [f"{'sine, ms an iteration':32}{'best':>9}{'median':>9}{'rate Hz':>9}"]
    for name, found in results["sine"].items():
        lines.append(_row(name, found, _rates(found["last"].get("start", {}))))
    if "NEST" not in results["sine"]:
        lines.append("NEST was skipped: it is not installed in this Python")
    else:
        lines.append("the losses of all agree")
    return "\n".join(lines)


def evidence(results):
    """The table of evidence accumulation."""
    lines = [f"{'evidence, ms a sample':32}{'best':>9}{'median':>9}{'rate Hz':>9}"]
    for name, found in results["evidence"].items():
        last = found["last"]
        rates = [last["rates_hz"][0], last["rates_hz"][-1]] if "rates_hz" in last else None
        label = f"brianlearn, {name}" if "form" in last else name
        lines.append(_row(label, found, _rates({"rate_hz": rates} if rates else last)))
    for peer, why in (("NEST, 2 threads", "not installed"), ("BrainPy", "no --brainpy PYTHON")):
        if peer not in results["evidence"]:
            lines.append(f"{peer.partition(',')[0]} was skipped: {why}")
    parameters = results["parameters"]
    trained = "in full" if parameters["trained"] else f"{parameters['train']} iterations"
    lines.append(f"'trained' was trained {trained}; BrainPy's rates are its first and last")
    return "\n".join(lines)


def samples(results):
    """How the time of a sample depends on how many lie side by side."""
    titles = ("start", "trained", "rate Hz", "", "peak MiB", "history")
    lines = [_head("evidence: samples side by side", titles)]
    for size, run in results["samples"].items():
        numbers = [run["start"]["wall_ms"], run["trained"]["wall_ms"]]
        rates = [run["start"]["rate_hz"][1], run["trained"]["rate_hz"][1]]
        memory = [run["peak_mib"], run["history_mib"]]
        lines.append(
            f"{f'{size}, in batches of ' + str(run['batch']):32}"
            + "".join(f"{number:9.3f}" for number in numbers)
            + "".join(f"{number:9.1f}" for number in rates + memory)
        )
    return "\n".join(lines)


def sizes(results):
    """How the time of an iteration of the sine grows."""
    titles = ("best ms", "ns/step", "rate Hz", "peak MiB", "history")
    lines = [_head("sine: growth", titles)]
    for what in ("neurons", "steps"):
        for size, run in results[what].items():
            ms = min(run["start"]["ms"])
            per_step = 1e6 * ms / (run["neurons"] * run["steps"])
            numbers = (per_step, run["rate_hz"], run["peak_mib"], run["history_mib"])
            lines.append(
                f"{f'{size} {what}':32}{ms:9.2f}" + "".join(f"{each:9.1f}" for each in numbers)
            )
    lines.append("ns/step: of one neuron in one step")
    return "\n".join(lines)


def parts(results):
    """Where a sample's time goes, by differences, and what memory would allow."""
    lines = []
    for task, run in results["parts"].items():
        found, limit = run["parts"], run["limit"]
        steps = run["neurons"] * run["steps"]
        lines.append(_head(f"{task}: where time goes", ("ms", "share", "ns/step")))
        for name, part in PARTS.items():
            ms = part(found)
            share = f"{ms / found['all']:.0%}"
            lines.append(f"{name:32}{ms:9.3f}{share:>9}{1e6 * ms / steps:9.2f}")
        lines.append(f"{'all':32}{found['all']:9.3f}{'':9}{1e6 * found['all'] / steps:9.2f}")
        least = sum(limit[f"{name}_ms"] for name in ("history", "state", "events"))
        lines.append(
            f"{'to move the data alone':32}{least:9.3f}{least / found['all']:9.0%}"
            f"{1e6 * least / steps:9.2f}\n"
            f"  (history {limit['history_ms']:.3f}, state {limit['state_ms']:.3f}, events "
            f"{limit['events_ms']:.3f} ms; history written at "
            f"{limit['history_gb_per_s'][0]:.1f} and read at {limit['history_gb_per_s'][1]:.1f} "
            f"GB/s, cache {limit['cache_gb_per_s']:.1f} GB/s)\n"
            f"  at {run['rate_hz']:.1f} Hz; starting the program takes "
            f"{found['program_start_ms']:.0f} ms a chunk of about two seconds\n"
        )
    return "\n".join(lines).rstrip()


def ratios(results):
    """The ratios, with what was aimed at."""
    lines = [f"{'the peer / brianlearn':40}{'best':>9}{'median':>9}"]
    for name, ratio in results["ratios"].items():
        aim = f"   (aim: {AIMS[name]})" if name in AIMS else ""
        lines.append(f"{name:40}{ratio['best']:9.1f}{ratio['median']:9.1f}{aim}")
    return "\n".join(lines)


def changes(earlier, results):
    """How the ratios of the best changed since an earlier run."""
    lines = [f"\nsince {earlier.get('date')}"]
    if earlier.get("parameters") != results["parameters"]:
        lines.append(f"(measured with other options: {earlier.get('parameters')})")
    before, now = earlier.get("ratios", {}), results["ratios"]
    for name in before | now:
        if name not in now or name not in before:
            lines.append(f"{name:40}not measured {'now' if name in before else 'then'}")
            continue
        then, ratio = before[name]["best"], now[name]["best"]
        lines.append(f"{name:40}{then:9.1f} -> {ratio:.1f} ({ratio / then - 1:+.0%})")
    return "\n".join(lines)


def _head(title, columns):
    return f"{title:32}" + "".join(f"{column:>9}" for column in columns)


def _row(name, found, rates):
    return f"{name:32}{found['best_ms']:9.3f}{found['median_ms']:9.3f}{rates}"


def _rates(state):
    """The rate before and after a measurement, if it is known."""
    if "rate_hz" not in state:
        return ""
    return "    " + " to ".join(f"{rate:.1f}" for rate in state["rate_hz"])
