"""What a user sees while a network trains: iteration, loss, accuracy, time left."""

import contextlib
import sys
import threading
from pathlib import Path

import numpy as np
from tqdm import tqdm

__all__ = ["Display"]

_TERMINAL_SECONDS, _LOG_SECONDS = 0.1, 5  # between looks: a log file keeps every line
_FORMAT = "{desc}{n_fmt}/{total_fmt} iterations |{bar}| {postfix} [{elapsed}<{remaining}]"


class Display:
    """A progress bar that reads the log which the running network writes.

    Parameters
    ----------
    log : Recorder
        With ``loss`` and ``accuracy`` first, a row for each trial.
    trials_per_iteration : int
    shown : bool
    """

    def __init__(self, log, trials_per_iteration: int, shown: bool = True):
        self.path, self.width = Path(log.path), sum(log.widths.values())
        self.per_iteration, self.shown = trials_per_iteration, shown
        self.bar, self.before = None, 0

    @contextlib.contextmanager
    def run(self, iterations: int, done: int):
        """Show a bar while the context lasts, ``done`` of its iterations being done already."""
        if not self.shown:
            yield
            return
        self.before = done
        self.bar = tqdm(total=done + iterations, initial=done, bar_format=_FORMAT, leave=False)
        stopped = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(stopped,), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            stopped.set()
            watcher.join()
            self.bar.close()

    def _watch(self, stopped):
        self.bar.set_description_str("compiling  ")
        while not stopped.wait(_TERMINAL_SECONDS if sys.stderr.isatty() else _LOG_SECONDS):
            self._look()

    def _look(self):
        try:
            rows = self.path.stat().st_size // (8 * self.width)
            if not rows:
                return
            with open(self.path, "rb") as file:
                file.seek(8 * self.width * (rows - 1))
                loss, accuracy = np.fromfile(file, count=2)
        except (OSError, ValueError):  # between two chunks there is no log
            return
        self.bar.set_description_str("", refresh=False)
        self.bar.set_postfix_str(f"loss {loss:.4g}, accuracy {accuracy:.2f}", refresh=False)
        self.bar.n = self.before + rows // self.per_iteration
        self.bar.refresh()

    def advance(self, iterations: int) -> None:
        """A chunk of iterations is complete: the log begins anew."""
        self.before += iterations
