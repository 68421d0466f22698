"""The standard library's headers, precompiled: to read them takes longer than to compile the rest.

In standalone mode, every file that Brian2 generates is compiled with ``-include standard.h``, a
copy of which lies in the cache. Beside it is what GCC makes of it, once for each compiler and set
of flags; GCC takes what fits, and the header's text where nothing does.
"""

import contextlib
import hashlib
import os
import subprocess
from importlib.resources import files
from pathlib import Path

from brianlearn import cache, record

__all__ = ["include_precompiled"]

_TEXT = files("brianlearn.kernel") / "standard.h"


def include_precompiled(command: list[str], flags: list[str]) -> list[str]:
    """Arguments for GCC that include the header, which is precompiled unless it has been.

    Parameters
    ----------
    command : list of str
        The compiler. Should it fail, nothing is lost but time.
    flags : list of str
        With which the files will be compiled.
    """
    header = _copied()
    name = hashlib.sha256(repr((command, flags)).encode()).hexdigest()[:16]
    precompiled = header.with_name("standard.h.gch") / name  # of this folder, GCC takes what fits
    if not precompiled.exists():
        arguments = [*command, *flags, "-x", "c++-header", str(header), "-o"]
        precompiled.parent.mkdir(exist_ok=True)
        with contextlib.suppress(subprocess.CalledProcessError, FileNotFoundError):
            with record.replacing(header.with_name(name)) as partial:
                subprocess.run([*arguments, partial], capture_output=True, check=True)
            os.replace(header.with_name(name), precompiled)  # unless another run has just done so
    return ["-include", str(header)]


def _copied() -> Path:
    """Where the copy of the text is."""
    header, text = cache.directory("headers") / "standard.h", _TEXT.read_bytes()
    if not header.exists() or header.read_bytes() != text:
        with record.replacing(header) as partial:
            Path(partial).write_bytes(text)
    return header
