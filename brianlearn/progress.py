"""A progress bar for a network on every target: a kernel marks a file, a thread reads it."""

import contextlib
import sys
import tempfile
import threading
from importlib.resources import files
from pathlib import Path

from tqdm import tqdm

from brianlearn import schedule
from brianlearn.kernel import FileName, Kernel
from brianlearn.kernel.path import decode

__all__ = ["progress_bar"]

_MARKS = 200  # in one run
_TERMINAL_SECONDS, _LOG_SECONDS = 0.1, 5  # between looks: a log file keeps every line
_FORMAT = (
    "{desc}{percentage:3.0f} %|{bar}| {n:.1f} of {total:.1f} s simulated [{elapsed}<{remaining}]"
)


def mark(step, every, path):
    """The Python form: one more byte in the file, now and then."""
    if step[0] % every[0] == 0:
        with open(decode(path), "ab") as marks:
            marks.write(b".")


@contextlib.contextmanager
def progress_bar(network, duration):
    """Show how far ``network`` is within ``duration``, while the context lasts."""
    clock = min((item.clock for item in network.sorted_objects), key=lambda clock: clock.dt_)
    steps = max(1, round(float(duration) / clock.dt_))
    with tempfile.TemporaryDirectory(prefix="brianlearn_progress_") as folder:
        marks = Path(folder) / "marks"
        kernel = Kernel(
            mark,
            files("brianlearn") / "progress.h",
            {
                "step": (clock, "timestep"),
                "every": max(1, steps // _MARKS),
                "path": FileName(marks),
            },
            clock=clock,
            when=schedule.PROGRESS.when,
            order=schedule.PROGRESS.order,
            name=f"{network.name}_progress",
        )
        network.add(kernel)
        done = threading.Event()
        total = float(duration)
        bar = tqdm(total=total, bar_format=_FORMAT, leave=False)
        watcher = threading.Thread(target=_watch, args=(bar, marks, total, done), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()
            bar.close()
            network.remove(kernel)


def _watch(bar, marks, total, done):
    bar.set_description_str("compiling  ")
    while not done.wait(_TERMINAL_SECONDS if sys.stderr.isatty() else _LOG_SECONDS):
        if marks.exists():
            bar.n = min(1.0, marks.stat().st_size / _MARKS) * total
            bar.set_description_str("")
