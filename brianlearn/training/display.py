"""What a user sees while a network trains: iteration, loss, accuracy, time left."""

import contextlib
import sys
import threading
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

__all__ = ["Display"]

_TERMINAL_SECONDS, _LOG_SECONDS = 0.1, 5  # between looks: a log file keeps every line
_FORMAT = "{desc} {n_fmt}/{total_fmt} |{bar}| {postfix} [{elapsed}<{remaining}]"


class Display:
    """A progress bar that reads the log which the running network writes.

    Parameters
    ----------
    log : Recorder
        With ``loss`` and ``accuracy`` first, a row for each trial.
    trials_per_iteration : int
    total : int or None
        Iterations of the phase ``train`` in all runs; None for one bar a run.
    classifies : bool
        Whether there is an accuracy to show.
    shown : bool
        Whether there is a bar at all.
    """

    def __init__(self, log, trials_per_iteration, total, classifies, shown):
        self.classifies = classifies
        self.path, self.width = Path(log.path), sum(log.widths.values())
        self.per_iteration, self.total, self.shown = trials_per_iteration, total, shown
        self.bar, self.before, self.counts, self.cold = None, 0, True, True
        self.looked = 0.0

    @contextlib.contextmanager
    def run(self, name: str, iterations: int, trained: int):
        """Show what happens while the context lasts.

        Parameters
        ----------
        name : str
            Of the phase.
        iterations : int
            Of the phase.
        trained : int
            Iterations of the phase ``train`` before it.
        """
        if not self.shown:
            yield
            return
        whole = self.total is not None
        self.counts = name == "train" or not whole
        self.before = trained if whole else 0
        if self.bar is None:
            total = self.total if whole else iterations
            self.bar = tqdm(
                total=total, initial=self.before, bar_format=_FORMAT, leave=False,
                mininterval=0 if sys.stderr.isatty() else _LOG_SECONDS,
            )  # fmt: skip
        self.bar.set_description_str(f"{name:8}", refresh=False)
        if self.cold:
            self.bar.set_postfix_str("compiling", refresh=True)
        self.cold = False
        stopped = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(stopped,), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            stopped.set()
            watcher.join()
            if not whole or self.before >= self.bar.total:
                self.bar.close()
                self.bar = None

    def _watch(self, stopped):
        pause = _TERMINAL_SECONDS if sys.stderr.isatty() else _LOG_SECONDS
        while not stopped.wait(_TERMINAL_SECONDS):
            if time.monotonic() - self.looked >= pause:
                self._look()

    def _look(self):
        try:
            rows = self.path.stat().st_size // (8 * self.width)
            with open(self.path, "rb") as file:
                file.seek(8 * self.width * max(0, rows - 1))
                loss, accuracy = np.fromfile(file, count=2)
        except (OSError, ValueError):  # compiling, or between two chunks: there is no log
            return
        shown = f"loss {loss:.4g}"
        if self.classifies:
            shown += f", accuracy {accuracy:.2f}"
        self.bar.set_postfix_str(shown, refresh=False)
        self.bar.n = self.before + (rows // self.per_iteration if self.counts else 0)
        self.bar.refresh()
        self.looked = time.monotonic()

    def advance(self, iterations: int) -> None:
        """A chunk of iterations is complete: the log begins anew."""
        self.before += iterations if self.counts else 0
