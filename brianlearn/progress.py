"""A progress bar for a run that tells how far it is."""

import contextlib
import sys

from tqdm import tqdm

__all__ = ["progress_bar"]

_LOG_SECONDS = 5  # between two lines of a log file, which keeps them all
_FORMAT = (
    "{desc}{percentage:3.0f} %|{bar}| {n:.1f} of {total:.1f} s simulated [{elapsed}<{remaining}]"
)


@contextlib.contextmanager
def progress_bar(duration):
    """Show how far a run of ``duration`` is, while the context lasts.

    Yields
    ------
    callable
        To be told the fraction that is done.
    """
    seconds = float(duration)
    pause = 0.1 if sys.stderr.isatty() else _LOG_SECONDS
    with tqdm(total=seconds, bar_format=_FORMAT, leave=False, mininterval=pause) as bar:
        bar.set_description_str("compiling  ")

        def report(fraction):
            bar.set_description_str("", refresh=False)
            bar.update(fraction * seconds - bar.n)

        yield report
