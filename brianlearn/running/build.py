"""Standalone projects: written, and compiled unless the cache has their binary."""

import atexit
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from brian2.core.preferences import prefs

from brianlearn import cache
from brianlearn.errors import CompilationError
from brianlearn.kernel import compiler

__all__ = ["build"]


def build(device, sources: dict[str, str] | None = None) -> str:
    """Write the standalone project, and take its binary from the cache or make it.

    Parameters
    ----------
    device : CPPStandaloneDevice
    sources : dict of str to str
        Further source files of the project, by name.

    Returns
    -------
    str
        The project's folder, which is removed at this program's end.
    """
    folder = Path(tempfile.mkdtemp(prefix="brianlearn_"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name, text in (sources or {}).items():
        (folder / name).write_text(text)
    options = {"compile": False, "run": False, "additional_source_files": [*(sources or {})]}
    device.main_queue[:] = _without_history(device.main_queue)
    device.build(directory=str(folder), **options)
    key = _key(folder)
    if not cache.fetch(key, folder / "main"):
        _make(folder)
        cache.store(key, folder / "main")
    return str(folder)


def _without_history(queue: list[tuple]) -> list[tuple]:
    """Brian2's list of what ``main`` does, without numbers that are set anew before any code runs.

    The time step is one: what it was before would be part of the sources, and of their key.
    """
    kept, set_later = [], set()
    for what, arguments in reversed(queue):
        if what == "set_by_single_value":
            place = arguments[0], int(arguments[1])
            if place in set_later:
                continue
            set_later.add(place)
        elif not what.startswith(("set_", "seed")):
            set_later.clear()
        kept.append((what, arguments))
    return kept[::-1]


def _key(folder: Path) -> str:
    """A name for the binary: all that it is made from."""
    digest = hashlib.sha256(compiler.fingerprint().encode())
    for source in sorted(folder.rglob("*")):
        if source.suffix in {".cpp", ".h"} or source.name == "makefile":
            digest.update(f"{source.relative_to(folder)}\n".encode())
            digest.update(source.read_bytes())
    return digest.hexdigest()


def _make(folder: Path) -> None:
    jobs = f"-j{os.cpu_count() or 1}"
    command = [prefs.devices.cpp_standalone.make_cmd_unix, jobs, *compiler.make_flags()]
    command += ["DEPS="]  # in a new folder, all is compiled whatever it depends on
    made = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if made.returncode:
        raise CompilationError(f"The standalone project does not compile:\n{made.stderr}")
