"""Every kernel, FORCE and e-prop, compiled for each kind of processor that this one can stand for.

Code for x86-64-v2 has vectors of two doubles, for v3 of four (AVX2), for v4 of eight (AVX-512);
native is this very machine. Each level is measured in processes of its own, in turn: the kernels by
themselves, beside the time that plain loops (compiled for this machine) take to move as many bytes,
and beside SciPy's BLAS on one thread (held to the same instructions where it is OpenBLAS); then
whole experiments. The published FORCE script, compiled for this machine, runs once beside them.

    python benchmarks/processors.py                                   # 12 minutes
    python benchmarks/processors.py --levels native --duration 1.5 --skip-peer   # to try it out

It prints a table and writes all numbers to --out, after comparing them with those found there.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

from force import machine

from brianlearn import record
from brianlearn.experiment import versions

HERE = Path(__file__).parent
OPENBLAS = {"x86-64-v2": "Nehalem", "x86-64-v3": "Haswell", "x86-64-v4": "SkylakeX"}
NEEDED = {
    "x86-64-v2": {"sse4_2", "popcnt"},
    "x86-64-v3": {"avx2", "fma", "bmi2"},
    "x86-64-v4": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
}

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--levels", nargs="+", help="those of the machine, and native (%(default)s)")
parser.add_argument("--neurons", type=int, nargs="+", default=[100, 250, 500, 1000, 2000, 4000])
parser.add_argument("--rounds", type=int, default=20, help="of each kernel (%(default)s)")
parser.add_argument("--repeats", type=int, default=2, help="of each experiment (%(default)s)")
parser.add_argument("--duration", type=float, default=15, help="of FORCE, seconds (%(default)s)")
parser.add_argument("--skip-peer", action="store_true", help="without the published FORCE script")
parser.add_argument("--out", type=Path, default=HERE / "processors_results.json")


def main(options):
    """Measure everything, then print and save it."""
    earlier = json.loads(options.out.read_text()) if options.out.exists() else None
    results = {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "machine": machine() | {"flags": sorted(processor_flags())},
        "versions": versions(),
        "levels": {},
    }
    if not options.skip_peer:
        script = ["published_force.py", "--duration", *force_times(options)]
        results["published_force"] = child("native", *script)["run_seconds"]
    for level in options.levels or levels():
        results["levels"][level] = at_level(level, options)
        record.save_json(options.out, results)  # what has been measured is not lost
    print("\n" + table(results))
    if earlier:
        print(changes(earlier, results))
    print(f"\nWritten to {options.out}")


def processor_flags():
    """Return what the processor says that it can; nothing where there is no such list."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return set(next((line.split(":")[1].split() for line in lines if "flags" in line), ()))


def levels():
    """Return the levels whose code runs on this machine."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return ["native"]
    flags = processor_flags()
    return [*(level for level, needed in NEEDED.items() if needed <= flags), "native"]


def at_level(level, options):
    """Return the times of all kernels and experiments, compiled for one level."""
    rounds = ("--rounds", options.rounds)
    evidence = ("evidence", "--samples", 128, "--batch", 128, "--learning-rate", 1e-12)
    force = ("force_ours.py", "--duration", *force_times(options))
    return {
        "kernels": child(level, "kernel_times.py", *rounds),
        "rls": child(level, "rls_update.py", *options.neurons, *rounds),
        "force_seconds": {
            target: min(
                child(level, *force, "--target", target)["run_seconds"]
                for _ in range(options.repeats)
            )
            for target in ("cpp_standalone", "cython")
        },
        "evidence_ms": min(
            min(child(level, "eprop_ours.py", *evidence)["start"]["ms"])
            for _ in range(options.repeats)
        ),
    }


def force_times(options):
    """Return how long FORCE runs, and that it learns in the middle third."""
    third = options.duration / 3
    return options.duration, "--start", third, "--stop", 2 * third


def child(level, script, *arguments):
    """Return what a script in this folder prints as JSON, in a process of its own."""
    words = [*map(str, arguments)]
    print("...", level, script, *words, file=sys.stderr, flush=True)
    environment = os.environ | {"BRIANLEARN_PROCESSOR": level, "OPENBLAS_NUM_THREADS": "1"}
    if level in OPENBLAS:
        environment["OPENBLAS_CORETYPE"] = OPENBLAS[level]
    done = subprocess.run(
        [sys.executable, str(HERE / script), *words],
        env=environment, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"{script} {' '.join(words)} at {level} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def table(results):
    """Return everything as readable text: a row for each kernel, three columns for each level."""
    names, rows = list(results["levels"]), []
    for kernel in next(iter(results["levels"].values()))["kernels"]:
        cells = [results["levels"][level]["kernels"][kernel] for level in names]
        rows.append((kernel, [row(c["us"], c["limit_us"], c["blas_us"]) for c in cells]))
    for neurons in next(iter(results["levels"].values()))["rls"]:
        cells = [results["levels"][level]["rls"][neurons]["best"] for level in names]
        one_pass = [row(*(1e3 * c[key] for key in ("kernel", "change", "scipy"))) for c in cells]
        rows.append((f"RLS update, {neurons} neurons", one_pass))
    peer = results.get("published_force")
    for target in ("cpp_standalone", "cython"):
        times = [results["levels"][level]["force_seconds"][target] for level in names]
        rows.append((f"FORCE, {target}, s", [row(t, None, peer) for t in times]))
    times = [results["levels"][level]["evidence_ms"] for level in names]
    rows.append(("evidence accumulation, ms a sample", [row(t, None, None) for t in times]))
    where = results["machine"]
    return "\n".join([
        f"{where['cpu']}, {where['cores']} cores, {where['compiler']}; {results['date']}",
        "microseconds, the best; / limit: of the time to move as many bytes; BLAS /: how many",
        "times as long SciPy's BLAS takes (FORCE: the published script)",
        f"{'':36}" + "".join(f"{level:>30}" for level in names),
        f"{'':36}" + "".join(f"{'time':>12}{'/ limit':>9}{'BLAS /':>9}" for _ in names),
        *(f"{name:36}" + "".join(cells) for name, cells in rows),
    ])  # fmt: skip


def row(time, limit, peer):
    """Return a time and its two ratios, where there are any."""
    over = f"{time / limit:9.2f}" if limit else f"{'':9}"
    than = f"{peer / time:9.1f}" if peer else f"{'':9}"
    return f"{time:12.4g}{over}{than}"


def changes(earlier, results):
    """Return which kernels take another time than before, by a tenth or more."""
    lines = [f"\nSince {earlier['date']} on {earlier['machine']['cpu']}:"]
    for level, now in results["levels"].items():
        before = earlier["levels"].get(level, {"kernels": {}})["kernels"]
        for name, kernel in now["kernels"].items():
            ratio = kernel["us"] / before.get(name, kernel)["us"]
            if not 0.9 < ratio < 1.1:
                lines.append(f"  {level:10} {name:36} {ratio:6.2f} times as long")
    return "\n".join(lines)


if __name__ == "__main__":
    main(parser.parse_args())
