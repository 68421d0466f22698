"""Where compiled code is kept between runs: one folder, bounded in size, safe to share.

The folder is ``prefs.brianlearn.cache_dir``; by default the environment variable
``BRIANLEARN_CACHE``, else the platform's cache folder (``~/.cache/brianlearn`` on Linux). It can
be deleted at any time, by hand or with `clear`.
"""

import contextlib
import os
import shutil
from pathlib import Path

import platformdirs
from brian2.core.preferences import prefs

from brianlearn import record
from brianlearn.preferences import preferred

__all__ = ["clear", "directory", "fetch", "store"]


def directory(*parts: str) -> Path:
    """The cache folder, or a folder within it; made if it does not exist.

    Raises
    ------
    OSError
        If it cannot be made or written; the message names the preference that moves it.
    """
    root = preferred("cache_dir", "BRIANLEARN_CACHE")
    folder = Path(root or platformdirs.user_cache_path("brianlearn")).joinpath(*parts)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError("not writable")
    except OSError as error:
        raise OSError(
            f"The cache folder '{folder}' cannot be used ({error}). Set the environment variable "
            "BRIANLEARN_CACHE or prefs.brianlearn.cache_dir to a folder that can be written."
        ) from error
    return folder


def fetch(key: str, destination: Path) -> bool:
    """Copy the file kept under ``key`` to ``destination``; False if there is none."""
    entry = directory("binaries") / key
    try:
        shutil.copy2(entry, destination)
        os.utime(entry)  # used just now: the last to be removed
    except FileNotFoundError:
        return False
    return True


def store(key: str, source: Path) -> None:
    """Keep a copy of the file ``source`` under ``key``, then remove the oldest beyond the limit.

    The copy appears whole or not at all, so that runs which start at once may store the same key.
    """
    folder = directory("binaries")
    with record.replacing(folder / key) as partial:
        shutil.copy2(source, partial)
    _remove_oldest(folder, prefs.brianlearn.cache_size)


def _remove_oldest(folder: Path, limit: int) -> None:
    entries = []
    for path in folder.glob("[!.]*"):  # what another run is just writing begins with a dot
        with contextlib.suppress(FileNotFoundError):  # another run may have removed it
            entries.append((path.stat().st_mtime, path.stat().st_size, path))
    kept = 0
    for _, size, path in sorted(entries, reverse=True):
        kept += size
        if kept > limit:
            path.unlink(missing_ok=True)


def clear() -> None:
    """Delete everything that is cached, and nothing else that may lie in the same folder."""
    for room in ("accepted", "binaries", "cython", "headers"):
        shutil.rmtree(directory(room))
